"""Where a lead is on its way, who moved it, and how long sales has let it wait; on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from data.store import Store
from serving.app import create_app
from serving.settings import Settings
from tests.serving.conftest import LOCAL

EVERYONE = {"mql": {"enter": 0.0, "exit": 0.0}, "sql": {"enter": 1.0, "exit": 1.0}}
NOBODY = {"mql": {"enter": 1.0, "exit": 1.0}, "sql": {"enter": 1.0, "exit": 1.0}}


@pytest.fixture
def served(home: Path, database: str) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(home, auth="dev", database=database)), base_url=LOCAL, raise_server_exceptions=False) as client:
        yield client


def publish(client: TestClient, **policy: Any) -> None:
    answer = client.put("/v1/policy", json={"policy": policy}, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


def put(client: TestClient, lead_id: str = "ana", **lead: object) -> dict[str, Any]:
    client.put(f"/v1/leads/{lead_id}", json={"email": f"{lead_id}@acme.example", **lead})
    return life(client, lead_id)


def life(client: TestClient, lead_id: str = "ana") -> dict[str, Any]:
    """What the newest decision says of the lead's way; the lead has been scored by then."""
    answer: dict[str, Any] = client.get(f"/v1/leads/{lead_id}/decision").json()
    return dict(answer["lifecycle"])


def say(client: TestClient, verdict: str, lead_id: str = "ana", **more: str) -> int:
    return client.post(f"/v1/leads/{lead_id}/feedback", json={"verdict": verdict, **more}).status_code


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def crm(client: TestClient, stage: str, lead_id: str = "ana", at: str | None = None, **more: object) -> None:
    row = {"lead_id": lead_id, "stage": stage, "entered_at": at or hours_ago(0), **more}
    assert client.post("/v1/stage-changes", json=[row]).json()["new"] == 1


def listed(client: TestClient, query: str) -> list[str]:
    answer = client.get(f"/v1/leads?{query}")
    assert answer.status_code == 200, answer.text
    return sorted(one["lead_id"] for one in answer.json()["leads"])


