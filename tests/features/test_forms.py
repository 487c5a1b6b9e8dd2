"""Sums and ratios: what can be computed for all signals together is, and comes out as the signal's function would have it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from features.block import Block
from features.catalogue import catalogue
from features.engine import Plan
from features.forms import Linear, Ratio, added, ratio
from features.history import Column, History, Observations
from features.rehearsal import rehearse
from features.signal import FeatureSet, Signal
from tests.features.worlds import NOW, World, crowd

PLAN = Plan(FeatureSet(tuple(catalogue().values())))
WORLD = crowd(30, 20)


def opens(history: History) -> Column:
    return history.activities("email_open").count()


def clicks(history: History) -> Column:
    return history.activities("email_click").count()


def written_to(history: History) -> Column:
    both = opens(history) + clicks(history)
    both[both > 3.0] = 3.0
    return both


def written_to_by_numpy(history: History) -> Column:
    both = opens(history) + clicks(history)
    np.minimum(both, 3.0, out=both)
    return both


def copied_over(history: History) -> Column:
    both = opens(history) + clicks(history)
    np.copyto(both, 1.0)
    return both


def of_a_recency(history: History) -> Column:
    return ratio(history.activities().days_since_last(), opens(history))


NOT_NOTED: dict[str, Callable[[History], Column]] = {
    "written to": written_to,
    "written to by NumPy": written_to_by_numpy,
    "copied over": copied_over,
    "a recency, which may be unknown": lambda history: history.activities().days_since_last() * 2.0,
    "a ratio with a recency": of_a_recency,
    "a product": lambda history: opens(history) * clicks(history),
    "an odd coefficient, which rounds": lambda history: opens(history) * 0.1,
    "a third": lambda history: opens(history) / 3.0,
    "a sum of what fades, times something": lambda history: history.activities().decayed(3) * 0.25,
    "colleagues, who may be unknown": lambda history: history.colleagues().count() + 1.0,
    "a root": lambda history: np.sqrt(opens(history)),
}
NOTED: dict[str, Callable[[History], Column]] = {
    "a sum": lambda history: opens(history) + clicks(history),
    "twice one less another, and a constant": lambda history: 2.0 * opens(history) - clicks(history) + 1.0,
    "a constant less it": lambda history: 5.0 - opens(history),
    "a quarter": lambda history: opens(history) / 4.0,
    "the same twice": lambda history: opens(history) + opens(history),
    "many": lambda history: added(history.within(days).activities().count() for days in (1, 7, 30)),
    "a ratio": lambda history: ratio(clicks(history), opens(history) + clicks(history), at_most=0.75),
    "a ratio that something else makes known": lambda history: ratio(opens(history) + 1.0, clicks(history) + 1.0, known=opens(history)),
}


@pytest.mark.parametrize("what", NOT_NOTED)
def test_what_is_not_exact_or_not_followed_is_left_to_the_function(what: str) -> None:
    assert rehearse(NOT_NOTED[what]).form is None


@pytest.mark.parametrize("what", NOTED)
def test_sums_and_ratios_are_noted(what: str) -> None:
    assert isinstance(rehearse(NOTED[what]).form, (Linear, Ratio))


@pytest.mark.parametrize("what", [*NOT_NOTED, *NOTED])
def test_a_plan_computes_what_the_function_gives(what: str) -> None:
    one = Signal("one", "engagement", "x", 30.0, float("nan"), 0, "It is {value}.", (NOT_NOTED | NOTED)[what])
    plan = Plan(FeatureSet((one,)))
    block = block_of(plan, WORLD)

    np.testing.assert_array_equal(plan.compute(block)[0], one(History(block)))


@pytest.mark.parametrize("name", catalogue())
def test_every_signal_of_the_catalogue_is_what_its_function_gives(name: str) -> None:
    block = block_of(PLAN, WORLD)

    np.testing.assert_array_equal(PLAN.compute(block)[PLAN.names.index(name)], catalogue()[name](History(block)))


def test_a_ratio_is_not_known_where_there_is_nothing_to_divide_by() -> None:
    found = ratio(np.array([0.0, 2.0, 3.0]), np.array([0.0, 0.0, 4.0]))

    assert np.isnan(found[:2]).all()
    assert found[2] == 0.75


def block_of(plan: Plan, world: World) -> Block:
    observations = Observations(np.arange(world.n), np.full(world.n, NOW))
    return Block(plan, plan.prepare(world.leads(), world.log()), observations)
