"""The monitor over HTTP: nothing there first, then drift, promises that came true or not, and work that is not done."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient

from data.crm import Crm, OutcomeRow
from data.monitor_limits import Limits
from data.schema import decisions, outbox, runtimes, stale
from data.store import Store, now
from models.bundle import Bundle
from models.request import ScoreRequest
from serving.app import create_app
from serving.monitor_report import MonitorAnswer, monitor_answer
from serving.settings import Settings
from tests.bundles import make_bundle, point

DAY = 86_400_000_000
TITLES = ("CFO", "Student", "Head of Sales", "Developer", "Praktikant", "Director of Finance")
COUNTRIES = ("ES", "DE", "US")


@pytest.fixture(autouse=True)
def nothing_is_kept_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is made when it is asked for, however long that takes on this machine."""
    monkeypatch.setattr("serving.kept.TIMES", 0)
    monkeypatch.setattr("serving.kept.AT_ONCE_SECONDS", 1e9)


def asked(i: int, **other: object) -> dict[str, Any]:
    lead = {"lead_id": f"lead-{i}", "job_title": TITLES[i % 6], "country": COUNTRIES[i % 3], "employees": 10 * (i % 40)} | other
    at = datetime.now(UTC)
    did = [{"type": "page_view", "url": "/pricing", "occurred_at": (at - timedelta(days=1 + i % 9)).isoformat()} for _ in range(i % 4)]
    return {"lead": lead, "activities": did, "as_of": at.isoformat()}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows the leads that it was calibrated on."""
    folder = tmp_path_factory.mktemp("compared") / "third"
    like = [msgspec.convert(asked(i), ScoreRequest, strict=False) for i in range(240)]
    make_bundle(folder, version="3", hope=0.0, like=like)
    return folder


@pytest.fixture
def knowing(tmp_path: Path, compared: Path) -> Path:
    """An installation with that bundle."""
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "third").symlink_to(compared)
    point(tmp_path, "third")
    return tmp_path


def opened(home: Path, database: str = "", **more: Any) -> TestClient:
    settings = Settings(home, database, auth="dev", worker="beside", **more)
    return TestClient(create_app(settings), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture
def service(knowing: Path, database: str) -> Iterator[TestClient]:
    with opened(knowing, database) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    store = Store.open(tmp_path, database)
    yield store
    store.close()


def send(client: TestClient, count: int, **other: object) -> None:
    answer = client.post("/v1/score/batch", json={"items": [asked(i, **other) for i in range(count)]})
    assert answer.status_code == 200, answer.text


def names(answer: dict[str, Any]) -> set[str]:
    return {alarm["name"] for alarm in answer["alarms"]}


class TestNothingYet:
    def test_nobody_without_a_key(self, guarded: TestClient, key_for: Callable[..., dict[str, str]]) -> None:
        assert guarded.get("/v1/monitor").status_code == 401
        assert guarded.get("/v1/monitor", headers=key_for("score")).status_code == 403
        assert guarded.get("/v1/monitor", headers=key_for("read")).status_code == 200

    def test_no_model_and_no_data(self, tmp_path: Path, database: str) -> None:
        with opened(tmp_path, database) as client:
            answer = client.get("/v1/monitor").json()
        assert (answer["alarms"], answer["retrain"], answer["promises"]) == ([], False, [])
        assert "No model serves" in answer["missing"][0]

    def test_a_bundle_without_a_reference_says_so(self, client: TestClient) -> None:
        answer = client.get("/v1/monitor").json()
        assert answer["drift"]["score"] is None
        assert any("nothing to compare with" in one for one in answer["missing"])

    def test_few_inputs_say_nothing_of_drift(self, service: TestClient) -> None:
        send(service, 9)
        answer = service.get("/v1/monitor").json()
        assert answer["drift"]["inputs"] == 9
        assert answer["drift"]["signals"] == []
        assert any("Only 9 inputs" in one for one in answer["missing"])


class TestDrift:
    def test_leads_as_they_were_are_no_alarm(self, service: TestClient) -> None:
        send(service, 120)
        answer = service.get("/v1/monitor").json()
        assert answer["drift"]["inputs"] == 120
        assert names(answer) == set()
        assert answer["drift"]["score"]["drifted"] is False

    def test_a_form_that_lost_its_fields_is_seen_in_the_signals_that_it_feeds(self, service: TestClient) -> None:
        send(service, 120, job_title=None, employees=None, country=None)
        drift = service.get("/v1/monitor").json()["drift"]
        lost = {one["name"]: one for one in drift["signals"] if one["drifted"]}
        assert {"seniority", "employees"} & lost.keys()
        assert drift["score"]["drifted"] is True
        gone = [one for one in lost.values() if one["missing"] > one["missing_before"]]
        assert gone

    def test_leads_that_are_scored_from_the_store_count_as_of_when_something_happened(self, service: TestClient) -> None:
        for i in range(60):
            one = asked(i)
            service.put(f"/v1/leads/lead-{i}", json={key: value for key, value in one["lead"].items() if key != "lead_id"})
            if one["activities"]:
                service.post(
                    "/v1/activities", json=[{**did, "lead_id": f"lead-{i}", "activity_id": f"{i}"} for did in one["activities"][:1]]
                )
            service.post(f"/v1/leads/lead-{i}/score")
        assert service.get("/v1/monitor").json()["drift"]["inputs"] == 45

    def test_what_a_visitor_did_before_it_was_a_lead_is_not_compared(self, service: TestClient) -> None:
        came, visited = (datetime.now(UTC) - timedelta(days=days) for days in (1, 2))
        for i in range(60):
            values = {key: value for key, value in asked(i)["lead"].items() if key != "lead_id"}
            service.put(f"/v1/leads/lead-{i}", json=values | {"created_at": (came if i < 4 else visited - timedelta(days=1)).isoformat()})
            did = {"lead_id": f"lead-{i}", "activity_id": f"{i}", "type": "page_view", "occurred_at": visited.isoformat()}
            service.post("/v1/activities?import=true", json=[did])
            service.post(f"/v1/leads/lead-{i}/score")
        assert service.get("/v1/monitor").json()["drift"]["inputs"] == 56

    def test_drift_recommends_to_train_again_and_says_why(self, store: Store, compared: Path, knowing: Path, database: str) -> None:
        with opened(knowing, database) as client:
            send(client, 120, job_title=None, employees=None, country=None)
        document = monitor_answer(store, Bundle.load(compared), Limits(score_psi=0.01), now())
        answer = msgspec.json.decode(document, type=MonitorAnswer)
        assert answer.retrain
        assert "score_drift" in answer.retrain_because


class TestPromises:
    @staticmethod
    def decided(store: Store, count: int, probability: float, won: int, days: float = 100.0) -> None:
        """First decisions of so long ago, of which some were won a month later."""
        at = now() - round(days * DAY)
        rows = [
            {
                "decision_id": f"d{i}", "lead_id": f"lead-{i}", "scored_at": at, "as_of": at, "decision": "nurture", "probability": p,
                "model_version": "3", "policy_version": "1", "feature_set": "f", "input_hash": "h", "input": b"", "runtime": "r",
                "answer": msgspec.json.encode({"by_day": {"30": p / 2, "90": p}}),
            }
            for i in range(count)
            for p in [probability + 0.05 * (-1) ** i]
        ]  # fmt: skip
        with store.writing() as connection:
            connection.execute(runtimes.insert().values(fingerprint="r", versions="{}"))
            connection.execute(decisions.insert(), rows)
        Crm(store).add_outcomes([OutcomeRow(f"lead-{i}", at + 20 * DAY, at + 20 * DAY) for i in range(won)])

    def ask(self, store: Store, compared: Path, limits: Limits | None = None) -> MonitorAnswer:
        return msgspec.json.decode(
            monitor_answer(store, Bundle.load(compared), limits or Limits(waiting_minutes=1e9), now()), type=MonitorAnswer
        )

    def test_promises_that_are_kept_are_no_alarm(self, store: Store, compared: Path) -> None:
        self.decided(store, 400, 0.2, 80)
        answer = self.ask(store, compared)
        real = next(one for one in answer.promises if one.kind == "realised")
        assert (real.leads, real.conversions, real.within_days) == (400, 80, 90)
        assert answer.alarms == []

    def test_twice_as_many_promised_as_came_is_an_alarm_that_recommends_to_train(self, store: Store, compared: Path) -> None:
        self.decided(store, 400, 0.2, 40)
        answer = self.ask(store, compared)
        assert {alarm.name for alarm in answer.alarms} == {"calibration"}
        assert "40 of 400 leads converted within 90 days; 80.0 were promised" in answer.alarms[0].message
        assert answer.retrain_because == ["calibration"]

    def test_leads_that_were_closed_before_they_were_first_scored_were_promised_nothing(self, store: Store, compared: Path) -> None:
        self.decided(store, 400, 0.2, 40)
        before = now() - round(200 * DAY)
        Crm(store).add_outcomes([OutcomeRow(f"lead-{i}", before, before, "lost") for i in range(200, 400)])
        answer = self.ask(store, compared)
        real = next(one for one in answer.promises if one.kind == "realised")
        assert (real.leads, real.conversions) == (200, 40)
        assert answer.alarms == []

    def test_few_leads_are_luck_and_no_alarm(self, store: Store, compared: Path) -> None:
        self.decided(store, 12, 0.2, 0)
        assert self.ask(store, compared).alarms == []

    def test_what_is_not_mature_is_not_judged(self, store: Store, compared: Path) -> None:
        self.decided(store, 400, 0.2, 0, days=60)
        answer = self.ask(store, compared)
        assert [one.kind for one in answer.promises] == ["expected"]
        assert any("No decision is 90 days old" in one for one in answer.missing)


class TestWork:
    def test_leads_that_wait_too_long_and_webhooks_that_were_given_up(self, store: Store, knowing: Path, database: str) -> None:
        with store.writing() as connection:
            connection.execute(stale.insert().values(lead_id="ana", since=now() - 3_600_000_000, changed=1))
            message = {"message_id": "m", "endpoint_id": "e", "lead_id": "ana", "body": b"", "state": "dead", "attempts": 9}
            connection.execute(outbox.insert().values(created_at=1, due_at=1, **message))
        with opened(knowing, database) as client:
            answer = client.get("/v1/monitor").json()
        assert names(answer) == {"waiting", "dead_messages"}
        assert not answer["retrain"]
        assert "tamiz webhooks replay" in next(one["message"] for one in answer["alarms"] if one["name"] == "dead_messages")

    def test_limits_are_those_of_the_installation(self, store: Store, knowing: Path, database: str) -> None:
        with store.writing() as connection:
            connection.execute(stale.insert().values(lead_id="ana", since=now() - 3_600_000_000, changed=1))
        with opened(knowing, database, limits=Limits(waiting_minutes=90)) as client:
            assert client.get("/v1/monitor").json()["alarms"] == []

    def test_swaps_are_those_of_the_process_that_answers(self, service: TestClient) -> None:
        assert service.get("/v1/monitor").json()["model"]["swaps"] == 1


class TestElsewhere:
    @pytest.mark.parametrize("name", ["signals", "promises", "alarms"])
    def test_every_table_can_be_had_as_csv(self, service: TestClient, name: str) -> None:
        send(service, 60)
        answer = service.get(f"/v1/monitor?format=csv&table={name}")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert rows or name == "alarms"
        if name == "signals":
            assert {"seniority", "pricing_visits_30d"} <= {row["name"] for row in rows}

    def test_prometheus_has_the_newest_report_once_there_is_one(self, service: TestClient) -> None:
        assert "tamiz_monitor_timestamp_seconds" not in service.get("/metrics").text
        send(service, 60)
        service.get("/v1/monitor")
        text = service.get("/metrics").text
        assert 'tamiz_signal_psi{signal="seniority"}' in text
        assert "tamiz_retrain_recommended 0.0" in text
