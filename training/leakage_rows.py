"""What the audit looks at: the rows of fit and tune, whole leads of them, and each input cut into cells.

In: inputs by name, labels, leads and the blocks. Out: a `Sample` (rows renumbered from zero, fit first) and a `Column` for each
input. NaN in a number, a negative code in a category is missing and has cell 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.metrics import auc, auc_error

__all__ = ["Bools", "Column", "Floats", "Ints", "Sample", "auc_or_half", "folded_auc"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

FOLDS = 3
BINS = 32
MOST, MOST_LATER = 40_000, 15_000
"""Rows of fit and tune that are looked at at all: what 40,000 rows do not show is no leak that matters."""


@dataclass(frozen=True)
class Sample:
    """The rows that the audit may see, renumbered from zero, the fit block first."""

    rows: Ints
    y: Floats
    lead: Ints
    present: Bools
    """Rows of the period in which power is measured: fit where tune lies later, else all of them."""
    later: Bools
    folds: Ints
    """Fold of each row by its lead; -1 outside the period."""
    thinned: float
    """Rows that could be looked at, per row that is."""
    share: Floats
    """One over the lead's rows in its block, so that support is counted in leads."""

    @classmethod
    def of(cls, y: Floats, fit: Ints, tune: Ints, lead: Ints, *, forward: bool, seed: int) -> Sample:
        later_rows = _some_leads(np.setdiff1d(tune, fit), lead, MOST_LATER, seed)
        rows = np.concatenate([_some_leads(np.unique(fit), lead, MOST, seed), later_rows]).astype(np.int64)
        thinned = len(np.union1d(fit, tune)) / max(1, len(rows))
        later = np.arange(len(rows)) >= len(rows) - len(later_rows)
        present = ~later if forward else np.ones(len(rows), bool)
        _, codes = np.unique(np.asarray(lead)[rows], return_inverse=True)
        labels = np.asarray(y, np.float64)[rows]
        positive = np.zeros(int(codes.max(initial=0)) + 1)
        np.maximum.at(positive, codes, labels)
        # Folds are dealt within each class, or a rare class could leave a fold empty.
        place = np.lexsort((np.random.default_rng(seed).random(len(positive)), positive))
        fold = np.empty(len(positive), np.int64)
        fold[place] = np.arange(len(positive)) % FOLDS
        after = later if forward else np.zeros(len(rows), bool)
        share = np.ones(len(rows))
        for block in (present, after):
            share[block] = 1 / np.bincount(codes[block], minlength=len(positive))[codes[block]]
        return cls(rows, labels, codes, present, after, np.where(present, fold[codes], -1), thinned, share)

    def error(self, found: float, mask: Bools) -> float:
        """Standard error of an AUC (Hanley and McNeil) with leads, not rows, as the count of each class."""
        positives, negatives = (np.count_nonzero(np.bincount(self.lead[mask & (self.y == label)])) for label in (1, 0))
        return auc_error(found, int(positives), int(negatives))

    def enough(self, mask: Bools, least: int = 30) -> bool:
        positives = float(self.y[mask].sum())
        return min(positives, float(mask.sum()) - positives) >= least


def _some_leads(rows: Ints, lead: Ints, most: int, seed: int) -> Ints:
    """At most about `most` rows, whole leads."""
    if len(rows) <= most:
        return rows
    _, codes = np.unique(np.asarray(lead)[rows], return_inverse=True)
    kept = np.random.default_rng(seed).random(int(codes.max()) + 1) < most / len(rows)
    return rows[kept[codes]]


