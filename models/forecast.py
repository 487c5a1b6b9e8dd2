"""Conversions and revenue of the next weeks, with an interval that says what it is made of; and how well past ones held.

In: open leads by their calibrated probability and its age; how conversions spread over the horizon; what a conversion is worth; how
many leads arrived and how they fared; and how far promised and observed conversions lay apart before (`Spread`). Out: a
`Forecast`, a row a week, with what is open and what has still to arrive kept apart. No clock and no I/O.

Three things make a forecast wrong, and the interval adds all three (docs/adr/0024): the luck of the draw, for leads convert or not one
by one; the level of the probabilities, off by as much as calibration says itself and the backtest has shown; and months that
are good or bad for everybody. The first shrinks with the number of leads, the other two do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.inputs import Floats
from models.looks import BACKTEST, NoBacktest
from models.parquet_columns import read_columns
from models.survival import wilson

__all__ = [
    "Arrivals",
    "Check",
    "Checked",
    "Forecast",
    "Looks",
    "Open",
    "Range",
    "Revenue",
    "Spread",
    "Week",
    "check",
    "forecast",
    "kept",
    "level_by_age",
    "read_looks",
    "spread_of",
]

Ints = NDArray[np.int64]
LEVEL = 0.9
"""Of the intervals: nine weeks in ten."""
DAY = 86_400_000_000
DRAWS = 4_000
_ASSUMED = 0.25
"""How much good and bad months differ where nothing tells: a quarter up or down, which is a lot."""
_FEWEST_PERIODS = 4
_FEWEST_EXPECTED = 3.0
_Z = 1.645


@dataclass(frozen=True)
class Open:
    """Open leads in groups of the same."""

    probability: Floats
    reach: Floats
    """Half the width of the probability's own interval, as one standard deviation."""
    age_days: Floats
    """Of the score."""
    count: Floats
    worth: Floats
    """Expected amount of a conversion; NaN where none is known."""


@dataclass(frozen=True)
class Arrivals:
    """Leads that came of late, and how such leads fare with age."""

    weekly: Floats
    """Of each of the last whole weeks."""
    converted: Callable[[Floats], Floats]
    """The share that has converted by an age in days."""
    leads: int
    """Of how many leads that is known."""


@dataclass(frozen=True)
class Revenue:
    """What conversions brought of late."""

    mean: float
    variation: float
    """Standard deviation over mean."""
    count: int


@dataclass(frozen=True)
class Looks:
    """Looks at leads that the measured model never saw, by instant."""

    at: Ints
    lead: Ints
    probability: Floats
    reach: Floats
    y: Floats


class Spread(msgspec.Struct):
    """By how much the level of a forecast is off, beyond luck, as standard deviations of its logarithm."""

    calibration: float
    """For the whole time alike."""
    months: float
    """From one month to another."""
    periods: int
    """Of which the second is known; 0: it is assumed."""
    by: str
    """What they are: `month` or `week`; `none` where there are too few."""


class Range(msgspec.Struct):
    """An expected number with its interval at the forecast's level."""

    expected: float
    low: float
    high: float


class Week(msgspec.Struct):
    """Seven days; conversions and revenue of all leads, and of those that are open now and those to come apart."""

    begins: datetime
    ends: datetime
    conversions: Range
    of_open: Range | None
    of_new: Range | None
    revenue: Range | None
    revenue_of_open: float | None
    revenue_of_new: float | None


class Parts(msgspec.Struct):
    """What the uncertainty of the conversions of all these weeks is made of: shares of its variance."""

    luck: float
    calibration: float
    months: float
    arrivals: float


class Check(msgspec.Struct):
    """How often what happened lay inside the interval that would have been given before."""

    by: str
    """What was forecast: `month` or `week` of the backtest, or `kept` forecasts of this installation."""
    periods: list[Checked]
    held: int
    of: int
    coverage: float | None
    low: float | None
    """The coverage is itself only known so well: its 95 % interval."""
    high: float | None


class Checked(msgspec.Struct):
    """One past period."""

    begins: datetime
    expected: float
    low: float
    high: float
    actual: float
    held: bool


