"""Scoring: from what is known about leads to probabilities, reasons and decisions. The only way to score, anywhere.

`score_columns` takes columns (a file, a training set), `score_requests` takes the service's requests; the second turns
its requests into columns and calls the first, so a lead gets the same probability to the last digit either way. No I/O
and no clock: the caller says `as_of` and which policy is in force.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from data.columns import MISSING_WORDS
from data.contracts import ACTIVITIES, LEADS
from data.errors import BadData, TamizError
from features import bant
from features.engine import Colleagues, Plan, evaluate
from features.history import NEVER, ActivityLog, Column, History, Leads, Observations, TextColumn, instant
from features.signal import FeatureSet, Signal
from models.decision import Bant, BantDimension, Decision, Evidence, Outcome, Reason, Receipt
from models.encoder import Encoder
from models.inputs import Floats
from models.qualification import Policy, decide, decide_many
from models.reasons import Reasons

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["ActivityLike", "LeadActivity", "LeadRequest", "RequestLike", "Scored", "Scorer", "score_columns", "score_requests"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_canonical = msgspec.json.Encoder(order="deterministic")


class ActivityLike(Protocol):
    """An activity of a request."""

    type: str
    occurred_at: datetime
    activity_id: str | None
    recorded_at: datetime | None
    channel: str | None
    url: str | None
    content: str | None
    campaign: str | None
    value: str | float | None
    automated: bool | None
    lead_id: str | None


class RequestLike(Protocol):
    """A request to score one lead; `as_of` is resolved before scoring."""

    lead: dict[str, Any]
    as_of: datetime | None

    @property
    def activities(self) -> Sequence[ActivityLike]: ...
    @property
    def account_activities(self) -> Sequence[ActivityLike] | None: ...


class LeadActivity(msgspec.Struct, omit_defaults=True):
    """An activity, for callers without the service: golden leads, notebooks, tests."""

    type: str
    occurred_at: datetime
    activity_id: str | None = None
    recorded_at: datetime | None = None
    channel: str | None = None
    url: str | None = None
    content: str | None = None
    campaign: str | None = None
    value: str | float | None = None
    automated: bool | None = None
    lead_id: str | None = None


class LeadRequest(msgspec.Struct, omit_defaults=True):
    """A request, likewise."""

    lead: dict[str, Any]
    activities: list[LeadActivity] = []
    account_activities: list[LeadActivity] | None = None
    as_of: datetime | None = None


class BadValue(BadData):
    """`lead.{column}` is {value!r}, which is not {expected}."""


@dataclass(frozen=True)
class Scored:
    """Scores as columns, one entry an observation."""

    probability: Floats
    low: Floats
    high: Floats
    margin: Floats
    score: Floats
    """NaN without signal."""
    grade: list[str | None]
    reasons: list[list[Reason]] | None
    by_family: Mapping[str, Floats]
    """Contributions summed by family; empty when reasons were not asked for."""
    X: Floats
    contributions: Floats | None

    def decisions(self, policy: Policy, refused: NDArray[np.bool_] | None, *, no_signal: bool) -> NDArray[np.int8]:
        """Positions in DECISIONS under a policy, without history."""
        return decide_many(policy, self.probability, refused=refused, no_signal=no_signal)


@dataclass(frozen=True)
class Scorer:
    """What scoring needs beside the bundle's numbers, made once a bundle: the plan, and the words for reasons."""

    encoder: Encoder
    reasons: Reasons
    plan: Plan
    evidence_plan: Plan
    """The plan with what BANT evidence asks for beside it."""
    kinds: Mapping[str, str]
    """Columns of `lead` that are read, and what each holds. What training did not have is not read: no skew that way."""
    missing: frozenset[str] = frozenset(MISSING_WORDS)
    """Texts that stand for missing, as in training."""

    @classmethod
    def of(cls, encoder: Encoder, trained: Mapping[str, str] | None = None, missing: Collection[str] = ()) -> Scorer:
        """`trained` are the columns that training had and their kinds, where that is known."""
        features = encoder.feature_set
        plan = Plan(features)
        with_evidence = Plan(FeatureSet((*features.signals, _EVIDENCE), features.activity_types, features.attributes))
        kinds: dict[str, str] = {name: LEADS.columns.get(name, "text") for name in with_evidence.columns}
        kinds |= {one.name: one.kind for one in features.attributes}
        if trained:
            kinds = {name: kind for name, kind in kinds.items() if name in trained}
        return cls(encoder, Reasons(encoder), plan, with_evidence, kinds, frozenset((*MISSING_WORDS, *missing)))


def _prepare_evidence(history: History) -> Column:
    bant.prepare(history)
    return np.zeros(history.size)


_EVIDENCE = Signal("bant_evidence", "need", "", None, 0.0, 0, "", _prepare_evidence)


