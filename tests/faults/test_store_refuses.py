"""The disk is full, or somebody holds the database: callers are told, nothing acknowledged is lost, and it goes on afterwards."""

from __future__ import annotations

import errno
import http.client
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from data.home import Home
from data.store import Store
from models.registry import Registry, read_pointer
from serving.app import create_app
from serving.examples import LEAD
from serving.settings import Settings
from tests.service import Service, ask, callers, wait_until

ROOM = 30
"""Pages that are left on the full disk."""


class Disk:
    """Limits how many pages the database may have: on every connection that is taken, and on those the ledger keeps open.

    Only those, between requests: a connection that another thread may be using at this moment must not be touched.
    """

    def __init__(self) -> None:
        self.pages: int | None = None

    def taken(self, connection: sqlite3.Connection, *_: object) -> None:
        if self.pages is not None:
            connection.execute(f"PRAGMA max_page_count = {self.pages}")

    def fill(self, client: TestClient, home: Path) -> None:
        with closing(sqlite3.connect(home / "tamiz.db")) as own:
            pages = own.execute("PRAGMA page_count").fetchone()[0]
        self._limit(client, pages + ROOM)

    def free(self, client: TestClient) -> None:
        self._limit(client, 4_000_000)

    def _limit(self, client: TestClient, pages: int) -> None:
        self.pages = pages
        for one in client.app.state.service.ledger.connections:
            one.connection.execute(f"PRAGMA max_page_count = {pages}")


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    event.listen(Engine, "checkout", disk.taken)
    yield disk
    event.remove(Engine, "checkout", disk.taken)


@contextmanager
def served(home: Path) -> Iterator[TestClient]:
    app = create_app(Settings(home, auth="dev"))
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield client


def test_on_a_full_disk_callers_are_told_what_was_answered_is_kept_and_it_goes_on_when_there_is_room(home: Path, disk: Disk) -> None:
    decided: set[str] = set()
    pushed: set[str] = set()
    answers: Counter[int] = Counter()
    with served(home) as client:
        disk.fill(client, home)
        for turn in range(400):
            scored = client.post("/v1/score", json=LEAD)
            kept = client.post("/v1/activities", json=[push(turn)])
            answers.update([scored.status_code, kept.status_code])
            decided |= {scored.json()["receipt"]["decision_id"]} if scored.status_code == 200 else set()
            pushed |= {f"a{turn}"} if kept.status_code == 200 else set()
            if answers[503] >= 20:
                break
        assert set(answers) == {200, 503}
        refused = client.post("/v1/score", json=LEAD)
        assert (refused.status_code, "disk" in refused.json()["detail"]) == (503, True)
        assert client.get("/livez").status_code == 200
        assert client.get("/v1/policy").status_code == 200, "what only reads is answered"
        disk.free(client)
        again = client.post("/v1/score", json=LEAD)
        assert (again.status_code, client.post("/v1/activities", json=[push(1_000)]).status_code) == (200, 200)
        decided.add(again.json()["receipt"]["decision_id"])
        pushed.add("a1000")
    whole, ids, names = contents(home)
    assert whole == "ok"
    assert ids == decided, "exactly what was answered"
    assert names == pushed


def test_locked_for_five_seconds_nothing_that_was_answered_is_lost_and_what_reads_does_not_wait(home: Path, start: Any) -> None:
    service: Service = start()
    decided: set[str] = set()
    refused: list[bytes] = []

    def act(connection: http.client.HTTPConnection, caller: int, turn: int) -> None:
        status, content = ask(connection, "POST", "/v1/score", LEAD | {"lead": {"lead_id": f"l{caller}"}})
        if status == 200:
            decided.add(json.loads(content)["receipt"]["decision_id"])
        else:
            assert status == 503, content
            refused.append(content)

    with callers(service.port, 8, act) as broken:
        wait_until(lambda: len(decided) > 50)
        other = sqlite3.connect(home / "tamiz.db", isolation_level=None)
        other.execute("PRAGMA busy_timeout = 5000")
        other.execute("BEGIN IMMEDIATE")
        end, looks = time.monotonic() + 5.0, 0
        while time.monotonic() < end:
            assert service.ask("GET", "/livez")[0] == 200
            assert service.ask("GET", "/v1/policy")[0] == 200
            looks += 1
            time.sleep(0.05)
        other.execute("ROLLBACK")
        other.close()
        before = len(decided)
        wait_until(lambda: len(decided) > before + 50, 20, "it did not go on")
    assert looks > 20, "reading waited for the writer"
    assert broken == []
    whole, ids, _ = contents(home)
    assert whole == "ok"
    assert ids == decided, "exactly what was answered"


def test_a_disk_that_is_full_while_the_champion_is_pulled_leaves_the_old_one_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundles = home / "bundles"
    before = (bundles / "champion.json").read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("models.registry.os.fsync", full)
    registry = Registry(Home(home))
    monkeypatch.setattr(registry, "get_alias", lambda alias: 2)
    monkeypatch.setattr(registry, "download_bundle", lambda version: bundles / "second")
    with pytest.raises(OSError, match="No space left"):
        registry.pull()
    assert (bundles / "champion.json").read_bytes() == before
    assert sorted(one.name for one in bundles.iterdir()) == ["champion.json", "first", "second"]
    monkeypatch.undo()
    monkeypatch.setattr(registry, "get_alias", lambda alias: 2)
    monkeypatch.setattr(registry, "download_bundle", lambda version: bundles / "second")
    registry.pull()
    pointer = read_pointer(bundles)
    assert pointer is not None
    assert pointer.bundle == "second"


def test_which_model_serves_cannot_be_noted_and_it_serves_all_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str, **_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with served(home) as client:
        assert client.post("/v1/score", json=LEAD).status_code == 200
    assert not (home / "bundles" / "served.json").exists()


def push(number: int) -> dict[str, str]:
    page = "/pricing?" + "x" * 500
    return {"lead_id": "ana", "activity_id": f"a{number}", "type": "page_view", "occurred_at": "2026-10-05T08:12:31Z", "url": page}


def contents(home: Path) -> tuple[str, set[str], set[str]]:
    """Whether the file is whole, the decisions made by body, and the activities."""
    store = Store.open(home)
    try:
        with store.reading() as connection:
            whole = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
            ids = connection.exec_driver_sql("SELECT decision_id FROM decisions WHERE origin IS NULL").scalars()
            names = connection.exec_driver_sql("SELECT activity_id FROM activities").scalars()
            return whole, set(ids), set(names)
    finally:
        store.close()
