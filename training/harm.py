"""Which groups of leads a new model would judge worse than the old one, though it is no worse on the whole.

In: the same rows under both models and the columns by which people cut their leads. Out: per group the difference in log
loss with its interval. A group is harmed where the difference is surely above zero, with all groups looked at together
(Holm), and above a tolerated share of the old loss. Standard errors count leads, not rows. Small groups are left out and
counted: they would show noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from models.inputs import Floats
from training.metrics import CLIP

__all__ = ["Group", "groups"]

LEAST_LEADS = 100
LEAST_OF_A_CLASS = 10
TOLERATED = 0.02
"""Relative."""
_LEVEL = 0.05


@dataclass(frozen=True)
class Group:
    """One value of one column."""

    column: str
    value: str
    leads: int
    converted: int
    champion: float
    """Log loss of the champion on the group; likewise `challenger`."""
    challenger: float
    low: float
    high: float
    """95 % interval of challenger − champion."""
    harmed: bool = False

    @property
    def difference(self) -> float:
        return self.challenger - self.champion

    def as_json(self) -> dict[str, Any]:
        names = ("column", "value", "leads", "converted", "champion", "challenger", "difference", "low", "high", "harmed")
        return {name: getattr(self, name) for name in names}


def groups(y: Floats, new: Floats, old: Floats, lead: NDArray[np.int64], segments: pd.DataFrame) -> tuple[list[Group], int]:
    """Every group that is large enough, the worst difference first, and how many were too small."""
    before, after = _losses(y, old), _losses(y, new)
    found: list[Group] = []
    chances: list[float] = []
    small = 0
    for column in segments.columns:
        values = segments[column].to_numpy(dtype=object)
        for value in pd.unique(values[~pd.isna(values)]):
            rows = values == value
            leads, converted = len(np.unique(lead[rows])), len(np.unique(lead[rows & (y > 0)]))
            if leads < LEAST_LEADS or min(converted, leads - converted) < LEAST_OF_A_CLASS:
                small += 1
                continue
            worse = (after - before)[rows]
            mean, error = float(worse.mean()), _error(worse, lead[rows])
            chances.append(float(norm.sf(mean / error)) if error > 0 else 1.0)
            half = 1.959963984540054 * error
            was, will = float(before[rows].mean()), float(after[rows].mean())
            found.append(Group(str(column), str(value), leads, converted, was, will, mean - half, mean + half))
    harmed = _holm(chances)
    told = [replace(one, harmed=sure and one.difference > TOLERATED * one.champion) for one, sure in zip(found, harmed, strict=True)]
    return sorted(told, key=lambda one: -one.difference), small


def _losses(y: Floats, p: Floats) -> Floats:
    p = np.clip(p, CLIP, 1 - CLIP)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)), np.float64)


def _error(values: Floats, lead: NDArray[np.int64]) -> float:
    """Standard error of the mean, leads being what is drawn."""
    code = np.unique(lead, return_inverse=True)[1]
    return float(np.sqrt((np.bincount(code, weights=values - values.mean()) ** 2).sum())) / len(values)


def _holm(chances: list[float]) -> list[bool]:
    """Which of the tests reject at `_LEVEL` together."""
    sure = [False] * len(chances)
    for rank, i in enumerate(np.argsort(chances, kind="stable").tolist()):
        if chances[i] > _LEVEL / (len(chances) - rank):
            break
        sure[i] = True
    return sure
