"""Does the model hold over time? AUC and promised against observed for each month of test, with intervals.

In: test rows, and what orders them: months of creation on event data, tenths of the order on a flat table. Out: a row a part and
whether AUC differs between them by more than chance (Cochran's Q with Hanley and McNeil's errors). Parts too small for an AUC have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.inputs import Floats
from training.figures import wilson
from training.learning_curve import lead_draws
from training.metrics import auc, auc_error

__all__ = ["shown_order", "stability"]

Ints = NDArray[np.int64]
MOST = 12
_INSTANT = 1e14
"""1973 in microseconds: no count of rows or days reaches it."""
FEWEST = 10
"""Rows of each class that an AUC is measured on."""


def stability(
    y: Floats, p: Floats, margin: Floats, lead: Ints, part: Ints, names: Sequence[str], *, seed: int, resamples: int
) -> dict[str, Any]:
    """`part` numbers each row's part in time; the newest parts are shown."""
    rows = []
    measured: list[tuple[float, float]] = []
    for code in np.unique(part)[-MOST:].tolist():
        own = part == code
        positives, total = int(y[own].sum()), int(own.sum())
        enough = min(positives, total - positives) >= FEWEST
        found = float(auc(y[own], margin[own])) if enough else None
        one: dict[str, Any] = {"name": names[code], "rows": total, "positives": positives, "auc": found, "auc_ci": [None, None]}
        if found is not None:
            here_y, here_margin, here_lead = y[own], margin[own], lead[own]
            one["auc_ci"] = lead_draws(here_lead, lambda w, y=here_y, m=here_margin: auc(y, m, w), seed, resamples)
            looks = total / len(np.unique(here_lead))  # of a lead: rows of one lead are one piece of evidence
            measured.append((found, auc_error(found, max(1, round(positives / looks)), max(1, round((total - positives) / looks)))))
        leads = len(np.unique(lead[own]))
        one |= {"promised": float(p[own].mean()), "observed": positives / total}
        one["observed_ci"] = list(wilson(positives / total * leads, leads))
        rows.append(one)
    return {"parts": rows, "p_value": _heterogeneity(measured)}


def shown_order(value: float) -> str:
    """A value of what orders a flat table: a day where it can only be an instant in microseconds, else the number.

    >>> shown_order(41188.0), shown_order(1_700_000_000_000_000.0)
    ('41188', '2023-11-14')
    """
    return str(np.datetime64(int(value), "us").astype("datetime64[D]")) if value > _INSTANT else f"{value:.15g}"


def _heterogeneity(measured: Sequence[tuple[float, float]]) -> float | None:
    if len(measured) < 2:
        return None
    from scipy.stats import chi2

    found, error = (np.array(side) for side in zip(*measured, strict=True))
    weight = 1 / error**2
    q = float(np.sum(weight * (found - np.average(found, weights=weight)) ** 2))
    return float(chi2.sf(q, len(found) - 1))
