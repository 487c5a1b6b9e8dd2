"""What is pushed to us is kept before it is answered, and understood once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.hooks import Hook, Hooks, digest_of_secret
from data.store import Store, now

MINUTE = 60_000_000
START = 1_000 * MINUTE


@pytest.fixture
def hooks(tmp_path: Path, database: str) -> Iterator[Hooks]:
    store = Store.open(tmp_path, database)
    hooks = Hooks(store)
    hooks.add(Hook("rc_1", digest_of_secret("s3cret"), "{}", "", "ana", 1))
    yield hooks
    store.close()


def test_only_who_knows_the_secret_finds_it(hooks: Hooks) -> None:
    assert hooks.by_secret("S3cret") is None
    assert hooks.by_secret(digest_of_secret("s3cret")) is None
    found = hooks.by_secret("s3cret")
    assert found is not None
    assert found.hook_id == "rc_1"
    assert hooks.revoke("rc_1")
    assert not hooks.revoke("rc_1")
    assert hooks.by_secret("s3cret") is None


@pytest.mark.parametrize(("later", "kept"), [(0, False), (MINUTE // 2, False), (MINUTE - 1, False), (MINUTE, True), (5 * MINUTE, True)])
@pytest.mark.parametrize("start", [START, START + MINUTE - 10])
def test_a_double_is_one_within_a_minute(hooks: Hooks, start: int, later: int, kept: bool) -> None:
    assert hooks.receive("rc_1", b"{}", start, within=MINUTE)
    assert hooks.receive("rc_1", b"{}", start + later, within=MINUTE) is kept
    assert hooks.receive("rc_1", b"{ }", start + later, within=MINUTE), "another body is another thing"
    assert hooks.receive("rc_2", b"{}", start + later, within=MINUTE), "and so is another receiver's"


def test_doubles_can_be_asked_for(hooks: Hooks) -> None:
    assert [hooks.receive("rc_1", b"{}", START + i, within=0) for i in range(3)] == [True] * 3


def test_the_same_from_many_at_once_is_kept_once(hooks: Hooks) -> None:
    kept: list[bool] = []
    threads = [
        threading.Thread(target=lambda: kept.append(Hooks(hooks.store).receive("rc_1", b"{}", START, within=MINUTE))) for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert kept.count(True) == 1
    assert len(hooks.received("rc_1")) == 1


def test_what_waits_is_given_to_one_until_he_is_taken_for_dead(hooks: Hooks) -> None:
    for i in range(3):
        hooks.receive("rc_1", b"%d" % i, START + i, within=MINUTE)
    first = hooks.claim(2, START + 5, MINUTE)
    assert [one.body for one, _ in first] == [b"0", b"1"]
    assert [one.body for one, _ in hooks.claim(2, START + 5, MINUTE)] == [b"2"]
    assert hooks.claim(2, START + 5, MINUTE) == []
    assert len(hooks.claim(9, START + 5 + MINUTE, MINUTE)) == 3


def test_what_was_understood_is_forgotten_and_what_was_not_stays(hooks: Hooks) -> None:
    for i in range(3):
        hooks.receive("rc_1", b"%d" % i, START + i, within=MINUTE)
    (zero, _), (one, _), (two, _) = hooks.claim(9, START + 5, MINUTE)
    hooks.taken(zero.digest, START + 9)
    hooks.failed(one.digest, "whose is it?", again_at=None)
    hooks.failed(two.digest, "the disk is full", again_at=START + 2 * MINUTE)
    assert {found.digest: (found.state, found.body, found.error) for found in hooks.received("rc_1")} == {
        zero.digest: ("taken", b"", None),
        one.digest: ("failed", b"1", "whose is it?"),
        two.digest: ("waiting", b"2", "the disk is full"),
    }
    assert [len(hooks.received("rc_1", state)) for state in ("taken", "failed", "waiting")] == [1, 1, 1]
    assert hooks.counts() == {"rc_1": {"taken": 1, "failed": 1, "waiting": 1}}
    assert hooks.retry("rc_1") == 1
    assert {found.digest for found, _ in hooks.claim(9, now() + MINUTE, MINUTE)} == {one.digest, two.digest}
    hooks.forget_old(now())
    assert hooks.received("rc_1", "taken") == []
