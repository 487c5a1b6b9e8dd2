from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import BadData
from data.reports import Reports
from data.store import Store, now
from serving.kept import Kept


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    store = Store.open(tmp_path, database)
    yield store
    store.close()


class Counting:
    def __init__(self, seconds: float = 0.0) -> None:
        self.made = 0
        self.seconds = seconds

    def __call__(self, at: int) -> bytes:
        time.sleep(self.seconds)
        self.made += 1
        return str(self.made).encode()


def test_what_cannot_be_made_the_first_time_is_told(store: Store) -> None:
    def fail(at: int) -> bytes:
        raise BadData("no figures")

    with pytest.raises(BadData, match="no figures"):
        asyncio.run(Kept(store).of("a", fail))
    assert Reports(store).newest("a") is None


def test_everybody_who_asks_at_once_gets_one_report(store: Store) -> None:
    make = Counting(0.05)

    async def ask() -> list[bytes]:
        kept = Kept(store)
        return await asyncio.gather(*(kept.of("a", make) for _ in range(5)))

    assert asyncio.run(ask()) == [b"1"] * 5
    assert make.made == 1


def test_what_takes_long_is_shown_as_it_was_and_made_again_meanwhile(store: Store) -> None:
    Reports(store).keep("a", now() - 3_600_000_000, 5.0, "old")
    make = Counting()

    async def ask() -> tuple[bytes, bytes]:
        kept = Kept(store)
        first = await kept.of("a", make)
        await kept.close()
        return first, await Kept(store).of("a", Counting(), still_holds=lambda document: document == b"1")

    assert asyncio.run(ask()) == (b"old", b"1")


def test_what_was_made_a_moment_ago_is_not_made_again(store: Store) -> None:
    Reports(store).keep("a", now() - 2_000_000, 5.0, "fresh")
    make = Counting()
    assert asyncio.run(Kept(store).of("a", make)) == b"fresh"
    assert make.made == 0


def test_one_that_does_not_hold_any_more_is_made_again(store: Store) -> None:
    Reports(store).keep("a", now(), 0.1, "of another model")
    assert asyncio.run(Kept(store).of("a", Counting(), still_holds=lambda document: document != b"of another model")) == b"1"


def test_what_fails_behind_leaves_the_older_one_and_is_in_the_log(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    Reports(store).keep("a", now() - 3_600_000_000, 5.0, "old")

    def fail(at: int) -> bytes:
        raise BadData("no figures today")

    async def ask() -> bytes:
        kept = Kept(store)
        found = await kept.of("a", fail)
        await kept.close()
        await asyncio.sleep(0)
        return found

    assert asyncio.run(ask()) == b"old"
    assert "no figures today" in caplog.text
