"""The pipeline and the forecast of an installation, from its store and the model that serves; blocking, made in a thread.

In: a store, the loaded model if there is one, and the present instant. Out: the answers of `/v1/pipeline` and `/v1/forecast`. What
cannot be said is null, and `missing` says what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from data.errors import TamizError
from data.pipeline_rows import AGES, AgeAtClose, Born, OpenScores, PipelineRows
from data.reports import Reports
from data.store import Store
from models.bundle import Bundle
from models.forecast import (
    Arrivals,
    Check,
    Checked,
    Forecast,
    Looks,
    Open,
    Revenue,
    Week,
    check,
    forecast,
    kept,
    level_by_age,
    read_looks,
    spread_of,
)
from models.logit import logit
from models.parquet_columns import read_columns
from models.pipeline import LOST, WON, Events, Figure, Pipeline, pipeline
from models.survival import incidence_at, wilson
from serving.schemas import instant

__all__ = ["FORECAST", "PIPELINE", "ForecastAnswer", "Past", "PipelineAnswer", "Step", "forecast_answer", "pipeline_answer"]

DAY = 86_400_000_000
PIPELINE = "pipeline:90"
FORECAST = "forecast:13"
"""The report of which one a day is held against what came."""
YEAR = 364
ARRIVAL_WEEKS = 8
FEWEST_WINS = 5
FEWEST_LEADS = 30
_OTHER = -5
Floats = NDArray[np.float64]


class Step(msgspec.Struct):
    """One step of our own decisions: of the leads created in the period, how many came so far."""

    name: str
    leads: int
    share: Figure | None
    """Of those who took the step before."""


class PipelineAnswer(Pipeline):
    """The pipeline, and the funnel of our own decisions."""

    funnel: list[Step]
    """Of leads created in the period: created, scored, mql, accepted, sql, won. `accepted` is left out where sales accepts nothing."""
    funnel_before: list[Step]
    missing: list[str]


class Past(msgspec.Struct):
    """What a week that is over brought."""

    begins: datetime
    ends: datetime
    conversions: int
    revenue: float | None


class AgeLevel(msgspec.Struct):
    """Open leads of one age: what the model promises of them, and what such leads did before."""

    from_days: int
    to_days: int | None
    open_leads: int
    promised: float
    """Share of them that converts within the horizon, by their probabilities."""
    past_leads: int
    """That were as old one horizon ago, or two."""
    past_won: int
    """Of those, within the horizon from then."""
    factor: float
    """On the probabilities of such leads, as far as the record bears it out."""


class ForecastAnswer(Forecast):
    """The forecast, what came before it, and how well such forecasts held."""

    model_version: str | None
    ages: list[AgeLevel]
    """Empty where the record is too short."""
    unscored: int
    """Open leads that no model has scored: they are not counted."""
    past: list[Past]
    """The weeks before, oldest first."""
    backtest: Check
    """Looks of the bundle's backtest, forecast and compared."""
    kept: Check
    """Forecasts that this installation gave for the week to come, and what came."""


def pipeline_answer(store: Store, at: int, days: int) -> bytes:
    """As JSON."""
    rows = PipelineRows(store)
    happened = rows.happened(at)
    names = sorted({name for name, outcome in zip(happened.name, happened.outcome, strict=True) if not outcome})
    codes = {name: code for code, name in enumerate(names)}
    kinds = {"won": WON, "lost": LOST}
    stage = [kinds.get(name, _OTHER) if outcome else codes[name] for name, outcome in zip(happened.name, happened.outcome, strict=True)]
    events = Events(_ints(happened.lead), _ints(happened.at), _ints(stage), np.array(happened.amount, dtype=float), names)
    kept_events = events.stage != _OTHER
    events = Events(events.lead[kept_events], events.at[kept_events], events.stage[kept_events], events.amount[kept_events], names)
    found = pipeline(events, at, days)
    born = rows.born(at - 2 * days * DAY, at)
    start = at // DAY - days
    missing = []
    if not names:
        missing.append("No stage changes are kept: push them to /v1/stage-changes, and stages, times and bottlenecks are computed.")
    if not found.deals.won and not found.deals.lost:
        missing.append("Nothing was closed in this period: push conversions and losses to /v1/outcomes.")
    elif not found.deals.with_amount:
        missing.append("Outcomes carry no amounts: average deal, revenue and velocity need them.")
    answer = PipelineAnswer(
        **{name: getattr(found, name) for name in found.__struct_fields__},
        funnel=_funnel([one for one in born if one.day >= start]),
        funnel_before=_funnel([one for one in born if one.day < start]),
        missing=missing,
    )
    return msgspec.json.encode(answer)