@dataclass(frozen=True)
class Column:
    """One input over the sample: its value, its cell (0 is missing) and the out-of-fold log-odds that its cells give."""

    kind: str
    values: Floats
    missing: Bools
    usual: Bools
    """Rows that hold the one value which most rows hold (a zero, usually): another way of hiding."""
    cells: Codes
    exact: Codes
    """Code of the value itself (0 is missing), where the cells of a number are stretches of a scale."""
    rates: Floats
    """Log-odds of each cell, by fold (learnt on the others), and last as the whole period has them."""
    folds: Ints
    """Of the sample."""
    identifier: str

    @property
    def margin(self) -> Floats:
        """Log-odds by the row's cell, learnt out of its fold; NaN outside the period. Made anew each time: kept, those of all inputs
        would be as large as the matrix."""
        return np.where(self.folds < 0, np.nan, self.rates[self.folds, self.cells])

    @property
    def ahead(self) -> Floats:
        """Log-odds by the row's cell, learnt on the whole period, for the rows after it."""
        log_odds: Floats = self.rates[-1, self.cells]
        return log_odds

    @classmethod
    def of(cls, values: npt.NDArray[Any], kind: str, sample: Sample) -> Column:
        kept = np.asarray(values)[sample.rows].astype(np.float64)
        if kind != "number":
            kept = np.where(kept < 0, np.nan, kept)
        missing = np.isnan(kept)
        distinct, inverse, counts = np.unique(kept[~missing], return_inverse=True, return_counts=True)
        usual = np.zeros(len(kept), bool)
        if kind == "number" and len(counts) > 2 and counts.max() >= 0.15 * len(kept):
            usual[~missing] = inverse == counts.argmax()
        exact = np.zeros(len(kept), np.int32)
        exact[~missing] = 1 + inverse
        cells = exact
        if kind == "number" and len(distinct) > BINS:
            cells = np.zeros(len(kept), np.int32)
            edges = np.unique(np.quantile(kept[~missing & np.isfinite(kept)], np.linspace(0, 1, BINS + 1)[1:-1]))
            cells[~missing] = 1 + np.searchsorted(edges, kept[~missing], side="right")
        learnt_on = [*((sample.folds >= 0) & (sample.folds != fold) for fold in range(FOLDS)), sample.present]
        return cls(
            kind,
            kept,
            missing,
            usual,
            cells,
            exact,
            np.array([rates(cells, sample.y, rows) for rows in learnt_on]),
            sample.folds,
            _identifier(kind, kept[~missing], distinct, sample.lead[~missing], sample.thinned),
        )


def folded_auc(sample: Sample, margin: Floats, mask: Bools) -> float:
    """Mean over folds: margins of different models are not compared with each other."""
    known = mask & np.isfinite(margin)
    folds = [known & (sample.folds == fold) for fold in range(FOLDS)]
    return float(np.mean([auc_or_half(sample.y[held], margin[held]) for held in folds]))


def auc_or_half(y: Floats, score: Floats) -> float:
    found = auc(y, score)
    return found if np.isfinite(found) else 0.5


def rates(cells: Codes, y: Floats, rows: Bools) -> Floats:
    """Log-odds of each cell, shrunk to the base rate as by five leads; every cell of the sample has an entry."""
    size = int(cells.max(initial=0)) + 1
    counts = np.bincount(cells[rows], minlength=size)
    positives = np.bincount(cells[rows], weights=y[rows], minlength=size)
    base = float(np.clip(y[rows].mean() if rows.any() else 0.5, 1e-4, 1 - 1e-4))
    rate = (positives + 5 * base) / (counts + 5)
    return np.asarray(np.log(rate / (1 - rate)) - np.log(base / (1 - base)), np.float64)


def _identifier(kind: str, known: Floats, distinct: Floats, lead: Ints, thinned: float) -> str:
    leads = int(np.count_nonzero(np.bincount(lead)))
    if leads < 50 or len(distinct) < 0.9 * leads:
        return ""
    if kind == "category":
        return f"It names the lead: {len(distinct):,} different values for {leads:,} leads."
    whole = kind == "number" and bool(np.all(known == np.rint(known)))
    if whole and len(distinct) >= 0.99 * leads and float(distinct[-1] - distinct[0]) < 3 * leads * thinned:
        return f"It numbers the leads: {len(distinct):,} different whole numbers for {leads:,} leads."
    return ""