class Forecast(msgspec.Struct):
    """The whole of it."""

    as_of: datetime
    level: float
    horizon_days: float | None
    open_leads: int
    outdated: int
    """Open leads whose score is older than the horizon: nothing is said of them."""
    open_total: Range | None
    """Conversions of the leads that are open now, within the horizon."""
    weeks: list[Week]
    total: Range | None
    """Of all the weeks together."""
    revenue_total: Range | None
    parts: Parts | None
    spread: Spread
    timing: str
    """Where the weeks of conversions come from: `by_day` of the model, `even` over the horizon, or `none`."""
    arrivals_per_week: Range | None
    missing: list[str]
    """What could not be said, and what it needs."""


def forecast(
    open_: Open,
    now: int,
    *,
    horizon: float | None,
    by: Callable[[Floats], Floats] | None,
    arrivals: Arrivals | None,
    revenue: Revenue | None,
    spread: Spread,
    weeks: int = 13,
    seed: int = 0,
) -> Forecast:
    """The weeks from `now`. `by` gives, of the conversions within the horizon, the share that comes by each day, for each
    group of open leads (groups × days); None: evenly."""
    rng = np.random.default_rng(seed)
    inside = open_.age_days < (horizon if horizon is not None else np.inf)
    groups = _only(open_, inside)
    timed = horizon is not None
    edges: Floats = np.arange(weeks + 1, dtype=np.float64) * 7.0
    shares = _by_week(groups, edges, horizon, by) if horizon is not None else np.zeros((len(groups.count), weeks))
    level = _levels(spread, weeks, rng)
    chance = groups.probability[:, None] * shares
    of_open = _drawn(groups.count, chance, level, rng) if timed else None
    of_new, rate = (None, None) if arrivals is None else _arriving(arrivals, edges, level, rng)
    parts = [draws for draws in (of_open, of_new) if draws is not None]
    conversions: Floats = np.sum(parts, axis=0) if parts else np.zeros((DRAWS, 0))
    means = groups.count @ chance, np.zeros(weeks) if arrivals is None else _new_means(arrivals, edges)
    expected = (means[0] if of_open is not None else 0.0) + means[1]
    money = _money(groups, chance, of_open, of_new, revenue, rng)
    listed = []
    for week in range(weeks) if parts else ():
        begins = now + week * 7 * DAY
        listed.append(
            Week(
                begins=_moment(begins),
                ends=_moment(begins + 7 * DAY),
                conversions=_range(float(expected[week]), conversions[:, week]),
                of_open=None if of_open is None else _range(float(means[0][week]), of_open[:, week]),
                of_new=None if of_new is None else _range(float(means[1][week]), of_new[:, week]),
                revenue=None if money is None else _range(float(money.expected[:, week].sum()), money.drawn[:, week]),
                revenue_of_open=None if money is None or of_open is None else _rounded(float(money.expected[0, week])),
                revenue_of_new=None if money is None or of_new is None else _rounded(float(money.expected[1, week])),
            )
        )
    everyone = groups.probability * _remaining(groups, horizon, by)
    return Forecast(
        as_of=_moment(now),
        level=LEVEL,
        horizon_days=horizon,
        open_leads=int(open_.count.sum()),
        outdated=int(open_.count[~inside].sum()),
        open_total=_range(float(groups.count @ everyone), _drawn(groups.count, everyone[:, None], level[:, :1], rng)[:, 0])
        if len(groups.count)
        else None,
        weeks=listed,
        total=_range(float(np.sum(expected)), conversions.sum(axis=1)) if listed else None,
        revenue_total=_range(float(money.expected.sum()), money.drawn.sum(axis=1)) if listed and money is not None else None,
        parts=_parts(groups.count, chance, means, spread, rate) if listed else None,
        spread=spread,
        timing="none" if not timed else "even" if by is None else "by_day",
        arrivals_per_week=None if rate is None else _range(float(rate[0]), rate[1]),
        missing=[],
    )


