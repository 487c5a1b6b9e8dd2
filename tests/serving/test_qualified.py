"""A published policy with more than thresholds is obeyed by the next score, and the ledger says what chance did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from data.store import Store

EVERYONE = {"mql": {"enter": 0.0, "exit": 0.0}, "sql": {"enter": 1.0, "exit": 1.0}}
NOBODY = {"mql": {"enter": 1.0, "exit": 1.0}, "sql": {"enter": 1.0, "exit": 1.0}}


def publish(client: TestClient, **policy: Any) -> None:
    answer = client.put("/v1/policy", json={"policy": policy}, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


def score(client: TestClient, lead_id: str, activities: list[dict[str, Any]] | None = None, **lead: Any) -> dict[str, Any]:
    body = {"lead": {"lead_id": lead_id, "country": "ES"} | lead, "activities": activities or [], "as_of": "2026-10-21T09:00:00Z"}
    answer: dict[str, Any] = client.post("/v1/score", json=body).json()
    return answer


@pytest.mark.parametrize(
    "extra",
    [{"explore": {"share": 0.9}}, {"capacity": {"mql": -1}}, {"segments": [{"name": "x"}]}, {"hand_raise": {"to": "customer"}}],
)
def test_a_policy_that_cannot_be_is_refused_and_the_old_one_stays(client: TestClient, extra: dict[str, Any]) -> None:
    answer = client.put("/v1/policy", json={"policy": EVERYONE | extra}, headers={"If-Match": "*"})
    assert answer.status_code == 422
    assert client.get("/v1/policy").json()["version"] == "default"


def test_a_full_queue_takes_nobody_else_this_week(client: TestClient) -> None:
    publish(client, **EVERYONE, capacity={"mql": 2})
    assert [score(client, name)["decision"] for name in ("ana", "bea", "cleo", "ana")] == ["mql", "mql", "nurture", "mql"]
    assert score(client, "dora")["rules"] == ["mql_full"]
    batch = client.post("/v1/score/batch", json={"items": [{"lead": {"lead_id": f"l{i}"}} for i in range(5)]}).json()
    assert {item["answer"]["decision"] for item in batch["items"]} == {"nurture"}


def test_one_batch_does_not_overfill_a_queue(client: TestClient) -> None:
    publish(client, **EVERYONE, capacity={"mql": 3})
    batch = client.post("/v1/score/batch", json={"items": [{"lead": {"lead_id": f"l{i}"}} for i in range(60)]}).json()
    assert [item["answer"]["decision"] for item in batch["items"]].count("mql") == 3


def test_a_decision_stands_for_the_cool_down(client: TestClient) -> None:
    publish(client, **EVERYONE)
    assert score(client, "ana")["decision"] == "mql"
    publish(client, **NOBODY, cool_down_days=3)
    assert score(client, "ana")["rules"] == ["cool_down"]
    assert score(client, "bea")["decision"] == "nurture"


def test_a_customer_is_not_passed_on(client: TestClient) -> None:
    publish(client, **EVERYONE, suppress={"customers": ["acme.example"]})
    assert score(client, "ana", email="ana@acme.example")["rules"] == ["customer"]
    assert score(client, "bea", email="bea@other.example")["decision"] == "mql"


def test_a_raised_hand_goes_up_at_once_and_silence_goes_down(client: TestClient) -> None:
    raised = [{"type": "demo_request", "occurred_at": "2026-10-20T10:02:45Z"}]
    publish(client, **NOBODY, hand_raise={"to": "mql", "within_days": 2})
    assert score(client, "ana", raised)["rules"] == ["hand_raise"]
    publish(client, **EVERYONE, silence_days=30)
    assert score(client, "bea", [{"type": "page_view", "occurred_at": "2026-09-01T10:00:00Z"}])["rules"] == ["silent"]


def test_what_chance_did_is_in_the_receipt_and_in_the_ledger(client: TestClient, home: Path) -> None:
    publish(client, **NOBODY, explore={"share": 0.2})
    made = [score(client, f"lead-{i}") for i in range(60)]
    explored = [one for one in made if one["rules"] == ["explored"]]
    assert 0 < len(explored) < 30
    assert {one["receipt"]["propensity"] for one in made} == {0.2}
    assert [score(client, one["lead_id"])["decision"] for one in explored] == ["mql"] * len(explored)
    store = Store.open(home)
    entry = store.decision(explored[0]["receipt"]["decision_id"])
    store.close()
    assert entry is not None
    assert entry["propensity"] == 0.2


def test_arms_and_segments_are_among_the_rules(client: TestClient) -> None:
    arm = {"name": "bold", "share": 0.5} | EVERYONE
    publish(client, **NOBODY, experiment={"name": "spring", "arms": [arm]})
    met = {tuple(score(client, f"lead-{i}")["rules"]) for i in range(30)}
    assert met == {("mql_enter", "arm:bold"), ("below_mql", "arm:control")}
