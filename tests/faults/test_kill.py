"""Killed without warning while many ask: what was answered is in the ledger, and the next start goes on from there."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from data.store import Store
from models.bundle import Bundle
from serving.examples import LEAD
from tests.trained import copied

ROOT = Path(__file__).resolve().parents[2]
CALLERS = 16
Start = Callable[[], tuple[subprocess.Popen[bytes], int]]


@pytest.fixture
def home(tmp_path: Path, event_bundle: Bundle) -> Path:
    (tmp_path / "bundles").mkdir()
    copied(event_bundle, tmp_path / "bundles" / "it")
    (tmp_path / "bundles" / "champion.json").write_text('{"bundle": "it"}')
    return tmp_path


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def begin() -> tuple[subprocess.Popen[bytes], int]:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
        environment = os.environ | {"TAMIZ_HOME": str(home), "TAMIZ_AUTH": "dev"}
        command = [sys.executable, "-m", "tamiz", "serve", "--port", str(port)]
        service = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
        running.append(service)
        end = time.monotonic() + 30
        while time.monotonic() < end and service.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return service, port
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the service did not start")

    yield begin
    for one in running:
        one.kill()
        one.wait()


class Callers:
    """Ask without pause until nobody answers, and remember what was answered, to the byte."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: list[bytes] = []
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CALLERS)]

    def __enter__(self) -> Callers:
        for one in self.threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.threads:
            one.join(20)

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = json.dumps(LEAD | {"lead": LEAD["lead"] | {"lead_id": f"l{number % 5}"}})
        try:
            while True:
                answer = score(connection, body)
                if answer is None:
                    return
                self.answers.append(answer)
        except (OSError, http.client.HTTPException):
            return  # killed while it was asked: that was never answered
        finally:
            connection.close()


def score(connection: http.client.HTTPConnection, body: str) -> bytes | None:
    connection.request("POST", "/v1/score", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    return content if response.status == 200 else None


def ledger(home: Path) -> tuple[str, dict[str, bytes], list[tuple[str, str | None, str]]]:
    """Whether the file is whole, every decision's answer, and every lead's history in order."""
    store = Store.open(home)
    try:
        with store.reading() as connection:
            whole = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
            columns = "decision_id, answer, lead_id, previous_decision, decision"
            rows: list[Any] = list(connection.exec_driver_sql(f"SELECT {columns} FROM decisions ORDER BY sequence"))
    finally:
        store.close()
    return whole, {row[0]: row[1] for row in rows}, [(row[2], row[3], row[4]) for row in rows]


def test_killed_under_load_every_answer_is_in_the_ledger_and_the_next_start_goes_on(home: Path, start: Start) -> None:
    answered: list[bytes] = []
    for _ in range(2):
        service, port = start()
        with Callers(port) as callers:
            end = time.monotonic() + 20
            while len(callers.answers) < 400 and time.monotonic() < end:
                time.sleep(0.01)
            service.send_signal(signal.SIGKILL)
        assert service.wait(10) == -signal.SIGKILL
        assert len(callers.answers) >= 400
        answered += callers.answers

    whole, kept, history = ledger(home)
    assert whole == "ok"
    assert [answer for answer in answered if kept.get(json.loads(answer)["receipt"]["decision_id"]) != answer] == []
    assert len(kept) <= len(answered) + 2 * CALLERS, "at most what was under way is there without its answer having arrived"
    latest: dict[str, str] = {}
    for lead_id, previous, decision in history:
        assert previous == latest.get(lead_id)
        latest[lead_id] = decision

    _, port = start()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        again = score(connection, json.dumps(LEAD | {"lead": {"lead_id": "l0"}}))
    assert again is not None
    assert json.loads(again)["previous_decision"] == latest["l0"]
