"""The queue, a lead's decision, and its history."""

from __future__ import annotations

import csv
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

TITLES = ["CEO", "CFO", "Intern", "Developer", "Head of Sales", "Student", "VP Operations"]


@pytest.fixture
def queued(client: TestClient) -> TestClient:
    """A service that knows seven leads and has scored them."""
    for i, title in enumerate(TITLES):
        client.put(f"/v1/leads/lead-{i}", json={"job_title": title, "email": f"p{i}@acme{i}.example", "country": "ES"})
        client.get(f"/v1/leads/lead-{i}/decision")
    return client


class TestQueue:
    def test_a_stranger_is_refused(self, guarded: TestClient, key_for: Callable[..., dict[str, str]]) -> None:
        assert guarded.get("/v1/leads").status_code == 401
        assert guarded.get("/v1/leads", headers=key_for("ingest")).status_code == 403

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("decision=maybe", "no decision 'maybe'"),
            ("sort=name", "not sorted by 'name'"),
            ("limit=0", "1 to 500"),
            ("limit=many", "1 to 500"),
            ("min_probability=nan", "between 0 and 1"),
            ("cursor=@@", "cursor"),
            ("cursor=WzFd", "cursor"),
        ],
    )
    def test_what_cannot_be_asked_is_named(self, client: TestClient, query: str, says: str) -> None:
        answer = client.get(f"/v1/leads?{query}")
        assert answer.status_code == 422
        assert says in answer.json()["detail"]

    def test_an_empty_queue_is_empty(self, client: TestClient) -> None:
        assert client.get("/v1/leads").json() == {"leads": [], "next": None}

    def test_the_best_come_first_and_say_why(self, queued: TestClient) -> None:
        listed = queued.get("/v1/leads").json()["leads"]
        chances = [one["probability"] for one in listed]
        assert len(listed) == len(TITLES)
        assert chances == sorted(chances, reverse=True)
        assert all(one["reasons"] and one["bant"]["authority"]["status"] for one in listed)

    @pytest.mark.parametrize("sort", ["probability", "-probability", "-since", "as_of", "-expected_value"])
    def test_pages_hold_everyone_once(self, queued: TestClient, sort: str) -> None:
        met: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page: dict[str, Any] = queued.get("/v1/leads", params={"sort": sort, "limit": 2, "cursor": cursor}).json()
            met += [one["lead_id"] for one in page["leads"]]
            cursor = page["next"]
        assert sorted(met) == [f"lead-{i}" for i in range(len(TITLES))]
        assert met == [one["lead_id"] for one in queued.get("/v1/leads", params={"sort": sort}).json()["leads"]]

    def test_a_filter_filters(self, queued: TestClient) -> None:
        everyone = queued.get("/v1/leads").json()["leads"]
        for decision in {one["decision"] for one in everyone}:
            listed = queued.get("/v1/leads", params={"decision": decision}).json()["leads"]
            assert [one["lead_id"] for one in listed] == [one["lead_id"] for one in everyone if one["decision"] == decision]


class TestOneLead:
    def test_a_lead_nobody_sent_is_a_404(self, client: TestClient) -> None:
        for method, path in (("GET", "decision"), ("GET", "decisions"), ("POST", "score")):
            answer = client.request(method, f"/v1/leads/nobody/{path}")
            assert (answer.status_code, "nobody" in answer.json()["detail"]) == (404, True)

    def test_by_id_is_by_body(self, queued: TestClient) -> None:
        by_id = queued.post("/v1/leads/lead-1/score").json()
        body = {
            "lead": {"lead_id": "lead-1", "job_title": "CFO", "email": "p1@acme1.example", "country": "ES"},
            "account_activities": [],
            "as_of": by_id["as_of"],
        }
        by_body = queued.post("/v1/score", json=body).json()
        for name in ("probability", "probability_low", "probability_high", "score", "grade", "reasons", "bant", "missing"):
            assert by_id[name] == by_body[name]
        assert by_id["receipt"]["input_hash"] == by_body["receipt"]["input_hash"]

    def test_the_latest_decision_knows_what_happened_a_moment_ago(self, queued: TestClient) -> None:
        before = queued.get("/v1/leads/lead-3/decision").json()
        assert queued.get("/v1/leads/lead-3/decision").json() == before, "nothing happened, nothing is made anew"
        queued.post("/v1/activities", json={"lead_id": "lead-3", "type": "demo_request", "occurred_at": "2026-11-20T10:00:00Z"})
        after = queued.get("/v1/leads/lead-3/decision").json()
        assert after["probability"] > before["probability"]
        assert after["receipt"]["decision_id"] != before["receipt"]["decision_id"]
        time.sleep(0.5)  # by now it has been scored by itself, too, which is no new decision
        assert queued.get("/v1/leads/lead-3/decision").json()["probability"] == pytest.approx(after["probability"], rel=0.05)

    def test_every_score_asked_for_is_in_the_history(self, queued: TestClient) -> None:
        made = [queued.post("/v1/leads/lead-2/score").json()["receipt"]["decision_id"] for _ in range(3)]
        listed = queued.get("/v1/leads/lead-2/decisions").json()["decisions"]
        assert [one["receipt"]["decision_id"] for one in listed][:3] == made[::-1]
        first = queued.get("/v1/leads/lead-2/decisions?limit=1").json()
        second = queued.get("/v1/leads/lead-2/decisions", params={"limit": 1, "cursor": first["next"]}).json()
        assert [one["decisions"][0]["receipt"]["decision_id"] for one in (first, second)] == made[::-1][:2]
        assert queued.get("/v1/leads/lead-2/decision").json()["receipt"]["decision_id"] == made[-1]


