"""Candidates by one protocol: what may be judged, what is chosen, and that a recipe repeats itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.inputs import Floats, InputSpec
from models.logistic import Logistic
from models.logit import sigmoid
from training.candidates import BLEND, KINDS, Candidate, Recipe, _blended, _Rows, choose, fit_candidates, refit, search_boosted
from training.losses import scaled_losses
from training.metrics import auc
from training.splits import Fold, Split, cross_fit_folds

INPUTS = [InputSpec("strong", "fit"), InputSpec("weak", "fit"), InputSpec("kind", "fit", "category", categories=("a", "b"))]
Table = tuple[Floats, Floats]
ALL = np.arange(3_000)
LEAD = np.arange(1_000)
BLOCKS = np.split(np.arange(1_000), [600, 700, 820])


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=1_000), rng.normal(size=1_000), rng.integers(0, 3, 1_000)]).astype(np.float64)
    X[rng.random((1_000, 3)) < 0.05] = np.nan
    y = (rng.random(1_000) < sigmoid(1.2 * np.nan_to_num(X[:, 0]) + 0.4 * (X[:, 2] == 1) - 1)).astype(np.float64)
    return X, y


def split(small: bool = False) -> Split:
    fit, tune, calibrate, test = BLOCKS
    if small:
        tune = calibrate = np.union1d(tune, calibrate)
    return Split(fit, tune, calibrate, test, small, {})


def fake(margin: Floats) -> Candidate:
    return Candidate(Recipe("fake"), None, margin)


class TestProtocol:
    def test_nobody_is_judged_on_what_it_was_fitted_on(self, table: Table) -> None:
        for one in fit_candidates(*table, LEAD, INPUTS, split(), [], seed=7).values():
            assert np.isnan(one.margin[BLOCKS[0]]).all()
            assert np.isfinite(one.margin[600:]).all()

    @pytest.mark.parametrize("small", [True, False])
    def test_across_folds_margins_are_out_of_fold(self, table: Table, small: bool) -> None:
        X, y = table
        folds = cross_fit_folds(np.arange(820), np.arange(1_000), order=np.arange(1_000.0), y=y)
        found = fit_candidates(X, y, LEAD, INPUTS, split(small), folds, seed=7)
        held = np.concatenate([fold.held for fold in folds])
        for name, one in found.items():
            assert np.isfinite(one.margin[held]).all()
            assert np.isnan(np.delete(one.margin[:820], held)).all()
            last = folds[-1]
            again = refit(one.recipe, X[last.fit], y[last.fit], INPUTS, 7).margin(X[last.held])
            assert name == BLEND or one.margin[last.held].tobytes() == again.tobytes()

    def test_a_blend_is_judged_with_weights_that_other_leads_found(self, table: Table) -> None:
        """Turning round the labels of half the leads, which no member was fitted on, leaves that half's own margins as they were."""
        X, y = table
        fold = Fold(np.arange(600), np.arange(600, 820))
        even = np.arange(600, 820, 2)
        turned = y.copy()
        turned[even] = 1 - turned[even]
        members = fit_candidates(X, y, LEAD, INPUTS, split(), [fold], seed=7, kinds=("scorecard", "naive_bayes"))
        one, other = (_blended(members, _Rows(X, labels, LEAD, INPUTS, split(), [fold], 7, {})).margin for labels in (y, turned))
        assert one[even].tobytes() == other[even].tobytes()
        assert one[even + 1].tobytes() != other[even + 1].tobytes()

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_recipe_repeats_itself_to_the_bit(self, table: Table, kind: str) -> None:
        X, y = table
        one = fit_candidates(X, y, LEAD, INPUTS, split(), [], seed=7, kinds=(kind,))[kind]
        assert one.recipe.kind == kind
        first, second = (refit(one.recipe, X, y, INPUTS, 7).margin(X).tobytes() for _ in range(2))
        assert first == second

    def test_progress_names_each(self, table: Table) -> None:
        said: list[str] = []
        fit_candidates(*table, LEAD, INPUTS, split(), [], seed=7, kinds=("scorecard", "logistic"), say=said.append)
        assert said == ["fitting scorecard", "fitting logistic"]

    def test_a_blend_alone_can_be_asked_for(self, table: Table) -> None:
        found = fit_candidates(*table, LEAD, INPUTS, split(), [], seed=7, kinds=(BLEND,))
        assert list(found) == [BLEND]
        assert {one.kind for one in found[BLEND].recipe.members} == set(found[BLEND].recipe.weights.of)


