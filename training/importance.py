"""What the model loses without a family of inputs, and how its answer moves with the inputs that count most.

In: the measured candidate on test rows. Out: for each family (or each of the first inputs where there is one family only) the AUC lost
when its columns are shuffled together among test rows; and for the first inputs the mean probability with everybody's value
set to each of a few values. Intervals resample leads. All columns of a family are shuffled at once, or signals that say the
same would cover for each other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.inputs import Floats, InputSpec
from training.candidates import Candidate
from training.metrics import auc

__all__ = ["partial_dependence", "permutation_importance"]

Ints = NDArray[np.int64]
MOST_ROWS = 5_000
MOST_INPUTS = 10
REPEATS = 5
PROFILE_ROWS = 400
PROFILED = 6
GRID = 9


def permutation_importance(
    X: Floats, y: Floats, lead: Ints, candidate: Candidate, inputs: Sequence[InputSpec], first: Sequence[str], *,
    seed: int, resamples: int, until: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """The AUC lost by shuffling each family, the largest first. `first` are the inputs that count most, the first of them first."""
    rows = _sample(lead, MOST_ROWS, seed)
    X, y, lead = X[rows], y[rows], lead[rows]
    whole = candidate.model.margin(X)
    weights = _lead_weights(lead, resamples, seed)
    before = np.array([auc(y, whole, weight) for weight in weights])
    found = []
    for name, columns in _groups(inputs, first).items():
        if time.perf_counter() > until:
            break
        rng = np.random.default_rng(seed)
        lost, draws = [], []
        for repeat in range(REPEATS):
            moved = X.copy()
            moved[:, columns] = X[rng.permutation(len(X))][:, columns]
            margin = candidate.model.margin(moved)
            lost.append(auc(y, whole) - auc(y, margin))
            own = range(repeat, len(weights), REPEATS)
            draws += [before[i] - auc(y, margin, weights[i]) for i in own]
        found.append({"name": name, "inputs": len(columns), "auc_lost": float(np.mean(lost)), "auc_lost_ci": _ends(np.array(draws))})
    return sorted(found, key=lambda one: -float(str(one["auc_lost"])))


def partial_dependence(
    X: Floats, lead: Ints, candidate: Candidate, calibration: Calibration, inputs: Sequence[InputSpec], first: Sequence[str], *,
    seed: int, resamples: int, until: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """For each of the first inputs: points of (value, mean probability, interval), everything else as it is."""
    rows = _sample(lead, PROFILE_ROWS, seed)
    sample, whose = np.ascontiguousarray(X[rows]), lead[rows]
    weights = _lead_weights(whose, resamples, seed)
    at = {one.name: place for place, one in enumerate(inputs)}
    found = []
    for name in first[:PROFILED]:
        if time.perf_counter() > until:
            break
        column = at[name]
        values = _grid(X[:, column], inputs[column])
        if len(values) < 2:
            continue
        points = []
        for value, shown in values:
            moved = sample.copy()
            moved[:, column] = value
            p = calibration.apply(candidate.model.margin(moved))[0]
            points.append(
                {"value": shown, "probability": float(p.mean()), "ci": _ends(np.array([np.average(p, weights=w) for w in weights]))}
            )
        found.append({"name": name, "kind": inputs[column].kind, "points": points})
    return found


def _groups(inputs: Sequence[InputSpec], first: Sequence[str]) -> Mapping[str, list[int]]:
    families: dict[str, list[int]] = {}
    for place, one in enumerate(inputs):
        families.setdefault(one.family, []).append(place)
    if len(families) > 1:
        return families
    at = {one.name: place for place, one in enumerate(inputs)}
    return {name: [at[name]] for name in first[:MOST_INPUTS]}


def _grid(values: Floats, spec: InputSpec) -> list[tuple[float, float | str | None]]:
    """Values that test rows hold, each with how it is shown: a number, a category's name, None for not known."""
    known, absent = values[~np.isnan(values)], float(np.isnan(values).mean())
    missing: list[tuple[float, float | str | None]] = [(np.nan, None)] if absent >= 0.05 else []
    if spec.kind == "category":
        codes, counts = np.unique(known, return_counts=True)
        often = [(int(c), float(code)) for code, c in zip(codes, counts, strict=True) if 0 < code <= len(spec.categories)]
        return [(code, spec.categories[int(code) - 1]) for _, code in sorted(often, reverse=True)[:GRID]] + missing
    steps = np.unique(np.quantile(known, np.linspace(0.02, 0.98, GRID))) if len(known) else known
    return [(float(value), float(value)) for value in steps] + missing


def _sample(lead: Ints, most: int, seed: int) -> Ints:
    """Rows of whole leads, about `most` of them."""
    if len(lead) <= most:
        return np.arange(len(lead))
    names = np.unique(lead)
    drawn = np.random.default_rng(seed).permutation(names)[: max(1, round(len(names) * most / len(lead)))]
    return np.flatnonzero(np.isin(lead, drawn))


def _lead_weights(lead: Ints, resamples: int, seed: int) -> list[Floats]:
    _, code = np.unique(lead, return_inverse=True)
    leads = int(code.max()) + 1
    rng = np.random.default_rng(seed)
    weights = [np.bincount(rng.integers(leads, size=leads), minlength=leads)[code].astype(np.float64) for _ in range(resamples)]
    return [weight if weight.sum() else np.ones(len(code)) for weight in weights]


def _ends(draws: Floats) -> list[float | None]:
    draws = draws[np.isfinite(draws)]
    return [float(end) for end in np.percentile(draws, [2.5, 97.5])] if len(draws) else [None, None]
