from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decision import DECISIONS, Outcome
from models.qualification import (
    Arm,
    Band,
    Experiment,
    Exploration,
    Facts,
    HandRaise,
    Policy,
    PolicyInvalid,
    Segment,
    SqlBand,
    Suppression,
    decide,
    decide_many,
    diff,
    draw,
)

share = st.floats(0, 1, allow_nan=False)
outcome = st.sampled_from([None, *DECISIONS])
status = st.sampled_from(["met", "unmet", "unknown"])
answers = st.fixed_dictionaries(dict.fromkeys(("budget", "authority", "need", "timeline"), status))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    mql, sql = sorted((draw(share), draw(share)))
    return Policy(
        mql=Band(enter=mql, exit=mql * draw(share)),
        sql=SqlBand(
            enter=sql, exit=sql * draw(share), bant_met=draw(st.integers(0, 4)), bant_required=("budget",) if draw(st.booleans()) else ()
        ),
        require_consent=draw(st.booleans()),
    )


def rank(decision: str) -> int:
    return DECISIONS.index(decision)


class TestAPolicyThatCannotBe:
    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"mql": {"enter": 0.2, "exit": 0.3}, "sql": {"enter": 0.5, "exit": 0.4}}, "exit 0.3 is above enter 0.2"),
            ({"mql": {"enter": 1.2, "exit": 0.3}, "sql": {"enter": 0.5, "exit": 0.4}}, "mql.enter"),
            ({"mql": {"enter": 0.2, "exit": -0.1}, "sql": {"enter": 0.5, "exit": 0.4}}, "mql.exit"),
            ({"mql": {"enter": 0.6, "exit": 0.3}, "sql": {"enter": 0.5, "exit": 0.4}}, "sql.enter 0.5 is below mql.enter 0.6"),
            ({"mql": {"enter": math.nan, "exit": 0.3}, "sql": {"enter": 0.5, "exit": 0.4}}, "mql.enter"),
            ({"mql": {"enter": 0.2, "exit": 0.1}, "sql": {"enter": 0.5, "exit": 0.4}, "colour": "red"}, "colour"),
            ({"mql": {"enter": 0.2, "exit": 0.1}}, "sql: Field required"),
            ({"mql": {"enter": 0.2, "exit": 0.1}, "sql": {"enter": 0.5, "exit": 0.4, "bant_required": ["charm"]}}, "bant_required"),
        ],
    )
    def test_is_refused_by_name(self, wrong: dict[str, object], said: str) -> None:
        with pytest.raises(PolicyInvalid, match=said):
            Policy.read(wrong)

    def test_is_refused_when_it_is_no_json(self) -> None:
        with pytest.raises(PolicyInvalid):
            Policy.read(b"{not json")


class TestOneLead:
    def test_enters_at_the_threshold_itself(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.2)[:2] == ("mql", ["mql_enter"])
        assert decide(Policy.at(0.2, 0.5), 0.5)[:2] == ("sql", ["sql_enter"])

    def test_below_every_threshold_is_nurtured(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.199)[:2] == ("nurture", ["below_mql"])

    def test_that_was_in_stays_in_until_the_exit(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.19, Facts(previous="mql"))[:2] == ("mql", ["mql_stay"])
        assert decide(Policy.at(0.2, 0.5), 0.17, Facts(previous="mql"))[:2] == ("nurture", ["below_mql"])
        assert decide(Policy.at(0.2, 0.5), 0.46, Facts(previous="sql"))[:2] == ("sql", ["sql_stay"])

    def test_without_signal_is_nurtured_however_probable(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.99, no_signal=True)[:2] == ("nurture", ["no_signal"])

    def test_that_refused_consent_is_disqualified_only_where_the_policy_says_so(self) -> None:
        strict = Policy.at(0.2, 0.5).model_copy(update={"require_consent": True})
        assert decide(strict, 0.9, Facts(consent=False))[:2] == ("disqualified", ["no_consent"])
        assert decide(strict, 0.9, Facts(consent=None))[0] == "sql"
        assert decide(Policy.at(0.2, 0.5), 0.9, Facts(consent=False))[0] == "sql"

    def test_is_not_handed_to_sales_without_the_bant_asked_for(self) -> None:
        asking = Policy(mql=Band(enter=0.2, exit=0.1), sql=SqlBand(enter=0.5, exit=0.4, bant_met=2, bant_required=("budget",)))
        assert decide(asking, 0.9)[:2] == ("mql", ["mql_enter", "sql_bant_missing"])
        assert decide(asking, 0.9, Facts(bant={"need": "met", "timeline": "met"}))[0] == "sql"
        assert decide(asking, 0.9, Facts(bant={"need": "met", "timeline": "met", "budget": "unmet"}))[0] == "mql"


