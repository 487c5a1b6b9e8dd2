"""From margins to probabilities: the calibration of the calibrate block, and at most one offset for a base rate that moves.

In: margins, labels and leads of rows before test, in the order of time where there is one. Out: a `Calibration`, with an
offset only where the newest of those rows say, forward in time, that it helps; and `rehearse` tells how that was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration, Offset, estimate_offset, fit_calibration
from models.inputs import Floats
from training.metrics import ece
from training.shift import Shift, compare_periods, moved_by

__all__ = ["Rehearsal", "calibrate", "on_test", "rehearse"]

Ints = NDArray[np.int64]
_FEWEST = 300
_FEWEST_CONVERSIONS = 30
_SURE = 2.0
"""Standard errors by which the offset must beat none: a shift is rare, and a correction without need adds noise."""


def calibrate(
    margin: Floats, y: Floats, lead: Ints, when: Floats | None, rows: Ints, seed: int, weights: Floats | None = None
) -> Calibration:
    """The calibration on `rows`; `when` orders all rows in time, None where nothing does. Where rows count differently
    (`weights`) no offset is looked for."""
    if weights is not None:
        return fit_calibration(margin[rows], y[rows], lead[rows], seed, weights[rows])
    calibration = fit_calibration(margin[rows], y[rows], lead[rows], seed)
    rehearsed = rehearse(margin, y, lead, when, rows, seed, tell=False)
    if rehearsed is None or not rehearsed.helps:
        return calibration
    # The offset corrects what the whole block, on average older, gets wrong about its newest part.
    newest = rehearsed.newest
    delta, se = estimate_offset(calibration.apply(margin[newest])[0], y[newest], lead[newest])
    return calibration.with_offset(delta, se)


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Whether an offset would have helped, forward in time before test: learnt on the middle third, judged on the newest."""

    newest: Ints
    shift: Shift | None
    """From the older two thirds to the newest; None where that was not asked for, or cannot be said."""
    gain: float
    """Log loss that the offset spared per row; negative where it cost some."""
    gain_error: float

    @property
    def helps(self) -> bool:
        return self.gain > _SURE * self.gain_error

    def to_json(self, offset: Offset | None) -> dict[str, Any]:
        """What `metrics.json` says of it."""
        found: dict[str, Any] = {} if self.shift is None else self.shift.to_json()
        return found | {"gain": self.gain, "gain_error": self.gain_error, "corrected": self.helps, "offset": offset and offset.to_json()}


def rehearse(margin: Floats, y: Floats, lead: Ints, when: Floats | None, rows: Ints, seed: int, *, tell: bool = True) -> Rehearsal | None:
    """Calibrated on the oldest third, shifted by the middle one, judged on the newest; None without an order or on few rows.

    With `tell` it says what moved, too: that takes another calibration.
    """
    if when is None:
        return None
    thirds = np.array_split(rows[np.argsort(when[rows], kind="stable")], 3)
    if not all(len(part) >= _FEWEST and min(y[part].sum(), (1 - y[part]).sum()) >= _FEWEST_CONVERSIONS for part in thirds):
        return None
    oldest, middle, newest = thirds
    plain = fit_calibration(margin[oldest], y[oldest], lead[oldest], seed)
    shifted = plain.with_offset(*estimate_offset(plain.apply(margin[middle])[0], y[middle], lead[middle]))
    gain = _losses(plain, margin[newest], y[newest]) - _losses(shifted, margin[newest], y[newest])
    _, code = np.unique(lead[newest], return_inverse=True)
    per_lead = np.bincount(code, weights=gain - gain.mean())
    shift = None
    if tell:
        older = np.concatenate([oldest, middle])
        p = fit_calibration(margin[older], y[older], lead[older], seed).apply(margin)[0]
        shift = compare_periods(margin, p, y, lead, older, newest)
    return Rehearsal(newest, shift, float(gain.mean()), float(np.sqrt((per_lead**2).sum())) / len(gain))


def on_test(calibration: Calibration, margin: Floats, y: Floats, lead: Ints, rows: Ints, test: Ints) -> Mapping[str, Any] | None:
    """What moved between the rows of the calibration and test, and what one offset, known in hindsight, would have mended.

    Nothing is chosen by it: it tells the reader whether a correction could have helped.
    """
    p = calibration.apply(margin)[0]
    shift = compare_periods(margin, p, y, lead, rows, test)
    if shift is None:
        return None
    before, after = ece(y[test], p[test]), ece(y[test], moved_by(p[test], shift.delta))
    return shift.to_json() | {"ece": before, "ece_in_hindsight": after}


def _losses(calibration: Calibration, margin: Floats, y: Floats) -> Floats:
    p = np.clip(calibration.apply(margin)[0], 1e-6, 1 - 1e-6)
    losses: Floats = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return losses
