"""What a model is told about its inputs, and the checks that every estimator makes of its matrix.

In: a float64 matrix with one column per `InputSpec`, as `models/encoder.py` makes it. Numbers are as they are;
a category is its code, 1..n in the order of `InputSpec.categories`, 0 for any other value. NaN is missing, for both.
Out: the same matrix, C-contiguous, or a `BadData` that says what is wrong. Infinity is refused when fitting; when
scoring it counts as the largest (or smallest) value that training saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import BadData

__all__ = ["Floats", "InputSpec", "NotTrainable", "WrongWidth", "labels", "matrix", "training_matrix"]

Floats: TypeAlias = NDArray[np.float64]


class WrongWidth(BadData):
    """The matrix has {got} columns and the model was fitted on {expected}: encode the leads with the encoder of the same bundle."""


class NotTrainable(BadData):
    """A model cannot be fitted: {why}."""


@dataclass(frozen=True)
class InputSpec:
    """One column of the matrix: its signal's name and family, and what the model may assume about it."""

    name: str
    family: str = ""
    kind: Literal["number", "category"] = "number"
    monotone: int = 0
    """+1: a higher value never lowers the margin (scorecard and boosted obey it), -1: never raises it."""
    categories: tuple[str, ...] = ()
    """Category of code 1, 2, …; code 0 stands for every other value."""


def matrix(X: ArrayLike, width: int) -> Floats:
    """`X` as a C-contiguous float64 matrix of `width` columns, without a copy where it is one already."""
    array = np.ascontiguousarray(X, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != width:
        raise WrongWidth(got=array.shape[-1] if array.ndim else 0, expected=width)
    return array


def training_matrix(
    X: ArrayLike, y: ArrayLike, inputs: Sequence[InputSpec], weights: ArrayLike | None = None
) -> tuple[Floats, Floats, Floats]:
    """Matrix, 0/1 labels and row weights (ones where not given), checked for fitting."""
    if not inputs:
        raise NotTrainable(why="there is no input")
    values = matrix(X, len(inputs))
    target = labels(y, len(values))
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        raise NotTrainable(why=f"`{inputs[int(np.argmax(infinite))].name}` holds infinity; make it missing or finite")
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != target.shape or not bool(np.all(np.isfinite(weight) & (weight >= 0))):
        raise NotTrainable(why="row weights must be finite, not negative, and one per row")
    if not weight[target == 1].sum() > 0 or not weight[target == 0].sum() > 0:
        raise NotTrainable(why="all rows of one class have weight zero")
    return values, target, weight


def labels(y: ArrayLike, rows: int) -> Floats:
    """`y` as float64 zeros and ones of both kinds."""
    target: NDArray[Any] = np.asarray(y, dtype=np.float64)
    if target.shape != (rows,):
        raise NotTrainable(why=f"{rows} rows came with labels of shape {target.shape}")
    if not bool(np.all((target == 0) | (target == 1))):
        raise NotTrainable(why="labels must be 0 or 1")
    if rows == 0 or target.min() == target.max():
        raise NotTrainable(why=f"all {rows} labels are of one class; conversions and non-conversions are both needed")
    return target