@st.composite
def demanding(draw: st.DrawFn) -> Policy:
    """A policy with any of the extras."""
    plain = draw(policies())
    extras: dict[str, object] = {}
    if draw(st.booleans()):
        extras["suppress"] = Suppression(customers=("acme.example",), students=draw(st.booleans()), unsubscribed=draw(st.booleans()))
    if draw(st.booleans()):
        extras["hand_raise"] = HandRaise(to=draw(st.sampled_from(["mql", "sql"])), at_least=draw(share))
    if draw(st.booleans()):
        extras["silence_days"] = draw(st.floats(1, 90))
    if draw(st.booleans()):
        extras["explore"] = Exploration(share=draw(st.floats(0.01, 0.2)), at_least=draw(share))
    if draw(st.booleans()):
        bands = {"mql": draw(policies()).mql, "sql": SqlBand(enter=1.0, exit=draw(share))}
        extras["segments"] = (Segment(name="spain", column="country", values=("ES",), **bands),)
    if draw(st.booleans()):
        bands = {"mql": draw(policies()).mql, "sql": SqlBand(enter=1.0, exit=draw(share))}
        extras["experiment"] = Experiment(name="spring", arms=(Arm(name="bold", share=draw(st.floats(0.05, 0.9)), **bands),))
    extras["cool_down_days"] = draw(st.sampled_from([0.0, 3.0]))
    return plain.model_copy(update=extras)


days = st.none() | st.floats(0, 100)
facts = st.builds(
    Facts,
    lead_id=st.text(max_size=8),
    previous=outcome,
    previous_days=days,
    bant=answers,
    consent=st.sampled_from([True, False, None]),
    account=st.sampled_from([None, "acme.example", "other.example"]),
    student=st.sampled_from([True, False, None]),
    unsubscribed=st.sampled_from([True, False, None]),
    hand_raised_days=days,
    silent_days=days,
    attributes=st.sampled_from([{}, {"country": "ES"}, {"country": "FR"}]),
    places=st.fixed_dictionaries({}, optional={"mql": st.integers(0, 2), "sql": st.integers(0, 2)}),
)


@given(demanding(), share, facts)
def test_raising_a_threshold_never_routes_more(policy: Policy, p: float, known: Facts) -> None:
    def up(band: Band) -> dict[str, object]:
        return {"enter": (band.enter + 1) / 2, "exit": (band.exit + band.enter) / 2}

    raised = policy.model_copy(
        update={
            "sql": policy.sql.model_copy(update=up(policy.sql)),
            "mql": policy.mql.model_copy(update=up(policy.mql)),
            "cool_down_days": 0.0,
        }
    )
    before = decide(policy.model_copy(update={"cool_down_days": 0.0}), p, known)
    after = decide(raised, p, known)
    assert rank(after.decision) <= rank(before.decision)


@given(demanding(), share, share, facts)
def test_a_likelier_lead_is_never_routed_lower(policy: Policy, p: float, q: float, known: Facts) -> None:
    low, high = sorted((p, q))
    policy = policy.model_copy(update={"cool_down_days": 0.0})
    assert rank(decide(policy, low, known).decision) <= rank(decide(policy, high, known).decision)


@given(demanding(), share, facts)
def test_a_decision_never_flaps_while_nothing_changes(policy: Policy, p: float, known: Facts) -> None:
    once = decide(policy, p, known).decision
    again = decide(policy, p, known._replace(previous=once, previous_days=100.0)).decision
    third = decide(policy, p, known._replace(previous=again, previous_days=100.0)).decision
    assert third == again
    if known.previous != "sql" or once != "mql":  # who was let down a step may be below the next one's exit, too
        assert rank(again) <= rank(once) or known.places or policy.cool_down_days


@given(demanding(), share, facts)
def test_the_same_inputs_give_the_same_ruling_with_a_rule_behind_it(policy: Policy, p: float, known: Facts) -> None:
    one = decide(policy, p, known)
    assert one == decide(Policy.read(policy.to_json()), p, known._replace())
    assert one.rules
    assert one.propensity is None or 0.0 <= one.propensity <= 1.0


@given(demanding(), st.lists(st.tuples(share, facts), max_size=30), st.integers(0, 4), st.integers(0, 4))
def test_capacity_is_never_exceeded(policy: Policy, leads: list[tuple[float, Facts]], mql: int, sql: int) -> None:
    places = {"mql": mql, "sql": sql}
    for p, known in leads:
        before = rank(known.previous) if known.previous else -1
        ruled = decide(policy, p, known._replace(places=places)).decision
        if ruled in places and before < rank(ruled):
            places[ruled] -= 1
    assert min(places.values()) >= 0


