"""The pipeline: who moves on from which stage, how fast, where it sticks, and whether that is more than chance.

In: every stage entered and every outcome, as columns sorted by lead and instant (`Events`), and an instant to look from. Out: a
`Pipeline`: stages in their order, cohorts by month, wins, and bottlenecks with their support; msgspec structs, ready to be
answered. Durations are days.

Nobody declares the order of stages: one stage is before another where more leads went that way first. A move counts as moving on
when it leads to a later stage from which no fewer are won, or to a conversion; what leads to a stage with worse prospects, such
as one for parking, is set back. A stage that is entered with the outcome ("Closed won") is the outcome, and no stage. Leads
that are still in a stage count for as long as they are there. What is called a bottleneck has changed against the period before
by more than chance, all stages considered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.inputs import Floats
from models.survival import Between, Share, differ, incidence, kaplan_meier, log_rank, normal_tail, usable_until, wilson

__all__ = ["LOST", "WON", "Bottleneck", "Cohort", "Deals", "Events", "Figure", "Moves", "Pipeline", "Stage", "pipeline"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
DAY = 86_400_000_000
WON, LOST = -1, -2
"""What stands for a stage where an event is an outcome."""
MOST_STAGES = 40
MONTHS = 12
ENOUGH = 5
"""Stays below which a stage is not compared with itself."""
_ENDS_WITHIN = DAY // 24
"""A stage entered so shortly before or after an outcome was entered with it."""
_DRAWS = 400


@dataclass(frozen=True)
class Events:
    """What happened, by lead and then by instant; an outcome comes after the stages of the same instant."""

    lead: Ints
    """0, 1, … in ascending order."""
    at: Ints
    stage: Ints
    """A place in `names`, or WON or LOST."""
    amount: Floats
    """Of outcomes that have one; otherwise NaN."""
    names: Sequence[str]


class Figure(msgspec.Struct):
    """A figure with its 95 % interval; an end is null where the data do not reach it."""

    value: float
    low: float | None
    high: float | None


class Moves(msgspec.Struct):
    """What became of those who entered a stage within a time."""

    entered: int
    moved_on: int
    set_back: int
    lost: int
    open: int
    """Still there."""
    conversion: Figure | None
    """The share that moves on within `within_days`, those who are still there accounted for."""
    median_days: Figure | None
    """How long a lead is there; null while fewer than half of them have left."""
    p80_days: Figure | None


class Stage(msgspec.Struct):
    """One stage, in the period and in the one before."""

    name: str
    aside: bool
    """Whether entering it worsens a lead's prospects: a stage to park in, not a step."""
    now: Moves
    before: Moves
    within_days: float
    change: Figure | None
    """By how much the conversion differs from that of the period before, on the same `within_days`."""
    change_p: float | None
    slower_p: float | None
    """The probability by chance of stays that differ so much in length from those of the period before."""
    waiting: int
    """Leads that are in it now, whenever they entered."""
    overdue: int
    """Those of them who have been for longer than four in five are."""


class Cohort(msgspec.Struct):
    """The leads that entered the pipeline in one month, and how far they have come."""

    month: str
    leads: int
    reached: dict[str, int]
    won: int
    lost: int
    open: int
    amount: float | None
    win_share: Figure
    """Won so far, of all of them: of a young cohort it has still to grow."""


class Deals(msgspec.Struct):
    """What was closed in a period."""

    won: int
    lost: int
    win_rate: Figure | None
    """Won, of those closed."""
    amount: float | None
    """Sum of what was won; null where no amounts are known."""
    average_deal: Figure | None
    with_amount: int
    median_days_to_win: float | None
    """From entering the pipeline."""
    won_per_week: Figure
    velocity: Figure | None
    """What open leads beyond the first stage bring a day: their number × win rate × average deal ÷ days to win."""


class Bottleneck(msgspec.Struct):
    """What has got worse, by more than chance."""

    stage: str
    kind: str
    """`fewer` move on, leads stay for `longer`, or more of them `wait` than when the period began."""
    value: float
    before: float
    low: float | None
    """Of the change in value."""
    high: float | None
    p: float
    count: int
    count_before: int


