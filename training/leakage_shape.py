"""What the shape of an input gives away: copies of the label, values or gaps that one class alone has, identifiers.

In: a `Column`, its `Power`, the sample. Out: signs. Support is counted in leads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from training.leakage_joint import MISSING_FOLLOWS
from training.leakage_power import SURE, Power
from training.leakage_rows import Bools, Codes, Column, Floats, Sample
from training.leakage_verdict import Sign

__all__ = ["shape_signs"]

COPY = 0.985
"""AUC from which an input is a copy of the label: the best honest lead scores known stay well below 0.95."""
PURE = 0.995
SUPPORT, SUPPORT_SHARE = 30, 0.01
ODDS = 20.0
"""How many times the usual odds those of a value must surely be before it counts as deciding the outcome."""
RULE_OF_THREE = 3.0
EXPECTED = 12.0
"""Leads of the other class that the stretches beside a pure end must lead one to expect in it: none of twelve is hardly chance."""


def shape_signs(column: Column, sample: Sample, power: Power, *, timed: bool) -> Iterable[Sign]:
    if column.identifier:
        yield Sign("suspect", column.identifier)
    for value, where in ((power.within, "on all rows"), (power.filled, "where it is filled")):
        if value >= COPY:
            yield Sign("blocked", f"It is nearly a copy of the label: AUC {value:.3f} {where}.")
            break
    if not column.identifier:
        # The blocks are looked at one by one: a leak that began with a new form must not be thinned by older rows.
        for block in (sample.present, sample.later):
            found = _one_class_only(column, sample, block)
            if found:
                yield Sign("blocked", found)
                break
    follows = max(power.missing, 1 - power.missing)
    if not timed and follows - SURE * power.missing_error >= MISSING_FOLLOWS:
        converted, others = (column.missing[sample.present & (sample.y == label)].mean() for label in (1, 0))
        sentence = f"missing for {converted:.0%} of conversions, {others:.0%} of the others."
        yield Sign("suspect", f"Its missingness follows the label: {sentence}")


def _one_class_only(column: Column, sample: Sample, block: Bools) -> str:
    """A state, a value or an end of the scale that holds conversions only (or others only), at real support."""
    if not sample.enough(block, SUPPORT):
        return ""
    y, weight, missing, exact = sample.y[block], sample.share[block], column.missing[block], column.exact[block]
    base = float(np.average(y, weights=weight))
    least = max(SUPPORT, SUPPORT_SHARE * weight.sum())
    for label, name, rate in ((1, "converted", base), (0, "did not convert", 1 - base)):
        # Where a class is the usual one, cells of nothing else are no wonder: honest tails look like that.
        if rate > 0.8:
            continue
        hits = weight * (y if label else 1 - y)
        # A cell of non-converters is news only where it holds a real part of them: some leads are simply never customers.
        needed = max(least, (0.05 if label else 0.30) * hits.sum())
        groups: list[tuple[str, Codes]] = []
        if missing.any() and not missing.all():
            groups.append(("the leads in which it is {state}", missing.astype(np.int32)))
        groups.append(("the leads with one of its values", exact))
        for text, codes in groups:
            count, found = np.bincount(codes, weights=weight), np.bincount(codes, weights=hits)
            pure = np.where((count >= needed) & _surely_pure(found, count, rate), count, 0)
            if pure.any():
                worst = int(pure.argmax())
                where = text.format(state="missing" if worst else "filled")
                return f"Of {where}, {round(count[worst]):,} in all, {found[worst] / count[worst]:.1%} {name}, against {rate:.1%} overall."
        for end, side in ((1, "lowest"), (-1, "highest")) if column.kind == "number" else ():
            leads, expected = _pure_end(end * column.values[block], hits, weight)
            # Rates rise towards the end of an honest scale too: the end must be purer than the stretches beside it foretell.
            if leads >= needed and _surely_pure(leads, leads, rate) and expected >= EXPECTED:
                return f"Of the {round(leads):,} leads with the {side} values, at least {PURE:.1%} {name}, against {rate:.1%} overall."
    return ""


def _surely_pure(found: Any, count: Any, rate: float) -> Any:  # noqa: ANN401 - numbers or arrays of them
    """One class as good as alone, and surely at odds far from the usual ones: where 60 % convert, fifty of fifty are no wonder."""
    others = (count - found + RULE_OF_THREE) / np.maximum(count, RULE_OF_THREE)
    return (found >= PURE * count) & ((1 - others) * (1 - rate) >= ODDS * others * rate)


def _pure_end(values: Floats, hits: Floats, weight: Floats) -> tuple[float, float]:
    """Leads in the longest run of lowest values in which one class is as good as alone, and how many of the others were to be expected.

    Equal values stay together. Expected is what the log-odds of the next two stretches of as many leads, drawn on, make of the end.
    """
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    ordered = values[known][order]
    if not len(ordered):
        return 0.0, 0.0
    found, count = np.cumsum(hits[known][order]), np.cumsum(weight[known][order])
    whole = np.append(ordered[1:] != ordered[:-1], True)
    pure = np.flatnonzero(whole & (found >= PURE * count))
    if not len(pure):
        return 0.0, 0.0
    leads = count[pure[-1]]
    ends = [min(int(np.searchsorted(count, k * leads)), len(count) - 1) for k in (1, 2, 3)]
    near, far = (
        np.log((found[b] - found[a] + 0.5) / (count[b] - count[a] - found[b] + found[a] + 0.5)) for a, b in ((ends[0], ends[1]), ends[1:])
    )
    return float(leads), float(leads / (1 + np.exp(near + max(0.0, near - far))))