def spread_of(looks: Looks | None, reach: float, *, without: int | None = None) -> Spread:
    """From past looks: how far apart promised and observed were as a whole, and from period to period, beyond luck.

    `reach` is what calibration says of itself, as a share of the level. `without` leaves one period out, to be forecast.
    """
    periods = None if looks is None else _periods(looks)
    if periods is None:
        return Spread(_rounded(max(reach, 1e-3)), _ASSUMED, 0, "none")
    keep = np.arange(len(periods.expected)) != (-1 if without is None else without)
    expected, observed, luck = periods.expected[keep], periods.observed[keep], periods.luck[keep]
    off = math.log((observed.sum() + 0.5) / (expected.sum() + 0.5))
    error = float(luck.sum()) / float(expected.sum()) ** 2
    level = math.sqrt(reach**2 + max(off**2 - error, 0.0))
    own = np.log((observed + 0.5) / (expected + 0.5))
    variance = luck / expected**2
    weight = 1.0 / variance
    centre = float(weight @ own / weight.sum())
    excess = float(weight @ (own - centre) ** 2) - (len(own) - 1)
    scale = float(weight.sum() - (weight @ weight) / weight.sum())
    between = max(excess / scale, 0.0) if scale > 0 else 0.0
    # Few periods tell little of how much periods differ: what they cannot exclude is kept, as a share of the luck in one.
    doubt = float(np.median(variance)) * math.sqrt(2.0 / max(len(own) - 1, 1)) * 0.5
    return Spread(_rounded(level), _rounded(math.sqrt(between + doubt)), len(own), periods.by)


def level_by_age(promised: Floats, came: Floats) -> tuple[Floats, Floats]:
    """Factors on the probabilities of leads by age, and how sure each is as a standard deviation of its logarithm.

    Models look at leads when something happens to them, and see few that are old and silent: of those they promise too much.
    What leads of that age really did, against what they were promised, mends it, as far as the record goes: how far ages
    differ at all is learned from all of them together (gamma-Poisson, by its likelihood), so that luck in one moves nothing.
    """
    strengths = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])
    likelihood = [
        sum(
            math.lgamma(came_ + k) - math.lgamma(k) - (came_ + k) * math.log1p(promised_ / k) + came_ * math.log(max(promised_, 1e-12) / k)
            for promised_, came_ in zip(promised.tolist(), came.tolist(), strict=True)
        )
        for k in strengths.tolist()
    ]
    strength = float(strengths[int(np.argmax(likelihood))])
    factor: Floats = (came + strength) / (promised + strength)
    return factor, 1.0 / np.sqrt(came + strength)


def check(looks: Looks | None, *, seed: int = 0) -> Check:
    """Each period of the backtest, forecast from the probabilities with the spread of the others: how many held."""
    periods = None if looks is None else _periods(looks)
    if looks is None or periods is None:
        return _checked("none", [])
    rng = np.random.default_rng(seed)
    found = []
    for place in range(len(periods.expected)):
        rows = periods.of == place
        spread = spread_of(looks, periods.reach, without=place)
        level = _levels(spread, 1, rng)
        drawn = _drawn(np.ones(int(rows.sum())), periods.probability[rows][:, None], level, rng)[:, 0]
        span = _range(float(periods.expected[place]), drawn)
        actual = float(periods.observed[place])
        found.append(
            Checked(_moment(int(periods.begins[place])), span.expected, span.low, span.high, actual, span.low <= actual <= span.high)
        )
    return _checked(periods.by, found)


def kept(past: Sequence[Checked]) -> Check:
    """Forecasts that this installation gave, against what came."""
    return _checked("kept", list(past))


def read_looks(bundle: Path) -> Looks:
    """The looks of a bundle's backtest that have instants; raises NoBacktest."""
    try:
        found = read_columns(bundle / BACKTEST, ("lead", "as_of", "probability", "probability_low", "probability_high", "y"))
    except OSError:
        raise NoBacktest(cause=f"no {BACKTEST} in {bundle.name}") from None
    if not {"as_of", "probability", "y"} <= found.keys() or not len(found["y"]):
        raise NoBacktest(cause="its rows have no instants")
    at = found["as_of"].astype(np.int64)
    lead = np.unique(found["lead"].astype(str), return_inverse=True)[1] if "lead" in found else np.arange(len(at))
    p = found["probability"].astype(float)
    reach = np.zeros(len(p))
    if {"probability_low", "probability_high"} <= found.keys():
        reach = (found["probability_high"].astype(float) - found["probability_low"].astype(float)) / (2 * 1.96)
    order = np.argsort(at, kind="stable")
    return Looks(at[order], lead[order].astype(np.int64), p[order], reach[order], found["y"].astype(float)[order])