class Pipeline(msgspec.Struct):
    """The whole of it."""

    as_of: datetime
    days: int
    """Length of the period, and of the one before it that it is compared with."""
    leads: int
    """In the pipeline at any time."""
    open: int
    stages: list[Stage]
    other_stages: int
    """Names of stages that are too rare to be listed."""
    ends: list[str]
    """Stages that are entered with an outcome, and count as that outcome."""
    deals: Deals
    deals_before: Deals
    cohorts: list[Cohort]
    bottlenecks: list[Bottleneck]
    time_of_wins: dict[str, Figure]
    """Of the days that leads won in the period took, the share spent in each stage."""


def pipeline(events: Events, now: int, days: int = 90) -> Pipeline:
    """The pipeline of the last `days`, seen from an instant; what happened after it is not looked at."""
    flow = _flow(events, now)
    start, before = now - days * DAY, now - 2 * days * DAY
    stages = [_stage(flow, code, before, start, now) for code in flow.order]
    return Pipeline(
        as_of=_moment(now),
        days=days,
        leads=int(flow.leads),
        open=int(flow.open_now.sum()),
        stages=stages,
        other_stages=flow.others,
        ends=[flow.names[code] for code in flow.ends],
        deals=_deals(flow, start, now),
        deals_before=_deals(flow, before, start),
        cohorts=_cohorts(flow, now),
        bottlenecks=_bottlenecks(flow, stages, start, now),
        time_of_wins=_time_of_wins(flow, start, now),
    )


# ------------------------------------------------------------------------------------------------------- stays in stages


@dataclass(frozen=True)
class _Flow:
    """Stays: from entering a stage until the next event of the lead, or until now."""

    names: Sequence[str]
    order: list[int]
    ends: list[int]
    others: int
    lead: Ints
    stage: Ints
    begun: Ints
    ended: Ints
    """`now` where it has not."""
    next: Ints
    """The stage or outcome after it; `_STILL` where there is none."""
    forward: Bools
    """Whether it ended by moving on."""
    aside: set[int]
    leads: int
    first: Ints
    """By lead: when it entered the pipeline."""
    closed: Ints
    """By lead: its first conversion, else its last loss that stands, else `_NEVER`."""
    won: Bools
    amount: Floats
    open_now: Bools


_STILL = -9
_NEVER = np.iinfo(np.int64).max


def _flow(events: Events, now: int) -> _Flow:
    seen = events.at <= now
    lead, at, stage, amount = events.lead[seen], events.at[seen], events.stage[seen], events.amount[seen]
    stage, others = _common(stage, len(events.names))
    kept = stage != _STILL
    lead, at, stage, amount = lead[kept], at[kept], stage[kept], amount[kept]
    if not len(lead):
        none = np.zeros(0, np.int64)
        no = np.zeros(0, bool)
        return _Flow(events.names, [], [], others, none, none, none, none, none, no, set(), 0, none, none, no, np.zeros(0), no)
    lead = np.cumsum(np.concatenate([[0], (np.diff(lead) != 0).astype(np.int64)]))
    leads = int(lead[-1]) + 1
    ends = _ends(lead, at, stage, len(events.names))
    first = at[np.concatenate([[True], np.diff(lead) != 0])]
    # What ends with the outcome is no stage; a stage that is entered again while it lasts was never left.
    kept = ~np.isin(stage, ends)
    lead, at, stage, amount = lead[kept], at[kept], stage[kept], amount[kept]
    new = np.concatenate([[True], (np.diff(lead) != 0) | (np.diff(stage) != 0)]) if len(lead) else np.zeros(0, bool)
    lead, at, stage, amount = lead[new], at[new], stage[new], amount[new]
    last = np.concatenate([np.diff(lead) != 0, [True]]) if len(lead) else np.zeros(0, bool)
    ended = np.where(last, now, np.concatenate([at[1:], [now]]))[: len(at)]
    follows = np.where(last, _STILL, np.concatenate([stage[1:], [_STILL]]))[: len(at)]
    closed, won, paid = np.full(leads, _NEVER), np.zeros(leads, bool), np.full(leads, np.nan)
    lost = last & (stage == LOST)
    closed[lead[lost]] = at[lost]
    wins = np.flatnonzero(stage == WON)[::-1]  # backwards, so that the first one stays
    closed[lead[wins]], won[lead[wins]], paid[lead[wins]] = at[wins], True, amount[wins]
    stay = stage >= 0
    order = _order(lead[stay], at[stay], stage[stay], leads)
    worth = _win_shares(lead[stay], stage[stay], won, closed != _NEVER, len(events.names))
    rank = np.full(len(events.names), -1)
    rank[order] = np.arange(len(order))
    forward, aside = _forward(stage[stay], follows[stay], rank, worth)
    return _Flow(
        events.names, order, ends, others, lead[stay], stage[stay], at[stay], ended[stay], follows[stay], forward, aside,
        leads, first, closed, won, paid, closed == _NEVER,
    )  # fmt: skip


