"""LightGBM's model text, scored through the C library inside the `lightgbm` wheel, without importing lightgbm.

In: the text of a binary model, and float64 matrices (NaN is missing). Out: margins in log-odds, leaf indices, exact
TreeSHAP values. Importing the package would cost a second and 120 MB (scikit-learn, pandas) and 30 µs a row; its
library's public C API costs neither.

One row goes through the single-row call, whose scratch buffers are not thread-safe: each thread has its own.
Many rows go through the matrix call, which makes its buffers per call. Both walk the same trees in the same order,
so one row alone and the same row in a batch give the same bits.

The text is verified before the library sees it: LightGBM follows child indices without checking them, and a
damaged file would end the process instead of raising.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import threading
import weakref
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import BadData, DependencyFailed
from models.inputs import Floats, WrongWidth, matrix

__all__ = ["BadModelText", "LightGBMFailed", "LightGBMMissing", "NativeBooster", "Tree", "read_trees"]

_FLOAT64 = 1
_RAW, _LEAF, _CONTRIBUTIONS = 1, 2, 3
_ROW_MAJOR = 1
_WORTH_THREADS = 256  # rows: fewer are done before a second thread has woken up
_LEAF_BLOCK = 4096  # rows: leaf indices come as doubles, a block keeps 300 trees of them under 10 MB


class LightGBMMissing(DependencyFailed):
    """LightGBM's library cannot be loaded ({why}): install the packages of requirements.lock; on Linux it also needs libgomp."""


class LightGBMFailed(DependencyFailed):
    """LightGBM could not {what}: {why}"""


class BadModelText(BadData):
    """model.txt is not a model that can be served: {why}. Pull or train the model again."""


@dataclass(frozen=True)
class Tree:
    """The parts of one tree that attributions need. Child `c >= 0` is a node, `c < 0` is leaf `~c`; node 0 is the root."""

    split_feature: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    leaf_value: tuple[float, ...]
    leaf_count: tuple[float, ...]


class NativeBooster:
    """A loaded model. Immutable; may be shared between threads."""

    def __init__(self, text: str, features: int, rounds: int) -> None:
        """Of a text that `read_trees` has found sound: so wide a matrix, so many trees."""
        self.features, self.rounds = features, rounds
        self._booster = _Booster(text)
        self._local = threading.local()

    @classmethod
    def from_string(cls, text: str) -> NativeBooster:
        return cls.read(text)[0]

    @classmethod
    def read(cls, text: str) -> tuple[NativeBooster, tuple[Tree, ...]]:
        """The model, and its trees in the order in which their values are added: megabytes of numbers, which it does not keep itself."""
        features, trees = read_trees(text)
        return cls(text, features, len(trees)), trees

    def margin(self, X: ArrayLike, threads: int = 0) -> Floats:
        """Raw score of every row. `threads` 0 means as many as there are cores."""
        X = matrix(X, self.features)
        if len(X) == 1:
            return np.array([self.margin_one(X[0])])
        return self._booster.predict(X, _RAW, 1, threads)[:, 0]

    def margin_one(self, row: Floats) -> float:
        """Raw score of one row of float64, the same bits as in a batch."""
        call: _SingleRow | None = getattr(self._local, "margin", None)
        if call is None:
            call = self._local.margin = _SingleRow(self._booster, _RAW, self.features, 1)
        return float(call(row)[0])

    def leaves(self, X: ArrayLike, threads: int = 0) -> NDArray[np.int32]:
        """The leaf that each row reaches in each tree: rows × trees."""
        X = matrix(X, self.features)
        out = np.empty((len(X), self.rounds), dtype=np.int32)
        for start in range(0, len(X), _LEAF_BLOCK):
            block = X[start : start + _LEAF_BLOCK]
            out[start : start + len(block)] = self._booster.predict(block, _LEAF, self.rounds, threads)
        return out

    def leaves_one(self, row: Floats) -> Floats:
        """The leaves of one row, as the library gives them: whole numbers in float64. Valid until this thread's next call."""
        call: _SingleRow | None = getattr(self._local, "leaves", None)
        if call is None:
            call = self._local.leaves = _SingleRow(self._booster, _LEAF, self.features, self.rounds)
        return call(row)

    def shap(self, X: ArrayLike, threads: int = 0) -> tuple[Floats, float]:
        """Exact TreeSHAP: contributions (rows × inputs) and the base to which they add up to the margin."""
        X = matrix(X, self.features)
        out = self._booster.predict(X, _CONTRIBUTIONS, self.features + 1, threads)
        base = float(out[0, -1]) if len(out) else 0.0
        return np.ascontiguousarray(out[:, :-1]), base


