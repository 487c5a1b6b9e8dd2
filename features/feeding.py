"""Which signals a customer's own tables feed, which stay empty, and what would feed them.

In: a project and its tables. Out: `Check`: every signal with the share of leads that give it something, the columns that
are taken as they are or are undated, and the activity types, pages and answers that no signal knows. The signals' own
functions are asked, by the engine, at an instant after everything and with every window open: what is empty here is
empty always, and machines are told apart as they are in training.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from data.contracts import LEADS, NOT_ATTRIBUTES
from data.files import nearest
from data.frames import Tables
from data.labels import account_keys
from data.project import Project
from features.answers import answered_fields, field_of
from features.bant import DIMENSIONS
from features.catalogue import catalogue
from features.catalogue_table import Reads, reads_of
from features.declarations import Declarations, tidy
from features.engine import Colleagues, Plan, evaluate
from features.evidence_names import evidence_of
from features.history import ActivityLog, Answered, Column, History, Leads, Need, Observations, Selector, TextColumn, select
from features.own_types import MOST_TYPES, leads_enough
from features.rehearsal import needs_of
from features.signal import FeatureSet, Signal
from features.topics import About, about

__all__ = ["AnswerField", "Check", "Fed", "OwnType", "Page", "TakenRaw", "Topic", "Undated", "check"]

T = TypeVar("T")

_TOP_PAGES = 10


@dataclass(frozen=True)
class Fed:
    """What the data give a signal."""

    name: str
    family: str
    state: Literal["fed", "partly", "empty", "replaced"]
    """`partly`: some leads have no value, or something that it reads is nowhere; `replaced`: by a column of the same name."""
    leads: int
    """How many leads give it something, at any time."""
    share: float
    reads: tuple[str, ...]
    missing: tuple[str, ...]
    """What it reads and is nowhere in the data, as something to supply; of an empty signal none, where what is there says nothing."""


@dataclass(frozen=True)
class TakenRaw:
    """A column of `leads` that the model takes as it is."""

    name: str
    kind: str
    share: float


@dataclass(frozen=True)
class Undated:
    """A column of current state, and the inputs made from it, which the audit will leave out."""

    column: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class OwnType:
    """An activity type that no signal names."""

    name: str
    activities: int
    leads: int
    is_input: bool
    """Whether training makes signals of it."""
    guess: str | None


@dataclass(frozen=True)
class Topic:
    """A topic of visited pages."""

    name: str
    activities: int
    pages: int


@dataclass(frozen=True)
class Page:
    """A page that is about no known topic."""

    path: str
    activities: int


@dataclass(frozen=True)
class AnswerField:
    """What answers are about, as the data call it, and the dimension it is read as, if any."""

    content: str
    answers: int
    field: str | None
    guess: str | None


@dataclass(frozen=True)
class Check:
    """All of it."""

    leads: int
    activities: int
    signals: tuple[Fed, ...]
    attributes: tuple[TakenRaw, ...]
    undated: tuple[Undated, ...]
    static: tuple[str, ...]
    """What `[leads] static` says now."""
    unknown_static: tuple[tuple[str, str | None], ...]
    """Names in `[leads] static` that are no column, and the column that may be meant."""
    unknown_changes: tuple[str, ...]
    """Fields of `lead_changes` that are no column of `leads`, and so are read by nothing."""
    ignored: tuple[str, ...]
    """Columns of `leads` that nothing reads: without a value, or times."""
    own_types: tuple[OwnType, ...]
    topics: tuple[Topic, ...]
    unmatched_pages: tuple[Page, ...]
    """Those most visited."""
    unmatched: int
    """How many there are."""
    answers: tuple[AnswerField, ...]
    bant: str | None
    """`[bant]` as it is now, with what was guessed, as TOML; None where no column is evidence."""
    strangers: tuple[str, ...]
    """Names in `[bant]` that are neither a column nor an answer, as sentences."""


def check(project: Project, tables: Tables) -> Check:
    """Asks every signal of the catalogue about every lead."""
    given = {name: int(tables.leads[name].notna().sum()) for name in tables.kinds}
    kinds = {name: str(kind) for name, kind in tables.kinds.items() if given[name]}
    log, n = _log(tables), len(tables.leads)
    signals = list(catalogue().values())
    changed = {str(name) for name in tables.lead_changes["field"].unique()}
    dated = {*project.static, *changed, "created_at"}
    evidence = evidence_of(project, kinds, dated=dated)
    declared = evidence.declared
    reads = {one.name: reads_of(one, declared) for one in signals}
    leads_of, present = _asked(signals, reads, _leads(tables, kinds, declared), log, declared)
    types = tuple(log.type.values[i] for i in np.unique(log.type.codes)) if len(log) else ()
    own = _own_types(log, n, _declared(signals))
    hints = _Hints([name for name in kinds if name not in LEADS.columns], [one.name for one in own])
    fed = tuple(_fed(one, reads[one.name], leads_of[one.name], n, kinds, types, present, hints) for one in signals)
    attributes = tuple(
        TakenRaw(name, kind, given[name] / n)
        for name, kind in kinds.items()
        if kind in ("number", "boolean", "category") and name not in NOT_ATTRIBUTES
    )
    answers = _answers(log, declared)
    topics, pages = _pages(log, about(declared.topics.patterns, declared.topics.defaults))
    return Check(
        leads=n,
        activities=len(log),
        signals=fed,
        attributes=attributes,
        undated=_undated(signals, declared, [name for name in kinds if name not in dated], {one.name for one in attributes}),
        static=project.static,
        unknown_static=tuple((name, nearest(name, list(tables.kinds))) for name in project.static if name not in tables.kinds),
        unknown_changes=tuple(sorted(name for name in changed if name not in tables.kinds)),
        ignored=tuple(
            name
            for name, kind in tables.kinds.items()
            if not given[name] or (kind == "time" and name != "created_at" and name not in declared.dimension_of_column)
        ),
        own_types=own,
        topics=topics,
        unmatched_pages=pages[:_TOP_PAGES],
        unmatched=len(pages),
        answers=answers,
        bant=evidence.section(),
        strangers=evidence.strangers([one.content for one in answers]),
    )


# What signals say ----------------------------------------------------------------------------------------------------


class _Ever:
    """A history with every window open, and counts where sums fade: whether there is anything at all."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._memo: dict[object, object] = {}

    @property
    def size(self) -> int:
        return self._history.size

    @property
    def declared(self) -> Declarations:
        return self._history.declared

    def fetch(self, need: Need) -> Column:
        column: Column = self.together((need,))[0]
        return column

    def together(self, needs: tuple[Need, ...]) -> Column:
        return self._history.together(tuple(_opened(need) for need in needs))

    def number(self, column: str) -> Column:
        return self._history.number(column)

    def text(self, column: str) -> TextColumn:
        return self._history.text(column)

    def age_of(self, column: str) -> Column:
        return self._history.age_of(column)

    def days_until(self, column: str) -> Column:
        return self._history.days_until(column)

    def written(self, column: str) -> Column:
        return self._history.written(column)

    def day(self) -> Column:
        return self._history.day()

    def answers(self, fields: tuple[str, ...]) -> Answered:
        return self._history.answers(fields)

    def memo(self, compute: Callable[[History], T]) -> T:
        if compute not in self._memo:
            self._memo[compute] = compute(History(self))
        return self._memo[compute]  # type: ignore[return-value]  # what this very function gave

    def row(self, compute: Callable[[History], Column], place: int) -> Column:
        column: Column = self.memo(compute)[place]
        return column


