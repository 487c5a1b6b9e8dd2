"""Scoring: from what is known about leads to probabilities, reasons and decisions. The only way to score, anywhere.

`score_columns` takes columns (a file, a training set), `score_requests` takes the service's requests; the second turns
its requests into columns and calls the first, so a lead gets the same probability to the last digit either way. No I/O
and no clock: the caller says `as_of` and which policy is in force.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from data.columns import MISSING_WORDS
from data.contracts import EARLIEST, LEADS
from data.errors import BadData, TamizError
from data.sizes import SIZES, read_size
from features import bant
from features.answers import field_of
from features.catalogue import catalogue
from features.engine import Colleagues, Plan, evaluate
from features.history import NEVER, ActivityLog, History, Leads, Observations, TextColumn, instant
from features.own_types import declared_types, said_of_unnamed
from features.routing import routing
from models.decision import DECISIONS, Bant, BantDimension, Decision, Evidence, Outcome, Reason, Receipt
from models.encoder import Encoder
from models.inputs import Floats
from models.qualification import Policy, decide, decide_many
from models.reasons import Reasons
from models.request import Activity, ScoreRequest
from models.routing import facts_of

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = [
    "Scored",
    "Scorer",
    "bant_card",
    "score_columns",
    "score_requests",
    "text_of",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FEW = 1_000
_EARLIEST = instant(datetime.fromisoformat(EARLIEST))
_canonical = msgspec.json.Encoder(order="deterministic")


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
    X: Floats
    expected_value: Floats | None
    """None where outcomes carried no amounts, and without signal."""
    contributions: Floats | None
    """None when neither reasons nor contributions were asked for."""

    def by_day(self, bundle: Bundle) -> Floats:
        """Rows × the days of the bundle's `by_day`, which there must be."""
        assert bundle.by_day is not None
        return bundle.by_day.apply(self.probability, self.margin)

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
    expected: frozenset[str] = field(init=False)
    """Keys of `lead` that need no mention: what is read, and what Tamiz knows but no model reads."""

    named: frozenset[str] = field(init=False)
    """Activity types that need no mention: some signal names them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "named", self.plan.own.types | declared_types(catalogue().values()))
        unread = LEADS.columns.keys() - self.evidence_plan.columns
        object.__setattr__(self, "expected", frozenset(self.kinds.keys() | unread))

    @classmethod
    def of(cls, encoder: Encoder, trained: Mapping[str, str] | None = None, missing: Collection[str] = ()) -> Scorer:
        """`trained` are the columns that training had and their kinds, where that is known."""
        features = encoder.feature_set
        plan = Plan(features)
        with_evidence = Plan(features, also=bant.prepare)
        kinds: dict[str, str] = {name: LEADS.columns.get(name, "text") for name in with_evidence.columns}
        kinds |= {one.name: one.kind for one in features.declared.columns}
        kinds |= {one.name: one.kind for one in features.attributes}
        if trained:
            kinds = {name: kind for name, kind in kinds.items() if name in trained}
        return cls(encoder, Reasons(encoder), plan, with_evidence, kinds, frozenset((*MISSING_WORDS, *missing)))


def score_columns(
    bundle: Bundle,
    leads: Leads,
    log: ActivityLog,
    observations: Observations,
    colleagues: Colleagues | None = None,
    *,
    reasons: int = 0,
    explain: str = "path",
    contributions: bool = False,
    evidence: list[dict[bant.Dimension, bant.DimensionEvidence]] | None = None,
    answers: list[Floats] | None = None,
) -> Scored:
    """Scores every observation.

    `evidence`, if a list is given, is filled with each one's BANT evidence; `answers` likewise with what policies ask of
    histories (`features/routing.py`), block by block.
    """
    scorer = bundle.scorer
    also = None
    if evidence is not None or answers is not None:
        gathered, answered = evidence, answers

        def also(history: History, start: int) -> None:
            if gathered is not None:
                gathered.extend(bant.evidence(history, row) for row in range(history.size))
            if answered is not None:
                answered.append(routing(history))

    plan = scorer.plan if evidence is None else scorer.evidence_plan
    table = evaluate(plan, leads, log, observations, colleagues, also=also)
    X = scorer.encoder.encode(table)
    pulls: Floats | None = None
    if reasons > 0 or contributions:
        pulls, margin = bundle.explain(X, exact=explain == "shap")
    else:
        margin = bundle.model.margin(X)
    probability, low, high = bundle.calibration.apply(margin)
    score = np.full(len(X), np.nan) if bundle.no_signal else bundle.scale.apply(margin)
    told: list[list[Reason]] | None = None
    if pulls is not None:
        # A handful of leads hear their own words; a file's reasons name the category as training knew it.
        told = scorer.reasons.of(pulls, X, reasons, table.texts if len(X) <= _FEW else None)
    worth = None if bundle.value is None or bundle.no_signal else probability * bundle.value.given_conversion(X)
    return Scored(probability, low, high, margin, score, bundle.scale.grade(score), told, X, worth, pulls)


def score_requests(
    bundle: Bundle,
    requests: Sequence[ScoreRequest],
    policy: Policy,
    *,
    reasons: int = 3,
    explain: str = "path",
    previous: MutableMapping[str, Outcome] | None = None,
    since: Mapping[str, float] | None = None,
    places: MutableMapping[str, int] | None = None,
) -> list[Decision | TamizError]:
    """A decision for each request, or the error that keeps it from being scored; one bad request spoils no other.

    `previous` holds what was decided last on each lead, and is kept up to date in the order of the requests, so that a lead
    which is mentioned twice meets its own first decision. `since` says for how many days that has stood, and `places` how many
    more may enter each queue this week, counted down here.

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
    asked: list[Floats] | None = None if policy.plain else []
    leads, log, observations, colleagues = batch.columns()
    scored = score_columns(
        bundle, leads, log, observations, colleagues, reasons=reasons, explain=explain, contributions=True, evidence=evidence, answers=asked
    )
    everyone = range(batch.size)
    answered = None if asked is None else np.concatenate(asked, axis=1)
    facts = facts_of(policy, leads, everyone, evidence=evidence, answers=answered, consent=batch.consent)
    probability, low, high = scored.probability.tolist(), scored.low.tolist(), scored.high.tolist()
    score = scored.score.tolist()
    worth = None if scored.expected_value is None else scored.expected_value.tolist()
    days, by_day = ((), None) if bundle.by_day is None else (bundle.by_day.names, scored.by_day(bundle).tolist())
    fit, engagement = _index(bundle, scored, ("fit", "authority")), _index(bundle, scored, ("engagement", "intent"))
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
        known = facts[i]
        if before is not None or places:
            known = replace(known, previous=before, previous_days=since.get(lead_id) if since else None, places=places or {})
        ruling = decide(policy, probability[i], known, no_signal=bundle.no_signal)
        outcome = ruling.decision
        if places and outcome in places and (before is None or DECISIONS.index(before) < DECISIONS.index(outcome)):
            places[outcome] -= 1
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
            expected_value=None if worth is None else worth[i],
            by_day=None if by_day is None else dict(zip(days, by_day[i], strict=True)),
            score=None if bundle.no_signal else round(score[i], 1),
            grade=scored.grade[i],  # type: ignore[arg-type]  # the scale's cut-offs name grades
            decision=outcome,
            previous_decision=before,
            changed=before is not None and before != outcome,
            rules=ruling.told,
            bant=bant_card(evidence[i], instant(as_of)),
            fit=fit[i],
            engagement=engagement[i] if bundle.reads_activities else None,
            reasons=scored.reasons[i] if scored.reasons is not None else [],
            missing=batch.notes[i] + bundle.unseen(scored.X[i]),
            receipt=Receipt(
                bundle.model_version,
                bundle.feature_set,
                _digest(batch.used[i]),
                propensity=msgspec.UNSET if ruling.propensity is None else ruling.propensity,
            ),
            override=None,
        )
    return [answer for answer in answers if answer is not None]


