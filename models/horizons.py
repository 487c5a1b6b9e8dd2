"""From the probability within the horizon to those within fewer days, which never cross.

In: probabilities and margins. Out: for each of a few days the probability to convert by then: that of the next longer one
times the chance that who converts by then does so by this one, a line over the margin on the logit scale. A product of
numbers up to one only falls, so p30 ≤ p60 ≤ p90 for every lead, whatever the lines. Kept as JSON (`by_day.json`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from data.errors import BadData
from models.inputs import Floats
from models.logit import sigmoid

__all__ = ["BadByDay", "ByDay"]


class BadByDay(BadData):
    """by_day.json cannot be served: {why}. Pull or train the model again."""


@dataclass(frozen=True, eq=False)
class ByDay:
    """Days in rising order, the horizon last, and a line for each but the last."""

    days: tuple[float, ...]
    slope: Floats
    intercept: Floats

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{day:g}" for day in self.days)

    def apply(self, p: Floats, margin: Floats) -> Floats:
        """Rows × days; NaN where the probability is. The last column is `p` to the bit."""
        found = np.empty((len(self.days), len(p)))
        found[-1] = p
        found[:-1] = sigmoid(self.slope[:, None] * margin + self.intercept[:, None])
        for place in range(len(self.days) - 2, -1, -1):
            found[place] *= found[place + 1]
        return found.T

    def to_json(self) -> dict[str, Any]:
        return {"days": list(self.days), "slope": self.slope.tolist(), "intercept": self.intercept.tolist()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        try:
            days = tuple(float(day) for day in document["days"])
            slope, intercept = (np.array(document[name], dtype=np.float64) for name in ("slope", "intercept"))
            rising = all(a < b for a, b in zip((0.0, *days), days, strict=False))
            if not days or not rising or not slope.shape == intercept.shape == (len(days) - 1,):
                raise ValueError("days and lines do not fit together")
            if not np.isfinite([*days, *slope, *intercept]).all():
                raise ValueError("some are no numbers")
        except (KeyError, TypeError, ValueError) as error:
            raise BadByDay(why=f"{type(error).__name__}: {error}") from error
        return cls(days, slope, intercept)
