"""What the coming weeks will bring, with intervals that say what they hold: the luck of the draw, and what we do not know.

In: `Reached`, who entered a queue in each of the weeks before and with which probability, and what became of those who entered in the
backtest. Out: `Promise`, per coming week: leads that enter, conversions among them within the horizon, their share (precision) and their
revenue, each with an interval for the average of the next eight weeks and one for a single week.

Drawn, many times over (a fixed seed): the level of the coming weeks (as uncertain as the mean of the weeks before, and moving on by a few
per cent by itself); each week's number around it, as scattered as the weeks before were; one shift of all probabilities (how wrong the
backtest found them at this threshold, as far as it has the cases to say so, and how much that moves from month to month); conversions by
lot; and their amounts, drawn from those known and brought to the level expected of these leads. A queue of bounded capacity takes no
more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.logit import logit, sigmoid

__all__ = ["AHEAD", "Estimate", "Promise", "Reached", "promise"]

AHEAD = 8
"""Weeks that the average is taken over."""
DRAWS = 400
MOVES = 0.08
"""By how much (one standard deviation, as a share) the level of the coming weeks differs from the last ones' by itself."""
CALIBRATION = 0.80
"""How far off (logit) the probabilities of leads that just reached a threshold are thought to be before the backtest is looked at: who
reaches it in one of many looks owes something to luck, and steps of a calibration rest on few cases."""
MONTHS = 0.25
"""By how much (logit) conversion moves from one quarter to the next, and from the model that was measured to the one that serves."""
MOST_PICKS = 400_000
"""Amounts that are picked one by one."""
_STEADY = 6.0
"""How many weeks of even numbers are added before weeks are called uneven: a dozen weeks may look so by chance."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reached:
    """Who enters, for each of several thresholds or segments (the last axis of everything)."""

    weekly: Floats | None
    """Entries in each of the last weeks (first axis), as counted; None where nothing has an instant."""
    share: float
    """Of all leads, how many were counted."""
    leads: float
    """Leads that `entered` is counted among, where there are no weeks."""
    entered: Floats
    """Entries altogether."""
    expected: Floats
    """The sum of their probabilities."""
    outcomes: Floats
    """Of the leads of the backtest that enter (first axis): how many, their conversions within the horizon, the sum of their
    probabilities, the sum of p (1 - p), and how many convert at any time after they entered."""
    all_kept: float
    """Leads that convert at all."""
    paid: Floats | None = None
    """The sum of probability times expected amount over the entries; None: amounts do not depend on the lead."""


@dataclass(frozen=True)
class Estimate:
    """A quantity with its interval for the average of the coming weeks, and for a single one of them."""

    value: Floats
    low: Floats
    high: Floats
    week_low: Floats | None = None
    week_high: Floats | None = None

    def at(self, place: int) -> dict[str, Any]:
        found: dict[str, Any] = {name: number(getattr(self, name)[place]) for name in ("value", "low", "high")}
        if self.week_low is not None and self.week_high is not None:
            found["one_week"] = [number(self.week_low[place]), number(self.week_high[place])]
        return found

    def listed(self) -> dict[str, Any]:
        names = ("value", "low", "high") if self.week_low is None else ("value", "low", "high", "week_low", "week_high")
        return {name: [number(v) for v in getattr(self, name)] for name in names}


@dataclass(frozen=True)
class Promise:
    """What is promised for each threshold or segment."""

    volume: Estimate
    conversions: Estimate
    precision: Estimate
    revenue: Estimate | None
    caught: Estimate
    full: Floats | None = None
    """The share of weeks in which the queue is full, where its capacity is bounded."""
    wanted: Floats | None = None
    """Leads a week that would enter an unbounded queue."""
    shift: Floats | None = None
    """By how much (logit) the backtest corrects the probabilities."""


def promise(
    reached: Reached, amounts: Floats | None, *, capacity: int | None = None, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Promise:
    """The promise at each threshold. `amounts` are those of known conversions; None or empty: no revenue."""
    rng = np.random.default_rng(seed)
    volume, value = _volumes(reached, rng, draws)
    base: Floats = logit(np.clip(_ratio(reached.expected, reached.entered, 0.5), 1e-9, 1 - 1e-9))
    shift, spread = _shift(reached, base)
    # One shift for all weeks of a draw; the same luck at every threshold, so that curves are smooth.
    rate = sigmoid(base + shift + spread * rng.standard_normal((draws, 1)))
    point = sigmoid(base + shift)
    wanted, full = value, None
    if capacity is not None:
        full = (volume >= capacity).mean(axis=(0, 1)) if capacity else np.ones(len(value))
        volume = np.minimum(volume, capacity)
        value = volume.mean(axis=(0, 1))
    won = rng.binomial(volume.astype(np.int64), np.clip(rate, 0, 1)[:, None, :]).astype(np.float64)
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        overall = won.sum(axis=1) / volume.sum(axis=1)
        weekly = won / volume
    precision = _estimate(point, np.where(np.isfinite(overall), overall, point), np.where(np.isfinite(weekly), weekly, np.nan), tail)
    revenue = None
    if amounts is not None and len(amounts):
        mean = max(float(amounts.mean()), 1e-9)
        each = np.full(len(value), mean) if reached.paid is None else _ratio(reached.paid, reached.expected, mean)
        paid = _paid(won, amounts, rng) * (each / mean)
        revenue = _estimate(value * point * each, paid.mean(axis=1), paid, tail)
    return Promise(
        volume=_estimate(value, volume.mean(axis=1), volume, tail),
        conversions=_estimate(value * point, won.mean(axis=1), won, tail),
        precision=precision,
        revenue=revenue,
        caught=_share(reached.outcomes[4], reached.all_kept, level),
        full=full,
        wanted=None if capacity is None else wanted,
        shift=shift,
    )


def _volumes(reached: Reached, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
    """Entries in each of the coming weeks (draw, week, threshold), and their expectation."""
    if reached.weekly is None:
        some = reached.entered
        per_lead = rng.beta(some + 0.5, np.maximum(reached.leads - some, 0) + 0.5, size=(draws, len(some)))
        drawn = rng.binomial(100, np.repeat(per_lead[:, None, :], AHEAD, axis=1)).astype(np.float64)
        return drawn, 100 * some / max(reached.leads, 1)
    weeks, share = len(reached.weekly), reached.share
    counted = reached.weekly.mean(axis=0)
    scatter = _ratio(((reached.weekly - counted) ** 2).sum(axis=0), counted, 0.0)
    uneven = np.maximum((scatter + _STEADY) / (weeks - 1 + _STEADY), 1.0)
    mean = counted / share
    # One week more or less of evidence than nothing: who never entered yet may.
    relative = uneven / (weeks * np.maximum(counted, 0.5 / weeks)) + MOVES**2
    level = np.maximum(mean, 0.5 / (weeks * share)) * rng.gamma(1 / relative, relative, size=(draws, len(mean)))
    level = np.where(reached.entered > 0, level, 0.0)
    # Counting a share of the leads scatters by itself; what is left is the weeks' own.
    own = np.maximum((uneven - (1 - share)) / share, 1.0) - 1.0
    around = np.repeat(level[:, None, :], AHEAD, axis=1)
    shape = around / np.maximum(own, 1e-9)
    luck = np.where(own > 1e-6, rng.gamma(np.maximum(shape, 1e-9)) / np.maximum(shape, 1e-9), 1.0)
    return rng.poisson(around * luck).astype(np.float64), mean


def _shift(reached: Reached, base: Floats) -> tuple[Floats, Floats]:
    """By how much (logit) the backtest corrects what the model says of those who enter, and how uncertain that leaves it."""
    tested, won = reached.outcomes[:2]
    share = np.clip((won + 0.5) / (tested + 1.0), 1e-6, 1 - 1e-6)
    found: Floats = logit(share)
    # Between what was seen and what was said: at the ends a share alone would count a hundred of a hundred as no evidence.
    between = (share + sigmoid(base)) / 2
    variance = tested * between * (1 - between)
    uncertain = 1.0 / np.maximum(variance, 1e-9) + MONTHS**2
    weight: Floats = CALIBRATION**2 / (CALIBRATION**2 + uncertain)
    shift: Floats = weight * (found - base)
    spread: Floats = np.sqrt(CALIBRATION**2 * (1 - weight) + MONTHS**2)
    return shift, spread


def _paid(won: Floats, amounts: Floats, rng: np.random.Generator) -> Floats:
    """Revenue of each draw: amounts picked from those known, whose mean is itself uncertain."""
    counts = won.astype(np.int64).ravel()
    mean = float(amounts.mean())
    unsure = float(amounts.std()) / max(mean, 1e-9) / np.sqrt(len(amounts))
    level: Floats = np.maximum(1 + unsure * rng.standard_normal((len(won), 1, 1)), 0.0)
    if counts.sum() > MOST_PICKS:  # sums of so many are normal
        sums_of_many: Floats = won * mean + np.sqrt(won) * float(amounts.std()) * rng.standard_normal(won.shape)
        return np.maximum(sums_of_many, 0.0) * level
    picks = amounts[rng.integers(0, len(amounts), int(counts.sum()))]
    sums = np.concatenate([[0.0], np.cumsum(picks)])
    ends = np.cumsum(counts)
    total: Floats = (sums[ends] - sums[ends - counts]).reshape(won.shape)
    return total * level


def _estimate(value: Floats, averages: Floats, weeks: Floats, tail: float) -> Estimate:
    """Ends of the drawn averages, and of the single weeks."""
    low, high = np.quantile(averages, [tail, 1 - tail], axis=0)
    with np.errstate(invalid="ignore"):
        single = weeks.reshape(-1, weeks.shape[-1])
        ends = np.nanquantile(single, [tail, 1 - tail], axis=0) if np.isfinite(single).any(axis=0).all() else _ends(single, tail)
    return Estimate(value, np.minimum(low, value), np.maximum(high, value), ends[0], ends[1])


def _ends(single: Floats, tail: float) -> Floats:
    """The same where some threshold was never reached in any draw."""
    ends = np.full((2, single.shape[1]), np.nan)
    some = np.isfinite(single).any(axis=0)
    ends[:, some] = np.nanquantile(single[:, some], [tail, 1 - tail], axis=0)
    return ends


def _share(part: Floats, whole: float, level: float) -> Estimate:
    """A share of leads with Wilson's interval."""
    from statistics import NormalDist

    z, count = NormalDist().inv_cdf(0.5 + level / 2), max(whole, 1e-9)
    share = np.minimum(part / count, 1.0) if whole else np.zeros(len(part))
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Estimate(share, np.clip(middle - reach, 0, share), np.clip(middle + reach, share, 1))


def _ratio(part: Floats, whole: Floats, otherwise: float) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(np.shape(part), otherwise), where=whole > 0)
    return ratio


def number(value: float) -> float | None:
    """Six digits are more than a chart shows; what is not a number is none."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
