"""Logistic regression with a ridge penalty, by Newton's method over blocks of rows.

In: a function that gives the design of some rows, labels, weights, and the penalty on each coefficient. Out: intercept (never
penalised) and coefficients. The design is never whole in memory: a block of it stays in the cache while its sums are taken, so
memory does not grow with rows, and sums are added in one order whatever the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from models.inputs import Floats
from models.logit import one_thread, sigmoid

__all__ = ["Design", "regress"]

Design = Callable[[int, int], Floats]
"""Rows from the first number up to the second, in columns."""
_BLOCK = 4096
_MOST = 60
_CLOSE = 1e-6
_LONGEST = 4.0
"""A longer step on classes that are nearly separated would overshoot."""


def regress(design: Design, y: Floats, weight: Floats, penalty: Floats, start: Floats | None = None) -> Floats:
    """Intercept and coefficients; `start` is where to begin, such as the answer to another penalty."""
    rate = float(np.average(y, weights=weight))
    beta = np.append(math.log(rate / (1 - rate)), np.zeros(len(penalty))) if start is None else start
    ridge = np.append(0.0, penalty)
    best, at, step = math.inf, beta, np.zeros(len(beta))
    with one_thread():
        for _ in range(_MOST):
            loss, gradient, curvature = _sums(design, y, weight, beta)
            loss += 0.5 * float(ridge @ beta**2)
            if loss > best * (1 + 1e-12) and np.abs(step).max() > _CLOSE:  # too far: half-way back
                step = step / 2
                beta = at + step
                continue
            best, at = loss, beta
            step = np.linalg.solve(curvature + np.diag(ridge + 1e-9), gradient - ridge * beta)
            step /= max(1.0, float(np.abs(step).max()) / _LONGEST)
            beta = at + step
            if float(np.abs(step).max()) < _CLOSE:
                break
    return beta


def _sums(design: Design, y: Floats, weight: Floats, beta: Floats) -> tuple[float, Floats, Floats]:
    """Loss, and its first and second derivatives without the penalty."""
    loss, gradient, curvature = 0.0, np.zeros(len(beta)), np.zeros((len(beta), len(beta)))
    for start in range(0, len(y), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = design(start, min(start + _BLOCK, len(y)))
        margin = block @ beta[1:] + beta[0]
        p, w = sigmoid(margin), weight[rows]
        loss += float(w @ (np.logaddexp(0.0, margin) - y[rows] * margin))
        residual, h = w * (y[rows] - p), w * p * (1 - p)
        gradient[0] += residual.sum()
        gradient[1:] += block.T @ residual
        weighted = block * h[:, None]
        curvature[0, 0] += h.sum()
        curvature[0, 1:] += weighted.sum(axis=0)
        curvature[1:, 1:] += weighted.T @ block
    curvature[1:, 0] = curvature[0, 1:]
    return loss, gradient, curvature
