"""How long things take and how often they end well, when some have not ended yet.

In: for each stay its length, and how it ended: 0 still open (censored), 1 in the way asked about, 2 in another way. Out: values
with 95 % intervals. Stays that are open count as long as they lasted: leaving them out would make everything look faster and
better than it is. Durations are Kaplan and Meier's estimate, shares are Aalen and Johansen's. An interval is None where nothing
can be said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.inputs import Floats

__all__ = [
    "Between",
    "Curve",
    "Share",
    "differ",
    "incidence",
    "incidence_at",
    "kaplan_meier",
    "log_rank",
    "normal_tail",
    "usable_until",
    "wilson",
]

Z = 1.959963984540054
ENOUGH_AT_RISK = 10
"""Where fewer are left, a curve says nothing any more."""


@dataclass(frozen=True)
class Between:
    """A figure with the ends of its interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Share:
    """A share with its interval, its variance, and of how many."""

    value: float
    low: float
    high: float
    variance: float
    count: int


@dataclass(frozen=True)
class Curve:
    """The share that is still there after each time at which somebody left."""

    times: Floats
    left: Floats
    low: Floats
    high: Floats
    count: int
    open: int
    usable_until: float
    """The longest time at which enough were left to be counted."""

    def quantile(self, share: float) -> Between | None:
        """The time by which this share has gone; None where fewer have. An end is None where the data do not reach it."""
        times = [_first(self.times, curve <= 1.0 - share + 1e-12) for curve in (self.left, self.low, self.high)]
        value, low, high = times
        return None if value is None else Between(value, low, high)


def kaplan_meier(length: ArrayLike, ended: ArrayLike) -> Curve:
    """The curve of stays of these lengths, of which some have ended. Intervals on the log-log scale, point by point."""
    length, ended = np.asarray(length, float), np.asarray(ended, bool)
    times, at_risk, gone, _ = _table(length, ended, np.ones(len(length), bool))
    left = np.cumprod(1.0 - gone / at_risk).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(np.where(at_risk > gone, gone / (at_risk * (at_risk - gone)), np.inf))
        reach = Z * np.sqrt(greenwood) / np.abs(np.log(left))
        low, high = left ** np.exp(reach), left ** np.exp(-reach)
    certain = (left <= 0.0) | ~np.isfinite(reach)
    # Where everybody has gone the formula has no answer: the last one that it had stands.
    low, high = np.where(certain, 0.0, low), _carried(np.where(certain, np.nan, high))
    return Curve(times, left, np.minimum(low, left), np.maximum(high, left), len(length), int((~ended).sum()), usable_until(length))


def incidence(length: ArrayLike, how: ArrayLike, within: float) -> Share | None:
    """The share that ends in the way asked about within a time, the other ways and open stays accounted for; None without stays."""
    length, how = np.asarray(length, float), np.asarray(how)
    if not len(length):
        return None
    times, at_risk, gone, asked = _table(length, how > 0, how == 1)
    reached = times <= within
    times, at_risk, gone, asked = times[reached], at_risk[reached], gone[reached], asked[reached]
    before, share = _incidence(at_risk, gone, asked)
    value = float(share[-1]) if len(share) else 0.0
    to_come = value - share
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(at_risk > gone, to_come**2 * gone / (at_risk * (at_risk - gone)), 0.0)
    second = before**2 * (at_risk - asked) * asked / at_risk**3
    third = -2.0 * to_come * before * asked / at_risk**2
    variance = max(float(np.sum(first + second + third)), 0.0)
    value = min(value, 1.0)
    worth = value * (1.0 - value) / variance if variance > 0 and 0.0 < value < 1.0 else float(len(length))
    low, high = wilson(value, min(worth, float(len(length))))
    return Share(value, low, high, max(variance, 1e-12), len(length))


def incidence_at(length: ArrayLike, how: ArrayLike, times: ArrayLike) -> Floats:
    """The share that has ended in the way asked about by each time."""
    length, how = np.asarray(length, float), np.asarray(how)
    steps, at_risk, gone, asked = _table(length, how > 0, how == 1)
    _, share = _incidence(at_risk, gone, asked)
    return np.concatenate([[0.0], share])[np.searchsorted(steps, np.asarray(times, float), side="right")]


def wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of so many: three of three are no certainty.

    >>> [round(end, 3) for end in wilson(0.0, 10)]
    [0.0, 0.278]
    """
    if count <= 0:
        return 0.0, 1.0
    middle = (share + Z * Z / (2 * count)) / (1 + Z * Z / count)
    reach = Z / (1 + Z * Z / count) * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def differ(now: Share, before: Share) -> tuple[Between, float]:
    """By how much a share has changed, and the probability of so much by chance."""
    change, error = now.value - before.value, math.sqrt(now.variance + before.variance)
    # Newcombe's way: the ends of each share's own interval, so that nothing of 0 or 1 is certain.
    down = math.hypot(now.value - now.low, before.high - before.value)
    up = math.hypot(now.high - now.value, before.value - before.low)
    chance = 2 * normal_tail(abs(change) / error) if error > 1e-5 else (1.0 if not change else _by_reach(change, down, up))
    return Between(change, change - down, change + up), chance


def log_rank(length: ArrayLike, ended: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """Whether the stays of the second group differ in length: how many fewer of them ended than expected, and its probability by chance.

    Positive: the second group stays longer.
    """
    length, ended, second = np.asarray(length, float), np.asarray(ended, bool), np.asarray(second, bool)
    times, at_risk, gone, gone_second = _table(length, ended, second)
    own = np.sort(length[second])
    of_second = len(own) - np.searchsorted(own, times, side="left")
    expected = float(np.sum(gone * of_second / at_risk))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(at_risk > 1, (at_risk - gone) / (at_risk - 1), 0.0)
    variance = float(np.sum(gone * (of_second / at_risk) * (1 - of_second / at_risk) * spread))
    missing = expected - float(gone_second.sum())
    return missing, 2 * normal_tail(abs(missing) / math.sqrt(variance)) if variance > 0 else 1.0


def normal_tail(z: float) -> float:
    """The probability that a standard normal exceeds z."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def usable_until(length: ArrayLike) -> float:
    """The longest time at which enough stays were still looked at; the longest of all where there never were enough."""
    ordered = np.sort(np.asarray(length, float))
    if not len(ordered):
        return 0.0
    return float(ordered[max(len(ordered) - ENOUGH_AT_RISK, 0)] if len(ordered) >= ENOUGH_AT_RISK else ordered[-1])


def _table(length: Floats, ended: NDArray[np.bool_], asked: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats]:
    """At each time at which somebody left: how many were there until then, how many left, and how many of those are asked about."""
    times, place = np.unique(length[ended], return_inverse=True)
    ordered = np.sort(length)
    at_risk = (len(length) - np.searchsorted(ordered, times, side="left")).astype(float)
    gone = np.bincount(place, minlength=len(times)).astype(float)
    of_asked = np.bincount(place, asked[ended].astype(float), minlength=len(times)).astype(float)
    return times, at_risk, gone, of_asked


def _incidence(at_risk: Floats, gone: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """The share still there before each time, and the share that has ended in the way asked about by then."""
    left = np.cumprod(1.0 - gone / at_risk)
    before: Floats = np.concatenate([[1.0], left])[:-1]
    return before, np.cumsum(before * asked / at_risk)


def _first(times: Floats, reached: NDArray[np.bool_]) -> float | None:
    place = int(np.argmax(reached)) if reached.any() else -1
    return None if place < 0 else float(times[place])


def _carried(values: Floats) -> Floats:
    """What is no number takes the number before it; 1 where there was none."""
    place = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), -1)) if len(values) else np.zeros(0, int)
    return np.where(place >= 0, values[place], 1.0) if len(values) else values


def _by_reach(change: float, down: float, up: float) -> float:
    """The chance of a change between shares of 0 and 1, whose variances say nothing: by how far its interval lies from none."""
    reach = down if change > 0 else up
    return 2 * normal_tail(Z * abs(change) / reach) if reach > 0 else 0.0