def score_columns(
    bundle: Bundle,
    leads: Leads,
    log: ActivityLog,
    observations: Observations,
    colleagues: Colleagues | None = None,
    *,
    reasons: int = 0,
    explain: str = "path",
    families: bool = False,
    evidence: list[dict[bant.Dimension, bant.DimensionEvidence]] | None = None,
) -> Scored:
    """Scores every observation; `evidence`, if a list is given, is filled with each one's BANT evidence."""
    scorer = bundle.scorer
    also = None
    if evidence is not None:
        gathered = evidence

        def also(history: History, start: int) -> None:
            gathered.extend(bant.evidence(history, row) for row in range(history.size))

    plan = scorer.plan if evidence is None else scorer.evidence_plan
    table = evaluate(plan, leads, log, observations, colleagues, also=also)
    X = scorer.encoder.encode(table)
    contributions: Floats | None = None
    if reasons > 0 or families:
        contributions, margin = bundle.explain(X, exact=explain == "shap")
    else:
        margin = bundle.model.margin(X)
    probability, low, high = bundle.calibration.apply(margin)
    score = np.full(len(X), np.nan) if bundle.no_signal else bundle.scale.apply(margin)
    by_family: dict[str, Floats] = {}
    told: list[list[Reason]] | None = None
    if contributions is not None:
        told = scorer.reasons.of(contributions, X, reasons, _words(scorer.encoder, table.texts, len(X)))
        by_family = {family: contributions[:, columns].sum(axis=1) for family, columns in bundle.families.items()}
    return Scored(probability, low, high, margin, score, bundle.scale.grade(score), told, by_family, X, contributions)


def _words(encoder: Encoder, texts: Mapping[str, TextColumn], rows: int) -> list[list[str | None]] | None:
    """The rows' own words, for a handful of leads; a file's reasons name the category as training knew it."""
    if rows > 1_000:
        return None
    return [texts[one.name].texts() if one.kind == "category" else [] for one in encoder.inputs]


def score_requests(
    bundle: Bundle,
    requests: Sequence[RequestLike],
    policy: Policy,
    *,
    reasons: int = 3,
    explain: str = "path",
    previous: MutableMapping[str, Outcome] | None = None,
) -> list[Decision | TamizError]:
    """A decision for each request, or the error that keeps it from being scored; one bad request spoils no other.

    `previous` holds what was decided last on each lead, and is kept up to date in the order of the requests, so that a lead
    which is mentioned twice meets its own first decision.

    Raises ValueError when a request's `as_of` is not resolved.
    """
    batch = _Batch(bundle.scorer)
    answers: list[Decision | TamizError | None] = []
    for request in requests:
        try:
            batch.add(request)
            answers.append(None)
        except TamizError as error:
            answers.append(error)
    if not batch.size:
        return [answer for answer in answers if answer is not None]
    evidence: list[dict[bant.Dimension, bant.DimensionEvidence]] = []
    leads, log, observations, colleagues = batch.columns()
    scored = score_columns(bundle, leads, log, observations, colleagues, reasons=reasons, explain=explain, families=True, evidence=evidence)
    probability, low, high = scored.probability.tolist(), scored.low.tolist(), scored.high.tolist()
    score = scored.score.tolist()
    engaged = sum((scored.by_family[family] for family in ("engagement", "intent") if family in scored.by_family), np.zeros(batch.size))
    fitting = sum((scored.by_family[family] for family in ("fit", "authority") if family in scored.by_family), np.zeros(batch.size))
    position = 0
    for place, (answer, request) in enumerate(zip(answers, requests, strict=True)):
        if answer is not None:
            continue
        i, position = position, position + 1
        if probability[i] != probability[i]:
            answers[place] = BadData("the model has no probability for this lead; its bundle is not fit to serve")
            continue
        lead_id = batch.ids[i]
        before = previous.get(lead_id) if previous is not None else None
        status = {name: one.status for name, one in evidence[i].items()}
        outcome, rules = decide(
            policy,
            probability[i],
            previous=before,
            bant={str(name): one for name, one in status.items()},
            consent=batch.consent[i],
            no_signal=bundle.no_signal,
        )
        if previous is not None:
            previous[lead_id] = outcome
        as_of = _moment(request)
        answers[place] = Decision(
            lead_id=lead_id,
            as_of=as_of,
            probability=probability[i],
            probability_low=low[i],
            probability_high=high[i],
            horizon_days=bundle.horizon_days,
            score=None if bundle.no_signal else round(score[i], 1),
            grade=scored.grade[i],  # type: ignore[arg-type]  # the scale's cut-offs name grades
            decision=outcome,
            previous_decision=before,
            changed=before is not None and before != outcome,
            rules=rules,
            bant=_bant(evidence[i], instant(as_of)),
            fit=_index(fitting[i]),
            engagement=_index(engaged[i]) if bundle.reads_activities else None,
            reasons=scored.reasons[i] if scored.reasons is not None else [],
            missing=batch.notes[i] + bundle.unseen(scored.X[i]),
            receipt=Receipt(bundle.model_version, bundle.feature_set, _digest(request)),
        )
    return [answer for answer in answers if answer is not None]


