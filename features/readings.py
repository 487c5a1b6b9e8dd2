"""What signals read out of texts, all signals at once: one table of numbers, and where each reading of each text stands in it.

In: which text column is read, and how; then leads. Out: a number a reading and observation, NaN for a missing text. Each
distinct text is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.history import Column, Leads, TextColumn

__all__ = ["Reading", "Readings", "Table"]

Ints = NDArray[np.int64]

_UNREAD = (np.nan,) * 16
"""What a missing text says, of as many numbers as any reading gives."""


class Reading(NamedTuple):
    """A text column and what is read out of each of its texts: a number, or one of several."""

    column: str
    meaning: Callable[[str], Any]
    place: int = 0
    of: int | None = None
    """How many numbers `meaning` gives; None where it gives one by itself."""


class Table(NamedTuple):
    """What all readings make of all texts, one after another, and where each reading of the first text stands."""

    numbers: Column
    first: Ints


class Readings:
    """Readings of text columns, looked up together."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._columns = tuple(dict.fromkeys(one.column for one in readings))
        self._of_column = np.array([self._columns.index(one.column) for one in readings], dtype=np.int64)
        self._widths = np.array([[one.of or 1] for one in readings], dtype=np.int64)
        self._read = tuple(dict.fromkeys((one.column, one.meaning, one.of) for one in readings))
        self._spots = tuple((self._read.index((one.column, one.meaning, one.of)), one.place + (one.of or 1)) for one in readings)

    def __len__(self) -> int:
        return len(self._spots)

    def table(self, leads: Leads) -> Table:
        """Everything read out of the leads' texts; before the texts of each reading stands what a missing one says."""
        numbers: list[float] = []
        begins: list[int] = []
        for name, meaning, of in self._read:
            begins.append(len(numbers))
            numbers += _UNREAD[: of or 1]
            text = leads.text(name)
            if text is not None:
                read = map(meaning, text.values)
                numbers.extend(read if of is None else chain.from_iterable(read))
        return Table(np.array(numbers), np.array([[begins[i] + place] for i, place in self._spots], dtype=np.int64))

    def of(self, text: Callable[[str], TextColumn], table: Table) -> Column:
        """(reading, observation), from the columns of the observations."""
        codes = np.array([text(name).codes for name in self._columns])
        place = codes.take(self._of_column, axis=0) * self._widths
        place += table.first
        return table.numbers.take(place)