class TestSuppression:
    POLICY = Policy.at(0.2, 0.5).model_copy(
        update={"suppress": Suppression(customers=("acme.example",), competitors=("rival.example",), students=True, unsubscribed=True)}
    )

    @pytest.mark.parametrize(
        ("known", "rule"),
        [
            (Facts(account="acme.example"), "customer"),
            (Facts(account="rival.example"), "competitor"),
            (Facts(student=True), "student"),
            (Facts(unsubscribed=True), "unsubscribed"),
        ],
    )
    def test_says_which_list_it_was(self, known: Facts, rule: str) -> None:
        assert decide(self.POLICY, 0.9, known)[:2] == ("disqualified", [rule])
        assert decide(self.POLICY, 0.9, known._replace(hand_raised_days=0.1)).decision == "disqualified"

    def test_what_is_not_known_suppresses_nobody(self) -> None:
        assert decide(self.POLICY, 0.9, Facts()).decision == "sql"


class TestTime:
    def test_a_raised_hand_goes_up_at_once(self) -> None:
        policy = Policy.at(0.2, 0.5).model_copy(
            update={"hand_raise": HandRaise(to="mql", within_days=7, at_least=0.05), "cool_down_days": 9.0}
        )
        known = Facts(previous="nurture", previous_days=1.0, hand_raised_days=0.5)
        assert decide(policy, 0.1, known)[:2] == ("mql", ["hand_raise"])
        assert decide(policy, 0.01, known).decision == "nurture"
        assert decide(policy, 0.1, known._replace(hand_raised_days=8.0)).decision == "nurture"

    def test_sales_gets_a_raised_hand_only_with_the_bant_asked_for(self) -> None:
        sql = SqlBand(enter=0.5, exit=0.4, bant_met=1)
        policy = Policy(mql=Band(enter=0.2, exit=0.1), sql=sql, hand_raise=HandRaise(to="sql"))
        assert decide(policy, 0.1, Facts(hand_raised_days=1.0))[:2] == ("mql", ["hand_raise", "sql_bant_missing"])
        assert decide(policy, 0.1, Facts(hand_raised_days=1.0, bant={"need": "met"}))[:2] == ("sql", ["hand_raise"])

    def test_silence_recycles_until_the_next_activity(self) -> None:
        policy = Policy.at(0.2, 0.5).model_copy(update={"silence_days": 30.0})
        assert decide(policy, 0.9, Facts(previous="sql", silent_days=30.0))[:2] == ("nurture", ["silent"])
        assert decide(policy, 0.9, Facts(previous="nurture", silent_days=31.0)).decision == "nurture"
        assert decide(policy, 0.9, Facts(previous="nurture", silent_days=0.1)).decision == "sql"
        assert decide(policy, 0.9, Facts()).decision == "sql", "a lead whose activities nobody records is not silent"

    def test_a_decision_stands_for_the_cool_down(self) -> None:
        policy = Policy.at(0.2, 0.5).model_copy(update={"cool_down_days": 3.0})
        assert decide(policy, 0.1, Facts(previous="mql", previous_days=2.0))[:2] == ("mql", ["cool_down"])
        assert decide(policy, 0.1, Facts(previous="mql", previous_days=3.0)).decision == "nurture"


class TestPlaces:
    def test_a_full_queue_sends_to_the_next_one_and_says_so(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.9, Facts(places={"sql": 0, "mql": 1}))[:2] == ("mql", ["sql_full"])
        assert decide(Policy.at(0.2, 0.5), 0.9, Facts(places={"sql": 0, "mql": 0}))[:2] == ("nurture", ["sql_full", "mql_full"])

    def test_who_is_in_keeps_the_place(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.3, Facts(previous="mql", places={"mql": 0})).decision == "mql"

    def test_a_capacity_of_nothing_passes_nobody_on(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 1.0, Facts(places={"sql": 0, "mql": 0})).decision == "nurture"