@pytest.fixture(scope="module")
def truth() -> Table:
    rng = np.random.default_rng(1)
    margin = rng.normal(-1, 1.5, 3_000)
    return margin, (rng.random(3_000) < sigmoid(margin)).astype(np.float64)


class TestChoosing:
    def test_who_ranks_better_is_chosen_however_far_off_its_scale(self, truth: Table) -> None:
        """Calibration sets level and slope later; what it cannot mend is the ranking."""
        margin, y = truth
        noisy = margin + np.random.default_rng(2).normal(0, 1.5, 3_000)
        assert choose({"noisy": fake(noisy), "shifted": fake(0.2 * margin + 5)}, y, ALL, ALL) == "shifted"

    def test_between_equals_the_simpler_is_chosen(self, truth: Table) -> None:
        """The least loss by a hair is chance; the simpler one comes first."""
        margin, y = truth
        one, other = (margin + np.random.default_rng(seed).normal(0, 0.5, 3_000) for seed in (11, 12))
        assert choose({"simple": fake(one), "intricate": fake(other)}, y, ALL, ALL) == "simple"
        assert choose({"simple": fake(other), "intricate": fake(one)}, y, ALL, ALL) == "simple"

    def test_in_doubt_the_blend_is_taken_and_not_where_one_is_clearly_better(self, truth: Table) -> None:
        margin, y = truth
        noisy, other, worse = (
            margin + np.random.default_rng(seed).normal(0, noise, 3_000) for seed, noise in ((11, 0.5), (12, 0.5), (13, 3))
        )
        assert choose({"one": fake(noisy), BLEND: fake(other)}, y, ALL, ALL) == BLEND
        assert choose({"one": fake(other), BLEND: fake(noisy)}, y, ALL, ALL) == BLEND
        assert choose({"one": fake(noisy), BLEND: fake(worse)}, y, ALL, ALL) == "one"

    def test_a_blend_is_judged_on_later_rows_than_it_was_weighed_on(self, truth: Table) -> None:
        margin, y = truth
        flattered = np.where(np.arange(3_000) < 1_500, 10 * (y - 0.5), np.random.default_rng(3).normal(size=3_000))
        assert choose({"one": fake(margin), BLEND: fake(flattered)}, y, ALL, ALL, np.arange(1_500, 3_000)) == "one"

    def test_rows_outside_the_block_have_no_say(self, truth: Table) -> None:
        margin, y = truth
        good_there = np.where(np.arange(3_000) < 1_500, margin, np.random.default_rng(3).normal(size=3_000))
        good_here = np.where(np.arange(3_000) < 1_500, np.random.default_rng(3).normal(size=3_000), margin)
        assert choose({"there": fake(good_there), "here": fake(good_here)}, y, np.arange(1_500, 3_000), ALL) == "here"

    def test_a_constant_is_as_good_as_the_base_rate(self, truth: Table) -> None:
        _, y = truth
        rate = y.mean()
        entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
        assert abs(scaled_losses(np.zeros(3_000), y).mean() - entropy) < 0.002

    @pytest.mark.parametrize("y", [np.ones(9), np.zeros(9), np.array([1.0, 0, 0, 0, 0, 0, 0, 0, 0])])
    def test_one_class_in_a_half_is_survived(self, y: Floats) -> None:
        assert np.isfinite(scaled_losses(np.linspace(-1, 1, 9), y)).all()