def forecast_answer(store: Store, bundle: Bundle | None, at: int, weeks: int) -> bytes:
    """As JSON."""
    rows = PipelineRows(store)
    open_ = rows.open_scores(at)
    wins = rows.wins(at - YEAR * DAY, at)
    missing: list[str] = []
    looks = _looks(bundle, missing)
    groups = _groups(open_)
    horizon = None if bundle is None or bundle.horizon_days is None else float(bundle.horizon_days)
    if bundle is None:
        missing.append("No model serves: open leads are not counted. Run `tamiz promote`, or wait for `tamiz pull --watch`.")
        groups = _groups([])
    elif horizon is None:
        missing.append("The model was trained without dates: it does not say when open leads convert, only whether.")
    arrivals = _arrivals(rows.ages_at_close(at - YEAR * DAY, at), at, missing)
    revenue = _revenue([amount for _, amount in wins if amount is not None], bundle, missing)
    bands = np.array([one.band for one in open_], dtype=np.int64) if bundle is not None else np.zeros(0, np.int64)
    groups, ages, doubt = _by_age(rows, groups, bands, at, horizon, missing)
    weight = groups.count * groups.probability
    reach = float(groups.count @ groups.reach / weight.sum()) if weight.sum() > 0 else 0.05
    spread = spread_of(looks, reach)
    spread.calibration = math.hypot(spread.calibration, doubt)
    if not spread.periods:
        missing.append("Too few past months to know how much they differ: a quarter up or down is assumed.")
    by = None if bundle is None or bundle.by_day is None else _by_day(bundle, groups)
    found = forecast(groups, at, horizon=horizon, by=by, arrivals=arrivals, revenue=revenue, spread=spread, weeks=weeks)
    answer = ForecastAnswer(
        **({name: getattr(found, name) for name in found.__struct_fields__} | {"missing": missing}),
        model_version=None if bundle is None else bundle.model_version,
        ages=ages,
        unscored=rows.unscored(),
        past=_past(wins, at, weeks),
        backtest=check(looks),
        kept=_kept(store, wins, at),
    )
    return msgspec.json.encode(answer)


def _funnel(born: Sequence[Born]) -> list[Step]:
    """Each step among those who took the one before; where nobody accepts, that step is not one."""
    wanted = [name for name in ("scored", "mql", "accepted", "sql", "won") if name != "accepted" or any(one.accepted for one in born)]
    before = list(born)
    steps = [Step("created", sum(one.leads for one in before), None)]
    for name in wanted:
        there = [one for one in born if getattr(one, name)]
        both = sum(one.leads for one in there if one in before)
        of = sum(one.leads for one in before)
        share = None
        if of:
            low, high = wilson(both / of, of)
            share = Figure(both / of, low, high)
        steps.append(Step(name, sum(one.leads for one in there), share))
        before = there
    return steps


def _looks(bundle: Bundle | None, missing: list[str]) -> Looks | None:
    if bundle is None:
        return None
    try:
        return read_looks(bundle.folder)
    except TamizError as error:
        missing.append(f"Nothing to check forecasts against: {error}")
        return None


def _groups(open_: Sequence[OpenScores]) -> Open:
    def column(values: list[float]) -> Floats:
        return np.array(values, dtype=float)

    return Open(
        probability=column([one.probability for one in open_]),
        reach=column([(one.high - one.low) / (2 * 1.96) for one in open_]),
        age_days=column([max(one.hours, 0) / 24 for one in open_]),
        count=column([one.leads for one in open_]),
        worth=column(
            [
                one.worth / one.with_worth / one.probability if one.worth is not None and one.with_worth and one.probability > 0 else np.nan
                for one in open_
            ]
        ),
    )


def _by_age(
    rows: PipelineRows, groups: Open, bands: NDArray[np.int64], at: int, horizon: float | None, missing: list[str]
) -> tuple[Open, list[AgeLevel], float]:
    """Probabilities at the level that the record bears out at each age; what was changed; and how unsure the sum is for it."""
    if horizon is None or not len(bands):
        return groups, [], 0.0
    size = len(AGES) + 1
    records = [rows.record(at - round(times * horizon * DAY), horizon) for times in (1, 2)]
    past = np.array(records, dtype=float).sum(axis=0)
    leads, won = past[:, 0], past[:, 1]
    if won.sum() < FEWEST_WINS:
        missing.append(f"No record of what leads of each age did: it takes {FEWEST_WINS} conversions, {horizon:g} days ago or more.")
        return groups, [], 0.0
    count = np.bincount(bands, groups.count, size)
    promised = np.bincount(bands, groups.count * groups.probability, size) / np.maximum(count, 1)
    factor, doubt = level_by_age(promised * leads, won)
    told = (count > 0) & (leads > 0)
    factor = np.where(told, factor, 1.0)
    expected = promised * count * factor
    unsure = float(np.sqrt(np.sum((expected * np.where(told, doubt, 0.0)) ** 2)) / max(expected.sum(), 1e-9))
    ages = [
        AgeLevel(start, end, int(count[band]), float(promised[band]), int(leads[band]), int(won[band]), float(factor[band]))
        for band, (start, end) in enumerate(zip((0, *AGES), (*AGES, None), strict=True))
    ]
    level = factor[bands]
    return replace(groups, probability=np.minimum(groups.probability * level, 1.0), reach=groups.reach * level), ages, unsure


