"""What every signal must keep, whatever it computes: the future does not leak, one is as many, order does not matter."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import engine
from features.catalogue import catalogue
from features.declarations import Declarations, Topics
from features.engine import Colleagues, Plan, evaluate, needs_of
from features.history import DAY, ActivityLog, Column, History, Leads, Observations, TextColumn
from features.own_types import own_signals, signals_of_type
from features.signal import Attribute, FeatureSet, Signal, signal
from features.testing import Told, history
from tests.features.oracle import aggregate, of_colleagues
from tests.features.worlds import MAILS, NOW, PAGES, World, activities, ask, ask_alone, bits, crowd, worlds

OWN = ("nps_survey", "odd {name}")
SIGNALS = {**catalogue(), **{one.name: one for name in OWN for one in signals_of_type(name)}}
PLAN = Plan(FeatureSet(tuple(catalogue().values()), OWN))
CROWD = crowd(per_lead=60)
INSTANTS = [(lead, NOW - days * DAY) for lead in range(CROWD.n) for days in (0, 9)]


@pytest.fixture(scope="module")
def answers() -> dict[str, bytes]:
    return bits(ask(PLAN, CROWD, INSTANTS))


@pytest.fixture(scope="module")
def without_later_rows() -> dict[str, bytes]:
    tables = [bits(ask(PLAN, CROWD.known_before(as_of), [(lead, as_of)])) for lead, as_of in INSTANTS[:60]]
    return {name: b"".join(one[name] for one in tables) for name in PLAN.names}


@pytest.fixture(scope="module")
def one_by_one() -> dict[str, bytes]:
    tables = [bits(ask_alone(PLAN, CROWD, lead, as_of)) for lead, as_of in INSTANTS]
    return {name: b"".join(one[name] for one in tables) for name in PLAN.names}


@pytest.fixture(scope="module")
def shuffled() -> dict[str, bytes]:
    rng = np.random.default_rng(1)
    mine = tuple(tuple(rows[i] for i in rng.permutation(len(rows))) for rows in CROWD.activities)
    changes = tuple(CROWD.changes[i] for i in rng.permutation(len(CROWD.changes)))
    return bits(ask(PLAN, replace(CROWD, activities=mine, changes=changes), INSTANTS))


@pytest.mark.parametrize("name", SIGNALS)
class TestEverySignal:
    def test_sees_nothing_that_happened_or_was_recorded_later(
        self, name: str, answers: dict[str, bytes], without_later_rows: dict[str, bytes]
    ) -> None:
        assert answers[name][: len(without_later_rows[name])] == without_later_rows[name]

    def test_says_of_one_lead_alone_what_it_says_in_a_batch(
        self, name: str, answers: dict[str, bytes], one_by_one: dict[str, bytes]
    ) -> None:
        assert answers[name] == one_by_one[name]

    def test_does_not_care_for_the_order_of_rows(self, name: str, answers: dict[str, bytes], shuffled: dict[str, bytes]) -> None:
        assert answers[name] == shuffled[name]

    def test_is_the_same_evaluated_on_its_own(self, name: str, answers: dict[str, bytes]) -> None:
        alone = replace(SIGNALS[name], name="x", fill=SIGNALS[name].fill)
        assert bits(ask(Plan(FeatureSet((alone,))), CROWD, INSTANTS))["x"] == answers[name]

    def test_has_something_to_say(self, name: str, answers: dict[str, bytes]) -> None:
        values = np.frombuffer(answers[name])
        assert len(set(values[~np.isnan(values)].tolist())) > 1

    def test_gives_its_fill_for_a_lead_without_history(self, name: str) -> None:
        value = SIGNALS[name](history("nobody", as_of="2026-03-31"))

        assert value.dtype == np.float64
        assert value.shape == (1,)
        assert value[0] == SIGNALS[name].fill or (math.isnan(value[0]) and math.isnan(SIGNALS[name].fill))

    def test_reads_as_a_sentence(self, name: str) -> None:
        zero, one = (SIGNALS[name].say(value) for value in (0.0, 1.0))

        assert zero.endswith(".")
        assert zero[0].isupper() or zero[0].isdigit()
        assert not {"{", "}", "…"} & set(zero.replace("{name}", ""))
        assert zero != one, "the sentence does not show the value"
        assert "…" in SIGNALS[name].meaning

    def test_is_declared_within_bounds(self, name: str) -> None:
        assert SIGNALS[name].monotone in (-1, 0, 1)
        assert SIGNALS[name].unit
        needs = needs_of(SIGNALS[name])
        assert needs.aggregates or needs.columns or needs.answers


@settings(max_examples=60, deadline=None)
@given(worlds(), st.data())
def test_no_change_of_anything_dated_at_or_after_as_of_changes_any_signal(world: World, data: st.DataObject) -> None:
    at = [(lead, NOW) for lead in range(world.n)]
    before = bits(ask(PLAN, world, at))

    later = st.builds(
        lambda one, delay, hidden: (
            replace(one, occurred=NOW - 5 * DAY, recorded=NOW + delay) if hidden else replace(one, occurred=NOW + delay)
        ),
        activities(),
        st.sampled_from((0, 1, 3_000_000, DAY)),
        st.booleans(),
    )
    more = [
        [*(one for one in mine if max(one.occurred, one.recorded or 0) < NOW), *data.draw(st.lists(later, max_size=5))]
        for mine in world.activities
    ]
    changes = [one for one in world.changes if one[1] < NOW]
    if world.changes:  # which fields have a history is a matter of columns, not of rows: one stays
        changes += [(lead, NOW + data.draw(st.integers(0, 5)), "Owner") for lead in data.draw(st.sets(st.integers(0, world.n - 1)))]
        changes = changes or [(0, NOW, "Owner")]
    after = replace(world, activities=tuple(tuple(data.draw(st.permutations(mine))) for mine in more), changes=tuple(changes))

    assert bits(ask(PLAN, after, at)) == before


@settings(max_examples=40, deadline=None)
@given(worlds(), st.lists(st.sampled_from((NOW, NOW - DAY, NOW - 30 * DAY)), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_blocks_of_any_composition_give_the_same_bits(world: World, instants: list[int], chance: object) -> None:
    at = [(lead, as_of) for lead in range(world.n) for as_of in instants]
    chance.shuffle(at)  # type: ignore[attr-defined]  # hypothesis' random

    together = ask(PLAN, world, at)
    alone = [ask_alone(PLAN, world, lead, as_of) for lead, as_of in at]

    assert np.array_equal(np.concatenate([one.numbers for one in alone]), together.numbers, equal_nan=True)


def test_where_blocks_are_cut_changes_no_bit(answers: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    for rows, observations in ((1, 1), (50, 7), (10**9, 10**9)):
        monkeypatch.setattr(engine, "_BLOCK_ROWS", rows)
        monkeypatch.setattr(engine, "_BLOCK_OBSERVATIONS", observations)
        monkeypatch.setattr("features.colleagues._CHUNK_ROWS", rows)
        assert bits(ask(PLAN, CROWD, INSTANTS)) == answers


class TestAgainstPlainPython:
    """Every aggregate of the whole catalogue equals what a slow and obvious reference says."""

    @staticmethod
    def check(world: World, at: list[tuple[int, int]]) -> None:
        leads, log = world.leads(), world.log()
        assert leads.account is not None
        gathered: dict[object, list[float]] = {}

        def also(known: History, start: int) -> None:
            for need in (*PLAN.own.needs, *PLAN.colleagues.needs):
                gathered.setdefault(need, []).extend(known._block.fetch(need).tolist())

        lead, as_of = (np.array(column) for column in zip(*at, strict=True))
        evaluate(PLAN, leads, log, Observations(lead, as_of), Colleagues.of(leads.account, log), also=also)
        for need in PLAN.own.needs:
            expected = [aggregate(need, list(world.activities[i]), t) for i, t in at]
            tolerance = 2.0**-29 * (need[0] == "decayed")
            assert np.allclose(gathered[need], expected, rtol=0, atol=tolerance, equal_nan=True), need
        for need in PLAN.colleagues.needs:
            for (i, t), found in zip(at, gathered[need], strict=True):
                if world.accounts[i] < 0:
                    assert math.isnan(found)
                    continue
                others = [list(world.activities[j]) for j in range(world.n) if j != i and world.accounts[j] == world.accounts[i]]
                assert found == of_colleagues(need, others, t)

    @settings(max_examples=40, deadline=None)
    @given(worlds())
    def test_small_worlds_full_of_edges(self, world: World) -> None:
        self.check(world, [(lead, as_of) for lead in range(world.n) for as_of in (NOW, NOW - 7 * DAY)])

    def test_a_crowd(self) -> None:
        small = crowd(25, 20, seed=5)
        self.check(small, [(lead, NOW) for lead in range(small.n)])

    def test_every_kind_of_aggregate_with_windows_of_hours_and_other_people(self) -> None:
        every = history("ana", as_of="2026-03-31T10:20:30", activities=["2026-03-31T00:00:01 call via=phone", "2026-03-30T10:20:30 call"])
        calls = every.within(0.5).activities("call", machine=None)
        assert calls.count() == [1.0]
        assert every.within(1).activities("call").count() == [1.0], "a day ago to the microsecond is no longer within a day"
        assert every.activities("call", channel="phone").count() == [1.0]


class TestWindows:
    def test_a_window_ends_to_the_microsecond(self) -> None:
        @signal(family="intent", unit="visits", within="7d", fill=0.0)
        def visits(history: History) -> Column:
            """{value} visits."""
            return history.activities("page_view").count()

        for moment, expected in (("2026-03-24T00:00:00", 0.0), ("2026-03-24T00:00:00.000001", 1.0), ("2026-03-31T00:00:00", 0.0)):
            assert visits(history("ana", as_of="2026-03-31", activities=[f"{moment} page_view /"])) == [expected]

    def test_days_are_calendar_days_and_sessions_pause_for_half_an_hour(self) -> None:
        lead = history(
            "ana",
            as_of="2026-03-31T12:00",
            activities=["2026-03-29T23:59:00 call", "2026-03-30T00:01:00 call", "2026-03-30T00:31:00 call", "2026-03-30T01:00:59 call"],
        )
        assert lead.activities().days() == [2.0]
        assert lead.activities().sessions() == [2.0]
        assert lead.activities().returns() == [0.0]

    def test_a_return_needs_thirty_days_of_silence_and_a_visit_before(self) -> None:
        back = ["2026-01-01T08:01 page_view /", "2026-03-30T08:01 page_view /", "2026-03-30T09:01 page_view /"]
        assert SIGNALS["returns_after_silence_7d"](history("ana", as_of="2026-03-31", activities=back)) == [1.0]
        assert SIGNALS["returns_after_silence_7d"](history("ana", as_of="2026-03-31", activities=back[1:])) == [0.0]

    def test_thirty_days_of_silence_are_silence_and_a_microsecond_less_is_not(self) -> None:
        for before, returns in (("2026-02-27T09:01:00", 1.0), ("2026-02-27T09:01:00.000001", 0.0)):
            lead = history("ana", as_of="2026-03-31", activities=[f"{before} call", "2026-03-29T09:01:00 call"])
            assert lead.activities().returns() == [returns]

    def test_trend_and_acceleration_by_hand(self) -> None:
        lead = history(
            "ana", as_of="2026-03-31", activities=[*(f"2026-03-2{day} call" for day in (5, 6, 7)), "2026-03-20 call", "2026-02-26 call"]
        )
        assert SIGNALS["trend_7_28"](lead) == [4.0 / (2.0 / 4.0 + 1.0)]
        assert SIGNALS["acceleration_7d"](lead) == [2.0]

    def test_freshness_halves_with_every_half_life(self) -> None:
        lead = history("ana", as_of="2026-03-31", activities=["2026-03-28 call", "2026-03-25 call"])
        assert SIGNALS["activities_decayed_3d"](lead) == [0.75]

    def test_mails_sent_and_delivered_are_one_mail_and_nobody_answers_more_than_all(self) -> None:
        mail = ["2026-03-20T08:01 email_sent", "2026-03-20T08:02 email_delivered"]
        response = SIGNALS["email_response_90d"]
        assert response(history("ana", as_of="2026-03-31", activities=[*mail, "2026-03-20T09:01 email_click"])) == [1.0]
        assert response(history("ana", as_of="2026-03-31", activities=[*mail, *["2026-03-20T09:01 email_click"] * 3])) == [1.0]
        assert response(history("ana", as_of="2026-03-31", activities=mail)) == [0.0]


class TestWhatIsOurs:
    """What we do to be heard is no sign of the lead's interest; how the lead answers it is."""

    OURS = ("2026-03-20T08:01 email_sent", "2026-03-20T08:02 email_delivered", "2026-03-24T09:01 call value=no_answer", "2026-03-25 note")

    def say(self, name: str, *activities: str) -> float:
        return float(SIGNALS[name](history("ana", as_of="2026-03-31", activities=[*self.OURS, *activities]))[0])

    def test_mails_we_send_and_calls_nobody_takes_are_no_activity_of_the_lead(self) -> None:
        for name in ("activities_30d", "active_days_30d", "conversations_30d", "channels_90d", "machine_activities_90d"):
            assert self.say(name) == 0.0, name
        assert np.isnan(self.say("days_since_last_activity"))
        assert np.isnan(self.say("spoken_share_90d"))

    def test_a_mail_sent_and_delivered_is_one_contact_and_a_call_another(self) -> None:
        assert self.say("contacts_30d") == 2.0
        assert self.say("unanswered_calls_30d") == 1.0

    def test_a_reaction_is_the_first_deed_within_three_days(self) -> None:
        assert self.say("reaction_share_90d") == 0.0
        assert np.isnan(self.say("reaction_hours_90d"))
        opened = ("2026-03-20T14:02 email_open", "2026-03-20T14:03 email_click", "2026-03-27T09:01:01 page_view /")
        assert self.say("reaction_share_90d", *opened) == 0.5, "the visit comes a second too late"
        assert self.say("reaction_hours_90d", *opened) == 6.0

    def test_a_call_is_taken_unless_it_says_otherwise(self) -> None:
        calls = ("2026-03-26 call", "2026-03-27 call value=connected", "2026-03-28 call value=Buzón_de_voz", "2026-03-29 call_attempt")
        assert self.say("call_connect_90d", *calls) == 2 / 5
        assert self.say("conversations_30d", *calls) == 2.0
        assert np.isnan(SIGNALS["call_connect_90d"](history("ana", as_of="2026-03-31")))

    def test_ways_of_dealing_with_us_are_shares_of_what_the_person_did(self) -> None:
        mixed = ("2026-03-26 page_view /", "2026-03-27 page_view /", "2026-03-27 email_click", "2026-03-28 meeting")
        assert self.say("channels_90d", *mixed) == 3.0
        assert [self.say(f"{way}_share_90d", *mixed) for way in ("web", "mail", "spoken")] == [0.5, 0.25, 0.25]

    def test_a_form_is_about_what_it_is_called_and_an_answer_about_its_field(self) -> None:
        forms = ("2026-03-26 form_submit newsletter=", "2026-03-27 form_submit whitepaper=", "2026-03-27 answer newsletter=yes")
        assert self.say("newsletter_forms_90d", *forms) == 1.0
        assert self.say("content_forms_90d", *forms) == 1.0
        assert self.say("answers_90d", *forms) == 1.0