# --------------------------------------------------------------------------------------------------------- past periods


@dataclass(frozen=True)
class _Periods:
    by: str
    begins: Ints
    of: Ints
    """Of each look that counts, its period."""
    probability: Floats
    expected: Floats
    observed: Floats
    luck: Floats
    reach: float


def _periods(looks: Looks) -> _Periods | None:
    """Months, or weeks where there are too few; each lead counts once in a period, as it was first seen. None below four periods."""
    for by in ("month", "week"):
        begins = _begins(looks.at, by)
        starts, place = np.unique(begins, return_inverse=True)
        first = np.unique(place.astype(np.int64) * (int(looks.lead.max()) + 1) + looks.lead, return_index=True)[1]
        expected = np.bincount(place[first], looks.probability[first], len(starts))
        enough = expected >= _FEWEST_EXPECTED
        if enough.sum() < _FEWEST_PERIODS:
            continue
        rows = first[enough[place[first]]]
        again = np.cumsum(enough) - 1
        of, p = again[place[rows]], looks.probability[rows]
        size = int(enough.sum())
        return _Periods(
            by,
            starts[enough],
            of,
            p,
            np.bincount(of, p, size).astype(float),
            np.bincount(of, looks.y[rows], size).astype(float),
            np.bincount(of, p * (1 - p), size).astype(float),
            float(looks.reach[rows].sum() / p.sum()),
        )
    return None


def _begins(at: Ints, by: str) -> Ints:
    if by == "week":
        monday = 4 * DAY  # 1 January 1970 was a Thursday
        return (at - monday) // (7 * DAY) * (7 * DAY) + monday
    return at.astype("datetime64[us]").astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def _checked(by: str, periods: list[Checked]) -> Check:
    held = sum(one.held for one in periods)
    low, high = wilson(held / len(periods), len(periods)) if periods else (None, None)
    return Check(by, periods, held, len(periods), _rounded(held / len(periods)) if periods else None, low, high)


# ---------------------------------------------------------------------------------------------------------------- draws


