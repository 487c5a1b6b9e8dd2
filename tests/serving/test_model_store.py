from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.model_store import ModelStore
from serving.problems import ModelNotReady


@pytest.fixture
def models(home: Path) -> ModelStore:
    return ModelStore(home / "bundles")


def flip_a_byte(bundle: Path, copied_from: Path) -> None:
    bundle.unlink()
    shutil.copytree(copied_from, bundle)
    file = next(one for one in sorted(bundle.iterdir()) if one.name == "calibration.json")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def test_without_a_pointer_there_is_no_model(tmp_path: Path) -> None:
    models = ModelStore(tmp_path)
    assert not models.refresh()
    with pytest.raises(ModelNotReady, match="tamiz promote"):
        models.current()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"bundle": 7}', '{"bundle": "../elsewhere"}', '{"bundle": ""}', '{"bundle": "absent"}']
)
def test_a_pointer_that_names_no_bundle_is_refused_and_counted(home: Path, content: str) -> None:
    (home / "bundles" / "champion.json").write_text(content)
    models = ModelStore(home / "bundles")
    assert not models.refresh()
    assert models.failures == 1
    assert models.last_failure


def test_a_bundle_with_one_byte_flipped_is_refused_and_the_old_one_keeps_serving(
    models: ModelStore, home: Path, bundles: Path, point_at: Callable[[str], None]
) -> None:
    assert models.refresh()
    flip_a_byte(home / "bundles" / "second", bundles / "second")
    point_at("second")
    assert not models.refresh()
    assert models.current().version == "1"
    assert (models.swaps, models.failures) == (1, 1)
    assert "calibration.json" in str(models.last_failure)
    assert not models.refresh(), "the same pointer is not tried again"
    assert models.failures == 1


def test_a_model_that_cannot_warm_up_does_not_take_over(home: Path, point_at: Callable[[str], None]) -> None:
    def stumble(loaded: object) -> None:
        if getattr(loaded, "version", "") == "2":
            raise ZeroDivisionError

    models = ModelStore(home / "bundles", warm=stumble)
    models.refresh()
    point_at("second")
    models.refresh()
    assert models.current().version == "1"


def test_the_new_one_answers_before_the_old_one_goes(models: ModelStore, point_at: Callable[[str], None]) -> None:
    models.refresh()
    old = models.current()
    point_at("second")
    assert models.refresh()
    assert (old.version, models.current().version) == ("1", "2")
    assert not models.refresh()


def test_a_running_service_follows_the_pointer_and_fails_no_request(client: Any, lead: Any, point_at: Callable[[str], None]) -> None:
    point_at("second")
    seen: list[str] = []
    end = time.monotonic() + 5
    while "2" not in seen and time.monotonic() < end:
        answer = client.post("/v1/score", json=lead)
        assert answer.status_code == 200
        seen.append(answer.json()["receipt"]["model_version"])
    assert seen[-1] == "2"
    assert client.get("/readyz").json()["model_version"] == "2"


def test_a_running_service_raises_the_alarm_about_a_poisoned_bundle(
    client: Any, home: Path, bundles: Path, point_at: Callable[[str], None]
) -> None:
    flip_a_byte(home / "bundles" / "second", bundles / "second")
    point_at("second")
    end = time.monotonic() + 5
    while "tamiz_model_load_failures_total 1.0" not in client.get("/metrics").text:
        assert time.monotonic() < end, "the alarm did not rise"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["model_version"]) == (200, "1")
    assert "calibration.json" in ready.json()["last_refused"]
