"""What a signal asks for, found out by running it once on an empty history that takes notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from features.declarations import NOTHING, Declarations
from features.forms import Linear, Ratio, Traced
from features.history import Answered, Column, History, Need, TextColumn
from features.readings import Reading
from features.signal import Signal

__all__ = ["Needs", "height_of", "needs_of", "rehearse"]

T = TypeVar("T")
Row = tuple[Callable[[History], Column], int]


@dataclass(frozen=True)
class Needs:
    """What a signal asks for: aggregates of activities, attribute columns, answers."""

    aggregates: tuple[Need, ...]
    columns: frozenset[str]
    answers: tuple[str, ...]
    form: Linear | Ratio | None
    """The aggregate, sum of aggregates or ratio of sums that the signal returns, if it does nothing else."""
    row: Row | None
    """Likewise the row of a memo."""
    reading: Reading | None
    """Likewise the reading of a text column."""

    @property
    def direct(self) -> Need | None:
        """The aggregate that the signal returns as it is."""
        return self.form.direct if isinstance(self.form, Linear) else None

    @property
    def computes(self) -> bool:
        """Whether the signal makes something of what it asks for that only its function knows."""
        return self.form is None and self.row is None and self.reading is None

    @property
    def activities(self) -> bool:
        return bool(self.aggregates or self.answers)


def needs_of(signal: Signal, declared: Declarations = NOTHING) -> Needs:
    """Rehearses the signal on an empty history. Of the signals of a plan, `Plan.needs` knows them."""
    return rehearse(signal.function, signal.within, declared)


def rehearse(function: Callable[[History], object], within: float | None = None, declared: Declarations = NOTHING) -> Needs:
    """The same for any function of a history."""
    rehearsal = _Rehearsal(declared)
    result = function(History(rehearsal, within))
    form = result.form if isinstance(result, Traced) else None
    row = next((row for row, column in rehearsal.rows.items() if column is result), None)
    reading = next((reading for reading, column in rehearsal.readings.items() if column is result), None)
    return Needs(tuple(rehearsal.columns), frozenset(rehearsal.attributes), tuple(rehearsal.asked), form, row, reading)


def height_of(compute: Callable[[History], Column], declared: Declarations = NOTHING) -> int:
    """How many rows a memo of several columns has."""
    return len(compute(History(_Rehearsal(declared))))


class _Text(TextColumn):
    """A text column without rows that notes what is read out of it."""

    __slots__ = ("_name", "_noted")

    def __init__(self, name: str, noted: dict[Reading, Column]) -> None:
        super().__init__(np.zeros(0, dtype=np.int32), ())
        self._name, self._noted = name, noted

    def map(self, meaning: Callable[[str], float]) -> Column:
        return self._noted.setdefault(Reading(self._name, meaning), super().map(meaning))

    def part(self, meaning: Callable[[str], Sequence[float]], place: int, of: int) -> Column:
        return self._noted.setdefault(Reading(self._name, meaning, place, of), super().part(meaning, place, of))


class _Rehearsal:
    """A block of no observations that notes what is asked of it."""

    size = 0

    def __init__(self, declared: Declarations) -> None:
        self.declared = declared
        self.columns: dict[Need, Column] = {}
        self.attributes: set[str] = set()
        self.asked: dict[str, None] = {}
        self.rows: dict[Row, Column] = {}
        self.readings: dict[Reading, Column] = {}

    def fetch(self, need: Need) -> Column:
        return self.columns.setdefault(need, Traced.of(Linear({need: 1.0})))

    def together(self, needs: tuple[Need, ...]) -> Column:
        for need in needs:
            self.fetch(need)
        return np.zeros((len(needs), 0))

    def number(self, column: str) -> Column:
        self.attributes.add(column)
        return np.zeros(0)

    def text(self, column: str) -> TextColumn:
        self.attributes.add(column)
        return _Text(column, self.readings)

    def age_of(self, column: str) -> Column:
        self.attributes.add(column)
        return np.zeros(0)

    def days_until(self, column: str) -> Column:
        return self.age_of(column)

    def written(self, column: str) -> Column:
        return self.age_of(column)

    def day(self) -> Column:
        return np.zeros(0)

    def answers(self, fields: tuple[str, ...]) -> Answered:
        self.asked.update(dict.fromkeys(fields))
        return Answered.none(len(fields), 0)

    def memo(self, compute: Callable[[History], T]) -> T:
        return compute(History(self))

    def row(self, compute: Callable[[History], Column], place: int) -> Column:
        return self.rows.setdefault((compute, place), self.memo(compute)[place])
