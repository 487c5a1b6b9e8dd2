"""Looking up each input's bin: shared by the scorecard and the naive Bayes, whose models are tables of values by bin.

In: the encoded float64 matrix. Out: one value per row and input: that of the bin a number falls into (bins are closed
above), of a category's code, or of missing (NaN). A code that no bin names takes the value of all others. The tables of
all inputs lie side by side, so that one row takes a few NumPy calls however many inputs there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.inputs import Floats

__all__ = ["BinValues", "Lookup"]

_BLOCK = 8192


@dataclass(frozen=True)
class BinValues:
    """One input's values. Numbers: `values[i]` up to and including `edges[i]`, the last above all. Categories: by code."""

    kind: str
    missing: float
    edges: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    codes: Mapping[int, float] = field(default_factory=dict)
    other: float = 0.0
    """Of every code that is not named."""


@dataclass(frozen=True)
class Lookup:
    """The tables of all inputs; an input without one (None) adds nothing."""

    numbers: NDArray[np.intp]
    edges: Floats
    """edges × numbers, filled up with infinity, which no number exceeds and missing is not below."""
    number_values: Floats
    """For each number its bins by how many edges a value does not exceed: missing, which is below none, then from the highest down."""
    number_starts: NDArray[np.intp]
    """Where each number's bins begin."""
    categories: NDArray[np.intp]
    category_values: Floats
    """For each category codes, every code beyond them, then missing."""
    category_ends: NDArray[np.intp]
    """Where each category's values end."""
    codes: float
    """How many codes there are, as a number."""

    @classmethod
    def of(cls, tables: Sequence[BinValues | None]) -> Self:
        number = [(place, table) for place, table in enumerate(tables) if table and table.kind == "number"]
        category = [(place, table) for place, table in enumerate(tables) if table and table.kind == "category"]
        bins = max((len(table.values) for _, table in number), default=1)
        edges, number_values = np.full((len(number), bins), np.inf), np.zeros((len(number), bins + 1))
        for row, (_, table) in enumerate(number):
            edges[row, : len(table.edges)] = table.edges
            number_values[row, 0] = table.missing
            number_values[row, bins + 1 - len(table.values) :] = table.values[::-1]
        size = 1 + max((code for _, table in category for code in table.codes), default=-1)
        category_values = np.zeros((len(category), size + 2))
        for row, (_, table) in enumerate(category):
            category_values[row, :-1] = table.other
            for code, value in table.codes.items():
                category_values[row, code] = value
            category_values[row, -1] = table.missing
        at, other = (np.array([place for place, _ in found], dtype=np.intp) for found in (number, category))
        starts, ends = (bins + 1) * np.arange(len(number)), (size + 2) * np.arange(1, len(category) + 1)
        return cls(at, np.ascontiguousarray(edges.T), number_values.ravel(), starts, other, category_values.ravel(), ends, float(size))

    def values(self, X: Floats) -> Floats:
        """Rows × inputs."""
        out = np.zeros(X.shape)
        for start in range(0, len(X), _BLOCK):
            self._fill(X[start : start + _BLOCK], out[start : start + _BLOCK])
        return out

    def _fill(self, X: Floats, out: Floats) -> None:
        if len(self.numbers):
            x = X.take(self.numbers, axis=1)
            place = np.add.reduce(x[:, None, :] <= self.edges, axis=1, dtype=np.intp)
            place += self.number_starts
            out[:, self.numbers] = self.number_values.take(place)
        if len(self.categories):
            x, other = X.take(self.categories, axis=1), self.codes
            code = np.minimum(np.where(x < 0.0, other, x), other)
            # Missing, neither more nor less than anything, reads the last.
            place = np.where(code == code, code - (other + 2.0), -1.0).astype(np.intp)
            place += self.category_ends
            out[:, self.categories] = self.category_values.take(place)
