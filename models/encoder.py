"""From signals to the matrix that models read: numbers as they are, categories as integer codes of our own.

In: a `SignalTable`. Out: float64, rows × inputs, in the order of `inputs`: NaN is missing; a category is 1, 2, … by its
place in `InputSpec.categories` and 0 where it is none of them (rare in training, or never seen). The encoder belongs to
the bundle: what it does not list cannot reach the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue import catalogue
from features.engine import SignalTable
from features.own_types import own_signals
from features.signal import FeatureSet, Signal
from models.inputs import Floats, InputSpec

__all__ = ["Encoder"]

_RARE = 20
_MOST_CATEGORIES = 255
_BLOCK = 8192


@dataclass(frozen=True)
class Encoder:
    """The inputs of a model and the feature set that they come from."""

    feature_set: FeatureSet
    inputs: tuple[InputSpec, ...]
    _codes: tuple[tuple[int, str, Mapping[str, float]], ...] = field(init=False, repr=False, compare=False)
    """Place, name and codes of each attribute that is a category; signals that are give codes."""
    _categories: NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _places: dict[tuple[str, ...], NDArray[np.intp]] = field(init=False, repr=False, compare=False, default_factory=dict)
    """By the columns of a table: which of them each input is; attributes that are categories, which are none, the first."""

    def __post_init__(self) -> None:
        raw = {one.name for one in self.feature_set.attributes}
        codes = tuple(
            (i, one.name, {value: float(code) for code, value in enumerate(one.categories, start=1)})
            for i, one in enumerate(self.inputs)
            if one.kind == "category" and one.name in raw
        )
        object.__setattr__(self, "_codes", codes)
        object.__setattr__(self, "_categories", np.array([i for i, _, _ in codes], dtype=np.intp))

    @classmethod
    def fit(cls, feature_set: FeatureSet, table: SignalTable, rows: NDArray[np.integer], names: Iterable[str] | None = None) -> Encoder:
        """Inputs `names` (default: all of the table), with the categories that `rows` (the fit block) hold often enough.

        A category is kept from 20 rows on, or from a 200th of the rows where there are fewer than 4,000, but never under 3.
        """
        wanted = None if names is None else set(names)
        signals = signals_by_name(feature_set)
        inputs = [
            _of_signal(signals[name]) if name in signals else InputSpec(name, "fit")
            for name in table.names
            if wanted is None or name in wanted
        ]
        enough = max(3, min(_RARE, len(rows) // 200))
        for name, column in table.texts.items():
            if wanted is None or name in wanted:
                counts = np.bincount(column.codes[rows] + 1, minlength=len(column.values) + 1)[1:]
                often = [(-int(count), column.values[code]) for code, count in enumerate(counts) if count >= enough]
                inputs.append(InputSpec(name, "fit", "category", 0, tuple(value for _, value in sorted(often)[:_MOST_CATEGORIES])))
        return cls(feature_set, tuple(inputs))

    def only(self, names: Iterable[str], feature_set: FeatureSet | None = None) -> Encoder:
        """The same encoder with these inputs only."""
        wanted = set(names)
        return Encoder(feature_set or self.feature_set, tuple(one for one in self.inputs if one.name in wanted))

    def encode(self, table: SignalTable) -> Floats:
        """The matrix, rows × inputs."""
        places = self._places.get(table.names)
        if places is None:
            at = {name: place for place, name in enumerate(table.names)}
            places = np.array([at.get(one.name, 0) for one in self.inputs], dtype=np.intp)
            self._places[table.names] = places
        X = _columns(table.numbers, places) if table.names else np.empty((len(table), len(places)))
        if len(X) == 1 and self._codes:  # a table for each column would cost more than the look-ups
            words = [table.texts[name].text(0) for _, name, _ in self._codes]
            known = [np.nan if word is None else codes.get(word, 0.0) for word, (_, _, codes) in zip(words, self._codes, strict=True)]
            X[0, self._categories] = known
        elif self._codes:
            # The codes of all columns one after another, each after its missing value, so that one look-up finds them all.
            known = list[float]()
            first: list[int] = []
            columns: list[NDArray[np.int32]] = []
            for _, name, codes in self._codes:
                column = table.texts[name]
                first.append(len(known) + 1)
                known.append(np.nan)
                known.extend([codes.get(value, 0.0) for value in column.values])
                columns.append(column.codes)
            table_of, start_of = np.array(known), np.array(first)
            for start in range(0, len(X), _BLOCK):
                rows = slice(start, start + _BLOCK)
                X[rows, self._categories] = table_of[np.array([codes[rows] for codes in columns]).T + start_of]
        return X

    def to_json(self) -> dict[str, Any]:
        inputs = [
            {"name": one.name, "family": one.family, "kind": one.kind, "monotone": one.monotone, "categories": list(one.categories)}
            for one in self.inputs
        ]
        return {"feature_set": self.feature_set.to_json(), "inputs": inputs}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Encoder:
        """Raises UnknownSignal when the installation lacks a signal that the model was trained on."""
        inputs = tuple(
            InputSpec(one["name"], one["family"], one["kind"], one["monotone"], tuple(one["categories"])) for one in document["inputs"]
        )
        return cls(FeatureSet.from_json(document["feature_set"], catalogue()), inputs)


def _columns(numbers: Floats, places: NDArray[np.intp]) -> Floats:
    """These columns. In blocks: `take` first copies what does not lie row by row, and a table may lie column by column."""
    if len(numbers) <= _BLOCK:
        found: Floats = numbers.take(places, axis=1)
        return found
    X = np.empty((len(numbers), len(places)))
    for start in range(0, len(X), _BLOCK):
        numbers[start : start + _BLOCK].take(places, axis=1, out=X[start : start + _BLOCK], mode="clip")
    return X


def _of_signal(signal: Signal) -> InputSpec:
    """A signal whose values are kinds gives their codes itself."""
    if signal.unordered:
        return InputSpec(signal.name, signal.family, "category", 0, signal.words[1:])
    return InputSpec(signal.name, signal.family, "number", signal.monotone)


def signals_by_name(feature_set: FeatureSet) -> dict[str, Signal]:
    """Declared signals and those of own activity types and topics, by name."""
    return {one.name: one for one in (*feature_set.signals, *own_signals(feature_set))}