def _index(bundle: Bundle, scored: Scored, families: tuple[str, ...]) -> list[float]:
    """Some families' push on each lead's margin as 0–100; 50 is the training average."""
    assert scored.contributions is not None
    log_odds = np.add.reduce(scored.contributions.take(bundle.columns_of(families), axis=1), axis=1)
    return [round(one, 1) for one in (100.0 / (1.0 + np.exp(-log_odds))).tolist()]


def bant_card(found: Mapping[bant.Dimension, bant.DimensionEvidence], as_of: int) -> Bant:
    """The evidence as it is answered."""

    def dimension(one: bant.DimensionEvidence) -> BantDimension:
        facts = []
        for hint in one.hints:
            seen = hint.observed(as_of)
            when = None if seen is None else _EPOCH + timedelta(microseconds=seen)
            facts.append(Evidence(hint.fact, hint.source, when, round(hint.weight, 4), hint.contradicts))
        return BantDimension(one.status, None if one.strength is None else round(one.strength, 4), facts, one.question)

    return Bant(**{name: dimension(one) for name, one in found.items()})


def _moment(request: ScoreRequest) -> datetime:
    if request.as_of is None:
        raise ValueError("as_of must be resolved before scoring")
    return request.as_of if request.as_of.tzinfo else request.as_of.replace(tzinfo=UTC)


