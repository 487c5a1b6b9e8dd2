"""How well each input alone tells who converts: within its own time, where it is filled, by its gaps, and forward in time.

In: a `Column` and the `Sample`. Out: a `Power`, AUCs with standard errors that count leads. Cells' target rates are learnt
and measured on different leads; `corrected` gives the chance of such a power in an input that knows nothing, for as many
inputs as there are (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from training.leakage_rows import Bools, Column, Sample, auc_or_half, folded_auc
from training.metrics import auc

__all__ = ["SURE", "Power", "corrected", "power_of", "separation"]

SURE = 1.645
LOOKS = 3
"""An input's power is the best of three looks at it (cells, rising, falling), and each had its chance."""


@dataclass(frozen=True)
class Power:
    """AUCs of one input: over the period, where it is filled, of its missingness alone, and forward in time."""

    within: float
    error: float
    filled: float
    filled_error: float
    filled_rows: Bools
    missing: float
    missing_error: float
    ahead: float
    ahead_error: float
    p_chance: float = 1.0

    @property
    def collapsed(self) -> bool:
        """Beyond chance in its own time, and at most half of it left afterwards."""
        lost = self.within - self.ahead
        return (
            np.isfinite(self.ahead)
            and self.p_chance < 0.01
            and self.within > 0.54
            and self.ahead - 0.5 < 0.5 * (self.within - 0.5)
            and lost > 2.5 * float(np.hypot(self.error, self.ahead_error))
        )

    @property
    def best(self) -> tuple[float, float, Bools | None]:
        """The stronger of all rows and filled rows, as (AUC, standard error, rows or None for all)."""
        if self.filled - SURE * self.filled_error > self.within - SURE * self.error:
            return self.filled, self.filled_error, self.filled_rows
        return self.within, self.error, None


def power_of(column: Column, sample: Sample) -> Power:
    everywhere = sample.present
    within = _best_auc(column, sample, everywhere)
    filled = everywhere & ~column.missing & ~column.usual
    partly = bool((everywhere & ~filled).any()) and sample.enough(filled) and filled.sum() >= 0.05 * everywhere.sum()
    at_filled = _best_auc(column, sample, filled) if partly else 0.5
    gaps = column.missing[everywhere].astype(np.float64)
    of_missing = auc(sample.y[everywhere], gaps) if 0 < gaps.sum() < len(gaps) else 0.5
    later = sample.later
    ahead = auc(sample.y[later], column.ahead[later]) if sample.enough(later, 20) else np.nan
    return Power(
        within, sample.error(within, everywhere), at_filled, sample.error(at_filled, filled), filled,
        of_missing, sample.error(of_missing, everywhere), ahead, sample.error(0.5, later) if np.isfinite(ahead) else np.nan,
    )  # fmt: skip


def _best_auc(column: Column, sample: Sample, mask: Bools) -> float:
    """By cells, fitted on other leads; or by the plain value in either direction, which needs no fit and sees finer."""
    if not sample.enough(mask, 5):
        return 0.5
    by_cells = folded_auc(sample, column.margin, mask)
    known = mask & ~column.missing
    if column.kind != "number" or known.sum() < mask.sum():
        return by_cells
    plain = auc_or_half(sample.y[mask], column.values[mask])
    return max(by_cells, plain, 1 - plain)


def corrected(powers: Mapping[str, Power]) -> dict[str, Power]:
    """Chance of each power if the input knew nothing, corrected for the number of inputs (Holm)."""
    from math import erfc, sqrt

    raw = {name: LOOKS * 0.5 * erfc((power.within - 0.5) / power.error / sqrt(2)) for name, power in powers.items()}
    running, found = 0.0, {}
    for place, name in enumerate(sorted(raw, key=raw.__getitem__)):
        running = max(running, min(1.0, (len(raw) - place) * raw[name]))
        found[name] = running
    return {name: replace(power, p_chance=found[name]) for name, power in powers.items()}


def separation(found: float) -> float:
    """The distance between two unit normals that gives this AUC: information adds in its square, AUC does not add."""
    from statistics import NormalDist

    return float(np.sqrt(2) * NormalDist().inv_cdf(float(np.clip(found, 0.5, 1 - 1e-9))))
