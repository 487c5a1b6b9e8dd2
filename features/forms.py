"""Sums and ratios of aggregates, those of all signals at once.

In: signals that make something of aggregates by `+`, `-`, `*`, `/` with constants, and by `ratio`. Out: a row each. A signal
is a plain function and knows nothing of this: in a rehearsal the columns that it is given have no rows but are `Traced`, and
note what becomes of them. What can be noted is computed for all signals together, by one product of matrices and one
division, however many there are; what cannot is computed by calling the function.

Only what is exact in any order is noted: sums of whole numbers with coefficients such as 2 or 1/4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.aggregates import Projection, selector_of
from features.history import Column, History, Need, Together

__all__ = ["Forms", "Linear", "Ratio", "Traced", "added", "ratio"]

_WHOLE = frozenset({"count", "days", "sessions", "returns", "reactions", "topics"})
_NEVER_NAN = _WHOLE | {"delay", "decayed"}
_FINEST = 2.0**10
"""Coefficients are multiples of one over this."""


def ratio(top: Column, bottom: Column, *, known: Column | None = None, at_most: float = np.inf) -> Column:
    """top / bottom, no more than `at_most`; NaN, not known, where `known` (left out: `bottom`) is not above 0.

    >>> ratio(np.array([1.0, 3.0, 0.0]), np.array([4.0, 2.0, 0.0]), at_most=1.0).tolist()
    [0.25, 1.0, nan]
    """
    known = bottom if known is None else known
    if isinstance(top, Traced) and isinstance(bottom, Traced) and isinstance(known, Traced):
        parts = (top.form, bottom.form, known.form)
        if all(isinstance(one, Linear) and one.computed for one in parts):
            return Traced.of(Ratio(*parts, at_most))  # type: ignore[arg-type]  # they are Linear, as was just seen
    return _divided(top, bottom, known, at_most)


def added(columns: Iterable[Column]) -> Column:
    """Their sum."""
    total: Column = reduce(np.add, columns)
    return total


def _divided(top: Column, bottom: Column, known: Column, at_most: float | Column) -> Column:
    out = np.empty(top.shape)
    out.fill(np.nan)
    np.divide(top, bottom, out=out, where=known > 0.0)
    return np.minimum(out, at_most, out=out)


@dataclass(frozen=True)
class Linear:
    """A sum of aggregates, each times a coefficient, and a constant."""

    terms: Mapping[Need, float]
    constant: float = 0.0

    @property
    def direct(self) -> Need | None:
        """The aggregate that this is, unchanged."""
        ((need, coefficient), *others) = self.terms.items()
        return need if not others and coefficient == 1.0 and not self.constant else None

    @property
    def computed(self) -> bool:
        """Whether it can be computed together with others."""
        return all(need[0] in _NEVER_NAN and not selector_of(need).colleagues for need in self.terms)

    def plus(self, other: Linear | float, sign: float) -> Linear | None:
        if isinstance(other, float):
            return Linear(self.terms, self.constant + sign * other).exact()
        terms = dict(self.terms)
        for need, coefficient in other.terms.items():
            terms[need] = terms.get(need, 0.0) + sign * coefficient
        return Linear(terms, self.constant + sign * other.constant).exact()

    def times(self, factor: float) -> Linear | None:
        return Linear({need: factor * coefficient for need, coefficient in self.terms.items()}, factor * self.constant).exact()

    def exact(self) -> Linear | None:
        """Itself, where it comes out the same in any order."""
        numbers = [*self.terms.values(), self.constant]
        exact = all(abs(one) <= _FINEST and (one * _FINEST).is_integer() for one in numbers)
        whole = all(need[0] in _WHOLE and not selector_of(need).colleagues for need in self.terms)
        return self if exact and whole else None


@dataclass(frozen=True)
class Ratio:
    """A `ratio` of sums."""

    top: Linear
    bottom: Linear
    known: Linear
    at_most: float


class Traced(np.ndarray[Any, np.dtype[np.float64]]):
    """A column without rows that knows how it was made, as long as nothing else was done with it."""

    form: Linear | Ratio | None

    @classmethod
    def of(cls, form: Linear | Ratio | None) -> Traced:
        column = np.zeros(0).view(cls)
        column.form = form
        return column

    def __array_finalize__(self, made_from: object) -> None:
        self.form = None

    def __setitem__(self, key: Any, value: Any) -> None:  # noqa: ANN401 - as NumPy has it
        self.form = None
        super().__setitem__(key, value)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> object:  # noqa: ANN401 - as NumPy has it
        self.form = None  # it may have been written to
        found: object = super().__array_function__(function, types, args, kwargs)
        return found

    def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, **given: Any) -> object:  # noqa: ANN401 - as NumPy has it
        written = given.get("out", ())
        for one in written:
            if isinstance(one, Traced):
                one.form = None
        if method == "__call__" and not given and ufunc in _TRACED:
            form = _TRACED[ufunc](*map(_form_of, inputs))
            if form is not None:
                return Traced.of(form)
        if written:
            given["out"] = tuple(map(_plain, written))
        found: object = getattr(ufunc, method)(*map(_plain, inputs), **given)
        return found


def _plain(value: object) -> object:
    return value.view(np.ndarray) if isinstance(value, Traced) else value


def _form_of(value: object) -> Linear | float | None:
    if isinstance(value, Traced):
        return value.form if isinstance(value.form, Linear) else None
    return float(value) if isinstance(value, (int, float)) else None


_Operand = Linear | float | None


def _added(one: _Operand, other: _Operand) -> Linear | None:
    if isinstance(one, Linear):
        return None if other is None else one.plus(other, 1.0)
    return other.plus(one, 1.0) if isinstance(other, Linear) and one is not None else None


def _subtracted(one: _Operand, other: _Operand) -> Linear | None:
    if isinstance(one, Linear):
        return None if other is None else one.plus(other, -1.0)
    return _added(other.times(-1.0), one) if isinstance(other, Linear) else None


def _multiplied(one: _Operand, other: _Operand) -> Linear | None:
    if isinstance(one, float) and isinstance(other, Linear):
        return other.times(one)
    return one.times(other) if isinstance(one, Linear) and isinstance(other, float) else None


def _divided_by(one: _Operand, other: _Operand) -> Linear | None:
    """By a power of two, which is the same as multiplying."""
    return one.times(1.0 / other) if isinstance(one, Linear) and isinstance(other, float) and _power_of_two(other) else None


def _power_of_two(number: float) -> bool:
    return number > 0.0 and np.frexp(number)[0] == 0.5


_TRACED: dict[np.ufunc, Callable[[_Operand, _Operand], Linear | None]] = {
    np.add: _added,
    np.subtract: _subtracted,
    np.multiply: _multiplied,
    np.divide: _divided_by,
}


class Forms:
    """A memo (`history.row`) of sums, then ratios: a row each."""

    def __init__(self, sums: Sequence[Linear], ratios: Sequence[Ratio]) -> None:
        parts = [*sums, *(one.top for one in ratios), *(one.bottom for one in ratios), *(one.known for one in ratios)]
        self._needs = Together(dict.fromkeys(need for one in parts for need in one.terms))
        place = {need: i for i, need in enumerate(self._needs)}
        matrix = np.zeros((len(parts), len(self._needs)))
        for i, one in enumerate(parts):
            for need, coefficient in one.terms.items():
                matrix[i, place[need]] = coefficient
        self._matrix = Projection(matrix)
        self._constants = np.array([[one.constant] for one in parts])
        self._at_most = np.array([[one.at_most] for one in ratios])
        self._sums, self._ratios = len(sums), len(ratios)

    def __call__(self, history: History) -> NDArray[np.float64]:
        parts = self._matrix.of(history.together(self._needs))
        parts += self._constants
        if not self._ratios:
            return parts
        sums, n = self._sums, self._ratios
        tops, bottoms, known = (parts[start : start + n] for start in (sums, sums + n, sums + 2 * n))
        parts[sums : sums + n] = _divided(tops, bottoms, known, self._at_most)
        return parts[: sums + n]