def _common(stage: Ints, names: int) -> tuple[Ints, int]:
    """Stages that are among the most common; the others are passed over."""
    counts = np.bincount(stage[stage >= 0], minlength=names)
    rare = np.argsort(-counts, kind="stable")[MOST_STAGES:]
    rare = rare[counts[rare] > 0]
    return np.where(np.isin(stage, rare), _STILL, stage), len(rare)


def _ends(lead: Ints, at: Ints, stage: Ints, names: int) -> list[int]:
    """Stages of which nearly all entries come with an outcome: within the hour, nothing but the outcome beside them."""
    same = np.diff(lead) == 0
    soon = same & (np.diff(at) <= _ENDS_WITHIN)
    before = np.concatenate([soon & (stage[1:] < 0), [False]])  # the outcome follows at once
    after = np.concatenate([[False], soon & (stage[:-1] < 0)])  # or has just been
    last = np.concatenate([~same, [True]])
    counts = np.bincount(stage[stage >= 0], minlength=names)
    with_outcome = np.bincount(stage[(stage >= 0) & (before | (after & last))], minlength=names)
    # The stage before a quick end is entered with an outcome now and then, the end itself always.
    return [int(code) for code in np.flatnonzero((counts > 0) & (with_outcome >= 0.95 * counts))]


def _order(lead: Ints, at: Ints, stage: Ints, leads: int) -> list[int]:
    """Stages by how often each is first reached before the others."""
    present = np.unique(stage)
    if not len(present):
        return []
    place = np.full(int(present.max()) + 1, -1)
    place[present] = np.arange(len(present))
    first = np.full((len(present), leads), _NEVER)
    np.minimum.at(first, (place[stage], lead), at)
    sooner = np.zeros((len(present), len(present)))
    for one in range(len(present)):
        both = (first[one] != _NEVER) & (first != _NEVER)
        sooner[one] = np.sum(both & (first[one] < first), axis=1)
    with np.errstate(invalid="ignore"):
        share = np.where(sooner + sooner.T > 0, sooner / (sooner + sooner.T), 0.5)
    np.fill_diagonal(share, 0.5)
    return [int(code) for code in present[np.argsort(-share.mean(axis=1), kind="stable")]]


def _win_shares(lead: Ints, stage: Ints, won: Bools, resolved: Bools, names: int) -> list[Share | None]:
    """Of the leads that were in a stage and are closed, the share that was won."""
    found: list[Share | None] = []
    for code in range(names):
        there = np.unique(lead[stage == code])
        there = there[resolved[there]]
        found.append(incidence(np.ones(len(there)), np.where(won[there], 1, 2), 2.0))
    return found


