"""The model is swapped while sixteen connections ask: no request fails, and no answer mixes two models."""

from __future__ import annotations

import http.client
import json
import shutil
from pathlib import Path
from typing import Any

from serving.examples import LEAD
from tests.bundles import point
from tests.service import Service, ask, callers, wait_until


class Asking:
    """What was answered, per caller in order: the model, and what it said of the same lead at the same instant."""

    def __init__(self) -> None:
        self.said: list[list[tuple[str, float]]] = [[] for _ in range(16)]
        self.failed: list[tuple[int, bytes]] = []

    def __call__(self, connection: http.client.HTTPConnection, caller: int, turn: int) -> None:
        status, content = ask(connection, "POST", "/v1/score", LEAD)
        if status != 200:
            self.failed.append((status, content))
            return
        answer = json.loads(content)
        self.said[caller].append((answer["receipt"]["model_version"], answer["probability"]))

    @property
    def newest(self) -> set[str]:
        return {said[-1][0] for said in self.said if said}


def test_five_swaps_under_sixteen_connections_fail_no_request(home: Path, start: Any) -> None:
    service: Service = start()
    asking = Asking()
    with callers(service.port, 16, asking) as broken:
        for version, name in [("2", "second"), ("1", "first")] * 2 + [("2", "second")]:
            point(home, name)
            wait_until(lambda: asking.newest == {version}, 30, "a caller is still answered by the old model")  # noqa: B023 - waited for here
    assert (asking.failed, broken) == ([], [])
    assert len({probability for said in asking.said for version, probability in said if version == "1"}) == 1
    assert len({probability for said in asking.said for version, probability in said if version == "2"}) == 1
    assert "tamiz_model_swaps_total 6.0" in service.ask("GET", "/metrics")[1]


def test_a_bundle_that_is_damaged_between_two_polls_is_refused_while_the_old_one_serves_on(home: Path, start: Any) -> None:
    service: Service = start()
    damaged = home / "bundles" / "damaged"
    shutil.copytree(home / "bundles" / "second", damaged)
    flip_a_bit(damaged / "calibration.json")
    asking = Asking()
    with callers(service.port, 16, asking) as broken:
        point(home, "damaged")
        wait_until(lambda: failures(service) == 1, 20, "the alarm did not rise")
        flip_a_bit(damaged / "calibration.json")  # repaired, as by `tamiz pull`, which writes the pointer anew
        point(home, "damaged")
        wait_until(lambda: asking.newest == {"2"}, 20, "the repaired model does not serve")
    assert (asking.failed, broken) == ([], [])
    assert failures(service) == 1


def test_the_model_that_serves_is_not_touched_by_damage_to_its_files(home: Path, start: Any) -> None:
    (home / "bundles" / "first").unlink()
    shutil.copytree((home / "bundles" / "second").resolve().parent / "first", home / "bundles" / "first")
    service: Service = start()
    before = service.ask("POST", "/v1/score", LEAD)[1]["probability"]
    flip_a_bit(home / "bundles" / "first" / "calibration.json")
    assert service.ask("POST", "/v1/score", LEAD)[1]["probability"] == before


def test_started_with_a_damaged_champion_the_last_good_model_serves_and_the_alarm_is_up(home: Path, start: Any) -> None:
    first: Service = start()
    point(home, "second")
    wait_until(lambda: first.ask("GET", "/v1/model")[1]["model_version"] == "2")
    damaged = home / "bundles" / "damaged"
    shutil.copytree(home / "bundles" / "second", damaged)
    flip_a_bit(damaged / "calibration.json")
    point(home, "damaged")
    wait_until(lambda: failures(first) == 1)
    first.kill()

    again: Service = start()
    status, ready = again.ask("GET", "/readyz")
    assert (status, ready["model_version"]) == (200, "2")
    assert "calibration.json" in ready["last_refused"]
    assert failures(again) == 1
    assert again.ask("POST", "/v1/score", LEAD)[1]["receipt"]["model_version"] == "2"
    point(home, "first")
    wait_until(lambda: again.ask("GET", "/v1/model")[1]["model_version"] == "1", 20, "a sound champion does not take over")


def failures(service: Service) -> int:
    text: str = service.ask("GET", "/metrics")[1]
    return int(float(next(line.split()[1] for line in text.splitlines() if line.startswith("tamiz_model_load_failures_total "))))


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
