"""Four blocks forward in time, `fit | tune | calibrate | test`, and folds for data too small for four.

In: per row the lead (integer code), the label, and what is known of time: `(as_of, created)` in microseconds on event
data, a sortable order on an ordered flat table, nothing otherwise. Out: a `Split` of row numbers and the description
that `metrics.json` carries. No lead is in two blocks. A row without a usable order is in no block and is counted.

The test boundary is always purged: an earlier row's label window ends before the first test lead is created. The
inner boundaries are purged likewise wherever history is long enough; on short histories that would eat the fit
block, so there the inner blocks are apart by lead and creation only. That touches choices, never the test figures,
and the description says it (`purged`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt

from data.errors import BadData

__all__ = [
    "Fold", "Split", "TooFewRows", "TooLittleHistory", "Window",
    "cross_fit_folds", "join_groups", "split_by_order", "split_forward", "split_random",
]  # fmt: skip

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BLOCKS = ("fit", "tune", "calibrate", "test")
EVENT_SHARES = (0.60, 0.10, 0.12, 0.18)
FLAT_SHARES = (0.60, 0.08, 0.12, 0.20)
SMALL_SHARES = (0.55, 0.0, 0.20, 0.25)
"""Under `SMALL_ROWS` rows tune and calibrate are one block, and test is larger: figures on fifty rows say nothing."""
SMALL_ROWS = 1000
SMALL_CLASS = 150
"""Rows of the rarer class below which a calibrate block of an eighth would hold fewer than twenty of them."""
KEEP = 0.6
"""Share of the fit block's leads that must survive the inner purge for it to be worth its price."""


class TooLittleHistory(BadData):
    """The history spans {days:.0f} days, too short to test forward in time with a horizon of {horizon:.0f} days:
    bring older leads, or shorten `horizon_days`."""


class TooFewRows(BadData):
    """{rows} rows of {leads} leads cannot be split into training and test: at least {least} leads are needed."""


class TooFewForFolds(BadData):
    """The {rows:,} rows before test are too few, or too close together, to be fitted across folds: no two parts of them follow each
    other with conversions and others in both, the outcomes of the first known before the second begins. Bring more or older rows."""


@dataclass(frozen=True)
class Window:
    """The fit block in time (microseconds): the same boundaries for rows that are not at hand."""

    created_before: int
    known_by: int
    """When the row's label window has to have ended."""


@dataclass(frozen=True)
class Split:
    """Row numbers of each block. `tune` and `calibrate` are the same rows where `small` is set."""

    fit: Ints
    tune: Ints
    calibrate: Ints
    test: Ints
    small: bool
    description: dict[str, object]
    window: Window | None = None
    """Of `fit`; None where the split is not by creation."""

    @cached_property
    def development(self) -> Ints:
        """Every row before test, in ascending row number: what cross-fitting may use."""
        return np.unique(np.concatenate([self.fit, self.tune, self.calibrate]))


@dataclass(frozen=True)
class Fold:
    """Train on `fit`, predict `held`; both are row numbers."""

    fit: Ints
    held: Ints


def split_forward(
    as_of: Ints, created: Ints, lead: Ints, horizon: int, *, y: Floats | None = None, shares: Sequence[float] | None = None
) -> Split:
    """Event data: `as_of`, `created` and `horizon` in microseconds; every row is taken to be mature."""
    as_of, created, lead = np.asarray(as_of, np.int64), np.asarray(created, np.int64), np.asarray(lead, np.int64)
    small = _is_small(len(lead), y)
    part = tuple(shares or (SMALL_SHARES if small else EVENT_SHARES))
    _require(lead)
    matured = as_of + np.int64(horizon)
    strict, starts = _forward_masks(created, matured, lead, part, purge_inner=True)
    loose, loose_starts = _forward_masks(created, matured, lead, part, purge_inner=False)
    survivors, possible = len(np.unique(lead[strict[0]])), len(np.unique(lead[loose[0]]))
    purged = survivors >= KEEP * possible and all(mask.any() for mask, share in zip(strict, part, strict=True) if share)
    masks = strict if purged else loose
    if not masks[0].any() or not masks[3].any():
        day = 86_400_000_000
        raise TooLittleHistory(days=float(created.max() - created.min()) / day, horizon=horizon / day)
    first = min((starts if purged else loose_starts).values())
    split = _split(
        "forward", masks, small, y,
        boundaries={name: _iso(start) for name, start in (starts if purged else loose_starts).items()},
        purged="every boundary" if purged else "test boundary",
        dropped=int(len(lead) - np.sum(masks)),
        warning=None,
    )  # fmt: skip
    return replace(split, window=Window(first, first if purged else loose_starts["test"]))


