"""The leakage audit: which inputs know the outcome rather than foretell it.

In: inputs by name (numbers as float64 with NaN for missing, categories and booleans as integer codes with -1 or NaN
for missing), labels 0/1, leads, and the rows of the fit and tune blocks; no other row is looked at. Out: a `Verdict`
per input, in the order given, with a sentence a person can check and the figures behind it.

Strong is not leaked: one more strong input among strong ones stays `ok`. What gives a leak away is

- near-copies of the label, or values (or missingness) that occur for one class only at real support → `blocked`;
- values whose history shows that they were written after the outcome → `blocked`;
- one input, or two together, that alone beat everything else taken together, on all rows or where it has a value → `suspect`;
- missingness that follows the label; identifiers; undated current state on event data → `suspect`;
- names that speak of outcomes, never alone: they only lower the bar for power out of proportion → `suspect`;
- power that is gone in later rows, alone → `drift`.

Power is the AUC of binned target rates, fitted and measured on different leads of the same period; power forward in
time is fitted on the fit block and measured on the tune block. "Everything else" is the better of a boosted and a naive
Bayes model over the inputs that are not themselves accused, so that two leaks cannot excuse each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from training.metrics import auc

__all__ = ["Judgement", "Verdict", "audit"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Judgement = Literal["ok", "drift", "suspect", "blocked"]

COPY = 0.985
"""AUC from which an input is a copy of the label: the best honest lead scores known stay well below 0.95."""
PURE = 0.995
SUPPORT, SUPPORT_SHARE = 50, 0.01
STRONG = 0.80
"""AUC that a single input must surely exceed before it has to justify itself against everything else."""
OVERWHELMING = 0.85
"""AUC from which an input is out of proportion even where many honest ones together reach as far."""
NAMED_STRONG = 0.72
MISSING_FOLLOWS = 0.66
PAIR_STRONG = 0.85
SYNERGY = 1.8
"""How many times the sum of their separate information two inputs must carry together to be two halves of one leak."""
FOLDS = 3
BINS = 32
ROWS = 20_000
"""Rows that the joint models see: enough to rank inputs, and the audit stays within seconds."""
MOST, MOST_LATER = 60_000, 20_000
"""Rows of fit and tune that are looked at at all: what 60,000 rows do not show is no leak that matters."""
PAIR_ROWS = 6_000
CODES = 60
SURE = 1.645


@dataclass(frozen=True)
class Verdict:
    """What the audit says of one input. `evidence` is for people, `figures` for the report's tables."""

    verdict: Judgement
    evidence: str
    figures: Mapping[str, float] = field(default_factory=dict)
    undated: tuple[str, ...] = ()
    """The columns behind it that have no date, where that is all it is accused of."""


def audit(
    inputs: Mapping[str, npt.NDArray[Any]],
    kinds: Mapping[str, str],
    y: Floats,
    fit: Ints,
    tune: Ints,
    lead: Ints,
    *,
    forward: bool,
    undated: Mapping[str, tuple[str, ...]] | None = None,
    timed: Collection[str] = (),
    written_late: Mapping[str, tuple[int, int]] | None = None,
    seed: int = 0,
) -> dict[str, Verdict]:
    """A verdict for each input.

    `kinds` says `number`, `category` or `boolean`. `forward` tells that tune lies later in time than fit; otherwise
    both are one period. `undated` are inputs made from current-state columns of event data that nobody declared true since
    creation, and those columns. `timed` are inputs that the engine computed from dated rows: a missing value there says only that nothing
    happened yet. `written_late` gives (values of converted leads first written after the outcome, values of converted leads).
    """
    sample = _Sample.of(y, fit, tune, lead, forward=forward, seed=seed)
    columns = {name: _Column.of(values, kinds[name], sample) for name, values in inputs.items()}
    powers = _corrected({name: _power(column, sample) for name, column in columns.items()})
    accused = {name for name, power in powers.items() if _may_be_accused(name, power)}
    rest = _Joint.of({name: column for name, column in columns.items() if name not in accused and not column.identifier}, sample, seed)
    pairs = _pairs(columns, powers, rest, sample, seed)
    verdicts = {}
    for name, column in columns.items():
        signs = [
            *_timing_signs((undated or {}).get(name, ()), (written_late or {}).get(name, (0, 0))),
            *_shape_signs(column, sample, powers[name], timed=name in timed),
            *_power_signs(name, powers[name], rest, sample),
            *pairs.get(name, []),
        ]
        verdicts[name] = _verdict(signs, powers[name], column)
    return verdicts


