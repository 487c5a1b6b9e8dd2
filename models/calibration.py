"""From margin to probability, with an interval; and from margin to score and grade.

In: margins in log-odds (NaN for a lead that could not be scored). Out: probability, low and high, NaN where the
margin is. Each value depends on its own margin only: one row alone and a batch give the same bits. Everything is
kept as JSON, whose floats come back exactly.

- `VennAbers`: inductive Venn–Abers. Isotonic regression is fitted with the new lead as a non-conversion and as a
  conversion; the two answers are the interval, and p = p1 / (1 - p0 + p1). Only distinct calibration margins matter,
  so the answers are two step tables, looked up by bisection.
- `Sigmoid`: for few rows. Platt's line with smoothed targets; its interval comes from refits on resampled leads.
- `BaseRate`: when nothing ranks. Everyone gets the share that converted.

The interval is the uncertainty of the calibration, not the spread among leads with the same margin. A logit offset
for a drifted base rate voids even that promise, and says so.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import BadData
from models.inputs import Floats
from models.logit import best_shift, logit, sigmoid

__all__ = [
    "BaseRate",
    "Calibration",
    "NotCalibratable",
    "Offset",
    "ScoreScale",
    "Sigmoid",
    "VennAbers",
    "calibration_from_json",
    "estimate_offset",
    "fit_base_rate",
    "fit_calibration",
    "platt",
]

FEWEST_ROWS = 1000
FEWEST_OF_A_CLASS = 50
REFITS = 200
NO_GUARANTEE = "no coverage guarantee"


class NotCalibratable(BadData):
    """The margins cannot be calibrated: {why}."""


class BadCalibration(BadData):
    """calibration.json is not a calibration that can be served: {why}. Pull or train the model again."""


class Calibration(Protocol):
    """What every calibration does; build one with `fit_calibration` or `calibration_from_json`."""

    @property
    def kind(self) -> str: ...
    @property
    def offset(self) -> Offset | None: ...
    def apply(self, margin: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Probability, low and high: arrays as long as `margin`, low ≤ p ≤ high."""
        ...

    def with_offset(self, delta: float, se: float) -> Calibration:
        """The same, moved by `delta` on the logit scale and widened by its standard error."""
        ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Offset:
    """A shift of all probabilities on the logit scale, for a base rate that has drifted since calibration."""

    delta: float
    se: float

    corrected = NO_GUARANTEE

    def apply(self, p: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
        wide = 1.96 * self.se
        return _shift(p, self.delta), _shift(low, self.delta - wide), _shift(high, self.delta + wide)

    def to_json(self) -> dict[str, Any]:
        return {"delta": self.delta, "se": self.se, "corrected": self.corrected}


def fit_calibration(margin: ArrayLike, y: ArrayLike, lead: ArrayLike, seed: int, weights: ArrayLike | None = None) -> Calibration:
    """The calibration that the calibrate block can carry: Venn–Abers, or a sigmoid below 1,000 rows or 50 of either class.

    `lead` says which rows are of one lead (any codes): leads, not rows, are resampled. With `weights` it is the sigmoid: what
    Venn–Abers promises holds for rows that count alike.
    """
    m, target, codes = _checked(margin, y, lead)
    if weights is not None:
        return Sigmoid.fit(m, target, codes, seed, np.asarray(weights, dtype=np.float64))
    if len(m) >= FEWEST_ROWS and min(target.sum(), len(m) - target.sum()) >= FEWEST_OF_A_CLASS:
        return VennAbers.fit(m, target)
    return Sigmoid.fit(m, target, codes, seed)


def fit_base_rate(y: ArrayLike, lead: ArrayLike, seed: int) -> BaseRate:
    """The calibration of a model without signal: the share of conversions, one class allowed."""
    target = np.asarray(y, dtype=np.float64)
    if not len(target):
        raise NotCalibratable(why="there are no rows")
    rows, positives = _per_lead(target, _codes(lead, len(target)))
    drawn = _draws(len(rows), seed)
    # A success and a failure are added as in the sigmoid's targets: no conversion so far is not "never".
    shares = (drawn @ positives + 1) / (drawn @ rows + 2)
    p = float((target.sum() + 1) / (len(target) + 2))
    low, high = np.quantile(shares, [0.025, 0.975])
    return BaseRate(p, min(float(low), p), max(float(high), p))


def estimate_offset(p_before: ArrayLike, y: ArrayLike, lead: ArrayLike) -> tuple[float, float]:
    """The logit shift that makes probabilities `p_before` agree with `y` in the mean, and its lead-clustered standard error."""
    p, target, codes = _checked(p_before, y, lead)
    if not bool(np.all((p >= 0) & (p <= 1))):
        raise NotCalibratable(why="probabilities lie outside 0 to 1")
    before = logit(p)
    delta = best_shift(before, target)
    now = sigmoid(before + delta)
    scores = np.bincount(codes, weights=target - now)
    clusters = max(len(scores), 2)
    se = math.sqrt(float(np.sum(scores**2)) * clusters / (clusters - 1)) / max(float(np.sum(now * (1 - now))), 1e-12)
    return delta, se


def calibration_from_json(document: Mapping[str, Any]) -> Calibration:
    """What `to_json` wrote, to the bit."""
    kinds: dict[str, type[VennAbers] | type[Sigmoid] | type[BaseRate]] = {
        "venn_abers": VennAbers,
        "sigmoid": Sigmoid,
        "base_rate": BaseRate,
    }
    try:
        given = document.get("offset")
        offset = Offset(float(given["delta"]), float(given["se"])) if given else None
        return kinds[document["kind"]].read(document, offset)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadCalibration(why=f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True, eq=False)
class VennAbers:
    """Two step tables over the margin: `low_at[i]` is where p0 rises to `low[i + 1]`, `high_at[i]` the last margin with p1 `high[i]`."""

    low_at: Floats
    low: Floats
    high_at: Floats
    high: Floats
    offset: Offset | None = None

    kind = "venn_abers"

    @classmethod
    def fit(cls, margin: Floats, y: Floats) -> Self:
        at, place = np.unique(margin, return_inverse=True)
        rows = np.bincount(place).tolist()
        positives = np.bincount(place, weights=y).astype(np.int64).tolist()
        high = _with_a_conversion(rows, positives)
        # Seen from the other end with the classes exchanged, a non-conversion is a conversion.
        below = _with_a_conversion(rows[::-1], [n - k for n, k in zip(rows[::-1], positives[::-1], strict=True)])
        p1 = np.array([up / across for up, across in high])
        p0 = np.array([(across - up) / across for up, across in below])[::-1]
        # Between two calibration margins p1 is that of the upper one and p0 that of the lower one: a conversion below
        # a group is pooled with it, whatever it holds. Beyond both ends nothing contradicts: p0 is 0, p1 is 1.
        first, last = np.diff(p0, prepend=0.0) > 0, np.diff(p1, append=1.0) > 0
        return cls(at[first], np.append(0.0, p0[first]), at[last], np.append(p1[last], 1.0))

    def apply(self, margin: ArrayLike) -> tuple[Floats, Floats, Floats]:
        m = _vector(margin)
        low = self.low[self.low_at.searchsorted(m, side="right")]
        high = self.high[self.high_at.searchsorted(m, side="left")]
        # p0 ≤ p ≤ p1 holds in real numbers; in floats the last bit may differ where p0 = p1.
        p = np.minimum(np.maximum(high / (1 - low + high), low), high)
        return _finish(m, p, low, high, self.offset)

    def with_offset(self, delta: float, se: float) -> Self:
        return replace(self, offset=Offset(float(delta), float(se)))

    def to_json(self) -> dict[str, Any]:
        tables = {name: getattr(self, name).tolist() for name in ("low_at", "low", "high_at", "high")}
        return {"kind": self.kind} | tables | _offset_json(self.offset)

    @classmethod
    def read(cls, document: Mapping[str, Any], offset: Offset | None) -> Self:
        low_at, low, high_at, high = (_rising(document[name], name) for name in ("low_at", "low", "high_at", "high"))
        if len(low) != len(low_at) + 1 or len(high) != len(high_at) + 1 or min(low[0], high[0]) < 0 or max(low[-1], high[-1]) > 1:
            raise ValueError("the step tables do not fit together")
        return cls(low_at, low, high_at, high, offset)


@dataclass(frozen=True, eq=False)
class Sigmoid:
    """p = 1 / (1 + exp(-(slope · margin + intercept))); the interval is a table of logit distances over margins."""

    slope: float
    intercept: float
    at: Floats
    below: Floats
    above: Floats
    offset: Offset | None = None

    kind = "sigmoid"

    @classmethod
    def fit(cls, margin: Floats, y: Floats, codes: NDArray[np.intp], seed: int, weights: Floats | None = None) -> Self:
        counts = np.ones(len(y)) if weights is None else weights
        slope, intercept = (float(v[0]) for v in platt(margin, y, counts[None, :]))
        slopes, intercepts = platt(margin, y, _draws(int(codes.max()) + 1, seed)[:, codes] * counts)
        low, high = float(margin.min()), float(margin.max())
        room = max(high - low, 1.0)  # leads outside the margins seen get the interval that the refits' lines give there
        at = np.linspace(low - room, high + room, 121)
        spread = np.quantile(slopes[:, None] * at + intercepts[:, None], [0.025, 0.975], axis=0) - (slope * at + intercept)
        return cls(slope, intercept, at, np.minimum(spread[0], 0.0), np.maximum(spread[1], 0.0))

    def apply(self, margin: ArrayLike) -> tuple[Floats, Floats, Floats]:
        m = _vector(margin)
        line = self.slope * m + self.intercept
        p, low, high = sigmoid(line + _along(*_knots_around(m, self.at), self._spread))
        return _finish(m, p, low, high, self.offset)

    @cached_property
    def _spread(self) -> Floats:
        """How far probability, low and high lie from the line at each knot."""
        return np.array([np.zeros(len(self.at)), self.below, self.above])

    def with_offset(self, delta: float, se: float) -> Self:
        return replace(self, offset=Offset(float(delta), float(se)))

    def to_json(self) -> dict[str, Any]:
        tables = {name: getattr(self, name).tolist() for name in ("at", "below", "above")}
        return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept} | tables | _offset_json(self.offset)

    @classmethod
    def read(cls, document: Mapping[str, Any], offset: Offset | None) -> Self:
        at = _rising(document["at"], "at")
        below, above = (np.array(document[name], dtype=np.float64) for name in ("below", "above"))
        slope, intercept = float(document["slope"]), float(document["intercept"])
        if not (len(at) == len(below) == len(above) > 1 and np.isfinite([slope, intercept, *below, *above]).all() and slope >= 0):
            raise ValueError("the interval's table does not fit together")
        return cls(slope, intercept, at, below, above, offset)


