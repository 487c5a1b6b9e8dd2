"""Conversions that take their time: what a look that is too young to be judged is likely to become.

In: looks with the days until they converted and until they were closed, some cut short because the data end. Out: a
`Delay`, which says how likely a conversion within the horizon has shown itself by a given day; and, for young looks, rows
for fitting. One that has converted is a conversion. One that is closed without is none. One that is still open enters
twice, as a conversion with the weight of its chance to become one and as none with the rest (`--use-recent`).

The delay is a product-limit estimate (Kaplan–Meier; with leads that are closed as the other way out, Aalen–Johansen), so
looks of all ages contribute for as long as they were seen. It is one curve for all leads; how likely a lead is to convert
at all comes from a logistic model of the mature looks, because a curve alone would promise a cold lead as much as a hot one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.inputs import Floats, InputSpec
from models.logistic import fit_logistic
from models.logit import sigmoid

__all__ = ["Delay", "Young", "fit_delay", "twice"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Delay:
    """What has happened by the end of each day: to leads that convert within the horizon, and to the others."""

    horizon: float
    at: Floats
    share: Floats
    """Of the former, how many have converted."""
    lost: Floats
    """Of the others, how many have been closed."""

    def shown(self, days: Floats) -> Floats:
        """How likely a conversion within the horizon has happened after so many days."""
        found: Floats = np.interp(days, self.at, self.share)
        return found

    def chance(self, p: Floats, days: Floats) -> Floats:
        """How likely a lead of probability p that is still open after so many days is to convert before the horizon."""
        will, never = p * (1.0 - self.shown(days)), (1.0 - p) * (1.0 - np.interp(days, self.at, self.lost))
        chance: Floats = will / np.maximum(will + never, 1e-12)
        return chance


@dataclass(frozen=True)
class Young:
    """Rows for fitting that young looks give."""

    row: Ints
    y: Floats
    weight: Floats


def fit_delay(waited: Floats, closed: Floats, seen: Floats, horizon: float) -> Delay:
    """The delay from looks that were seen for `seen` days; `waited` and `closed` are infinite where it did not happen."""
    until = np.minimum(seen, horizon)
    won = waited <= until
    lost = ~won & (closed <= until)
    days = int(np.ceil(horizon))
    # A day holds what happened in (day - 1, day]; a look cut short within a day is at risk for none of it.
    end = np.where(won, waited, np.where(lost, closed, until))
    out = np.clip(np.ceil(end).astype(np.int64), 1, days)
    last = np.where(won | lost, out, np.clip(np.floor(until).astype(np.int64), 0, days))
    at_risk = np.bincount(last, minlength=days + 2)[::-1].cumsum()[::-1][1 : days + 1].astype(np.float64)
    wins, losses = (np.bincount(out[mask], minlength=days + 1)[1 : days + 1] for mask in (won, lost))
    risk = np.maximum(at_risk, 1.0)
    open_before = np.concatenate([[1.0], np.cumprod(1.0 - (wins + losses) / risk)[:-1]])
    won_by, lost_by = (np.cumsum(open_before * count / risk) for count in (wins, losses))
    share = won_by / won_by[-1] if won_by[-1] > 0 else np.arange(1, days + 1) / days
    closed_share = np.minimum(lost_by / max(1.0 - won_by[-1], 1e-12), 1.0)
    at = np.concatenate([[0.0], np.minimum(np.arange(1, days + 1), horizon)])
    return Delay(horizon, at, np.concatenate([[0.0], share]), np.concatenate([[0.0], closed_share]))


def twice(
    X: Floats, y: Floats, mature: Ints, X_young: Floats, waited: Floats, closed: Floats, seen: Floats, delay: Delay,
    inputs: Sequence[InputSpec], seed: int,
) -> Young:  # fmt: skip
    """What to fit on beside the mature rows: each young look once where it is settled, twice while it is open."""
    if not len(X_young):
        nothing = np.zeros(0)
        return Young(np.zeros(0, np.int64), nothing, nothing)
    p = sigmoid(fit_logistic(X[mature], y[mature], inputs, C=0.1, seed=seed).margin(X_young))
    won = waited <= seen
    chance = np.where(won, 1.0, np.where(closed <= seen, 0.0, delay.chance(p, seen)))
    rows = np.arange(len(X_young))
    row = np.concatenate([rows, rows])
    label = np.repeat([1.0, 0.0], len(rows))
    weight = np.concatenate([chance, 1.0 - chance])
    counts = weight > 0
    return Young(row[counts], label[counts], weight[counts])
