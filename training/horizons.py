"""P(convert) within 30, 60 and 90 days from one run: how soon those who convert do so, by margin.

In: margins of rows that the model was not fitted on, and the days until each lead converted. Out: a `ByDay` over the days that lie within
the horizon, and its figures on test. Each line is fitted on conversions alone: of those by 60 days, which came by 30?
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import platt
from models.horizons import ByDay
from models.inputs import Floats
from models.logit import logit
from training.metrics import brier, ece, log_loss

__all__ = ["DAYS", "fit_by_day", "on_test"]

Ints = NDArray[np.int64]

DAYS = (30.0, 60.0, 90.0)
_FEWEST = 50
"""Conversions below which the margin says nothing about how soon: one share for all."""


def fit_by_day(margin: Floats, waited: Floats, horizon: float, rows: Ints, weights: Floats | None = None) -> ByDay:
    """`rows` are those of the calibration; `waited` is infinite where the lead has not converted."""
    days = (*(day for day in DAYS if day < horizon), float(horizon))
    lines = [_line(margin[rows], waited[rows], *pair, None if weights is None else weights[rows]) for pair in pairwise(days)]
    slope, intercept = (np.array([line[i] for line in lines], dtype=np.float64) for i in (0, 1))
    return ByDay(days, slope, intercept)


def on_test(by_day: ByDay, p: Floats, margin: Floats, waited: Floats) -> dict[str, Any]:
    """For `metrics.json`: by day, what was promised and what was observed."""
    promised = by_day.apply(p, margin)
    found = {}
    for place, name in enumerate(by_day.names):
        y, at = (waited <= by_day.days[place]).astype(np.float64), promised[:, place]
        found[name] = {
            "promised": float(at.mean()),
            "observed": float(y.mean()),
            "log_loss": log_loss(y, at),
            "brier": brier(y, at),
            "ece": ece(y, at),
        }
    return found


def _line(margin: Floats, waited: Floats, sooner: float, later: float, weights: Floats | None) -> tuple[float, float]:
    """Of conversions by `later`, the chance of one by `sooner` over the margin: the hotter, the sooner, or all alike."""
    among = waited <= later
    y = (waited[among] <= sooner).astype(np.float64)
    counts = np.ones(len(y)) if weights is None else weights[among]
    if len(y) < _FEWEST or not 0 < y.sum() < len(y):
        share = (float(counts @ y) + 1.0) / (float(counts.sum()) + 2.0)
        return 0.0, float(logit(np.array([share]))[0])
    slope, intercept = platt(margin[among], y, counts[None, :])
    return float(slope[0]), float(intercept[0])