@dataclass(frozen=True)
class BaseRate:
    """The same probability for every margin."""

    p: float
    low: float
    high: float
    offset: Offset | None = None

    kind = "base_rate"

    def apply(self, margin: ArrayLike) -> tuple[Floats, Floats, Floats]:
        m = _vector(margin)
        return _finish(m, np.full(m.shape, self.p), np.full(m.shape, self.low), np.full(m.shape, self.high), self.offset)

    def with_offset(self, delta: float, se: float) -> Self:
        return replace(self, offset=Offset(float(delta), float(se)))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "p": self.p, "low": self.low, "high": self.high} | _offset_json(self.offset)

    @classmethod
    def read(cls, document: Mapping[str, Any], offset: Offset | None) -> Self:
        p, low, high = (float(document[name]) for name in ("p", "low", "high"))
        if not 0 <= low <= p <= high <= 1:
            raise ValueError("the interval does not hold the probability")
        return cls(p, low, high, offset)


DEFAULT_CUTS: tuple[tuple[str, float], ...] = (("A", 90.0), ("B", 70.0), ("C", 40.0), ("D", 0.0))


@dataclass(frozen=True, eq=False)
class ScoreScale:
    """Score 0–100: the percentile of a margin among reference margins, ties at their middle; and grades by cut-offs of it.

    Kept as at most 1,001 knots, straight between them: at most a third of a percentile from the exact one.
    """

    at: Floats
    percentile: Floats
    cuts: tuple[tuple[str, float], ...] = field(default=DEFAULT_CUTS)
    """Grade and the lowest score that earns it, best first."""

    @classmethod
    def from_margins(cls, margins: ArrayLike, cuts: Sequence[tuple[str, float]] = DEFAULT_CUTS) -> Self:
        m = _vector(margins)
        m = m[np.isfinite(m)]
        if not len(m):
            raise NotCalibratable(why="there are no reference margins to rank among")
        at, count = np.unique(m, return_counts=True)
        percentile = 100.0 * (np.cumsum(count) - count / 2) / len(m)
        kept = _knots(percentile, 100.0 / 330)
        return cls(at[kept], percentile[kept], tuple((str(grade), float(cut)) for grade, cut in cuts))

    def apply(self, margin: ArrayLike) -> Floats:
        """Score of each margin; 0 below the reference, 100 above it."""
        m = _vector(margin)
        if len(m) == 1:
            return np.array([self._of_one(m.item())])
        score = _between(m, self.at, self.percentile)
        np.putmask(score, m < self.at[0], 0.0)
        np.putmask(score, m > self.at[-1], 100.0)
        return score

    def _of_one(self, margin: float) -> float:
        """The same arithmetic without arrays, which cost ten times as much for one number."""
        at, percentile = self._lists
        if not at[0] <= margin <= at[-1]:
            return math.nan if margin != margin else 0.0 if margin < at[0] else 100.0
        if len(at) == 1:
            return percentile[0]
        left = bisect_right(at, margin, 1, len(at) - 1) - 1
        share = (margin - at[left]) / (at[left + 1] - at[left])
        return percentile[left] * (1 - share) + percentile[left + 1] * share

    @cached_property
    def _lists(self) -> tuple[list[float], list[float]]:
        return self.at.tolist(), self.percentile.tolist()

    def grade(self, score: ArrayLike) -> list[str | None]:
        """Grade of each score; None where the score is NaN."""
        s = _vector(score)
        names, cuts = self._rising_cuts
        reached = cuts.searchsorted(s, side="right").tolist()  # NaN is sorted behind all numbers
        return [names[at] if value == value else None for value, at in zip(s.tolist(), reached, strict=True)]

    @cached_property
    def _rising_cuts(self) -> tuple[list[str], Floats]:
        """The grade of a score that reaches none, one, two … of the cut-offs; below the lowest it is still the lowest grade."""
        rising = self.cuts[::-1]
        return [rising[0][0], *(name for name, _ in rising)], np.array([cut for _, cut in rising])

    def to_json(self) -> dict[str, Any]:
        return {"at": self.at.tolist(), "percentile": self.percentile.tolist(), "cuts": [list(cut) for cut in self.cuts]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        try:
            at, percentile = _rising(document["at"], "at"), _rising(document["percentile"], "percentile")
            cuts = tuple((str(grade), float(cut)) for grade, cut in document["cuts"])
            falling = all(a > b for (_, a), (_, b) in pairwise(cuts))
            if len(at) != len(percentile) or not len(at) or not cuts or not falling:
                raise ValueError("knots or cut-offs do not fit together")
        except (KeyError, TypeError, ValueError) as error:
            raise BadCalibration(why=f"{type(error).__name__}: {error}") from error
        return cls(at, percentile, cuts)


def _with_a_conversion(rows: Sequence[int], positives: Sequence[int]) -> list[tuple[int, int]]:
    """Isotonic value at each group of tied margins after one conversion is added to it, as (rise, run) of whole numbers.

    The fit is the slope of the convex hull under the cumulative counts. The added conversion is a step (1, 1) put
    before its group; moving it to the next group leaves all later corners in place and lays one corner down, which is
    this group's end less the step. The hull from that step on is kept as a stack whose end is its left: each corner
    enters and leaves once. Whole numbers make ties exact.
    """
    x, y = [0], [0]
    for n, k in zip(rows, positives, strict=True):
        x.append(x[-1] + n)
        y.append(y[-1] + k)
    hull: list[tuple[int, int]] = []
    for corner in zip(reversed([-1, *x]), reversed([-1, *y]), strict=True):
        _put(hull, corner)
    slopes = []
    for group in range(1, len(x)):
        (ax, ay), (bx, by) = hull[-1], hull[-2]
        slopes.append((by - ay, bx - ax))
        corner = (x[group] - 1, y[group] - 1)
        if (by - ay) * (corner[0] - ax) > (bx - ax) * (corner[1] - ay):  # below the edge: the hull starts anew here
            hull.pop()
            _put(hull, corner)
    return slopes


def _put(hull: list[tuple[int, int]], corner: tuple[int, int]) -> None:
    """Put a corner left of a convex hull, dropping the corners that it hides."""
    cx, cy = corner
    while len(hull) > 1:
        (ax, ay), (bx, by) = hull[-1], hull[-2]
        if (ay - cy) * (bx - cx) < (by - cy) * (ax - cx):
            break
        hull.pop()
    hull.append(corner)


def platt(margin: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Slope and intercept for each row of weights, on targets smoothed by one success and one failure; slope ≥ 0.

    A negative slope would turn the ranking round: then the best line that does not is the flat one.
    """
    positives, total = weights @ y, weights.sum(axis=1)
    target = np.where(y > 0, ((positives + 1) / (positives + 2))[:, None], (1 / (total - positives + 2))[:, None])
    middle, scale = float(margin.mean()), float(margin.std()) or 1.0
    z = (margin - middle) / scale
    flat = logit((weights * target).sum(axis=1) / total)
    slope, intercept = np.zeros(len(weights)), flat.copy()
    for _ in range(50):
        p = sigmoid(slope[:, None] * z + intercept[:, None])
        residual, curvature = weights * (target - p), weights * p * (1 - p)
        g1, g0 = residual @ z, residual.sum(axis=1)
        h11, h10, h00 = curvature @ (z * z) + 1e-9, curvature @ z, curvature.sum(axis=1) + 1e-9
        determinant = h11 * h00 - h10 * h10 + 1e-12
        d1, d0 = (h00 * g1 - h10 * g0) / determinant, (h11 * g0 - h10 * g1) / determinant
        size = np.maximum(1.0, np.hypot(d1, d0) / 2)  # a long step on separated classes would overshoot
        slope, intercept = slope + d1 / size, intercept + d0 / size
        if float(np.max(np.abs([d1, d0]))) < 1e-10:
            break
    intercept = np.where(slope > 0, intercept, flat)
    slope = np.maximum(slope, 0.0) / scale
    return slope, intercept - slope * middle


def _draws(leads: int, seed: int) -> Floats:
    """How often each lead was drawn in each refit."""
    random = np.random.default_rng(seed)
    return random.multinomial(leads, np.full(leads, 1 / leads), size=REFITS).astype(np.float64)


def _per_lead(y: Floats, codes: NDArray[np.intp]) -> tuple[Floats, Floats]:
    return np.bincount(codes).astype(np.float64), np.bincount(codes, weights=y).astype(np.float64)


def _checked(values: ArrayLike, y: ArrayLike, lead: ArrayLike) -> tuple[Floats, Floats, NDArray[np.intp]]:
    m, target = _vector(values), np.asarray(y, dtype=np.float64)
    if target.shape != m.shape:
        raise NotCalibratable(why=f"{len(m)} margins came with labels of shape {target.shape}")
    if not bool(np.isfinite(m).all()):
        raise NotCalibratable(why=f"{int((~np.isfinite(m)).sum())} of {len(m)} margins are not finite")
    if not bool(np.all((target == 0) | (target == 1))):
        raise NotCalibratable(why="labels must be 0 or 1")
    if not len(m) or target.min() == target.max():
        raise NotCalibratable(why=f"all {len(m)} rows are of one class; conversions and non-conversions are both needed")
    return m, target, _codes(lead, len(m))


def _codes(lead: ArrayLike, rows: int) -> NDArray[np.intp]:
    _, codes = np.unique(np.asarray(lead), return_inverse=True)
    if codes.shape != (rows,):
        raise NotCalibratable(why=f"{rows} rows came with leads of shape {codes.shape}")
    return codes


def _finish(m: Floats, p: Floats, low: Floats, high: Floats, offset: Offset | None) -> tuple[Floats, Floats, Floats]:
    if offset is not None:
        p, low, high = offset.apply(p, low, high)
    unknown = np.isnan(m)
    if np.count_nonzero(unknown):
        p, low, high = (np.where(unknown, np.nan, values) for values in (p, low, high))
    return p, low, high


def _shift(p: Floats, delta: float) -> Floats:
    """p moved by delta on the logit scale, without logits: exact at 0, at 1 and for no shift."""
    odds = math.exp(delta)
    shifted: Floats = p * odds / (1 - p + p * odds)
    return shifted


def _between(x: Floats, at: Floats, values: Floats) -> Floats:
    """Straight lines between knots, level beyond them. np.interp may round otherwise for few points than for many."""
    if len(at) == 1:
        return np.where(np.isnan(x), np.nan, values[0])
    return _along(*_knots_around(x, at), values)


def _knots_around(x: Floats, at: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The knot left of each x, and how far from it to the next one x lies; there are two knots or more."""
    inside = np.minimum(np.maximum(x, at[0]), at[-1])
    left = at[1:-1].searchsorted(inside, side="right")
    start = at[left]
    return left, (inside - start) / (at[1:][left] - start)


def _along(left: NDArray[np.intp], share: Floats, values: Floats) -> Floats:
    """On straight lines between the knots' values, of which there may be several rows."""
    line: Floats = values[..., left] * (1 - share) + values[..., 1:][..., left] * share
    return line


def _knots(percentile: Floats, step: float) -> NDArray[np.intp]:
    """Places of the knots: one per `step` of percentile, and both ends of every jump wider than that."""
    kept, last = [0], percentile[0]
    for place, value in enumerate(percentile[1:].tolist(), start=1):
        if value - last > step:
            # What lies between was passed over as near: the jump is from its end.
            if kept[-1] != place - 1 and value - percentile[place - 1] > step:
                kept.append(place - 1)
            kept.append(place)
            last = value
    if kept[-1] != len(percentile) - 1:
        kept.append(len(percentile) - 1)
    return np.array(kept, dtype=np.intp)


def _rising(values: object, name: str) -> Floats:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1 or not bool(np.isfinite(array).all()) or bool((np.diff(array) < 0).any()):
        raise ValueError(f"{name} is not a rising list of numbers")
    return array


def _offset_json(offset: Offset | None) -> dict[str, Any]:
    return {"offset": None if offset is None else offset.to_json()}


def _vector(values: ArrayLike) -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise NotCalibratable(why=f"a list of numbers was due, not an array of shape {array.shape}")
    return array
