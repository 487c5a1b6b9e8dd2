"""Whether the base rate moved between two periods, and whether that is all that moved.

In: margins, probabilities, labels and leads of all rows, and the rows of an older and a newer period. Out: a `Shift`.
If only the share of buyers changes and buyers still look like buyers (prior shift), log-odds move by one constant
everywhere and the ranking stays as good as it was. So what one offset cannot mend, group by group of the margin, or an AUC
that changed, is a shift of more than the prior. Standard errors count leads, not rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import erfc, hypot, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.calibration import estimate_offset
from models.inputs import Floats
from models.logit import logit, sigmoid
from training.metrics import auc, auc_error

__all__ = ["Shift", "compare_periods", "moved_by"]

Ints = NDArray[np.int64]
Verdict = Literal["none", "base rate only", "more than the base rate"]

GROUPS = 5
SURE, SURE_OF_MORE = 0.01, 0.01
_FEWEST = 20


@dataclass(frozen=True)
class Shift:
    """What changed from the older to the newer rows."""

    old_rate: float
    new_rate: float
    promised: float
    """Mean probability on the newer rows: what was promised of them."""
    delta: float
    """The offset in log-odds that would make promised and observed agree on the newer rows, and its standard error."""
    se: float
    old_auc: float
    new_auc: float
    p_more: float | None
    """Chance of groups or ranking as different as these if only the base rate had moved; None where rows are too few to tell."""
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare_periods(margin: Floats, p: Floats, y: Floats, lead: Ints, old: Ints, new: Ints) -> Shift | None:
    """The shift from `old` to `new` rows (`p` are probabilities learnt on older rows); None where one class is all there is."""
    if any(not 0 < y[rows].sum() < len(rows) for rows in (old, new)):
        return None
    delta, se = estimate_offset(p[new], y[new], lead[new])
    found = [auc(y[rows], margin[rows]) for rows in (old, new)]
    p_more = _p_more(margin, y, lead, old, new, found)
    moved = erfc(abs(delta) / max(se, 1e-9) / sqrt(2)) < SURE
    verdict: Verdict = "base rate only" if moved else "none"
    if p_more is not None and p_more < SURE_OF_MORE:
        verdict = "more than the base rate"
    return Shift(
        float(y[old].mean()), float(y[new].mean()), float(p[new].mean()), delta, se, float(found[0]), float(found[1]), p_more, verdict
    )


def _p_more(margin: Floats, y: Floats, lead: Ints, old: Ints, new: Ints, found: list[float]) -> float | None:
    """The smaller of two tests, corrected for being two: group-wise log-odds after one common shift, and the ranking."""
    counts = [_classes(y[rows], lead[rows]) for rows in (old, new)]
    if min(min(pair) for pair in counts) < _FEWEST:
        return None
    errors = [auc_error(value, *pair) for value, pair in zip(found, counts, strict=True)]
    by_ranking = erfc(abs(found[1] - found[0]) / hypot(*errors) / sqrt(2))
    return float(min(1.0, 2 * min(by_ranking, _by_groups(margin, y, lead, old, new))))


def _classes(y: Floats, lead: Ints) -> tuple[int, int]:
    """Leads with a conversion among their rows, and leads without one there."""
    converted = len(np.unique(lead[y > 0]))
    return converted, len(np.unique(lead)) - converted


def _by_groups(margin: Floats, y: Floats, lead: Ints, old: Ints, new: Ints) -> float:
    """Chi-squared test that the log-odds of all groups of the margin moved alike."""
    from scipy.stats import chi2

    edges = np.unique(np.quantile(margin[new], np.linspace(0, 1, GROUPS + 1)[1:-1]))
    odds, variance = np.zeros((2, len(edges) + 1)), np.zeros((2, len(edges) + 1))
    for period, rows in enumerate((old, new)):
        group = np.searchsorted(edges, margin[rows], side="right")
        each = len(rows) / max(1, len(np.unique(lead[rows])))  # rows of one lead tell the same story
        count = np.bincount(group, minlength=len(edges) + 1) / each
        positives = np.bincount(group, weights=y[rows], minlength=len(edges) + 1) / each
        odds[period] = np.log((positives + 0.5) / (count - positives + 0.5))
        variance[period] = 1 / (positives + 0.5) + 1 / (count - positives + 0.5)
    moved, weight = odds[1] - odds[0], 1 / variance.sum(axis=0)
    if len(moved) < 2:
        return 1.0
    common = float(np.sum(weight * moved) / weight.sum())
    return float(chi2.sf(float(np.sum(weight * (moved - common) ** 2)), len(moved) - 1))


def moved_by(p: Floats, delta: float) -> Floats:
    """Probabilities moved by `delta` in log-odds."""
    return sigmoid(logit(p) + delta)