def _forward(stage: Ints, follows: Ints, rank: Ints, worth: Sequence[Share | None]) -> tuple[Bools, set[int]]:
    """Which stays ended by moving on, and which stages stand aside."""
    onward = np.zeros((len(rank), len(rank)), bool)
    aside: set[int] = set()
    pairs, counts = np.unique(np.stack([stage, follows]), axis=1, return_counts=True)
    entries: dict[int, list[int]] = {}
    for (one, other), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        if other < 0:
            continue
        here, there = worth[one], worth[other]
        worse = here is not None and there is not None and there.value < here.value and differ(there, here)[1] < 0.01
        onward[one, other] = rank[other] > rank[one] and not worse
        if rank[other] > rank[one]:
            better = entries.setdefault(other, [0, 0])
            better[int(worse)] += count
    aside = {code for code, (good, bad) in entries.items() if bad > good}
    moved = np.zeros(len(stage), bool)
    inside = follows >= 0
    moved[inside] = onward[stage[inside], follows[inside]]
    return moved | (follows == WON), aside


# ---------------------------------------------------------------------------------------------------------------- stages


def _stage(flow: _Flow, code: int, before: int, start: int, now: int) -> Stage:
    of_stage = flow.stage == code
    recent, earlier = of_stage & (flow.begun >= start), of_stage & (flow.begun >= before) & (flow.begun < start)
    length = (flow.ended - flow.begun) / DAY
    how = np.where(flow.next == _STILL, 0, np.where(flow.forward, 1, 2))
    # Both periods are looked at over the same time, the longest for which both say something.
    limits = [usable_until(length[rows]) for rows in (recent, earlier) if rows.sum() >= ENOUGH]
    within = min(limits) if limits else usable_until(length[recent | earlier])
    shares = [incidence(length[rows], how[rows], within) for rows in (recent, earlier)]
    change, chance, slower = None, None, None
    if shares[0] is not None and shares[1] is not None and min(recent.sum(), earlier.sum()) >= ENOUGH:
        difference, chance = differ(shares[0], shares[1])
        change = _figure(difference)
        either = recent | earlier
        # The earlier period is looked at for no longer than the recent one can be.
        cut = float((now - start) / DAY)
        _, slower = log_rank(np.minimum(length[either], cut), (how[either] > 0) & (length[either] <= cut), recent[either])
    waiting = of_stage & (flow.next == _STILL)
    moves = _moves(flow, recent, length, how, shares[0])
    usual = _moves(flow, recent | earlier, length, how, None).p80_days
    overdue = int((length[waiting] > usual.value).sum()) if usual is not None else 0
    return Stage(
        name=flow.names[code],
        aside=code in flow.aside,
        now=moves,
        before=_moves(flow, earlier, length, how, shares[1]),
        within_days=_rounded(within),
        change=change,
        change_p=chance,
        slower_p=slower,
        waiting=int(waiting.sum()),
        overdue=overdue,
    )


def _moves(flow: _Flow, rows: Bools, length: Floats, how: Ints, share: Share | None) -> Moves:
    curve = kaplan_meier(length[rows], how[rows] > 0)
    lost = rows & (flow.next == LOST)
    return Moves(
        entered=int(rows.sum()),
        moved_on=int((rows & (how == 1)).sum()),
        set_back=int((rows & (how == 2)).sum() - lost.sum()),
        lost=int(lost.sum()),
        open=int((rows & (how == 0)).sum()),
        conversion=None if share is None else Figure(_rounded(share.value), _rounded(share.low), _rounded(share.high)),
        median_days=_figure(curve.quantile(0.5)),
        p80_days=_figure(curve.quantile(0.8)),
    )