def test_topics_that_an_installation_declares_are_read_and_counted() -> None:
    declared = Declarations(topics=Topics((("stores", ("*/tiendas",)), ("pricing", ("/lo-que-vale",)))))
    told = ["2026-03-30 page_view /es/tiendas/madrid", "2026-03-30 page_view /lo-que-vale", "2026-03-29 page_view /pricing"]
    lead = history("ana", as_of="2026-03-31", activities=told, declared=declared)
    assert SIGNALS["pricing_visits_30d"](lead) == [2.0]
    assert SIGNALS["topics_30d"](lead) == [2.0]
    own = {one.name: one for one in own_signals(FeatureSet((), declared=declared))}
    assert list(own) == ["stores:visits_30d"]
    assert own["stores:visits_30d"](lead) == [1.0]


class TestColleagues:
    VISIT = "2026-03-30T08:01 page_view /"

    def test_without_context_nothing_is_known_which_is_not_nobody(self) -> None:
        signal = SIGNALS["colleagues_active_7d"]
        assert np.isnan(signal(history("ana", as_of="2026-03-31")))
        assert signal(history("ana", as_of="2026-03-31", colleagues=[])) == [0.0]
        assert signal(history("ana", as_of="2026-03-31", colleagues=[[self.VISIT] * 3, [self.VISIT], []])) == [2.0]

    def test_ones_own_visits_are_nobody_elses(self) -> None:
        world = World(((Told(NOW - 1, "call"),), (), ()), (4, 4, -1), (None,) * 3, (1.0,) * 3)
        table = ask(PLAN, world, [(0, NOW), (1, NOW), (2, NOW)])
        assert table.column("colleague_activities_30d").tolist()[:2] == [0.0, 1.0]
        assert np.isnan(table.column("colleague_activities_30d")[2])

    def test_the_latest_deed_of_any_colleague_is_dated_for_each_lead_by_itself(self) -> None:
        @signal(family="intent", unit="days")
        def quiet_for(history: History) -> Column:
            """Colleagues have been quiet for {value} days."""
            return history.colleagues().days_since_last()

        mine = tuple((Told(NOW - days * DAY, "call"),) for days in (1, 2, 5, 9))
        world = World((*mine, ()), (0, 0, 1, 1, 2), (None,) * 5, (1.0,) * 5)
        found = ask(Plan(FeatureSet((quiet_for,))), world, [(lead, NOW) for lead in range(5)]).column("quiet_for")
        assert found.tolist()[:4] == [2.0, 1.0, 9.0, 5.0]
        assert np.isnan(found[4]), "nobody else is there to be dated"


