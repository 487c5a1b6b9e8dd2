"""Is more data worth waiting for? Where little was learnt the curve rises, where all was learnt it is flat, and time is kept."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.inputs import Floats, InputSpec
from models.logit import sigmoid
from training import learning_curve as module
from training.candidates import Candidate, Recipe, refit
from training.learning_curve import WORTH, learning_curve

RECIPE = Recipe("logistic", C=0.3)
NEVER = float("inf")


def world(leads: int, inputs: int, *, tested: int = 4_000, looks: int = 1) -> dict[str, Any]:
    """Leads before test and after it; every input tells a little, so that few leads cannot tell which way each of many goes."""
    rng = np.random.default_rng(5)
    rows = (leads + tested) * looks
    X = rng.normal(size=(rows, inputs))
    y = (rng.random(rows) < sigmoid(X @ np.full(inputs, 1.5 / np.sqrt(inputs)) - 1)).astype(float)
    lead = np.repeat(np.arange(leads + tested), looks)
    fitted, test = np.arange(leads * looks), np.arange(leads * looks, rows)
    specs = [InputSpec(f"x{i}") for i in range(inputs)]
    model = refit(RECIPE, X[fitted], y[fitted], specs, 7)
    return {
        "data": SimpleNamespace(y=y, lead=lead),
        "split": SimpleNamespace(test=test),
        "encoder": SimpleNamespace(inputs=specs),
        "X": X,
        "candidate": Candidate(RECIPE, model, model.margin(X)),
        "fitted": fitted,
    }


def curve(world: dict[str, Any], until: float = NEVER) -> dict[str, Any]:
    return learning_curve(**world, seed=7, resamples=60, until=until)


def test_without_time_there_is_one_point_and_no_verdict() -> None:
    found = curve(world(800, 5, tested=500), until=time.perf_counter() - 1)
    assert [one["leads"] for one in found["points"]] == [800]
    assert (found["doubling"], found["verdict"]) == (None, "unclear")


def test_parts_with_too_few_to_learn_from_are_left_out() -> None:
    assert [one["leads"] for one in curve(world(500, 3, tested=500))["points"]] == [250, 500]


def test_many_inputs_and_few_leads_are_worth_waiting() -> None:
    found = curve(world(800, 60))
    assert found["verdict"] == "rising"
    assert found["doubling"]["auc_ci"][0] > 0
    figures = [one["auc"] for one in found["points"]]
    assert figures == sorted(figures)
    for one in found["points"]:
        assert one["auc_ci"][0] <= one["auc"] <= one["auc_ci"][1]


def test_two_inputs_and_thousands_of_leads_are_not() -> None:
    found = curve(world(8_000, 2))
    assert found["verdict"] == "flat"
    assert found["doubling"]["auc_ci"][1] < WORTH


def test_each_part_lies_inside_the_next_and_takes_leads_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[set[float]] = []

    def remembered(recipe: Recipe, X: Floats, y: Floats, *more: Any) -> Any:
        parts.append(set(X[:, 0].tolist()))
        return refit(recipe, X, y, *more)

    given = world(1_600, 3, tested=300, looks=3)
    monkeypatch.setattr(module, "refit", remembered)
    curve(given)
    assert [len(one) for one in parts] == [600, 1_200, 2_400]
    assert parts[0] < parts[1] < parts[2]
    whose = dict(zip(given["X"][:, 0].tolist(), given["data"].lead.tolist(), strict=True))
    assert len({whose[value] for value in parts[0]}) == 200
