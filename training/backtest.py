"""Walk forward: what each past month's model, with that month's knowledge, would have routed, and what became of those leads.

In: a `Dataset` in the order of time, and when sales took each lead up, where that is known. Out: `Backtest`: per month the
model that would have served (trained by training's own steps on the labels that were known by its first day: mature ones) and, for
it and for each other rule at the same volume, the leads routed, those that converted and their amounts; over all months
the differences with intervals that resample leads.

A lead is routed once by each rule, at the first look at which it reaches the rule's cut, and judged by what it did within the
horizon from then on. The model's cut is its own default threshold. The others (declared points, the month's scorecard, chance, the order
in which sales worked) route as many leads of the same month, so that volumes are alike. A look that is not mature at the end of
the data is no look: its outcome is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadData
from data.frames import Tables
from data.project import Project
from features.history import DAY, NEVER
from models.encoder import Encoder
from models.inputs import Floats
from models.scorecard import declared_scorecard
from training.dataset import Dataset
from training.gates import MINIMUM_OF_A_CLASS
from training.served import matures, threshold_at
from training.train import Learned, Options, Watch, learn, ranking, serve, when_of

__all__ = ["Backtest", "Month", "Rule", "Worked", "backtest", "when_worked"]

Ints = NDArray[np.int64]
Say = Callable[[str], None]
RULES = ("model", "scorecard", "points", "sales", "random")
_RANDOM_DRAWS = 20
_HOUR = 3_600_000_000
_HALF_MONTH = 15 * DAY


class NoOrder(BadData):
    """Nothing says what came first, so nothing can be walked through: name a column with `--order-by`, or say `--order-by-row`."""


class NoMonth(BadData):
    """No month can be walked through: {why}. Bring older leads, or shorten `horizon_days`."""


@dataclass(frozen=True)
class Worked:
    """When sales first took each lead up (NEVER: not so far), and how that was read."""

    at: Ints
    said: str


@dataclass(frozen=True)
class Count:
    """Leads that one rule routed in one month; means over draws are no whole numbers."""

    leads: float
    converted: float
    revenue: float | None

    def as_json(self) -> dict[str, float | None]:
        return {"leads": self.leads, "converted": self.converted, "revenue": self.revenue}


@dataclass(frozen=True)
class Month:
    """One month (or part of an ordered flat table)."""

    name: str
    knew_leads: int
    knew_converted: int
    """Leads whose labels were known on the first day, and conversions among them."""
    kind: str | None
    """The model that would have served; None where there was none, and `why` says so."""
    why: str
    threshold: float | None
    seen: int
    """Leads that were looked at in this month and not routed before."""
    worked: int | None
    """Leads that sales took up in this month, whether they were looked at or not."""
    counts: Mapping[str, Count] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One rule over all months."""

    name: str
    leads: float
    converted: float
    conversion: float | None
    conversion_ci: tuple[float | None, float | None]
    revenue: float | None
    difference: float | None = None
    """Conversion of the model less that of this rule, on the same resampled leads."""
    difference_ci: tuple[float | None, float | None] = (None, None)
    revenue_difference: float | None = None
    revenue_difference_ci: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class Backtest:
    months: tuple[Month, ...]
    rules: tuple[Rule, ...]
    share: float
    horizon_days: float | None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        months = [
            {
                "month": one.name,
                "knew": {"leads": one.knew_leads, "converted": one.knew_converted},
                "model": one.kind,
                "why": one.why,
                "threshold": one.threshold,
                "seen": one.seen,
                "worked": one.worked,
                "rules": {name: count.as_json() for name, count in one.counts.items()},
            }
            for one in self.months
        ]
        rules = {one.name: {key: value for key, value in one.__dict__.items() if key != "name"} for one in self.rules}
        return {
            "format": 1,
            "share": self.share,
            "horizon_days": self.horizon_days,
            "months": months,
            "rules": rules,
            "notes": list(self.notes),
        }

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row a month and rule, for a table."""
        for month in self.months:
            for name, count in month.counts.items():
                yield {
                    "month": month.name,
                    "model": month.kind,
                    "threshold": month.threshold,
                    "seen": month.seen,
                    "rule": name,
                    **count.as_json(),
                }


@dataclass(frozen=True)
class _Period:
    name: str
    rows: Ints
    """Looks in this month, in order of time."""
    known: Ints
    """Looks whose labels were known on its first day."""


def backtest(
    data: Dataset,
    worked: Worked | None = None,
    *,
    mature_until: int | None = None,
    months: int = 6,
    share: float = 0.20,
    seed: int = 7,
    resamples: int = 500,
    say: Say = lambda text: None,
) -> Backtest:
    """Walks through the last `months` months whose looks are mature at least to the middle, which they are before `mature_until` (µs).

    `share` is what the model's threshold lets in.
    """
    walk = _Walk(data, worked, share, seed)
    periods = _periods(data, months, mature_until)
    done = []
    for number, period in enumerate(periods, start=1):
        say(f"{number} of {len(periods)}: {period.name}, knowing {len(np.unique(data.lead[period.known])):,} leads")
        done.append(walk.through(period))
    if not any(one.kind for one in done):
        raise NoMonth(why="; ".join(dict.fromkeys(one.why.rstrip(".") for one in done)) or "no look is mature")
    say(f"resampling {len(np.unique(data.lead)):,} leads {resamples} times")
    return Backtest(tuple(done), tuple(walk.totals(resamples)), share, data.horizon_days, tuple(_notes(data, done, worked)))


def when_worked(project: Project, tables: Tables) -> Worked | None:
    """When sales took each lead up, from its stages: the first that has an owner, else the first that is not entered by itself.

    A stage is entered by itself where most leads enter it within an hour of their first. None where stages do not show it.
    """
    stages = tables.stage_changes
    if len(stages):
        stages = stages[~stages["stage"].isin([*project.won, *project.lost])]
    if not len(stages):
        return None
    lead = stages["lead_row"].to_numpy(np.int64)
    entered = stages["entered_at"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    at = np.full(len(tables.leads), np.iinfo(np.int64).max)
    if "owner" in stages.columns and 0 < stages["owner"].notna().sum() < len(stages):
        by_sales, said = stages["owner"].notna().to_numpy(), "the first stage with an owner"
    else:
        first = np.full(len(tables.leads), np.iinfo(np.int64).max)
        np.minimum.at(first, lead, entered)
        soon = pd.Series(entered - first[lead] <= _HOUR).groupby(stages["stage"].astype(str).to_numpy()).mean()
        later = sorted(soon.index[soon < 0.5])
        by_sales = stages["stage"].astype(str).isin(later).to_numpy()
        said = f"the first of the stages {', '.join(later[:6])}" + (" …" if len(later) > 6 else "")
    if not by_sales.any():
        return None
    np.minimum.at(at, lead[by_sales], entered[by_sales])
    return Worked(np.where(at == np.iinfo(np.int64).max, NEVER, at), said)


class _Walk:
    """What has been routed so far, by each rule: a share of each look (whole, but for chance, which is a mean over draws)."""

    def __init__(self, data: Dataset, worked: Worked | None, share: float, seed: int) -> None:
        self.data, self.worked, self.share, self.seed = data, worked, share, seed
        self.amount = None if data.amount is None else np.nan_to_num(data.amount)
        leads = int(data.lead.max()) + 1
        names = [name for name in RULES[:4] if name != "sales" or worked is not None]
        self.routed: dict[str, Floats] = {name: np.zeros(len(data)) for name in [*names, "random"]}
        self.gone = {name: np.zeros(leads, dtype=np.bool_) for name in names}
        self.gone_by_chance = np.zeros((_RANDOM_DRAWS, leads), dtype=np.bool_)
        self.rng = np.random.default_rng(seed)

    def through(self, period: _Period) -> Month:
        data = self.data
        known = data.lead[period.known]
        converted = len(np.unique(known[data.y[period.known] > 0]))
        learned, served, why = self._train(period)
        rows = period.rows
        seen = len(np.unique(data.lead[rows][~self.gone["model"][data.lead[rows]]]))
        worked = None if self.worked is None else self._taken(period)
        month = Month(period.name, len(np.unique(known)), converted, None, why, None, seen, worked)
        if learned is None or served is None:
            return month
        X = learned.encoder.encode(data.take(rows).table)
        p = served.calibration.apply(served.model.margin(X))[0]
        threshold = threshold_at(served.calibration.apply(served.margin)[0], self.share)
        self._route("model", rows, p, threshold)
        volume = int(self.routed["model"][rows].sum())
        self._route_top("scorecard", rows, learned.candidates["scorecard"].model.margin(X), volume)
        self._route_top("points", rows, self._points(rows), volume)
        if self.worked is not None:
            self._route_sales(rows, volume)
        self._route_by_chance(rows, volume)
        counts = {name: self._count(name, rows) for name in self.routed}
        return replace(month, kind=learned.chosen, threshold=threshold, counts=counts)

    def _train(self, period: _Period) -> tuple[Learned | None, Any, str]:
        """The model of the first day; None with the reason where the gates or the data would not have let one serve."""
        if not len(period.known):
            return None, None, "no label was known yet"
        then = self.data.take(period.known)
        if not 0 < then.y.sum() < len(then):
            return None, None, "the known labels were of one class"
        try:
            learned = learn(then, Options(seed=self.seed), Watch(lambda text: None))
            why = ""
            if len(np.unique(then.lead[then.y > 0])) < MINIMUM_OF_A_CLASS and learned.chosen != "scorecard":
                learned, why = replace(learned, chosen="scorecard"), f"under {MINIMUM_OF_A_CLASS} conversions were known"
            if ranking(then, learned, self.seed).no_signal:
                return None, None, "no signal in what was known: nobody would have been routed"
            return learned, serve(then, learned, self.seed, no_signal=False), why
        except BadData as problem:
            return None, None, str(problem)

    def _points(self, rows: Ints) -> Floats:
        """The declared points, which know no label."""
        data = self.data.take(rows)
        encoder = Encoder.fit(data.feature_set, data.table, np.arange(len(rows)))
        return declared_scorecard(encoder.inputs).margin(encoder.encode(data.table))

    def _route(self, name: str, rows: Ints, score: Floats, cut: float) -> None:
        """Leads that have not been routed, at their first look that reaches the cut."""
        lead = self.data.lead[rows]
        reached = np.flatnonzero((score >= cut) & ~self.gone[name][lead])
        _, first = np.unique(lead[reached], return_index=True)
        at = rows[reached[first]]
        self.routed[name][at] = 1.0
        self.gone[name][self.data.lead[at]] = True

    def _route_top(self, name: str, rows: Ints, score: Floats, volume: int) -> None:
        """As many leads as the model routed, those that reach highest in this month; equal ones by lot.

        Each at its first look that reaches the cut, as with the model: its best look is known only afterwards.
        """
        lead = self.data.lead[rows]
        lot = self.rng.permutation(len(self.gone[name]))[lead]
        free = np.flatnonzero(~self.gone[name][lead])
        order = free[np.lexsort((free, lot[free], -score[free]))]
        _, first = np.unique(lead[order], return_index=True)
        best = order[np.sort(first)][:volume]
        if not len(best):
            return
        reached = free[(score[free] >= score[best].min()) & np.isin(lead[free], lead[best])]
        chosen = reached[np.unique(lead[reached], return_index=True)[1]]
        self.routed[name][rows[chosen]] = 1.0
        self.gone[name][lead[chosen]] = True

    def _route_sales(self, rows: Ints, volume: int) -> None:
        """The first that sales took up in this month, at the last look before that."""
        assert self.worked is not None
        assert self.data.as_of is not None
        lead, when = self.data.lead[rows], self.data.as_of[rows]
        taken = self.worked.at[lead]
        start, stop = _month_of(when)
        candidates = np.flatnonzero((taken >= start) & (taken < stop) & ~self.gone["sales"][lead])
        if not len(candidates):
            return
        # Of a lead's looks the last one at or before it was taken up; else its first in the month.
        late = when[candidates] > taken[candidates]
        distance = np.where(late, when[candidates], -when[candidates])
        order = candidates[np.lexsort((distance, late, lead[candidates]))]
        _, first = np.unique(lead[order], return_index=True)
        each = order[first]
        chosen = each[np.argsort(taken[each], kind="stable")][:volume]
        self.routed["sales"][rows[chosen]] = 1.0
        self.gone["sales"][lead[chosen]] = True

    def _route_by_chance(self, rows: Ints, volume: int) -> None:
        lead = self.data.lead[rows]
        for gone in self.gone_by_chance:
            free = np.flatnonzero(~gone[lead])
            _, first = np.unique(lead[free], return_index=True)
            chosen = self.rng.permutation(free[first])[:volume]
            self.routed["random"][rows[chosen]] += 1 / _RANDOM_DRAWS
            gone[lead[chosen]] = True

    def _taken(self, period: _Period) -> int:
        assert self.worked is not None
        assert self.data.as_of is not None
        start, stop = _month_of(self.data.as_of[period.rows])
        return int(((self.worked.at >= start) & (self.worked.at < stop)).sum())

    def _count(self, name: str, rows: Ints) -> Count:
        routed = self.routed[name][rows]
        revenue = None if self.amount is None else float(routed @ self.amount[rows])
        return Count(float(routed.sum()), float(routed @ self.data.y[rows]), revenue)

    def totals(self, resamples: int) -> Iterator[Rule]:
        """Each rule over all months, and the model against it."""
        data, names = self.data, [name for name in RULES if name in self.routed]
        leads = int(data.lead.max()) + 1
        touched = [
            np.bincount(data.lead, self.routed[name] * values, leads)
            for name in names
            for values in (np.ones(len(data)), data.y, np.zeros(len(data)) if self.amount is None else self.amount)
        ]
        sums = np.array(touched).reshape(len(names), 3, leads)
        rng = np.random.default_rng(self.seed)
        drawn = np.array([sums @ rng.poisson(1.0, leads).astype(np.float64) for _ in range(resamples)])
        total = sums.sum(axis=2)
        rate, rates = _rate(total), _rate(drawn)
        for i, name in enumerate(names):
            paid = self.amount is not None
            rule = Rule(
                name, float(total[i, 0]), float(total[i, 1]), _plain(rate[i]), _ends(rates[:, i]), float(total[i, 2]) if paid else None
            )
            if i and total[i, 0]:
                rule = replace(
                    rule,
                    difference=_plain(rate[0] - rate[i]),
                    difference_ci=_ends(rates[:, 0] - rates[:, i]),
                    revenue_difference=float(total[0, 2] - total[i, 2]) if paid else None,
                    revenue_difference_ci=_ends(drawn[:, 0, 2] - drawn[:, i, 2]) if paid else (None, None),
                )
            yield rule


def _periods(data: Dataset, months: int, mature_until: int | None) -> list[_Period]:
    when = when_of(data)
    if when is None:
        raise NoOrder
    usable = np.flatnonzero(np.isfinite(when))
    order = usable[np.lexsort((data.lead[usable], when[usable]))]
    if data.as_of is None:
        return list(_parts(when, order, months))
    known_at = matures(data)
    assert known_at is not None
    month = data.as_of.astype("datetime64[us]").astype("datetime64[M]")
    found = []
    names = np.unique(month[order])
    if mature_until is not None:
        # A month that is mature to its middle counts; less of it would be a few days with few leads.
        counting = names[names.astype("datetime64[us]").astype(np.int64) + _HALF_MONTH <= mature_until]
        if not len(counting):
            day = np.datetime64(mature_until, "us").astype("datetime64[D]")
            raise NoMonth(why=f"looks are mature until {day}, which is not half a month")
        names = counting
    for name in names[-months:]:
        start = name.astype("datetime64[us]").astype(np.int64)
        found.append(_Period(str(name), order[month[order] == name], np.flatnonzero(known_at <= start)))
    return found


def _parts(when: Floats, order: Ints, parts: int) -> Iterator[_Period]:
    """The newer half of an ordered flat table in equal parts, equal values together; a label counts as known at once."""
    edges = np.unique(np.quantile(when[order], np.linspace(0.5, 1, parts + 1)))
    for number in range(len(edges) - 1):
        last = number == len(edges) - 2
        inside = (when[order] >= edges[number]) & ((when[order] <= edges[-1]) if last else (when[order] < edges[number + 1]))
        yield _Period(f"part {number + 1}", order[inside], np.sort(order[when[order] < edges[number]]))


def _month_of(when: Ints) -> tuple[int, int]:
    """First instant of the calendar month of these instants, and of the next."""
    month = when[:1].astype("datetime64[us]").astype("datetime64[M]")
    start, stop = (int(one.astype("datetime64[us]").astype(np.int64)[0]) for one in (month, month + np.timedelta64(1, "M")))
    return start, stop


def _rate(sums: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        rate: Floats = sums[..., 1] / sums[..., 0]
    return rate


def _ends(draws: Floats) -> tuple[float | None, float | None]:
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return None, None
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def _plain(value: Any) -> float | None:  # noqa: ANN401 - a NumPy scalar
    return float(value) if np.isfinite(value) else None


def _notes(data: Dataset, months: Sequence[Month], worked: Worked | None) -> Iterator[str]:
    if data.horizon_days is None:
        yield "a flat table has no dates of outcomes: each label counts as known at once, which flatters where conversions take long"
    if worked is not None:
        yield f"sales took a lead up: {worked.said}"
        yield (
            "the order of sales is flattered where working a lead is what converts it, and so is the model that learnt from it: "
            "this counts what happened, not what other calls would have brought"
        )
    if data.amount is not None and np.isnan(data.amount[data.y > 0]).any():
        missing = int(np.isnan(data.amount[data.y > 0]).sum())
        yield f"{missing:,} of {int(data.y.sum()):,} converting looks have no amount and count as nothing in revenue"
    for one in months:
        if one.why:
            yield f"{one.name}: {one.why}"
