"""Looking up each input's bin: shared by the scorecard and the naive Bayes, whose models are tables of values by bin, and by the
logistic regression for categories.

In: the encoded float64 matrix. Out: one value per model, row and input: that of the bin a number falls into (bins are closed
above), of a category's code, or of missing (NaN). A code that no bin names takes the value of all others. The tables of
all inputs lie side by side, so that one row takes a few NumPy calls however many inputs and models there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.inputs import Floats, matrix

__all__ = ["Additive", "BinValues", "Lookup"]

_BLOCK = 1024
"""Rows whose comparisons stay in the second-level cache."""


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
    """The tables of all inputs, of one model or of several; an input without one (None) adds nothing.

    Models that are read together share their look-ups: a bin then ends where any of theirs does.
    """

    numbers: NDArray[np.intp]
    edges: Floats
    """edges × numbers, filled up with infinity, which no number exceeds and missing is not below."""
    starts: NDArray[np.intp]
    """Where each number's values begin: missing, which is below no edge, then from the highest bin down."""
    categories: NDArray[np.intp]
    codes: float
    """How many codes there are, as a number."""
    ends: NDArray[np.intp]
    """Where each category's values end: codes, every code beyond them, then missing."""
    table: Floats
    """Models × values; the first is of inputs that have no table."""
    width: int
    """How many inputs there are, with a table or without."""

    @classmethod
    def of(cls, *models: Sequence[BinValues | None]) -> Self:
        inputs = [*zip(*models, strict=True)]
        number = [(place, of) for place, of in enumerate(inputs) if any(table and table.kind == "number" for table in of)]
        category = [(place, of) for place, of in enumerate(inputs) if any(table and table.kind == "category" for table in of)]
        shared = [sorted({edge for table in of if table for edge in table.edges}) for _, of in number]
        bins = max((len(edges) + 1 for edges in shared), default=1)
        size = 1 + max((code for _, of in category for table in of if table for code in table.codes), default=-1)
        starts = 1 + (bins + 1) * np.arange(len(number))
        behind = 1 + (bins + 1) * len(number)
        ends = behind + (size + 2) * np.arange(1, len(category) + 1)
        edges, values = np.full((len(number), bins), np.inf), np.zeros((len(models), behind + (size + 2) * len(category)))
        for row, ((_, of), mine) in enumerate(zip(number, shared, strict=True)):
            edges[row, : len(mine)] = mine
            for model, table in enumerate(of):
                if table is not None:
                    rising = [table.values[bisect_left(table.edges, edge)] for edge in mine] + [table.values[-1]]
                    end = starts[row] + bins + 1
                    values[model, starts[row]] = table.missing
                    values[model, end - len(rising) : end] = rising[::-1]
        for end, (_, of) in zip(ends.tolist(), category, strict=True):
            for model, table in enumerate(of):
                if table is not None:
                    values[model, end - size - 2 : end] = [*(table.codes.get(code, table.other) for code in range(size + 1)), table.missing]
        at, other = (np.array([place for place, _ in found], dtype=np.intp) for found in (number, category))
        return cls(at, np.ascontiguousarray(edges.T), starts, other, float(size), ends, values, len(inputs))

    def values(self, X: ArrayLike) -> Floats:
        """Models × rows × inputs, the caller's own."""
        X = matrix(X, self.width)
        if len(X) <= _BLOCK:
            return self.table.take(self._places(X), axis=1)
        out = np.empty((len(self.table), *X.shape))
        for start in range(0, len(X), _BLOCK):
            self.table.take(self._places(X[start : start + _BLOCK]), axis=1, out=out[:, start : start + _BLOCK], mode="clip")
        return out

    def _places(self, X: Floats) -> NDArray[np.intp]:
        """Where in the table each row's values stand."""
        places = np.zeros(X.shape, dtype=np.intp)
        if len(self.numbers):
            x = X.take(self.numbers, axis=1)
            reached = x[:, None, :] <= self.edges
            # Few edges are counted in bytes, which is twice as fast.
            few = len(self.edges) < 256
            places[:, self.numbers] = np.add.reduce(reached.view(np.uint8), axis=1, dtype=np.uint8 if few else np.intp) + self.starts
        if len(self.categories):
            x, other = X.take(self.categories, axis=1), self.codes
            code = np.minimum(np.where(x < 0.0, other, x), other)
            # Missing, neither more nor less than anything, reads the last.
            place = np.where(code == code, code - (other + 2.0), -1.0).astype(np.intp)
            place += self.ends
            places[:, self.categories] = place
        return places


class Additive(ABC):
    """A model whose margin is a base and what each input adds, all or some of it looked up."""

    lookup: Lookup

    def margin(self, X: ArrayLike) -> Floats:
        """Log-odds before calibration. What inputs add is as large as the matrix again, so it is there for a block at a time."""
        X = matrix(X, self.lookup.width)
        if len(X) <= _BLOCK:
            return self.explain(X)[2]
        return np.concatenate([self.explain(X[start : start + _BLOCK])[2] for start in range(0, len(X), _BLOCK)])

    def contributions(self, X: ArrayLike) -> tuple[Floats, float]:
        """What each input adds, rows × inputs, and the base: base + a row's sum is its margin."""
        contributions, base, _ = self.explain(X)
        return contributions, base

    def explain(self, X: ArrayLike) -> tuple[Floats, float, Floats]:
        """Contributions, base and margin at once."""
        (found,) = self.lookup.values(X)
        base, margin = self.told(X, found)
        return found, base, margin

    @abstractmethod
    def told(self, X: ArrayLike, found: Floats) -> tuple[float, Floats]:
        """Base and margins; `found`, rows × inputs, holds what was looked up, and contributions afterwards."""