def _by_day(bundle: Bundle, groups: Open) -> Callable[[Floats], Floats]:
    """Of what converts within the horizon, the share by each age: straight between the days that the model knows."""
    by_day = bundle.by_day
    assert by_day is not None
    p = np.maximum(groups.probability, 1e-9)
    reached = by_day.apply(p, _margins(bundle, p)) / p[:, None]
    days = np.array([0.0, *by_day.days])
    steps = np.diff(np.concatenate([np.zeros((len(p), 1)), reached], axis=1), axis=1)

    def by(ages: Floats) -> Floats:
        share = np.zeros_like(ages)
        for place in range(len(days) - 1):
            inside = np.clip((ages - days[place]) / (days[place + 1] - days[place]), 0.0, 1.0)
            share += steps[:, place, None] * inside
        return share

    return by


def _margins(bundle: Bundle, p: Floats) -> Floats:
    """The margin that goes with a probability: calibration is monotone, and the bundle keeps pairs of both."""
    try:
        pairs = read_columns(bundle.folder / "reference.parquet", ("margin", "probability"))
    except OSError:
        pairs = {}
    if len(pairs) < 2 or not len(pairs["margin"]):
        return logit(p)
    values, place = np.unique(pairs["probability"].astype(float), return_inverse=True)
    margins = np.bincount(place, pairs["margin"].astype(float)) / np.bincount(place)
    found: Floats = np.interp(p, values, margins)
    return found


def _arrivals(ages: Sequence[AgeAtClose], at: int, missing: list[str]) -> Arrivals | None:
    today = at // DAY
    first = min((one.day for one in ages), default=today)
    weeks = min(ARRIVAL_WEEKS, (today - first) // 7)
    leads = sum(one.leads for one in ages)
    wins = sum(one.leads for one in ages if one.won is not None)
    if weeks < 2 or leads < FEWEST_LEADS or wins < FEWEST_WINS:
        missing.append(
            f"Leads to come are not counted: that takes two weeks of arrivals, {FEWEST_LEADS} leads and {FEWEST_WINS} conversions"
            f" within a year; there are {leads:,} leads and {wins:,} conversions."
        )
        return None
    weekly = np.zeros(weeks)
    for one in ages:
        week = (today - 1 - one.day) // 7
        if 0 <= week < weeks:
            weekly[week] += one.leads
    count = np.array([one.leads for one in ages])
    won = np.array([np.inf if one.won is None else one.won for one in ages])
    lost = np.array([np.inf if one.lost is None else one.lost for one in ages])
    open_for = np.array([today - one.day for one in ages], dtype=float)
    length = np.maximum(np.minimum(np.minimum(won, lost), open_for), 0.0)
    how = np.where(won <= np.minimum(lost, open_for), 1, np.where(lost <= open_for, 2, 0))
    length, how = np.repeat(length, count), np.repeat(how, count)

    def converted(days: Floats) -> Floats:
        return incidence_at(length, how, days)

    return Arrivals(weekly, converted, leads)


def _revenue(amounts: Sequence[float], bundle: Bundle | None, missing: list[str]) -> Revenue | None:
    known = np.array([amount for amount in amounts if amount >= 0], dtype=float)
    if len(known) >= 2 and known.mean() > 0:
        return Revenue(float(known.mean()), float(known.std(ddof=1) / known.mean()), len(known))
    if bundle is not None and bundle.value is not None and bundle.value.mean > 0:
        return Revenue(bundle.value.mean, 1.0, bundle.value.leads)
    missing.append("No revenue: neither the outcomes of the last year nor those that the model was trained on carry amounts.")
    return None


def _past(wins: Sequence[tuple[int, float | None]], at: int, weeks: int) -> list[Past]:
    found = []
    for week in range(min(weeks, YEAR // 7), 0, -1):
        begins, ends = at - week * 7 * DAY, at - (week - 1) * 7 * DAY
        amounts = [amount for when, amount in wins if begins <= when < ends]
        known = [amount for amount in amounts if amount is not None]
        found.append(Past(instant(begins), instant(ends), len(amounts), sum(known) if known else None))
    return found


class _KeptForecast(msgspec.Struct):
    weeks: list[Week]


def _kept(store: Store, wins: Sequence[tuple[int, float | None]], at: int) -> Check:
    """The first week of each forecast that was kept, as far as it is over; weeks do not overlap."""
    past: list[Checked] = []
    until = 0
    for report in reversed(Reports(store).history(FORECAST, YEAR)):
        ends = report.made_at + 7 * DAY
        if report.made_at < until or ends > at:
            continue
        weeks = msgspec.json.decode(report.document, type=_KeptForecast).weeks
        if not weeks:
            continue
        until, said = ends, weeks[0].conversions
        came = sum(report.made_at <= when < ends for when, _ in wins)
        past.append(Checked(weeks[0].begins, said.expected, said.low, said.high, float(came), said.low <= came <= said.high))
    return kept(past)


def _ints(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)
