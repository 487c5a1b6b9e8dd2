"""Which threshold to take: the one that fills the week, the one that is worth most, and how much it matters.

In: `Curves`, the places a week, what a call costs and what a conversion is worth. Out: `fills`, the lowest threshold whose leads the
week has places for; `best`, the one with the highest expected value a week, conversions times their worth less calls times
their cost; and the ranges of thresholds within 1 % and 5 % of that value. Value counts every conversion of a lead that was called
as worth the call: what would have converted anyway is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.preview import Curves
from models.promise import number

__all__ = ["Wanted", "recommend"]

NEAR = {"within_1_percent": 0.01, "within_5_percent": 0.05}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """What a week holds and what things are worth; None: not said."""

    capacity: int | None = None
    cost_per_call: float | None = None
    value_per_conversion: float | None = None


def recommend(curves: Curves, wanted: Wanted) -> dict[str, Any]:
    """The recommended thresholds, each with what it would do; null where nothing was said to go by."""
    return {
        "fills_capacity": None if wanted.capacity is None else _fills(curves, wanted.capacity),
        "best_value": None
        if wanted.cost_per_call is None or wanted.value_per_conversion is None
        else _best(curves, wanted.cost_per_call, wanted.value_per_conversion),
    }


def _fills(curves: Curves, capacity: int) -> dict[str, Any]:
    """The lowest threshold that the places suffice for. None where not even the highest does, or there are no places."""
    volume = curves.promise.volume.value
    over = np.flatnonzero(volume > capacity)
    place = int(over[-1]) + 1 if len(over) else 0
    if not capacity or place == len(volume):
        return {"capacity": capacity, "threshold": None, "volume": None, "everybody_fits": False}
    return {
        "capacity": capacity,
        "threshold": number(float(curves.thresholds[place])),
        "volume": curves.promise.volume.at(place),
        "everybody_fits": place == 0,
    }


def _best(curves: Curves, cost: float, worth: float) -> dict[str, Any]:
    found = curves.promise
    value: Floats = found.conversions.value * worth - found.volume.value * cost
    place = int(np.argmax(value))
    best = float(value[place])
    answer: dict[str, Any] = {
        "cost_per_call": cost,
        "value_per_conversion": number(worth),
        "threshold": number(float(curves.thresholds[place])) if best > 0 else None,
        "value_a_week": number(best),
        "breaks_even_at": number(min(cost / worth, 1.0)) if worth > 0 else None,
        "volume": found.volume.at(place),
    }
    for name, part in NEAR.items():
        answer[name] = _around(curves.thresholds, value, place, best * (1 - part)) if best > 0 else None
    return answer


def _around(thresholds: Floats, value: Floats, place: int, enough: float) -> list[float | None]:
    """The stretch of thresholds around the best one in which the value stays above `enough`."""
    low = high = place
    while low > 0 and value[low - 1] >= enough:
        low -= 1
    while high + 1 < len(value) and value[high + 1] >= enough:
        high += 1
    return [number(float(thresholds[low])), number(float(thresholds[high]))]