class TestAttributesInTime:
    def test_a_title_is_read_as_it_was(self) -> None:
        known = {
            "changes": ["2026-01-10 job_title=Analyst", "2026-03-10 job_title=Chief_Executive_Officer"],
            "job_title": "Chief Executive Officer",
        }
        rank = SIGNALS["seniority"]
        assert rank(history("ana", as_of="2026-02-01", **known)) == [2.0]
        assert rank(history("ana", as_of="2026-03-10", **known)) == [2.0], "a change at as_of has not happened yet"
        assert rank(history("ana", as_of="2026-03-11", **known)) == [7.0]
        assert np.isnan(rank(history("ana", as_of="2026-01-01", **known))), "before its first change a field is not known"

    def test_a_field_without_any_history_has_its_current_value(self) -> None:
        assert SIGNALS["company_size"](history("ana", as_of="2026-02-01", employees=50)) == [50.0]
        assert SIGNALS["company_size"](history("ana", as_of="2026-02-01", employees=50, changes=["2026-01-01 employees=20"])) == [20.0]

    def test_the_first_change_of_a_lead_is_not_known_before_it_happens(self) -> None:
        titles = ("CEO", "CEO")
        others = ((1, NOW - DAY, "Analyst"),)
        before = World(((), ()), (-1, -1), titles, (3.0, 3.0), others)
        after = replace(before, changes=(*others, (0, NOW + DAY, "Owner")))
        assert bits(ask(PLAN, after, [(0, NOW), (1, NOW)])) == bits(ask(PLAN, before, [(0, NOW), (1, NOW)]))
        assert ask(PLAN, after, [(0, NOW + DAY + 1)]).column("seniority") > 0

    def test_numbers_that_are_no_size_are_gaps(self) -> None:
        for nonsense in (0, -3, float("inf"), float("nan")):
            known = history("ana", as_of="2026-02-01", employees=nonsense, annual_revenue=nonsense)
            for name in ("company_size", "size_band", "company_revenue", "revenue_per_head"):
                assert np.isnan(SIGNALS[name](known)), name

    def test_bands_begin_where_they_say(self) -> None:
        for people, band in ((9, 0), (10, 1), (249, 2), (250, 3), (5000, 5)):
            assert SIGNALS["size_band"](history("ana", as_of="2026-02-01", employees=people)) == [band]

    def test_a_lead_created_after_as_of_has_no_age(self) -> None:
        age = SIGNALS["lead_age"]
        assert age(history("ana", as_of="2026-02-01", created_at="2026-01-31T12:00")) == [0.5]
        assert age(history("ana", as_of="2026-02-01", created_at="2026-02-01")) == [0.0]
        assert np.isnan(age(history("ana", as_of="2026-02-01", created_at="2026-02-02")))

    def test_a_field_with_a_history_has_nothing_but_its_dated_values(self) -> None:
        plan = Plan(FeatureSet((), (), (Attribute("job_title", "category"), Attribute("employees", "number"))))
        world = World(((), ()), (-1, -1), ("CEO", "CTO"), (3.0, np.nan), ((0, NOW - DAY, "CTO"),))
        table = ask(plan, world, [(0, NOW), (1, NOW), (0, NOW - 2 * DAY)])
        assert table.texts["job_title"].texts() == ["CTO", None, None], "what stands in leads may have been written since"
        assert table.numbers[:, 0].tolist()[0] == 3.0


