"""What is lost without a family of inputs, and how the answer moves with an input: found again where it was planted."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from models.calibration import Calibration, fit_calibration
from models.inputs import Floats, InputSpec
from models.logit import sigmoid
from training.candidates import Candidate, Recipe, refit
from training.importance import MOST_INPUTS, partial_dependence, permutation_importance

ROWS = 3_000
NEVER = float("inf")
SPECS = [
    InputSpec("visits", "intent"),
    InputSpec("visits_again", "intent"),
    InputSpec("origin", "fit", "category", categories=("web", "fair", "partner")),
    InputSpec("noise", "need"),
]


@pytest.fixture(scope="module")
def table() -> tuple[Floats, Floats]:
    """Visits tell most and are told twice, the origin tells something, the noise nothing."""
    rng = np.random.default_rng(2)
    visits, origin = rng.normal(size=ROWS), rng.integers(1, 4, ROWS).astype(float)
    X = np.column_stack([visits, visits, origin, rng.normal(size=ROWS)])
    X[rng.random(ROWS) < 0.1, 3] = np.nan
    return X, (rng.random(ROWS) < sigmoid(1.6 * visits + 0.7 * (origin == 3) - 1.2)).astype(float)


def fitted(table: tuple[Floats, Floats], specs: list[InputSpec] = SPECS) -> Candidate:
    recipe = Recipe("logistic", C=0.3)
    model = refit(recipe, *table, specs, 7)
    return Candidate(recipe, model, model.margin(table[0]))


@pytest.fixture(scope="module")
def calibration(table: tuple[Floats, Floats]) -> Calibration:
    return fit_calibration(fitted(table).margin, table[1], np.arange(ROWS), 7)


def lost(table: tuple[Floats, Floats], specs: list[InputSpec], until: float = NEVER) -> dict[str, dict[str, Any]]:
    first = [one.name for one in specs]
    found = permutation_importance(*table, np.arange(ROWS), fitted(table, specs), specs, first, seed=7, resamples=50, until=until)
    assert found == sorted(found, key=lambda one: -one["auc_lost"])
    return {str(one["name"]): one for one in found}


class TestShuffling:
    def test_without_time_nothing_is_shuffled(self, table: tuple[Floats, Floats]) -> None:
        assert lost(table, SPECS, until=time.perf_counter() - 1) == {}

    def test_families_lose_what_they_tell(self, table: tuple[Floats, Floats]) -> None:
        found = lost(table, SPECS)
        assert {name: one["inputs"] for name, one in found.items()} == {"intent": 2, "fit": 1, "need": 1}
        assert found["intent"]["auc_lost"] > 0.2 > found["fit"]["auc_lost"] > 0.005
        assert abs(found["need"]["auc_lost"]) < 0.005
        low, high = found["intent"]["auc_lost_ci"]
        assert 0 < low <= found["intent"]["auc_lost"] <= high

    def test_what_is_told_twice_does_not_cover_for_itself(self, table: tuple[Floats, Floats]) -> None:
        apart = [*SPECS[:1], InputSpec("visits_again", "engagement"), *SPECS[2:]]
        assert lost(table, SPECS)["intent"]["auc_lost"] > 1.5 * lost(table, apart)["intent"]["auc_lost"]

    def test_one_family_is_told_input_by_input(self, table: tuple[Floats, Floats]) -> None:
        X = np.column_stack([table[0][:, :1], np.random.default_rng(1).normal(size=(ROWS, MOST_INPUTS + 3))])
        found = lost((X, table[1]), [InputSpec(f"x{i}") for i in range(X.shape[1])])
        assert len(found) == MOST_INPUTS
        assert next(iter(found)) == "x0"


class TestProfiles:
    def profiles(self, table: tuple[Floats, Floats], calibration: Calibration, until: float = NEVER) -> dict[str, Any]:
        first = ["visits", "origin", "noise"]
        found = partial_dependence(table[0], np.arange(ROWS), fitted(table), calibration, SPECS, first, seed=7, resamples=30, until=until)
        return {str(one["name"]): one["points"] for one in found}

    def test_without_time_there_are_none(self, table: tuple[Floats, Floats], calibration: Calibration) -> None:
        assert self.profiles(table, calibration, until=time.perf_counter() - 1) == {}

    def test_the_answer_rises_with_what_raises_it(self, table: tuple[Floats, Floats], calibration: Calibration) -> None:
        points = self.profiles(table, calibration)["visits"]
        values, means = [one["value"] for one in points], [one["probability"] for one in points]
        assert values == sorted(values)
        assert means == sorted(means)
        assert means[-1] - means[0] > 0.2
        for one in points:
            assert one["ci"][0] <= one["probability"] <= one["ci"][1]

    def test_categories_go_by_their_names(self, table: tuple[Floats, Floats], calibration: Calibration) -> None:
        points = {one["value"]: one["probability"] for one in self.profiles(table, calibration)["origin"]}
        assert set(points) == {"web", "fair", "partner"}
        assert points["partner"] > max(points["web"], points["fair"])

    def test_not_known_is_a_value_where_it_is_common(self, table: tuple[Floats, Floats], calibration: Calibration) -> None:
        found = self.profiles(table, calibration)
        assert found["noise"][-1]["value"] is None
        assert all(one["value"] is not None for one in found["visits"])

    def test_what_never_varies_has_no_profile(self, table: tuple[Floats, Floats], calibration: Calibration) -> None:
        X = table[0].copy()
        X[:, 0] = 3.0
        assert "visits" not in self.profiles((X, table[1]), calibration)
