"""Figures of a candidate on rows that it has not seen, each with an interval that resamples leads.

In: labels 0/1, probabilities, optionally the margin before calibration, and the lead of each row; no NaN. Out: plain
floats; NaN where a figure is undefined (one class only), which `evaluate` turns into None for JSON.

Ranking is by (probability, margin): calibration steps tie probabilities, the margin tells tied rows apart; rows tied
in both share their places, so every ranking figure is its expected value over random orders of the ties. `at_K` is
the top K per cent by the same rule, a last row counting by its fraction. Log loss clips probabilities to
[1e-15, 1 - 1e-15]. ECE has ten bins of equal mass; rows of equal probability stay in one bin. ICI is the mean distance
between a probability and the smoothed rate observed around it. The Brier score is taken apart over the ECE's bins:
reliability (lower is better) - resolution (higher is better) + uncertainty (the data's own), but for what varies inside bins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.logit import one_thread

__all__ = [
    "auc", "auc_error", "brier", "ece", "evaluate", "gain_at", "gain_curve", "lift_at", "log_loss", "paired_differences", "pr_auc",
    "precision_at", "reliability",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CLIP = 1e-15
BINS = 10
SMOOTH_BINS, SPAN = 40, 0.2
"""ICI: bins of equal mass that are smoothed, and the share of rows on each side that takes part, the nearer the more."""
FIGURES = ("auc", "pr_auc", "log_loss", "brier", "ece", "lift_at_10", "precision_at_20")
CALIBRATION = ("ici", "brier_reliability", "brier_resolution", "brier_uncertainty")
RAISED = ("ece", "ici", "brier_reliability")
"""Figures that noise alone raises, in the rows as in each resample of them."""


def evaluate(
    y: Floats, p: Floats, margin: Floats | None = None, lead: Ints | None = None, *, seed: int = 0, resamples: int = 300
) -> dict[str, object]:
    """The stable keys of a candidate: each figure, its 95 % interval in `<name>_ci`, `rows`, `positives`, `base_rate`.

    Intervals are percentiles over resampled leads. A resample adds noise to every bin and so raises ECE, ICI and reliability;
    their intervals are moved back by the mean of that rise, and cut at zero.
    """
    names = (*FIGURES, *CALIBRATION)
    if not len(y):
        return {"rows": 0, "positives": 0, "base_rate": None} | dict.fromkeys(names) | {f"{n}_ci": [None, None] for n in names}
    ranked, smooth = _Ranked.of(y, p, margin), _Smooth.of(y, p)
    ones = np.ones(len(ranked.y))
    found = _figures(ranked, ones) | _calibration(ranked, smooth, ones, ones)
    draws = {name: np.empty(resamples) for name in names}
    with one_thread():
        for i, counts in enumerate(_resampled(lead, len(ranked.y), resamples, seed)):
            weight = counts[ranked.order]
            for name, value in (_figures(ranked, weight) | _calibration(ranked, smooth, weight, counts)).items():
                draws[name][i] = value
    result: dict[str, object] = {"rows": len(ranked.y), "positives": int(ranked.y.sum()), "base_rate": float(ranked.y.mean())}
    for name in names:
        result[name] = _plain(found[name])
        result[f"{name}_ci"] = _interval(draws[name], found[name] if name in RAISED else None)
    return result


def paired_differences(
    y: Floats, new: tuple[Floats, Floats | None], old: tuple[Floats, Floats | None], lead: Ints | None = None, *,
    seed: int = 0, resamples: int = 500, capacity: float | None = None,
) -> dict[str, Mapping[str, object]]:  # fmt: skip
    """Per figure `new - old` on the same rows and the same resampled leads: {new, old, difference, ci, relative_ci}.

    `new` and `old` are (probability, margin or None). `relative_ci` divides by the old figure. With `capacity`, the share
    of leads that can be called, `lift_at_capacity` is among the figures.
    """
    figures = (*FIGURES, *(("lift_at_capacity",) if capacity else ()))
    sides = [_Ranked.of(y, *new), _Ranked.of(y, *old)]
    ones = np.ones(len(y))
    at = [_figures(side, ones, capacity) for side in sides]
    draws = np.empty((resamples, len(figures)))
    with one_thread():
        for i, counts in enumerate(_resampled(lead, len(y), resamples, seed)):
            one, other = (_figures(side, counts[side.order], capacity) for side in sides)
            draws[i] = [one[name] - other[name] for name in figures]
    result: dict[str, Mapping[str, object]] = {}
    for column, name in enumerate(figures):
        interval = _interval(draws[:, column], None)
        scale = at[1][name]
        relative = [None if end is None or not scale else end / scale for end in interval]
        result[name] = {
            "new": _plain(at[0][name]), "old": _plain(scale), "difference": _plain(at[0][name] - scale),
            "ci": interval, "relative_ci": relative,
        }  # fmt: skip
    return result


def auc(y: Floats, score: Floats, weight: Floats | None = None) -> float:
    """P(a positive ranks above a negative), ties counting half.

    >>> auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    return _single(y, score, weight).auc()


