"""Diagnostics of the measured model, each within a budget of its own: learning curve, permutation, partial dependence, stability.

In: what was learnt and the importance of each input. Out: a dictionary for `metrics.json`, with the seconds that each took and was given.
Nothing here chooses anything, and `--quick` leaves all of it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.encoder import Encoder
from models.inputs import Floats
from training.candidates import Candidate
from training.dataset import Dataset
from training.importance import partial_dependence, permutation_importance
from training.learning_curve import learning_curve
from training.no_signal import month_strata, order_strata
from training.result import Importance
from training.splits import Split
from training.stability import shown_order, stability

__all__ = ["BUDGET", "diagnose"]

Ints = NDArray[np.int64]
BUDGET = {"stability": 10.0, "permutation": 30.0, "partial_dependence": 20.0, "learning_curve": 60.0}
"""Seconds, in the order in which they run. None begins another step after its time; what was done by then is shown."""
RESAMPLES = 100


def diagnose(
    data: Dataset, split: Split, encoder: Encoder, X: Floats, candidate: Candidate, calibration: Calibration, fitted: Ints,
    importance: Sequence[Importance], *, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """All four. `fitted` are the rows that the candidate was fitted on."""
    rows = split.test
    y, lead, margin = data.y[rows], data.lead[rows], candidate.margin[rows]
    p = calibration.apply(margin)[0]
    first = [one.name for one in importance if one.share > 0]
    part, names = _parts(data, rows)
    steps: dict[str, Callable[[float], Any]] = {
        "stability": lambda until: None if part is None else stability(y, p, margin, lead, part, names, seed=seed, resamples=RESAMPLES),
        "permutation": lambda until: permutation_importance(
            X[rows], y, lead, candidate, encoder.inputs, first, seed=seed, resamples=RESAMPLES, until=until
        ),
        "partial_dependence": lambda until: partial_dependence(
            X[rows], lead, candidate, calibration, encoder.inputs, first, seed=seed, resamples=RESAMPLES, until=until
        ),
        "learning_curve": lambda until: learning_curve(
            data, split, encoder, X, candidate, fitted, seed=seed, resamples=RESAMPLES, until=until
        ),
    }
    found: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for name, step in steps.items():
        began = time.perf_counter()
        found[name] = step(began + BUDGET[name]) if 0 < y.sum() < len(y) else None
        seconds[name] = round(time.perf_counter() - began, 2)
    return found | {"seconds": seconds, "budget": dict(BUDGET)}


def _parts(data: Dataset, rows: Ints) -> tuple[Ints | None, list[str]]:
    """The part in time of each row, and the parts' names; None where nothing orders them."""
    if data.created is not None:
        created = data.created[rows]
        months = np.unique(created.astype("datetime64[us]").astype("datetime64[M]"))
        return month_strata(created), [str(month) for month in months]
    if data.order is not None:
        order = data.order[rows]
        part = order_strata(order, 5)
        ends = [(order[part == code].min(), order[part == code].max()) for code in range(int(part.max()) + 1)]
        return part, [f"{shown_order(low)} \N{EN DASH} {shown_order(high)}" for low, high in ends]
    return None, []
