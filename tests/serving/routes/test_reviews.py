"""What people say of decisions, and what they decide instead."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

CALLS = [
    ("POST", "/v1/leads/ana/feedback", {"verdict": "accepted"}, "score"),
    ("POST", "/v1/leads/ana/override", {"decision": "sql", "author": "ines", "reason": "met"}, "ingest"),
    ("DELETE", "/v1/leads/ana/override", None, "ingest"),
]
SQL = {"decision": "sql", "author": "ines", "reason": "Met the director at the fair."}


@pytest.fixture
def known(client: TestClient) -> TestClient:
    client.put("/v1/leads/ana", json={"email": "ana@acme.example", "job_title": "Intern"})
    client.get("/v1/leads/ana/decision")
    return client


@pytest.mark.parametrize(("method", "path", "body", "scope"), CALLS)
def test_a_stranger_is_refused(
    guarded: TestClient, key_for: Callable[..., dict[str, str]], method: str, path: str, body: object, scope: str
) -> None:
    assert guarded.request(method, path, json=body).status_code == 401
    assert guarded.request(method, path, json=body, headers=key_for(scope)).status_code == 403


@pytest.mark.parametrize(("method", "path", "body", "scope"), CALLS)
def test_of_whom_nothing_is_known_is_a_404(client: TestClient, method: str, path: str, body: object, scope: str) -> None:
    assert client.request(method, path, json=body).status_code == 404


class TestFeedback:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({}, "verdict"),
            ({"verdict": "maybe"}, "maybe"),
            ({"verdict": "accepted", "decision_id": "d-0"}, "no decision 'd-0'"),
            ({"verdict": "accepted", "stars": 5}, "stars"),
        ],
    )
    def test_what_cannot_be_said_is_named(self, known: TestClient, body: object, says: str) -> None:
        answer = known.post("/v1/leads/ana/feedback", json=body)
        assert (answer.status_code, says in answer.json()["detail"]) == (422, True)

    def test_it_is_kept_once_under_the_decision_that_holds(self, known: TestClient) -> None:
        held = known.get("/v1/leads/ana/decision").json()["receipt"]["decision_id"]
        said = {"verdict": "rejected", "reason": "wrong_person", "note": "An intern.", "author": "ines"}
        first = known.post("/v1/leads/ana/feedback", json=said).json()
        assert (first["decision_id"], first["verdict"], first["author"]) == (held, "rejected", "ines")
        assert known.post("/v1/leads/ana/feedback", json=said).json() == first
        assert known.post("/v1/leads/ana/feedback", json=said | {"verdict": "accepted"}).json()["feedback_id"] != first["feedback_id"]
        assert len(known.get("/v1/leads/ana/export").json()["feedback"]) == 2


class TestOverride:
    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"decision": "maybe"}, "maybe"),
            ({"author": ""}, "author"),
            ({"reason": ""}, "reason"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "has passed"),
        ],
    )
    def test_what_cannot_be_decided_is_named(self, known: TestClient, changed: dict[str, str], says: str) -> None:
        answer = known.post("/v1/leads/ana/override", json=SQL | changed)
        assert (answer.status_code, says in answer.json()["detail"]) == (422, True)

    def test_there_is_nothing_to_lift(self, known: TestClient) -> None:
        assert known.delete("/v1/leads/ana/override").status_code == 404

    def test_it_holds_and_is_shown_until_it_is_lifted(self, known: TestClient) -> None:
        models = known.get("/v1/leads/ana/decision").json()
        assert (models["override"], models["decision"]) == (None, "nurture")
        kept = known.post("/v1/leads/ana/override", json=SQL).json()
        now = known.get("/v1/leads/ana/decision").json()
        assert (now["decision"], now["rules"][-1]) == ("sql", "override")
        # Whoever scored in between may have entered the same once more, on top of it.
        first = next(one for one in reversed(known.get("/v1/leads/ana/decisions").json()["decisions"]) if one["decision"] == "sql")
        assert (first["previous_decision"], first["changed"]) == ("nurture", True)
        assert now["override"] == {name: kept[name] for name in ("override_id", "author", "reason", "given_at", "expires_at")} | {
            "instead_of": "nurture"
        }
        assert now["probability"] == models["probability"], "what the model says is still told"
        (queued,) = known.get("/v1/leads?decision=sql").json()["leads"]
        assert (queued["lead_id"], queued["override"]["author"]) == ("ana", "ines")
        assert known.post("/v1/leads/ana/override", json=SQL).json() == kept, "the same once more is the same"
        known.post("/v1/activities", json=[{"lead_id": "ana", "type": "page_view", "occurred_at": "2026-06-01T09:00:00Z"}])
        assert known.post("/v1/leads/ana/score").json()["decision"] == "sql", "whatever the lead does"
        ended = known.delete("/v1/leads/ana/override?author=marc").json()
        assert (ended["override_id"], ended["lifted_by"]) == (kept["override_id"], "marc")
        assert known.get("/v1/leads/ana/decision").json()["override"] is None
        assert [one["lifted_by"] for one in known.get("/v1/leads/ana/export").json()["overrides"]] == ["marc"], "and stays on record"

    def test_it_ends_when_it_expires(self, known: TestClient) -> None:
        ends = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
        known.post("/v1/leads/ana/override", json=SQL | {"expires_at": ends})
        deadline = time.monotonic() + 30
        while known.get("/v1/leads/ana/decision").json()["override"] is not None:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert known.get("/v1/leads/ana/export").json()["overrides"][0]["lifted_by"] == "expired"

    def test_a_new_one_replaces_it(self, known: TestClient) -> None:
        known.post("/v1/leads/ana/override", json=SQL)
        known.post("/v1/leads/ana/override", json=SQL | {"decision": "disqualified", "author": "marc"})
        assert known.get("/v1/leads/ana/decision").json()["decision"] == "disqualified"
        assert [one["lifted_by"] for one in known.get("/v1/leads/ana/export").json()["overrides"]] == ["marc", None]


class TestOnce:
    """`Idempotency-Key` is one mechanism for every POST about a lead."""

    @pytest.mark.parametrize(("path", "body"), [("score", None), ("feedback", {"verdict": "accepted"}), ("override", SQL)])
    def test_the_same_call_is_answered_by_the_same_bytes(self, known: TestClient, path: str, body: object) -> None:
        key = {"Idempotency-Key": "k-1"}
        first = known.post(f"/v1/leads/ana/{path}", json=body, headers=key)
        again = known.post(f"/v1/leads/ana/{path}", json=body, headers=key)
        assert (again.content, again.headers.get("idempotent-replay"), first.headers.get("idempotent-replay")) == (
            first.content,
            "true",
            None,
        )
        other = known.post("/v1/leads/ana/feedback", json={"verdict": "rejected"}, headers=key)
        assert other.status_code == 422

    def test_a_score_by_id_is_in_the_ledger_once(self, known: TestClient) -> None:
        before = len(known.get("/v1/leads/ana/decisions").json()["decisions"])
        for _ in range(3):
            known.post("/v1/leads/ana/score", headers={"Idempotency-Key": "k-2"})
        assert len(known.get("/v1/leads/ana/decisions").json()["decisions"]) == before + 1