class TestChance:
    def test_is_uniform_sticky_and_independent_of_its_purpose(self) -> None:
        ids = [f"L-{i}" for i in range(4_000)]
        one, other = (np.array([draw(purpose, name) for name in ids]) for purpose in ("arm:a", "arm:b"))
        assert (one == [draw("arm:a", name) for name in ids]).all()
        assert abs(one.mean() - 0.5) < 0.02
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.05

    def test_explores_the_share_it_says_and_logs_it(self) -> None:
        policy = Policy.at(0.5, 0.9).model_copy(update={"explore": Exploration(share=0.1, at_least=0.05)})
        ruled = [decide(policy, 0.2, Facts(f"L-{i}")) for i in range(4_000)]
        assert abs(np.mean([one.decision == "mql" for one in ruled]) - 0.1) < 0.015
        assert {one.propensity for one in ruled} == {0.1}
        assert {tuple(one.rules) for one in ruled if one.decision == "mql"} == {("explored",)}
        assert decide(policy, 0.6, Facts("L-1")).propensity == 1.0
        assert decide(policy, 0.01, Facts("L-1")).propensity == 0.0

    def test_arms_are_balanced_and_leave_a_control(self) -> None:
        arm = Arm(name="bold", share=0.5, mql=Band(enter=0.1, exit=0.1), sql=SqlBand(enter=0.5, exit=0.5))
        policy = Policy.at(0.3, 0.5).model_copy(update={"experiment": Experiment(name="spring", arms=(arm,))})
        ruled = [decide(policy, 0.2, Facts(f"L-{i}")) for i in range(4_000)]
        assert abs(np.mean([one.arm == "bold" for one in ruled]) - 0.5) < 0.03
        assert {(one.arm, one.decision) for one in ruled} == {("bold", "mql"), ("control", "nurture")}
        assert ruled[0].told[-1] == f"arm:{ruled[0].arm}"

    def test_a_segment_goes_by_its_own_thresholds(self) -> None:
        segment = Segment(
            name="iberia", column="country", values=("ES", "PT"), mql=Band(enter=0.1, exit=0.1), sql=SqlBand(enter=0.5, exit=0.5)
        )
        policy = Policy.at(0.3, 0.5).model_copy(update={"segments": (segment,)})
        assert decide(policy, 0.2, Facts(attributes={"country": "PT"}))[:2] == ("mql", ["mql_enter"])
        assert decide(policy, 0.2, Facts(attributes={"country": "FR"})).segment is None

    @pytest.mark.parametrize(
        ("extra", "said"),
        [
            ({"explore": {"share": 0.5}}, "explore.share"),
            ({"capacity": {"mql": -1}}, "capacity.mql"),
            ({"cool_down_days": -1}, "cool_down_days"),
            ({"experiment": {"name": "a", "arms": []}}, "experiment.arms"),
            (
                {"experiment": {"name": "a", "arms": [{"name": "control", "share": 0.5, **json.loads(Policy.at(0.2, 0.5).to_json())}]}},
                "format|control",
            ),
            ({"segments": [{"name": "a", "column": "country", "values": [], "mql": {}, "sql": {}}]}, "segments"),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, extra: dict[str, object], said: str) -> None:
        with pytest.raises(PolicyInvalid, match=said):
            Policy.read(json.loads(Policy.at(0.2, 0.5).to_json()) | extra)


@given(
    policies(), st.lists(st.tuples(share, outcome, answers, st.sampled_from([True, False, None])), min_size=1, max_size=20), st.booleans()
)
def test_many_leads_are_decided_as_each_alone(
    policy: Policy, leads: list[tuple[float, Outcome | None, dict[str, str], bool | None]], no_signal: bool
) -> None:
    codes = decide_many(
        policy,
        np.array([p for p, *_ in leads]),
        previous=np.array([-1 if before is None else rank(before) for _, before, *_ in leads], np.int8),
        bant_met=np.array([sum(one == "met" for one in bant.values()) for _, _, bant, _ in leads]),
        required_unmet=np.array([any(bant[one] == "unmet" for one in policy.sql.bant_required) for _, _, bant, _ in leads]),
        refused=np.array([consent is False for *_, consent in leads]),
        no_signal=no_signal,
    )
    alone = [
        decide(policy, p, Facts(previous=before, bant=bant, consent=consent), no_signal=no_signal)[0] for p, before, bant, consent in leads
    ]
    assert [DECISIONS[code] for code in codes] == alone


@given(demanding())
def test_a_policy_comes_back_from_json_as_it_was(policy: Policy) -> None:
    assert Policy.read(policy.to_json()) == policy
    assert diff(policy, policy) == []


def test_a_difference_names_what_changed() -> None:
    assert diff(Policy.at(0.2, 0.5), Policy.at(0.25, 0.5)) == [
        {"path": "mql.enter", "before": 0.2, "after": 0.25},
        {"path": "mql.exit", "before": 0.18, "after": 0.225},
    ]


def test_the_stored_json_is_readable_by_anyone() -> None:
    assert json.loads(Policy.at(0.2, 0.5).to_json())["sql"] == {"enter": 0.5, "exit": 0.45, "bant_met": 0, "bant_required": []}