def _digest(used: object) -> str:
    """SHA-256 of what the decision was made from: rows that did not count leave no trace in it."""
    return hashlib.sha256(_canonical.encode(used)).hexdigest()


class _Batch:
    """Requests being turned into columns."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.ids: list[str] = []
        self.notes: list[list[str]] = []
        self.consent: list[bool | None] = []
        self.used: list[tuple[object, ...]] = []
        """Of each request the lead, the activities that count, those of colleagues, and `as_of`."""
        self._values: dict[str, list[Any]] = {name: [] for name in scorer.kinds}
        self._as_of: list[int] = []
        self._own = _Activities()
        self._others = _Activities()
        self._members: dict[tuple[int, str], int] = {}
        self._account: list[int] = []

    @property
    def size(self) -> int:
        return len(self.ids)

    def add(self, request: ScoreRequest) -> None:
        """Raises BadValue when an attribute has a value of the wrong kind; the batch is then unchanged."""
        lead, notes = request.lead, list[str]()
        as_of = instant(_moment(request))
        kinds, missing = self._scorer.kinds, self._scorer.missing
        values = {name: _value(name, kind, lead.get(name), missing) for name, kind in kinds.items()}
        consent = _value("consent", "boolean", lead.get("consent"), missing)
        absent, unused = kinds.keys() - lead.keys(), lead.keys() - self._scorer.expected
        if absent:
            notes.append(f"not given: {', '.join(sorted(absent))}")
        for column in SIZES:
            if values.get(column, 0.0) is None and isinstance(text := lead.get(column), str) and text.strip() and text not in missing:
                notes.append(f"{column} {text[:40]!r} tells of no size")
        if unused:
            notes.append(f"not used by this model: {', '.join(sorted(unused))}")
        i = self.size
        own, occurred, left_out = _before(as_of, request.activities)
        self._own.extend(own, occurred, [i] * len(own))
        notes += [f"{count} activities {when} were ignored" for when, count in left_out.items() if count]
        if unnamed := said_of_unnamed({one.type for one in own} - self._scorer.named, ()):
            notes.append(unnamed)
        name = str(lead.get("lead_id", ""))
        context, taken = request.account_activities, None
        if context is None:
            if self._scorer.plan.colleagues.needs:
                notes.append("account_activities not given: what colleagues do is not known")
        else:  # a lead is not its own colleague
            taken, occurred, left_out = _before(as_of, [one for one in context if not name or one.lead_id != name])
            members = self._members
            self._others.extend(taken, occurred, [members.setdefault((i, one.lead_id or ""), len(members)) for one in taken])
            notes += [f"{count} activities of colleagues {when} were ignored" for when, count in left_out.items() if count]
        self.ids.append(name)
        self.notes.append(notes)
        self.consent.append(None if consent is None else bool(consent))
        self.used.append((lead, own, taken, request.as_of))
        for column, value in values.items():
            self._values[column].append(value)
        self._as_of.append(as_of)
        self._account.append(-1 if context is None else i)

    def columns(self) -> tuple[Leads, ActivityLog, Observations, Colleagues | None]:
        n = self.size
        given: dict[str, dict[str, list[Any]]] = {"number": {}, "time": {}, "text": {}}
        for name, kind in self._scorer.kinds.items():
            given[_HELD_AS.get(kind, "text")][name] = self._values[name]
        numbers = dict(zip(given["number"], np.array([*given["number"].values()], dtype=np.float64), strict=True))  # None is NaN
        times = {name: np.array([NEVER if value is None else value for value in values]) for name, values in given["time"].items()}
        texts = TextColumn.many(given["text"])
        colleagues, account = self._context()
        leads = Leads(self.ids, numbers, texts, times, account)
        log = self._own.log(n, self._scorer.evidence_plan.reads)
        self._tell_strange_answers(log)
        return leads, log, Observations(np.arange(n), np.array(self._as_of, dtype=np.int64)), colleagues

    def _tell_strange_answers(self, log: ActivityLog) -> None:
        """Notes the answers about fields that nobody declared or knows."""
        if "answer" not in log.type.values:
            return
        declared, answer = self._scorer.plan.declared, log.type.values.index("answer")
        strange = np.array([*(field_of(content, declared) not in bant.DIMENSIONS for content in log.content.values), False])
        (rows,) = ((log.type.codes == answer) & strange[log.content.codes]).nonzero()
        if len(rows):
            whose = log.starts.searchsorted(rows, side="right") - 1
            found = sorted({(int(i), str(log.content.text(row))) for i, row in zip(whose, rows.tolist(), strict=True)})
            for i in dict.fromkeys(i for i, _ in found):
                names = ", ".join(name or "(without a name)" for whom, name in found if whom == i)
                self.notes[i].append(f"answers that no dimension of BANT reads: {names}")

    def _context(self) -> tuple[Colleagues | None, NDArray[np.int64] | None]:
        """Each request's account context as an account of its own, whose members are the colleagues it names."""
        if max(self._account) < 0:
            return None, None
        account, members = np.array(self._account, dtype=np.int64), self._members
        log = self._others.log(len(members), self._scorer.evidence_plan.reads) if members else ActivityLog.empty(0)
        counts = np.bincount(np.array([i for i, _ in members], dtype=np.int64), minlength=self.size)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Colleagues(log, starts, np.arange(len(members)), own=False), account