class _Booster:
    """The library's booster handle, freed with the last reference (single-row handles hold one)."""

    def __init__(self, text: str) -> None:
        self.library = _library()
        self.handle = ctypes.c_void_p()
        iterations = ctypes.c_int(0)
        status = self.library.LGBM_BoosterLoadModelFromString(text.encode(), ctypes.byref(iterations), ctypes.byref(self.handle))
        self.check(status, "load the model")
        weakref.finalize(self, self.library.LGBM_BoosterFree, self.handle)

    def check(self, status: int, what: str) -> None:
        if status != 0:
            raise LightGBMFailed(what=what, why=self.library.LGBM_GetLastError().decode(errors="replace"))

    def predict(self, X: Floats, kind: int, width: int, threads: int) -> Floats:
        out = np.empty((len(X), width))
        if not len(X):
            return out
        written = ctypes.c_int64(0)
        status = self.library.LGBM_BoosterPredictForMat(
            self.handle, X.ctypes.data, _FLOAT64, X.shape[0], X.shape[1], _ROW_MAJOR, kind, 0, -1,
            _parameters(threads or (1 if len(X) < _WORTH_THREADS else 0)), ctypes.byref(written), out.ctypes.data,
        )  # fmt: skip
        self.check(status, "score a matrix")
        if written.value != out.size:
            raise LightGBMFailed(what="score a matrix", why=f"it wrote {written.value} numbers where {out.size} were due")
        return out


class _SingleRow:
    """The library's prepared call for one row, with the buffers that it reads and writes. For one thread only."""

    def __init__(self, booster: _Booster, kind: int, features: int, width: int) -> None:
        self._booster = booster  # the prepared call points into the booster: it must not outlive it
        self._row = np.zeros(features)
        self._out = np.zeros(width)
        self._features = features
        self._call = booster.library.LGBM_BoosterPredictForMatSingleRowFast
        self._prepared = ctypes.c_void_p()
        status = booster.library.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster.handle, kind, 0, -1, _FLOAT64, features, _parameters(1), ctypes.byref(self._prepared)
        )
        booster.check(status, "prepare scoring")
        weakref.finalize(self, booster.library.LGBM_FastConfigFree, self._prepared)
        self._written = ctypes.c_int64(0)
        self._arguments = (
            self._prepared,
            ctypes.c_void_p(self._row.ctypes.data),
            ctypes.byref(self._written),
            ctypes.c_void_p(self._out.ctypes.data),
        )

    def __call__(self, row: Floats) -> Floats:
        if row.shape != (self._features,):  # a broadcast would fill the buffer with one number
            raise WrongWidth(got=row.shape[-1] if row.ndim else 0, expected=self._features)
        self._row[:] = row
        if self._call(*self._arguments) != 0:
            self._booster.check(-1, "score a row")
        return self._out


def _parameters(threads: int) -> bytes:
    return b"verbosity=-1 num_threads=%d" % threads


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    path = _library_path()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise LightGBMMissing(why=str(error)) from error
    pointer, whole, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    library.LGBM_GetLastError.restype = text
    library.LGBM_BoosterLoadModelFromString.argtypes = [text, pointer, pointer]
    library.LGBM_BoosterFree.argtypes = [pointer]
    library.LGBM_FastConfigFree.argtypes = [pointer]
    library.LGBM_BoosterPredictForMat.argtypes = [
        pointer, pointer, whole, ctypes.c_int32, ctypes.c_int32, whole, whole, whole, whole, text, pointer, pointer
    ]  # fmt: skip
    library.LGBM_BoosterPredictForMatSingleRowFastInit.argtypes = [pointer, whole, whole, whole, whole, ctypes.c_int32, text, pointer]
    library.LGBM_BoosterPredictForMatSingleRowFast.argtypes = [pointer, pointer, pointer, pointer]
    return library


def _library_path() -> Path:
    spec = importlib.util.find_spec("lightgbm")  # finds the folder; executes nothing of the package
    folders = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    if not folders:
        raise LightGBMMissing(why="the package `lightgbm` is not installed")
    ending = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    for folder in folders:
        for place in (folder / "lib", folder / "bin", folder.parent):
            if (path := place / f"lib_lightgbm{ending}").is_file():
                return path
    raise LightGBMMissing(why=f"no lib_lightgbm{ending} in {folders[0]}")