def _forward_masks(
    created: Ints, matured: Ints, lead: Ints, shares: Sequence[float], *, purge_inner: bool
) -> tuple[list[Bools], dict[str, int]]:
    """Backwards from the end: each boundary is set among the leads that the later boundary has left."""
    masks = [np.zeros(len(lead), bool) for _ in BLOCKS]
    starts: dict[str, int] = {}
    before, remaining = np.ones(len(lead), bool), 1.0
    for number in (3, 2, 1):
        if not shares[number]:
            continue
        start = _boundary(created[before], lead[before], shares[number] / remaining)
        masks[number] = before & (created >= start)
        before &= created < start
        if purge_inner or number == 3:
            before &= matured <= start
        starts[BLOCKS[number]] = start
        remaining -= shares[number]
    masks[0] = before
    return masks, dict(reversed(starts.items()))


def split_by_order(order: Floats, lead: Ints, *, y: Floats | None = None, shares: Sequence[float] | None = None, seed: int = 0) -> Split:
    """A flat table with an order: forward by its values, equal values in one block. NaN has no place and is left out.

    An order with too few distinct values for four blocks still has a forward test; the blocks before it are then random.
    """
    order, lead = np.asarray(order, np.float64), np.asarray(lead, np.int64)
    small = _is_small(len(lead), y)
    part = tuple(shares or (SMALL_SHARES if small else FLAT_SHARES))
    _require(lead)
    usable = np.isfinite(order)
    if len(np.unique(order[usable])) < 2:
        raise BadData("The order has a single value, so it orders nothing: name another column, or leave it out.")
    first = np.full(int(lead.max()) + 1, np.inf)
    np.minimum.at(first, lead[usable], order[usable])
    cuts = _order_cuts(order[usable], part)
    inner_random = len(np.unique(cuts[part[1] == 0 :])) < len(cuts[part[1] == 0 :]) or not np.any(order[usable] < cuts[0])
    edges = cuts if not inner_random else cuts[-1:]
    block, home = (np.searchsorted(edges, np.nan_to_num(values, posinf=0.0), side="right") for values in (order, first[lead]))
    offset = 3 - len(edges)
    masks = [usable & (block == home) & (block + offset == i) for i in range(4)]
    boundaries: dict[str, object] = {name: float(cut) for name, cut in zip(BLOCKS[1 + offset :], edges, strict=True)}
    warning = None
    if inner_random:
        before = np.flatnonzero(usable & (block == 0) & (home == 0))
        labels = None if y is None else np.asarray(y)[before]
        codes = _random_blocks(lead[before], labels, [share / sum(part[:3]) for share in part[:3]], seed)
        for i in range(3):
            masks[i] = np.zeros(len(order), bool)
            masks[i][before[codes == i]] = True
        warning = "The order has few distinct values: the test block is later in time, the blocks before it are drawn at random."
    if small and not inner_random:
        boundaries.pop("tune", None)
    dropped = int(len(order) - np.sum(masks))
    return _split("forward-by-order", masks, small, y, boundaries=boundaries, purged="no horizon", dropped=dropped, warning=warning)


def split_random(y: Floats, lead: Ints, *, seed: int, duplicates: Ints | None = None, shares: Sequence[float] | None = None) -> Split:
    """A flat table without order: stratified and seeded. Rows that share a lead or a `duplicates` code stay together."""
    y, lead = np.asarray(y, np.float64), np.asarray(lead, np.int64)
    small = _is_small(len(lead), y)
    _require(lead)
    group = lead if duplicates is None else join_groups(lead, np.asarray(duplicates, np.int64))
    codes = _random_blocks(group, y, tuple(shares or (SMALL_SHARES if small else FLAT_SHARES)), seed)
    repeated = len(lead) - len(np.unique(group))
    return _split(
        "random", [codes == i for i in range(4)], small, y,
        boundaries={}, purged="no horizon", dropped=0, kept_together=int(repeated),
        warning="The split is random, for want of an order, and it flatters: figures on later leads will be lower. "
        "Give --order-by or --order-by-row if there is one.",
    )  # fmt: skip


def cross_fit_folds(
    rows: Ints, lead: Ints, *, order: Floats | Ints | None = None, until: Ints | None = None, y: Floats | None = None,
    folds: int = 5, seed: int = 0,
) -> list[Fold]:  # fmt: skip
    """Folds over `rows` for out-of-fold margins: expanding windows forward where there is an `order`, else k-fold by group.

    `lead` (or any group), `order`, `until` and `y` are indexed by row number of the whole table. With `until` (the end
    of each row's label window, on the order's scale) a fold trains only on rows whose window ended before it starts.
    Forward, the earliest part is only trained on, so it has no out-of-fold margin. Folds that would train on or predict
    nothing, or one class only, are left out; TooFewForFolds is raised where that is all of them.
    """
    rows = np.asarray(rows, np.int64)
    group = np.asarray(lead, np.int64)[rows]
    if order is None:
        labels = None if y is None else np.asarray(y)[rows]
        codes = _random_blocks(group, labels, [1 / folds] * folds, seed)
        made = [Fold(rows[codes != k], rows[codes == k]) for k in range(folds)]
        return _teaching(made, rows, y)
    when = np.asarray(order, np.float64)[rows]
    codes_of_group, inverse = np.unique(group, return_inverse=True)
    first = np.full(len(codes_of_group), np.inf)
    np.minimum.at(first, inverse, when)
    born = first[inverse]
    cuts = np.unique(np.quantile(first, np.linspace(0, 1, folds + 2)[1:-1], method="higher"))
    ends = None if until is None else np.asarray(until, np.float64)[rows]
    made = []
    for start, stop in zip(cuts, [*cuts[1:], np.inf], strict=True):
        known = born < start if ends is None else (born < start) & (ends <= start)
        made.append(Fold(rows[known], rows[(born >= start) & (born < stop)]))
    return _teaching(made, rows, y)