class TestWhatIsHeld:
    def test_a_stranger_is_refused(self, guarded: TestClient, key_for: Callable[..., dict[str, str]]) -> None:
        assert guarded.get("/v1/leads/lead-1").status_code == 401
        assert guarded.get("/v1/leads/lead-1", headers=key_for("score")).status_code == 403

    def test_a_lead_nobody_sent_is_a_404(self, client: TestClient) -> None:
        assert client.get("/v1/leads/nobody").status_code == 404
        assert client.get("/v1/leads/nobody?limit=0").status_code == 422

    def test_a_lead_is_shown_with_its_newest_activities_and_which_of_them_were_a_machines(self, queued: TestClient) -> None:
        rows = [
            {"lead_id": "lead-1", "type": "page_view", "occurred_at": "2026-01-05T09:00:00Z", "url": "/pricing"},
            {"lead_id": "lead-1", "type": "email_delivered", "occurred_at": "2026-01-06T09:00:07.2Z"},
            {"lead_id": "lead-1", "type": "email_open", "occurred_at": "2026-01-06T09:00:08.3Z"},
            {"lead_id": "lead-1", "type": "email_open", "occurred_at": "2026-01-06T15:00:08.3Z"},
        ]
        assert queued.post("/v1/activities?import=true", json={"activities": rows}).json()["new"] == 4
        held = queued.get("/v1/leads/lead-1").json()
        assert held["lead"]["job_title"] == "CFO"
        assert [(one["type"], one["machine"]) for one in held["activities"]] == [
            ("email_open", False), ("email_open", True), ("email_delivered", False), ("page_view", False),
        ]  # fmt: skip
        assert held["activities_total"] == 4
        newest = queued.get("/v1/leads/lead-1?limit=2").json()
        assert newest["activities"] == held["activities"][:2]
        assert newest["activities_total"] == 4

    def test_its_figures_are_those_of_the_queue(self, queued: TestClient) -> None:
        listed = {one["lead_id"]: one for one in queued.get("/v1/leads").json()["leads"]}
        held = queued.get("/v1/leads/lead-3").json()
        assert (held["decision"]["probability"], held["since"]) == (listed["lead-3"]["probability"], listed["lead-3"]["since"])
        assert held["lead"] == listed["lead-3"]["lead"]

    def test_what_sales_said_last_stands_with_the_lead(self, queued: TestClient) -> None:
        assert queued.get("/v1/leads/lead-2").json()["feedback"] is None
        for verdict in ("accepted", "rejected"):
            queued.post("/v1/leads/lead-2/feedback", json={"verdict": verdict, "author": "ines"})
        listed = {one["lead_id"]: one["feedback"] for one in queued.get("/v1/leads").json()["leads"]}
        assert listed.pop("lead-2") == queued.get("/v1/leads/lead-2").json()["feedback"]
        assert queued.get("/v1/leads/lead-2").json()["feedback"]["verdict"] == "rejected"
        assert set(listed.values()) == {None}

    def test_a_decision_of_a_version_that_knew_fewer_fields_is_shown_as_it_was(self, queued: TestClient, home: Path) -> None:
        with closing(sqlite3.connect(home / "tamiz.db")) as connection, connection:
            connection.execute("UPDATE standings SET answer = json_remove(answer, '$.rules') WHERE lead_id = 'lead-1'")
            connection.execute(
                "UPDATE decisions SET answer = CAST(json_remove(CAST(answer AS TEXT), '$.rules') AS BLOB) WHERE lead_id = 'lead-1'"
            )
        held = queued.get("/v1/leads/lead-1")
        past = queued.get("/v1/leads/lead-1/decisions")
        assert (held.status_code, past.status_code) == (200, 200)
        assert "rules" not in held.json()["decision"]
        assert held.json()["decision"]["probability"] == past.json()["decisions"][0]["probability"]


class TestAsATable:
    def test_another_format_than_there_is_is_refused(self, client: TestClient) -> None:
        assert client.get("/v1/leads?format=xlsx").status_code == 422

    def test_the_queue_has_a_line_for_each_lead_and_says_where_the_rest_is(self, queued: TestClient) -> None:
        whole = list(csv.DictReader(queued.get("/v1/leads?format=csv").text.splitlines()))
        listed = queued.get("/v1/leads").json()["leads"]
        assert [line["lead_id"] for line in whole] == [one["lead_id"] for one in listed]
        assert [float(line["probability"]) for line in whole] == [one["probability"] for one in listed]
        assert whole[0]["budget"] == listed[0]["bant"]["budget"]["status"]
        part = queued.get("/v1/leads?format=csv&limit=3")
        rest = queued.get(part.headers["link"].partition(">")[0].lstrip("<"))
        assert [line["lead_id"] for text in (part.text, rest.text) for line in csv.DictReader(text.splitlines())] == [
            one["lead_id"] for one in listed[:6]
        ]

    def test_what_somebody_calls_themselves_runs_nothing_in_a_spreadsheet(self, client: TestClient) -> None:
        client.put("/v1/leads/evil", json={"name": "=HYPERLINK(1)", "job_title": "@SUM(1)"})
        client.get("/v1/leads/evil/decision")
        [line] = csv.DictReader(client.get("/v1/leads?format=csv").text.splitlines())
        assert (line["name"], line["job_title"]) == ("'=HYPERLINK(1)", "'@SUM(1)")

    def test_a_leads_decisions_stand_a_line_each_with_their_receipts(self, queued: TestClient) -> None:
        queued.post("/v1/leads/lead-0/score")
        lines = list(csv.DictReader(queued.get("/v1/leads/lead-0/decisions?format=csv").text.splitlines()))
        told = queued.get("/v1/leads/lead-0/decisions").json()["decisions"]
        assert len(lines) > 1
        assert [line["decision_id"] for line in lines] == [one["receipt"]["decision_id"] for one in told]
