"""Each input against everything else together: which alone, or two of them together, tell more than the whole company.

In: columns, their powers, the sample. Out: the `Joint` of what is not accused, and signs against single inputs and pairs.
"Everything else" is the better of a boosted and a naive Bayes model over the inputs that are not themselves accused, so
that two leaks cannot excuse each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from training.leakage_names import speaks_of_outcomes
from training.leakage_power import SURE, Power, separation
from training.leakage_rows import FOLDS, Bools, Codes, Column, Floats, Ints, Sample, folded_auc
from training.leakage_verdict import Sign

__all__ = ["Joint", "may_be_accused", "pair_signs", "power_signs"]

STRONG = 0.80
"""AUC that a single input must surely exceed before it has to justify itself against everything else."""
OVERWHELMING = 0.85
"""AUC from which an input is out of proportion even where many honest ones together reach as far."""
UNHEARD_OF = 0.90
"""AUC from which no company makes one input plausible."""
NAMED_STRONG = 0.72
PROPORTION = 0.7
"""Share of everything else's separation that one input alone reaches only out of proportion."""
FAR_BEYOND = 1.25
"""Times everything else's separation from which no company excuses an input."""
PEER = 0.8
"""Share of its separation that another input reaches to be its peer."""
ECHO = 0.3
"""Rank correlation with another input, among leads of one outcome, from which it is part of a picture."""
MISSING_FOLLOWS = 0.66
PAIR_STRONG = 0.85
SYNERGY = 1.8
"""How many times the sum of their separate information two inputs must carry together to be two halves of one leak."""
ROWS = 20_000
"""Rows that the joint models see: enough to rank inputs, and the audit stays within seconds."""
PAIR_ROWS = 6_000
CROSSED = 6
"""Cells of each input where all pairs are crossed."""
CROSSED_GAIN = 0.2
"""Share of the label's variance that two inputs explain together, beyond both apart, before the pair is looked at."""
CODES = 60


def may_be_accused(name: str, power: Power) -> bool:
    bar = NAMED_STRONG if speaks_of_outcomes(name) else STRONG
    strongest, error, _ = power.best
    follows = max(power.missing, 1 - power.missing) - SURE * power.missing_error
    return strongest - SURE * error >= bar or follows >= MISSING_FOLLOWS


@dataclass(frozen=True)
class Joint:
    """Out-of-fold margins of everything that is not accused, and which inputs it leans on."""

    margins: tuple[Floats, ...]
    names: tuple[str, ...]
    leaning: tuple[str, ...]

    @classmethod
    def of(cls, columns: Mapping[str, Column], sample: Sample, seed: int) -> Joint:
        if not columns:
            return cls((), (), ())
        naive = np.zeros(len(sample.y))
        for column in columns.values():
            naive += column.margin
        trees, gains = boosted(list(columns.values()), sample, seed)
        order = np.argsort(-gains, kind="stable")
        names = list(columns)
        return cls((naive, trees), tuple(names), tuple(names[i] for i in order if gains[i] > 0))

    def power(self, sample: Sample, mask: Bools | None = None) -> float:
        rows = sample.present if mask is None else mask
        return max([0.5, *(folded_auc(sample, margin, rows) for margin in self.margins)])


