"""Whether what is scored now still looks like what the model knows, and whether its promises hold; NumPy only.

In: inputs of a model, those it was calibrated on (`reference.parquet`) beside recent ones; probabilities, and labels where they are
known. Out: for each input its population stability index (PSI), Kolmogorov and Smirnov's distance with its p, the shares missing
and unseen; and what AUC, log loss and calibration are to be expected from the probabilities alone (CBPE), and really are.

An index is never 0: with few rows it is large by luck. Beside it stands the value that luck exceeds once in a hundred. A number's
missing values are a bin of their own; a category that training did not know is another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.inputs import Floats
from models.pipeline import Figure

__all__ = ["Promise", "SignalDrift", "drift_of", "expected_auc", "ks", "promise_of", "psi", "realised_of"]

BINS = 10
_DRAWS = 200
_ENOUGH = 20
"""Conversions, and leads without one, below which no AUC is given."""


class SignalDrift(msgspec.Struct):
    """One input, then and now."""

    name: str
    kind: Literal["number", "category"]
    family: str
    importance: float
    psi: float
    psi_by_luck: float
    """What luck alone exceeds once in a hundred."""
    ks: float | None
    ks_p: float | None
    missing_before: float
    missing: float
    unseen_before: float | None
    """Of categories: the share that is none of those that training knew."""
    unseen: float | None
    mean_before: float | None
    mean: float | None
    drifted: bool


class Promise(msgspec.Struct):
    """How good the model is, as it has to be if its probabilities are right (`expected`), or as it was (`realised`)."""

    kind: Literal["expected", "realised"]
    within_days: float | None
    leads: int
    conversions: float
    """Promised or real."""
    promised: float
    """Sum of probabilities."""
    auc: Figure | None
    log_loss: Figure | None
    ece: Figure | None
    ratio: Figure | None
    """Real over promised conversions."""


def drift_of(
    name: str, kind: Literal["number", "category"], family: str, importance: float, before: Floats, now: Floats, *, bar: float
) -> SignalDrift:
    """One input's drift; `bar` is the index from which it counts, if luck does not reach it."""
    index, luck = psi(before, now, kind)
    distance, chance = (None, None) if kind == "category" else ks(before, now)
    known = [values[np.isfinite(values)] for values in (before, now)]
    means = [float(values.mean()) if kind == "number" and len(values) else None for values in known]
    unseen = [float((values == 0.0).mean()) if kind == "category" and len(values) else None for values in known]
    return SignalDrift(
        name=name,
        kind=kind,
        family=family,
        importance=_rounded(importance),
        psi=_rounded(index),
        psi_by_luck=_rounded(luck),
        ks=None if distance is None else _rounded(distance),
        ks_p=None if chance is None else _rounded(chance),
        missing_before=_share(before),
        missing=_share(now),
        unseen_before=unseen[0],
        unseen=unseen[1],
        mean_before=None if means[0] is None else _rounded(means[0]),
        mean=None if means[1] is None else _rounded(means[1]),
        drifted=index >= bar and index > luck,
    )


def psi(before: Floats, now: Floats, kind: str = "number") -> tuple[float, float]:
    """The index, and what luck alone exceeds once in a hundred; 0 and 0 where either side has no rows."""
    if not len(before) or not len(now):
        return 0.0, 0.0
    values = np.unique(before[np.isfinite(before)])
    if kind == "category" or len(values) <= BINS:
        found = np.unique(np.concatenate([values, now[np.isfinite(now)]]))
        edges = (found[1:] + found[:-1]) / 2
    else:
        edges = np.unique(np.quantile(before[np.isfinite(before)], np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = [_binned(rows, edges) for rows in (before, now)]
    used = (counts[0] + counts[1]) > 0
    shares = [(count[used] + 0.5) / (count[used].sum() + 0.5 * used.sum()) for count in counts]
    index = float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))
    luck = (1 / len(before) + 1 / len(now)) * _chi_square(int(used.sum()) - 1)
    return index, luck


def ks(before: Floats, now: Floats) -> tuple[float | None, float | None]:
    """Kolmogorov and Smirnov's distance between the values that are known, and its probability by chance in large samples."""
    one, other = np.sort(before[np.isfinite(before)]), np.sort(now[np.isfinite(now)])
    if not len(one) or not len(other):
        return None, None
    values = np.concatenate([one, other])
    gaps = np.searchsorted(one, values, side="right") / len(one) - np.searchsorted(other, values, side="right") / len(other)
    distance = float(np.abs(gaps).max())
    root = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    return distance, _kolmogorov(root * distance)


