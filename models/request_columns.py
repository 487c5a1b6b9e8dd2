"""Requests as columns: what a lead's JSON says, held as training held it, and its activities as a log.

In: requests whose `as_of` is resolved. Out: what the engine is given, a row a request in the order they were added; and of
each what the decision says beside its figures: what was absent, unused or ignored, and what it was made from. Values that
training would read as missing are missing, and what a file's column would not hold is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.contracts import EARLIEST
from data.errors import BadData
from data.sizes import SIZES, read_size
from features import bant
from features.answers import field_of
from features.engine import Colleagues
from features.history import NEVER, ActivityLog, Leads, Observations, TextColumn, instant, instants
from features.own_types import said_of_unnamed
from models.canonical import Used
from models.request import Activity, ScoreRequest
from models.scorer import TEXTUAL, Scorer

__all__ = ["BadValue", "RequestColumns", "text_of"]

Instants = NDArray[np.int64]

_EARLIEST = instant(datetime.fromisoformat(EARLIEST))
_BOOLEANS = {"yes": 1, "true": 1, "sí": 1, "si": 1, "1": 1, "1.0": 1, "no": 0, "false": 0, "0": 0, "0.0": 0}


class BadValue(BadData):
    """`lead.{column}` is {value!r}, which is not {expected}."""


class RequestColumns:
    """Requests on their way into columns."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.requests: list[ScoreRequest] = []
        self.ids: list[str] = []
        self.as_of: list[datetime] = []
        self.notes: list[list[str]] = []
        self.consent: list[bool | None] = []
        self.used: list[Used] = []
        """Of each request what counts of it. Like the notes on activities, known once there are columns."""
        self._values: list[Iterable[Any]] = []
        """Of each request, in the order of the scorer's `kinds`."""
        self._instants: list[int] = []

    @property
    def size(self) -> int:
        return len(self.ids)

    def add(self, request: ScoreRequest) -> None:
        """Raises BadValue when an attribute has a value of the wrong kind, and ValueError without `as_of`: nothing is then added."""
        if request.as_of is None:
            raise ValueError("as_of must be resolved before scoring")
        lead, scorer = request.lead, self._scorer
        when = request.as_of if request.as_of.tzinfo else request.as_of.replace(tzinfo=UTC)
        missing, given, textual = scorer.missing, lead.get, scorer.textual
        values = {
            name: value  # nearly always, and this much quicker than asking `_value`
            if (value := given(name)) is None or (name in textual and value.__class__ is str and value not in missing and value.strip())
            else _value(name, kind, value, missing)
            for name, kind in scorer.kinds.items()
        }
        consent = _value("consent", "boolean", given("consent"), missing)
        self.notes.append(self._notes_on(lead, values))
        self.ids.append(str(given("lead_id", "")))
        self.as_of.append(when)
        self.consent.append(None if consent is None else bool(consent))
        self.requests.append(request)
        self._values.append(values.values())
        self._instants.append(instant(when))

    def columns(self) -> tuple[Leads, ActivityLog, Observations, Colleagues | None]:
        """To be asked for once."""
        n, scorer = self.size, self._scorer
        column = dict(zip(scorer.kinds, zip(*self._values, strict=True), strict=False))
        numbers = np.array([column[name] for name in scorer.numbers], dtype=np.float64)  # None is NaN
        told = [[NEVER if value is None else value for value in column[name]] for name in scorer.times]
        as_of, *times = np.array([self._instants, *told], dtype=np.int64)
        texts = TextColumn.many({name: column[name] for name in scorer.texts})
        own = _counted(as_of, [request.activities for request in self.requests])
        log = _log(own, own.whose, n, scorer.evidence_plan.reads)
        self._note_activities(own, "activities")
        self._note_types(own, log.type.values)
        colleagues, account, others = self._context(as_of)
        if "answer" in log.type.values:
            self._note_answers(own)
        everyone = zip(self.requests, own.taken, others, strict=True)
        self.used = [Used(request.lead, taken, theirs, request.as_of) for request, taken, theirs in everyone]
        leads = Leads(
            self.ids,
            dict(zip(scorer.numbers, numbers, strict=True)),
            texts,
            dict(zip(scorer.times, times, strict=True)),
            account,
        )
        return leads, log, Observations(np.arange(n), as_of), colleagues

    def _notes_on(self, lead: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
        """What is absent, not understood or not read."""
        notes: list[str] = []
        if absent := [name for name in values if name not in lead]:
            notes.append(f"not given: {', '.join(sorted(absent))}")
        for column in SIZES:
            text = lead.get(column) if values.get(column, 0.0) is None else None
            if isinstance(text, str) and text.strip() and text not in self._scorer.missing:
                notes.append(f"{column} {text[:40]!r} tells of no size")
        if unused := [name for name in lead if name not in self._scorer.expected]:
            notes.append(f"not used by this model: {', '.join(sorted(unused))}")
        return notes

    def _note_activities(self, counted: _Counted, of: str) -> None:
        """What was left out of each request, and when that was from."""
        for i, ignored in counted.ignored.items():
            self.notes[i] += [f"{count} {of} {said} were ignored" for said, count in ignored]

    def _note_types(self, counted: _Counted, met: Sequence[str]) -> None:
        """Names the types of activities that no signal names."""
        named = self._scorer.named
        if named.issuperset(met):
            return
        types: dict[int, set[str]] = {}
        for i, one in zip(counted.whose.tolist(), counted.rows, strict=True):
            if one.type not in named:
                types.setdefault(i, set()).add(one.type)
        for i, found in types.items():
            if unnamed := said_of_unnamed(found, ()):
                self.notes[i].append(unnamed)

    def _note_answers(self, counted: _Counted) -> None:
        """Names the answers about fields that nobody declared or knows."""
        if "content" not in self._scorer.evidence_plan.reads:
            return
        names = {one.content for one in counted.rows if one.type == "answer" and one.content is not None}
        declared = self._scorer.plan.declared
        strange = {name for name in names if field_of(name, declared) not in bant.DIMENSIONS}
        if not strange:
            return
        found: dict[int, set[str]] = {}
        for i, one in zip(counted.whose.tolist(), counted.rows, strict=True):
            if one.type == "answer" and one.content in strange:
                found.setdefault(i, set()).add(one.content or "(without a name)")
        for i, said in found.items():
            self.notes[i].append(f"answers that no dimension of BANT reads: {', '.join(sorted(said))}")

    def _context(self, as_of: Instants) -> tuple[Colleagues | None, Instants | None, Sequence[Sequence[Activity] | None]]:
        """Each request's account context as an account of its own, whose members are the colleagues it names; and what counts of it."""
        n, given = self.size, [request.account_activities for request in self.requests]
        if self._scorer.plan.colleagues.needs:
            for notes, context in zip(self.notes, given, strict=True):
                if context is None:
                    notes.append("account_activities not given: what colleagues do is not known")
        if given.count(None) == n:
            return None, None, given
        lists = [  # a lead is not its own colleague
            [one for one in context or () if not name or one.lead_id != name] for name, context in zip(self.ids, given, strict=True)
        ]
        others = _counted(as_of, lists)
        self._note_activities(others, "activities of colleagues")
        members: dict[tuple[int, str], int] = {}
        whose = [
            members.setdefault((i, one.lead_id or ""), len(members)) for i, one in zip(others.whose.tolist(), others.rows, strict=True)
        ]
        reads = self._scorer.evidence_plan.reads
        log = _log(others, np.array(whose, dtype=np.int64), len(members), reads) if members else ActivityLog.empty(0)
        counts = np.bincount(np.array([i for i, _ in members], dtype=np.int64), minlength=n)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        account = np.array([-1 if context is None else i for i, context in enumerate(given)], dtype=np.int64)
        taken = [None if context is None else counts for context, counts in zip(given, others.taken, strict=True)]
        return Colleagues(log, starts, np.arange(len(members)), own=False), account, taken


class _Counted(NamedTuple):
    """The activities of requests that count."""

    taken: Sequence[Sequence[Activity]]
    """Of each request, as they came."""
    rows: Sequence[Activity]
    """The same in order of request and of time."""
    whose: Instants
    """The request of each row."""
    occurred: Instants
    recorded: Instants | None
    """None where nothing says when it became known."""
    ignored: Mapping[int, Sequence[tuple[str, int]]]
    """How many were left out of a request, and when those were from."""


def _counted(as_of: Instants, lists: Sequence[Sequence[Activity]]) -> _Counted:
    """Of each request its distinct activities that had happened and been recorded before its `as_of`."""
    taken = _distinct(lists)
    alone = len(taken) == 1
    rows = taken[0] if alone else [*chain.from_iterable(taken)]
    whose = np.zeros(len(rows), dtype=np.int64) if alone else np.repeat(np.arange(len(taken)), [len(one) for one in taken])
    occurred = instants([one.occurred_at for one in rows])
    recorded, known = None, [one.recorded_at for one in rows]
    if known.count(None) < len(known):
        recorded = instants([one.occurred_at if one.recorded_at is None else one.recorded_at for one in rows])
    ignored: dict[int, list[tuple[str, int]]] = {}
    until = as_of if alone else as_of.take(whose)
    early, counts = occurred >= _EARLIEST, occurred < until
    if recorded is not None:
        counts &= recorded < until
    counts &= early
    if np.count_nonzero(counts) < len(rows):
        taken = list(taken)
        for i in set(whose[~counts].tolist()):
            of = slice(*whose.searchsorted([i, i + 1]).tolist())
            absurd = int(np.count_nonzero(~early[of]))
            late = int(np.count_nonzero(~counts[of])) - absurd
            ignored[i] = [(said, n) for said, n in (("from as_of or later", late), (f"from before {EARLIEST[:4]}", absurd)) if n]
            taken[i] = [*compress(taken[i], counts[of].tolist())]
        rows, whose, occurred = [*chain.from_iterable(taken)], whose[counts], occurred[counts]
        recorded = None if recorded is None else recorded[counts]
    if len(rows) > 1:
        order = occurred.argsort(kind="stable") if alone else np.lexsort((occurred, whose))
        rows, occurred = [rows[i] for i in order.tolist()], occurred.take(order)
        recorded = None if recorded is None else recorded.take(order)
    return _Counted(taken, rows, whose, occurred, recorded, ignored)


def _distinct(lists: Sequence[Sequence[Activity]]) -> Sequence[Sequence[Activity]]:
    """Doubles of an `activity_id` of one lead count once: the one known first, whatever the order of rows and whatever comes later."""
    if len(lists) > 1:
        ids = [one.activity_id for activities in lists for one in activities if one.activity_id is not None]
        if len(set(ids)) == len(ids):
            return lists
    return [_distinct_of_one(activities) for activities in lists]


def _distinct_of_one(activities: Sequence[Activity]) -> Sequence[Activity]:
    ids = [one.activity_id for one in activities if one.activity_id is not None]
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


def _log(counted: _Counted, whose: Instants, n: int, reads: Collection[str]) -> ActivityLog:
    """Activities as the log of n leads, with the text columns that are read; `whose` is the lead of each."""
    rows = counted.rows
    told: dict[str, list[str | None]] = {name: read(rows) for name, read in _READ.items() if name in reads or name == "type"}
    # A column in which nothing stands is absent, which spares its look-ups.
    texts = TextColumn.many({name: column for name, column in told.items() if name == "type" or column.count(None) < len(rows)})
    agents = [one.user_agent or None for one in rows]
    automated, lasted = [one.automated for one in rows], [one.duration_seconds for one in rows]
    return ActivityLog.build(
        n,
        whose,
        counted.occurred,
        recorded=counted.recorded,
        automated=np.array(automated, dtype=np.bool_) if True in automated else None,  # None is no
        fleeting=np.array([seconds == 0.0 for seconds in lasted]) if 0.0 in lasted else None,
        agent=TextColumn.of(agents) if agents.count(None) < len(agents) else None,
        **texts,
    )


# Each on its own: an attribute whose name is known beforehand is read in a third of the time.
_READ: Mapping[str, Callable[[Sequence[Activity]], list[str | None]]] = {
    "type": lambda rows: [one.type for one in rows],
    "channel": lambda rows: [one.channel for one in rows],
    "url": lambda rows: [one.url for one in rows],
    "content": lambda rows: [one.content for one in rows],
    "value": lambda rows: [value if (value := one.value) is None or value.__class__ is str else text_of(value) for one in rows],
}


def _value(name: str, kind: str, value: object, missing: Collection[str]) -> Any:  # noqa: ANN401 - as its column holds it
    """An attribute as its column holds it; None is missing. What a file's column would not hold is refused here too."""
    if value is None:
        return None
    if isinstance(value, str):
        if value in missing or not value.strip():
            return None
        if kind in TEXTUAL:
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
