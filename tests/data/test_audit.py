from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from data.audit import entries, note
from data.store import ApiKey, NothingBefore, Store

KEY = ApiKey("tmz_1", "00" * 32, frozenset({"score", "read"}), "CRM", 1_000)
HOUR = 3_600_000_000


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    with closing(Store.open(tmp_path, database)) as store:
        yield store


def told(store: Store, **only: object) -> list[tuple[str, str, str]]:
    return [(one.actor, one.action, one.subject) for one in reversed(entries(store, **only))]  # type: ignore[arg-type]  # as named


def test_what_did_not_happen_is_not_told(store: Store) -> None:
    with pytest.raises(NothingBefore):
        store.roll_back(None, author="ana")
    assert store.revoke_key("tmz_1") is False
    assert store.replace_key("tmz_1", KEY, ends_at=1) is False
    assert told(store) == []


def test_a_change_and_its_entry_are_kept_together_or_not_at_all(store: Store) -> None:
    with store.writing() as connection:
        note(connection, "ana", "key.created", "tmz_1")
        connection.rollback()
    assert told(store) == []


def test_every_change_of_a_policy_says_who_really_asked(store: Store) -> None:
    store.publish('{"a":1}', author="ana", note="more callers", actor="tmz_7")
    store.publish('{"a": 1}', author="bea", note="the same again")
    store.publish('{"a":2}', author="bea", note="")
    store.roll_back(None, author="cleo", actor="tmz_7")
    assert told(store) == [("tmz_7", "policy.published", "1"), ("bea", "policy.published", "2"), ("tmz_7", "policy.rolled-back", "3")]
    back, *_, first = entries(store)
    assert first.detail == {"author": "ana", "note": "more callers"}
    assert (back.detail["author"], back.detail["restores"]) == ("cleo", 1)
    assert abs(first.at / 1e6 - time.time()) < 600


def test_every_change_of_a_key_is_told_without_its_secret(store: Store) -> None:
    store.add_key(KEY, actor="ana")
    successor = ApiKey("tmz_2", "11" * 32, KEY.scopes, "CRM", 2_000, replaces="tmz_1")
    assert store.replace_key("tmz_1", successor, ends_at=(time.time_ns() // 1000) + HOUR, actor="ana")
    store.revoke_key("tmz_2", actor="bea")
    assert told(store) == [("ana", "key.created", "tmz_1"), ("ana", "key.rotated", "tmz_1"), ("bea", "key.revoked", "tmz_2")]
    assert entries(store, actions=["key.rotated"])[0].detail["successor"] == "tmz_2"
    assert "0000" not in str(entries(store))


def test_entries_come_by_kind_by_subject_and_in_pages(store: Store) -> None:
    store.add_key(KEY)
    store.publish('{"a":1}', author="ana", note="")
    with store.writing() as connection:
        note(connection, "ana", "keyring.polished", "1")
    assert [action for _, action, _ in told(store, actions=["key"])] == ["key.created"]
    assert [action for _, action, _ in told(store, actions=["key.created", "policy"])] == ["key.created", "policy.published"]
    assert [action for _, action, _ in told(store, subject="1")] == ["policy.published", "keyring.polished"]
    (newest,) = entries(store, limit=1)
    assert [one.action for one in entries(store, before=newest.sequence)] == ["policy.published", "key.created"]


class TestRotation:
    def test_a_key_that_has_ended_takes_no_successor(self, store: Store) -> None:
        store.add_key(KEY)
        store.revoke_key("tmz_1")
        assert store.replace_key("tmz_1", ApiKey("tmz_2", "11" * 32, KEY.scopes, "", 1), ends_at=1) is False
        (only,) = store.keys()
        assert only.prefix == "tmz_1"

    def test_the_old_key_never_lasts_longer_than_it_did(self, store: Store) -> None:
        soon = time.time_ns() // 1000 + HOUR
        store.add_key(ApiKey("tmz_1", "00" * 32, KEY.scopes, "", 1, expires_at=soon))
        assert store.replace_key("tmz_1", ApiKey("tmz_2", "11" * 32, KEY.scopes, "", 2, replaces="tmz_1"), ends_at=soon + HOUR)
        old, new = store.keys()
        assert (old.expires_at, new.expires_at, new.replaces) == (soon, None, "tmz_1")
