"""A blend: the weighted sum of other models' margins, and so of their contributions.

In: the encoded float64 matrix, which every member reads. Out: `Blend`, whose margin is `offset + Σ weight · margin`. A
member's file is what it would be alone; `blend.json` says which there are and what each weighs. At most one of a kind.

`fit_weights` finds weights on rows that the members were not fitted on, by log loss, none negative, and pulled towards
equal parts, so that few rows cannot choose wildly. A member that hardly matters is left out: what serves has to compute it for every lead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import BadData
from models.boosted import Boosted
from models.inputs import Floats
from models.logistic import Logistic
from models.logit import sigmoid
from models.naive_bayes import NaiveBayes
from models.scorecard import Scorecard
from models.together import Together

__all__ = ["SINGLES", "TOWARDS_EQUAL", "BadBlend", "Blend", "Model", "Single", "Weights", "fit_weights", "load_model"]

Single = Boosted | Logistic | NaiveBayes | Scorecard
SINGLES: Mapping[str, type[Single]] = {"boosted": Boosted, "logistic": Logistic, "naive_bayes": NaiveBayes, "scorecard": Scorecard}
LEAST_SHARE = 0.1
"""Of the mixture; what weighs less is left out."""
TOWARDS_EQUAL = 200.0
"""Strength of the pull, in rows: with tens of thousands it hardly counts, with a hundred it decides."""
_FILE = "blend.json"


class BadBlend(BadData):
    """blend.json is not a model that can be served: {why}. Pull or train the model again."""


@dataclass(frozen=True)
class Weights:
    """What each member's margin is multiplied by, and what is added to their sum."""

    of: Mapping[str, float]
    offset: float

    def margin(self, margins: Mapping[str, Floats]) -> Floats:
        total: Floats = np.full(len(next(iter(margins.values()))), self.offset)
        for name, weight in self.of.items():
            total = total + weight * margins[name]
        return total


def fit_weights(margins: Mapping[str, Floats], y: Floats, *, towards_equal: float = TOWARDS_EQUAL) -> Weights:
    """Weights from margins of rows that no member was fitted on; `towards_equal` is the pull to equal parts, in rows."""
    names = list(margins)
    while True:
        mixture, shift = _mixture(np.column_stack([margins[name] for name in names]), y, towards_equal)
        weakest = int(np.argmin(mixture))
        if len(names) == 1 or mixture[weakest] >= LEAST_SHARE * mixture.sum():
            return Weights(dict(zip(names, mixture.tolist(), strict=True)), shift)
        del names[weakest]


@dataclass(frozen=True)
class Blend:
    """Members with their weights."""

    members: tuple[tuple[Single, float], ...]
    offset: float

    kind = "blend"

    def margin(self, X: ArrayLike) -> Floats:
        """Log-odds before calibration."""
        return self._sum([model.margin(X) for model, _ in self.members])

    def contributions(self, X: ArrayLike) -> tuple[Floats, float]:
        """The members' contributions under their weights, rows × inputs, and the base: base + a row's sum is its margin."""
        contributions, base, _ = self.explain(X)
        return contributions, base

    def explain(self, X: ArrayLike) -> tuple[Floats, float, Floats]:
        """Contributions, base and margin at once; the margin has the bits of `margin`."""
        return self.blended(*self._together.told(X))

    def blended(self, found: Floats, told: Sequence[tuple[float, Floats]]) -> tuple[Floats, float, Floats]:
        """The same from the members' contributions, which are weighed in place, and their bases and margins."""
        found *= self._weights
        base = sum((weight * its_base for (_, weight), (its_base, _) in zip(self.members, told, strict=True)), self.offset)
        return np.add.reduce(found, axis=0), base, self._sum([margin for _, margin in told])

    @cached_property
    def _together(self) -> Together:
        return Together([model for model, _ in self.members])

    @cached_property
    def _weights(self) -> Floats:
        return np.array([weight for _, weight in self.members])[:, None, None]

    def shap(self, X: ArrayLike) -> tuple[Floats, float]:
        """Exact Shapley values of the blend: those of a sum are the sum of those of its parts."""
        parts = [(weight, *model.shap(X)) for model, weight in self.members]
        contributions: Floats = np.sum([weight * values for weight, values, _ in parts], axis=0)
        return contributions, self.offset + float(sum(weight * base for weight, _, base in parts))

    def importance(self) -> Floats:
        """The members' importance under their weights: where they disagree, more than the blend's own."""
        total: Floats = np.sum([weight * model.importance() for model, weight in self.members], axis=0)
        return total

    def save(self, folder: Path) -> list[str]:
        files = [name for model, _ in self.members for name in model.save(folder)]
        document = {
            "kind": self.kind,
            "offset": self.offset,
            "members": [{"kind": model.kind, "weight": weight} for model, weight in self.members],
        }
        (folder / _FILE).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8", newline="\n")
        return [*files, _FILE]

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            document = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            offset = float(document["offset"])
            named = [(str(item["kind"]), float(item["weight"])) for item in document["members"]]
            if not named or len({kind for kind, _ in named}) < len(named) or not {kind for kind, _ in named} <= SINGLES.keys():
                raise ValueError("its members are not models of different kinds")
            if not np.isfinite([offset, *(weight for _, weight in named)]).all() or min(weight for _, weight in named) < 0:
                raise ValueError("its weights are no numbers")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadBlend(why=f"{type(error).__name__}: {error}") from error
        return cls(tuple((SINGLES[kind].load(folder), weight) for kind, weight in named), offset)

    def _sum(self, margins: Sequence[Floats]) -> Floats:
        total: Floats = self.offset + self.members[0][1] * margins[0]
        for (_, weight), margin in zip(self.members[1:], margins[1:], strict=True):
            total = total + weight * margin
        return total


Model = Single | Blend


def load_model(kind: str, folder: Path) -> Model:
    """The model of a folder. Raises KeyError for a kind that there is not."""
    return Blend.load(folder) if kind == Blend.kind else SINGLES[kind].load(folder)


def _mixture(Z: Floats, y: Floats, towards_equal: float) -> tuple[NDArray[np.float64], float]:
    """Weights of the columns, none negative, and a shift: Newton's steps. Where all would be negative, equal parts."""
    count = Z.shape[1]
    equal = np.full(count, 1.0 / count)
    share, shift = equal.copy(), 0.0
    spread = np.maximum(Z.std(axis=0), 1e-6)
    # Pulling acts on what a share does to a typical row, whatever the column's spread.
    pull = towards_equal * float(y.mean() * (1 - y.mean())) * spread**2
    free = np.ones(count, dtype=bool)
    for _ in range(60):
        p = sigmoid(Z @ share + shift)
        residual, curvature = y - p, p * (1 - p)
        design = np.column_stack([Z[:, free], np.ones(len(y))])
        gradient = design.T @ residual - np.append(pull[free] * (share - equal)[free], 0.0)
        hessian = (design * curvature[:, None]).T @ design + np.diag(np.append(pull[free], 1e-9))
        step = np.linalg.solve(hessian, gradient)
        step /= max(1.0, float(np.abs(step).max()))
        share[free] += step[:-1]
        shift += float(step[-1])
        if share.min() < 0:  # once at zero it stays there: the mixture without it is found anew
            free &= share > 0
            share = np.where(free, share, 0.0)
            if not free.any():
                return equal, 0.0
        elif float(np.abs(step).max()) < 1e-9:
            break
    return share, shift
