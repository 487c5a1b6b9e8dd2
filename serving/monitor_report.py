"""The monitor: does what comes in still look like what the model knows, do its promises hold, does the work get done.

In: a store, the bundle that serves if there is one, limits, and the present instant. Out: a `MonitorAnswer`, the same for the
Health page, `tamiz monitor`, `/v1/monitor` and Prometheus: signals with their drift, scores, promises expected and real, what waits,
and alarms. Each alarm names the figure and the limit that it passed; `retrain` is a recommendation, with the alarms that are its reason.

Recent inputs are those that came as a body, from the ledger, and leads of the store at an instant just after something they did:
the instants at which the model was calibrated, and up to the age of its oldest lead. A lead to
which nothing happens is no sign of what comes in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from data.crm import Crm, instant_in
from data.health_rows import HealthRows, Matured, Waiting
from data.jobs import Jobs
from data.monitor_limits import Limits
from data.pipeline_rows import PipelineRows
from data.store import Store
from models.bundle import Bundle
from models.drift import Promise, SignalDrift, drift_of, promise_of, realised_of
from models.parquet_columns import read_columns
from models.request import ScoreRequest
from models.scoring import inputs_of
from serving.decider import request_of
from serving.schemas import decode, instant

__all__ = ["MONITOR", "Alarm", "MonitorAnswer", "monitor_answer"]

MONITOR = "monitor"
"""The name under which the report of each day is kept."""
DAY = 86_400_000_000
SAMPLE = 1_000
FEWEST = 50
"""Recent inputs below which nothing is said of drift."""
MOST_MATURED = 20_000
TOGETHER = 250
RETRAIN = frozenset({"score_drift", "signal_drift", "missing", "calibration", "ranking", "model_age"})
Floats = NDArray[np.float64]
_request = msgspec.json.Decoder(ScoreRequest)


class Alarm(msgspec.Struct):
    """A figure beyond its limit."""

    name: str
    subject: str | None
    """What it is about: a signal, days; null for the whole installation."""
    value: float
    limit: float
    message: str


class Drift(msgspec.Struct):
    """What came in of late against what the model was calibrated on."""

    inputs: int
    """Recent inputs that were looked at: sent as a body, and leads of the store."""
    reference: int
    score: SignalDrift | None
    signals: list[SignalDrift]
    """The most drifted first."""
    drifted_importance: float | None
    """The share of what the model goes by that is in signals that have drifted."""


class Ingestion(msgspec.Struct):
    """How fast what happens becomes a score."""

    last_activity_at: datetime | None
    """Of the leads scored last."""
    lag_median_hours: float | None
    lag_p90_hours: float | None
    """Between happening and being told, of activities told of late."""
    activities: int
    leads_waiting: int
    oldest_waiting_minutes: float | None


class Work(msgspec.Struct):
    """What is done beside answering."""

    workers: int
    jobs: dict[str, int]
    jobs_with_failures: int
    messages_waiting: int
    messages_dead: int
    unread: int
    """What was pushed to receivers and could not be read."""


class Serving(msgspec.Struct):
    """The model that serves."""

    model_version: str | None
    knows_until: datetime | None
    """The newest outcome that it was fitted on."""
    age_days: float | None
    last_promoted_at: datetime | None
    swaps: int | None
    """Models that the answering process took into service since it started; null in a report that no service made."""
    refused: int | None
    last_refused: str | None


class MonitorAnswer(msgspec.Struct):
    """The whole of it."""

    as_of: datetime
    days: float
    alarms: list[Alarm]
    retrain: bool
    retrain_because: list[str]
    """Names of the alarms that recommend it."""
    model: Serving
    drift: Drift
    promises: list[Promise]
    """What is to be expected of open leads, and what came of those whose time has passed, for each number of days."""
    tested_auc: float | None
    """That of the test when the model was trained."""
    ingestion: Ingestion
    work: Work
    missing: list[str]


def monitor_answer(store: Store, bundle: Bundle | None, limits: Limits, at: int) -> bytes:
    """As JSON; blocks."""
    rows = HealthRows(store)
    since = at - round(limits.days * DAY)
    missing: list[str] = []
    if bundle is None:
        missing.append("No model serves: run `tamiz promote`, or wait for `tamiz pull --watch`.")
    waiting = rows.waiting(since)
    answer = MonitorAnswer(
        as_of=instant(at),
        days=limits.days,
        alarms=[],
        retrain=False,
        retrain_because=[],
        model=_serving(bundle, waiting, at),
        drift=_drift(store, rows, bundle, limits, since, at, missing),
        promises=_promises(store, rows, bundle, at, missing),
        tested_auc=_tested_auc(bundle),
        ingestion=_ingestion(rows, waiting, since, at),
        work=_work(store, waiting),
        missing=missing,
    )
    answer.alarms = _alarms(answer, limits, at)
    answer.retrain_because = sorted({alarm.name for alarm in answer.alarms} & RETRAIN)
    answer.retrain = bool(answer.retrain_because)
    return msgspec.json.encode(answer)


# --------------------------------------------------------------------------------------------------------------- drift


def _drift(store: Store, rows: HealthRows, bundle: Bundle | None, limits: Limits, since: int, at: int, missing: list[str]) -> Drift:
    nothing = Drift(0, 0, None, [], None)
    if bundle is None:
        return nothing
    try:
        reference = read_columns(Path(bundle.folder) / "reference.parquet")
    except OSError:
        reference = {}
    if "margin" not in reference:
        missing.append("The bundle holds nothing to compare with: train again, and it will.")
        return nothing
    X, margin = _comparable(bundle, reference, *_recent(store, rows, bundle, since, at))
    found = Drift(len(X), len(reference["margin"]), None, [], None)
    if len(X) < FEWEST:
        missing.append(f"Only {len(X)} inputs came within {limits.days:g} days: drift takes {FEWEST}.")
        return found
    found.score = drift_of("score", "number", "score", 1.0, reference["margin"].astype(float), margin, bar=limits.score_psi)
    importance = bundle.manifest.get("importance", {})
    known = [(place, one) for place, one in enumerate(bundle.encoder.inputs) if f"signal_{one.name}" in reference]
    if not known:
        missing.append("The bundle was made before inputs were kept with it: train again, and drift is told for each signal.")
        return found
    for place, one in known:
        before = reference[f"signal_{one.name}"].astype(float)
        weight = float(importance.get(one.name, 0.0))
        # What was kept has seven digits; the same is done to what it is compared with.
        recent = X[:, place].astype(np.float32).astype(float)
        found.signals.append(drift_of(one.name, one.kind, one.family, weight, before, recent, bar=limits.psi))
    total = sum(one.importance for one in found.signals)
    if total > 0:
        found.drifted_importance = round(sum(one.importance for one in found.signals if one.drifted) / total, 4)
    found.signals.sort(key=lambda one: (-one.drifted, -one.psi))
    return found


def _comparable(bundle: Bundle, reference: Mapping[str, NDArray[Any]], X: Floats, margin: Floats) -> tuple[Floats, Floats]:
    """Without leads that are older than any that the model was calibrated on: those were young, for their outcomes had to be new."""
    place = next((place for place, one in enumerate(bundle.encoder.inputs) if one.name == "lead_age"), None)
    ages = reference.get("signal_lead_age", np.zeros(0)).astype(float)
    ages = ages[np.isfinite(ages)]
    if place is None or not len(ages):
        return X, margin
    kept = ~(X[:, place] > ages.max())
    return X[kept], margin[kept]


def _recent(store: Store, rows: HealthRows, bundle: Bundle, since: int, at: int) -> tuple[Floats, Floats]:
    """Inputs of late with their margins."""
    requests = [decode(_request, body) for body in rows.sent(since, SAMPLE)]
    random = Random(at // DAY)
    leads = rows.scored(since, 5 * SAMPLE)
    wanted = random.sample(leads, min(SAMPLE, len(leads)))
    crm = Crm(store)
    for start in range(0, len(wanted), TOGETHER):
        for held in crm.held(wanted[start : start + TOGETHER], at):
            if held is None:
                continue
            known = [max(one.occurred_at, one.recorded_at) for one in held.activities]
            # Visits are known from before somebody gave a name: the model is never asked about those instants.
            begins = max(since, instant_in(held.attributes.get("created_at")) or since)
            instants = [when for when in known if begins <= when < at]
            if instants:
                requests.append(request_of(held, random.choice(instants) + 1))
    parts = [inputs_of(bundle, requests[start : start + TOGETHER]) for start in range(0, len(requests), TOGETHER)]
    if not parts:
        return np.zeros((0, len(bundle.encoder.inputs))), np.zeros(0)
    return np.concatenate([X for X, _ in parts]), np.concatenate([margin for _, margin in parts])


# -------------------------------------------------------------------------------------------------------------- promises


def _promises(store: Store, rows: HealthRows, bundle: Bundle | None, at: int, missing: list[str]) -> list[Promise]:
    if bundle is None:
        return []
    horizon = None if bundle.horizon_days is None else float(bundle.horizon_days)
    groups = PipelineRows(store).open_scores(at)
    p = np.repeat([one.probability for one in groups], [one.leads for one in groups]) if groups else np.zeros(0)
    found = [promise_of(_thinned(p), within_days=horizon)]
    if horizon is None:
        missing.append(
            "The model was trained without dates: when its promises are due is not known, so they cannot be held against outcomes."
        )
        return found
    days = sorted({*(bundle.by_day.days if bundle.by_day is not None else ()), horizon})
    for within in days:
        until = at - round(within * DAY)
        looks = rows.matured(until - round(horizon * DAY), until, MOST_MATURED)
        known = [(one, said) for one in looks if (said := _said(one, within, horizon)) is not None]
        if known:
            y = np.array([float(one.won_at is not None and one.won_at <= one.as_of + within * DAY) for one, _ in known])
            found.append(realised_of(np.array([said for _, said in known]), y, within_days=within))
    if len(found) == 1:
        missing.append(f"No decision is {days[0]:g} days old: until then only what is to be expected can be said.")
    return found


class _ByDay(msgspec.Struct):
    by_day: dict[str, float] | None = None


_by_day = msgspec.json.Decoder(_ByDay)


def _said(one: Matured, within: float, horizon: float) -> float | None:
    """The probability to have converted within so many days, as it was answered; None where it was not, or is pruned."""
    if within == horizon:
        return one.probability
    if not one.answer:
        return None
    said = _by_day.decode(one.answer).by_day
    return None if said is None else said.get(f"{within:g}")


def _thinned(p: Floats, most: int = 20_000) -> Floats:
    """Evenly many of them: they stand in order."""
    return p if len(p) <= most else np.sort(p)[np.linspace(0, len(p) - 1, most).astype(np.int64)]


def _tested_auc(bundle: Bundle | None) -> float | None:
    if bundle is None:
        return None
    metrics = bundle.manifest.get("metrics", {})
    found = metrics.get("candidates", {}).get(metrics.get("chosen"), {}).get("auc")
    return float(found) if isinstance(found, int | float) else None


# ------------------------------------------------------------------------------------------------------------------ work


def _serving(bundle: Bundle | None, waiting: Waiting, at: int) -> Serving:
    promoted = None if waiting.last_swap is None else instant(waiting.last_swap)
    if bundle is None:
        return Serving(None, None, None, promoted, None, None, None)
    until = bundle.manifest.get("fitted_until")
    knows = None if not isinstance(until, int | float) else round(until)
    age = None if knows is None else round((at - knows) / DAY, 2)
    return Serving(bundle.model_version, None if knows is None else instant(knows), age, promoted, None, None, None)


def _ingestion(rows: HealthRows, waiting: Waiting, since: int, at: int) -> Ingestion:
    lags, last = rows.lags(rows.scored(since, 500), since)
    hours = np.array(lags, dtype=float) / (DAY / 24)
    return Ingestion(
        last_activity_at=None if last is None else instant(last),
        lag_median_hours=round(float(np.median(hours)), 4) if lags else None,
        lag_p90_hours=round(float(np.quantile(hours, 0.9)), 4) if lags else None,
        activities=len(lags),
        leads_waiting=waiting.leads,
        oldest_waiting_minutes=None if waiting.oldest_lead is None else round(max(at - waiting.oldest_lead, 0) / 60e6, 2),
    )


def _work(store: Store, waiting: Waiting) -> Work:
    return Work(
        workers=len(Jobs(store).workers()),
        jobs={state: count for state, count in waiting.jobs.items() if state != "with_failures"},
        jobs_with_failures=waiting.jobs["with_failures"],
        messages_waiting=waiting.messages.get("waiting", 0),
        messages_dead=waiting.messages.get("dead", 0),
        unread=waiting.unread,
    )


# ---------------------------------------------------------------------------------------------------------------- alarms


def _alarms(answer: MonitorAnswer, limits: Limits, at: int) -> list[Alarm]:
    found: list[Alarm] = []

    def over(name: str, value: float | None, limit: float, message: str, subject: str | None = None) -> None:
        if value is not None and value > limit:
            found.append(Alarm(name, subject, round(value, 4), limit, message))

    drift, ingestion, work = answer.drift, answer.ingestion, answer.work
    if drift.score is not None and drift.score.drifted:
        over("score_drift", drift.score.psi, 0.0, f"Scores are spread otherwise than in training: PSI {drift.score.psi:.2f}.")
        found[-1].limit = limits.score_psi
    drifted = [one.name for one in drift.signals if one.drifted]
    over(
        "signal_drift",
        drift.drifted_importance,
        limits.drifted_importance,
        f"{len(drifted)} signals have drifted, which carry {(drift.drifted_importance or 0) * 100:.0f} % of the model: {_few(drifted)}.",
    )
    for one in drift.signals:
        more = one.missing - one.missing_before
        if one.importance >= 0.01 and one.psi > one.psi_by_luck:
            told = f"{one.name} is missing in {one.missing * 100:.0f} % of recent leads, {one.missing_before * 100:.0f} % in training."
            over("missing", more, limits.missing, told, one.name)
    for promise in answer.promises:
        found += _broken(promise, answer.tested_auc, limits)
    over(
        "model_age",
        answer.model.age_days,
        limits.model_age_days,
        f"The model knows nothing of the last {answer.model.age_days or 0:.0f} days.",
    )
    minutes = ingestion.oldest_waiting_minutes
    over(
        "waiting",
        minutes,
        limits.waiting_minutes,
        f"{ingestion.leads_waiting:,} leads wait to be scored, the oldest for {minutes or 0:.0f} minutes.",
    )
    over(
        "lag",
        ingestion.lag_p90_hours,
        limits.lag_hours,
        f"One activity in ten is told {ingestion.lag_p90_hours or 0:.0f} hours late or later.",
    )
    if ingestion.last_activity_at is not None:
        silent = (instant(at) - ingestion.last_activity_at).total_seconds() / 3_600
        over("silence", silent, limits.silence_hours, f"Nothing has come for {silent:.0f} hours.")
    over(
        "failed_jobs",
        work.jobs_with_failures,
        limits.failed_jobs,
        f"{work.jobs_with_failures} jobs had leads that failed: `tamiz jobs list`.",
    )
    over(
        "dead_messages",
        work.messages_dead,
        limits.dead_messages,
        f"{work.messages_dead:,} webhooks were given up: `tamiz webhooks replay`.",
    )
    over("unread_messages", work.unread, limits.unread_messages, f"{work.unread:,} messages to receivers could not be read.")
    return found


def _broken(promise: Promise, tested: float | None, limits: Limits) -> list[Alarm]:
    """What came of leads, where it is beyond what luck explains."""
    if promise.kind != "realised":
        return []
    found, days, ratio, auc = [], f"{promise.within_days:g}", promise.ratio, promise.auc
    if ratio is not None and abs(ratio.value - 1) > limits.ratio and ((ratio.low or 0) > 1 or (ratio.high or 0) < 1):
        came = f"{promise.conversions:.0f} of {promise.leads:,} leads converted within {days} days"
        told = f"{came}; {promise.promised:.1f} were promised."
        found.append(Alarm("calibration", days, round(ratio.value, 4), limits.ratio, told))
    if tested is not None and auc is not None and auc.high is not None and auc.high < tested - limits.auc_drop:
        ranked = f"AUC {auc.value:.3f} ({auc.low:.3f}–{auc.high:.3f})"
        told = f"Within {days} days leads were ranked with {ranked}; in the test it was {tested:.3f}."
        found.append(Alarm("ranking", days, auc.value, limits.auc_drop, told))
    return found


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
