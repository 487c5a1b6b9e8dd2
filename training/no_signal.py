"""Is there anything to rank by? The chosen candidate's AUC on test, against the same rows with labels shuffled by lead.

In: labels, the margin that ranks, the lead of each row, and a stratum inside which leads change places (the month of
creation on event data, a tenth of the order on an ordered flat table, one stratum otherwise), so that ranking months by
their base rate is no signal. Out: a `RankingTest`. A signal is claimed only at p < 0.01 and an AUC above one half.
Poor calibration is another question and does not come in here.

A lead looked at several times hands on its whole life: at each `slot` (the age of the lead, say) a row takes the label
that the other lead had at that slot, and is left out where the other lead was no longer open; the rows that remain weigh
as much more as their slot lost. Early converters leave few late rows: without this an empty model that ranks by age
alone would pass for a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from training.metrics import auc

__all__ = ["RankingTest", "age_slots", "month_strata", "order_strata", "ranking_test"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Shuffle = Callable[[], Ints]

LEVEL = 0.01
LEAST_STRATUM = 30
"""Leads a stratum needs: among fewer, too few orders exist for shuffling to mean anything."""


@dataclass(frozen=True)
class RankingTest:
    """`null_low` to `null_high` hold 95 % of the shuffled AUCs. `auc` and `p_value` are None where test holds one class."""

    no_signal: bool
    auc: float | None
    p_value: float | None
    null_low: float | None
    null_median: float | None
    null_high: float | None
    permutations: int
    strata: int

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def ranking_test(
    y: Floats, margin: Floats, lead: Ints, strata: Ints | None = None, *, slots: Ints | None = None, seed: int = 0, permutations: int = 999
) -> RankingTest:
    """The test. `slots` are small integers that say at which look at its lead a row was taken; default: in row order."""
    y, margin = np.asarray(y, np.float64), np.asarray(margin, np.float64)
    observed = auc(y, margin)
    stratum = np.zeros(len(y), np.int64) if strata is None else np.asarray(strata, np.int64)
    if not np.isfinite(observed):
        return RankingTest(True, None, None, None, None, None, 0, len(np.unique(stratum)))
    _, first, codes = np.unique(np.asarray(lead), return_index=True, return_inverse=True)
    of_lead = _merged(stratum[first])
    rng = np.random.default_rng(seed)
    if len(first) == len(y):
        null = _drawn_single(y[first], margin[first], of_lead, rng, permutations)
    else:
        null = _shuffled_lives(y, margin, codes, _slots(codes, slots), of_lead, _shuffler(of_lead, rng), permutations)
    low, median, high = np.percentile(null, [2.5, 50, 97.5])
    # The observed order is one of the possible ones, so p is never zero; the margin keeps rounding out of the comparison.
    p_value = (1 + int((null >= observed - 1e-12).sum())) / (1 + permutations)
    return RankingTest(
        p_value >= LEVEL or observed <= 0.5,
        float(observed),
        p_value,
        float(low),
        float(median),
        float(high),
        permutations,
        len(np.unique(of_lead)),
    )


def age_slots(as_of: Ints, created: Ints) -> Ints:
    """Slots for `ranking_test` from the age of the lead at each look (both in microseconds): day, days, weeks, months."""
    days = (np.asarray(as_of, np.int64) - np.asarray(created, np.int64)) / 86_400_000_000
    return np.searchsorted([1, 3, 7, 14, 30, 60, 120], days, side="right").astype(np.int64)


def month_strata(created: Ints) -> Ints:
    """Calendar months (UTC) of instants in microseconds, as ascending codes."""
    months = np.asarray(created, np.int64).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return np.unique(months, return_inverse=True)[1].astype(np.int64)


def order_strata(order: Floats, parts: int = 10) -> Ints:
    """Tenths of the order as ascending codes, equal values together: fewer of them where many rows share a value."""
    order = np.asarray(order, np.float64)
    edges = np.unique(np.quantile(order, np.linspace(0, 1, parts + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, order, side="right"), return_inverse=True)[1].astype(np.int64)


def _drawn_single(y: Floats, margin: Floats, stratum: Ints, rng: np.random.Generator, permutations: int) -> Floats:
    """One row a lead: the ranks stay, so an AUC is the sum of the positives' ranks, and shuffling labels draws whose they are."""
    ranks = _middle_ranks(margin)
    positives = y.sum()
    negatives = len(y) - positives
    sums = np.zeros(permutations)
    for code in np.unique(stratum):
        inside = ranks[stratum == code]
        won = int(y[stratum == code].sum())
        fewer = min(won, len(inside) - won)
        drawn = np.array([inside[rng.choice(len(inside), fewer, replace=False, shuffle=False)].sum() for _ in range(permutations)])
        sums += drawn if fewer == won else inside.sum() - drawn
    return np.asarray((sums - positives * (positives + 1) / 2) / (positives * negatives), np.float64)


