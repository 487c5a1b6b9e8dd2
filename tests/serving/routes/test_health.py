from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.examples import POLICY
from serving.settings import Settings

LOCAL = "http://127.0.0.1:8000"


@pytest.fixture
def empty(tmp_path: Path) -> Any:
    with TestClient(create_app(Settings(tmp_path / "new", auth="dev")), base_url=LOCAL) as client:
        yield client


class TestWithoutAModel:
    def test_the_service_lives_and_says_what_it_waits_for(self, empty: Any) -> None:
        assert empty.get("/livez").status_code == 200
        answer = empty.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "model-not-ready")
        assert "tamiz promote" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/v1/score", {"lead": {"lead_id": "a"}}),
            ("POST", "/v1/score/batch", {"items": [{"lead": {"lead_id": "a"}}]}),
            ("GET", "/v1/model", None),
            ("GET", "/v1/policy", None),
            ("GET", "/v1/policy/curves", None),
        ],
    )
    def test_whoever_needs_one_gets_the_same_answer(self, empty: Any, method: str, path: str, body: Any) -> None:
        answer = empty.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "model-not-ready")
        assert answer.headers["retry-after"] == "1"


class TestWithADamagedModel:
    @pytest.fixture
    def damaged(self, home: Path, bundles: Path) -> Any:
        (home / "bundles" / "first").unlink()
        shutil.copytree(bundles / "first", home / "bundles" / "first")
        with (home / "bundles" / "first" / "calibration.json").open("ab") as file:
            file.write(b" ")
        with TestClient(create_app(Settings(home, auth="dev")), base_url=LOCAL) as client:
            yield client

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/v1/score", {"lead": {"lead_id": "a"}}),
            ("POST", "/v1/score/batch", {"items": [{"lead": {"lead_id": "a"}}]}),
            ("GET", "/v1/model", None),
            ("GET", "/v1/policy", None),
            ("PUT", "/v1/policy", {"policy": POLICY["policy"]}),
            ("GET", "/readyz", None),
        ],
    )
    def test_whoever_needs_it_reads_the_real_cause_and_what_to_do(self, damaged: Any, method: str, path: str, body: Any) -> None:
        answer = damaged.request(method, path, json=body, headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (503, "model-refused")
        detail = answer.json()["detail"]
        assert "calibration.json is not the file that its manifest describes" in detail
        assert "`tamiz pull`" in detail
        assert "tamiz promote" not in detail
        assert "\n" not in detail

    def test_it_serves_as_soon_as_it_is_whole_again(self, damaged: Any, home: Path, bundles: Path, point_at: Callable[[str], None]) -> None:
        shutil.copytree(bundles / "first", home / "bundles" / "again")
        point_at("again")
        end = time.monotonic() + 10
        while damaged.get("/readyz").status_code != 200 and time.monotonic() < end:
            time.sleep(0.05)
        assert damaged.post("/v1/score", json={"lead": {"lead_id": "a"}}).status_code == 200


class TestWhatIsMissing:
    def test_all_of_it_is_said_at_once(self, empty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("serving.routes.health.ROOM", 1 << 62)
        answer = empty.get("/readyz")
        assert answer.status_code == 503
        assert [one["place"] for one in answer.json()["errors"]] == ["model", "disk"]

    def test_a_disk_that_is_nearly_full_is_said_before_it_is(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("serving.routes.health.ROOM", 1 << 62)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "no-room")
        assert "bytes left" in answer.json()["detail"]

    @pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
    def test_a_store_that_is_not_the_one_it_opened_is_said(self, client: Any, home: Path, replaced: bool) -> None:
        (home / "tamiz.db").rename(home / "moved.db")
        if replaced:
            shutil.copy(home / "moved.db", home / "tamiz.db")
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "store-gone")
        (home / "moved.db").replace(home / "tamiz.db")
        assert client.get("/readyz").status_code == 200


class TestWhoMay:
    def test_anyone_may_ask_whether_it_lives(self, guarded: Any) -> None:
        assert guarded.get("/livez").status_code == 200
        assert guarded.get("/readyz").json() == {"status": "ready", "model_version": "1", "last_refused": None}

    def test_figures_and_model_need_a_key(self, guarded: Any, key_for: Callable[..., dict[str, str]]) -> None:
        assert guarded.get("/metrics").status_code == 401
        assert guarded.get("/v1/model").status_code == 401
        assert guarded.get("/metrics", headers=key_for("score")).status_code == 403
        assert guarded.get("/metrics", headers=key_for("read")).status_code == 200


def test_the_figures_count_routes_and_decisions_and_name_no_lead(client: Any, lead: Any) -> None:
    decision = client.post("/v1/score", json=lead).json()["decision"]
    client.get("/nothing/secret-path")
    text = client.get("/metrics").text
    assert 'tamiz_requests_total{method="POST",route="/v1/score",status="200"} 1.0' in text
    assert f'tamiz_decisions_total{{decision="{decision}",model_version="1"}} 1.0' in text
    assert 'route="unmatched",status="404"' in text
    assert "tamiz_ledger_entries_total 1.0" in text
    assert "L-2041" not in text
    assert "secret-path" not in text


def test_the_model_is_described(client: Any) -> None:
    answer = client.get("/v1/model").json()
    assert (answer["model_version"], answer["horizon_days"], answer["policy_version"]) == ("1", 90, "default")
    assert answer["manifest"]["files"]["golden.json"]["sha256"]


def test_every_figure_is_named_in_the_documentation(client: Any) -> None:
    names = {line.split()[2] for line in client.get("/metrics").text.splitlines() if line.startswith("# TYPE")}
    documented = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    assert {name for name in names if not name.endswith("_created") and f"`{name}`" not in documented} == set()


def test_a_horizon_is_a_whole_number_of_days_wherever_it_is_said(client: Any, lead: Any) -> None:
    model = client.get("/v1/model").text
    assert model.count('"horizon_days":90,') == 2
    assert client.post("/v1/score", json=lead).text.count('"horizon_days":90,') == 1
