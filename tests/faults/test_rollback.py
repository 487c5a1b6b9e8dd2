"""Promoted and rolled back while it serves: the registry moves, `tamiz pull --watch` follows it, and the service follows that."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from data.home import Home
from models.bundle import Bundle
from models.registry import Registry
from tests.trained import environment, home_with_store
from training.promote import promote

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tamiz", *words]
        one = subprocess.Popen(command, env=environment(tmp_path / "var", TAMIZ_AUTH="dev"), cwd=ROOT, stderr=subprocess.DEVNULL)
        running.append(one)
        return one

    yield begin
    for one in running:
        one.kill()
        one.wait()


def serving(port: int) -> str | None:
    """The version that answers, or None while nobody does."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/v1/model")
            answer = connection.getresponse()
            content = answer.read()
            return str(json.loads(content)["model_version"]) if answer.status == 200 else None
    except OSError:
        return None


def wait_for(port: int, version: str) -> None:
    end = time.monotonic() + PATIENCE
    while (found := serving(port)) != version:
        assert time.monotonic() < end, f"{found} serves, and not {version}"
        time.sleep(0.1)


def test_the_service_follows_promotion_and_rollback(
    tmp_path: Path, flat_bundle: Bundle, event_bundle: Bundle, empty_mlflow_store: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    home: Home = home_with_store(tmp_path / "var", empty_mlflow_store)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    promote(home, str(shutil.copytree(flat_bundle.folder, tmp_path / "first")), why="to begin with")
    start("serve", "--port", str(port))
    start("pull", "--watch", "--interval", "0.2")
    wait_for(port, flat_bundle.model_version)

    promote(home, str(shutil.copytree(event_bundle.folder, tmp_path / "second")), why="another question")
    wait_for(port, event_bundle.model_version)

    # As on another machine: only the registry moves here, and no local folder with it.
    assert Registry(home).rollback("too many false alarms") == (1, 2)
    wait_for(port, flat_bundle.model_version)