def _shuffled_lives(y: Floats, margin: Floats, codes: Ints, slots: Ints, of_lead: Ints, shuffle: Shuffle, permutations: int) -> Floats:
    lives = np.full((int(codes.max()) + 1, int(slots.max()) + 1), np.nan)
    lives[codes, slots] = y
    seen = np.zeros((int(of_lead.max()) + 1, lives.shape[1]))
    np.add.at(seen, of_lead, ~np.isnan(lives))
    lost = np.bincount(of_lead)[:, None] / np.maximum(seen, 1)
    order = np.argsort(-margin, kind="stable")
    lead, slot, ranked = codes[order], slots[order], margin[order]
    weight = lost[of_lead[lead], slot]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    converting, staying = np.nan_to_num(lives), np.nan_to_num(1 - lives)
    found = np.empty(permutations)
    for i in range(permutations):
        other = shuffle()[lead]
        positives = np.cumsum(weight * converting[other, slot])[ends]
        negatives = np.cumsum(weight * staying[other, slot])[ends]
        above = np.diff(negatives, prepend=0.0)
        pairs = above @ positives - 0.5 * (above @ np.diff(positives, prepend=0.0))
        found[i] = pairs / (positives[-1] * negatives[-1]) if positives[-1] and negatives[-1] else 0.5
    return found


def _slots(codes: Ints, slots: Ints | None) -> Ints:
    """Dense slot numbers; a second row of a lead in one slot goes to the first slot above that nobody uses."""
    wanted = np.zeros(len(codes), np.int64) if slots is None else np.unique(slots, return_inverse=True)[1].astype(np.int64)
    order = np.lexsort((np.arange(len(codes)), wanted, codes))
    cell = codes[order] * (int(wanted.max(initial=0)) + 1) + wanted[order]
    start = np.concatenate([[0], np.flatnonzero(cell[1:] != cell[:-1]) + 1])
    repeat = np.arange(len(cell)) - np.repeat(start, np.diff(np.append(start, len(cell))))
    placed = np.empty(len(codes), np.int64)
    placed[order] = wanted[order] + repeat * (int(wanted.max(initial=0)) + 1)
    return np.unique(placed, return_inverse=True)[1].astype(np.int64)


def _shuffler(stratum: Ints, rng: np.random.Generator) -> Shuffle:
    """Each call gives a permutation of the leads that keeps every lead inside its stratum."""
    order = np.argsort(stratum, kind="stable")
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(stratum[order])) + 1, [len(order)]])

    def shuffle() -> Ints:
        moved = order.copy()
        for start, stop in pairwise(bounds):
            rng.shuffle(moved[start:stop])
        places = np.empty_like(order)
        places[order] = moved
        return places

    return shuffle


def _merged(stratum: Ints) -> Ints:
    """Strata too small to shuffle in join the one before (the first joins the second)."""
    values, counts = np.unique(stratum, return_counts=True)
    home, held, code = np.zeros(len(values), np.int64), 0, 0
    for i, count in enumerate(counts):
        if held >= LEAST_STRATUM and counts[i:].sum() >= LEAST_STRATUM:
            code, held = code + 1, 0
        home[i] = code
        held += int(count)
    return home[np.searchsorted(values, stratum)]


def _middle_ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)