class TestSize:
    def test_a_hundred_thousand_activities_of_one_lead_are_counted_exactly(self) -> None:
        n = 100_000
        rng = np.random.default_rng(0)
        occurred = NOW - 1 - rng.integers(0, 80 * DAY, n)
        urls = TextColumn(rng.integers(0, len(PAGES) - 1, n).astype(np.int32), [page for page in PAGES if page])
        types = TextColumn(np.zeros(n, dtype=np.int32), ["page_view"])

        def table(order: np.ndarray) -> dict[str, bytes]:
            log = ActivityLog.build(1, np.zeros(n, dtype=np.int64), occurred[order], types, url=urls.take(order))
            return bits(evaluate(PLAN, Leads(["ana"]), log, Observations(np.zeros(1, dtype=np.int64), np.array([NOW]))))

        whole = table(np.arange(n))
        assert whole == table(rng.permutation(n))
        human_and_machine = sum(float(np.frombuffer(whole[name])[0]) for name in ("activities_90d", "machine_activities_90d"))
        assert human_and_machine == n

    def test_no_observations_give_an_empty_table(self) -> None:
        table = evaluate(PLAN, Leads([]), ActivityLog.empty(0), Observations(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)))
        assert table.numbers.shape == (0, len(PLAN.names))

    def test_also_and_progress_see_every_observation_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "_BLOCK_OBSERVATIONS", 7)
        seen: list[tuple[int, int]] = []
        done: list[int] = []
        leads, log = CROWD.leads(), CROWD.log()
        observations = Observations(np.arange(CROWD.n), np.full(CROWD.n, NOW))
        evaluate(PLAN, leads, log, observations, also=lambda known, start: seen.append((start, known.size)), progress=done.append)
        assert [start for start, _ in seen] == np.cumsum([0, *(size for _, size in seen[:-1])]).tolist()
        assert sum(size for _, size in seen) == done[-1] == CROWD.n


def test_fills_are_the_same_in_a_table_and_for_a_signal_called_by_itself() -> None:
    def since(history: History) -> Column:
        return history.activities("call").days_since_last()

    signals = (*catalogue().values(), Signal("since_a_call", "intent", "days", None, 999.0, 0, "{value}", since))
    table = ask(Plan(FeatureSet(signals)), World(((),), (-1,), (None,), (np.nan,)), [(0, NOW)])
    nobody = history("nobody", as_of="2026-03-31", created_at="2025-12-21T10:20:30", email=MAILS[0])
    assert table.column("since_a_call") == [999.0] == signals[-1](nobody)
    for one in signals:
        if one.name not in ("phone_given", "profile_completeness", "lead_age"):  # this world gives every lead a little
            assert np.array_equal(table.column(one.name), one(nobody), equal_nan=True), one.name


def test_a_signal_cannot_spoil_what_others_read() -> None:
    def greedy(history: History) -> Column:
        column = history.activities().count()
        column += 1.0
        return column

    spoil = Signal("greedy", "intent", "x", None, 0.0, 0, "{value}", greedy)
    with pytest.raises(ValueError, match="read-only"):
        spoil(history("ana", as_of="2026-03-31"))