def _levels(spread: Spread, weeks: int, rng: np.random.Generator) -> Floats:
    """Factors on every probability, draws × weeks: one for all the time, and one for each four weeks. Their mean is 1."""
    months = -(-weeks // 4)
    common = rng.normal(-(spread.calibration**2) / 2, spread.calibration, (DRAWS, 1))
    own = rng.normal(-(spread.months**2) / 2, spread.months, (DRAWS, months))
    factors: Floats = np.exp(common + np.repeat(own, 4, axis=1)[:, :weeks])
    return factors


def _drawn(count: Floats, chance: Floats, level: Floats, rng: np.random.Generator) -> Floats:
    """Conversions, draws × weeks. Leads of different probabilities are drawn as so many alike that mean and variance agree."""
    mean, squares = count @ chance, count @ chance**2
    alike = np.maximum(np.round(np.divide(mean**2, squares, out=np.zeros_like(mean), where=squares > 0)), 1.0)
    drawn: Floats = rng.binomial(alike.astype(np.int64), np.minimum(mean / alike * level, 1.0)).astype(float)
    return drawn


def _arriving(arrivals: Arrivals, edges: Floats, level: Floats, rng: np.random.Generator) -> tuple[Floats, tuple[float, Floats]]:
    """Conversions of leads to come, draws × weeks; and how many come a week, with draws of it."""
    weekly = arrivals.weekly
    mean = float(weekly.mean())
    error = math.sqrt(max(float(weekly.var(ddof=1)) if len(weekly) > 1 else mean, mean) / len(weekly))
    # Weeks to come differ as those did that were: an average of several weeks errs less than one of them.
    rate = np.maximum(rng.normal(mean, error, (DRAWS, 1)), 0.0)
    unit = _new_means(arrivals, edges) / mean if mean else np.zeros(len(edges) - 1)
    return rng.poisson(rate * unit * level).astype(float), (mean, rng.poisson(rate[:, 0]).astype(float))


def _new_means(arrivals: Arrivals, edges: Floats) -> Floats:
    """Expected conversions of each week from leads that arrive in it and in the weeks before."""
    # Of leads that come evenly, week by week, those converted in week w are as many as a week's leads convert by the age at its middle.
    means: Floats = float(arrivals.weekly.mean()) * arrivals.converted(edges[1:] - 3.5)
    return means


def _by_week(groups: Open, edges: Floats, horizon: float, by: Callable[[Floats], Floats] | None) -> Floats:
    """Of each group's probability the share that falls into each week, given that it has not converted since it was scored."""
    ages = np.minimum(groups.age_days[:, None] + edges[None, :], horizon)
    reached = _reached(groups, ages, horizon, by)
    left = 1.0 - groups.probability * reached[:, 0]
    shares: Floats = np.diff(reached, axis=1) / np.maximum(left, 1e-9)[:, None]
    return shares


def _remaining(groups: Open, horizon: float | None, by: Callable[[Floats], Floats] | None) -> Floats:
    if horizon is None:
        return np.ones(len(groups.count))
    ages = np.stack([groups.age_days, np.full(len(groups.age_days), horizon)], axis=1)
    reached = _reached(groups, ages, horizon, by)
    share: Floats = (1.0 - reached[:, 0]) / np.maximum(1.0 - groups.probability * reached[:, 0], 1e-9)
    return share


def _reached(groups: Open, ages: Floats, horizon: float, by: Callable[[Floats], Floats] | None) -> Floats:
    if by is None or not len(groups.count):
        return ages / horizon
    return by(ages)


def _only(open_: Open, rows: NDArray[np.bool_]) -> Open:
    return Open(open_.probability[rows], open_.reach[rows], open_.age_days[rows], open_.count[rows], open_.worth[rows])


@dataclass(frozen=True)
class _Money:
    expected: Floats
    """Of open leads and of new ones, by week."""
    drawn: Floats


def _money(
    groups: Open, chance: Floats, of_open: Floats | None, of_new: Floats | None, revenue: Revenue | None, rng: np.random.Generator
) -> _Money | None:
    """Amounts of so many conversions: they differ as those of late did, and their mean is only known so well."""
    if revenue is None or (of_open is None and of_new is None):
        return None
    worth = np.where(np.isfinite(groups.worth), groups.worth, revenue.mean)
    mean = groups.count @ chance
    weighted = (groups.count * worth) @ chance
    each = np.divide(weighted, mean, out=np.full(len(mean), revenue.mean), where=mean > 0)
    shape = 1.0 / max(revenue.variation, 0.05) ** 2
    off = np.exp(rng.normal(0.0, revenue.variation / math.sqrt(max(revenue.count, 1)), (DRAWS, 1)))
    drawn = np.zeros((DRAWS, len(mean)))
    expected = np.zeros((2, len(mean)))
    if of_open is not None:
        expected[0] = weighted
        drawn += rng.gamma(np.maximum(of_open, 1e-12) * shape) / shape * each * (of_open > 0)
    if of_new is not None:
        expected[1] = of_new.mean(axis=0) * revenue.mean
        drawn += rng.gamma(np.maximum(of_new, 1e-12) * shape) / shape * revenue.mean * (of_new > 0)
    return _Money(expected, drawn * off)


def _parts(count: Floats, chance: Floats, means: tuple[Floats, Floats], spread: Spread, rate: tuple[float, Floats] | None) -> Parts:
    """By the law of total variance, to first order."""
    both = means[0] + means[1]
    luck = float((count @ (chance * (1 - chance))).sum() + means[1].sum())
    calibration = float(both.sum()) ** 2 * math.expm1(spread.calibration**2)
    blocks = [float(both[start : start + 4].sum()) for start in range(0, len(both), 4)]
    months = sum(block**2 for block in blocks) * math.expm1(spread.months**2)
    arrivals = 0.0
    if rate is not None and rate[0]:
        arrivals = max(float(rate[1].var()) - rate[0], 0.0) / rate[0] ** 2 * float(means[1].sum()) ** 2
    total = luck + calibration + months + arrivals or 1.0
    return Parts(*(_rounded(one / total) for one in (luck, calibration, months, arrivals)))


def _range(expected: float, drawn: Floats) -> Range:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Range(_rounded(expected), _rounded(min(float(low), expected)), _rounded(max(float(high), expected)))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _moment(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
