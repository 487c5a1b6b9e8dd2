"""What a signal asks for, found out by running it once on an empty history that takes notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from features.history import Column, History, Need, TextColumn
from features.signal import Signal

__all__ = ["Needs", "needs_of", "rehearse"]

T = TypeVar("T")
Row = tuple[Callable[[History], Column], int]


@dataclass(frozen=True)
class Needs:
    """What a signal asks for: aggregates of activities, attribute columns, answers."""

    aggregates: tuple[Need, ...]
    columns: frozenset[str]
    answers: tuple[str, ...]
    direct: Need | None
    """The aggregate that the signal returns as it is, if it does nothing else."""
    row: Row | None
    """Likewise the row of a memo."""

    @property
    def activities(self) -> bool:
        return bool(self.aggregates or self.answers)


def needs_of(signal: Signal) -> Needs:
    """Rehearses the signal on an empty history."""
    return rehearse(signal.function, signal.within)


def rehearse(function: Callable[[History], object], within: float | None = None) -> Needs:
    """The same for any function of a history."""
    rehearsal = _Rehearsal()
    result = function(History(rehearsal, within))
    direct = next((need for need, column in rehearsal.columns.items() if column is result), None)
    row = next((row for row, column in rehearsal.rows.items() if column is result), None)
    return Needs(tuple(rehearsal.columns), frozenset(rehearsal.attributes), tuple(rehearsal.asked), direct, row)


class _Rehearsal:
    """A block of no observations that notes what is asked of it."""

    size = 0

    def __init__(self) -> None:
        self.columns: dict[Need, Column] = {}
        self.attributes: set[str] = set()
        self.asked: dict[str, None] = {}
        self.rows: dict[Row, Column] = {}

    def fetch(self, need: Need) -> Column:
        return self.columns.setdefault(need, np.zeros(0))

    def together(self, needs: tuple[Need, ...]) -> Column:
        for need in needs:
            self.fetch(need)
        return np.zeros((len(needs), 0))

    def number(self, column: str) -> Column:
        self.attributes.add(column)
        return np.zeros(0)

    def text(self, column: str) -> TextColumn:
        self.attributes.add(column)
        return TextColumn(np.zeros(0, dtype=np.int32), ())

    def age_of(self, column: str) -> Column:
        self.attributes.add(column)
        return np.zeros(0)

    def answer(self, field: str) -> tuple[TextColumn, Column]:
        self.asked[field] = None
        return TextColumn(np.zeros(0, dtype=np.int32), ()), np.zeros(0)

    def answers(self, fields: tuple[str, ...]) -> tuple[TextColumn, Column]:
        self.asked.update(dict.fromkeys(fields))
        shape = (len(fields), 0)
        return TextColumn(np.zeros(shape, dtype=np.int32), ()), np.zeros(shape)

    def memo(self, compute: Callable[[History], T]) -> T:
        return compute(History(self))

    def row(self, compute: Callable[[History], Column], place: int) -> Column:
        return self.rows.setdefault((compute, place), self.memo(compute)[place])