def read_trees(text: str) -> tuple[int, tuple[Tree, ...]]:
    """Number of inputs and trees of a model's text; `BadModelText` unless every index in it points where it may."""
    if not text.isascii():
        raise BadModelText(why="it holds characters that LightGBM does not write")
    head, blank, _ = text.partition("\n\n")
    if not blank or not head.startswith("tree\n") or "\nend of trees\n" not in text:
        raise BadModelText(why="it is empty, cut short or no LightGBM text")
    header = _fields(head)
    wanted = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1", "objective": "binary sigmoid:1"}
    for key, value in wanted.items():
        if header.get(key) != value:
            raise BadModelText(why=f"{key} is {header.get(key)!r} and should be {value!r}")
    try:
        features, sizes = _whole(header, "max_feature_idx")[0] + 1, _whole(header, "tree_sizes")
    except (KeyError, ValueError) as error:
        raise BadModelText(why=f"its header is incomplete ({error})") from error
    if not len(header.get("feature_names", "").split()) == len(header.get("feature_infos", "").split()) == features > 0:
        raise BadModelText(why="its inputs are not all described")
    start, trees = len(head) + 2, []
    for number, size in enumerate(sizes):
        block = text[start : start + size]
        if size <= 0 or not block.startswith(f"Tree={number}\n"):
            raise BadModelText(why=f"tree {number} is not where the header says")
        trees.append(_tree(number, _fields(block), features))
        start += size
    if not trees or not text[start:].startswith("end of trees\n"):
        raise BadModelText(why="the trees do not end where the header says")
    return features, tuple(trees)


def _tree(number: int, fields: dict[str, str], features: int) -> Tree:
    try:
        leaves, categorical = int(fields["num_leaves"]), int(fields["num_cat"])
        value = tuple(map(float, fields["leaf_value"].split()))
        sound = leaves >= 1 and len(value) == leaves and bool(np.isfinite(value).all()) and fields.get("is_linear", "0") == "0"
        count: tuple[float, ...] = (1.0,)
        feature: tuple[int, ...] = ()
        left: tuple[int, ...] = ()
        right: tuple[int, ...] = ()
        if leaves > 1:
            count = tuple(map(float, fields["leaf_count"].split()))
            feature, left, right = (_whole(fields, key) for key in ("split_feature", "left_child", "right_child"))
            sound = sound and len(count) == leaves and len(feature) == len(left) == len(right) == leaves - 1
            sound = sound and min(feature) >= 0 and max(feature) < features and min(count) >= 0
            sound = sound and sorted(left + right) == [*range(-leaves, 0), *range(1, leaves - 1)] and _descends(left, right)
            sound = sound and _splits_hold(fields, leaves - 1, categorical)
    except (KeyError, ValueError) as error:
        raise BadModelText(why=f"tree {number} is incomplete ({error})") from error
    if not sound:
        raise BadModelText(why=f"tree {number} points outside itself or holds no number")
    return Tree(feature, left, right, value, count)


def _descends(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    """LightGBM numbers nodes as it splits them: a child's number is above its parent's, so no path can run in a circle."""
    return all((a < 0 or a > node) and (b < 0 or b > node) for node, (a, b) in enumerate(zip(left, right, strict=True)))


def _splits_hold(fields: dict[str, str], nodes: int, categorical: int) -> bool:
    threshold = list(map(float, fields["threshold"].split()))
    kind = _whole(fields, "decision_type")
    if not len(threshold) == len(kind) == nodes:
        return False
    if not categorical:
        return not any(k & 1 for k in kind)
    bounds, words = _whole(fields, "cat_boundaries"), _whole(fields, "cat_threshold")
    ordered = all(a < b for a, b in pairwise(bounds))
    inside = all(t.is_integer() and 0 <= t < categorical for t, k in zip(threshold, kind, strict=True) if k & 1)
    return len(bounds) == categorical + 1 and bounds[0] == 0 and bounds[-1] == len(words) and ordered and inside


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _whole(fields: dict[str, str], key: str) -> tuple[int, ...]:
    values = tuple(map(int, fields[key].split()))
    if not values:
        raise ValueError(f"{key} is empty")
    return values
