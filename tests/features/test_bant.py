"""BANT: what a rep is told must be true to what is known; unknown is not zero."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import bant
from features.catalogue import catalogue
from features.engine import Plan, evaluate
from features.history import Column, Leads, Observations
from features.signal import FeatureSet
from features.testing import history, log_of, told
from tests.features.worlds import NOW, crowd

NOBODY = history("nobody", as_of="2026-03-31")


def of(**known: object) -> dict[bant.Dimension, bant.DimensionEvidence]:
    return bant.evidence(history("ana", as_of="2026-03-31", **known), 0)  # type: ignore[arg-type]  # as history takes them


@pytest.mark.parametrize("dimension", bant.DIMENSIONS)
class TestEachDimension:
    def test_of_a_lead_without_history_is_unknown_and_says_what_to_ask(self, dimension: bant.Dimension) -> None:
        found = bant.evidence(NOBODY, 0)[dimension]
        assert (found.status, found.strength, found.hints) == ("unknown", None, ())
        assert found.question == bant.QUESTIONS[dimension]
        assert np.isnan(catalogue()[f"{dimension}_strength"](NOBODY))
        assert catalogue()[f"{dimension}_known"](NOBODY) == [0.0]

    def test_is_met_by_a_fresh_yes_and_unmet_by_a_fresh_no(self, dimension: bant.Dimension) -> None:
        yes = of(activities=[f"2026-03-30 answer {dimension}=yes,_this_month"])[dimension]
        no = of(activities=[f"2026-03-30 answer {dimension}=no"])[dimension]
        assert (yes.status, yes.question) == ("met", None)
        assert no.status == "unmet"
        assert no.strength == 0.0
        assert no.question

    def test_says_nothing_where_the_lead_does_not_know(self, dimension: bant.Dimension) -> None:
        assert of(activities=[f"2026-03-30 answer {dimension}=don't_know"])[dimension].status == "unknown"

    def test_old_answers_are_weaker_and_halve(self, dimension: bant.Dimension) -> None:
        half_life = int(bant._HALF_LIFE[dimension])
        days = [np.datetime64("2026-03-31") - np.timedelta64(back, "D") for back in (1, 1 + half_life)]
        fresh, older = (of(activities=[f"{day} answer {dimension}=yes,_this_month"])[dimension].hints[0].weight for day in days)
        assert older == pytest.approx(fresh / 2)

    def test_a_hint_names_its_source_its_age_and_what_was_said(self, dimension: bant.Dimension) -> None:
        (hint,) = of(activities=[f"2026-03-21 answer {dimension}=approved"])[dimension].hints
        assert (hint.source, hint.age) == ("answer", 10.0)
        assert "approved" in hint.fact


def test_contradictions_lower_the_strength_and_stay_visible() -> None:
    alone = of(job_title="CEO")["authority"]
    contradicted = of(job_title="CEO", activities=["2026-03-30 answer authority=no"])["authority"]
    assert contradicted.strength is not None
    assert alone.strength is not None
    assert contradicted.strength < alone.strength
    assert {hint.source for hint in contradicted.hints} == {"job title", "answer"}
    assert sorted(np.sign([hint.weight for hint in contradicted.hints])) == [-1, 1]
    assert contradicted.status != "met"


def test_an_earlier_yes_against_a_later_no_lowers_and_is_told_as_such() -> None:
    said = ["2026-03-01 answer budget=approved", "2026-03-30 answer presupuesto=cancelled,_no_budget"]
    both, alone = of(activities=said)["budget"], of(activities=said[1:])["budget"]
    assert (both.status, alone.status) == ("unmet", "unmet")
    assert [(hint.fact, hint.contradicts) for hint in both.hints] == [
        ("Said about budget: “cancelled, no budget”", False),
        ("Said earlier about budget: “approved”", True),
    ]
    assert both.question == bant.DISAGREEMENTS["budget"]
    assert catalogue()["budget_stated"](history("ana", as_of="2026-03-31", activities=said)) == [-1.0]


def test_a_later_yes_outweighs_an_earlier_no_but_not_as_if_it_had_never_been_said() -> None:
    said = ["2026-03-01 answer budget=no", "2026-03-30 answer budget=approved"]
    both, alone = of(activities=said)["budget"], of(activities=said[1:])["budget"]
    assert both.status == alone.status == "met"
    assert both.strength is not None
    assert alone.strength is not None
    assert both.strength < alone.strength


def test_not_knowing_later_does_not_take_back_what_was_said() -> None:
    said = ["2026-03-01 answer budget=approved", "2026-03-30 answer budget=don't_know"]
    assert of(activities=said)["budget"] == of(activities=said[:1])["budget"]


@pytest.mark.parametrize(
    ("said", "status"),
    [("2026-05-01", "met"), ("Q2", "met"), ("in december", "unknown"), ("2026-03-30", "unknown"), ("Q1 2025", "unknown")],
)
def test_a_date_in_an_answer_is_held_against_the_instant(said: str, status: str) -> None:
    found = of(activities=[f"2026-03-29 answer timeline={said.replace(' ', '_')}"])["timeline"]
    assert found.status == status
    passed = said in ("2026-03-30", "Q1 2025")
    assert (found.strength is None) is passed


def test_an_answer_about_nothing_that_is_known_changes_nothing() -> None:
    assert of(activities=["2026-03-29 answer shoe_size=42"]) == of(activities=[])


def test_the_strongest_hint_comes_first() -> None:
    need = of(
        activities=["2026-03-30 answer need=forecasting", "2026-03-30T09:01 page_view /docs/x", "2026-03-30T08:01 page_view /compare"]
    )["need"]
    weights = [abs(hint.weight) for hint in need.hints]
    assert weights == sorted(weights, reverse=True)
    assert len(weights) == 3
    assert any("1 visit in 90 days" in hint.fact for hint in need.hints)


def test_a_junior_title_speaks_against_and_an_unknown_one_says_nothing() -> None:
    assert of(job_title="Intern")["authority"].status == "unmet"
    assert of(job_title="Ninja")["authority"].status == "unknown"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["/pricing", "/docs/x", "/integrations/a", "/compare", "/demo", "/trial"]), max_size=6))
def test_more_evidence_for_never_lowers_a_strength_and_stays_below_one(pages: list[str]) -> None:
    def strengths(count: int) -> Column:
        # An hour apart, so that none of them looks like a machine.
        lines = [f"2026-03-30T{hour:02}:01:01 page_view {page}" for hour, page in enumerate(pages[:count])]
        lead = history("ana", as_of="2026-03-31", activities=lines)
        return np.nan_to_num(np.concatenate([catalogue()[f"{one}_strength"](lead) for one in bant.DIMENSIONS]))

    steps = [strengths(count) for count in range(len(pages) + 1)]
    for before, after in pairwise(steps):
        assert (after >= before).all()
    assert (steps[-1] < 1.0).all()


def test_evidence_is_the_same_for_one_lead_and_in_a_batch_whether_planned_or_not() -> None:
    world = crowd(30, 20, seed=3)

    everything = tuple(catalogue().values())
    planned = Plan(FeatureSet(everything), also=bant.prepare)

    def evidence_by(plan: Plan, which: list[int]) -> list[object]:
        gathered: list[object] = []
        leads: Leads = world.leads(which)
        observations = Observations(np.arange(len(which)), np.full(len(which), NOW))
        evaluate(
            plan,
            leads,
            world.log(which),
            observations,
            also=lambda known, start: gathered.extend(bant.evidence(known, row) for row in range(known.size)),
        )
        return gathered

    batch = evidence_by(planned, list(range(world.n)))
    assert batch == [one for lead in range(world.n) for one in evidence_by(planned, [lead])]
    assert batch[:8] == evidence_by(Plan(FeatureSet(everything)), list(range(8)))


def test_preparing_asks_for_all_that_evidence_will_need(monkeypatch: pytest.MonkeyPatch) -> None:
    def unplanned(self: object, need: object) -> Column:
        raise AssertionError(f"{need} was not prepared")

    monkeypatch.setattr("features.block.Block._unplanned", unplanned)
    lines = ["2026-03-30T09:01 webinar_attended", "2026-03-30T08:01 demo_request"]
    lines += [
        f"2026-03-29T{hour:02}:01 page_view /{page}" for hour, page in enumerate(("pricing", "docs", "api", "compare", "demo", "trial"))
    ]
    lead = Leads(["ana"])
    gathered: list[object] = []
    evaluate(
        Plan(FeatureSet(()), also=bant.prepare),
        lead,
        log_of([[told(line) for line in lines]]),
        Observations(np.array([0]), np.array([NOW])),
        also=lambda known, start: gathered.append(bant.evidence(known, 0)),
    )
    assert len(gathered) == 1
