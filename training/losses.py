"""Losses by which candidates are compared before test: what calibration cannot mend, and how sure a difference is.

In: margins and labels of rows that the candidate was not fitted on. Out: one loss a row; nothing here chooses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.calibration import platt
from models.inputs import Floats
from models.logit import sigmoid
from training.metrics import CLIP

__all__ = ["scaled_losses", "standard_error"]


def scaled_losses(margin: Floats, y: Floats) -> Floats:
    """Each row's log loss after the best slope and shift, each half of the rows scaled by the other half.

    One that ranks well but sits too high or too low is calibrated later, so slope and shift are not held against it.
    """
    halves = np.arange(len(y)) % 2 == 0
    p = np.empty(len(y))
    for half in (halves, ~halves):
        other = ~half
        if len(np.unique(y[other])) < 2:
            p[half] = y[other].mean() if other.any() else 0.5
        else:
            slope, intercept = platt(margin[other], y[other], np.ones((1, int(other.sum()))))
            p[half] = sigmoid(slope[0] * margin[half] + intercept[0])
    p = np.clip(p, CLIP, 1 - CLIP)
    losses: Floats = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return losses


def standard_error(values: Floats, lead: NDArray[np.int64]) -> float:
    """Of the mean, counting leads rather than rows."""
    _, code = np.unique(lead, return_inverse=True)
    per_lead = np.bincount(code, weights=values - values.mean())
    return float(np.sqrt((per_lead**2).sum())) / len(values)