@dataclass(frozen=True)
class _Sign:
    judgement: Judgement
    sentence: str
    undated: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sample:
    """The rows that the audit may see, renumbered from zero, the fit block first."""

    rows: Ints
    y: Floats
    lead: Ints
    present: Bools
    """Rows of the period in which power is measured: fit where tune lies later, else all of them."""
    later: Bools
    folds: Ints
    """Fold of each row by its lead; -1 outside the period."""
    share: Floats
    """One over the lead's rows in its block, so that support is counted in leads."""

    @classmethod
    def of(cls, y: Floats, fit: Ints, tune: Ints, lead: Ints, *, forward: bool, seed: int) -> _Sample:
        later_rows = _some_leads(np.setdiff1d(tune, fit), lead, MOST_LATER, seed)
        rows = np.concatenate([_some_leads(np.unique(fit), lead, MOST, seed), later_rows]).astype(np.int64)
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
        return cls(rows, labels, codes, present, after, np.where(present, fold[codes], -1), share)

    def error(self, found: float, mask: Bools) -> float:
        """Standard error of an AUC (Hanley and McNeil) with leads, not rows, as the count of each class."""
        positives = len(np.unique(self.lead[mask & (self.y > 0)]))
        negatives = len(np.unique(self.lead[mask & (self.y == 0)]))
        if not positives or not negatives:
            return 0.5
        a = max(found, 1 - found)
        both, one = a / (2 - a), 2 * a * a / (1 + a)
        variance = a * (1 - a) + (positives - 1) * (both - a * a) + (negatives - 1) * (one - a * a)
        return float(np.sqrt(max(variance, 1e-6) / (positives * negatives)))

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
class _Column:
    """One input over the sample: its value, its cell (0 is missing) and the out-of-fold log-odds that its cells give."""

    kind: str
    values: Floats
    missing: Bools
    usual: Bools
    """Rows that hold the one value which most rows hold (a zero, usually): another way of hiding."""
    cells: Ints
    margin: Floats
    ahead: Floats
    """Log-odds learnt on the period, for the rows after it."""
    identifier: str

    @classmethod
    def of(cls, values: npt.NDArray[Any], kind: str, sample: _Sample) -> _Column:
        kept = np.asarray(values)[sample.rows].astype(np.float64)
        if kind != "number":
            kept = np.where(kept < 0, np.nan, kept)
        missing = np.isnan(kept)
        distinct, inverse, counts = np.unique(kept[~missing], return_inverse=True, return_counts=True)
        usual = np.zeros(len(kept), bool)
        if kind == "number" and len(counts) > 2 and counts.max() >= 0.15 * len(kept):
            usual[~missing] = inverse == counts.argmax()
        cells = np.zeros(len(kept), np.int64)
        if kind == "number" and len(distinct) > BINS:
            edges = np.unique(np.quantile(kept[~missing & np.isfinite(kept)], np.linspace(0, 1, BINS + 1)[1:-1]))
            cells[~missing] = 1 + np.searchsorted(edges, kept[~missing], side="right")
        else:
            cells[~missing] = 1 + inverse
        margin = np.full(len(kept), np.nan)
        for fold in range(FOLDS):
            held = sample.folds == fold
            margin[held] = _rates(cells, sample.y, (sample.folds >= 0) & ~held)[cells[held]]
        ahead = _rates(cells, sample.y, sample.present)[cells]
        return cls(kind, kept, missing, usual, cells, margin, ahead, _identifier(kind, kept[~missing], distinct, sample.lead[~missing]))


@dataclass(frozen=True)
class _Power:
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