def _before(as_of: int, activities: Sequence[Activity]) -> tuple[list[Activity], list[int], dict[str, int]]:
    """Distinct activities that had happened and been recorded before `as_of`, the instant of each, and how many were not, and when."""
    distinct = _distinct(activities)
    taken: list[Activity] = []
    occurred: list[int] = []
    absurd = 0
    for one in distinct:
        at = instant(one.occurred_at)
        if at < _EARLIEST:
            absurd += 1
        elif at < as_of and (one.recorded_at is None or instant(one.recorded_at) < as_of):
            taken.append(one)
            occurred.append(at)
    return taken, occurred, {"from as_of or later": len(distinct) - len(taken) - absurd, f"from before {EARLIEST[:4]}": absurd}


def _distinct(activities: Sequence[Activity]) -> Sequence[Activity]:
    """Doubles of an `activity_id` of one lead count once: the one known first, whatever the order of rows and whatever comes later."""
    ids = [(one.lead_id, one.activity_id) for one in activities if one.activity_id is not None]
    if len(set(ids)) == len(ids):
        return activities
    first: dict[tuple[str | None, str], int] = {}
    for i, one in enumerate(activities):
        if one.activity_id is not None:
            known = first.setdefault((one.lead_id, one.activity_id), i)
            if _first_key(one) < _first_key(activities[known]):
                first[one.lead_id, one.activity_id] = i
    kept = set(first.values())
    return [one for i, one in enumerate(activities) if one.activity_id is None or i in kept]