def _opened(need: Need) -> Need:
    """The same without an end: a sum that fades rounds to nothing after thirty half-lives, a count does not."""
    name, selector, _ = need
    return ("count" if name == "decayed" else name, selector, None)


def _asked(
    signals: Sequence[Signal], reads: Mapping[str, Reads], leads: Leads, log: ActivityLog, declared: Declarations
) -> tuple[dict[str, int], frozenset[Selector | str]]:
    """How many leads give each signal something, and which selectors and answers occur at all."""
    selectors = list(dict.fromkeys(each for one in reads.values() for each in (*one.activities, *one.colleagues)))
    found = dict.fromkeys((one.name for one in signals), 0)
    present: set[Selector | str] = set()

    def ask(history: History, start: int = 0) -> None:
        ever = History(_Ever(history))
        for one in signals:
            column = one.function(ever)
            found[one.name] += int((~np.isnan(column) & (column != one.fill)).sum())
        for selector in selectors:
            own = select(selector.types, selector.topic, selector.channel, selector.machine, False)
            if history.together((("count", own, None),)).sum() > 0:
                present.add(selector)
        answered = history.answers(DIMENSIONS).text.codes.max(axis=(0, 2), initial=-1)
        present.update(name for name, code in zip(DIMENSIONS, answered.tolist(), strict=True) if code >= 0)

    plan = Plan(FeatureSet((), declared=declared), also=ask)
    latest = max(int(one.max()) for one in (log.recorded, log.occurred, *leads.times.values(), np.zeros(1, dtype=np.int64)) if len(one))
    observations = Observations(np.arange(len(leads), dtype=np.int64), np.full(len(leads), latest + 1, dtype=np.int64))
    colleagues = None if leads.account is None or not (leads.account >= 0).any() else Colleagues.of(leads.account, log)
    evaluate(plan, leads, log, observations, colleagues, also=ask)
    return found, frozenset(present)


