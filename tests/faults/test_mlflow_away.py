"""MLflow does not answer: the last good model serves, also after a restart, and the follower says so and goes on."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from serving.examples import LEAD
from tests.service import ROOT, Service, wait_until
from tests.trained import environment


def test_without_mlflow_the_model_that_was_pulled_serves_on_and_after_a_restart(home: Path, start: Any, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        said = tmp_path / "said"
        with said.open("wb") as out:
            follower = subprocess.Popen(
                [sys.executable, "-m", "tamiz", "pull", "--watch", "--interval", "0.2"],
                env=environment(home, MLFLOW_TRACKING_URI=away),
                cwd=ROOT,
                stderr=out,
            )
        try:
            for _ in range(2):
                service: Service = start(MLFLOW_TRACKING_URI=away)
                assert service.ask("GET", "/readyz")[1]["model_version"] == "1"
                assert service.ask("POST", "/v1/score", LEAD)[0] == 200
                service.kill()
            wait_until(lambda: "The last champion stays" in said.read_text(), 60, "the follower did not say so")
            assert follower.poll() is None
        finally:
            follower.kill()
            follower.wait()
    assert (home / "bundles" / "champion.json").exists()
    assert [one.name for one in (home / "bundles").iterdir() if one.name.startswith(".")] == []
