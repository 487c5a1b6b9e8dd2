"""Asking for a promotion in the words of those who ask and of the one who carries it out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data import promotions
from data.audit import entries
from data.promotions import PromotionWaiting, ask, begin, finish, newest
from data.store import Store


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    opened = Store.open(tmp_path, database)
    yield opened
    opened.close()


def test_while_one_waits_another_is_refused_and_says_whose_waits(store: Store) -> None:
    ask(store, "promote", "7", author="Eva", why="", actor="tmz_1")
    with pytest.raises(PromotionWaiting, match="promote that Eva asked for is queued"):
        ask(store, "rollback", None, author="Ana", why="", actor="tmz_2")
    assert begin(store) is not None
    with pytest.raises(PromotionWaiting, match="running"):
        ask(store, "rollback", None, author="Ana", why="", actor="tmz_2")
    assert len(newest(store)) == 1


def test_nobody_waits_where_nobody_asked(store: Store) -> None:
    assert begin(store) is None
    assert newest(store) == []


def test_what_was_asked_for_is_begun_once_and_its_end_is_kept_and_audited(store: Store) -> None:
    asked = ask(store, "promote", "7", author="Eva", why="the fair", actor="tmz_1")
    begun = begin(store)
    assert begun is not None
    assert (begun.promotion_id, begun.state, begun.why) == (asked.promotion_id, "running", "the fair")
    assert begin(store) is None
    finish(store, begun, "held", "HOLD: calibration")
    [kept] = newest(store)
    assert (kept.state, kept.message) == ("held", "HOLD: calibration")
    assert kept.finished_at is not None
    audited = [(one.actor, one.action, one.subject) for one in entries(store, actions=["model"])]
    assert audited == [("Eva", "model.promote-held", "7"), ("tmz_1", "model.promote-asked", "7")]
    ask(store, "rollback", None, author="Eva", why="", actor="tmz_1")
    assert [one.kind for one in newest(store)] == ["rollback", "promote"]


def test_one_whose_follower_died_is_begun_again_after_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(store, "rollback", None, author="Eva", why="", actor="tmz_1")
    begun = begin(store)
    assert begun is not None
    assert begin(store) is None
    monkeypatch.setattr(promotions, "now", lambda: (begun.begun_at or 0) + promotions.LEASE + 1)
    again = begin(store)
    assert again is not None
    assert again.promotion_id == asked.promotion_id
