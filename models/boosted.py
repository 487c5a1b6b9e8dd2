"""Gradient-boosted trees: fitted by LightGBM, served and explained from its model text alone.

In: the encoded float64 matrix (categories as codes, NaN missing) and 0/1 labels. Out: `Boosted`, whose margin is the
log-odds before calibration. The training rate is left as it is: no class weights and no resampling, for they distort
the probability that is served.

Contributions are Saabas path attributions: every step of a row's path changes the expected value of its subtree, and
the change belongs to the input that the node split on. Expected values are means of the leaves beneath, weighted by
their training counts (LightGBM writes its own with six digits only); the steps telescope, so base and contributions
add up to the margin. Each leaf's attributions are computed once, at load. They are not SHAP values, which cost fifty
times more: those are `shap`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.inputs import Floats, InputSpec, NotTrainable, labels, matrix, training_matrix
from models.lightgbm_native import BadModelText, NativeBooster, Tree
from models.logit import logit, shifted_loss

__all__ = ["Boosted", "Progress", "fit_boosted"]

Progress = Callable[[int, int, float], None]
"""Called after each round with its number, the most there can be, and the tune block's loss (NaN without one)."""

MOST_ROUNDS = 1500
PATIENCE = 60
SCARCE_ROWS, SCARCE_CLASS = 500, 40
FEWEST_ROUNDS = 30
"""Where the tune block is so unlike the fit block that its loss never falls, one tree is left and ranks by a dozen values."""
_WORTH_THREADS = 500_000  # cells: below, threads wait for each other longer than they work
_TASK = 2048  # rows whose leaves are looked up at a time, by one thread
_BLOCK = 512  # rows: their accumulators (60 inputs) stay in the second-level cache while all trees pass by


def fit_boosted(
    X: ArrayLike,
    y: ArrayLike,
    X_tune: ArrayLike | None,
    y_tune: ArrayLike | None,
    inputs: Sequence[InputSpec],
    *,
    seed: int,
    rounds: int | None = None,
    weights: ArrayLike | None = None,
    on_progress: Progress | None = None,
    threads: int = 0,
    overrides: dict[str, float | int] | None = None,
) -> Boosted:
    """Fit on X, stop where the tune block's loss stops falling; or, given `rounds`, fit exactly so many and need no tune block.

    `overrides` replace LightGBM parameters of `parameters()`, for a search over them.
    """
    import lightgbm as lgb

    X, y, weight = training_matrix(X, y, inputs, weights)
    settings: dict[str, Any] = parameters(len(y), int(min(y.sum(), len(y) - y.sum())), inputs, seed, threads) | (overrides or {})
    categorical = [place for place, spec in enumerate(inputs) if spec.kind == "category"]
    train = lgb.Dataset(X, label=y, weight=None if weights is None else weight, params=settings, categorical_feature=categorical)
    callbacks: list[Callable[..., Any]] = [_reporter(on_progress, rounds or MOST_ROUNDS)] if on_progress else []
    if rounds is not None:
        if rounds < 1:
            raise NotTrainable(why=f"{rounds} rounds were asked for, and it takes at least one")
        booster = lgb.train(settings, train, rounds, callbacks=callbacks)
        text = booster.model_to_string(num_iteration=rounds)
        del booster, train  # before their text is read again: both hold as much as there is to be made
        return Boosted.from_string(text)
    if X_tune is None or y_tune is None:
        raise NotTrainable(why="early stopping needs a tune block where the number of rounds is not given")
    X_tune = matrix(X_tune, len(inputs))
    tune = lgb.Dataset(X_tune, label=labels(y_tune, len(X_tune)), reference=train, params=settings)
    callbacks.append(lgb.early_stopping(PATIENCE, verbose=False))
    booster = lgb.train(
        settings,
        train,
        MOST_ROUNDS,
        valid_sets=[tune],
        valid_names=["tune"],
        feval=_tune_loss(),
        callbacks=callbacks,
        keep_training_booster=True,
    )
    text = booster.model_to_string(num_iteration=max(FEWEST_ROUNDS, booster.best_iteration))
    del booster, train, tune
    return Boosted.from_string(text)


def is_scarce(rows: int, scarcer: int) -> bool:
    """Whether there is so little to learn from (rows, and rows of the rarer class) that every model is held back strongly."""
    return rows < SCARCE_ROWS or scarcer < SCARCE_CLASS


