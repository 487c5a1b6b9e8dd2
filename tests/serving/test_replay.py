"""A decision of the ledger is computed again: the same, or what differs, or why it cannot be."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from data.retention import prune
from data.schema import decisions
from data.store import Store, now
from serving.replay import BundleGone, DecisionUnknown, Replay, replay


def again(home: Path, decision: dict[str, Any]) -> Replay:
    with closing(Store.open(home)) as store:
        return replay(store, home / "bundles", decision["receipt"]["decision_id"])


@pytest.fixture
def known(client: TestClient) -> TestClient:
    client.put("/v1/leads/ana", json={"email": "ana@acme.example", "job_title": "CFO"})
    client.put("/v1/leads/bea", json={"email": "bea@acme.example"})
    visits = [{"lead_id": one, "activity_id": "v", "type": "page_view", "occurred_at": "2026-06-01T09:00:00Z"} for one in ("ana", "bea")]
    client.post("/v1/activities", json=visits)
    return client


def test_a_decision_nobody_made_is_said(home: Path) -> None:
    with closing(Store.open(home)) as store, pytest.raises(DecisionUnknown, match="'d-0'"):
        replay(store, home / "bundles", "d-0")


def test_a_bundle_that_is_gone_is_named(client: TestClient, home: Path, lead: Any) -> None:
    made = client.post("/v1/score", json=lead).json()
    with pytest.raises(BundleGone, match="is model 1"), closing(Store.open(home)) as store:
        replay(store, home / "elsewhere", made["receipt"]["decision_id"])


def test_what_was_scored_by_body_is_the_same_to_the_last_bit(client: TestClient, home: Path, lead: Any) -> None:
    for explain in ("path", "shap", "none"):
        assert again(home, client.post("/v1/score", json=lead | {"explain": explain}).json()).outcome == "same"


def test_so_is_what_was_scored_by_id_under_a_policy_and_an_override(known: TestClient, home: Path) -> None:
    policy = {"policy": {"mql": {"enter": 0.01, "exit": 0.005}, "sql": {"enter": 0.9, "exit": 0.8}}}
    known.put("/v1/policy", json=policy, headers={"If-Match": "*"})
    known.post("/v1/leads/ana/score")
    known.post("/v1/leads/ana/override", json={"decision": "disqualified", "author": "ines", "reason": "competitor"})
    made = known.post("/v1/leads/ana/score").json()
    assert made["decision"] == "disqualified"
    assert again(home, made) == Replay(made["receipt"]["decision_id"], "same")


def test_another_answer_in_the_ledger_is_found_out(known: TestClient, home: Path) -> None:
    made = known.post("/v1/leads/ana/score").json()
    with closing(Store.open(home)) as store, store.writing() as connection:
        forged = json.dumps(made | {"probability": 0.99}).encode()
        mine = decisions.c.decision_id == made["receipt"]["decision_id"]
        connection.execute(decisions.update().where(mine).values(answer=forged))
    found = again(home, made)
    assert (found.outcome, found.differs) == ("differs", {"probability": (0.99, made["probability"])})


def test_rows_that_came_later_are_named(known: TestClient, home: Path) -> None:
    made = known.post("/v1/leads/ana/score").json()
    late = {"lead_id": "ana", "activity_id": "late", "type": "call", "occurred_at": "2026-06-01T09:00:00Z"}
    known.post("/v1/activities", json=[late])
    assert again(home, made).changed_since == (), "it was not known then, and is not now"
    known.post("/v1/activities?import=true", json=[late | {"activity_id": "imported"}])
    found = again(home, made)
    assert (found.outcome, found.changed_since) == ("same", ("activities: imported of ana is new",))
    other = known.post("/v1/leads/bea/score").json()
    known.post("/v1/leads/ana/merge", json={"merged": "bea"})
    assert "merged: bea is part of ana now" in again(home, other).changed_since


def test_what_was_erased_is_erased(known: TestClient, home: Path) -> None:
    made, of_a_colleague = known.post("/v1/leads/ana/score").json(), known.post("/v1/leads/bea/score").json()
    known.delete("/v1/leads/ana")
    assert [again(home, one).outcome for one in (made, of_a_colleague)] == ["erased", "erased"]


def test_the_command_says_it_and_its_exit_code(known: TestClient, home: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    from tests.trained import environment

    made = known.post("/v1/leads/ana/score").json()
    command = [sys.executable, "-m", "tamiz", "replay", made["receipt"]["decision_id"], "--json"]
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "same"), done.stderr
    known.delete("/v1/leads/ana")
    done = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (1, "erased")


def test_one_whose_input_was_pruned_says_so(known: TestClient, home: Path) -> None:
    made = [known.post("/v1/leads/ana/score").json() for _ in range(2)]
    with closing(Store.open(home)) as store:
        prune(store, home / "bundles", now(), author="ines")
    assert [again(home, one).outcome for one in made] == ["pruned", "same"]
    told = known.get("/v1/leads/ana/decisions").json()
    assert [one["receipt"]["decision_id"] for one in told["decisions"]] == [made[1]["receipt"]["decision_id"]]
