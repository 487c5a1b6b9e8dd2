"""A lead's way from stranger to customer, told as the events that move it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lifecycle import CLOCKS, MOVES, STATES, Event, HandedOver, Move, clock, course, refused, taken_back
from models.qualification import Facts, HandOff, Policy, PolicyInvalid, Stages, WorkingHours, decide

REST = 30


def decided(at: int, now: str, before: str = "", *rules: str) -> Event:
    return Event(at, "decision", now, before=before, taken_back=taken_back(now, rules) or "", policy="3")


def said(at: int, verdict: str, reason: str = "") -> Event:
    return Event(at, "verdict", verdict, reason, by="ines")


def crm(at: int, what: str) -> Event:
    return Event(at, "crm", what)


def states(events: Sequence[Event], now: int = 100, rest: int | None = None) -> list[str]:
    return [move.state for move in course(events, now, rest=rest).moves]


HANDED = [decided(1, "nurture"), decided(5, "mql", "nurture")]


class TestWhoMayMove:
    @pytest.mark.parametrize("verdict", ["accepted", "rejected"])
    @pytest.mark.parametrize(
        ("state", "says"),
        [("new", "been decided"), ("customer", "only the CRM"), ("opportunity", "only the CRM"), ("disqualified", "an override")],
    )
    def test_sales_does_not_move_what_is_not_its_own(self, state: str, verdict: str, says: str) -> None:
        assert says in str(refused(state, verdict))  # type: ignore[arg-type]  # every one of them is a state

    @pytest.mark.parametrize("state", ["nurture", "mql", "accepted", "sql", "rejected", "recycled"])
    def test_sales_takes_and_leaves_every_other_lead(self, state: str) -> None:
        assert refused(state, "accepted") is refused(state, "rejected") is None  # type: ignore[arg-type]  # every one of them is a state

    def test_the_policy_never_moves_what_the_crm_has(self) -> None:
        assert (
            states([*HANDED, crm(6, "opportunity"), decided(7, "nurture", "mql"), decided(8, "disqualified", "nurture")])[-1]
            == "opportunity"
        )

    def test_a_customer_stays_one_whatever_is_said(self) -> None:
        assert states([*HANDED, crm(6, "won"), said(7, "rejected"), crm(8, "lost"), crm(9, "opportunity")])[-1] == "customer"


class TestTheWay:
    def test_of_whom_nothing_happened_is_new(self) -> None:
        assert (course([], 9).state, course([], 9).since) == ("new", None)

    def test_to_the_customer_step_by_step(self) -> None:
        events = [*HANDED, said(6, "accepted"), decided(7, "sql", "mql"), crm(8, "opportunity"), crm(9, "won")]
        assert states(events) == ["nurture", "mql", "accepted", "sql", "opportunity", "customer"]

    def test_what_the_policy_calls_sql_is_handed_over_and_is_sql_once_sales_accepts(self) -> None:
        way = course([decided(1, "sql"), said(4, "accepted")], 9).moves
        assert [(move.state, move.actor) for move in way] == [("mql", "policy"), ("accepted", "sales"), ("sql", "policy")]

    def test_a_rejection_says_why_and_who(self) -> None:
        assert course([*HANDED, said(7, "rejected", "no_budget")], 9).moves[-1] == Move(7, "mql", "rejected", "sales", "no_budget", "ines")

    def test_a_rejected_lead_is_recycled_when_the_policy_lets_it_fall_and_may_come_again(self) -> None:
        events = [*HANDED, said(6, "rejected"), decided(7, "nurture", "mql", "below_mql"), decided(8, "mql", "nurture")]
        assert states(events) == ["nurture", "mql", "rejected", "recycled", "mql"]

    def test_or_when_it_has_rested_and_not_because_it_was_put_to_rest(self) -> None:
        events = [*HANDED, said(6, "rejected"), decided(7, "nurture", "mql", "rejected")]
        assert states(events, 6 + REST - 1, REST)[-1] == "rejected"
        assert course(events, 6 + REST - 1, rest=REST).wakes_at == 6 + REST
        assert course(events, 6 + REST, rest=REST).moves[-1] == Move(6 + REST, "rejected", "recycled", "policy")

    def test_silence_takes_back_what_sales_accepted_and_a_lower_probability_does_not(self) -> None:
        taken = [*HANDED, said(6, "accepted")]
        assert states([*taken, decided(8, "nurture", "mql", "below_mql")])[-1] == "accepted"
        assert states([*taken, decided(8, "nurture", "mql", "silent")])[-1] == "recycled"

    def test_a_lost_deal_is_recycled_with_its_reason(self) -> None:
        lost = Event(9, "crm", "lost", "price")
        assert course([*HANDED, crm(6, "opportunity"), lost], 99).moves[-1] == Move(9, "opportunity", "recycled", "crm", "price")


class TestTheClock:
    def test_runs_from_the_hand_over_to_the_first_care(self) -> None:
        assert course(HANDED, 9).handed == HandedOver(5, "3")
        assert course([*HANDED, Event(7, "touch", "call"), said(8, "accepted")], 9).handed == HandedOver(5, "3", 7)

    def test_care_before_the_hand_over_is_none_for_it(self) -> None:
        assert course([*HANDED, Event(3, "touch", "call")], 9).handed == HandedOver(5, "3")

    def test_it_stops_when_the_policy_takes_the_lead_back_and_begins_anew(self) -> None:
        back = [*HANDED, decided(6, "nurture", "mql")]
        assert course(back, 9).handed is None
        assert course([*back, decided(8, "mql", "nurture")], 9).handed == HandedOver(8, "3")

    @given(st.integers(0, 100), st.one_of(st.none(), st.integers(0, 100)), st.integers(0, 100))
    def test_says_exactly_one_thing(self, due: int, touched: int | None, now: int) -> None:
        told = clock(HandedOver(0, "", touched), due, now)
        assert told in CLOCKS
        assert (told in ("met", "late")) == (touched is not None)

    @given(
        st.floats(0.01, 200),
        st.integers(1_767_225_600, 1_798_761_600),
        st.sets(st.sampled_from(["mon", "wed", "sat"]), min_size=1),
        st.sampled_from(["UTC", "Europe/Madrid", "America/New_York"]),
    )
    def test_in_working_hours_ends_while_somebody_is_at_work_and_never_sooner(
        self, hours: float, second: int, days: set[str], zone: str
    ) -> None:
        working = WorkingHours(days=tuple(sorted(days)), begin="08:30", end="17:00", zone=zone)  # type: ignore[arg-type]  # names of days
        at = second * 1_000_000
        due = HandOff(within_hours=hours, working=working).due(at)
        assert due >= HandOff(within_hours=hours).due(at)
        ends = datetime.fromtimestamp(due / 1e6, ZoneInfo(zone))
        assert ends.strftime("%a").lower() in days
        assert (8, 30) <= (ends.hour, ends.minute) <= (17, 0)

    @given(st.floats(0.01, 100), st.floats(0.01, 100))
    def test_more_time_is_never_over_sooner(self, one: float, other: float) -> None:
        short, long = sorted((one, other))
        at = 1_790_000_000_000_000
        assert HandOff(within_hours=short, working=WorkingHours()).due(at) <= HandOff(within_hours=long, working=WorkingHours()).due(at)


DECISIONS = st.sampled_from(["disqualified", "nurture", "mql", "sql"])
event = st.one_of(
    st.builds(
        Event, st.integers(0, 40), st.just("decision"), DECISIONS, before=DECISIONS,
        taken_back=st.sampled_from(["silent", "rejected", "override", ""]), policy=st.sampled_from(["1", "2"]),
    ),
    st.builds(Event, st.integers(0, 40), st.just("verdict"), st.sampled_from(["accepted", "rejected"]), st.sampled_from(["", "no_need"])),
    st.builds(Event, st.integers(0, 40), st.just("crm"), st.sampled_from(["opportunity", "won", "lost"])),
    st.builds(Event, st.integers(0, 40), st.just("touch"), st.just("call")),
)  # fmt: skip
resting = st.one_of(st.none(), st.integers(1, 20))


class TestLaws:
    @given(st.lists(event, max_size=25), resting)
    def test_no_move_is_made_by_somebody_who_may_not(self, events: list[Event], rest: int | None) -> None:
        way = course(events, 50, rest=rest).moves
        assert all(move.actor in MOVES[move.before, move.state] for move in way)
        assert all(one.state == other.before for one, other in pairwise(way))
        assert all(one.at <= other.at for one, other in pairwise(way))

    @given(st.lists(event, max_size=25), resting, st.integers(0, 50), st.randoms())
    def test_the_order_in_which_rows_came_to_be_known_does_not_matter(
        self, events: list[Event], rest: int | None, now: int, luck: random.Random
    ) -> None:
        shuffled = [*events]
        luck.shuffle(shuffled)
        assert course(shuffled, now, rest=rest) == course(events, now, rest=rest)

    @given(st.lists(event, max_size=25), resting, st.integers(0, 50))
    def test_the_future_changes_nothing_of_what_was(self, events: list[Event], rest: int | None, now: int) -> None:
        known = [one for one in events if one.at <= now]
        assert course(events, now, rest=rest) == course(known, now, rest=rest)
        later = course(events, 50, rest=rest).moves
        assert later[: len(course(events, now, rest=rest).moves)] == course(events, now, rest=rest).moves

    @given(st.lists(event, max_size=25), resting)
    def test_whoever_is_refused_would_not_have_moved_it(self, events: list[Event], rest: int | None) -> None:
        before = course(events, 50, rest=rest)
        for verdict in ("accepted", "rejected"):
            after = course([*events, said(51, verdict)], 51, rest=None if before.wakes_at == 51 else rest)
            if refused(before.state, verdict) is not None:
                assert after.state == before.state
            elif verdict == "rejected":
                assert after.state == "rejected"
            else:
                assert after.state in ("accepted", "sql")

    def test_every_state_can_be_reached_and_left_but_the_last(self) -> None:
        assert {to for _, to in MOVES} == set(STATES) - {"new"}
        assert {before for before, _ in MOVES} == set(STATES) - {"customer"}


class TestAPolicyThatRecycles:
    policy = Policy.at(0.2, 0.5).model_copy(update={"recycle_days": 30.0})

    def test_a_rejected_lead_rests_and_then_comes_again(self) -> None:
        assert decide(self.policy, 0.9, Facts(previous="mql", rejected_days=3))[:2] == ("nurture", ["rejected"])
        assert decide(self.policy, 0.9, Facts(previous="nurture", rejected_days=30))[:2] == ("sql", ["sql_enter"])
        assert decide(Policy.at(0.2, 0.5), 0.9, Facts(rejected_days=3)).decision == "sql", "only where the policy says so"

    def test_a_hand_raised_after_the_rejection_ends_its_rest(self) -> None:
        assert decide(self.policy, 0.9, Facts(rejected_days=3, hand_raised_days=1)).decision == "sql"
        assert decide(self.policy, 0.9, Facts(rejected_days=3, hand_raised_days=5)).decision == "nurture"

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"hand_off": {"within_hours": 0}}, "within_hours"),
            ({"hand_off": {"within_hours": 8, "working": {"begin": "18:00", "end": "09:00"}}}, "work ends at 09:00"),
            ({"hand_off": {"within_hours": 8, "working": {"zone": "Mars/Base"}}}, "no time zone 'Mars/Base'"),
            ({"stages": {"won": ["Done"], "lost": ["done "]}}, "a stage means one thing: done"),
            ({"recycle_days": -1}, "recycle_days"),
        ],
    )
    def test_nonsense_is_refused_by_name(self, wrong: dict[str, object], said: str) -> None:
        with pytest.raises(PolicyInvalid, match=said):
            Policy.read(Policy.at(0.2, 0.5).model_dump() | wrong)

    def test_who_says_nothing_of_it_has_the_policy_of_before(self) -> None:
        plain = Policy.at(0.2, 0.5)
        assert not {"recycle_days", "hand_off", "stages"} & plain.model_dump().keys()
        assert plain.model_copy(update={"hand_off": HandOff(within_hours=8), "stages": Stages(won=("signed",))}).plain, "it decides alike"
        assert not self.policy.plain
