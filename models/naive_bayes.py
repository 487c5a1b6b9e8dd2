"""Naive Bayes over binned inputs, smoothed: each input's evidence is read from its own table, and the evidence is added up.

In: the encoded float64 matrix and 0/1 labels. Out: `NaiveBayes`, whose margin is the log-odds before calibration. Nothing
is fitted jointly, so there is little to overfit and little to break when the world moves: where inputs drift, or rows are
few, it often ranks best. It knows no interplay. Added up, such odds are too bold: one slope for all brings them to scale.

Numbers are cut at quantiles into at most ten bins; each category seen often enough has its own, the rest share one;
missing is a bin too. A bin's evidence is its conversion rate against everyone's in log-odds, pulled towards none by
`PULL` average rows, and again by how little an input's bins tell about rows other than their own. Inputs that repeat each
other (visits in 7 days, in 30 days) would be believed several times over: each input's evidence is divided by the root of
how many inputs, itself among them, say the same (their squared correlations added up). An input with a declared direction
never goes against it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import BadData
from models.binned import Additive, BinValues, Lookup
from models.calibration import platt
from models.inputs import Floats, InputSpec, training_matrix
from models.logit import logit, one_thread
from models.scorecard import counts_by_bin, pooled

__all__ = ["BadNaiveBayes", "NaiveBayes", "fit_naive_bayes"]

MOST_BINS = 10
PULL = 5.0
"""Average rows that are added to each bin."""
_FEWEST = 5
_BLOCK = 8192
_FILE = "naive_bayes.json"


class BadNaiveBayes(BadData):
    """naive_bayes.json is not a model that can be served: {why}. Pull or train the model again."""


def fit_naive_bayes(
    X: ArrayLike, y: ArrayLike, inputs: Sequence[InputSpec], *, weights: ArrayLike | None = None, pull: float = PULL
) -> NaiveBayes:
    """One table an input, then one factor an input."""
    X, y, weight = training_matrix(X, y, inputs, weights)
    tables = [_table(X[:, place], y, weight, spec, pull) for place, spec in enumerate(inputs)]
    lookup = Lookup.of(tables)
    means, factors = _factors(lookup, X, weight)
    told, sizes = np.empty(len(X)), np.zeros(len(tables))
    for rows, evidence in _evidence_of(lookup, X):
        told[rows] = evidence @ factors
        sizes += weight[rows] @ np.abs((evidence - means) * factors)
    with one_thread():
        slope, intercept = platt(told, y, weight[None, :])
    factors *= slope[0]
    means *= factors
    sizes *= abs(slope[0]) / weight.sum()
    scaled = [_scaled(table, float(factor), float(mean)) for table, factor, mean in zip(tables, factors, means, strict=True)]
    base = float(intercept[0]) + float(means.sum())
    return NaiveBayes.of([spec.name for spec in inputs], scaled, base, tuple(sizes.tolist()))


@dataclass(frozen=True)
class NaiveBayes(Additive):
    """A table of evidence per input, measured from the average training row."""

    names: tuple[str, ...]
    tables: tuple[BinValues, ...]
    base: float
    sizes: tuple[float, ...]
    lookup: Lookup

    kind = "naive_bayes"

    @classmethod
    def of(cls, names: Sequence[str], tables: Sequence[BinValues], base: float, sizes: Sequence[float]) -> Self:
        return cls(tuple(names), tuple(tables), base, tuple(sizes), Lookup.of(tables))

    @property
    def bins(self) -> Sequence[BinValues | None]:
        """What is looked up of each input."""
        return self.tables

    def told(self, X: ArrayLike, found: Floats) -> tuple[float, Floats]:
        """Base and margin of contributions that were looked up."""
        return self.base, self.base + np.add.reduce(found, axis=1)

    def shap(self, X: ArrayLike) -> tuple[Floats, float]:
        """The same as `contributions`: for a sum of terms they are the exact Shapley values."""
        return self.contributions(X)

    def importance(self) -> Floats:
        """Mean absolute contribution of each input over the training rows."""
        return np.array(self.sizes)

    def save(self, folder: Path) -> list[str]:
        inputs = [_to_json(*one) for one in zip(self.names, self.tables, self.sizes, strict=True)]
        document = {"kind": self.kind, "base": self.base, "inputs": inputs}
        (folder / _FILE).write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8", newline="\n")
        return [_FILE]

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            document = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            items = document["inputs"]
            names, sizes = [str(item["name"]) for item in items], [float(item["importance"]) for item in items]
            base = float(document["base"])
            if not np.isfinite([base, *sizes]).all():
                raise ValueError("its base is no number")
            return cls.of(names, [_from_json(item) for item in items], base, sizes)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadNaiveBayes(why=f"{type(error).__name__}: {error}") from error


def _table(x: Floats, y: Floats, weight: Floats, spec: InputSpec, pull: float) -> BinValues:
    missing = np.isnan(x)
    if spec.kind == "category":
        codes = np.where(missing, 0, x).astype(np.intp)
        seen = np.bincount(codes[~missing], minlength=1)
        kept = [code for code in range(1, len(seen)) if seen[code] >= _FEWEST]
        bin_of_code = np.full(len(seen), len(kept), dtype=np.intp)
        bin_of_code[kept] = np.arange(len(kept))
        bins = len(kept) + 1
        of_row = np.where(missing, bins, bin_of_code[codes])
        evidence = _evidence(of_row, y, weight, bins + 1, pull).tolist()
        return BinValues("category", evidence[-1], codes=dict(zip(kept, evidence[: len(kept)], strict=True)), other=evidence[len(kept)])
    edges = _edges(x[~missing])
    bins = len(edges) + 1
    of_row = np.where(missing, bins, np.searchsorted(edges, x, side="left")).astype(np.intp)
    if spec.monotone:
        new = pooled(of_row, y, weight, bins, spec.monotone, pull)
        edges = edges[np.flatnonzero(np.diff(new))]
        bins = len(edges) + 1
        of_row = np.append(new, bins)[of_row]
    evidence = _evidence(of_row, y, weight, bins + 1, pull).tolist()
    return BinValues("number", evidence[-1], tuple(edges.tolist()), tuple(evidence[:-1]))


def _edges(seen: Floats) -> Floats:
    """Values at which a bin ends: quantiles that occur; a value that fills more than a bin has one to itself."""
    if not len(seen):
        return np.empty(0)
    quantiles, times = np.unique(np.quantile(seen, np.arange(1, MOST_BINS) / MOST_BINS, method="inverted_cdf"), return_counts=True)
    lowest, highest = seen.min(), seen.max()
    before = [float(seen[seen < heavy].max()) for heavy in quantiles[times > 1].tolist() if heavy > lowest]
    edges: Floats = np.unique(np.concatenate([quantiles, before]))
    inner: Floats = edges[edges < highest]
    return inner


def _evidence(of_row: NDArray[np.intp], y: Floats, weight: Floats, bins: int, pull: float) -> Floats:
    """Of each bin, times what it is worth for rows other than its own.

    Each row is told the evidence of its bin without itself, and a slope is fitted to that: near 1 where bins tell something, 0
    where they are chance. Hundreds of categories of a few rows each would else be learned by heart.
    """
    rate = float(np.average(y, weights=weight))
    rows, positives = counts_by_bin(of_row, y, weight, bins)

    def odds(n: Floats, k: Floats) -> Floats:
        return logit((k + pull * rate) / np.maximum(n + pull, 1e-9)) - math.log(rate / (1 - rate))

    lost, won = odds(np.maximum(rows - 1, 0), positives), odds(np.maximum(rows - 1, 0), np.maximum(positives - 1, 0))
    seen = np.concatenate([rows - positives, positives])
    if not pull or not np.ptp(np.concatenate([lost, won])[seen > 0]):
        return odds(rows, positives)
    slope, _ = platt(np.concatenate([lost, won]), np.repeat([0.0, 1.0], bins), seen[None, :])
    return odds(rows, positives) * min(1.0, float(slope[0]))


def _evidence_of(lookup: Lookup, X: Floats) -> Iterator[tuple[slice, Floats]]:
    """What each row is told by each input, block by block: the whole of it would be as large as the matrix again."""
    for start in range(0, len(X), _BLOCK):
        (evidence,) = lookup.values(X[start : start + _BLOCK])
        yield slice(start, start + _BLOCK), evidence


def _factors(lookup: Lookup, X: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Each input's mean, and one over the root of the sum of its squared correlations with every input, itself included.

    The root is between believing repetition fully and not at all: on generated tables it ranked better than either.
    """
    first = lookup.values(X[:1])[0, 0]  # measured from a value that occurs, what never varies is exactly zero
    sums, squares = np.zeros(len(first)), np.zeros((len(first), len(first)))
    with one_thread():
        for rows, evidence in _evidence_of(lookup, X):
            evidence -= first
            weighted = evidence * weight[rows, None]
            sums += weighted.sum(axis=0)
            squares += weighted.T @ evidence
    covariance = squares - np.outer(sums, sums) / weight.sum()
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    known = spread > 0
    scale = np.where(known, spread, 1.0)
    correlation = covariance / scale[:, None] / scale[None, :]
    factors: Floats = np.where(known, 1.0 / np.sqrt(np.maximum((correlation**2).sum(axis=0), 1.0)), 0.0)
    return first + sums / weight.sum(), factors