def _index(log_odds: float) -> float:
    """A family's push on the margin as 0–100; 50 is the training average."""
    return round(100.0 / (1.0 + float(np.exp(-log_odds))), 1)


def _bant(found: Mapping[bant.Dimension, bant.DimensionEvidence], as_of: int) -> Bant:
    def dimension(one: bant.DimensionEvidence) -> BantDimension:
        facts = []
        for hint in one.hints:
            seen = hint.observed(as_of)
            when = None if seen is None else _EPOCH + timedelta(microseconds=seen)
            facts.append(Evidence(hint.fact, hint.source, when, round(hint.weight, 4)))
        return BantDimension(one.status, None if one.strength is None else round(one.strength, 4), facts, one.question)

    return Bant(**{name: dimension(one) for name, one in found.items()})


def _moment(request: RequestLike) -> datetime:
    if request.as_of is None:
        raise ValueError("as_of must be resolved before scoring")
    return request.as_of if request.as_of.tzinfo else request.as_of.replace(tzinfo=UTC)


def _digest(request: RequestLike) -> str:
    """SHA-256 of what the decision was made from."""
    return hashlib.sha256(_canonical.encode([request.lead, request.activities, request.account_activities, request.as_of])).hexdigest()


class _Batch:
    """Requests being turned into columns."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.ids: list[str] = []
        self.notes: list[list[str]] = []
        self.consent: list[bool | None] = []
        self._values: dict[str, list[Any]] = {name: [] for name in scorer.kinds}
        self._as_of: list[int] = []
        self._activities: list[ActivityLike] = []
        self._whose: list[int] = []
        self._colleagues: list[tuple[int, str, ActivityLike]] = []
        self._account: list[int] = []

    @property
    def size(self) -> int:
        return len(self.ids)

    def add(self, request: RequestLike) -> None:
        """Raises BadValue when an attribute has a value of the wrong kind; the batch is then unchanged."""
        lead, notes = request.lead, list[str]()
        as_of = instant(_moment(request))
        kinds, missing = self._scorer.kinds, self._scorer.missing
        values = {name: _value(name, kind, lead.get(name), missing) for name, kind in kinds.items()}
        consent = _value("consent", "boolean", lead.get("consent"), missing)
        absent = [name for name, value in values.items() if value is None and name not in lead]
        unused = [name for name in lead if name not in kinds and (name not in LEADS.columns or name in self._scorer.evidence_plan.columns)]
        if absent:
            notes.append(f"not given: {', '.join(sorted(absent))}")
        if unused:
            notes.append(f"not used by this model: {', '.join(sorted(unused))}")
        i = self.size
        taken, later = _before(as_of, request.activities)
        if later:
            notes.append(f"{later} activities from as_of or later were ignored")
        name = str(lead.get("lead_id", ""))
        context, later = request.account_activities, 0
        if context is None:
            if self._scorer.plan.colleagues.needs:
                notes.append("account_activities not given: what colleagues do is not known")
        else:  # a lead is not its own colleague
            context, later = _before(as_of, [one for one in context if not name or one.lead_id != name])
        if later:
            notes.append(f"{later} activities of colleagues from as_of or later were ignored")
        self.ids.append(name)
        self.notes.append(notes)
        self.consent.append(None if consent is None else bool(consent))
        for column, value in values.items():
            self._values[column].append(value)
        self._as_of.append(as_of)
        self._activities.extend(taken)
        self._whose.extend([i] * len(taken))
        self._account.append(-1 if context is None else i)
        for activity in context or ():
            self._colleagues.append((i, activity.lead_id or "", activity))

    def columns(self) -> tuple[Leads, ActivityLog, Observations, Colleagues | None]:
        n = self.size
        numbers: dict[str, Column] = {}
        texts: dict[str, TextColumn] = {}
        times: dict[str, NDArray[np.int64]] = {}
        for name, kind in self._scorer.kinds.items():
            values = self._values[name]
            if kind in ("number", "boolean"):
                numbers[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
            elif kind == "time":
                times[name] = np.array([NEVER if value is None else value for value in values], dtype=np.int64)
            else:
                texts[name] = TextColumn.of(values)
        colleagues, account = self._context()
        leads = Leads(self.ids, numbers, texts, times, account)
        log = _log(n, self._whose, self._activities)
        return leads, log, Observations(np.arange(n), np.array(self._as_of, dtype=np.int64)), colleagues

    def _context(self) -> tuple[Colleagues | None, NDArray[np.int64] | None]:
        """Each request's account context as an account of its own, whose members are the colleagues it names."""
        account = np.array(self._account, dtype=np.int64)
        if not (account >= 0).any():
            return None, None
        members: dict[tuple[int, str], int] = {}
        whose = [members.setdefault((i, name), len(members)) for i, name, _ in self._colleagues]
        log = _log(len(members), whose, [activity for _, _, activity in self._colleagues]) if members else ActivityLog.empty(0)
        counts = np.bincount(np.array([i for i, _ in members], dtype=np.int64), minlength=self.size)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Colleagues(log, starts, np.arange(len(members)), own=False), account