@dataclass(frozen=True)
class _Hints:
    """Names in the data that may be what a signal looks for under another one."""

    columns: Sequence[str]
    types: Sequence[str]

    def column(self, name: str) -> str:
        near = nearest(name, self.columns)
        return f"the column {name} in leads" + (f" (is it your {near}?)" if near else "")

    def activities(self, selector: Selector) -> str:
        if selector.machine:
            return "activities marked as automated, or mails with email_delivered and the time of what followed"
        near = next((near for name in selector.types if (near := nearest(name, self.types))), None)
        what = f"activities of type {' or '.join(selector.types)}" if selector.types else "activities"
        return (
            what
            + (f" with a url about {selector.topic}" if selector.topic else "")
            + (f" by channel {selector.channel}" if selector.channel else "")
            + (f" (is it your {near}?)" if near else "")
        )


def _fed(
    signal: Signal,
    reads: Reads,
    leads: int,
    n: int,
    kinds: Mapping[str, str],
    types: Sequence[str],
    present: frozenset[Selector | str],
    hints: _Hints,
) -> Fed:
    missing = [hints.column(name) for name in reads.columns if name not in kinds]
    missing += [f"activities of type answer with content {name!r}" for name in reads.answers if name not in present]
    missing += [hints.activities(one) for one in (*reads.activities, *reads.colleagues) if one not in present]
    if reads.colleagues and not leads and not {"company_domain", "email"} & kinds.keys():
        missing.append("the column company_domain, or email, in leads, which say who are colleagues")
    if not types and (reads.activities or reads.answers or reads.colleagues):
        leads = 0  # where there are no activities at all, training leaves it out, whatever columns it reads besides
    state: Literal["fed", "partly", "empty", "replaced"] = "fed"
    if signal.name in kinds:
        state = "replaced"
    elif not leads:
        state = "empty"
    elif missing or (math.isnan(signal.fill) and leads < n):
        state = "partly"
    return Fed(signal.name, signal.family, state, leads, leads / n, reads.words(), tuple(missing))


# From tables to columns ----------------------------------------------------------------------------------------------


def _leads(tables: Tables, kinds: Mapping[str, str], declared: Declarations) -> Leads:
    """The columns that signals read, as they stand today."""
    frame, ids = tables.leads, tables.leads["lead_id"].tolist()
    wanted = {column for one in catalogue().values() for column in needs_of(one, declared).columns}
    numbers = {name: frame[name].to_numpy(np.float64) for name in wanted if kinds.get(name) in ("number", "boolean")}
    texts = {name: TextColumn.of(frame[name].tolist()) for name in wanted if kinds.get(name) in ("category", "text")}
    times = {name: _micros(tables, "leads", name) for name in wanted if kinds.get(name) == "time"}
    codes: dict[str, int] = {}
    account = [-1 if key == lead else codes.setdefault(key, len(codes)) for key, lead in zip(account_keys(frame), ids, strict=True)]
    return Leads(ids, numbers, texts, times, np.array(account, dtype=np.int64))


def _log(tables: Tables) -> ActivityLog:
    frame = tables.activities
    if frame.empty:
        return ActivityLog.empty(len(tables.leads))
    texts = {
        name: TextColumn(np.array(frame[name].cat.codes, dtype=np.int32), [str(value) for value in frame[name].cat.categories])
        for name in ("type", "channel", "url", "content", "value", "user_agent")
        if name in frame.columns
    }
    return ActivityLog.build(
        len(tables.leads),
        frame["lead_row"].to_numpy(np.int64),
        _micros(tables, "activities", "occurred_at"),
        texts.pop("type"),
        recorded=_micros(tables, "activities", "recorded_at") if "recorded_at" in frame.columns else None,
        automated=frame["automated"].to_numpy(np.float64) > 0 if "automated" in frame.columns else None,
        fleeting=frame["duration_seconds"].to_numpy(np.float64) == 0 if "duration_seconds" in frame.columns else None,
        agent=texts.pop("user_agent", None),
        **texts,
    )


