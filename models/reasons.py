"""Why: the signals that moved a lead's margin most, as sentences with the lead's own values.

In: contributions (rows × inputs, in log-odds, adding up to the margin), the encoder, and the values behind them. Out:
for each row its strongest reasons, strongest first. Signals that say the same thing over different windows (visits in 7
days, in 30 days, decayed) share a stem; only the strongest of a stem is told, so that three reasons are three things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.history import TextColumn
from models.decision import Reason
from models.encoder import Encoder, signals_by_name
from models.inputs import Floats

__all__ = ["Reasons"]

_WINDOW = re.compile(r"(?:_decayed)?_\d+[dh]$|:[a-z_]+\d*d?$|_(?:stated|known|strength)$")
_SMALL = 1e-6
"""Log-odds under which a contribution is no reason."""
_MEMORY = 200_000


@dataclass
class Reasons:
    """Turns contributions into reasons; built once for a bundle."""

    encoder: Encoder
    _sentences: dict[tuple[int, float], tuple[str, str | float | None]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        inputs = self.encoder.inputs
        signals = signals_by_name(self.encoder.feature_set)
        self._signal = [signals.get(one.name) for one in inputs]
        booleans = {one.name for one in self.encoder.feature_set.attributes if one.kind == "boolean"}
        self._boolean = [one.name in booleans for one in inputs]
        stems: dict[str, list[int]] = {}
        recorded = self.encoder.feature_set.declared.dimension_of_column
        for i, one in enumerate(inputs):
            # A column that is BANT evidence says what its dimension's signals say: one of them is told.
            stem = _WINDOW.sub("", one.name) if one.name in signals else str(recorded.get(one.name, f"={one.name}"))
            stems.setdefault(stem, []).append(i)
        width = max((len(members) for members in stems.values()), default=1)
        # Each stem's inputs, padded with its first so that a row of the table is a rectangle.
        self._members = np.array([members + members[:1] * (width - len(members)) for members in stems.values()]).reshape(-1, width)

    def of(self, contributions: Floats, X: Floats, most: int, texts: Mapping[str, TextColumn] | None = None) -> list[list[Reason]]:
        """At most `most` reasons a row. `texts` are the rows' own words of category inputs, by their names."""
        inputs = self.encoder.inputs
        if most <= 0 or not inputs:
            return [[] for _ in range(len(X))]
        chosen = self._choose(contributions, most)
        at = _in_rows(chosen, len(inputs))
        picked, values = contributions.take(at), X.take(at)
        enough = np.add.reduce(np.abs(picked) > _SMALL, axis=1)
        told: list[Reason] = []  # of all rows one after another: nested lists would keep the garbage collector busy
        for i, amount, value in zip(chosen.ravel().tolist(), picked.ravel().tolist(), values.ravel().tolist(), strict=True):
            one = inputs[i]
            own = texts.get(one.name) if texts is not None else None
            word = None if own is None else own.text(len(told) // chosen.shape[1])
            sentence, shown = self._say(i, value) if word is None else self._sentence(i, value, word)
            told.append(Reason(one.name, one.family, sentence, shown, amount))
        # Strongest first: what is too small to tell stands at the end of its row.
        return [told[start : start + count] for start, count in zip(range(0, len(told), chosen.shape[1]), enough.tolist(), strict=True)]

    def _choose(self, contributions: Floats, most: int) -> NDArray[np.intp]:
        """Indices of the strongest inputs of the strongest stems, strongest first; ties by position."""
        strength = np.abs(contributions).take(self._members, axis=1)
        strongest = np.maximum.reduce(strength, axis=2)
        stems = np.negative(strongest, out=strongest).argsort(axis=1, kind="stable")[:, :most]
        count, width = self._members.shape
        best = strength.reshape(-1, width).take(_in_rows(stems, count), axis=0).argmax(axis=2)
        chosen: NDArray[np.intp] = self._members.take(stems * width + best)
        return chosen

    def _say(self, i: int, value: float) -> tuple[str, str | float | None]:
        """The sentence and the value shown. Remembered by value, since rows repeat them."""
        key = (i, value if value == value else np.inf)  # NaN is not equal to itself, and no input is infinite
        found = self._sentences.get(key)
        if found is None:
            if len(self._sentences) > _MEMORY:
                self._sentences.clear()
            found = self._sentences[key] = self._sentence(i, value, None)
        return found

    def _sentence(self, i: int, value: float, text: str | None) -> tuple[str, str | float | None]:
        one, signal = self.encoder.inputs[i], self._signal[i]
        name = one.name.replace("_", " ")
        if value != value:
            return f"{name[:1].upper()}{name[1:]} is not known.", None
        if signal is not None:
            return signal.say(value), value
        if one.kind == "category":
            shown = text if text is not None else one.categories[int(value) - 1] if value >= 1 else "something rare"
            return f"{one.name} is {shown}.", shown
        if self._boolean[i]:
            return f"{one.name} is {'yes' if value else 'no'}.", value
        return f"{one.name} is {value:,.6g}.", value


def _in_rows(places: NDArray[np.intp], width: int) -> NDArray[np.intp]:
    """Where places in rows of this width lie, the rows one after another."""
    return places if len(places) == 1 else places + width * np.arange(len(places))[:, None]