def eventually(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


class TestWhatIsNotAsked:
    @pytest.mark.parametrize("path", ["/v1/hand-offs", "/v1/leads/ana/course", "/v1/leads/ana/what-if"])
    def test_a_stranger_is_refused(self, guarded: TestClient, key_for: Callable[..., dict[str, str]], path: str) -> None:
        assert guarded.get(path).status_code == 401
        assert guarded.get(path, headers=key_for("ingest")).status_code == 403

    @pytest.mark.parametrize(
        ("path", "status", "says"),
        [
            ("/v1/leads?state=happy", 422, "no state 'happy'"),
            ("/v1/leads?sla=soon", 422, "no sla 'soon'"),
            ("/v1/leads?owner=%00", 422, "U+0000"),
            ("/v1/hand-offs?since_days=0", 422, "from 1 to 365"),
            ("/v1/leads/nobody/course", 404, "nobody"),
            ("/v1/leads/nobody/what-if", 404, "nobody"),
            ("/v1/leads/nobody/course?points=1", 422, "from 2 to 60"),
        ],
    )
    def test_is_said_to_be_nonsense(self, client: TestClient, path: str, status: int, says: str) -> None:
        answer = client.get(path)
        assert (answer.status_code, says in answer.json()["detail"]) == (status, True)


class TestTheWay:
    def test_a_lead_is_nurtured_handed_over_accepted_and_bought_from(self, served: TestClient) -> None:
        publish(served, **NOBODY)
        assert put(served)["state"] == "nurture"
        publish(served, **EVERYONE)
        served.post("/v1/leads/ana/score")
        assert life(served)["state"] == "mql"
        assert say(served, "accepted", author="ines") == 200
        assert life(served)["state"] == "accepted"
        crm(served, "Proposal", owner="marc")
        assert life(served)["state"] == "opportunity"
        served.post("/v1/outcomes", json=[{"lead_id": "ana", "converted_at": hours_ago(0)}])
        told = served.get("/v1/leads/ana").json()["lifecycle"]
        assert [(one["state"], one["actor"]) for one in told["moves"]] == [
            ("nurture", "policy"),
            ("mql", "policy"),
            ("accepted", "sales"),
            ("opportunity", "crm"),
            ("customer", "crm"),
        ]
        assert (told["owner"], told["moves"][2]["by"]) == ("marc", "ines")
        assert listed(served, "state=customer,mql") == ["ana"]
        assert listed(served, "state=customer&owner=marc") == ["ana"]
        assert listed(served, "owner=nobody") == listed(served, "state=mql") == []

    def test_who_is_the_crms_is_not_moved_by_sales_and_the_answer_says_why(self, served: TestClient) -> None:
        publish(served, **EVERYONE)
        put(served)
        crm(served, "Closed won")
        refused = served.post("/v1/leads/ana/feedback", json={"verdict": "rejected"})
        assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
        assert "cannot be rejected: it is a customer, and only the CRM moves it" in refused.json()["detail"]
        assert served.get("/v1/leads/ana/export").json()["feedback"] == [], "nothing of it was kept"

    def test_what_is_said_twice_is_the_same_even_when_it_could_not_be_said_any_more(self, served: TestClient) -> None:
        publish(served, **EVERYONE)
        put(served)
        said = {"verdict": "accepted", "feedback_id": "f-1"}
        first = served.post("/v1/leads/ana/feedback", json=said).json()
        crm(served, "Closed won")
        assert served.post("/v1/leads/ana/feedback", json=said).json() == first

    def test_rows_that_come_late_take_their_place(self, served: TestClient) -> None:
        publish(served, **EVERYONE)
        put(served)
        say(served, "accepted")
        at = hours_ago(0)
        time.sleep(0.01)
        crm(served, "Closed lost", reason="price")
        assert life(served)["state"] == "recycled"
        crm(served, "Negotiation", at=at)
        assert [one["state"] for one in life(served)["moves"]] == ["mql", "accepted", "opportunity", "recycled"]
        assert life(served)["moves"][-1]["reason"] == "price"

    def test_a_rejected_lead_rests_and_comes_again_by_itself(self, served: TestClient) -> None:
        publish(served, **EVERYONE, recycle_days=1.5 / 86_400)
        put(served)
        assert say(served, "rejected", reason="bad_timing") == 200
        assert (told := life(served))["state"] == "rejected"
        assert told["moves"][-1]["reason"] == "bad_timing"
        assert served.get("/v1/leads/ana/decision").json()["rules"] == ["rejected"]
        eventually(lambda: listed(served, "state=mql") == ["ana"])
        assert [one["state"] for one in life(served)["moves"]] == ["mql", "rejected", "recycled", "mql"]

    def test_a_decision_on_a_rejected_lead_can_be_computed_again(self, served: TestClient, home: Path, database: str) -> None:
        from serving.replay import replay

        publish(served, **EVERYONE, recycle_days=30)
        put(served)
        say(served, "rejected")
        entry = served.get("/v1/leads/ana/decision").json()["receipt"]["decision_id"]
        store = Store.open(home, database)
        try:
            assert replay(store, home / "bundles", entry).outcome == "same"
        finally:
            store.close()

    def test_without_a_model_a_lead_is_new_and_nobody_accepts_it(self, home: Path) -> None:
        (home / "bundles" / "champion.json").unlink()
        with TestClient(create_app(Settings(home, auth="dev")), base_url=LOCAL) as client:
            client.put("/v1/leads/ana", json={"email": "ana@acme.example"})
            assert client.get("/v1/leads/ana").json()["lifecycle"]["state"] == "new"
            assert say(client, "accepted") == 409


class TestTheClock:
    def test_where_nothing_is_promised_nothing_is_late(self, served: TestClient) -> None:
        publish(served, **EVERYONE)
        assert put(served)["sla"]["status"] is None
        assert listed(served, "sla=running,met,late,breached") == []

    def test_runs_is_met_and_counts(self, served: TestClient) -> None:
        publish(served, **EVERYONE, hand_off={"within_hours": 8})
        handed = put(served)["sla"]
        due, at = (datetime.fromisoformat(handed[name]) for name in ("due_at", "handed_at"))
        assert (handed["status"], due - at) == ("running", timedelta(hours=8))
        assert listed(served, "sla=running") == ["ana"]
        say(served, "accepted")
        assert listed(served, "sla=met") == ["ana"]
        assert listed(served, "sla=running") == []
        assert served.get("/v1/hand-offs").json()["in_time"] == 1.0

    def test_over_its_time_it_is_breached_until_somebody_takes_care_late(self, served: TestClient) -> None:
        publish(served, **EVERYONE, hand_off={"within_hours": 0.4 / 3600})
        put(served, owner="ines")
        put(served, "bea")
        eventually(lambda: listed(served, "sla=breached") == ["ana", "bea"])
        assert "tamiz_sla_breached 2.0" in served.get("/metrics").text
        row = {"lead_id": "ana", "type": "call", "occurred_at": datetime.now(UTC).isoformat()}
        served.post("/v1/activities", json=[row])
        assert life(served)["sla"]["status"] == "late"
        told = served.get("/v1/hand-offs").json()
        assert (told["breached"], told["late"], told["in_time"]) == (1, 1, 0.0)
        assert {one["owner"]: one["late"] for one in told["by_owner"]} == {"ines": 1, None: 0}
        assert told["oldest_due_at"] == life(served, "bea")["sla"]["due_at"]
        assert [one["lead_id"] for one in served.get("/v1/leads?sort=due_at").json()["leads"]] == ["ana", "bea"]

    def test_the_promise_is_that_of_the_policy_that_handed_over(self, served: TestClient) -> None:
        publish(served, **EVERYONE, hand_off={"within_hours": 8})
        before = put(served)["sla"]
        publish(served, **EVERYONE, hand_off={"within_hours": 1})
        served.post("/v1/leads/ana/score")
        assert life(served)["sla"] == before


class TestTheOutlook:
    def test_the_course_is_what_was_known_by_then_and_ends_now(self, served: TestClient) -> None:
        rows = [{"lead_id": "ana", "type": "page_view", "url": "/pricing", "occurred_at": hours_ago(hours)} for hours in (90, 60, 30)]
        served.post("/v1/activities?import=true", json=rows)
        put(served)
        before = served.get("/v1/leads/ana/decisions").json()["decisions"]
        points = served.get("/v1/leads/ana/course").json()["points"]
        now = served.post("/v1/leads/ana/score").json()
        assert len(points) == 4
        assert points[-1]["probability"] == now["probability"]
        assert [one["as_of"] for one in points] == sorted(one["as_of"] for one in points)
        few = served.get("/v1/leads/ana/course?points=2").json()["points"]
        assert [one["probability"] for one in (few[0], few[-1])] == [points[0]["probability"], points[-1]["probability"]]
        assert len(served.get("/v1/leads/ana/decisions").json()["decisions"]) == len(before) + 1, "nothing of it is in the ledger"

    def test_one_thing_more_is_scored_and_only_what_is_open_is_asked(self, served: TestClient) -> None:
        answered = {"lead_id": "ana", "type": "answer", "content": "budget", "value": "approved", "occurred_at": hours_ago(1)}
        served.post("/v1/activities?import=true", json=[answered])
        put(served)
        told = served.get("/v1/leads/ana/what-if").json()
        things = [(one["thing"], one["dimension"]) for one in told["what_if"]]
        assert {("call", None), ("demo_request", None), ("answer", "timeline")} <= set(things)
        assert ("answer", "budget") not in things
        chances = [one["probability"] for one in told["what_if"]]
        assert chances == sorted(chances, reverse=True)
        assert told["probability"] == served.post("/v1/leads/ana/score").json()["probability"]
        demo = next(one for one in told["what_if"] if one["thing"] == "demo_request")
        assert demo["probability"] > told["probability"], "these declared points want a demo"
        asked = {"lead_id": "ana", "type": "demo_request", "url": "/demo", "channel": "web", "occurred_at": hours_ago(0)}
        served.post("/v1/activities", json=[asked])
        assert served.post("/v1/leads/ana/score").json()["probability"] == pytest.approx(demo["probability"], abs=0.02)
