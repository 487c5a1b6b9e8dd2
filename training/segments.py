"""Whether promises are kept in each segment: source, country, size band and the like, on test rows.

In: labels, probabilities, leads, and a frame of segment columns, a row each. Out: rows of a table. A small group's gap between
promised and observed is shrunk towards everybody's, as far as the groups' gaps differ no more than chance makes them (empirical
Bayes, DerSimonian and Laird); its observed rate has a 95 % interval that counts leads. Rows without a value have the segment "(none)".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.inputs import Floats
from models.logit import logit, sigmoid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Segment", "kept_by_segment", "size_bands"]

Ints = NDArray[np.int64]
FEWEST_LEADS = 30
MOST = 8
"""Segments of one column that are shown, the largest first."""
BANDS = ((10, "1\N{EN DASH}10"), (50, "11\N{EN DASH}50"), (200, "51\N{EN DASH}200"), (1000, "201\N{EN DASH}1,000"))
LARGEST = "over 1,000"
_Z = 1.959963984540054


@dataclass(frozen=True)
class Segment:
    """Promised and observed in one segment."""

    column: str
    value: str
    rows: int
    leads: int
    promised: float
    observed: float
    low: float
    high: float
    shrunk: float
    """The observed rate as far as it can be told from chance: what to expect of more leads like these."""
    kept: bool
    """Whether the promise lies inside the interval, which is widened for looking at as many segments as there are."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def kept_by_segment(y: Floats, p: Floats, lead: Ints, segments: pd.DataFrame) -> list[Segment]:
    """The larger segments of each column, column by column, the largest first."""
    groups = [(str(column), value, rows) for column in segments for value, rows in _groups(segments[column], lead)]
    found: list[Segment] = []
    for column in dict.fromkeys(column for column, _, _ in groups):
        own = [(value, rows) for name, value, rows in groups if name == column]
        gaps = _shrunk([_gap(y[rows], p[rows], lead[rows]) for _, rows in own])
        for (value, rows), gap in zip(own, gaps, strict=True):
            leads = len(np.unique(lead[rows]))
            observed, promised = float(y[rows].mean()), float(p[rows].mean())
            low, high = _wilson(observed, leads, _Z)
            widest = _wilson(observed, leads, _z(0.05 / len(groups)))
            shrunk = float(sigmoid(logit(p[rows]) + gap).mean())
            found.append(
                Segment(column, value, len(rows), leads, promised, observed, low, high, shrunk, widest[0] <= promised <= widest[1])
            )
    return found


def size_bands(employees: Floats) -> NDArray[np.object_]:
    """Bands of company size; None where it is not known.

    >>> size_bands(np.array([7.0, 51.0, 5000.0, np.nan])).tolist()
    ['1\u201310', '51\u2013200', 'over 1,000', None]
    """
    names = np.array([*(name for _, name in BANDS), LARGEST], dtype=object)
    bands: NDArray[np.object_] = names[np.searchsorted([most for most, _ in BANDS], np.nan_to_num(employees), side="left")]
    bands[~(employees > 0)] = None
    return bands


def _groups(values: pd.Series[Any], lead: Ints) -> list[tuple[str, Ints]]:
    """The largest values that enough leads have, with their rows."""
    filled = values.astype(object).where(values.notna(), "(none)").astype(str).to_numpy()
    names, code = np.unique(filled, return_inverse=True)
    if len(names) < 2:
        return []
    parts = [(str(name), np.flatnonzero(code == k)) for k, name in enumerate(names)]
    enough = [(name, rows) for name, rows in parts if len(np.unique(lead[rows])) >= FEWEST_LEADS]
    return sorted(enough, key=lambda part: (-len(part[1]), part[0]))[:MOST]


def _gap(y: Floats, p: Floats, lead: Ints) -> tuple[float, float]:
    """The shift in log-odds that the group's rows ask for (one step), and its variance by leads."""
    information = max(float(np.sum(p * (1 - p))), 1e-9)
    _, code = np.unique(lead, return_inverse=True)
    gap = float(np.sum(y - p)) / information
    left = y - p - float(np.mean(y - p))
    return float(np.clip(gap, -3, 3)), float(np.sum(np.bincount(code, weights=left) ** 2)) / information**2 + 1e-9


def _shrunk(gaps: Sequence[tuple[float, float]]) -> list[float]:
    size, variance = (np.array(part) for part in zip(*gaps, strict=True)) if gaps else (np.empty(0), np.empty(0))
    if not len(size):
        return []
    weight = 1 / variance
    mean = float(np.sum(weight * size) / weight.sum())
    excess = float(np.sum(weight * (size - mean) ** 2)) - (len(size) - 1)
    scale = float(weight.sum() - np.sum(weight**2) / weight.sum())
    between = max(0.0, excess / scale) if scale > 0 else 0.0
    trusted = between / (between + variance)
    return [float(gap) for gap in trusted * size + (1 - trusted) * mean]


def _wilson(rate: float, leads: int, z: float) -> tuple[float, float]:
    centre = (rate + z * z / (2 * leads)) / (1 + z * z / leads)
    half = z / (1 + z * z / leads) * float(np.sqrt(rate * (1 - rate) / leads + z * z / (4 * leads * leads)))
    return max(0.0, centre - half), min(1.0, centre + half)


def _z(alpha: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(1 - alpha / 2)
