"""From margins to probabilities: the calibration of the calibrate block, and at most one offset for a base rate that moves.

In: margins, labels and leads of rows before test, in the order of time where there is one. Out: a `Calibration`, with an
offset only where the newest of those rows say, forward in time, that it helps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration, estimate_offset, fit_calibration
from models.inputs import Floats

__all__ = ["calibrate"]

Ints = NDArray[np.int64]
_FEWEST = 300
_FEWEST_CONVERSIONS = 30
_SURE = 2.0
"""Standard errors by which the offset must beat none: a shift is rare, and a correction without need adds noise."""


def calibrate(margin: Floats, y: Floats, lead: Ints, when: Floats | None, rows: Ints, seed: int) -> Calibration:
    """The calibration on `rows`; `when` orders all rows in time, None where nothing does."""
    calibration = fit_calibration(margin[rows], y[rows], lead[rows], seed)
    if when is None:
        return calibration
    thirds = np.array_split(rows[np.argsort(when[rows], kind="stable")], 3)
    if not all(len(part) >= _FEWEST and min(y[part].sum(), (1 - y[part]).sum()) >= _FEWEST_CONVERSIONS for part in thirds):
        return calibration
    oldest, middle, newest = thirds
    if not _offset_helps(margin, y, lead, oldest, middle, newest, seed):
        return calibration
    # The offset corrects what the whole block, on average older, gets wrong about its newest part.
    delta, se = estimate_offset(calibration.apply(margin[newest])[0], y[newest], lead[newest])
    return calibration.with_offset(delta, se)


def _offset_helps(margin: Floats, y: Floats, lead: Ints, oldest: Ints, middle: Ints, newest: Ints, seed: int) -> bool:
    """Forward rehearsal: calibrated on the oldest third, shifted by the middle one, judged on the newest."""
    plain = fit_calibration(margin[oldest], y[oldest], lead[oldest], seed)
    shifted = plain.with_offset(*estimate_offset(plain.apply(margin[middle])[0], y[middle], lead[middle]))
    gain = _losses(plain, margin[newest], y[newest]) - _losses(shifted, margin[newest], y[newest])
    _, code = np.unique(lead[newest], return_inverse=True)
    per_lead = np.bincount(code, weights=gain - gain.mean())
    error = float(np.sqrt((per_lead**2).sum())) / len(gain)
    return bool(gain.mean() > _SURE * error)


def _losses(calibration: Calibration, margin: Floats, y: Floats) -> Floats:
    p = np.clip(calibration.apply(margin)[0], 1e-6, 1 - 1e-6)
    losses: Floats = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return losses