def _bottlenecks(flow: _Flow, stages: Sequence[Stage], start: int, now: int) -> list[Bottleneck]:
    """What has got worse; the more stages are looked at, the stronger a sign has to be."""
    found: list[Bottleneck] = []
    bar = 0.05 / max(3 * len(stages), 1)
    cycle = sum(stage.now.median_days.value for stage in stages if stage.now.median_days is not None)
    for stage, code in zip(stages, flow.order, strict=True):
        now_, then = stage.now, stage.before
        counts = (now_.entered, then.entered)
        change = stage.change
        if change is not None and change.value < 0 and stage.change_p is not None and stage.change_p < bar:
            assert now_.conversion is not None
            value = now_.conversion.value
            found.append(
                Bottleneck(stage.name, "fewer", value, _rounded(value - change.value), change.low, change.high, stage.change_p, *counts)
            )
        longer, usual = now_.median_days, then.median_days
        # Sure and of no weight is no bottleneck: a second more where others take weeks.
        matters = longer is not None and usual is not None and longer.value - usual.value > max(0.1 * usual.value, 0.02 * cycle)
        if matters and longer is not None and usual is not None and stage.slower_p is not None and stage.slower_p < bar:
            low = None if longer.low is None or usual.high is None else _rounded(longer.low - usual.high)
            high = None if longer.high is None or usual.low is None else _rounded(longer.high - usual.low)
            found.append(Bottleneck(stage.name, "longer", longer.value, usual.value, low, high, stage.slower_p, *counts))
        waited = int(((flow.stage == code) & (flow.begun < start) & (flow.ended > start)).sum())
        if stage.waiting > waited and stage.waiting + waited >= ENOUGH:
            # Of all who wait at either end, half would at each, were nothing changed.
            reach = math.sqrt(stage.waiting + waited)
            chance = normal_tail((stage.waiting - waited) / reach)
            # A queue that grows because more leads come is no bottleneck.
            if chance < bar and stage.waiting / max(waited, 1) > 1.2 * max(now_.entered, 1) / max(then.entered, 1):
                more = stage.waiting - waited
                found.append(
                    Bottleneck(
                        stage.name,
                        "wait",
                        stage.waiting,
                        waited,
                        _rounded(more - 1.96 * reach),
                        _rounded(more + 1.96 * reach),
                        chance,
                        *counts,
                    )
                )
    return sorted(found, key=lambda one: one.p)


# ------------------------------------------------------------------------------------------------------- wins and cohorts


def _deals(flow: _Flow, start: int, end: int) -> Deals:
    inside = (flow.closed >= start) & (flow.closed < end) if end != start else np.zeros(len(flow.closed), bool)
    won = inside & flow.won
    wins, losses = int(won.sum()), int((inside & ~flow.won).sum())
    weeks = (end - start) / (7 * DAY)
    amounts = flow.amount[won]
    amounts = amounts[np.isfinite(amounts)]
    rate = _share(wins, wins + losses) if wins + losses else None
    deal = _mean(amounts)
    took = (flow.closed[won] - flow.first[won]) / DAY
    days = float(np.median(took)) if wins else None
    low, high = _poisson(wins)
    return Deals(
        won=wins,
        lost=losses,
        win_rate=rate,
        amount=float(amounts.sum()) if len(amounts) else None,
        average_deal=deal,
        with_amount=len(amounts),
        median_days_to_win=None if days is None else _rounded(days),
        won_per_week=Figure(_rounded(wins / weeks), _rounded(low / weeks), _rounded(high / weeks)),
        velocity=_velocity(flow, end, rate, deal, took),
    )


def _velocity(flow: _Flow, end: int, rate: Figure | None, deal: Figure | None, took: Floats) -> Figure | None:
    """With the errors of its factors; None where one of them is not known."""
    if rate is None or deal is None or len(took) < ENOUGH or not rate.value or deal.value <= 0 or not flow.order:
        return None
    there = (flow.begun < end) & (flow.ended >= end) & (flow.stage != flow.order[0])
    count, mean = int(there.sum()), float(took.mean())
    if not count or mean <= 0:
        return None
    value = count * rate.value * deal.value / mean
    relative = [_relative(rate), _relative(deal), float(took.std(ddof=1) / math.sqrt(len(took)) / mean)]
    reach = math.exp(1.96 * math.hypot(*relative))
    return Figure(_rounded(value), _rounded(value / reach), _rounded(value * reach))


def _cohorts(flow: _Flow, now: int) -> list[Cohort]:
    found = []
    months = _months(now)
    entered = np.searchsorted(np.array([_instant(month) for month in months]), flow.first, side="right") - 1
    stay_month = entered[flow.lead]
    for place, month in enumerate(months[:-1]):
        inside = entered == place
        count = int(inside.sum())
        if not count:
            continue
        stays = stay_month == place
        reached = {flow.names[code]: len(np.unique(flow.lead[stays & (flow.stage == code)])) for code in flow.order}
        won = inside & flow.won
        amounts = flow.amount[won]
        lost = int((inside & (flow.closed != _NEVER) & ~flow.won).sum())
        found.append(
            Cohort(
                month=f"{month:%Y-%m}",
                leads=count,
                reached=reached,
                won=int(won.sum()),
                lost=lost,
                open=count - int(won.sum()) - lost,
                amount=float(np.nansum(amounts)) if np.isfinite(amounts).any() else None,
                win_share=_share(int(won.sum()), count),
            )
        )
    return found