def parameters(rows: int, scarcer: int, inputs: Sequence[InputSpec], seed: int, threads: int = 0) -> dict[str, Any]:
    """Defaults that forgive: CRM data are small, noisy and drift, so trees are small and each sees a part of the data.

    `scarcer` counts the rows of the rarer class: it, not the rows, says how much there is to learn. Leaves may be
    small, since a rare answer can be the strongest one (a past success in one lead of a thousand): leaves of 50 rows and
    more cost 0.06 of AUC on later rows of a bank's campaign. The penalty on a leaf's value guards small ones instead.
    """
    leaf = max(3, min(20, rows // 25))
    scarce = is_scarce(rows, scarcer)
    return {
        "objective": "binary",
        "metric": "None",
        "learning_rate": 0.05,
        "num_leaves": 4 if scarce else min(31, 6 + math.isqrt(scarcer) // 6),
        "min_data_in_leaf": leaf,
        "min_sum_hessian_in_leaf": 1.0 if rows >= 500 else 1e-3,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0 if scarce else 2.0,
        "cat_smooth": 20.0,
        "cat_l2": 10.0,
        "min_data_per_group": leaf,
        "monotone_constraints": [spec.monotone if spec.kind == "number" else 0 for spec in inputs],
        "monotone_constraints_method": "basic",
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        # A hundred rows for each of 255 bins: a copy of 200,000, the usual number, would be larger than the matrix.
        "bin_construct_sample_cnt": 25_000,
        "num_threads": threads or (1 if rows * len(inputs) < _WORTH_THREADS else 0),
        "verbosity": -1,
    }


@dataclass(frozen=True)
class Boosted:
    """A fitted model. `from_string` and `load` take LightGBM's text; nothing else is needed."""

    text: str
    native: NativeBooster
    paths: _Paths

    kind = "boosted"

    @classmethod
    def from_string(cls, text: str) -> Boosted:
        native, trees = NativeBooster.read(text)
        return cls(text, native, _Paths.of(trees, native.features))

    def __reduce__(self) -> tuple[Callable[[str], Boosted], tuple[str]]:
        """Copied to another process as its text: the library's handle means nothing there."""
        return Boosted.from_string, (self.text,)

    @property
    def rounds(self) -> int:
        return self.native.rounds

    def margin(self, X: ArrayLike) -> Floats:
        """Log-odds before calibration."""
        return self.native.margin(X)

    def contributions(self, X: ArrayLike) -> tuple[Floats, float]:
        """Saabas contributions, rows × inputs, and the base: base + a row's sum is its margin (within 1e-9)."""
        contributions, base, _ = self.explain(X)
        return contributions, base

    def explain(self, X: ArrayLike) -> tuple[Floats, float, Floats]:
        """Contributions, base and margin from one walk through the trees; the margin has the bits of `margin`."""
        found = np.zeros((len(np.asarray(X)), self.native.features))
        base, margin = self.told(X, found)
        return found, base, margin

    @property
    def bins(self) -> tuple[None, ...]:
        """Nothing is looked up of any input."""
        return (None,) * self.native.features

    def told(self, X: ArrayLike, found: Floats) -> tuple[float, Floats]:
        """Base and margin; fills `found`, which is zero, with contributions."""
        X = matrix(X, self.native.features)
        sums = self.paths.sum_one(self.native.leaves_one(X[0])) if len(X) == 1 else self._sums(X)
        found[:, self.paths.used] = sums[:, :-1]
        return self.paths.base, np.ascontiguousarray(sums[:, -1])

    def _sums(self, X: Floats) -> Floats:
        """Row blocks over all cores; both the library and NumPy let go of the interpreter while they work."""
        out = np.empty((len(X), self.paths.table.shape[1]))

        def fill(start: int) -> None:
            self.paths.sums(self.native.leaves(X[start : start + _TASK], threads=1), out[start : start + _TASK])

        starts = range(0, len(X), _TASK)
        if len(starts) < 2:
            for start in starts:
                fill(start)
        else:
            with ThreadPoolExecutor(min(os.cpu_count() or 1, len(starts))) as pool:
                list(pool.map(fill, starts))
        return out

    def shap(self, X: ArrayLike) -> tuple[Floats, float]:
        """Exact TreeSHAP contributions and their base."""
        return self.native.shap(X)

    def importance(self) -> Floats:
        """Mean absolute contribution of each input over the training rows, by the leaves they reached."""
        return self.paths.importance()

    def save(self, folder: Path) -> list[str]:
        (folder / "model.txt").write_text(self.text, encoding="ascii", newline="\n")
        return ["model.txt"]

    @classmethod
    def load(cls, folder: Path) -> Boosted:
        try:
            return cls.from_string((folder / "model.txt").read_bytes().decode("ascii"))
        except UnicodeDecodeError as error:
            raise BadModelText(why="it holds bytes that LightGBM does not write") from error


@dataclass(frozen=True)
class _Paths:
    """Per leaf, what its path gives each used input; the last column is the leaf's value, so one sum yields the margin too.

    Adding runs tree by tree, as LightGBM adds leaf values: that makes the margin the same to the bit, and a row's
    sums the same alone and in a batch.
    """

    table: Floats
    first: NDArray[np.intp]
    """Row of the table at which each tree's leaves begin."""
    used: NDArray[np.intp]
    """Input of each column but the last."""
    counts: Floats
    base: float
    features: int

    @classmethod
    def of(cls, trees: Sequence[Tree], features: int) -> _Paths:
        # One column at least beside the margin: over a single column NumPy would add pairwise, in another order.
        used = sorted({feature for tree in trees for feature in tree.split_feature}) or [0]
        column = {feature: place for place, feature in enumerate(used)}
        sizes = [len(tree.leaf_value) for tree in trees]
        table = np.zeros((sum(sizes), len(used) + 1))
        first = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)
        base = 0.0
        for tree, start in zip(trees, first, strict=True):
            base += _attribute(tree, column, table[start : start + len(tree.leaf_value)])
        counts = np.array([count for tree in trees for count in tree.leaf_count])
        return cls(table, first, np.array(used, dtype=np.intp), counts, base, features)

    def sum_one(self, leaves: Floats) -> Floats:
        rows = self.table.take(leaves.astype(np.intp) + self.first, axis=0)
        return np.add.reduce(rows, axis=0, keepdims=True)

    def sums(self, leaves: NDArray[np.int32], out: Floats) -> None:
        step = np.empty((_BLOCK, self.table.shape[1]))
        for start in range(0, len(leaves), _BLOCK):
            rows = leaves[start : start + _BLOCK].T + self.first[:, None]  # trees × rows, each tree's leaves side by side
            into, part = out[start : start + _BLOCK], step[: rows.shape[1]]
            self.table.take(rows[0], axis=0, out=into, mode="clip")  # the other modes of `take` buffer their output
            for tree in rows[1:]:
                self.table.take(tree, axis=0, out=part, mode="clip")
                into += part

    def importance(self) -> Floats:
        rows = self.counts[: self.first[1] if len(self.first) > 1 else None].sum()
        out = np.zeros(self.features)
        out[self.used] = (np.abs(self.table[:, :-1]) * self.counts[:, None]).sum(axis=0) / max(rows, 1.0)
        return out


def _attribute(tree: Tree, column: dict[int, int], table: Floats) -> float:
    """Fill the leaves' rows of one tree; returns the tree's expected value."""
    table[:, -1] = tree.leaf_value
    if not tree.split_feature:
        return tree.leaf_value[0]
    expected, _ = _expected(tree)
    nodes = len(tree.split_feature)
    so_far = np.zeros((nodes, table.shape[1] - 1))
    for node in range(nodes):  # a parent's number is below its children's: one pass downwards
        place = column[tree.split_feature[node]]
        for child in (tree.left[node], tree.right[node]):
            row = so_far[child] if child >= 0 else table[~child, :-1]
            row[:] = so_far[node]
            row[place] += (expected[child] if child >= 0 else tree.leaf_value[~child]) - expected[node]
    return expected[0]


def _expected(tree: Tree) -> tuple[list[float], list[float]]:
    nodes = len(tree.split_feature)
    value, count = [0.0] * nodes, [0.0] * nodes
    for node in reversed(range(nodes)):
        children = (tree.left[node], tree.right[node])
        sides = [(value[c], count[c]) if c >= 0 else (tree.leaf_value[~c], tree.leaf_count[~c]) for c in children]
        count[node] = sum(n for _, n in sides)
        value[node] = sum(v * n for v, n in sides) / count[node] if count[node] else sum(v for v, _ in sides) / 2
    return value, count


class _Round(Protocol):
    """What LightGBM tells a callback."""

    iteration: int
    evaluation_result_list: list[tuple[str, str, float, bool]] | None


class _Labelled(Protocol):
    """What LightGBM hands a metric beside the predictions."""

    def get_label(self) -> object: ...


def _reporter(on_progress: Progress, most: int) -> Callable[[_Round], None]:
    def after_round(env: _Round) -> None:
        results = env.evaluation_result_list
        on_progress(env.iteration + 1, most, float(results[0][2]) if results else math.nan)

    return after_round


def _tune_loss() -> Callable[[Floats, _Labelled], tuple[str, float, bool]]:
    shift = 0.0

    def loss(p: Floats, data: _Labelled) -> tuple[str, float, bool]:
        nonlocal shift  # it hardly moves from round to round: started there, Newton takes a step or two
        value, shift = shifted_loss(logit(p), np.asarray(data.get_label(), dtype=np.float64), start=shift)
        return "loss", value, False

    return loss