def _scaled(table: BinValues, factor: float, mean: float) -> BinValues:
    def new(value: float) -> float:
        return factor * value - mean

    return BinValues(
        table.kind,
        new(table.missing),
        table.edges,
        tuple(new(value) for value in table.values),
        {code: new(value) for code, value in table.codes.items()},
        new(table.other),
    )


def _to_json(name: str, table: BinValues, size: float) -> dict[str, Any]:
    out: dict[str, Any] = {"name": name, "kind": table.kind, "importance": size, "missing": table.missing}
    if table.kind == "number":
        return out | {"edges": list(table.edges), "values": list(table.values)}
    return out | {"codes": {str(code): value for code, value in table.codes.items()}, "other": table.other}


def _from_json(item: Mapping[str, Any]) -> BinValues:
    missing = float(item["missing"])
    if item["kind"] == "number":
        edges, values = tuple(map(float, item["edges"])), tuple(map(float, item["values"]))
        if not np.isfinite([missing, *edges, *values]).all() or len(values) != len(edges) + 1 or np.any(np.diff(edges) <= 0):
            raise ValueError(f"{item['name']}: its bins do not follow each other")
        return BinValues("number", missing, edges, values)
    if item["kind"] != "category":
        raise ValueError(f"{item['name']}: {item['kind']!r} is no kind of input")
    codes, other = {int(code): float(value) for code, value in item["codes"].items()}, float(item["other"])
    if not np.isfinite([missing, other, *codes.values()]).all() or any(code < 0 for code in codes):
        raise ValueError(f"{item['name']}: its codes are no numbers")
    return BinValues("category", missing, codes=codes, other=other)