def _micros(tables: Tables, table: Literal["leads", "activities"], column: str) -> NDArray[np.int64]:
    frame = tables.leads if table == "leads" else tables.activities
    micros: NDArray[np.int64] = frame[column].dt.tz_localize(None).to_numpy("datetime64[us]").view(np.int64)
    return micros


# What no signal knows ------------------------------------------------------------------------------------------------


def _undated(signals: Sequence[Signal], declared: Declarations, columns: Sequence[str], attributes: set[str]) -> tuple[Undated, ...]:
    """Columns of current state from which some input is made that no dated row supports."""
    needs = [(one.name, needs_of(one, declared)) for one in signals]
    found = []
    for column in columns:
        inputs = [column] if column in attributes else []
        inputs += [name for name, need in needs if column in need.columns and not need.activities and name != column]
        if (dimension := declared.dimension_of_column.get(column)) is not None:
            inputs += [f"{dimension}_strength", f"{dimension}_known"]
        if inputs:
            found.append(Undated(column, tuple(inputs)))
    return tuple(found)


def _declared(signals: Sequence[Signal]) -> frozenset[str]:
    """Every activity type that some signal names."""
    reads = [reads_of(one) for one in signals]
    return frozenset({"answer", *(name for one in reads for each in (*one.activities, *one.colleagues) for name in each.types)})


def _own_types(log: ActivityLog, n_leads: int, declared: frozenset[str]) -> tuple[OwnType, ...]:
    """Those that no signal names, by how many leads show them."""
    codes, values = log.type.codes, log.type.values
    lead = np.repeat(np.arange(n_leads), np.diff(log.starts))
    pairs = np.unique(codes.astype(np.int64) * n_leads + lead) // n_leads
    activities, leads = np.bincount(codes, minlength=len(values)), np.bincount(pairs, minlength=len(values))
    enough = leads_enough(n_leads)
    theirs = [i for i in np.argsort(-leads, kind="stable").tolist() if activities[i] and values[i] not in declared]
    taken = {i for i in theirs[:MOST_TYPES] if leads[i] >= enough}
    known = sorted(declared)
    return tuple(OwnType(values[i], int(activities[i]), int(leads[i]), i in taken, nearest(values[i], known)) for i in theirs)


def _pages(log: ActivityLog, topics_by: About) -> tuple[tuple[Topic, ...], tuple[Page, ...]]:
    """Topics of pages by how much was done there, and all pages that are about none, likewise."""
    visits = np.bincount(log.url.codes[log.url.codes >= 0], minlength=len(log.url.values)).tolist()
    activities, pages, unmatched = Counter[str](), dict[str, set[str]](), Counter[str]()
    for url, count in zip(log.url.values, visits, strict=True):
        if not count:
            continue
        topic, path = topics_by.page(url), _path(url)
        activities[topic] += count
        pages.setdefault(topic, set()).add(path)
        if topic == "other":
            unmatched[path] += count
    found = tuple(Topic(name, count, len(pages[name])) for name, count in activities.most_common() if name != "other")
    return found, tuple(Page(path, count) for path, count in sorted(unmatched.items(), key=lambda one: (-one[1], one[0])))


def _path(url: str) -> str:
    """A page without what changes from visit to visit."""
    page = url.partition("?")[0].partition("#")[0]
    _, scheme, rest = page.partition("://")
    return page if not scheme else "/" + rest.partition("/")[2]


def _answers(log: ActivityLog, declared: Declarations) -> tuple[AnswerField, ...]:
    """What is answered, the unknown first; a guess is a dimension whose name is nearly that, or a word of it."""
    found = []
    for content, count in answered_fields(log):
        field = field_of(content, declared)
        known = field if field in DIMENSIONS else None
        refused = declared.dimension_of_answer.get(tidy(content)) == ""
        found.append(AnswerField(content, count, known, None if known or refused else _guess(tidy(content))))
    return tuple(sorted(found, key=lambda one: (one.field is not None, -one.answers, one.content)))


def _guess(field: str) -> str | None:
    words = [field_of(word) for word in field.split("_")]
    return next((word for word in words if word in DIMENSIONS), None) or nearest(field, DIMENSIONS)
