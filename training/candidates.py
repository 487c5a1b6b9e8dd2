"""The three candidates, fitted by one protocol: scorecard, logistic, boosted.

In: the matrix, labels and blocks. Out: for each candidate its frozen recipe, its model and the margins of all rows that
it may be judged on. On small data the margins before test are out of fold, so that few rows serve twice without cheating.
No class weights and no resampling anywhere: they distort the probability that is served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.boosted import Boosted, fit_boosted, parameters
from models.calibration import platt
from models.inputs import Floats, InputSpec
from models.logistic import Logistic, fit_logistic
from models.logit import sigmoid
from models.scorecard import Scorecard, fit_scorecard
from training.metrics import CLIP
from training.splits import Fold, Split

__all__ = ["KINDS", "Candidate", "Recipe", "choose", "fit_candidates", "refit", "search"]

KINDS = ("scorecard", "logistic", "boosted")
Model = Boosted | Logistic | Scorecard
Ints = NDArray[np.int64]
Overrides = dict[str, float | int]


@dataclass(frozen=True)
class Recipe:
    """What was decided about a candidate before test, so that it can be fitted again on other rows."""

    kind: str
    rounds: int | None = None
    C: float | None = None
    overrides: Overrides = field(default_factory=dict)
    trials: int = 0


@dataclass(frozen=True)
class Candidate:
    """A fitted candidate with its margins: NaN on rows that it may not be judged on."""

    recipe: Recipe
    model: Model
    margin: Floats


def fit_candidates(
    X: Floats,
    y: Floats,
    lead: Ints,
    inputs: Sequence[InputSpec],
    split: Split,
    folds: Sequence[Fold],
    *,
    seed: int,
    trials: int = 0,
    kinds: Sequence[str] = KINDS,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Candidate]:
    """Fits each kind on the fit block (`folds` empty), or across `folds` and then on everything before test."""
    leaves = _leaves(y[split.fit], lead[split.fit], inputs)
    found: dict[str, Candidate] = {}
    for kind in kinds:
        say(f"fitting {kind}")
        if folds:
            found[kind] = _across(kind, X, y, inputs, split, folds, seed, leaves)
        else:
            found[kind] = _once(kind, X, y, inputs, split, seed, trials, leaves)
    return found


def _leaves(y: Floats, lead: Ints, inputs: Sequence[InputSpec]) -> Overrides:
    """Leaves count leads: where a lead is observed nine times, twenty rows may be two people, and a tree learns their names."""
    each = len(y) / max(1, len(np.unique(lead)))
    if each < 1.5:
        return {}
    smallest = parameters(len(y), int(min(y.sum(), len(y) - y.sum())), inputs, 0)["min_data_in_leaf"]
    return {"min_data_in_leaf": round(smallest * each)}


def refit(recipe: Recipe, X: Floats, y: Floats, inputs: Sequence[InputSpec], seed: int) -> Model:
    """The frozen recipe on other rows."""
    if recipe.kind == "boosted":
        return fit_boosted(X, y, None, None, inputs, seed=seed, rounds=recipe.rounds, overrides=recipe.overrides)
    if recipe.kind == "logistic":
        return fit_logistic(X, y, inputs, C=recipe.C, seed=seed)
    return fit_scorecard(X, y, inputs)


def choose(candidates: dict[str, Candidate], y: Floats, rows: Ints, lead: Ints) -> str:
    """The simplest candidate whose log loss on `rows` (before test) is within one standard error of the least.

    Simplest first is the order of `candidates`. Each margin is first put on the scale of those rows: one that ranks well
    but sits too high or too low is calibrated later, so shift and slope are not held against it. The standard error is of
    the paired difference and counts leads, not rows (Breiman et al. 1984, the one-standard-error rule).
    """
    losses = {name: scaled_losses(one.margin[rows], y[rows]) for name, one in candidates.items()}
    best = min(losses, key=lambda name: float(losses[name].mean()))
    _, code = np.unique(lead[rows], return_inverse=True)
    for name, loss in losses.items():
        behind = loss - losses[best]
        per_lead = np.bincount(code, weights=behind - behind.mean())
        if behind.mean() <= float(np.sqrt((per_lead**2).sum())) / len(rows):
            return name
    return best


def scaled_losses(margin: Floats, y: Floats) -> Floats:
    """Each row's log loss after the best slope and shift, each half of the rows scaled by the other half."""
    halves = np.arange(len(y)) % 2 == 0
    p = np.empty(len(y))
    for half in (halves, ~halves):
        other = ~half
        if len(np.unique(y[other])) < 2:
            p[half] = y[other].mean() if other.any() else 0.5
        else:
            slope, intercept = platt(margin[other], y[other], np.ones((1, int(other.sum()))))
            p[half] = sigmoid(slope[0] * margin[half] + intercept[0])
    p = np.clip(p, CLIP, 1 - CLIP)
    losses: Floats = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return losses


