"""Arithmetic between probabilities and log-odds, shared by the estimators and the calibration.

In and out: float64 arrays, NaN stays NaN. Functions of one value each: a value's bits do not depend on its neighbours.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np

from models.inputs import Floats

__all__ = ["best_shift", "log_loss", "logit", "one_thread", "shifted_loss", "sigmoid"]


def sigmoid(margin: Floats) -> Floats:
    """Probability of a margin in log-odds."""
    small = np.exp(-np.abs(margin))  # of the negative side only: never overflows
    return np.where(margin >= 0, 1.0, small) / (1.0 + small)


def logit(p: Floats) -> Floats:
    """Log-odds of a probability; 0 and 1 count as a millionth of a millionth away."""
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    odds: Floats = np.log(inside) - np.log1p(-inside)
    return odds


def log_loss(margin: Floats, y: Floats) -> float:
    """Mean negative log-likelihood of labels under margins."""
    return float(np.mean(np.logaddexp(0.0, margin) - y * margin))


def best_shift(margin: Floats, y: Floats, weight: Floats | None = None, start: float = 0.0) -> float:
    """The constant that, added to all margins, makes the mean probability agree with the labels."""
    w = np.ones(len(y)) if weight is None else weight
    shift = start
    for _ in range(100):
        p = sigmoid(margin + shift)
        step = float(np.sum(w * (y - p)) / max(float(np.sum(w * p * (1 - p))), 1e-12))
        shift += max(-1.0, min(1.0, step))  # far from the answer Newton overshoots: all probabilities are near 0 or 1
        if abs(step) < 1e-12:
            break
    return shift


def shifted_loss(margin: Floats, y: Floats, start: float = 0.0) -> tuple[float, float]:
    """Log loss after the best shift, and the shift.

    For choices on the tune block: where the base rate drifts between the blocks, plain log loss rewards whatever moves
    all margins the right way. Calibration sets the level afterwards; choose by what it cannot mend.
    """
    shift = best_shift(margin, y, start=start)
    return log_loss(margin + shift, y), shift


def one_thread() -> AbstractContextManager[object]:
    """Linear algebra on one thread inside the block, for fitting.

    The matrices are narrow: a second thread gains little, loses twentyfold where another process wants the core, and
    adds up in another order.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits
