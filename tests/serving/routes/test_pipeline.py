"""Pipeline and forecast over HTTP: nothing there yet first, on both databases."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from fastapi.testclient import TestClient

from data.reports import Reports
from data.store import Store, now
from serving.app import create_app
from serving.pipeline_report import FORECAST, forecast_answer
from serving.settings import Settings

DAY = 86_400_000_000


def opened(home: Path, database: str) -> TestClient:
    settings = Settings(home, database, auth="dev", worker="beside")
    return TestClient(create_app(settings), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture(autouse=True)
def nothing_is_kept_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is made when it is asked for, however long that takes on this machine."""
    monkeypatch.setattr("serving.kept.TIMES", 0)
    monkeypatch.setattr("serving.kept.AT_ONCE_SECONDS", 1e9)


@pytest.fixture
def service(home: Path, database: str) -> Iterator[TestClient]:
    with opened(home, database) as client:
        yield client


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def tell(client: TestClient, leads: int = 24) -> None:
    """Leads that came over a hundred days: all are new, half get a proposal, a quarter is won."""
    changes, outcomes = [], []
    for i in range(leads):
        days = 100.0 - 4 * i + 0.5
        client.put(f"/v1/leads/lead-{i}", json={"lead": {"created_at": ago(days), "job_title": "CFO"}, "changed_at": ago(days)})
        changes.append({"lead_id": f"lead-{i}", "stage": "new", "entered_at": ago(days)})
        if i % 2 == 0:
            changes.append({"lead_id": f"lead-{i}", "stage": "proposal", "entered_at": ago(days - 2)})
        if i % 4 == 0:
            outcomes.append({"lead_id": f"lead-{i}", "converted_at": ago(days - 4), "amount": 100.0})
    assert client.post("/v1/stage-changes", json=changes).json()["failed"] == 0
    assert client.post("/v1/outcomes", json=outcomes).json()["failed"] == 0


def table(client: TestClient, path: str) -> list[dict[str, str]]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


class TestWhoMayAsk:
    @pytest.mark.parametrize("path", ["/v1/pipeline", "/v1/forecast"])
    def test_nobody_without_a_key_and_none_without_the_right(
        self, guarded: TestClient, key_for: Callable[..., dict[str, str]], path: str
    ) -> None:
        assert guarded.get(path).status_code == 401
        assert guarded.get(path, headers=key_for("score")).status_code == 403
        assert guarded.get(path, headers=key_for("read")).status_code == 200

    @pytest.mark.parametrize("path", ["/v1/pipeline?days=7", "/v1/forecast?weeks=1", "/v1/pipeline?table=all", "/v1/forecast?format=pdf"])
    def test_what_there_is_not_is_refused_and_says_what_there_is(self, service: TestClient, path: str) -> None:
        answer = service.get(path)
        assert answer.status_code == 422
        assert "is one of" in answer.json()["detail"]


class TestPipeline:
    def test_an_empty_store_says_what_to_send(self, service: TestClient) -> None:
        answer = service.get("/v1/pipeline").json()
        assert (answer["leads"], answer["stages"], answer["bottlenecks"]) == (0, [], [])
        assert "/v1/stage-changes" in answer["missing"][0]
        assert table(service, "/v1/pipeline?format=csv") == []

    def test_stages_wins_cohorts_and_our_own_funnel(self, service: TestClient) -> None:
        tell(service)
        answer = service.get("/v1/pipeline?days=60").json()
        assert [stage["name"] for stage in answer["stages"]] == ["new", "proposal"]
        new = answer["stages"][0]
        assert new["now"]["entered"] + new["before"]["entered"] == 24
        assert answer["deals"]["average_deal"]["value"] == 100
        assert sum(cohort["leads"] for cohort in answer["cohorts"]) == 24
        funnel = {step["name"]: step["leads"] for step in answer["funnel"]}
        assert funnel["created"] - new["now"]["entered"] in {0, 1}  # the funnel begins with a whole day
        assert "accepted" not in funnel
        assert answer["missing"] == []

    def test_accepting_is_a_step_once_sales_accepts(self, service: TestClient) -> None:
        tell(service, 6)
        assert service.post("/v1/leads/lead-5/score").is_success
        assert service.post("/v1/leads/lead-5/feedback", json={"verdict": "accepted"}).is_success
        funnel = {step["name"]: step["leads"] for step in service.get("/v1/pipeline?days=365").json()["funnel"]}
        assert funnel["accepted"] == 1

    @pytest.mark.parametrize("name", ["stages", "cohorts", "funnel", "bottlenecks", "deals"])
    def test_every_table_can_be_had_as_csv(self, service: TestClient, name: str) -> None:
        tell(service, 8)
        rows = table(service, f"/v1/pipeline?format=csv&table={name}")
        assert rows or name == "bottlenecks"
        if name == "stages":
            assert {row["stage"] for row in rows} == {"new", "proposal"}


class TestForecast:
    def test_without_a_model_and_without_leads_it_says_what_is_missing(self, tmp_path: Path, database: str) -> None:
        with opened(tmp_path, database) as client:
            answer = client.get("/v1/forecast").json()
        assert (answer["weeks"], answer["total"], answer["model_version"]) == ([], None, None)
        assert any("No model serves" in one for one in answer["missing"])
        assert any("Leads to come" in one for one in answer["missing"])

    def test_without_amounts_there_is_no_revenue(self, service: TestClient) -> None:
        service.put("/v1/leads/ana", json={"job_title": "CFO"})
        service.post("/v1/leads/ana/score")
        answer = service.get("/v1/forecast").json()
        assert answer["revenue_total"] is None
        assert any("No revenue" in one for one in answer["missing"])

    def test_open_leads_by_week_with_the_backtest_beside(self, service: TestClient) -> None:
        tell(service)
        for i in range(24):
            service.post(f"/v1/leads/lead-{i}/score")
        answer = service.get("/v1/forecast?weeks=4").json()
        assert answer["open_leads"] == 18
        assert answer["timing"] == "even"
        week = answer["weeks"][0]
        assert week["conversions"]["low"] <= week["conversions"]["expected"] <= week["conversions"]["high"]
        assert week["of_new"] is None  # too few leads to know how new ones fare
        assert answer["backtest"]["of"] >= 4
        assert len(answer["past"]) == 4
        assert sum(one["conversions"] for one in answer["past"]) > 0

    def test_a_won_lead_is_not_expected_again(self, service: TestClient) -> None:
        service.put("/v1/leads/ana", json={"job_title": "CFO"})
        service.post("/v1/leads/ana/score")
        assert service.get("/v1/forecast").json()["open_leads"] == 1
        service.post("/v1/outcomes", json=[{"lead_id": "ana", "converted_at": ago(0)}])
        assert service.get("/v1/forecast").json()["open_leads"] == 0

    def test_another_model_makes_it_anew(self, service: TestClient, point_at: Callable[[str], None]) -> None:
        assert service.get("/v1/forecast").json()["model_version"] == "1"
        point_at("second")
        for _ in range(100):
            time.sleep(0.05)
            if service.get("/v1/model").json()["model_version"] == "2":
                break
        assert service.get("/v1/forecast").json()["model_version"] == "2"

    def test_forecasts_that_were_kept_are_held_against_what_came(self, tmp_path: Path, database: str) -> None:
        with opened(tmp_path, database) as client:
            client.post(
                "/v1/outcomes",
                json=[{"lead_id": name, "converted_at": ago(days)} for name, days in (("a", 20), ("b", 19), ("c", 12), ("d", 3))],
            )
        store = Store.open(tmp_path, database)
        at = now()
        for days, low, high in ((21, 1, 3), (20, 9, 9), (14, 2, 5), (5, 0, 9)):
            week = (
                '{{"begins":"2026-01-01T00:00:00Z","ends":"2026-01-08T00:00:00Z","conversions":{{"expected":2,"low":{},"high":{}}},'
                '"of_open":null,"of_new":null,"revenue":null,"revenue_of_open":null,"revenue_of_new":null}}'
            )
            Reports(store).keep(FORECAST, at - days * DAY, 0.1, '{"weeks":[' + week.format(low, high) + "]}")
        answer = forecast_answer(store, None, at, 4)
        store.close()
        assert b'"kept":{"by":"kept"' in answer
        kept = msgspec.json.decode(answer)["kept"]
        # The one of 20 days ago overlaps with the one of 21, and the week after the last is not over.
        assert [(one["actual"], one["held"]) for one in kept["periods"]] == [(2, True), (1, False)]

    @pytest.mark.parametrize("name", ["weeks", "backtest", "kept", "past", "ages"])
    def test_every_table_can_be_had_as_csv(self, service: TestClient, name: str) -> None:
        tell(service, 8)
        rows = table(service, f"/v1/forecast?format=csv&table={name}")
        assert rows or name in ("kept", "ages")