def _once(
    kind: str, X: Floats, y: Floats, inputs: Sequence[InputSpec], split: Split, seed: int, trials: int, leaves: Overrides
) -> Candidate:
    fit, tune = split.fit, split.tune
    if kind == "boosted":
        overrides = search(X[fit], y[fit], X[tune], y[tune], inputs, seed, trials, leaves) if trials else leaves
        model: Model = fit_boosted(X[fit], y[fit], X[tune], y[tune], inputs, seed=seed, overrides=overrides)
    elif kind == "logistic":
        overrides, model = {}, fit_logistic(X[fit], y[fit], inputs, X_tune=X[tune], y_tune=y[tune], seed=seed)
    else:
        overrides, model = {}, fit_scorecard(X[fit], y[fit], inputs)
    margin = np.full(len(y), np.nan)
    judged = np.concatenate([split.tune, split.calibrate, split.test])
    margin[judged] = model.margin(X[judged])
    return Candidate(_recipe(model, overrides, trials), model, margin)


def _across(
    kind: str, X: Floats, y: Floats, inputs: Sequence[InputSpec], split: Split, folds: Sequence[Fold], seed: int, leaves: Overrides
) -> Candidate:
    """Small data: one recipe agreed on by the folds, margins out of fold, the model on everything before test."""
    recipe = _agreed(kind, [_tuned(kind, X, y, inputs, fold, seed, leaves) for fold in folds])
    margin = np.full(len(y), np.nan)
    for fold in folds:
        margin[fold.held] = refit(recipe, X[fold.fit], y[fold.fit], inputs, seed).margin(X[fold.held])
    model = refit(recipe, X[split.development], y[split.development], inputs, seed)
    margin[split.test] = model.margin(X[split.test])
    return Candidate(recipe, model, margin)


def _tuned(kind: str, X: Floats, y: Floats, inputs: Sequence[InputSpec], fold: Fold, seed: int, leaves: Overrides) -> Recipe:
    if kind == "boosted":
        fitted = fit_boosted(X[fold.fit], y[fold.fit], X[fold.held], y[fold.held], inputs, seed=seed, overrides=leaves)
        return _recipe(fitted, leaves, 0)
    if kind == "logistic":
        return _recipe(fit_logistic(X[fold.fit], y[fold.fit], inputs, X_tune=X[fold.held], y_tune=y[fold.held], seed=seed), {}, 0)
    return Recipe(kind)


def _agreed(kind: str, recipes: Sequence[Recipe]) -> Recipe:
    rounds = [one.rounds for one in recipes if one.rounds]
    strengths = [one.C for one in recipes if one.C]
    strength = float(np.exp(np.median(np.log(strengths)))) if strengths else None
    return Recipe(kind, int(np.median(rounds)) if rounds else None, strength, recipes[0].overrides)


def _recipe(model: Model, overrides: Overrides, trials: int) -> Recipe:
    if isinstance(model, Boosted):
        return Recipe("boosted", model.rounds, overrides=overrides, trials=trials)
    return Recipe("logistic", C=model.C) if isinstance(model, Logistic) else Recipe("scorecard")


def search(
    X: Floats, y: Floats, X_tune: Floats, y_tune: Floats, inputs: Sequence[InputSpec], seed: int, trials: int, leaves: Overrides
) -> Overrides:
    """The best of the defaults (with `leaves`) and `trials` random settings of the boosted model, by log loss on the tune block."""
    rng = np.random.default_rng(seed)
    best, least = leaves, np.inf
    smallest = float(leaves.get("min_data_in_leaf", 20)) / 2
    for trial in range(trials + 1):
        setting = leaves
        if trial:
            setting = {
                "num_leaves": int(rng.integers(7, 64)),
                "min_data_in_leaf": int(np.exp(rng.uniform(np.log(smallest), np.log(max(4 * smallest, len(y) / 50))))),
                "lambda_l2": float(np.exp(rng.uniform(np.log(0.1), np.log(100.0)))),
                "feature_fraction": float(rng.uniform(0.4, 1.0)),
                "learning_rate": float(np.exp(rng.uniform(np.log(0.02), np.log(0.1)))),
            }
        loss = float(scaled_losses(fit_boosted(X, y, X_tune, y_tune, inputs, seed=seed, overrides=setting).margin(X_tune), y_tune).mean())
        if loss < least:
            best, least = setting, loss
    return best
