"""Requests as columns: what a lead's JSON says, held as training held it, and its activities as a log.

In: requests whose `as_of` is resolved. Out: what the engine is given, a row a request in the order they were added; and of
each what the decision says beside its figures: what was absent, unused or ignored, and what it was made from. Values that
training would read as missing are missing, and what a file's column would not hold is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.contracts import EARLIEST
from data.errors import BadData
from data.sizes import SIZES, read_size
from features import bant
from features.answers import field_of
from features.engine import Colleagues
from features.history import NEVER, ActivityLog, Leads, Observations, TextColumn, instant
from features.own_types import said_of_unnamed
from models.request import Activity, ScoreRequest
from models.scorer import Scorer

__all__ = ["BadValue", "RequestColumns", "text_of"]

_EARLIEST = instant(datetime.fromisoformat(EARLIEST))
_BOOLEANS = {"yes": 1, "true": 1, "sí": 1, "si": 1, "1": 1, "1.0": 1, "no": 0, "false": 0, "0": 0, "0.0": 0}
_TEXTUAL = ("category", "text")


class BadValue(BadData):
    """`lead.{column}` is {value!r}, which is not {expected}."""


class RequestColumns:
    """Requests on their way into columns."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.ids: list[str] = []
        self.as_of: list[datetime] = []
        self.notes: list[list[str]] = []
        self.consent: list[bool | None] = []
        self.used: list[tuple[object, ...]] = []
        """Of each request the lead, the activities that count, those of colleagues, and `as_of`."""
        self._values: list[Iterable[Any]] = []
        """Of each request, in the order of the scorer's `kinds`."""
        self._instants: list[int] = []
        self._own = _Activities()
        self._others = _Activities()
        self._members: dict[tuple[int, str], int] = {}
        self._account: list[int] = []

    @property
    def size(self) -> int:
        return len(self.ids)

    def add(self, request: ScoreRequest) -> None:
        """Raises BadValue when an attribute has a value of the wrong kind, and ValueError without `as_of`: nothing is then added."""
        if request.as_of is None:
            raise ValueError("as_of must be resolved before scoring")
        lead, scorer, i = request.lead, self._scorer, self.size
        when = request.as_of if request.as_of.tzinfo else request.as_of.replace(tzinfo=UTC)
        as_of = instant(when)
        missing, given = scorer.missing, lead.get
        values = {
            name: None if (value := given(name)) is None else _value(name, kind, value, missing) for name, kind in scorer.kinds.items()
        }
        consent = _value("consent", "boolean", given("consent"), missing)
        notes = self._notes_on(lead, values)
        own = _counted(as_of, request.activities)
        self._own.extend(own, [i] * len(own.rows))
        notes += [f"{count} activities {said} were ignored" for said, count in own.ignored]
        if (types := {one.type for one in own.rows} - scorer.named) and (unnamed := said_of_unnamed(types, ())):
            notes.append(unnamed)
        name = str(given("lead_id", ""))
        context, taken = request.account_activities, None
        if context is None:
            if scorer.plan.colleagues.needs:
                notes.append("account_activities not given: what colleagues do is not known")
        else:  # a lead is not its own colleague
            others = _counted(as_of, [one for one in context if not name or one.lead_id != name])
            taken, members = others.taken, self._members
            self._others.extend(others, [members.setdefault((i, one.lead_id or ""), len(members)) for one in others.rows])
            notes += [f"{count} activities of colleagues {said} were ignored" for said, count in others.ignored]
        notes += self._strange_answers(own.rows)
        self.ids.append(name)
        self.as_of.append(when)
        self.notes.append(notes)
        self.consent.append(None if consent is None else bool(consent))
        self.used.append((lead, own.taken, taken, request.as_of))
        self._values.append(values.values())
        self._instants.append(as_of)
        self._account.append(-1 if context is None else i)

    def columns(self) -> tuple[Leads, ActivityLog, Observations, Colleagues | None]:
        n, scorer = self.size, self._scorer
        column = dict(zip(scorer.kinds, zip(*self._values, strict=True), strict=False))
        numbers = np.array([column[name] for name in scorer.numbers], dtype=np.float64)  # None is NaN
        told = [[NEVER if value is None else value for value in column[name]] for name in scorer.times]
        as_of, *times = np.array([self._instants, *told], dtype=np.int64)
        texts = TextColumn.many({name: column[name] for name in scorer.texts})
        colleagues, account = self._context()
        leads = Leads(
            self.ids,
            dict(zip(scorer.numbers, numbers, strict=True)),
            texts,
            dict(zip(scorer.times, times, strict=True)),
            account,
        )
        return leads, self._own.log(n, scorer.evidence_plan.reads), Observations(np.arange(n), as_of), colleagues

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

    def _strange_answers(self, rows: Sequence[Activity]) -> list[str]:
        """Names the answers about fields that nobody declared or knows."""
        if "content" not in self._scorer.evidence_plan.reads:
            return []
        declared = self._scorer.plan.declared
        names = {one.content for one in rows if one.type == "answer" and one.content is not None}
        strange = sorted(name for name in names if field_of(name, declared) not in bant.DIMENSIONS)
        if not strange:
            return []
        return [f"answers that no dimension of BANT reads: {', '.join(name or '(without a name)' for name in strange)}"]

    def _context(self) -> tuple[Colleagues | None, NDArray[np.int64] | None]:
        """Each request's account context as an account of its own, whose members are the colleagues it names."""
        if max(self._account) < 0:
            return None, None
        account, members = np.array(self._account, dtype=np.int64), self._members
        log = self._others.log(len(members), self._scorer.evidence_plan.reads) if members else ActivityLog.empty(0)
        counts = np.bincount(np.array([i for i, _ in members], dtype=np.int64), minlength=self.size)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Colleagues(log, starts, np.arange(len(members)), own=False), account


