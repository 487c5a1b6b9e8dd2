"""The candidates, fitted by one protocol: scorecard, naive Bayes, logistic, boosted, and a blend of them.

In: the matrix, labels and blocks. Out: for each candidate its frozen recipe, its model and the margins of all rows that
it may be judged on. Where the rows before test have folds (few rows, or no order in time), margins there are out of fold,
so that rows serve twice without cheating. No class weights and no resampling anywhere: they distort the probability that
is served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.blend import TOWARDS_EQUAL, Blend, Model, Single, Weights, fit_weights
from models.boosted import Boosted, fit_boosted, parameters
from models.inputs import Floats, InputSpec
from models.logistic import Logistic, fit_logistic
from models.naive_bayes import fit_naive_bayes
from models.scorecard import fit_scorecard
from training.losses import scaled_losses, standard_error
from training.memory import give_back
from training.search import Found, Overrides, Trial, search
from training.splits import Fold, Split, Window

__all__ = ["BLEND", "KINDS", "SINGLES", "Candidate", "Recipe", "choose", "fit_candidates", "part", "refit", "search_boosted"]

BLEND = "blend"
SINGLES = ("scorecard", "naive_bayes", "logistic", "boosted")
KINDS = (*SINGLES, BLEND)
"""The simplest first."""
Ints = NDArray[np.int64]
Say = Callable[[str], None]
Elsewhere = Callable[["Recipe", Window | None], Boosted]
"""Fits the boosted model on more rows than are at hand: those within the window."""


@dataclass(frozen=True)
class Recipe:
    """What was decided about a candidate before test, so that it can be fitted again on other rows."""

    kind: str
    rounds: int | None = None
    C: float | None = None
    overrides: Overrides = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    members: tuple[Recipe, ...] = ()
    weights: Weights | None = None
    """Of a blend's members, by kind."""


@dataclass(frozen=True)
class Candidate:
    """A fitted candidate with its margins: NaN on rows that it may not be judged on."""

    recipe: Recipe
    model: Model
    margin: Floats


@dataclass(frozen=True)
class _Rows:
    """What every candidate is fitted from."""

    X: Floats
    y: Floats
    lead: Ints
    inputs: Sequence[InputSpec]
    split: Split
    folds: Sequence[Fold]
    seed: int
    leaves: Overrides
    weight: Floats | None = None
    elsewhere: Elsewhere | None = None

    def weights(self, of: Ints) -> Floats | None:
        return None if self.weight is None else self.weight[of]


def fit_candidates(
    X: Floats,
    y: Floats,
    lead: Ints,
    inputs: Sequence[InputSpec],
    split: Split,
    folds: Sequence[Fold],
    *,
    seed: int,
    searched: Found | None = None,
    kinds: Sequence[str] = KINDS,
    weights: Floats | None = None,
    elsewhere: Elsewhere | None = None,
    say: Say = lambda text: None,
) -> dict[str, Candidate]:
    """Fits each kind on the fit block (`folds` empty), or across `folds` and then on everything before test.

    `searched` is what `search_boosted` found on the same blocks: the boosted model's settings. `weights` say what each row
    counts in fitting, whatever its class. With `elsewhere` the boosted model is fitted there once its recipe is known here.
    """
    rows = _Rows(X, y, lead, inputs, split, folds, seed, _leaves(y[split.fit], lead[split.fit], inputs), weights, elsewhere)
    found: dict[str, Candidate] = {}
    for kind in SINGLES if BLEND in kinds else kinds:
        say(f"fitting {kind}")
        recipe, model = _agreed(kind, rows) if split.small else _decided(kind, rows, searched)
        found[kind] = _across(recipe, rows) if folds else Candidate(recipe, model, _judged(model, rows))
        give_back()
    if BLEND in kinds:
        found[BLEND] = _blended(found, rows)
    return {kind: found[kind] for kind in kinds}


def search_boosted(
    X: Floats,
    y: Floats,
    lead: Ints,
    inputs: Sequence[InputSpec],
    split: Split,
    *,
    seed: int,
    trials: int,
    seconds: float | None = None,
    say: Say = lambda text: None,
) -> Found | None:
    """A search over the boosted model's settings inside fit and tune; None on small data, where it would find noise."""
    if split.small or not trials:
        return None
    defaults = _leaves(y[split.fit], lead[split.fit], inputs)
    return search(X, y, lead, split.fit, split.tune, inputs, seed=seed, trials=trials, defaults=defaults, seconds=seconds, say=say)


