"""Two records of one person become one, and nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from data.crm import ActivityRow, Crm, LeadPut, OutcomeRow, StageRow
from data.merging import BothUnknown, MergedWithItself, merge
from data.store import Store


@pytest.fixture
def crm(tmp_path: Path, database: str) -> Iterator[Crm]:
    with closing(Store.open(tmp_path, database)) as store:
        yield Crm(store)


def visit(lead_id: str, name: str, at: int = 5, url: str = "/precios") -> ActivityRow:
    return ActivityRow(lead_id, at, at, "page_view", name, url=url)


def did(crm: Crm, lead_id: str, as_of: int = 1_000) -> dict[str, str | None]:
    (held,) = crm.held([lead_id], as_of)
    return {} if held is None else {row.activity_id: row.url for row in held.activities}


class TestMerging:
    def test_a_lead_is_not_its_own_double(self, crm: Crm) -> None:
        with pytest.raises(MergedWithItself):
            merge(crm.store, "ana", "ana", at=9, author="test")

    def test_nobody_and_nobody_are_not_merged(self, crm: Crm) -> None:
        with pytest.raises(BothUnknown, match="'ghost'"):
            merge(crm.store, "ana", "ghost", at=9, author="test")

    def test_what_either_did_counts_once(self, crm: Crm) -> None:
        crm.add_activities([visit("ana", "a1"), visit("ana", "a2", url="/ana"), visit("old", "a2", url="/old"), visit("old", "a3")])
        done = merge(crm.store, "ana", "old", at=50, author="test")
        assert did(crm, "ana") == {"a1": "/precios", "a2": "/ana", "a3": "/precios"}
        assert (done.moved["activities"], done.known) == (1, False)
        assert did(crm, "old") == did(crm, "ana"), "the other name stands for the one that stays"

    def test_the_same_event_of_both_without_an_id_counts_once(self, crm: Crm) -> None:
        crm.add_activities([visit("ana", ""), visit("old", "")])
        merge(crm.store, "ana", "old", at=50, author="test")
        assert len(did(crm, "ana")) == 1

    def test_no_look_at_an_earlier_instant_changes_by_it(self, crm: Crm) -> None:
        crm.put_leads([LeadPut("ana", {"country": "ES"}, 4, 4), LeadPut("old", {"country": "FR", "city": "Lyon"}, 6, 6)])
        crm.add_activities([visit("ana", "a1"), visit("old", "a3")])
        before = crm.held(["ana"], 50)
        merge(crm.store, "ana", "old", at=50, author="test")
        assert crm.held(["ana"], 50) == before
        (after,) = crm.held(["ana"], 51)
        assert after is not None
        assert (after.attributes, after.merged) == ({"country": "FR", "city": "Lyon"}, ["old"]), "of a field's values the newest holds"

    def test_rows_that_come_late_for_the_other_go_to_the_one_that_stays(self, crm: Crm) -> None:
        crm.add_activities([visit("ana", "a1"), visit("old", "a2")])
        merge(crm.store, "ana", "old", at=50, author="test")
        assert crm.add_activities([visit("old", "a2"), visit("old", "a9")]) == ["known", "new"]
        crm.put_leads([LeadPut("old", {"job_title": "CFO"}, 60, 60)])
        (held,) = crm.held(["ana"], 1_000)
        assert held is not None
        assert held.attributes == {"job_title": "CFO"}
        assert set(did(crm, "ana")) == {"a1", "a2", "a9"}

    def test_twice_is_once_and_says_when(self, crm: Crm) -> None:
        crm.add_activities([visit("ana", "a1"), visit("old", "a2")])
        first = merge(crm.store, "ana", "old", at=50, author="ines")
        again = merge(crm.store, "ana", "old", at=90, author="marc")
        assert (again.merge_id, again.merged_at, again.author, again.known) == (first.merge_id, 50, "ines", True)

    def test_the_other_way_round_is_the_same_merge(self, crm: Crm) -> None:
        crm.add_activities([visit("ana", "a1"), visit("old", "a2")])
        merge(crm.store, "ana", "old", at=50, author="test")
        again = merge(crm.store, "old", "ana", at=90, author="test")
        assert (again.lead_id, again.merged, again.known) == ("ana", "old", True)

    def test_a_chain_of_doubles_ends_at_one(self, crm: Crm) -> None:
        crm.add_activities([visit(one, one) for one in ("ana", "b", "c", "d")])
        merge(crm.store, "b", "c", at=50, author="test")
        merge(crm.store, "d", "b", at=60, author="test")
        merge(crm.store, "ana", "c", at=70, author="test")
        for name in ("ana", "b", "c", "d"):
            assert set(did(crm, name)) == {"ana", "b", "c", "d"}
        (held,) = crm.held(["b"], 1_000)
        assert held is not None
        assert (held.lead_id, held.merged) == ("ana", ["b", "c", "d"])
        assert merge(crm.store, "c", "d", at=99, author="test").known, "they are one already"

    def test_stages_and_outcomes_go_along_and_the_lead_waits_to_be_scored(self, crm: Crm) -> None:
        crm.add_stage_changes([StageRow("ana", 5, "Demo", 5), StageRow("old", 5, "Demo", 5), StageRow("old", 6, "Won", 6)])
        crm.add_outcomes([OutcomeRow("old", 7, 7, amount=900.0)])
        crm.settle_stale(dict(crm.claim_stale(10, now=10, lease=5)))
        done = merge(crm.store, "ana", "old", at=50, author="test")
        assert (done.moved["stage_changes"], done.moved["outcomes"]) == (1, 1)
        (claimed,) = crm.claim_stale(10, now=100, lease=5)
        assert claimed[0] == "ana"
        assert crm.standing("old") == ("ana", None, claimed[1])

    def test_a_name_that_nobody_used_yet_is_taken_as_a_second_name(self, crm: Crm) -> None:
        crm.add_activities([visit("ana", "a1")])
        merge(crm.store, "ana", "soon", at=50, author="test")
        crm.add_activities([visit("soon", "a2", at=60)])
        assert set(did(crm, "ana")) == {"a1", "a2"}