def _before(as_of: int, activities: Sequence[ActivityLike]) -> tuple[list[ActivityLike], int]:
    """Distinct activities that had happened and been recorded before `as_of`, and how many were later."""
    distinct = _distinct(activities)
    taken = [one for one in distinct if instant(one.occurred_at) < as_of and (one.recorded_at is None or instant(one.recorded_at) < as_of)]
    return taken, len(distinct) - len(taken)


def _distinct(activities: Sequence[ActivityLike]) -> Sequence[ActivityLike]:
    """Doubles of an `activity_id` of one lead count once: the one recorded first, whatever the order of rows."""
    ids = [(one.lead_id, one.activity_id) for one in activities if one.activity_id is not None]
    if len(set(ids)) == len(ids):
        return activities
    kept: dict[tuple[str | None, str], ActivityLike] = {}
    others: list[ActivityLike] = []
    for one in activities:
        if one.activity_id is None:
            others.append(one)
            continue
        known = kept.get((one.lead_id, one.activity_id))
        if known is None or _first_key(one) < _first_key(known):
            kept[one.lead_id, one.activity_id] = one
    return [*kept.values(), *others]


def _first_key(activity: ActivityLike) -> tuple[Any, ...]:
    """When it was known, then when it happened, then the rest of the row, nulls first: the order of the tables' rows."""
    rest = [_text(getattr(activity, name, None)) for name in ACTIVITIES.columns if name not in _TIMES]
    happened = instant(activity.occurred_at)
    known = happened if activity.recorded_at is None else max(happened, instant(activity.recorded_at))
    return (known, happened, *((text is not None, text or "") for text in rest))


_TIMES = ("occurred_at", "recorded_at")


def _log(n: int, whose: Sequence[int], activities: Sequence[ActivityLike]) -> ActivityLog:
    occurred = np.array([instant(one.occurred_at) for one in activities], dtype=np.int64)
    recorded = None
    if any(one.recorded_at is not None for one in activities):
        recorded = np.array([instant(one.recorded_at or one.occurred_at) for one in activities], dtype=np.int64)
    return ActivityLog.build(
        n,
        np.array(whose, dtype=np.int64),
        occurred,
        TextColumn.of([one.type for one in activities]),
        recorded=recorded,
        channel=TextColumn.of([one.channel for one in activities]),
        url=TextColumn.of([one.url for one in activities]),
        content=TextColumn.of([one.content for one in activities]),
        campaign=TextColumn.of([one.campaign for one in activities]),
        value=TextColumn.of([_text(one.value) for one in activities]),
        automated=np.array([bool(one.automated) for one in activities], dtype=np.bool_),
    )


def _value(name: str, kind: str, value: object, missing: Collection[str]) -> Any:  # noqa: ANN401 - as its column holds it
    """An attribute as its column holds it; None is missing. What a file's column would not hold is refused here too."""
    if value is None or (isinstance(value, str) and (value in missing or not value.strip())):
        return None
    if kind == "number":
        return _number(name, value)
    if kind == "boolean":
        known = value if isinstance(value, (bool, int, float)) else _BOOLEANS.get(str(value).strip().casefold())
        if known not in (0, 1):
            raise BadValue(column=name, value=value, expected="yes or no")
        return float(known)
    if kind == "time":
        try:
            when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise BadValue(column=name, value=value, expected="a time such as 2026-11-20T09:00:00Z") from None
        return instant(when)
    if isinstance(value, (dict, list)):
        raise BadValue(column=name, value=value, expected="a text or a number")
    return _text(value)


def _number(name: str, value: object) -> float | None:
    """Not finite is missing. Python would also read `1_000` and other digits than ours: a file's column would not."""
    try:
        if isinstance(value, str) and ("_" in value or not value.isascii()):
            raise ValueError
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except OverflowError:
        return None
    except (TypeError, ValueError):
        raise BadValue(column=name, value=value, expected="a number") from None
    return number if math.isfinite(number) else None


def _text(value: object) -> str | None:
    """A value as a file's text column would hold it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


_BOOLEANS = {"yes": 1, "true": 1, "sí": 1, "si": 1, "1": 1, "1.0": 1, "no": 0, "false": 0, "0": 0, "0.0": 0}
