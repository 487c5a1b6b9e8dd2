"""Old decisions lose their content, bundles that nothing names go, and what is needed stays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.audit import entries
from data.quick import COLUMNS
from data.replies import Reply, keep_reply, reply_to
from data.retention import BundleStays, find_old, prune
from data.schema import decisions
from data.store import Store, now

OLD, LONG_AGO = 1_700_000_000_000_000, 1_000_000_000


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    with closing(Store.open(tmp_path, database)) as store:
        store.note_runtime("r", {})
        yield store


def row(name: str, lead_id: str, at: int, model: str = "m1") -> dict[str, object]:
    numbers = {"scored_at": at, "as_of": at, "probability": 0.2}
    texts = {"decision": "mql", "model_version": model, "policy_version": "1", "feature_set": "f", "input_hash": "h", "runtime": "r"}
    told = {"decision_id": name, "lead_id": lead_id, "input": b"ten bytes.", "answer": b"five.", "idempotency_key": f"key-{name}"}
    return dict.fromkeys(COLUMNS) | numbers | texts | told


def decided(store: Store, name: str, lead_id: str, at: int, model: str = "m1") -> None:
    with store.writing() as connection:
        connection.execute(decisions.insert().values(row(name, lead_id, at, model)))


def bundle(folder: Path, name: str, model: str, at: int = LONG_AGO) -> Path:
    (folder / name).mkdir(parents=True)
    manifest = folder / name / "manifest.json"
    manifest.write_text(json.dumps({"model_version": model}))
    os.utime(manifest, (at, at))
    return folder / name


def whole(store: Store) -> set[str]:
    """Decisions that have their content still."""
    with store.reading() as connection:
        return {name for (name,) in connection.execute(sa.select(decisions.c.decision_id).where(decisions.c.answer != b""))}


def test_of_an_empty_installation_nothing_goes(store: Store, tmp_path: Path) -> None:
    done = prune(store, tmp_path / "nowhere", now(), author="ines")
    assert (done.decisions, done.content, done.bundles) == (0, 0, ())
    assert entries(store) == []


def test_only_looking_changes_nothing(store: Store, tmp_path: Path) -> None:
    decided(store, "d1", "ana", OLD)
    decided(store, "d2", "ana", OLD + 1)
    folder = bundle(tmp_path, "v1-aa", "m0")
    found = find_old(store, tmp_path, OLD + 10)
    assert (found.decisions, found.content, found.bundles) == (1, 15, (folder,))
    assert whole(store) == {"d1", "d2"}
    assert folder.exists()


def test_the_newest_on_each_lead_and_what_is_younger_stay_whole(store: Store, tmp_path: Path) -> None:
    for name, lead_id, at in (("a1", "ana", OLD), ("a2", "ana", OLD + 1), ("b1", "bea", OLD), ("c1", "cleo", OLD), ("c2", "cleo", now())):
        decided(store, name, lead_id, at)
    done = prune(store, tmp_path, OLD + 10, author="ines")
    assert done.decisions == 2
    assert whole(store) == {"a2", "b1", "c2"}
    assert prune(store, tmp_path, OLD + 10, author="ines").decisions == 0


def test_what_was_decided_stays_and_leaves_the_history(store: Store, tmp_path: Path) -> None:
    decided(store, "d1", "ana", OLD)
    decided(store, "d2", "ana", OLD + 1)
    prune(store, tmp_path, OLD + 10, author="ines")
    bare = store.decision("d1")
    assert bare is not None
    assert (bare["lead_id"], bare["decision"], bare["model_version"], bare["input_hash"]) == ("ana", "mql", "m1", "h")
    assert (bytes(bare["input"]), bytes(bare["answer"]), bare["idempotency_key"]) == (b"", b"", None)
    assert [answer for _, answer in store.decisions_of("ana")] == [b"five."]


def test_more_than_fit_in_one_transaction_are_told_one_after_another(store: Store, tmp_path: Path) -> None:
    with store.writing() as connection:
        connection.execute(decisions.insert(), [row(str(number), "ana", OLD) for number in range(1_201)])
    told: list[int] = []
    assert prune(store, tmp_path, OLD + 10, author="ines", progress=told.append).decisions == 1_200
    assert told == [500, 1_000, 1_200]


def test_answers_kept_for_a_repeated_call_go_with_age(store: Store, tmp_path: Path) -> None:
    keep_reply(store, "k", Reply("h", b"{}"), "ana")
    prune(store, tmp_path, OLD, author="ines")
    assert reply_to(store, "k") is not None
    prune(store, tmp_path, now() + 1, author="ines")
    assert reply_to(store, "k") is None


class TestBundles:
    def test_what_serves_what_a_replay_needs_and_what_is_young_or_unknown_to_the_registry_stays(self, store: Store, tmp_path: Path) -> None:
        for name, model in (("v1-aa", "m1"), ("v2-bb", "m2"), ("v3-cc", "m3"), ("v4-dd", "m4"), ("trained-here", "m5")):
            bundle(tmp_path, name, model)
        young = bundle(tmp_path, "v6-ff", "m6", at=now() // 1_000_000)
        (tmp_path / "champion.json").write_text('{"bundle": "v2-bb"}')
        (tmp_path / "served.json").write_text('{"bundle": "v3-cc"}')
        decided(store, "d1", "ana", OLD, model="m1")
        done = prune(store, tmp_path, OLD + 10, author="ines")
        assert [one.name for one in done.bundles] == ["v4-dd"]
        assert young.exists()
        assert sorted(one.parent.name for one in tmp_path.glob("*/manifest.json")) == ["trained-here", "v1-aa", "v2-bb", "v3-cc", "v6-ff"]

    def test_one_goes_with_the_last_decision_that_needed_it(self, store: Store, tmp_path: Path) -> None:
        bundle(tmp_path, "v1-aa", "m1")
        decided(store, "d1", "ana", OLD, model="m1")
        decided(store, "d2", "ana", OLD + 1, model="m2")
        assert [one.name for one in prune(store, tmp_path, OLD + 10, author="ines").bundles] == ["v1-aa"]

    def test_who_did_it_is_kept(self, store: Store, tmp_path: Path) -> None:
        bundle(tmp_path, "v1-aa", "m1")
        prune(store, tmp_path, OLD + 10, author="ines")
        (entry,) = entries(store, actions=["ledger"])
        assert (entry.actor, entry.action, entry.detail) == ("ines", "ledger.pruned", {"bundles": ["v1-aa"], "decisions": 0})

    def test_one_that_cannot_be_removed_is_named(self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(folder: Path) -> None:
            raise PermissionError(13, "Permission denied")

        bundle(tmp_path, "v1-aa", "m1")
        monkeypatch.setattr("data.retention.shutil.rmtree", refuse)
        with pytest.raises(BundleStays, match=r"v1-aa.*Permission denied"):
            prune(store, tmp_path, OLD + 10, author="ines")
