"""A lead is erased: nothing of it is left anywhere, and there is proof."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.crm import ActivityRow, Crm, LeadPut, OutcomeRow, Override, StageRow
from data.erasure import NothingHeld, erase, erase_stragglers
from data.export import export
from data.merging import merge
from data.quick import COLUMNS
from data.reviews import Feedback, give_feedback, override
from data.schema import decisions, inbox, metadata
from data.store import Store

SECRET = "ana-4711"


@pytest.fixture
def crm(tmp_path: Path, database: str) -> Iterator[Crm]:
    with closing(Store.open(tmp_path, database)) as store:
        yield Crm(store)


def entry(store: Store, lead_id: str, name: str, content: bytes, key: str | None = None) -> None:
    store.note_runtime("r", {})
    numbers = {"scored_at": 20, "as_of": 20, "probability": 0.2}
    texts = {"decision": "mql", "model_version": "1", "policy_version": "1", "feature_set": "f", "input_hash": "h", "runtime": "r"}
    told = {"decision_id": name, "lead_id": lead_id, "input": content, "answer": b"{}" if lead_id == "bea" else content}
    with store.writing() as connection:
        connection.execute(decisions.insert().values(dict.fromkeys(COLUMNS) | numbers | texts | told | {"idempotency_key": key}))


@pytest.fixture
def told(crm: Crm) -> Crm:
    """A store in which every table knows of one lead, of its double, and of a colleague."""
    store = crm.store
    for at, one in enumerate((SECRET, f"{SECRET}-old")):
        crm.put_leads([LeadPut(one, {"email": f"{one}@acme.example", "job_title": f"boss of {SECRET}"}, at, at)])
    crm.put_leads([LeadPut("bea", {"email": "bea@acme.example"}, 5, 5)])
    crm.add_activities([ActivityRow(one, 6, 6, "page_view", url=f"/{one}") for one in (SECRET, f"{SECRET}-old")])
    crm.add_activities([ActivityRow("bea", 6, 6, "page_view", "b1")])
    crm.add_stage_changes([StageRow(SECRET, 7, "Demo", 7, reason=SECRET)])
    crm.add_outcomes([OutcomeRow(SECRET, 8, 8)])
    give_feedback(store, Feedback("", SECRET, None, "rejected", "no_budget", f"{SECRET} said no", "ines", 9))
    override(store, Override("", SECRET, "sql", "ines", f"knows {SECRET}", 10))
    entry(store, SECRET, "d1", f'{{"lead":{{"lead_id":"{SECRET}"}}}}'.encode(), key="k1")
    colleagues = f'[{{"lead_id":"{SECRET}","type":"call"}},{{"lead_id":"cleo","type":"call"}}]'
    entry(store, "bea", "d2", f'{{"account_activities":{colleagues}}}'.encode())
    merge(store, SECRET, f"{SECRET}-old", at=15, author="ines")
    message = {"digest": "m1", "hook_id": "h", "body": f'{{"id": "{SECRET}"}}'.encode(), "received_at": 3, "taken_at": 4, "attempts": 1}
    with store.writing() as connection:
        connection.execute(inbox.insert().values(message))
    return crm


def everything(store: Store) -> str:
    """All that the database holds, as one text."""
    with store.reading() as connection:
        return "\n".join(str([tuple(row) for row in connection.execute(sa.select(table))]) for table in metadata.sorted_tables)


class TestErasing:
    def test_of_whom_nothing_is_held_is_said(self, crm: Crm) -> None:
        with pytest.raises(NothingHeld, match="'nobody'"):
            erase(crm.store, "nobody", at=9, author="dpo")

    def test_nothing_is_left_of_it_and_the_others_stay(self, told: Crm) -> None:
        done = erase(told.store, SECRET, at=100, author="dpo")
        assert SECRET not in everything(told.store)
        assert (done.removed["leads"], done.removed["activities"], done.removed["decisions"]) == (1, 2, 1)
        assert (done.removed["inputs"], done.removed["inbox"], done.removed["feedback"], done.removed["overrides"]) == (1, 1, 1, 1)
        (bea,) = told.held(["bea"], 1_000)
        assert bea is not None
        assert [row.activity_id for row in bea.activities] == ["b1"]
        assert told.held([SECRET, f"{SECRET}-old"], 1_000) == [None, None]

    def test_the_bare_row_stays_in_the_ledger(self, told: Crm) -> None:
        erase(told.store, SECRET, at=100, author="dpo")
        row, other = told.store.decision("d1"), told.store.decision("d2")
        assert row is not None
        assert other is not None
        assert (row["decision"], row["probability"], bytes(row["input"]), bytes(row["answer"])) == ("mql", 0.2, b"", b"")
        assert (row["erased_at"], row["idempotency_key"], row["input_hash"]) == (100, None, "")
        assert b"cleo" in bytes(other["input"]), "what other colleagues did is kept"
        assert other["erased_at"] == 100

    def test_twice_is_once_and_says_when_under_any_name(self, told: Crm) -> None:
        first = erase(told.store, f"{SECRET}-old", at=100, author="dpo")
        for name in (SECRET, f"{SECRET}-old"):
            again = erase(told.store, name, at=200, author="else")
            assert (again.erased_at, again.author, again.known) == (100, "dpo", True)
        assert not first.known

    def test_what_happened_before_is_not_kept_again_and_what_happens_after_is(self, told: Crm) -> None:
        erase(told.store, SECRET, at=100, author="dpo")
        for name in (SECRET, f"{SECRET}-old"):
            assert told.add_activities([ActivityRow(name, 99, 150, "call", "x1")]) == ["erased"]
            assert told.put_leads([LeadPut(name, {"city": "Lyon"}, 99, 150)]) == ["erased"]
        assert told.held([SECRET], 1_000) == [None]
        assert told.add_activities([ActivityRow(SECRET, 120, 150, "call", "x2"), ActivityRow(SECRET, 50, 150, "call", "x3")]) == [
            "new",
            "erased",
        ]
        (held,) = told.held([SECRET], 1_000)
        assert held is not None
        assert [row.activity_id for row in held.activities] == ["x2"]
        assert told.held([f"{SECRET}-old"], 1_000) == [None], "they are two names again"
        assert not erase(told.store, SECRET, at=300, author="dpo").known

    def test_a_decision_that_was_under_way_is_erased_too(self, told: Crm) -> None:
        erase(told.store, SECRET, at=100, author="dpo")
        entry(told.store, SECRET, "d9", SECRET.encode())
        assert erase_stragglers(told.store, [SECRET], 100) == 1
        assert SECRET not in everything(told.store)


def test_nothing_is_left_in_the_file_of_a_sqlite_store(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path)) as store:
        crm = Crm(store)
        for i in range(50):
            crm.put_leads([LeadPut(one, {"email": f"{one}@acme.example", "about": one * 200}, i, i) for one in (SECRET, f"other-{i}")])
        held = [tmp_path / "tamiz.db", tmp_path / "tamiz.db-wal"]
        assert any(SECRET.encode() in path.read_bytes() for path in held)
        erase(store, SECRET, at=100, author="dpo")
        assert not any(SECRET.encode() in path.read_bytes() for path in held)


class TestExport:
    def test_of_whom_nothing_is_held_there_is_no_export(self, crm: Crm) -> None:
        assert export(crm.store, "nobody") is None

    def test_everything_is_in_it(self, told: Crm) -> None:
        import json

        pieces = export(told.store, f"{SECRET}-old")
        assert pieces is not None
        whole = json.loads(b"".join(pieces))
        assert (whole["lead_id"], whole["also_known_as"]) == (SECRET, [f"{SECRET}-old"])
        assert len(whole["activities"]) == 2
        assert whole["leads"][0]["attributes"]["email"] == f"{SECRET}-old@acme.example"
        assert whole["activities"][0]["occurred_at"] == "1970-01-01T00:00:00.000006Z"
        assert {name for name in ("stage_changes", "outcomes", "feedback", "overrides", "merges", "decisions") if whole[name]} == {
            "stage_changes", "outcomes", "feedback", "overrides", "merges", "decisions",
        }  # fmt: skip
        assert whole["decisions"][0]["input"] == {"lead": {"lead_id": SECRET}}