def _teaching(folds: Sequence[Fold], rows: Ints, y: Floats | None) -> list[Fold]:
    def both(part: Ints) -> bool:
        return len(part) > 0 and (y is None or bool(0 < np.asarray(y)[part].sum() < len(part)))

    found = [fold for fold in folds if both(fold.fit) and both(fold.held)]
    if not found:
        raise TooFewForFolds(rows=len(rows))
    return found


def join_groups(one: Ints, other: Ints) -> Ints:
    """Group codes such that rows sharing a code in either array share one here, over any chain of such rows."""
    left, right = (np.unique(codes, return_inverse=True)[1] for codes in (one, other))
    joined = np.arange(len(left))
    while True:
        before = joined
        for codes in (left, right):
            smallest = np.full(int(codes.max()) + 1, len(codes))
            np.minimum.at(smallest, codes, joined)
            joined = smallest[codes]
        if np.array_equal(before, joined):
            return np.asarray(np.unique(joined, return_inverse=True)[1], np.int64)


def _split(kind: str, masks: Sequence[Bools], small: bool, y: Floats | None, **more: object) -> Split:
    fit, tune, calibrate, test = (np.flatnonzero(mask) for mask in masks)
    if small:
        tune = calibrate = np.union1d(tune, calibrate)
    description: dict[str, object] = {
        "kind": kind, "train_rows": len(fit), "tune_rows": len(tune), "calibrate_rows": len(calibrate), "test_rows": len(test),
    }  # fmt: skip
    if y is not None:
        label = np.asarray(y)
        description["base_rates"] = {
            name: float(label[rows].mean()) if len(rows) else None for name, rows in zip(BLOCKS, (fit, tune, calibrate, test), strict=True)
        }
    description |= {"small": small, "shared_tune_and_calibrate": small, **more}
    return Split(fit, tune, calibrate, test, small, description)


def _boundary(created: Ints, lead: Ints, share: float) -> int:
    """The creation instant from which on the last `share` of the leads begins; never the very first instant."""
    _, at = np.unique(lead, return_index=True)
    births = np.sort(created[at])
    if not len(births):
        return 0
    start = births[min(len(births) - 1, max(0, round(len(births) * (1 - share))))]
    if start == births[0]:
        later = births[births > start]
        start = later[0] if len(later) else start
    return int(start)


def _order_cuts(order: Floats, shares: Sequence[float]) -> Floats:
    """Values of the order at which tune, calibrate and test start, each the nearest to its share that ties allow."""
    values, counts = np.unique(order, return_counts=True)
    before = np.concatenate([[0], np.cumsum(counts)[:-1]]) / len(order)
    wanted = np.cumsum(shares)[:-1]
    nearest = np.abs(before[1:, None] - wanted[None, :]).argmin(axis=0) + 1
    return np.asarray(values[nearest], np.float64)


def _random_blocks(group: Ints, y: Floats | None, shares: Sequence[float], seed: int) -> Ints:
    """A block number per row: groups shuffled, then dealt by cumulated rows inside each stratum (any positive, or none)."""
    rng = np.random.default_rng(seed)
    _, inverse, sizes = np.unique(group, return_inverse=True, return_counts=True)
    stratum = np.zeros(len(sizes), np.int64)
    if y is not None:
        np.maximum.at(stratum, inverse, (np.asarray(y) > 0).astype(np.int64))
    block = np.zeros(len(sizes), np.int64)
    # The largest share last, so that rounding falls on it and a small block never comes out empty by rounding.
    edges = np.cumsum(np.asarray(shares, np.float64)[::-1] / np.sum(shares))[:-1]
    for value in np.unique(stratum):
        members = rng.permutation(np.flatnonzero(stratum == value))
        middle = (np.cumsum(sizes[members]) - sizes[members] / 2) / sizes[members].sum()
        block[members] = len(shares) - 1 - np.searchsorted(edges, middle, side="right")
    return np.asarray(block[inverse], np.int64)


def _is_small(rows: int, y: Floats | None) -> bool:
    if y is None:
        return rows < SMALL_ROWS
    positives = int((np.asarray(y) > 0).sum())
    return rows < SMALL_ROWS or min(positives, rows - positives) < SMALL_CLASS


def _require(lead: Ints, least: int = 10) -> None:
    leads = len(np.unique(lead))
    if leads < least:
        raise TooFewRows(rows=len(lead), leads=leads, least=least)


def _iso(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
