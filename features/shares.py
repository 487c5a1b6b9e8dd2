"""Shares: how much of one count another is, for several signals at once.

In: pairs of aggregates by the name of the signal. Out: a row each, in [0, 1]; NaN, not known, where there is nothing to share.
All of them cost one division, however many there are, which is why they stand together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features.history import Column, History, Need, select

__all__ = ["Shares", "number_of"]


def number_of(*types: str, topic: str | None = None, machine: bool | None = False, within: float, what: str = "count") -> Need:
    """An aggregate of the lead's own activities, as `history.activities(...)` would ask for it."""
    return (what, select(types, topic, None, machine, False), within)


class Shares:
    """A memo (`history.row`) of shares: sums of aggregates over sums of aggregates."""

    def __init__(self, pairs: Mapping[str, tuple[Sequence[Need], Sequence[Need]]]) -> None:
        self._place = {name: i for i, name in enumerate(pairs)}
        self._groups = [tuple(part) for part in (*(top for top, _ in pairs.values()), *(bottom for _, bottom in pairs.values()))]
        self._needs = tuple(need for group in self._groups for need in group)
        self._starts = np.cumsum([0, *map(len, self._groups)])[:-1]

    def of(self, history: History, name: str) -> Column:
        """The share of that name."""
        return history.row(self, self._place[name])

    def reads(self, place: int) -> tuple[Need, ...]:
        """What the share at this place is made from."""
        return (*self._groups[place], *self._groups[place + len(self._place)])

    def __call__(self, history: History) -> NDArray[np.float64]:
        parts = np.add.reduceat(history.together(self._needs), self._starts)
        top, bottom = parts[: len(self._place)], parts[len(self._place) :]
        out = np.empty(top.shape)
        out.fill(np.nan)
        shares: NDArray[np.float64] = np.divide(top, bottom, out=out, where=bottom > 0.0)
        return np.minimum(shares, 1.0, out=shares)