def auc_error(found: float, positives: int, negatives: int) -> float:
    """Standard error of an AUC from so many (independent) leads of each class (Hanley and McNeil 1982)."""
    if not positives or not negatives:
        return 0.5
    a = max(found, 1 - found)
    both, one = a / (2 - a), 2 * a * a / (1 + a)
    variance = a * (1 - a) + (positives - 1) * (both - a * a) + (negatives - 1) * (one - a * a)
    return float(np.sqrt(max(variance, 1e-6) / (positives * negatives)))


def pr_auc(y: Floats, score: Floats, weight: Floats | None = None) -> float:
    """Average precision: precision at each distinct score, weighted by the share of positives found there."""
    return _single(y, score, weight).average_precision()


def log_loss(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Mean negative log-likelihood."""
    return _mean(_losses(np.asarray(y, np.float64), np.asarray(p, np.float64)), weight)


def brier(y: Floats, p: Floats, weight: Floats | None = None) -> float:
    """Mean squared error of the probability."""
    return _mean((np.asarray(p, np.float64) - y) ** 2, weight)


def ece(y: Floats, p: Floats, *, bins: int = BINS) -> float:
    """Mean distance between predicted and observed rate over bins of equal mass."""
    ranked = _Ranked.of(y, p, None, bins=bins)
    return _ece(ranked, np.ones(len(ranked.y)))


def lift_at(y: Floats, score: Floats, per_cent: float) -> float:
    """How many times the base rate the top `per_cent` converts at."""
    places = _single(y, score, None)
    return places.top(per_cent / 100) / (per_cent / 100 * places.won) if places.won else np.nan


def precision_at(y: Floats, score: Floats, per_cent: float) -> float:
    """Conversion rate among the top `per_cent`."""
    places = _single(y, score, None)
    return places.top(per_cent / 100) / (per_cent / 100 * places.total) if places.total else np.nan


def gain_at(y: Floats, score: Floats, per_cent: float) -> float:
    """Share of all positives that the top `per_cent` holds."""
    places = _single(y, score, None)
    return places.top(per_cent / 100) / places.won if places.won else np.nan


def gain_curve(y: Floats, p: Floats, margin: Floats | None = None, *, points: int = 100) -> list[dict[str, float | None]]:
    """Lift and gain over the share of leads called: `points` rows of {share, gain, lift, precision}."""
    ranked = _Ranked.of(y, p, margin)
    places = _Places.of(ranked, np.ones(len(ranked.y)))
    rows: list[dict[str, float | None]] = []
    for share in np.arange(1, points + 1) / points:
        found = places.top(float(share))
        gain = found / places.won if places.won else np.nan
        precision = found / (share * places.total)
        rows.append({"share": float(share), "gain": _plain(gain), "lift": _plain(gain / share), "precision": _plain(precision)})
    return rows


def reliability(y: Floats, p: Floats, *, bins: int = BINS) -> list[dict[str, float | int]]:
    """The bins behind the ECE: {rows, predicted, observed, low, high}, the last two a 95 % Wilson interval."""
    ranked = _Ranked.of(y, p, None, bins=bins)
    table: list[dict[str, float | int]] = []
    for number in range(len(ranked.bin_starts))[::-1]:
        start = ranked.bin_starts[number]
        stop = ranked.bin_starts[number + 1] if number + 1 < len(ranked.bin_starts) else len(ranked.y)
        rows, observed = int(stop - start), float(ranked.y[start:stop].mean())
        low, high = _wilson(observed, rows)
        table.append({"rows": rows, "predicted": float(ranked.p[start:stop].mean()), "observed": observed, "low": low, "high": high})
    return table


@dataclass(frozen=True)
class _Ranked:
    """Rows from the highest rank down, sorted once and weighted often.

    Positives are few: places are counted at the runs of ties that hold one, and a run is most often a single row.
    """

    order: Ints
    y: Floats
    p: Floats
    bins: int
    run_starts: Ints | None
    """First position of each row's run of ties, and the last one in `run_ends`; None where nothing is tied."""
    run_ends: Ints | None
    found: Ints
    """Positions of positives."""
    firsts: Ints
    """Where in `found` each run's positives begin; `starts` and `ends` are the run's own first and last position."""
    starts: Ints
    ends: Ints

    @classmethod
    def of(cls, y: Floats, p: Floats, margin: Floats | None, *, bins: int = BINS) -> _Ranked:
        y, p = np.asarray(y, np.float64), np.asarray(p, np.float64)
        order = np.argsort(-p, kind="stable") if margin is None else np.lexsort((-np.asarray(margin, np.float64), -p))
        y, p = y[order], p[order]
        new_p = p[1:] != p[:-1]
        new_rank = new_p if margin is None else new_p | (np.asarray(margin)[order][1:] != np.asarray(margin)[order][:-1])
        found = np.flatnonzero(y > 0)
        starts = ends = found
        firsts = np.arange(len(found))
        run_starts = run_ends = None
        if not new_rank.all():
            edges = np.concatenate([[0], np.flatnonzero(new_rank) + 1, [len(y)]])
            lengths = np.diff(edges)
            run_starts, run_ends = np.repeat(edges[:-1], lengths), np.repeat(edges[1:] - 1, lengths)
            starts, firsts = np.unique(run_starts[found], return_index=True)
            ends = run_ends[starts]
        return cls(order, y, p, bins, run_starts, run_ends, found, firsts, starts, ends)

    @cached_property
    def losses(self) -> Floats:
        return _losses(self.y, self.p)

    @cached_property
    def gaps(self) -> Floats:
        return self.p - self.y

    @cached_property
    def squares(self) -> Floats:
        return np.asarray(self.gaps**2, np.float64)

    @cached_property
    def bin_starts(self) -> Ints:
        """Where the ECE's bins begin."""
        return _bin_starts(self.p[1:] != self.p[:-1], self.bins)


@dataclass(frozen=True)
class _Places:
    """One weighting of ranked rows: the weight down to each row, and what runs with positives hold."""

    ranked: _Ranked
    down: Floats
    gained: Floats
    """Weight of positives in each run that has some; added up in `positives`."""
    positives: Floats
    below: Floats
    """Weight down to the end of each such run."""

    @classmethod
    def of(cls, ranked: _Ranked, weight: Floats) -> _Places:
        down, gained = np.cumsum(weight), weight[ranked.found]
        if ranked.run_starts is not None and len(gained):
            gained = np.add.reduceat(gained, ranked.firsts)
        return cls(ranked, down, gained, np.cumsum(gained), down[ranked.ends])

    @property
    def total(self) -> float:
        return float(self.down[-1]) if len(self.down) else 0.0

    @property
    def won(self) -> float:
        return float(self.positives[-1]) if len(self.positives) else 0.0

    def auc(self) -> float:
        """Each positive meets all negatives above it and half of those tied with it: what is left it outranks."""
        missed = self.total - self.won
        if self.won <= 0 or missed <= 0:
            return np.nan
        negatives = self.below - self.positives  # down to the end of the run
        if self.ranked.run_starts is not None:
            starts = self.ranked.starts
            above = np.where(starts > 0, self.down[starts - 1], 0.0) - (self.positives - self.gained)
            negatives = (above + negatives) / 2
        return float(1 - self.gained @ negatives / (self.won * missed))

    def average_precision(self) -> float:
        if self.won <= 0:
            return np.nan
        precision = np.divide(self.positives, self.below, out=np.zeros_like(self.positives), where=self.below > 0)
        return float(self.gained @ precision / self.won)

    def top(self, share: float) -> float:
        """Expected positives among the top `share`: inside a run of ties they come evenly."""
        if not len(self.down):
            return np.nan
        cut = share * self.total
        row = min(int(np.searchsorted(self.down, cut, side="left")), len(self.down) - 1)
        ranked = self.ranked
        start, end = (row, row) if ranked.run_starts is None or ranked.run_ends is None else (ranked.run_starts[row], ranked.run_ends[row])
        rows_before = self.down[start - 1] if start else 0.0
        place = int(np.searchsorted(ranked.starts, start))
        before = self.positives[place - 1] if place else 0.0
        inside = self.gained[place] if place < len(ranked.starts) and ranked.starts[place] == start else 0.0
        run = self.down[end] - rows_before
        return float(before + (inside * (min(cut, self.down[end]) - rows_before) / run if run > 0 else 0.0))


def _figures(ranked: _Ranked, weight: Floats, capacity: float | None = None) -> dict[str, float]:
    places = _Places.of(ranked, weight)
    total, won = places.total, places.won
    extra = {}
    if capacity:
        extra["lift_at_capacity"] = places.top(capacity) / (capacity * won) if won else np.nan
    return {
        "auc": places.auc(),
        "pr_auc": places.average_precision(),
        "log_loss": float(weight @ ranked.losses / total) if total else np.nan,
        "brier": float(weight @ ranked.squares / total) if total else np.nan,
        "ece": _ece(ranked, weight),
        "lift_at_10": places.top(0.10) / (0.10 * won) if won else np.nan,
        "precision_at_20": places.top(0.20) / (0.20 * total) if total else np.nan,
        **extra,
    }


@dataclass(frozen=True)
class _Smooth:
    """Rows by probability in many bins, and how much each bin says about each other one."""

    order: Ints
    starts: Ints
    y: Floats
    p: Floats
    kernel: Floats

    @classmethod
    def of(cls, y: Floats, p: Floats) -> _Smooth:
        p = np.asarray(p, np.float64)
        order = np.argsort(p, kind="stable")
        y, p = np.asarray(y, np.float64)[order], p[order]
        starts = _bin_starts(p[1:] != p[:-1], SMOOTH_BINS)
        middle = (starts + np.append(starts[1:], len(p))) / 2 / len(p)
        near = np.clip(1 - (np.abs(middle[:, None] - middle[None, :]) / SPAN) ** 3, 0, None)
        return cls(order, starts, y, p, near**3)

    def ici(self, counts: Floats) -> float:
        """Each bin's mean probability against a straight line through its neighbours' rates, weighted by their nearness."""
        weight = counts[self.order]
        rows, first, second, rate, cross = (
            np.add.reduceat(weight * part, self.starts) for part in (1.0, self.p, self.p**2, self.y, self.p * self.y)
        )
        here = np.divide(first, rows, out=np.zeros_like(first), where=rows > 0)
        w, px, pp, ty, tx = (self.kernel @ part for part in (rows, first, second, rate, cross))
        mean_p, mean_y = (np.divide(part, w, out=np.zeros_like(w), where=w > 0) for part in (px, ty))
        spread = pp - w * mean_p**2
        slope = np.divide(tx - w * mean_p * mean_y, spread, out=np.zeros_like(w), where=spread > 1e-9 * np.maximum(w, 1))
        observed = np.clip(mean_y + slope * (here - mean_p), 0, 1)
        return float(rows @ np.abs(here - observed) / rows.sum()) if rows.sum() else np.nan


def _calibration(ranked: _Ranked, smooth: _Smooth, weight: Floats, counts: Floats) -> dict[str, float]:
    total = weight.sum()
    if not total:
        return dict.fromkeys(CALIBRATION, np.nan)
    rows, promised, found = (np.add.reduceat(weight * part, ranked.bin_starts) for part in (1.0, ranked.p, ranked.y))
    base = found.sum() / total
    p, y = (np.divide(part, rows, out=np.full_like(part, base), where=rows > 0) for part in (promised, found))
    return {
        "ici": smooth.ici(counts),
        "brier_reliability": float(rows @ (p - y) ** 2 / total),
        "brier_resolution": float(rows @ (y - base) ** 2 / total),
        "brier_uncertainty": float(base * (1 - base)),
    }


def _single(y: Floats, score: Floats, weight: Floats | None) -> _Places:
    ranked = _Ranked.of(y, score, None)
    return _Places.of(ranked, np.ones(len(ranked.y)) if weight is None else np.asarray(weight, np.float64)[ranked.order])


def _ece(ranked: _Ranked, weight: Floats) -> float:
    total = weight.sum()
    if not total:
        return np.nan
    return float(np.abs(np.add.reduceat(weight * ranked.gaps, ranked.bin_starts)).sum() / total)


def _bin_starts(changes: npt.NDArray[np.bool_], bins: int) -> Ints:
    """Where each bin begins: a run of equal probabilities belongs to the bin that holds its middle."""
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    rows = len(changes) + 1
    middle = (starts + np.append(starts[1:], rows)) / 2
    number = np.minimum((bins * middle / rows).astype(np.int64), bins - 1)
    return np.asarray(starts[np.concatenate([[True], number[1:] != number[:-1]])], np.int64)


def _losses(y: Floats, p: Floats) -> Floats:
    p = np.clip(p, CLIP, 1 - CLIP)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)), np.float64)