def _power(column: _Column, sample: _Sample) -> _Power:
    everywhere = sample.present
    within = _best_auc(column, sample, everywhere)
    filled = everywhere & ~column.missing & ~column.usual
    partly = bool((everywhere & ~filled).any()) and sample.enough(filled) and filled.sum() >= 0.05 * everywhere.sum()
    at_filled = _best_auc(column, sample, filled) if partly else 0.5
    gaps = column.missing[everywhere].astype(np.float64)
    of_missing = auc(sample.y[everywhere], gaps) if 0 < gaps.sum() < len(gaps) else 0.5
    later = sample.later
    ahead = auc(sample.y[later], column.ahead[later]) if sample.enough(later, 20) else np.nan
    return _Power(
        within, sample.error(within, everywhere), at_filled, sample.error(at_filled, filled), filled,
        of_missing, sample.error(of_missing, everywhere), ahead, sample.error(0.5, later) if np.isfinite(ahead) else np.nan,
    )  # fmt: skip


def _best_auc(column: _Column, sample: _Sample, mask: Bools) -> float:
    """By cells, fitted on other leads; or by the plain value in either direction, which needs no fit and sees finer."""
    if not sample.enough(mask, 5):
        return 0.5
    by_cells = _folded_auc(sample, column.margin, mask)
    known = mask & ~column.missing
    if column.kind != "number" or known.sum() < mask.sum():
        return by_cells
    plain = _auc_or_half(sample.y[mask], column.values[mask])
    return max(by_cells, plain, 1 - plain)


def _corrected(powers: Mapping[str, _Power]) -> dict[str, _Power]:
    """Chance of each power if the input knew nothing, corrected for the number of inputs (Holm)."""
    from math import erfc, sqrt

    raw = {name: 0.5 * erfc((power.within - 0.5) / power.error / sqrt(2)) for name, power in powers.items()}
    running, found = 0.0, {}
    for place, name in enumerate(sorted(raw, key=raw.__getitem__)):
        running = max(running, min(1.0, (len(raw) - place) * raw[name]))
        found[name] = running
    return {name: _Power(**(vars(power) | {"p_chance": found[name]})) for name, power in powers.items()}


def _may_be_accused(name: str, power: _Power) -> bool:
    bar = NAMED_STRONG if _speaks_of_outcomes(name) else STRONG
    strongest, error, _ = power.best
    follows = max(power.missing, 1 - power.missing) - SURE * power.missing_error
    return strongest - SURE * error >= bar or follows >= MISSING_FOLLOWS


@dataclass(frozen=True)
class _Joint:
    """Out-of-fold margins of everything that is not accused, and which inputs it leans on."""

    margins: tuple[Floats, ...]
    leaning: tuple[str, ...]

    @classmethod
    def of(cls, columns: Mapping[str, _Column], sample: _Sample, seed: int) -> _Joint:
        if not columns:
            return cls((), ())
        naive = np.sum([column.margin for column in columns.values()], axis=0)
        boosted, gains = _boosted(list(columns.values()), sample, seed)
        order = np.argsort(-gains, kind="stable")
        names = list(columns)
        return cls((naive, boosted), tuple(names[i] for i in order if gains[i] > 0))

    def power(self, sample: _Sample, mask: Bools | None = None) -> float:
        rows = sample.present if mask is None else mask
        return max([0.5, *(_folded_auc(sample, margin, rows) for margin in self.margins)])


