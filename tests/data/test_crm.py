"""What a CRM sends is kept once, whatever is sent twice, late or in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Event

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.courses import happened_to
from data.crm import ActivityRow, Crm, LeadPut, OutcomeRow, Reader, StageRow, Standing
from data.reviews import Feedback, give_feedback
from data.store import Store, now

DAY = 86_400_000_000


@pytest.fixture
def crm(tmp_path: Path, database: str) -> Iterator[Crm]:
    with closing(Store.open(tmp_path, database)) as store:
        yield Crm(store)


def visit(lead_id: str = "ana", at: int = 5, name: str = "", recorded: int | None = None, url: str = "/precios") -> ActivityRow:
    return ActivityRow(lead_id, at, at if recorded is None else recorded, "page_view", name, url=url)


def put(lead_id: str = "ana", at: int = 5, recorded: int | None = None, **values: object) -> LeadPut:
    return LeadPut(lead_id, values, at, at if recorded is None else recorded)


def attributes(crm: Crm, lead_id: str = "ana", as_of: int = 1_000) -> dict[str, object] | None:
    (held,) = crm.held([lead_id], as_of)
    return None if held is None else held.attributes


class TestLeads:
    def test_a_lead_nobody_spoke_of_is_none(self, crm: Crm) -> None:
        assert crm.held(["nobody"], 1_000) == [None]

    def test_the_same_twice_is_known(self, crm: Crm) -> None:
        assert crm.put_leads([put(country="ES", employees=12)]) == ["new"]
        assert crm.put_leads([put(at=9, country="ES", employees=12)]) == ["known"]
        assert attributes(crm) == {"country": "ES", "employees": 12}

    def test_a_field_that_is_not_named_stays_and_null_clears(self, crm: Crm) -> None:
        crm.put_leads([put(country="ES", job_title="CFO")])
        crm.put_leads([put(at=9, job_title=None)])
        assert attributes(crm) == {"country": "ES"}
        assert attributes(crm, as_of=9) == {"country": "ES", "job_title": "CFO"}

    def test_what_comes_late_does_not_undo_what_is_newer(self, crm: Crm) -> None:
        crm.put_leads([put(at=9, job_title="CEO")])
        assert crm.put_leads([put(at=5, recorded=20, job_title="CFO")]) == ["new"]
        assert attributes(crm) == {"job_title": "CEO"}
        assert attributes(crm, as_of=9) is None, "by then nobody had heard of it"

    def test_a_value_is_not_known_before_it_was_recorded(self, crm: Crm) -> None:
        crm.put_leads([put(at=1, country="ES")])
        crm.put_leads([put(at=5, recorded=50, country="FR")])
        assert attributes(crm, as_of=40) == {"country": "ES"}
        assert attributes(crm, as_of=51) == {"country": "FR"}

    def test_the_order_of_arrival_does_not_matter(self, crm: Crm) -> None:
        rows = [put(at=at, recorded=100, job_title=title) for at, title in enumerate(["SDR", "AE", "VP", "CRO"])]
        for seed in range(5):
            shuffled = [LeadPut(f"lead-{seed}", row.values, row.changed_at, row.recorded_at) for row in rows]
            Random(seed).shuffle(shuffled)
            for row in shuffled:
                crm.put_leads([row])
            assert attributes(crm, f"lead-{seed}") == {"job_title": "CRO"}


class TestActivities:
    def test_an_event_sent_a_hundred_times_is_one(self, crm: Crm) -> None:
        assert crm.add_activities([visit(name="a1")] * 50) == ["new"] + ["known"] * 49
        assert crm.add_activities([visit(name="a1")] * 50) == ["known"] * 50
        (held,) = crm.held(["ana"], 1_000)
        assert held is not None
        assert held.activities == [visit(name="a1")]

    def test_without_an_id_it_is_told_by_what_it_says(self, crm: Crm) -> None:
        assert crm.add_activities([visit(), visit(recorded=70), visit(url="/demo")]) == ["new", "known", "new"]

    def test_the_first_that_was_heard_of_stays(self, crm: Crm) -> None:
        crm.add_activities([visit(name="a1", url="/first")])
        crm.add_activities([visit(name="a1", url="/second", recorded=80)])
        (held,) = crm.held(["ana"], 1_000)
        assert held is not None
        assert [one.url for one in held.activities] == ["/first"]

    def test_of_a_lead_not_yet_put_it_waits_for_it(self, crm: Crm) -> None:
        crm.add_activities([visit()])
        assert attributes(crm) == {}
        crm.put_leads([put(country="ES")])
        assert attributes(crm) == {"country": "ES"}

    def test_every_value_comes_back_as_it_was(self, crm: Crm) -> None:
        row = ActivityRow("ana", DAY, DAY + 1, "answer", "ñ-1", "web", "/¿qué?", "budget 💶", "c", 1.5, "50.000 €", "Mozilla/5.0", 1)
        crm.add_activities([row])
        (held,) = crm.held(["ana"], 2 * DAY)
        assert held is not None
        assert held.activities == [row]

    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9), st.integers(0, 20)), max_size=25), st.integers(1, 40))
    def test_an_instant_knows_what_had_happened_and_been_heard_of(self, crm: Crm, sent: list[tuple[int, int, int]], as_of: int) -> None:
        lead_id = f"lead-{hash((tuple(sent), as_of))}"
        rows = [visit(lead_id, at, f"a{name}", at + late) for at, name, late in sent]
        crm.add_activities(rows)
        first = {row.activity_id: row for row in reversed(rows)}
        (held,) = crm.held([lead_id], as_of)
        known = {row.activity_id for row in first.values() if row.occurred_at < as_of and row.recorded_at < as_of}
        assert {row.activity_id for row in (held.activities if held else [])} <= known
        if held is not None:
            assert {row.activity_id for row in held.activities} == known


class TestAccounts:
    def test_colleagues_are_the_others_of_the_account(self, crm: Crm) -> None:
        crm.put_leads([put(one, email=f"{one}@acme.example") for one in ("ana", "bea")] + [put("cleo", email="cleo@gmail.com")])
        crm.add_activities([visit("ana"), visit("bea"), visit("cleo")])
        ana, cleo = crm.held(["ana", "cleo"], 1_000)
        assert ana is not None
        assert [one.lead_id for one in ana.colleagues or []] == ["bea"]
        assert cleo is not None
        assert cleo.colleagues is None

    def test_a_lead_that_changes_its_company_changes_its_account(self, crm: Crm) -> None:
        crm.put_leads([put(company_domain="acme.example"), put("bea", company_domain="acme.example")])
        crm.add_activities([visit("bea")])
        crm.put_leads([put(at=9, company_domain="other.example")])
        (ana,) = crm.held(["ana"], 1_000)
        assert ana is not None
        assert (ana.account, ana.colleagues) == ("other.example", [])


class TestTheRest:
    def test_stages_and_outcomes_are_kept_once(self, crm: Crm) -> None:
        assert crm.add_stage_changes([StageRow("ana", 5, "Demo", 6), StageRow("ana", 5, "Demo", 9)]) == ["new", "known"]
        assert crm.add_outcomes([OutcomeRow("ana", 7, 8, amount=900.0)]) == ["new"]
        assert crm.add_outcomes([OutcomeRow("ana", 7, 8, amount=900.0)]) == ["known"]


def stands(decision: str = "mql", as_of: int = 20, entry: str = "d", state: str = "mql") -> Standing:
    return Standing("ana", decision, as_of, entry, 0.5, 0.4, 0.6, 1.0, "B", None, as_of, "m", "1", "{}", state)


def standing(crm: Crm) -> Standing:
    found = crm.standing("ana")
    assert found is not None
    assert found[1] is not None
    return found[1]


def verdicts(read: Reader, rows: Sequence[Standing]) -> list[Standing]:
    """Where a lead is on its way, told by how often sales has spoken of it."""
    said = happened_to(read, ["ana"], ())["ana"].verdicts
    return [msgspec.structs.replace(row, state=f"heard of {len(said)}") for row in rows]


class TestWhereALeadStands:
    def test_one_that_is_not_known_or_not_any_more_stands_nowhere(self, crm: Crm) -> None:
        crm.stand([stands()])
        assert crm.standing("ana") is None
        crm.place("ana", verdicts)

    def test_what_was_computed_as_of_an_earlier_time_leaves_the_figures_and_moves_the_lead(self, crm: Crm) -> None:
        crm.put_leads([put(country="ES")])
        crm.settle_stale(dict(crm.claim_stale(10, now=100, lease=50)))
        crm.stand([stands(as_of=20, entry="d-20")])
        crm.stand([stands(as_of=10, entry="d-10", state="accepted")])
        assert standing(crm) == stands(as_of=20, entry="d-20", state="accepted")
        assert crm.waiting() == (0, None)

    def test_where_the_ledger_has_decided_otherwise_since_the_lead_is_scored_again(self, crm: Crm) -> None:
        crm.put_leads([put(country="ES")])
        crm.settle_stale(dict(crm.claim_stale(10, now=100, lease=50)))
        crm.stand([stands(as_of=20)])
        crm.stand([stands("nurture", as_of=10)])
        assert standing(crm).decision == "mql"
        assert crm.waiting()[0] == 1

    @pytest.mark.parametrize("slow", ["stand", "place"])
    def test_what_is_said_while_somebody_works_it_out_is_not_lost(self, crm: Crm, slow: str) -> None:
        crm.put_leads([put(country="ES")])
        crm.stand([stands()])
        has_read, has_said = Event(), Event()

        def slowly(read: Reader, rows: Sequence[Standing]) -> list[Standing]:
            placed = verdicts(read, rows)
            has_read.set()
            has_said.wait(0.5)  # who speaks meanwhile is not through before this has been written
            return placed

        def say() -> None:
            has_read.wait(10)
            give_feedback(crm.store, Feedback("f", "ana", None, "accepted", None, None, "ines", 30))
            crm.place("ana", verdicts)
            has_said.set()

        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(say)
            if slow == "stand":
                crm.stand([stands(as_of=40)], slowly)
            else:
                crm.place("ana", slowly)
            said.result()
        assert standing(crm).state == "heard of 1"


class TestStale:
    def test_what_changed_waits_once_and_is_claimed_once(self, crm: Crm) -> None:
        crm.add_activities([visit(name=f"a{i}") for i in range(5)])
        crm.put_leads([put(at=9, country="ES"), put("bea", at=7, country="FR")])
        assert crm.waiting()[0] == 2
        assert set(dict(crm.claim_stale(10, now=100, lease=50))) == {"ana", "bea"}
        assert crm.claim_stale(10, now=120, lease=50) == []
        assert len(crm.claim_stale(1, now=151, lease=50)) == 1, "whoever claimed them has died"

    def test_what_is_imported_from_before_has_waited_since_it_came(self, crm: Crm) -> None:
        at = now()
        crm.put_leads([put("old", at=5, country="ES")])
        crm.add_activities([visit(name="long ago")])
        waiting, since = crm.waiting()
        assert waiting == 2
        assert since is not None
        assert since >= at

    def test_what_changed_while_it_was_being_scored_waits_again(self, crm: Crm) -> None:
        crm.put_leads([put(country="ES")])
        claimed = dict(crm.claim_stale(10, now=100, lease=50))
        crm.add_activities([visit()])
        crm.settle_stale(claimed)
        again = dict(crm.claim_stale(10, now=101, lease=50))
        assert set(again) == {"ana"}
        crm.settle_stale(again)
        assert crm.waiting() == (0, None)

    def test_a_change_after_somebody_else_has_settled_the_lead_is_not_settled_by_whoever_scored_it_before(self, crm: Crm) -> None:
        crm.put_leads([put(country="ES")])
        slow = dict(crm.claim_stale(10, now=100, lease=50))
        found = crm.standing("ana")
        assert found is not None
        crm.settle_stale({"ana": found[2]})
        assert crm.waiting() == (0, None)
        crm.add_activities([visit()])
        crm.settle_stale(slow)
        assert crm.waiting()[0] == 1

    def test_what_was_known_already_wakes_nobody(self, crm: Crm) -> None:
        crm.put_leads([put(country="ES")])
        crm.settle_stale(dict(crm.claim_stale(10, now=100, lease=50)))
        crm.put_leads([put(at=9, country="ES")])
        assert crm.waiting() == (0, None)

    def test_many_who_write_of_the_same_leads_in_any_order_get_into_nobodys_way(self, crm: Crm) -> None:
        names = [f"lead-{n}" for n in range(150)]

        def tell(who: int) -> None:
            for turn in range(4):
                shuffled = Random(10 * who + turn).sample(names, len(names))
                crm.add_activities([visit(name, name=f"{turn}") for name in shuffled])
                crm.put_leads([put(name, at=10 * turn + who, country=f"{who}{turn}") for name in reversed(shuffled)])

        def settle(who: int) -> None:
            for turn in range(12):
                claimed = dict(crm.claim_stale(64, 1_000_000 * turn, 1))
                shuffled = Random(who + turn).sample(sorted(claimed), len(claimed))
                crm.settle_stale({name: claimed[name] for name in shuffled})

        with ThreadPoolExecutor(5) as pool:
            working = [pool.submit(work, who) for who, work in enumerate((tell, settle, tell, settle, tell))]
        assert [one.result() for one in working] == [None] * 5
        held = crm.held(names, 1_000, context=False)
        assert [len(one.activities) for one in held if one is not None] == [4] * 150
