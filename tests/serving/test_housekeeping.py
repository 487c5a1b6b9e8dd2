from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from pathlib import Path

import pytest

from data.store import Store, StoreUnavailable
from serving import housekeeping
from serving.housekeeping import keep_log_short


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "LOOK_SECONDS", 0.01)


def kept(store: Store, seconds: float) -> None:
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(keep_log_short(store), seconds))


def test_a_log_that_cannot_be_copied_now_is_copied_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def fails(_: object) -> None:
        asked.append(1)
        store.note_runtime(f"r{len(asked)}", {})
        raise StoreUnavailable(place="here", cause="the disk is full")

    with closing(Store.open(tmp_path)) as store:
        monkeypatch.setattr("data.quick.Quick.shorten_log", fails)
        kept(store, 0.5)
    assert len(asked) > 1


def test_what_was_written_is_copied_home(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path)) as store:
        store.quick()  # while somebody has the file open, the log stays
        store.note_runtime("a-fingerprint", {})
        assert b"a-fingerprint" not in (tmp_path / "tamiz.db").read_bytes()
        kept(store, 0.5)
        assert b"a-fingerprint" in (tmp_path / "tamiz.db").read_bytes()


def test_nothing_is_done_while_nobody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("data.quick.Quick.shorten_log", lambda _: asked.append(1))
    with closing(Store.open(tmp_path)) as store:
        store.note_runtime("r1", {})
        kept(store, 0.4)
    assert len(asked) == 1
