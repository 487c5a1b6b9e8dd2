"""What a CRM sends is kept once, row by row, and scored again soon."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

LEAD = {"email": "ana@acme.example", "job_title": "CFO", "country": "ES", "employees": 40}


def activity(number: int = 1, **values: Any) -> dict[str, Any]:
    return {
        "lead_id": "ana",
        "activity_id": f"a{number}",
        "type": "page_view",
        "occurred_at": "2026-10-05T08:12:31Z",
        "url": "/precios",
    } | values


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/leads/ana"), ("POST", "/v1/activities"), ("POST", "/v1/stage-changes"), ("POST", "/v1/outcomes")]
)
class TestAnyIngest:
    def test_a_stranger_is_refused(self, guarded: TestClient, method: str, path: str) -> None:
        assert guarded.request(method, path, json={}).status_code == 401

    def test_a_key_that_may_only_score_may_not_write(
        self, guarded: TestClient, key_for: Callable[..., dict[str, str]], method: str, path: str
    ) -> None:
        assert guarded.request(method, path, json={}, headers=key_for("score")).status_code == 403

    def test_what_is_no_json_is_a_400(self, client: TestClient, method: str, path: str) -> None:
        answer = client.request(method, path, content=b"{nope")
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


class TestLeads:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({"lead_id": "bea"}, "the body lead bea"),
            ({"country": ["ES"]}, "is a list"),
            ({"a": {"b": 1}}, "is an object"),
            ({"lead": {}, "colour": 1}, "colour"),
            ({"lead": {"country": "ES"}, "changed_at": "soon"}, "changed_at"),
            ({"lead": {"country": "ES"}, "changed_at": "2999-01-01T00:00:00Z"}, "between 1970 and now"),
            ({"country": "E\u0000S"}, "U\\+0000"),
            ({f"f{i}": 1 for i in range(301)}, "300 fields"),
            ({"note": "x" * 10_001}, "10,000 characters"),
        ],
    )
    def test_what_cannot_be_kept_is_named(self, client: TestClient, body: dict[str, Any], says: str) -> None:
        answer = client.put("/v1/leads/ana", json=body)
        assert answer.status_code == 422
        assert re.search(says, answer.json()["detail"])

    def test_a_lead_is_new_once(self, client: TestClient) -> None:
        assert [client.put("/v1/leads/ana", json=LEAD).json()["status"] for _ in range(2)] == [201, 200]

    def test_attributes_may_stand_in_an_envelope_with_their_date(self, client: TestClient) -> None:
        client.put("/v1/leads/ana", json=LEAD)
        older = client.put("/v1/leads/ana", json={"lead": {"job_title": "SDR"}, "changed_at": "2026-01-01T00:00:00Z"})
        assert older.json()["status"] == 201
        assert "CFO" in str(client.get("/v1/leads/ana/decision").json()["bant"])


class TestRows:
    def test_one_bad_row_spoils_no_other(self, client: TestClient) -> None:
        rows = [activity(1), activity(2, occurred_at="yesterday"), activity(3, lead_id=None), activity(1), activity(4, url="a\u0000b")]
        answer = client.post("/v1/activities", json={"activities": rows}).json()
        assert [row["status"] for row in answer["rows"]] == [201, 422, 422, 200, 422]
        assert (answer["received"], answer["new"], answer["known"], answer["failed"]) == (5, 1, 1, 3)
        assert "whose activity" in answer["rows"][2]["problem"]["detail"]

    @pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "2999-01-01T00:00:00Z"])
    def test_an_absurd_time_is_refused(self, client: TestClient, when: str) -> None:
        (row,) = client.post("/v1/activities", json=[activity(occurred_at=when)]).json()["rows"]
        assert row["status"] == 422

    def test_too_many_are_refused_whole(self, client: TestClient) -> None:
        assert client.post("/v1/activities", json=[{}] * 5_001).status_code == 413

    def test_lines_will_do(self, client: TestClient) -> None:
        lines = "\n".join(json.dumps(activity(i)) for i in range(3)) + "\n"
        answer = client.post("/v1/activities", content=lines, headers={"Content-Type": "application/x-ndjson"})
        assert answer.json()["new"] == 3

    def test_one_object_will_do(self, client: TestClient) -> None:
        assert client.post("/v1/activities", json=activity()).json()["new"] == 1

    def test_stages_and_outcomes_are_kept_once(self, client: TestClient) -> None:
        stage = {"lead_id": "ana", "stage": "Demo", "entered_at": "2026-10-06T10:00:00Z"}
        assert [client.post("/v1/stage-changes", json={"stage_changes": [stage]}).json()["new"] for _ in range(2)] == [1, 0]
        outcome = {"lead_id": "ana", "converted_at": "2026-10-07T10:00:00Z", "amount": 900}
        assert [client.post("/v1/outcomes", json={"outcomes": [outcome]}).json()["new"] for _ in range(2)] == [1, 0]


class TestScoredAgain:
    def test_an_activity_turns_into_a_decision(self, client: TestClient) -> None:
        client.put("/v1/leads/ana", json=LEAD)
        first = wait_for(lambda: client.get("/v1/leads").json()["leads"])[0]
        raised = [activity(i, type="demo_request", url=None, occurred_at=f"2026-11-2{i}T08:00:00Z") for i in range(3)]
        assert client.post("/v1/activities", json=raised).json()["new"] == 3
        now = wait_for(lambda: [one for one in client.get("/v1/leads").json()["leads"] if one["probability"] > first["probability"]])[0]
        assert now["lead_id"] == "ana"
        assert now["as_of"] > first["as_of"]

    def test_an_event_sent_twenty_times_makes_one_ledger_entry(self, client: TestClient) -> None:
        client.put("/v1/leads/ana", json=LEAD)
        for _ in range(20):
            client.post("/v1/activities", json=activity())
        client.get("/v1/leads/ana/decision")
        wait_for(lambda: client.get("/v1/leads").json()["leads"])
        made = client.get("/v1/leads/ana/decisions").json()["decisions"]
        assert len(made) == len({one["decision"] for one in made})


def wait_for(look: Callable[[], list[Any]], seconds: float = 20.0) -> list[Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")


class TestSentTwice:
    def test_another_body_under_the_same_key_is_refused(self, client: TestClient) -> None:
        headers = {"Idempotency-Key": "k1"}
        client.post("/v1/activities", json=activity(), headers=headers)
        assert client.post("/v1/activities", json=activity(2), headers=headers).json()["code"] == "idempotency-mismatch"

    @pytest.mark.parametrize("path", ["/v1/activities", "/v1/outcomes", "/v1/stage-changes"])
    def test_the_same_is_answered_by_the_same_bytes(self, client: TestClient, path: str) -> None:
        row = {
            "/v1/activities": activity(),
            "/v1/outcomes": {"lead_id": "ana", "converted_at": "2026-10-05T08:12:31Z"},
            "/v1/stage-changes": {"lead_id": "ana", "entered_at": "2026-10-05T08:12:31Z", "stage": "open"},
        }[path]
        first, second = (client.post(path, json=[row, {}], headers={"Idempotency-Key": "k1"}) for _ in range(2))
        assert (first.json()["new"], first.content) == (1, second.content)
        assert second.headers["idempotent-replay"] == "true"
        assert client.post(path, json=[row, {}]).json()["known"] == 1