def test_trials_are_kept_with_the_recipe_and_serve_the_folds_too(table: Table) -> None:
    X, y = table
    found = search_boosted(X, y, LEAD, INPUTS, split(), seed=7, trials=3)
    for folds in ([], cross_fit_folds(np.arange(820), np.arange(1_000), y=y)):
        one = fit_candidates(X, y, LEAD, INPUTS, split(), folds, seed=7, searched=found, kinds=("boosted",))["boosted"]
        assert len(one.recipe.trials) == 3


def test_few_rows_are_not_searched(table: Table) -> None:
    assert search_boosted(*table, LEAD, INPUTS, split(small=True), seed=7, trials=3) is None


def test_leaves_count_leads_where_a_lead_has_many_rows(table: Table) -> None:
    """Nine looks at one person are not nine people."""
    X, y = table
    by_row, by_lead = (
        fit_candidates(X, y, lead, INPUTS, split(), [], seed=7, kinds=("boosted",))["boosted"].recipe for lead in (LEAD, LEAD // 9)
    )
    assert "min_data_in_leaf" not in by_row.overrides
    assert by_lead.overrides["min_data_in_leaf"] > 100


def test_recipes_of_folds_agree_on_the_middle(table: Table) -> None:
    X, y = table
    folds = [Fold(np.arange(0, 300), np.arange(300, 500)), Fold(np.arange(0, 500), np.arange(500, 820))]
    found = fit_candidates(X, y, LEAD, INPUTS, split(small=True), folds, seed=7, kinds=("logistic", "boosted"))
    assert found["boosted"].recipe.rounds
    assert found["logistic"].recipe.C
    assert isinstance(found["logistic"].model, Logistic)


class TestManyCategories:
    """A campaign id with hundreds of values: what it says of its own rows must not count as what it says of others."""

    SPECS = (InputSpec("signal"), InputSpec("campaign", kind="category", categories=tuple(str(i) for i in range(1, 251))))

    @staticmethod
    def table(seed: int, telling: float) -> Table:
        rng = np.random.default_rng(seed)
        campaign = rng.integers(1, 251, 3_000)
        X = np.column_stack([rng.normal(size=3_000), campaign]).astype(np.float64)
        effect = rng.normal(size=251)[campaign]
        return X, (rng.random(3_000) < sigmoid(0.7 * X[:, 0] + telling * effect - 1)).astype(np.float64)

    @staticmethod
    def fitted(X: Floats, y: Floats, specs: Sequence[InputSpec]) -> dict[str, Candidate]:
        folds = cross_fit_folds(np.arange(2_400), ALL, y=y)
        blocks = Split(np.arange(1_600), np.arange(1_600, 2_000), np.arange(2_000, 2_400), np.arange(2_400, 3_000), False, {})
        return fit_candidates(X, y, ALL, specs, blocks, folds, seed=7)

    def test_by_chance_alone_they_rank_nobody(self) -> None:
        X, y = self.table(1, 0.0)
        for name, one in self.fitted(X[:, 1:], (y[::-1]).copy(), self.SPECS[1:]).items():
            for rows in (np.arange(2_400), np.arange(2_400, 3_000)):
                assert abs(auc(y[::-1][rows], one.margin[rows]) - 0.5) < 0.05, name

    def test_beside_a_true_signal_chance_costs_little(self) -> None:
        X, y = self.table(2, 0.0)
        with_it, without = self.fitted(X, y, self.SPECS), self.fitted(X[:, :1], y, self.SPECS[:1])
        test = np.arange(2_400, 3_000)
        for name in KINDS:
            assert auc(y[test], with_it[name].margin[test]) > auc(y[test], without[name].margin[test]) - 0.05, name

    def test_where_they_tell_something_it_is_learned(self) -> None:
        X, y = self.table(3, 1.5)
        test = np.arange(2_400, 3_000)
        found, blind = self.fitted(X, y, self.SPECS)[BLEND], self.fitted(X[:, :1], y, self.SPECS[:1])[BLEND]
        assert auc(y[test], found.margin[test]) > auc(y[test], blind.margin[test]) + 0.03
