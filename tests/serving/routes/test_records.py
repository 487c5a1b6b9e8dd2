"""Leads as records of people: merged, handed out, erased."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from features.titles import read_title

CALLS = [
    ("POST", "/v1/leads/ana/merge", {"merged": "old"}, "score"),
    ("DELETE", "/v1/leads/ana", None, "ingest"),
    ("GET", "/v1/leads/ana/export", None, "read"),
]


@pytest.fixture
def known(client: TestClient) -> TestClient:
    """A service that knows Ana twice."""
    client.put("/v1/leads/ana", json={"email": "ana@acme.example", "job_title": "CFO"})
    client.put("/v1/leads/old", json={"job_title": "Finance director", "country": "ES"})
    visits = [
        {"lead_id": one, "activity_id": f"{one}-1", "type": "page_view", "occurred_at": "2026-06-01T09:00:00Z"} for one in ("ana", "old")
    ]
    client.post("/v1/activities", json={"activities": visits})
    return client


@pytest.mark.parametrize(("method", "path", "body", "scope"), CALLS)
def test_a_stranger_is_refused(
    guarded: TestClient, key_for: Callable[..., dict[str, str]], method: str, path: str, body: object, scope: str
) -> None:
    assert guarded.request(method, path, json=body).status_code == 401
    assert guarded.request(method, path, json=body, headers=key_for(scope)).status_code == 403


@pytest.mark.parametrize(("method", "path", "body", "scope"), CALLS)
def test_of_whom_nothing_is_known_is_a_404(client: TestClient, method: str, path: str, body: object, scope: str) -> None:
    answer = client.request(method, path, json=body)
    assert (answer.status_code, "ana" in answer.json()["detail"]) == (404, True)


class TestMerge:
    @pytest.mark.parametrize(
        ("body", "says"),
        [({}, "merged"), ({"merged": "ana"}, "itself"), ({"merged": ""}, "merged"), ({"merged": "old", "into": "x"}, "into")],
    )
    def test_what_cannot_be_merged_is_said(self, known: TestClient, body: object, says: str) -> None:
        answer = known.post("/v1/leads/ana/merge", json=body)
        assert (answer.status_code, says in answer.json()["detail"]) == (422, True)

    def test_the_receipt_names_the_merge_and_the_other_name_answers_for_it(self, known: TestClient) -> None:
        assert known.post("/v1/leads/ana/score").json()["receipt"]["merged"] == []
        done = known.post("/v1/leads/ana/merge", json={"merged": "old", "author": "ines"}).json()
        assert (done["lead_id"], done["merged"], done["author"], done["moved"]["activities"], done["known"]) == (
            "ana",
            "old",
            "ines",
            1,
            False,
        )
        scored = known.post("/v1/leads/old/score").json()
        assert (scored["lead_id"], scored["receipt"]["merged"]) == ("ana", ["old"])
        assert [one["lead_id"] for one in known.get("/v1/leads").json()["leads"]] == ["ana"]
        assert known.get("/v1/leads/old/decision").json()["lead_id"] == "ana"

    def test_decisions_on_both_are_in_the_history(self, known: TestClient) -> None:
        made = [known.post(f"/v1/leads/{one}/score").json()["receipt"]["decision_id"] for one in ("ana", "old")]
        known.post("/v1/leads/ana/merge", json={"merged": "old"})
        listed = [one["receipt"]["decision_id"] for one in known.get("/v1/leads/old/decisions").json()["decisions"]]
        assert set(made) <= set(listed)

    def test_twice_is_once(self, known: TestClient) -> None:
        first = known.post("/v1/leads/ana/merge", json={"merged": "old"}).json()
        assert known.post("/v1/leads/ana/merge", json={"merged": "old"}).json() == first | {"known": True}


class TestErase:
    def test_everything_is_gone_and_there_is_proof(self, known: TestClient, home: Path) -> None:
        title = "CFO of a very particular firm"
        body = {"lead": {"lead_id": "ana", "job_title": title}}
        scored = known.post("/v1/score", json=body, headers={"Idempotency-Key": "k"}).json()
        assert read_title.cache_info().currsize > 0
        done = known.delete("/v1/leads/ana?author=dpo").json()
        assert (done["author"], done["removed"]["leads"], done["known"]) == ("dpo", 1, False)
        before = read_title.cache_info().misses
        read_title(title)
        assert read_title.cache_info().misses > before, "what was read of her is forgotten, too"
        for method, path in (("GET", "decision"), ("GET", "decisions"), ("POST", "score"), ("GET", "export")):
            assert known.request(method, f"/v1/leads/ana/{path}").status_code == 404
        assert [one["lead_id"] for one in known.get("/v1/leads").json()["leads"]] in ([], ["old"])
        again = known.delete("/v1/leads/ana").json()
        assert again == done | {"known": True}
        fresh = known.post("/v1/score", json=body, headers={"Idempotency-Key": "k"}).json()
        assert fresh["receipt"]["decision_id"] != scored["receipt"]["decision_id"]

    def test_what_comes_late_is_refused_row_by_row(self, known: TestClient) -> None:
        known.delete("/v1/leads/ana")
        rows = [{"lead_id": one, "type": "call", "occurred_at": "2026-06-01T09:00:00Z"} for one in ("ana", "old")]
        answer = known.post("/v1/activities", json=rows).json()
        assert [row["status"] for row in answer["rows"]] == [410, 201]
        assert (answer["failed"], answer["rows"][0]["problem"]["code"]) == (1, "lead-erased")
        late = known.put("/v1/leads/ana", json={"lead": {"country": "ES"}, "changed_at": "2026-06-01T09:00:00Z"})
        assert (late.status_code, late.json()["code"]) == (410, "lead-erased")
        assert known.put("/v1/leads/ana", json={"country": "ES"}).json()["status"] == 201, "who comes anew is welcome"


class TestExport:
    def test_everything_held_is_in_it(self, known: TestClient) -> None:
        scored = known.post("/v1/leads/ana/score").json()
        answer = known.get("/v1/leads/ana/export")
        assert answer.headers["content-disposition"] == 'attachment; filename="ana.json"'
        whole = answer.json()
        assert whole["leads"][0]["attributes"] == {"email": "ana@acme.example", "job_title": "CFO"}
        assert whole["activities"][0]["activity_id"] == "ana-1"
        assert scored in [one["answer"] for one in whole["decisions"]]
