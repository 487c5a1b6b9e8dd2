"""Regularised logistic regression: fitted by Newton's method, served from JSON coefficients by NumPy alone.

In: the encoded float64 matrix and 0/1 labels. Out: `Logistic`, whose margin is the log-odds before calibration.

Each input is expanded, and each expanded column has one coefficient:

- a number `x`: `t(clip(x, low, high))`, standardised, where `t` is the identity or, for heavy tails, the signed
  `sign(x) · log(1 + |x|)`, and low and high are the ends of what training saw (so infinity scores as the extreme);
- a missing number: the median's column value, and where missing was seen often enough an indicator of its own;
- a category: one column per code seen often enough; every other code (rare, unseen, 0) shares one; so does missing.

A number with a declared direction that the regression contradicts has no slope: raised, it never goes against its meaning.

An input's contribution is the sum over its columns less its mean over the training rows: the base is the margin of
the average training row, and base and contributions add up to the margin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import BadData
from models.binned import Additive, BinValues, Lookup
from models.inputs import Floats, InputSpec, NotTrainable, labels, matrix, training_matrix
from models.logit import one_thread, shifted_loss
from models.newton import regress

__all__ = ["BadLogistic", "Logistic", "fit_linear", "fit_logistic"]

GRID = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
MOST_SEARCHED = 20_000  # rows: the strength of regularisation is found on so many, the fit itself takes all
MOST_CATEGORIES = 100
_BLOCK = 4096
_FILE = "logistic.json"


class BadLogistic(BadData):
    """logistic.json is not a model that can be served: {why}. Pull or train the model again."""


def fit_logistic(
    X: ArrayLike,
    y: ArrayLike,
    inputs: Sequence[InputSpec],
    *,
    X_tune: ArrayLike | None = None,
    y_tune: ArrayLike | None = None,
    C: float | None = None,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> Logistic:
    """Fit with the given inverse strength `C`, or with the one of a small grid that suits the tune block best."""
    X, y, weight = training_matrix(X, y, inputs, weights)
    columns = tuple(_column(X[:, place], spec, weight) for place, spec in enumerate(inputs))
    if C is None:
        if X_tune is None or y_tune is None:
            raise NotTrainable(why="choosing the regularisation needs a tune block where C is not given")
        X_tune = matrix(X_tune, len(inputs))
        C = _best_strength(X, y, weight, X_tune, labels(y_tune, len(X_tune)), columns, seed)
    elif not C > 0:
        raise NotTrainable(why=f"C is {C} and must be above zero")
    coefficients, intercept = _obeying(_Expanded.of(X, columns), columns, y, weight, C)
    return _fitted(coefficients, intercept, C, columns, X, weight)


def fit_linear(X: ArrayLike, target: ArrayLike, inputs: Sequence[InputSpec], *, strength: float, weights: ArrayLike) -> Logistic:
    """Ridge regression of any number over the same columns: a `Logistic` whose margin is the expected target, and no log-odds.

    `strength` is the penalty on each (standardised) coefficient, in rows.
    """
    values, goal, weight = matrix(X, len(inputs)), np.asarray(target, np.float64), np.asarray(weights, np.float64)
    columns = tuple(_column(values[:, place], spec, weight) for place, spec in enumerate(inputs))
    expanded = _Expanded.of(values, columns)(0, len(values))
    means, middle = np.average(expanded, axis=0, weights=weight), float(np.average(goal, weights=weight))
    centred = expanded - means
    with one_thread():
        squares = (centred * weight[:, None]).T @ centred + strength * np.eye(expanded.shape[1])
        coefficients: Floats = np.linalg.solve(squares, centred.T @ (weight * (goal - middle))).astype(np.float64, copy=False)
    return _fitted(coefficients, middle - float(means @ coefficients), 1.0 / strength, columns, values, weight)


@dataclass(frozen=True)
class Logistic(Additive):
    """A fitted model: per input what a present number, a missing one and each category add to the margin."""

    terms: tuple[_Term, ...]
    base: float
    C: float
    bins: tuple[BinValues | None, ...]
    """What is looked up of each input that is a category."""
    lookup: Lookup
    numbers: _Numbers

    kind = "logistic"

    @classmethod
    def of(cls, terms: Sequence[_Term], base: float, C: float) -> Self:
        bins = tuple(_codes(term) if term.kind == "category" else None for term in terms)
        return cls(tuple(terms), base, C, bins, Lookup.of(bins), _Numbers.of(terms))

    def told(self, X: ArrayLike, found: Floats) -> tuple[float, Floats]:
        """Base and margin of what was looked up of categories, which is filled up with what numbers add."""
        if len(self.numbers.places):
            self.numbers.fill(matrix(X, len(self.terms)), found)
        # Along rows that lie side by side NumPy adds in an order that depends on their length only; a matrix
        # product would choose its order by the number of rows.
        return self.base, self.base + np.add.reduce(found, axis=1)

    def shap(self, X: ArrayLike) -> tuple[Floats, float]:
        """The same as `contributions`: for a sum of terms they are the exact Shapley values."""
        return self.contributions(X)

    def importance(self) -> Floats:
        """Mean absolute contribution of each input over the training rows."""
        return np.array([term.importance for term in self.terms])

    def signs(self) -> dict[str, int]:
        """Of each number, the sign that the regression found."""
        return {term.name: int(np.sign(term.slope)) for term in self.terms if term.kind == "number"}

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "base": self.base, "C": self.C, "inputs": [term.to_json() for term in self.terms]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls.of([_Term.from_json(item) for item in document["inputs"]], float(document["base"]), float(document["C"]))

    def save(self, folder: Path) -> list[str]:
        (folder / _FILE).write_text(json.dumps(self.to_json(), indent=1, allow_nan=False), encoding="utf-8", newline="\n")
        return [_FILE]

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            return cls.from_json(json.loads((folder / _FILE).read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise BadLogistic(why=f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class _Term:
    """One input. A number adds `slope · t(clip(x)) + level`; a missing one adds `missing`; code c adds `codes[c]`."""

    name: str
    kind: str
    missing: float
    importance: float
    log: bool = False
    low: float = 0.0
    high: float = 0.0
    slope: float = 0.0
    level: float = 0.0
    codes: tuple[float, ...] = ()
    """Per code; the first is also every code beyond the last."""

    def to_json(self) -> dict[str, Any]:
        common: dict[str, Any] = {"name": self.name, "kind": self.kind, "missing": self.missing, "importance": self.importance}
        if self.kind == "category":
            return common | {"codes": list(self.codes)}
        return common | {"log": self.log, "low": self.low, "high": self.high, "slope": self.slope, "level": self.level}

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Self:
        missing, importance = float(item["missing"]), float(item["importance"])
        if item["kind"] == "category":
            codes = tuple(float(value) for value in item["codes"])
            if not codes or not np.isfinite([missing, *codes]).all():
                raise ValueError(f"{item['name']}: its codes are no numbers")
            return cls(str(item["name"]), "category", missing, importance, codes=codes)
        low, high, slope, level = (float(item[key]) for key in ("low", "high", "slope", "level"))
        if not np.isfinite([missing, low, high, slope, level]).all() or low > high:
            raise ValueError(f"{item['name']}: its coefficients are no numbers")
        return cls(str(item["name"]), "number", missing, importance, bool(item["log"]), low, high, slope, level)


def _codes(term: _Term) -> BinValues:
    return BinValues("category", term.missing, codes=dict(enumerate(term.codes)), other=term.codes[0])


@dataclass(frozen=True)
class _Numbers:
    """The terms of numbers side by side, so that one row takes a dozen NumPy calls however many inputs there are."""

    places: NDArray[np.intp]
    """Those that go by their logarithm first."""
    logs: int
    low: Floats
    high: Floats
    slope: Floats
    level: Floats
    missing: Floats

    @classmethod
    def of(cls, terms: Sequence[_Term]) -> Self:
        number = sorted(((place, term) for place, term in enumerate(terms) if term.kind == "number"), key=lambda one: not one[1].log)
        return cls(
            np.array([place for place, _ in number], dtype=np.intp),
            sum(term.log for _, term in number),
            np.array([term.low for _, term in number]),
            np.array([term.high for _, term in number]),
            np.array([term.slope for _, term in number]),
            np.array([term.level for _, term in number]),
            np.array([term.missing for _, term in number]),
        )

    def fill(self, X: Floats, out: Floats) -> None:
        """Writes what they add, rows × inputs."""
        x = X.take(self.places, axis=1)
        t = np.minimum(np.maximum(x, self.low), self.high)
        if self.logs:
            t[:, : self.logs] = _signed_log(t[:, : self.logs])
        t *= self.slope
        t += self.level
        out[:, self.places] = np.where(x == x, t, self.missing)  # NaN is not equal to itself


@dataclass(frozen=True)
class _Column:
    """How one input is expanded: decided on the training rows, before any coefficient is known."""

    spec: InputSpec
    log: bool = False
    low: float = 0.0
    high: float = 0.0
    middle: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    """Median of the clipped and transformed number; mean and scale after imputation."""
    indicator: bool = False
    kept: tuple[int, ...] = ()
    """Codes with a column of their own; -1 is missing."""

    @property
    def width(self) -> int:
        return len(self.kept) if self.spec.kind == "category" else 1 + self.indicator


def _column(x: Floats, spec: InputSpec, weight: Floats) -> _Column:
    least = max(5, min(20, len(x) // 50))
    if spec.kind == "category":
        codes = np.where(np.isnan(x), -1.0, x).astype(np.int64)
        values, counts = np.unique(codes, return_counts=True)
        often = [(int(n), int(v)) for v, n in zip(values, counts, strict=True) if n >= least and v != 0]
        return _Column(spec, kept=tuple(sorted(v for _, v in sorted(often, reverse=True)[:MOST_CATEGORIES])))
    missing = np.isnan(x)
    seen = x[~missing]
    indicator = bool(least <= missing.sum() <= len(x) - least)
    if not len(seen):
        return _Column(spec)
    log = _heavy(seen)
    transformed = _signed_log(seen) if log else seen
    middle = float(np.median(transformed))
    filled = np.where(missing, middle, 0.0)
    filled[~missing] = transformed
    mean = float(np.average(filled, weights=weight))
    spread = float(np.sqrt(np.average((filled - mean) ** 2, weights=weight)))
    scale = spread if spread > 1e-12 * max(1.0, abs(mean)) else 0.0
    return _Column(spec, log, float(seen.min()), float(seen.max()), middle, mean, scale, indicator)


def _heavy(seen: Floats) -> bool:
    """Whether the signed logarithm makes a skewed number clearly less so."""
    return abs(_skew(seen)) > 2.0 and abs(_skew(_signed_log(seen))) < 0.7 * abs(_skew(seen))


def _skew(values: Floats) -> float:
    middle = values - values.mean()
    spread = float(np.sqrt(np.mean(middle**2)))
    return float(np.mean((middle / spread) ** 3)) if spread > 0 else 0.0


def _signed_log(x: Floats) -> Floats:
    return np.sign(x) * np.log1p(np.abs(x))


@dataclass(frozen=True)
class _Expanded:
    """All columns of the regression, written out of the matrix for a block of rows at a time: kept, they would be as large again."""

    X: Floats
    width: int
    numbers: NDArray[np.intp]
    """Inputs that have a slope, those that go by their logarithm first."""
    logs: int
    low: Floats
    high: Floats
    middle: Floats
    mean: Floats
    scale: Floats
    at: NDArray[np.intp]
    """Their columns."""
    missing: NDArray[np.intp]
    """Inputs of which missing has a column, and those columns."""
    missing_at: NDArray[np.intp]
    categories: NDArray[np.intp]
    first: NDArray[np.intp]
    """Where in `places` the code 0 of each category stands; missing stands before it."""
    places: NDArray[np.intp]
    """The column of each code; `width` where it has none."""

    @classmethod
    def of(cls, X: Floats, columns: Sequence[_Column]) -> Self:
        ends = np.cumsum([0, *(column.width for column in columns)]).astype(np.intp)
        every = [*zip(range(len(columns)), columns, ends[:-1].tolist(), strict=True)]
        numbers = [one for one in every if one[1].spec.kind == "number"]
        categories = [one for one in every if one[1].kept]
        sloping = sorted((one for one in numbers if one[1].scale), key=lambda one: not one[1].log)
        indicated = [one for one in numbers if one[1].indicator]
        tables = [_places(X[:, place], column, at, int(ends[-1])) for place, column, at in categories]
        return cls(
            X,
            int(ends[-1]),
            _indices(place for place, _, _ in sloping),
            sum(column.log for _, column, _ in sloping),
            np.array([column.low for _, column, _ in sloping]),
            np.array([column.high for _, column, _ in sloping]),
            np.array([column.middle for _, column, _ in sloping]),
            np.array([column.mean for _, column, _ in sloping]),
            np.array([column.scale for _, column, _ in sloping]),
            _indices(at for _, _, at in sloping),
            _indices(place for place, _, _ in indicated),
            _indices(at + 1 for _, _, at in indicated),
            _indices(place for place, _, _ in categories),
            1 + np.cumsum([0, *(len(table) for table in tables)], dtype=np.intp)[:-1],
            np.concatenate([np.empty(0, np.intp), *tables]),
        )

    def __len__(self) -> int:
        return len(self.X)

    def __call__(self, start: int, stop: int) -> Floats:
        X = self.X[start:stop]
        out = np.zeros((stop - start, self.width + 1))
        x = X.take(self.numbers, axis=1)
        t = np.clip(x, self.low, self.high)
        t[:, : self.logs] = _signed_log(t[:, : self.logs])
        out[:, self.at] = (np.where(np.isnan(x), self.middle, t) - self.mean) / self.scale
        out[:, self.missing_at] = np.isnan(X.take(self.missing, axis=1))
        code = np.nan_to_num(X.take(self.categories, axis=1), nan=-1.0).astype(np.intp)
        np.put_along_axis(out, self.places[code + self.first], 1.0, axis=1)
        return out[:, :-1]

    def without(self, columns: Sequence[int]) -> Self:
        """The same with nothing but zeros in these columns of numbers."""
        kept = ~np.isin(self.at, columns)
        fields = ("numbers", "low", "high", "middle", "mean", "scale", "at")
        return replace(self, logs=int(kept[: self.logs].sum()), **{name: getattr(self, name)[kept] for name in fields})

    def margin(self, beta: Floats) -> Floats:
        blocks = [self(start, min(start + _BLOCK, len(self))) @ beta[1:] for start in range(0, len(self), _BLOCK)]
        return np.asarray(np.concatenate(blocks) + beta[0] if blocks else np.empty(0), np.float64)


def _indices(found: Iterable[int]) -> NDArray[np.intp]:
    return np.array([*found], dtype=np.intp)


def _places(x: Floats, column: _Column, first: int, width: int) -> NDArray[np.intp]:
    """The column of missing and of each code from 0 on."""
    most = max(int(np.fmax.reduce(x, initial=0.0)), *column.kept, 0)
    table = np.full(most + 2, width, dtype=np.intp)
    for offset, code in enumerate(column.kept):
        table[1 + code] = first + offset
    return table


def _fitted(coefficients: Floats, intercept: float, C: float, columns: Sequence[_Column], X: Floats, weight: Floats) -> Logistic:
    raw, place = [], 0
    for column in columns:
        raw.append(_term(column, coefficients[place : place + column.width].tolist()))
        place += column.width
    uncentred = Logistic.of(raw, 0.0, C)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(X), _BLOCK)]
    # Twice rather than kept: all contributions would be as large as the matrix again.
    means = np.sum([weight[rows] @ uncentred.contributions(X[rows])[0] for rows in blocks], axis=0) / weight.sum()
    sizes = np.sum([weight[rows] @ np.abs(uncentred.contributions(X[rows])[0] - means) for rows in blocks], axis=0) / weight.sum()
    terms = [_centred(term, float(mean), float(size)) for term, mean, size in zip(raw, means, sizes, strict=True)]
    return Logistic.of(terms, intercept + float(means.sum()), C)


def _term(column: _Column, coefficient: list[float]) -> _Term:
    spec = column.spec
    if spec.kind == "category":
        own = dict(zip(column.kept, coefficient, strict=True))
        codes = tuple(own.get(code, 0.0) for code in range(max(len(spec.categories), *column.kept, 0) + 1 if column.kept else 1))
        return _Term(spec.name, "category", own.get(-1, 0.0), 0.0, codes=codes)
    slope = coefficient[0] / column.scale if column.scale else 0.0
    level = -column.mean * slope
    missing = slope * column.middle + level + (coefficient[1] if column.indicator else 0.0)
    return _Term(spec.name, "number", missing, 0.0, column.log, column.low, column.high, slope, level)


def _centred(term: _Term, mean: float, size: float) -> _Term:
    if term.kind == "category":
        return _Term(term.name, term.kind, term.missing - mean, size, codes=tuple(value - mean for value in term.codes))
    return _Term(term.name, term.kind, term.missing - mean, size, term.log, term.low, term.high, term.slope, term.level - mean)


def _best_strength(X: Floats, y: Floats, weight: Floats, X_tune: Floats, y_tune: Floats, columns: Sequence[_Column], seed: int) -> float:
    rows = np.arange(len(y))
    if len(y) > MOST_SEARCHED:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_SEARCHED, replace=False))
    train, tune = _Expanded.of(X[rows], columns), _Expanded.of(X_tune, columns)
    losses, beta = [], None
    for C in GRID:  # from the strongest to the weakest, each from where the last one ended
        # C weighs the rows against the penalty: fewer rows, larger C.
        beta = _regress(train, y[rows], weight[rows], C * len(y) / len(rows), start=beta)
        losses.append(shifted_loss(tune.margin(beta), y_tune)[0])
    return GRID[int(np.argmin(losses))]


def _obeying(expanded: _Expanded, columns: Sequence[_Column], y: Floats, weight: Floats, C: float) -> tuple[Floats, float]:
    """Fitted again without the slopes that go against their input's declared direction, until none does."""
    first = np.cumsum([0, *(column.width for column in columns)])[:-1]
    numbers = [(int(place), one.spec) for place, one in zip(first, columns, strict=True) if one.spec.kind == "number"]
    beta = None
    while True:
        beta = _regress(expanded, y, weight, C, start=beta)
        against = [place for place, spec in numbers if beta[1 + place] * spec.monotone < 0]
        if not against:
            return beta[1:], float(beta[0])
        expanded = expanded.without(against)
        beta[1 + np.array(against)] = 0.0


def _regress(expanded: _Expanded, y: Floats, weight: Floats, C: float, start: Floats | None = None) -> Floats:
    return regress(expanded, y, weight, np.full(expanded.width, 1.0 / C), start)