def _boosted(columns: Sequence[_Column], sample: _Sample, seed: int, *, rows: int = ROWS) -> tuple[Floats, Floats]:
    """Out-of-fold margins of a small boosted model (NaN outside the sampled rows), and the gain of each column."""
    import lightgbm

    X = np.column_stack([_tree_values(column) for column in columns])
    categories = [i for i, column in enumerate(columns) if column.kind == "category"]
    # One thread: on models this small a second one mostly waits, and on a busy machine waits for long.
    allowed = _sampled(sample, rows, seed)
    settings = {
        "objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": int(np.clip(allowed.sum() // 200, 5, 40)),
        "min_data_per_group": 20, "verbosity": -1, "seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1,
    }  # fmt: skip
    margin, gains = np.full(len(X), np.nan), np.zeros(len(columns))
    for fold in range(FOLDS):
        train, held = allowed & (sample.folds != fold), allowed & (sample.folds == fold)
        data = lightgbm.Dataset(X[train], sample.y[train], categorical_feature=categories or "auto")
        model = lightgbm.train(settings, data, num_boost_round=60)
        margin[held] = np.asarray(model.predict(X[held], raw_score=True))
        gains += np.asarray(model.feature_importance("gain"), np.float64)
    return margin, gains


def _tree_values(column: _Column) -> Floats:
    """Numbers as they are; the commonest categories by code and all rarer ones as one."""
    if column.kind == "number":
        return column.values
    counts = np.bincount(column.cells)
    counts[0] = 0
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(column.missing, np.nan, np.minimum(rank[column.cells], CODES).astype(np.float64))


def _sampled(sample: _Sample, most: int, seed: int) -> Bools:
    rows = np.flatnonzero(sample.present)
    chosen = np.zeros(len(sample.y), bool)
    chosen[np.random.default_rng(seed).choice(rows, most, replace=False) if len(rows) > most else rows] = True
    return chosen


def _timing_signs(undated: tuple[str, ...], written_late: tuple[int, int]) -> Iterable[_Sign]:
    late, of = written_late
    if late >= 10 and late >= 0.05 * of:
        yield _Sign("blocked", f"{late:,} of the {of:,} values of converted leads were first written after the conversion.")
    if undated:
        has, says, it, true = ("has", "it says", "it", "it is true") if len(undated) == 1 else ("have", "they say", "them", "they are true")
        columns = " and ".join(filter(None, [", ".join(undated[:-1]), undated[-1]]))
        sentence = f"{columns} {has} no date: what {says} today may have been written after the outcome."
        yield _Sign("suspect", f"{sentence} If {true} since creation, list {it} in tamiz.toml under [leads] static.", undated)


def _shape_signs(column: _Column, sample: _Sample, power: _Power, *, timed: bool) -> Iterable[_Sign]:
    if column.identifier:
        yield _Sign("suspect", column.identifier)
    for value, where in ((power.within, "on all rows"), (power.filled, "where it is filled")):
        if value >= COPY:
            yield _Sign("blocked", f"It is nearly a copy of the label: AUC {value:.3f} {where}.")
            break
    if not column.identifier:
        # The blocks are looked at one by one: a leak that began with a new form must not be thinned by older rows.
        for block in (sample.present, sample.later):
            found = _one_class_only(column, sample, block)
            if found:
                yield _Sign("blocked", found)
                break
    follows = max(power.missing, 1 - power.missing)
    if not timed and follows - SURE * power.missing_error >= MISSING_FOLLOWS:
        converted, others = (column.missing[sample.present & (sample.y == label)].mean() for label in (1, 0))
        sentence = f"missing for {converted:.0%} of conversions, {others:.0%} of the others."
        yield _Sign("suspect", f"Its missingness follows the label: {sentence}")


def _one_class_only(column: _Column, sample: _Sample, block: Bools) -> str:
    """A state, a value or an end of the scale that holds conversions only (or others only), at real support."""
    if not sample.enough(block, SUPPORT):
        return ""
    y, weight, missing, cells = sample.y[block], sample.share[block], column.missing[block], column.cells[block]
    base = float(np.average(y, weights=weight))
    least = max(SUPPORT, SUPPORT_SHARE * weight.sum())
    for label, name, rate in ((1, "converted", base), (0, "did not convert", 1 - base)):
        # Where a class is the usual one, cells of nothing else are no wonder: honest tails look like that.
        if rate > 0.8:
            continue
        hits = weight * (y if label else 1 - y)
        # A cell of non-converters is news only where it holds a real part of them: some leads are simply never customers.
        needed = max(least, (0.05 if label else 0.30) * hits.sum())
        groups: list[tuple[str, Ints]] = []
        if missing.any() and not missing.all():
            groups.append(("the leads in which it is {state}", missing.astype(np.int64)))
        if column.kind != "number" or cells.max() <= BINS + 1:
            groups.append(("the leads with one of its values", cells))
        for text, codes in groups:
            count, found = np.bincount(codes, weights=weight), np.bincount(codes, weights=hits)
            pure = np.where((count >= needed) & (found >= PURE * count), count, 0)
            if pure.any():
                worst = int(pure.argmax())
                where = text.format(state="missing" if worst else "filled")
                return f"Of {where}, {round(count[worst]):,} in all, {found[worst] / count[worst]:.1%} {name}, against {rate:.1%} overall."
        for end, side in ((1, "lowest"), (-1, "highest")) if column.kind == "number" else ():
            leads = _pure_end(end * column.values[block], hits, weight)
            if leads >= needed:
                return f"Of the {round(leads):,} leads with the {side} values, at least {PURE:.1%} {name}, against {rate:.1%} overall."
    return ""


def _pure_end(values: Floats, hits: Floats, weight: Floats) -> float:
    """Leads in the longest run of lowest values in which one class is as good as alone; equal values stay together."""
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    ordered = values[known][order]
    if not len(ordered):
        return 0.0
    found, count = np.cumsum(hits[known][order]), np.cumsum(weight[known][order])
    whole = np.append(ordered[1:] != ordered[:-1], True)
    return float(count[whole & (found >= PURE * count)].max(initial=0.0))


def _power_signs(name: str, power: _Power, rest: _Joint, sample: _Sample) -> Iterable[_Sign]:
    strongest, error, rows = power.best
    sure = strongest - SURE * error
    # Nothing below accuses an input that is weaker than this, and measuring the rest costs a sort.
    others = rest.power(sample, rows) if sure >= NAMED_STRONG else 0.5
    against = f"AUC {strongest:.2f}{'' if rows is None else ' where it is filled'} against {others:.2f}"
    beats = sure >= NAMED_STRONG and _separation(sure) > _separation(others)
    if power.collapsed:
        yield _Sign("drift", f"Its power does not last: AUC {power.within:.2f} in its own time, {power.ahead:.2f} on later leads.")
    if not rest.margins and sure < OVERWHELMING:
        return  # Nothing to compare with: being the only input is no offence.
    if beats and sure >= STRONG:
        yield _Sign("suspect", f"Alone it ranks better than everything else together: {against}. Was it known when the lead was scored?")
    elif sure >= OVERWHELMING and _separation(sure) > 0.7 * _separation(others):
        yield _Sign(
            "suspect", f"Out of proportion for one input: {against} for all others together. Was it known when the lead was scored?"
        )
    elif beats and _speaks_of_outcomes(name):
        yield _Sign("suspect", f"Its name speaks of an outcome, and alone it beats everything else together: {against}.")


def _pairs(
    columns: Mapping[str, _Column], powers: Mapping[str, _Power], rest: _Joint, sample: _Sample, seed: int
) -> dict[str, list[_Sign]]:
    """Two inputs that say little apart and nearly everything together are two halves of one leak."""
    if rest.power(sample) < PAIR_STRONG:
        return {}
    signs: dict[str, list[_Sign]] = {}
    for one, other in combinations(rest.leaning[:5], 2):
        apart = _separation(powers[one].within) ** 2 + _separation(powers[other].within) ** 2
        if one in signs or other in signs or SYNERGY * apart > _separation(0.995) ** 2:
            continue
        margin, _ = _boosted([columns[one], columns[other]], sample, seed, rows=PAIR_ROWS)
        found = _folded_auc(sample, margin, sample.present)
        sure = found - SURE * sample.error(found, sample.present & np.isfinite(margin))
        if sure < PAIR_STRONG - 0.01 or _separation(found) ** 2 < SYNERGY * apart:
            continue
        left = _Joint.of({name: columns[name] for name in rest.leaning if name not in (one, other)}, sample, seed).power(sample)
        if sure <= left:
            continue
        for name, partner in ((one, other), (other, one)):
            sentence = (
                f"Together with {partner} it ranks better than everything else: AUC {found:.2f} as a pair, "
                f"{powers[name].within:.2f} alone, {left:.2f} for the rest. The two may be halves of one answer."
            )
            signs[name] = [_Sign("suspect", sentence)]
    return signs


def _verdict(signs: Sequence[_Sign], power: _Power, column: _Column) -> Verdict:
    order: tuple[Judgement, ...] = ("blocked", "suspect", "drift", "ok")
    judgements = {sign.judgement for sign in signs}
    worst: Judgement = next((judgement for judgement in order if judgement in judgements), "ok")
    figures = {
        "auc": power.within, "auc_error": power.error, "auc_where_filled": power.filled, "auc_of_missingness": power.missing,
        "auc_later": power.ahead, "p_chance": power.p_chance, "missing": float(column.missing.mean()),
    }  # fmt: skip
    plain = f"AUC {power.within:.2f} alone" + (f", {power.ahead:.2f} on later leads." if np.isfinite(power.ahead) else ".")
    if not np.ptp(column.cells):
        plain = "It has the same value throughout."
    elif power.p_chance >= 0.05:
        plain = "Alone no better than chance."
    accusing = [sign for sign in signs if sign.judgement in ("blocked", "suspect")]
    undated = accusing[0].undated if accusing and all(sign.undated for sign in accusing) else ()
    ranked = sorted(signs, key=lambda sign: order.index(sign.judgement))
    evidence = " ".join(sign.sentence for sign in ranked) or plain
    return Verdict(worst, evidence, {key: float(value) for key, value in figures.items() if np.isfinite(value)}, undated)


def _rates(cells: Ints, y: Floats, rows: Bools) -> Floats:
    """Log-odds of each cell, shrunk to the base rate as by five leads; every cell of the sample has an entry."""
    size = int(cells.max(initial=0)) + 1
    counts = np.bincount(cells[rows], minlength=size)
    positives = np.bincount(cells[rows], weights=y[rows], minlength=size)
    base = float(np.clip(y[rows].mean() if rows.any() else 0.5, 1e-4, 1 - 1e-4))
    rate = (positives + 5 * base) / (counts + 5)
    return np.asarray(np.log(rate / (1 - rate)) - np.log(base / (1 - base)), np.float64)


def _folded_auc(sample: _Sample, margin: Floats, mask: Bools) -> float:
    """Mean over folds: margins of different models are not compared with each other."""
    known = mask & np.isfinite(margin)
    folds = [known & (sample.folds == fold) for fold in range(FOLDS)]
    return float(np.mean([_auc_or_half(sample.y[held], margin[held]) for held in folds]))


def _auc_or_half(y: Floats, score: Floats) -> float:
    found = auc(y, score)
    return found if np.isfinite(found) else 0.5


def _separation(found: float) -> float:
    """The distance between two unit normals that gives this AUC: information adds in its square, AUC does not add."""
    from statistics import NormalDist

    return float(np.sqrt(2) * NormalDist().inv_cdf(float(np.clip(found, 0.5, 1 - 1e-9))))


def _identifier(kind: str, known: Floats, distinct: Floats, lead: Ints) -> str:
    leads = len(np.unique(lead))
    if leads < 50 or len(distinct) < 0.9 * leads:
        return ""
    if kind == "category":
        return f"It names the lead: {len(distinct):,} different values for {leads:,} leads."
    whole = kind == "number" and bool(np.all(known == np.rint(known)))
    if whole and len(distinct) >= 0.99 * leads and float(distinct[-1] - distinct[0]) < 3 * leads:
        return f"It numbers the leads: {len(distinct):,} different whole numbers for {leads:,} leads."
    return ""


# Not `revenue`, `ingresos`, `purchase` or `deal`: honest columns are called so.
_ENGLISH = (
    "won lost outcome result converted conversion closed closing signed purchased bought churned cancelled approved rejected invoice paid"
)
_SPANISH = (
    "ganado ganada perdido perdida resultado convertido convertida cerrado cerrada cierre firmado firmada comprado compro baja cancelado "
    "aprobado rechazado factura facturado pagado vendido"
)
OUTCOME_WORDS = frozenset(f"{_ENGLISH} {_SPANISH}".split())


def _speaks_of_outcomes(name: str) -> bool:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", plain).lower()
    return not OUTCOME_WORDS.isdisjoint(re.split(r"[^a-z0-9]+", words))
