"""The queue, a lead's decision, and its history."""

from __future__ import annotations

import time
from collections.abc import Callable
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
