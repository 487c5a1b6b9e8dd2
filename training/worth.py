"""What calling the best leads first is worth: conversions and revenue per hundred calls, each with an interval.

In: test rows with labels, probabilities, margins, leads, and amounts where outcomes carry them. Out: a row for the best 5, 10 and
20 % and for the cut-off of the policy. A call is to a lead: of a lead that is looked at several times the first look that
reaches the cut counts, and the lead converts if it does so within the horizon from then on. Intervals resample leads. The
revenue of a conversion without a known amount is the mean of the known ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.inputs import Floats

__all__ = ["SHARES", "per_hundred_calls", "revenue_captured"]

Ints = NDArray[np.int64]
SHARES = (0.05, 0.10, 0.20)


def per_hundred_calls(
    y: Floats, p: Floats, margin: Floats, lead: Ints, when: Floats | None, amount: Floats | None, cut: float | None, *,
    seed: int, resamples: int, capacity: int | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row a share, one for `cut`, the probability from which on the policy calls, and one for as many leads as `capacity` has
    time for in the period of test (None: no such row)."""
    if not len(y):
        return []
    order = np.lexsort((-margin, -p))
    place = np.empty(len(y), np.int64)
    place[order] = np.arange(len(y))
    paid = None if amount is None else _filled(amount, y)
    first = np.arange(len(y)) if when is None else np.lexsort((np.arange(len(y)), when))
    names, code = np.unique(lead, return_inverse=True)
    converts = np.zeros(len(names))
    np.maximum.at(converts, code, y)
    rows: list[dict[str, Any]] = []
    wanted = [(share, place < round(share * len(y))) for share in SHARES] + ([] if cut is None else [(None, p >= cut)])
    if capacity is not None:
        best = np.full(len(names), len(y))
        np.minimum.at(best, code, place)
        wanted.append((None, place <= (np.sort(best)[min(capacity, len(names)) - 1] if capacity else -1)))
    for number, (share, reached) in enumerate(wanted):
        looks = first[reached[first]]
        called, at = np.unique(code[looks], return_index=True)
        calls, won, revenue = np.zeros(len(names)), np.zeros(len(names)), np.zeros(len(names))
        calls[called] = 1.0
        won[called] = y[looks[at]]
        if paid is not None:
            revenue[called] = np.where(y[looks[at]] > 0, paid[looks[at]], 0.0)
        columns = np.stack([calls, won, revenue, converts])
        found = _ratios(columns.sum(axis=1), len(names))
        draws = _draws(columns, seed, resamples)
        is_cut = share is None and cut is not None and number == len(SHARES)
        one: dict[str, Any] = {"share": share, "cut": cut if is_cut else None, "calls": len(called)}
        for at_, name in enumerate(("conversions_per_100", "revenue_per_100", "lift", "gain")):
            absent = name == "revenue_per_100" and paid is None
            one[name] = None if absent or not np.isfinite(found[at_]) else float(found[at_])
            one[f"{name}_ci"] = [None, None] if one[name] is None else _ends(draws[:, at_])
        rows.append(one)
    return rows


def revenue_captured(
    y: Floats, p: Floats, margin: Floats, expected: Floats, lead: Ints, amount: Floats, *, share: float = 0.10, seed: int, resamples: int
) -> dict[str, Any]:
    """The share of all revenue that the best tenth of the rows holds, ranked by expected value and by probability."""
    paid = np.where(y > 0, _filled(amount, y), 0.0)
    count = round(share * len(y))
    by_value = np.zeros(len(y))
    by_value[np.lexsort((-margin, -(p * expected)))[:count]] = 1.0
    by_chance = np.zeros(len(y))
    by_chance[np.lexsort((-margin, -p))[:count]] = 1.0
    _, code = np.unique(lead, return_inverse=True)
    columns = np.stack([np.bincount(code, weights=part) for part in (paid, paid * by_value, paid * by_chance)])
    total, *caught = columns.sum(axis=1)
    rng = np.random.default_rng(seed)
    draws = np.empty((resamples, 3))
    for i in range(resamples):
        counts = np.bincount(rng.integers(columns.shape[1], size=columns.shape[1]), minlength=columns.shape[1])
        everything, value, chance = columns @ counts
        draws[i] = [value / everything, chance / everything, (value - chance) / everything] if everything else np.nan
    by = [float(part / total) if total else None for part in caught]
    difference = None if by[0] is None or by[1] is None else by[0] - by[1]
    return {
        "share": share,
        "by_value": by[0], "by_value_ci": _ends(draws[:, 0]),
        "by_probability": by[1], "by_probability_ci": _ends(draws[:, 1]),
        "difference": difference, "difference_ci": _ends(draws[:, 2]),
        "amounts_known": int(np.isfinite(amount[y > 0]).sum()), "conversions": int(y.sum()),
    }  # fmt: skip


def _filled(amount: Floats, y: Floats) -> Floats:
    known = np.isfinite(amount) & (amount >= 0)
    mean = float(amount[known & (y > 0)].mean()) if (known & (y > 0)).any() else 0.0
    return np.where(known, amount, mean)


def _ratios(sums: Floats, leads: float) -> Floats:
    calls, won, revenue, converts = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([100 * won / calls, 100 * revenue / calls, (won / calls) / (converts / leads), won / converts])


def _draws(columns: Floats, seed: int, resamples: int) -> Floats:
    rng, leads = np.random.default_rng(seed), columns.shape[1]
    draws = np.empty((resamples, 4))
    for i in range(resamples):
        counts = np.bincount(rng.integers(leads, size=leads), minlength=leads)
        draws[i] = _ratios(columns @ counts, leads)
    return draws


def _ends(draws: Floats) -> list[float | None]:
    draws = draws[np.isfinite(draws)]
    return [float(end) for end in np.percentile(draws, [2.5, 97.5])] if len(draws) else [None, None]