def promise_of(p: Floats, *, within_days: float | None, seed: int = 0) -> Promise:
    """What is to be expected of leads whose outcomes are not known yet, by their probabilities alone."""
    total = float(p.sum())
    enough = min(total, len(p) - total) >= _ENOUGH
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    losses = -(inside * np.log(inside) + (1 - inside) * np.log1p(-inside))
    rng = np.random.default_rng(seed)
    return Promise(
        kind="expected",
        within_days=within_days,
        leads=len(p),
        conversions=_rounded(total),
        promised=_rounded(total),
        auc=_drawn(lambda w: expected_auc(p, w), len(p), rng) if enough else None,
        log_loss=_drawn(lambda w: float(w @ losses / w.sum()), len(p), rng) if len(p) else None,
        ece=None,
        ratio=None,
    )


def realised_of(p: Floats, y: Floats, *, within_days: float | None, seed: int = 0) -> Promise:
    """What came of leads whose time has passed; intervals resample leads."""
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    losses = -(y * np.log(inside) + (1 - y) * np.log1p(-inside))
    total, won = float(p.sum()), float(y.sum())
    enough = min(won, len(y) - won) >= _ENOUGH
    rng = np.random.default_rng(seed)
    order = np.argsort(p, kind="stable")
    ratio = None
    if total > 0 and len(p):
        error = math.sqrt(max(float((p * (1 - p)).sum()), 1e-12)) / total
        ratio = Figure(_rounded(won / total), _rounded(max(won / total - 1.96 * error, 0.0)), _rounded(won / total + 1.96 * error))
    return Promise(
        kind="realised",
        within_days=within_days,
        leads=len(p),
        conversions=won,
        promised=_rounded(total),
        auc=_drawn(lambda w: _auc(p, w * y, w * (1 - y)), len(p), rng) if enough else None,
        log_loss=_drawn(lambda w: float(w @ losses / w.sum()), len(p), rng) if len(p) else None,
        ece=_drawn(lambda w: _ece(p[order], y[order], w[order]), len(p), rng) if enough else None,
        ratio=ratio,
    )


def expected_auc(p: Floats, weight: Floats | None = None) -> float:
    """The AUC that there is if the probabilities are right: each lead converts with its own."""
    w = np.ones(len(p)) if weight is None else weight
    return _auc(p, w * p, w * (1 - p))


def _auc(score: Floats, positive: Floats, negative: Floats) -> float:
    """Of all pairs, those in the right order; ties are half. Weights are of converting and of not."""
    _, place = np.unique(score, return_inverse=True)
    ups, downs = np.bincount(place, positive), np.bincount(place, negative)
    below = np.cumsum(downs) - downs
    pairs = float(ups.sum() * downs.sum())
    return float(ups @ (below + downs / 2)) / pairs if pairs > 0 else 0.5


def _ece(p: Floats, y: Floats, weight: Floats) -> float:
    """Mean gap between promised and real over ten bins of equal mass; rows in order of their probability."""
    mass = np.cumsum(weight)
    place = np.minimum((10 * (mass - weight / 2) / mass[-1]).astype(np.int64), 9)
    gaps = np.bincount(place, weight * (y - p), 10)
    return float(np.abs(gaps).sum() / mass[-1])


def _drawn(figure: Callable[[Floats], float], rows: int, rng: np.random.Generator) -> Figure:
    value = figure(np.ones(rows))
    # As many leads as there are, drawn from them: of a few, weights drawn one by one may all be nothing.
    draws = [figure(np.bincount(rng.integers(0, rows, rows), minlength=rows).astype(float)) for _ in range(_DRAWS)] if rows > 1 else [value]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Figure(_rounded(value), _rounded(min(float(low), value)), _rounded(max(float(high), value)))


def _binned(rows: Floats, edges: Floats) -> NDArray[np.float64]:
    known = np.isfinite(rows)
    counts = np.bincount(np.searchsorted(edges, rows[known], side="right"), minlength=len(edges) + 1).astype(float)
    return np.append(counts, float((~known).sum()))


def _chi_square(degrees: int) -> float:
    """The value that a chi-square exceeds once in a hundred, by Wilson and Hilferty's cube."""
    if degrees < 1:
        return 0.0
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + 2.3263479 * math.sqrt(spread)) ** 3)


def _kolmogorov(x: float) -> float:
    if x < 0.2:
        return 1.0
    total = sum((1.0 if k % 2 else -1.0) * math.exp(-2.0 * k * k * x * x) for k in range(1, 101))
    return min(max(2.0 * total, 0.0), 1.0)


def _share(values: Floats) -> float:
    return _rounded(float(np.mean(~np.isfinite(values)))) if len(values) else 0.0


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
