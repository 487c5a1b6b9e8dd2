"""A block of observations: what stands behind a `History`, each aggregate, attribute and answer computed when first asked for.

In: leads, their activities with cells, observations. Out: columns, one entry an observation; NaN and code -1 for what is
not known. This is where time is cut: a row counts only if it both occurred and was recorded before `as_of`, and an
attribute with dated values (`lead_changes`) has the one in force at `as_of`, and none before the lead's first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from features.aggregates import Aggregator, selector_of
from features.answers import Answers
from features.colleagues import Colleagues
from features.declarations import Declarations
from features.history import DAY, NEVER, ActivityLog, Answered, Column, FieldHistory, History, Leads, Need, Observations, TextColumn
from features.readings import Readings, Table
from features.segments import visible, visible_ends
from features.topics import about

__all__ = ["Block", "Known", "Planned"]

Ints = NDArray[np.int64]
T = TypeVar("T")


class Planned(Protocol):
    """What a block takes from the plan: what is declared, and the aggregates that are computed together."""

    @property
    def declared(self) -> Declarations: ...
    @property
    def own(self) -> Aggregator: ...
    @property
    def colleagues(self) -> Aggregator: ...


class Known(NamedTuple):
    """Everything that blocks are cut from: leads and logs, with what the plan derives of every activity beforehand."""

    leads: Leads
    log: ActivityLog
    machine: NDArray[np.bool_]
    cells: Ints
    answers: Answers
    colleagues: Colleagues | None
    machine_of_colleagues: NDArray[np.bool_] | None
    cells_of_colleagues: Ints | None
    readings: Table
    """What signals read out of texts."""


class Block:
    """A block of observations with its aggregates, attributes and answers."""

    def __init__(self, plan: Planned, known: Known, observations: Observations) -> None:
        self._plan, self._known, self._observations = plan, known, observations
        self.size = len(observations)
        self.declared = plan.declared
        self._rows = observations.rows
        self._everyone = self._rows == slice(0, len(known.leads)) if isinstance(self._rows, slice) else False
        self._memo: dict[Callable[[History], Any], Any] = {}
        self._own: NDArray[np.float64] | None = None
        self._others: NDArray[np.float64] | None = None
        self._latest: Answered | None = None
        self._numbers: dict[str, Column] = {}
        self._texts: dict[str, TextColumn] = dict(known.leads.texts) if self._everyone and not known.leads.changes else {}

    def fetch(self, need: Need) -> Column:
        at = self._plan.own.position.get(need)
        if at is not None:
            return _row(self.own_aggregates, at)
        at = self._plan.colleagues.position.get(need)
        if at is not None:
            return _row(self.colleague_aggregates, at)
        return self._unplanned(need)

    def together(self, needs: tuple[Need, ...]) -> Column:
        rows = self._plan.own.rows_of(needs)
        if rows is None:
            return np.array([self.fetch(need) for need in needs])
        return self.own_aggregates[rows] if isinstance(rows, slice) else self.own_aggregates.take(rows, axis=0)

    def _unplanned(self, need: Need) -> Column:
        """An aggregate outside the plan: a signal tried on its own, as in a test or a notebook."""
        topics = self.declared.topics
        known, aggregator = self._known, Aggregator([need], about(topics.patterns, topics.defaults))
        if not selector_of(need).colleagues:
            return _row(self._of_own(aggregator, None), 0)
        if known.colleagues is None or known.machine_of_colleagues is None:
            return np.full(self.size, np.nan)
        return _row(self._of_colleagues(aggregator, aggregator.cells(known.colleagues.log, known.machine_of_colleagues)), 0)

    @property
    def own_aggregates(self) -> NDArray[np.float64]:
        if self._own is None:
            self._own = self._of_own(self._plan.own, self._known.cells)
        return self._own

    @property
    def colleague_aggregates(self) -> NDArray[np.float64]:
        if self._others is None:
            self._others = self._of_colleagues(self._plan.colleagues, self._known.cells_of_colleagues)
        return self._others

    def _of_own(self, aggregator: Aggregator, cells: Ints | None) -> NDArray[np.float64]:
        log, lead, as_of = self._known.log, self._observations.lead, self._observations.as_of
        rows, segment, when = visible(log.starts, log.occurred, log.recorded, log.late, lead, as_of)
        occurred = log.occurred[rows]
        cell = aggregator.cells(log, self._known.machine, rows) if cells is None else cells[rows]
        out = aggregator.aggregate(cell, when - occurred, occurred, segment, self.size)
        out.flags.writeable = False  # signals share these rows
        return out

    def _of_colleagues(self, aggregator: Aggregator, cells: Ints | None) -> NDArray[np.float64]:
        account = self._known.leads.account
        if cells is None or self._known.colleagues is None or account is None:
            return np.full((len(aggregator.needs), self.size), np.nan)
        out = self._known.colleagues.aggregate(aggregator, cells, account[self._rows], self._observations)
        out.flags.writeable = False
        return out

    def number(self, column: str) -> Column:
        found = self._numbers.get(column)
        if found is None:
            found = self._numbers[column] = self._number(column)
        return found

    def _number(self, column: str) -> Column:
        leads = self._known.leads
        current, history = leads.numbers.get(column), leads.changes.get(column)
        if history is not None and history.numbers is not None:
            place, known = self._in_force(history)
            now = np.full(self.size, np.nan)
            now[known] = history.numbers[place[known]]
        else:
            now = np.full(self.size, np.nan) if current is None else current[self._rows]
        now.flags.writeable = False
        return now

    def text(self, column: str) -> TextColumn:
        found = self._texts.get(column)
        if found is None:
            found = self._texts[column] = self._text(column)
        return found

    def _text(self, column: str) -> TextColumn:
        leads = self._known.leads
        found, history = leads.text(column), leads.changes.get(column)
        if found is None:
            return _no_text(self.size)
        if history is None or history.texts is not found:
            return found if self._everyone else found.take(self._rows)
        place, known = self._in_force(history)
        codes = np.full(self.size, -1, dtype=np.int32)
        codes[known] = found.codes[place[known]]
        return found.with_codes(codes)

    def _in_force(self, history: FieldHistory) -> tuple[Ints, NDArray[np.bool_]]:
        """Row of the change in force at each observation, and whether there is one: the lead's first may lie later."""
        lead = self._observations.lead
        ends = visible_ends(history.starts, history.changed, lead, self._observations.as_of)
        return ends - 1, ends > history.starts[lead]

    def readings(self, readings: Readings) -> Column:
        """(reading, observation)."""
        return readings.of(self.text, self._known.readings)

    def age_of(self, column: str) -> Column:
        times = self._known.leads.times.get(column)
        if times is None:
            return np.full(self.size, np.nan)
        when, as_of = times[self._rows], self._observations.as_of
        age: Column = (as_of - when) / DAY
        age[(when == NEVER) | (when > as_of)] = np.nan
        return age

    def days_until(self, column: str) -> Column:
        times = self._known.leads.times.get(column)
        if times is None:
            return np.full(self.size, np.nan)
        when = times[self._rows]
        days: Column = (when - self._observations.as_of) / DAY
        days[when == NEVER] = np.nan
        return days

    def written(self, column: str) -> Column:
        history = self._known.leads.changes.get(column)
        if history is None or not len(history.changed):
            return _unknown(self.size)
        place, known = self._in_force(history)
        return np.where(known, (self._observations.as_of - history.changed[place]) / DAY, np.nan)

    def day(self) -> Column:
        return self._observations.as_of / DAY

    def answers(self, fields: tuple[str, ...]) -> Answered:
        if fields != self._known.answers.asked:
            return Answers.of(self._known.log, fields, self.declared).latest(self._observations)
        if self._latest is None:
            self._latest = self._known.answers.latest(self._observations)
        return self._latest

    def memo(self, compute: Callable[[History], T]) -> T:
        found = self._memo.get(compute)
        if found is None:
            found = self._memo[compute] = compute(History(self))
        result: T = found
        return result

    def row(self, compute: Callable[[History], Column], place: int) -> Column:
        row: Column = self.memo(compute)[place]
        return row


@lru_cache(maxsize=8)
def _no_text(rows: int) -> TextColumn:
    codes = np.full(rows, -1, dtype=np.int32)
    codes.flags.writeable = False  # blocks share it
    return TextColumn(codes, ())


@lru_cache(maxsize=8)
def _unknown(rows: int) -> Column:
    found = np.full(rows, np.nan)
    found.flags.writeable = False  # blocks share it
    return found


def _row(table: Column, at: int) -> Column:
    row: Column = table[at]
    return row