def boosted(columns: Sequence[Column], sample: Sample, seed: int, *, rows: int = ROWS) -> tuple[Floats, Floats]:
    """Out-of-fold margins of a small boosted model (NaN outside the sampled rows), and the gain of each column."""
    import lightgbm

    categories = [i for i, column in enumerate(columns) if column.kind == "category"]
    # One thread: on models this small a second one mostly waits, and on a busy machine waits for long.
    allowed = _sampled(sample, rows, seed)
    X = np.column_stack([_tree_values(column)[allowed] for column in columns])
    y, folds = sample.y[allowed], sample.folds[allowed]
    settings = {
        "objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": int(np.clip(len(X) // 200, 5, 40)),
        "min_data_per_group": 20, "verbosity": -1, "seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1,
    }  # fmt: skip
    told, gains = np.empty(len(X)), np.zeros(len(columns))
    for fold in range(FOLDS):
        train, held = folds != fold, folds == fold
        data = lightgbm.Dataset(X[train], y[train], categorical_feature=categories or "auto")
        model = lightgbm.train(settings, data, num_boost_round=60)
        told[held] = np.asarray(model.predict(X[held], raw_score=True))
        gains += np.asarray(model.feature_importance("gain"), np.float64)
    margin = np.full(len(sample.y), np.nan)
    margin[allowed] = told
    return margin, gains


def _tree_values(column: Column) -> Floats:
    """Numbers as they are; the commonest categories by code and all rarer ones as one."""
    if column.kind == "number":
        return column.values
    counts = np.bincount(column.cells)
    counts[0] = 0
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(column.missing, np.nan, np.minimum(rank[column.cells], CODES).astype(np.float64))


def _sampled(sample: Sample, most: int, seed: int) -> Bools:
    rows = np.flatnonzero(sample.present)
    chosen = np.zeros(len(sample.y), bool)
    chosen[np.random.default_rng(seed).choice(rows, most, replace=False) if len(rows) > most else rows] = True
    return chosen


def power_signs(name: str, columns: Mapping[str, Column], powers: Mapping[str, Power], rest: Joint, sample: Sample) -> Iterable[Sign]:
    """What one input's power says against it, beside the power of the others together and one by one."""
    power = powers[name]
    strongest, error, rows = power.best
    sure = strongest - SURE * error
    # Nothing below accuses an input that is weaker than this, and measuring the rest costs a sort.
    others = rest.power(sample, rows) if sure >= NAMED_STRONG else 0.5
    against = f"AUC {strongest:.2f}{'' if rows is None else ' where it is filled'} against {others:.2f}"
    share = separation(sure) / max(separation(others), 1e-9)
    beats = sure >= NAMED_STRONG and share > 1
    if power.collapsed:
        yield Sign("drift", f"Its power does not last: AUC {power.within:.2f} in its own time, {power.ahead:.2f} on later leads.")
    if not rest.margins and sure < OVERWHELMING:
        return  # Nothing to compare with: being the only input is no offence.
    accusable = (sure >= STRONG and share > PROPORTION) or sure >= UNHEARD_OF
    echoed = accusable and share < FAR_BEYOND and _echo(name, columns, rest.names, sample) >= ECHO
    if accusable and beats and not echoed:
        yield Sign("suspect", f"Alone it ranks better than everything else together: {against}. Was it known when the lead was scored?")
    elif accusable and sure >= OVERWHELMING and not echoed:
        yield Sign("suspect", f"Out of proportion for one input: {against} for all others together. Was it known when the lead was scored?")
    elif beats and speaks_of_outcomes(name):
        yield Sign("suspect", f"Its name speaks of an outcome, and alone it beats everything else together: {against}.")
    elif accusable and not echoed and separation(next_best := _next_best(name, powers)) < PEER * separation(strongest):
        yield Sign(
            "suspect",
            f"It stands apart: AUC {strongest:.2f}, the next strongest input {next_best:.2f}, and among leads of one outcome "
            "no other input goes with it, as if it were made of the outcome alone. Was it known when the lead was scored?",
        )


def _next_best(name: str, powers: Mapping[str, Power]) -> float:
    """The strongest other input: one strong input among strong ones is no wonder."""
    return max((power.best[0] for other, power in powers.items() if other != name), default=0.5)


def _echo(name: str, columns: Mapping[str, Column], others: Iterable[str], sample: Sample) -> float:
    """The largest rank correlation with an input that is not accused, among leads of the same outcome.

    What a lead is and does shows in several inputs at once; what was written after the outcome goes with the others only
    through the outcome, so within a class with none of them.
    """
    rows = np.flatnonzero(_sampled(sample, ROWS, 0))
    own = _ranks_within(columns[name], sample, rows)
    found = 0.0
    for other in others:
        if other != name:
            ranks = _ranks_within(columns[other], sample, rows)
            size = float(np.sqrt((own @ own) * (ranks @ ranks)))
            found = max(found, abs(float(own @ ranks)) / size if size else 0.0)
    return found


def _ranks_within(column: Column, sample: Sample, rows: Ints) -> Floats:
    """Ranks less their mean in the class; categories by their rates; a missing value has the mean."""
    values = column.values[rows] if column.kind == "number" else column.margin[rows]
    y = sample.y[rows]
    ranks = np.zeros(len(rows))
    for label in (0, 1):
        known = np.flatnonzero((y == label) & np.isfinite(values))
        _, place, count = np.unique(values[known], return_inverse=True, return_counts=True)
        middle = np.cumsum(count) - count / 2
        ranks[known] = (middle[place] - len(known) / 2) / max(1, len(known))
    return ranks


def pair_signs(columns: Mapping[str, Column], powers: Mapping[str, Power], rest: Joint, sample: Sample, seed: int) -> dict[str, list[Sign]]:
    """Two inputs that say little apart and nearly everything together are two halves of one leak."""
    leaning = combinations(rest.leaning[:5], 2) if rest.power(sample) >= PAIR_STRONG else ()
    signs: dict[str, list[Sign]] = {}
    for one, other in dict.fromkeys([*_crossing(columns, rest.names, sample), *leaning]):
        apart = separation(powers[one].within) ** 2 + separation(powers[other].within) ** 2
        if one in signs or other in signs or SYNERGY * apart > separation(0.995) ** 2:
            continue
        margin, _ = boosted([columns[one], columns[other]], sample, seed, rows=PAIR_ROWS)
        found = folded_auc(sample, margin, sample.present)
        sure = found - SURE * sample.error(found, sample.present & np.isfinite(margin))
        if sure < PAIR_STRONG - 0.01 or separation(found) ** 2 < SYNERGY * apart:
            continue
        company = [name for name in rest.leaning if name not in (one, other)]
        left = Joint.of({name: columns[name] for name in company}, sample, seed).power(sample)
        if sure <= left:
            continue
        for name, partner in ((one, other), (other, one)):
            sentence = (
                f"Together with {partner} it ranks better than everything else: AUC {found:.2f} as a pair, "
                f"{powers[name].within:.2f} alone, {left:.2f} for the rest. The two may be halves of one answer."
            )
            signs[name] = [Sign("suspect", sentence)]
    return signs


def _crossing(columns: Mapping[str, Column], names: Sequence[str], sample: Sample) -> list[tuple[str, str]]:
    """The few pairs whose crossed cells tell far more than both apart: trees, which split on one input at a time, may miss them."""
    rows = np.flatnonzero(_sampled(sample, ROWS, 0))
    y = sample.y[rows]
    if not 0 < y.sum() < len(y):
        return []
    coarse = {name: _coarse(columns[name].cells[rows]) for name in names}
    alone = {name: _explained(cells, y) for name, cells in coarse.items()}
    gains = {
        (one, other): _explained(coarse[one] * CROSSED + coarse[other], y) - alone[one] - alone[other]
        for one, other in combinations(names, 2)
    }
    return sorted((pair for pair, gain in gains.items() if gain >= CROSSED_GAIN), key=gains.__getitem__, reverse=True)[:3]


def _coarse(cells: Codes) -> Ints:
    """A handful of cells: neighbours of an ordered input together, of a category by its codes."""
    _, place, count = np.unique(cells, return_inverse=True, return_counts=True)
    if len(count) <= CROSSED:
        return np.asarray(place, np.int64)
    middle = (np.cumsum(count) - count / 2) / len(cells)
    return np.asarray((middle * CROSSED).astype(np.int64)[place])


def _explained(cells: Ints, y: Floats) -> float:
    """Share of the label's variance between cells, less what as many cells of chance explain."""
    count = np.bincount(cells)
    found = np.bincount(cells, weights=y)
    base = y.mean()
    between = float(np.sum((found - count * base) ** 2 / np.maximum(count, 1)) / len(y))
    return between / float(base * (1 - base)) - int((count > 0).sum()) / len(y)