def _time_of_wins(flow: _Flow, start: int, now: int) -> dict[str, Figure]:
    """Each stage's share of the days that won leads took, the interval by resampling leads."""
    winners = np.flatnonzero(flow.won & (flow.closed >= start) & (flow.closed <= now))
    if len(winners) < ENOUGH:
        return {}
    place = np.full(flow.leads, -1)
    place[winners] = np.arange(len(winners))
    rows = (place[flow.lead] >= 0) & (flow.begun < flow.closed[flow.lead])
    days = np.zeros((len(winners), len(flow.order)))
    at = {code: column for column, code in enumerate(flow.order)}
    column = np.array([at[code] for code in flow.stage[rows].tolist()], dtype=np.int64)
    spent = np.minimum(flow.ended[rows], flow.closed[flow.lead[rows]]) - flow.begun[rows]
    np.add.at(days, (place[flow.lead[rows]], column), spent / DAY)
    if days.sum() <= 0:
        return {}
    weights = np.random.default_rng(0).poisson(1.0, (_DRAWS, len(winners)))
    drawn = weights @ days
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = drawn / drawn.sum(axis=1, keepdims=True)
    low, high = np.nanquantile(shares, [0.025, 0.975], axis=0)
    value = days.sum(axis=0) / days.sum()
    return {
        flow.names[code]: Figure(_rounded(float(value[i])), _rounded(float(low[i])), _rounded(float(high[i])))
        for i, code in enumerate(flow.order)
    }


# --------------------------------------------------------------------------------------------------------------- figures


def _share(part: int, whole: int) -> Figure:
    low, high = wilson(part / whole, whole)
    return Figure(_rounded(part / whole), _rounded(low), _rounded(high))


def _mean(values: Floats) -> Figure | None:
    """A mean of amounts, which are skewed: the interval is resampled."""
    if not len(values):
        return None
    mean = float(values.mean())
    if len(values) < 3:
        return Figure(_rounded(mean), None, None)
    rng = np.random.default_rng(0)
    drawn = rng.choice(values, (_DRAWS, len(values))).mean(axis=1) if len(values) <= 5_000 else rng.normal(
        mean, values.std(ddof=1) / math.sqrt(len(values)), _DRAWS
    )  # fmt: skip
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(_rounded(mean), _rounded(float(low)), _rounded(float(high)))


def _poisson(count: int) -> tuple[float, float]:
    """Of a count that could have been another: the square root's normal approximation, good to a few per cent from nought on."""
    return max(0.0, math.sqrt(count + 0.25) - 0.98) ** 2 if count else 0.0, (math.sqrt(count + 1) + 0.98) ** 2


def _relative(figure: Figure) -> float:
    if figure.low is None or figure.high is None:
        return 1.0
    return (figure.high - figure.low) / (2 * 1.96 * figure.value)


def _figure(found: Between | None) -> Figure | None:
    if found is None:
        return None
    ends = [None if end is None else _rounded(end) for end in (found.low, found.high)]
    return Figure(_rounded(found.value), ends[0], ends[1])


def _rounded(value: float) -> float:
    """Six digits are more than anybody reads."""
    return float(f"{value:.6g}")


def _months(now: int) -> list[datetime]:
    """The first instants of the last months, the present one included, and of the next."""
    at = _moment(now)
    months = [datetime(at.year, at.month, 1, tzinfo=UTC)]
    for _ in range(MONTHS - 1):
        months.insert(0, (months[0] - timedelta(days=1)).replace(day=1))
    return [*months, (months[-1] + timedelta(days=32)).replace(day=1)]


def _moment(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


def _instant(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