def refit(
    recipe: Recipe,
    X: Floats,
    y: Floats,
    inputs: Sequence[InputSpec],
    seed: int,
    weights: Floats | None = None,
    elsewhere: Callable[[Recipe], Boosted] | None = None,
) -> Model:
    """The frozen recipe on other rows; its trees `elsewhere`, where that is given."""

    def fitted(one: Recipe) -> Single:
        give_back()
        return elsewhere(one) if elsewhere and one.kind == "boosted" else _refit(one, X, y, inputs, seed, weights)

    if recipe.weights is not None:
        return Blend(tuple((fitted(one), recipe.weights.of[one.kind]) for one in recipe.members), recipe.weights.offset)
    return fitted(recipe)


def part(X: Floats, rows: Ints) -> Floats:
    """These rows (ascending): where they follow each other a view, since a copy of half the matrix is half the matrix."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
        return X[rows[0] : rows[-1] + 1]
    return X[rows]


def choose(candidates: Mapping[str, Candidate], y: Floats, rows: Ints, lead: Ints, later: Ints | None = None) -> str:
    """The blend, unless a single candidate is clearly better on `later` rows, those that its weights were not found on.

    The single candidate is the simplest whose log loss on `rows` (before test) is within one standard error of the least
    (Breiman et al. 1984); simplest first is the order of `candidates`. Clearly is by more than one standard error of the
    paired difference, which counts leads, not rows. In doubt the blend is taken: an average errs less than whoever happens
    to lead before test. Each margin is first put on the scale of those rows: what calibration mends is not held against it.
    """
    losses = {name: scaled_losses(one.margin[rows], y[rows]) for name, one in candidates.items() if name != BLEND}
    best = min(losses, key=lambda name: float(losses[name].mean()))
    chosen = next(
        name
        for name, loss in losses.items()
        if name == best or (loss - losses[best]).mean() <= standard_error(loss - losses[best], lead[rows])
    )
    if BLEND not in candidates:
        return chosen
    judging = rows if later is None else later
    blended, single = (scaled_losses(candidates[name].margin[judging], y[judging]) for name in (BLEND, chosen))
    behind = blended - single
    return BLEND if behind.mean() <= standard_error(behind, lead[judging]) else chosen


def _leaves(y: Floats, lead: Ints, inputs: Sequence[InputSpec]) -> Overrides:
    """Leaves count leads: where a lead is observed nine times, twenty rows may be two people, and a tree learns their names."""
    each = len(y) / max(1, len(np.unique(lead)))
    if each < 1.5:
        return {}
    smallest = parameters(len(y), int(min(y.sum(), len(y) - y.sum())), inputs, 0)["min_data_in_leaf"]
    return {"min_data_in_leaf": round(smallest * each)}


def _refit(recipe: Recipe, X: Floats, y: Floats, inputs: Sequence[InputSpec], seed: int, weights: Floats | None) -> Single:
    if recipe.kind == "boosted":
        return fit_boosted(X, y, None, None, inputs, seed=seed, rounds=recipe.rounds, overrides=recipe.overrides, weights=weights)
    if recipe.kind == "logistic":
        return fit_logistic(X, y, inputs, C=recipe.C, seed=seed, weights=weights)
    fit_binned = fit_scorecard if recipe.kind == "scorecard" else fit_naive_bayes
    return fit_binned(X, y, inputs, weights=weights)


def _decided(kind: str, rows: _Rows, searched: Found | None) -> tuple[Recipe, Single]:
    """Fitted on the fit block, with what the tune block decides."""
    model: Single
    if kind == "boosted" and searched is not None:
        recipe, model = Recipe(kind, searched.model.rounds, overrides=searched.setting, trials=searched.trials), searched.model
    else:
        model = _stopped(kind, rows, rows.split.fit, rows.split.tune)
        recipe = _recipe(kind, model, rows)
    if kind == "boosted" and rows.elsewhere is not None:
        model = rows.elsewhere(recipe, rows.split.window)
    return recipe, model


def _stopped(kind: str, rows: _Rows, fit: Ints, held: Ints) -> Single:
    X, X_held = part(rows.X, fit), part(rows.X, held)
    y, y_held, inputs, seed, weights = rows.y[fit], rows.y[held], rows.inputs, rows.seed, rows.weights(fit)
    if kind == "boosted":
        return fit_boosted(X, y, X_held, y_held, inputs, seed=seed, overrides=rows.leaves, weights=weights)
    if kind == "logistic":
        return fit_logistic(X, y, inputs, X_tune=X_held, y_tune=y_held, seed=seed, weights=weights)
    return _refit(Recipe(kind), X, y, inputs, seed, weights)


def _recipe(kind: str, model: Single, rows: _Rows) -> Recipe:
    if isinstance(model, Boosted):
        return Recipe(kind, model.rounds, overrides=rows.leaves)
    return Recipe(kind, C=model.C) if isinstance(model, Logistic) else Recipe(kind)


def _agreed(kind: str, rows: _Rows) -> tuple[Recipe, Single]:
    """Small data: one recipe agreed on by the folds, for one tune block of it would be a handful of rows."""
    fitted = [_stopped(kind, rows, fold.fit, fold.held) for fold in rows.folds]
    recipes = [_recipe(kind, model, rows) for model in fitted]
    rounds = [one.rounds for one in recipes if one.rounds]
    strengths = [one.C for one in recipes if one.C]
    strength = float(np.exp(np.median(np.log(strengths)))) if strengths else None
    return replace(recipes[0], rounds=int(np.median(rounds)) if rounds else None, C=strength), fitted[-1]


def _judged(model: Single, rows: _Rows) -> Floats:
    margin = np.full(len(rows.y), np.nan)
    for block in (rows.split.tune, rows.split.calibrate, rows.split.test):
        if len(block):
            margin[block] = model.margin(part(rows.X, block))
    return margin


def _across(recipe: Recipe, rows: _Rows) -> Candidate:
    """Margins out of fold before test; the model is fitted on everything before test."""
    X, y, development = rows.X, rows.y, rows.split.development
    margin = np.full(len(y), np.nan)
    for fold in rows.folds:
        fitted = _refit(recipe, X[fold.fit], y[fold.fit], rows.inputs, rows.seed, rows.weights(fold.fit))
        margin[fold.held] = fitted.margin(X[fold.held])
    model = _refit(recipe, X[development], y[development], rows.inputs, rows.seed, rows.weights(development))
    margin[rows.split.test] = model.margin(X[rows.split.test])
    return Candidate(recipe, model, margin)


def _blended(found: Mapping[str, Candidate], rows: _Rows) -> Candidate:
    """All of them, weighed on the tune block or on margins out of fold."""
    margins = {name: one.margin for name, one in found.items()}
    known = np.isfinite(np.sum(list(margins.values()), axis=0))
    on = rows.split.development[known[rows.split.development]] if rows.folds else rows.split.tune
    # In time, the slice that weighs is one draw of the future: half of what it says is believed.
    pull = TOWARDS_EQUAL if rows.folds else float(max(TOWARDS_EQUAL, len(on)))
    weights = _weights(margins, rows.y, on, pull)
    margin = np.full(len(known), np.nan)
    margin[known] = weights.margin({name: one[known] for name, one in margins.items()})
    if rows.folds:  # what is judged was weighed by other leads
        for part in (0, 1):
            held, others = on[rows.lead[on] % 2 == part], on[rows.lead[on] % 2 != part]
            if len(np.unique(rows.y[others])) == 2:
                margin[held] = _weights(margins, rows.y, others, pull).margin({name: one[held] for name, one in margins.items()})
    members = tuple(found[name].recipe for name in weights.of)
    model = Blend(tuple((found[name].model, weight) for name, weight in weights.of.items()), weights.offset)  # type: ignore[misc]  # all are singles
    return Candidate(Recipe(BLEND, members=members, weights=weights), model, margin)


def _weights(margins: Mapping[str, Floats], y: Floats, rows: Ints, pull: float) -> Weights:
    return fit_weights({name: one[rows] for name, one in margins.items()}, y[rows], towards_equal=pull)
