from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decision import DECISIONS, Outcome
from models.qualification import Band, Policy, PolicyInvalid, SqlBand, decide, decide_many, diff

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
        assert decide(Policy.at(0.2, 0.5), 0.2) == ("mql", ["mql_enter"])
        assert decide(Policy.at(0.2, 0.5), 0.5) == ("sql", ["sql_enter"])

    def test_below_every_threshold_is_nurtured(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.199) == ("nurture", ["below_mql"])

    def test_that_was_in_stays_in_until_the_exit(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.19, previous="mql") == ("mql", ["mql_stay"])
        assert decide(Policy.at(0.2, 0.5), 0.17, previous="mql") == ("nurture", ["below_mql"])
        assert decide(Policy.at(0.2, 0.5), 0.46, previous="sql") == ("sql", ["sql_stay"])

    def test_without_signal_is_nurtured_however_probable(self) -> None:
        assert decide(Policy.at(0.2, 0.5), 0.99, no_signal=True) == ("nurture", ["no_signal"])

    def test_that_refused_consent_is_disqualified_only_where_the_policy_says_so(self) -> None:
        strict = Policy.at(0.2, 0.5).model_copy(update={"require_consent": True})
        assert decide(strict, 0.9, consent=False) == ("disqualified", ["no_consent"])
        assert decide(strict, 0.9, consent=None)[0] == "sql"
        assert decide(Policy.at(0.2, 0.5), 0.9, consent=False)[0] == "sql"

    def test_is_not_handed_to_sales_without_the_bant_asked_for(self) -> None:
        asking = Policy(mql=Band(enter=0.2, exit=0.1), sql=SqlBand(enter=0.5, exit=0.4, bant_met=2, bant_required=("budget",)))
        assert decide(asking, 0.9) == ("mql", ["mql_enter", "sql_bant_missing"])
        assert decide(asking, 0.9, bant={"need": "met", "timeline": "met"})[0] == "sql"
        assert decide(asking, 0.9, bant={"need": "met", "timeline": "met", "budget": "unmet"})[0] == "mql"


@given(policies(), share, outcome, answers)
def test_raising_a_threshold_never_routes_more(policy: Policy, p: float, previous: Outcome | None, bant: dict[str, object]) -> None:
    raised = policy.model_copy(
        update={
            "sql": policy.sql.model_copy(update={"enter": (policy.sql.enter + 1) / 2, "exit": (policy.sql.exit + policy.sql.enter) / 2}),
            "mql": policy.mql.model_copy(update={"enter": (policy.mql.enter + 1) / 2, "exit": (policy.mql.exit + policy.mql.enter) / 2}),
        }
    )
    before, _ = decide(policy, p, previous=previous, bant=bant)
    after, _ = decide(raised, p, previous=previous, bant=bant)
    assert rank(after) <= rank(before)


@given(policies(), share, share, outcome)
def test_a_likelier_lead_is_never_routed_lower(policy: Policy, p: float, q: float, previous: Outcome | None) -> None:
    low, high = sorted((p, q))
    assert rank(decide(policy, low, previous=previous)[0]) <= rank(decide(policy, high, previous=previous)[0])


@given(policies(), share, outcome, answers)
def test_a_decision_never_flaps_while_the_probability_stands_still(
    policy: Policy, p: float, previous: Outcome | None, bant: dict[str, object]
) -> None:
    once, _ = decide(policy, p, previous=previous, bant=bant)
    again, _ = decide(policy, p, previous=once, bant=bant)
    assert again == once


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
    alone = [decide(policy, p, previous=before, bant=bant, consent=consent, no_signal=no_signal)[0] for p, before, bant, consent in leads]
    assert [DECISIONS[code] for code in codes] == alone


@given(policies())
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