class _Counted(NamedTuple):
    """The activities of a request that count."""

    taken: Sequence[Activity]
    """As they came."""
    rows: Sequence[Activity]
    """The same in order of time."""
    occurred: list[int]
    recorded: list[int]
    """Of `rows`; the very list `occurred` where nothing says when it became known."""
    ignored: Sequence[tuple[str, int]]
    """How many were left out, and when those were from."""


def _counted(as_of: int, activities: Sequence[Activity]) -> _Counted:
    """Distinct activities that had happened and been recorded before `as_of`."""
    rows = taken = _distinct(activities)
    occurred = [instant(one.occurred_at) for one in rows]
    recorded, known = occurred, [one.recorded_at for one in rows]
    if known.count(None) < len(known):
        recorded = [at if when is None else instant(when) for at, when in zip(occurred, known, strict=True)]
    ignored: list[tuple[str, int]] = []
    order = sorted(range(len(rows)), key=occurred.__getitem__)
    if rows and not (occurred[order[0]] >= _EARLIEST and occurred[order[-1]] < as_of and (recorded is occurred or max(recorded) < as_of)):
        order = [i for i in order if _EARLIEST <= occurred[i] < as_of and recorded[i] < as_of]
        taken = [rows[i] for i in sorted(order)]
        absurd = sum(at < _EARLIEST for at in occurred)
        late = len(rows) - len(order) - absurd
        ignored = [(said, n) for said, n in (("from as_of or later", late), (f"from before {EARLIEST[:4]}", absurd)) if n]
    rows, at = [rows[i] for i in order], [occurred[i] for i in order]
    return _Counted(taken, rows, at, at if recorded is occurred else [recorded[i] for i in order], ignored)


def _distinct(activities: Sequence[Activity]) -> Sequence[Activity]:
    """Doubles of an `activity_id` of one lead count once: the one known first, whatever the order of rows and whatever comes later."""
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


class _Activities:
    """Activities on their way into a log."""

    def __init__(self) -> None:
        self._rows: list[Activity] = []
        self._occurred: list[int] = []
        self._recorded: list[int] = []
        self._whose: list[int] = []
        self._late = False

    def extend(self, counted: _Counted, whose: Sequence[int]) -> None:
        """Adds activities, and whose each of them is."""
        self._rows.extend(counted.rows)
        self._occurred.extend(counted.occurred)
        self._recorded.extend(counted.recorded)
        self._whose.extend(whose)
        self._late |= counted.recorded is not counted.occurred

    def log(self, n: int, reads: Collection[str]) -> ActivityLog:
        """The log of n leads, with the text columns that are read."""
        rows = self._rows
        told: dict[str, list[str | None]] = {name: read(rows) for name, read in _READ.items() if name in reads or name == "type"}
        # A column in which nothing stands is absent, which spares its look-ups.
        texts = TextColumn.many({name: column for name, column in told.items() if name == "type" or column.count(None) < len(rows)})
        agents = [one.user_agent or None for one in rows]
        automated, lasted = [one.automated for one in rows], [one.duration_seconds for one in rows]
        return ActivityLog.build(
            n,
            np.array(self._whose, dtype=np.int64),
            np.array(self._occurred, dtype=np.int64),
            recorded=np.array(self._recorded, dtype=np.int64) if self._late else None,
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