def _first_key(activity: Activity) -> tuple[Any, ...]:
    """When it was known, when it happened, then the rest of the row as the tables order it: text nulls first, others last."""
    happened = instant(activity.occurred_at)
    recorded = happened if activity.recorded_at is None else instant(activity.recorded_at)
    texts = [(text is not None, text or "") for text in (text_of(getattr(activity, name)) for name in _TEXTS)]
    automated = 2 if activity.automated is None else int(activity.automated)
    agent = activity.user_agent
    return (max(happened, recorded), happened, activity.type, recorded, *texts, automated, agent is not None, agent or "")


_TEXTS = ("channel", "url", "content", "campaign", "value")


class _Activities:
    """Activities on their way into a log."""

    def __init__(self) -> None:
        self._rows: list[Activity] = []
        self._occurred: list[int] = []
        self._whose: list[int] = []

    def extend(self, taken: Sequence[Activity], occurred: Sequence[int], whose: Sequence[int]) -> None:
        """Adds activities with their instants, and whose each of them is."""
        self._rows.extend(taken)
        self._occurred.extend(occurred)
        self._whose.extend(whose)

    def log(self, n: int, reads: Collection[str]) -> ActivityLog:
        """The log of n leads, with the text columns that are read."""
        rows = self._rows
        recorded = None
        if any(one.recorded_at is not None for one in rows):
            recorded = np.array([instant(one.recorded_at or one.occurred_at) for one in rows], dtype=np.int64)
        texts = TextColumn.many({name: map(text, rows) for name, text in _ACTIVITY_TEXTS.items() if name in reads or name == "type"})
        fleeting = [one.duration_seconds == 0.0 for one in rows]
        agents = [one.user_agent for one in rows]
        return ActivityLog.build(
            n,
            np.array(self._whose, dtype=np.int64),
            np.array(self._occurred, dtype=np.int64),
            recorded=recorded,
            automated=np.array([one.automated for one in rows], dtype=np.bool_),  # None is no
            agent=TextColumn.of(agents) if any(agents) else None,
            fleeting=np.array(fleeting) if True in fleeting else None,
            **texts,
        )


def _value(name: str, kind: str, value: object, missing: Collection[str]) -> Any:  # noqa: ANN401 - as its column holds it
    """An attribute as its column holds it; None is missing. What a file's column would not hold is refused here too."""
    if value is None:
        return None
    if isinstance(value, str):
        if value in missing or not value.strip():
            return None
        if kind in _TEXTUAL:
            return value
    if kind == "number":
        return _size(name, value) if name in SIZES and isinstance(value, str) else _number(name, value)
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
    return text_of(value)


def _size(name: str, text: str) -> float | None:
    """A company's size as its form or CRM words it; what tells of none is not known, as in a file."""
    size = read_size(text, SIZES[name])
    return size if size == size else None  # NaN is not equal to itself


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


def text_of(value: object) -> str | None:
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


_ACTIVITY_TEXTS: Mapping[str, Callable[[Activity], str | None]] = {
    **{name: attrgetter(name) for name in ("type", "channel", "url", "content")},
    "value": lambda one: text_of(one.value),
}
_TEXTUAL = ("category", "text")
_HELD_AS = {"number": "number", "boolean": "number", "time": "time"}
_BOOLEANS = {"yes": 1, "true": 1, "sí": 1, "si": 1, "1": 1, "1.0": 1, "no": 0, "false": 0, "0": 0, "0.0": 0}