def _mean(values: Floats, weight: Floats | None) -> float:
    return float(np.average(values, weights=weight)) if len(values) else np.nan


def _resampled(lead: Ints | None, rows: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Per resample the number of times that each row counts: leads are drawn with replacement, their rows come along."""
    codes = None if lead is None else np.unique(lead, return_inverse=True)[1]
    leads = rows if codes is None else (int(codes.max()) + 1 if rows else 0)
    if codes is not None and leads == rows:
        # One row a lead: numbering leads by row spares a gather in each resample.
        codes = None
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        counts = np.bincount(rng.integers(leads, size=leads), minlength=leads).astype(np.float64) if leads else np.empty(0)
        yield counts if codes is None else counts[codes]


def _interval(draws: Floats, centre: float | None) -> list[float | None]:
    draws = draws[np.isfinite(draws)]
    if not len(draws) or (centre is not None and not np.isfinite(centre)):
        return [None, None]
    low, high = np.percentile(draws, [2.5, 97.5])
    if centre is not None:
        rise = max(0.0, float(draws.mean()) - centre)
        low, high = max(0.0, low - rise), max(0.0, high - rise)
    return [float(low), float(high)]


def _plain(value: float | np.floating[npt.NBitBase]) -> float | None:
    return float(value) if np.isfinite(value) else None


def _wilson(rate: float, rows: int) -> tuple[float, float]:
    z = 1.959963984540054
    centre = (rate + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))
