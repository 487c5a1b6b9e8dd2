"""Transparent points: binned weight of evidence with integer points, or points declared by hand before any history.

In: the encoded float64 matrix, and 0/1 labels where there are any. Out: `Scorecard`, a table that a person can read
and add up: per input, bins with points. 20 points double the odds. The margin is points × factor + offset.

Each input is cut into at most ten bins: numbers at quantiles, categories by how often they convert, missing always a
bin of its own. A bin's weight of evidence is its conversion rate against everyone's, in log-odds, pulled towards no
evidence where the bin is small. For an input with a declared direction, neighbours that contradict it are pooled; and no input
keeps a negative coefficient, so such an input raised never lowers the points.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import BadData
from models.binned import Additive, BinValues, Lookup
from models.inputs import Floats, InputSpec, training_matrix
from models.logit import best_shift, logit
from models.newton import regress

__all__ = ["BadScorecard", "Bin", "Card", "Scorecard", "counts_by_bin", "declared_scorecard", "fit_scorecard", "pooled"]

POINTS_TO_DOUBLE = 20
FACTOR = math.log(2) / POINTS_TO_DOUBLE
MOST_INPUTS = 18
MOST_BINS = 8
LEAST_INFORMATION = 0.005
"""Information value that an input must have beyond what noise in as many bins would show."""
PULL = 20.0
"""Average rows that are added to each bin."""
MOST_COEFFICIENT = 1.25
"""Evidence counts once, or less where inputs repeat each other; a regression that counts it twice is undoing the pull."""
_FILE = "scorecard.json"

_Groups: TypeAlias = tuple[tuple[int, ...], ...]


class BadScorecard(BadData):
    """scorecard.json is not a model that can be served: {why}. Pull or train the model again."""


@dataclass(frozen=True)
class Bin:
    """A row of the table. Numbers: values up to and including `upper`. Categories: the `codes`."""

    label: str
    points: int
    upper: float = math.inf
    codes: tuple[int, ...] = ()
    rows: int = 0
    rate: float | None = None


@dataclass(frozen=True)
class Card:
    """One input's bins, in rising order for a number; for a category the last bin takes every code not named."""

    name: str
    kind: str
    bins: tuple[Bin, ...]
    missing: Bin
    mean: float
    """Mean points over the training rows: an input's contribution is measured from here."""
    importance: float
    """Mean distance from it, in log-odds."""


def fit_scorecard(X: ArrayLike, y: ArrayLike, inputs: Sequence[InputSpec], *, weights: ArrayLike | None = None) -> Scorecard:
    """Bin, select, regress and round. Where no input tells anything, everyone gets the base rate."""
    X, y, weight = training_matrix(X, y, inputs, weights)
    drafts = [_draft(X[:, place], y, weight, spec, place) for place, spec in enumerate(inputs)]
    useful = sorted((d for d in drafts if d.information >= LEAST_INFORMATION), key=lambda d: (-d.information, d.place))
    kept = useful[: 2 * MOST_INPUTS]
    evidence = np.column_stack([d.evidence[d.bin_of_row] for d in kept]) if kept else np.empty((len(y), 0))
    chosen, coefficients = _select(evidence, y, weight)
    cards: list[Card | None] = [None] * len(inputs)
    points = np.zeros(len(y))
    for at, coefficient in zip(chosen, coefficients, strict=True):
        draft = kept[at]
        per_bin = np.rint(coefficient * draft.evidence / FACTOR)
        points += per_bin[draft.bin_of_row]
        cards[draft.place] = _card(draft, per_bin, inputs[draft.place], weight)
    offset = best_shift(points * FACTOR, y, weight)  # rounding moved the mean: everyone's probability is the base rate again
    return Scorecard.of([spec.name for spec in inputs], cards, offset, calibrated=True)


def declared_scorecard(inputs: Sequence[InputSpec]) -> Scorecard:
    """The points of `DECLARED` for those inputs that are there: an opinion, not a probability."""
    table = {str(entry["input"]): entry for entry in DECLARED}
    cards = [_declared_card(spec, table[spec.name]) if spec.kind == "number" and spec.name in table else None for spec in inputs]
    offset = math.log(DECLARED_RATE / (1 - DECLARED_RATE))
    return Scorecard.of([spec.name for spec in inputs], cards, offset, calibrated=False)


DECLARED_RATE = 0.03
"""Share of leads without any evidence that is assumed to convert."""

DECLARED: tuple[Mapping[str, Any], ...] = (
    # `points[i]` for values up to and including `up_to[i]`, the last for all above; missing gives none.
    {"input": "budget_strength", "up_to": [0.0, 0.33, 0.66], "points": [-10, 5, 15, 25]},
    {"input": "authority_strength", "up_to": [0.0, 0.33, 0.66], "points": [-10, 5, 15, 25]},
    {"input": "need_strength", "up_to": [0.0, 0.33, 0.66], "points": [-10, 5, 15, 25]},
    {"input": "timeline_strength", "up_to": [0.0, 0.33, 0.66], "points": [-10, 5, 15, 25]},
    {"input": "corporate_email", "up_to": [0.0], "points": [-10, 5]},
    {"input": "company_size", "up_to": [9, 49, 249], "points": [-5, 0, 5, 10]},
    {"input": "profile_completeness", "up_to": [2, 5], "points": [-5, 0, 5]},
    {"input": "hand_raises_90d", "up_to": [0, 1], "points": [0, 30, 40]},
    {"input": "pricing_visits_30d", "up_to": [0, 1, 3], "points": [0, 8, 14, 18]},
    {"input": "comparison_visits_30d", "up_to": [0], "points": [0, 8]},
    {"input": "career_visits_30d", "up_to": [0], "points": [0, -15]},
    {"input": "active_days_30d", "up_to": [0, 1, 4], "points": [-5, 0, 6, 12]},
    {"input": "email_clicks_30d", "up_to": [0, 2], "points": [0, 4, 8]},
    {"input": "webinars_90d", "up_to": [0], "points": [0, 8]},
    {"input": "conversations_30d", "up_to": [0, 1], "points": [0, 10, 15]},
    {"input": "colleagues_active_7d", "up_to": [0], "points": [0, 8]},
    {"input": "unsubscribes_90d", "up_to": [0], "points": [0, -30]},
    {"input": "days_since_last_activity", "up_to": [7, 30, 90], "points": [8, 2, -5, -12]},
)


@dataclass(frozen=True)
class Scorecard(Additive):
    """A fitted or declared card per input (None: the input gives no points)."""

    names: tuple[str, ...]
    cards: tuple[Card | None, ...]
    offset: float
    calibrated: bool
    """False: the points were declared; no probability stands behind the margin."""
    bins: tuple[BinValues | None, ...]
    """What is looked up of each input: points."""
    lookup: Lookup
    means: Floats
    """Mean points of each input over the training rows."""

    kind = "scorecard"

    @classmethod
    def of(cls, names: Sequence[str], cards: Sequence[Card | None], offset: float, *, calibrated: bool) -> Self:
        means = np.array([card.mean if card else 0.0 for card in cards])
        bins = tuple(_values(card) for card in cards)
        return cls(tuple(names), tuple(cards), offset, calibrated, bins, Lookup.of(bins), means)

    @cached_property
    def base(self) -> float:
        return self.offset + FACTOR * math.fsum(card.mean for card in self.cards if card)

    def points(self, X: ArrayLike) -> Floats:
        """Points per input, rows × inputs: whole numbers."""
        points: Floats = self.lookup.values(X)[0]
        return points

    def told(self, X: ArrayLike, found: Floats) -> tuple[float, Floats]:
        """Base and margin of points that were looked up, which become contributions."""
        total: Floats = np.add.reduce(found, axis=1)  # whole numbers: exact in any order
        found -= self.means
        found *= FACTOR
        return self.base, total * FACTOR + self.offset

    def shap(self, X: ArrayLike) -> tuple[Floats, float]:
        """The same as `contributions`: for a sum of terms they are the exact Shapley values."""
        return self.contributions(X)

    def importance(self) -> Floats:
        """Mean absolute contribution of each input over the training rows."""
        return np.array([card.importance if card else 0.0 for card in self.cards])

    def save(self, folder: Path) -> list[str]:
        document = {
            "kind": self.kind,
            "calibrated": self.calibrated,
            "points_to_double_the_odds": POINTS_TO_DOUBLE,
            "offset": self.offset,
            "inputs": list(self.names),
            "cards": [_card_json(card) for card in self.cards if card],
        }
        (folder / _FILE).write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8", newline="\n")
        return [_FILE]

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            document = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            if document["points_to_double_the_odds"] != POINTS_TO_DOUBLE:
                raise ValueError("its points are on another scale")
            cards = {card.name: card for card in map(_card_from_json, document["cards"])}
            names = [str(name) for name in document["inputs"]]
            if not set(cards) <= set(names):
                raise ValueError("it has points for inputs that it does not list")
            offset, calibrated = float(document["offset"]), bool(document["calibrated"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadScorecard(why=f"{type(error).__name__}: {error}") from error
        return cls.of(names, [cards.get(name) for name in names], offset, calibrated=calibrated)


def _values(card: Card | None) -> BinValues | None:
    if card is None:
        return None
    points = tuple(float(part.points) for part in card.bins)
    if card.kind == "number":
        return BinValues("number", card.missing.points, tuple(part.upper for part in card.bins[:-1]), points)
    codes = {code: float(part.points) for part in card.bins for code in part.codes}
    return BinValues("category", card.missing.points, codes=codes, other=points[-1])


@dataclass(frozen=True)
class _Draft:
    """An input's bins before selection; the last bin is missing. Categories: `groups[i]` are the codes of bin i."""

    place: int
    edges: tuple[float, ...]
    groups: _Groups
    bin_of_row: NDArray[np.uint8]
    rows: Floats
    positives: Floats
    evidence: Floats
    information: float


def _draft(x: Floats, y: Floats, weight: Floats, spec: InputSpec, place: int) -> _Draft:
    missing = np.isnan(x)
    edges: tuple[float, ...] = ()
    groups: _Groups = ()
    if spec.kind == "category":
        groups, bin_of_row = _category_bins(x, y, weight, missing)
        bins = len(groups)
    else:
        edges = _number_edges(x[~missing])
        bin_of_row = np.searchsorted(edges, x, side="left")
        bins = len(edges) + 1
    bin_of_row = np.where(missing, bins, bin_of_row).astype(np.intp)
    if spec.monotone and spec.kind == "number":
        merged = pooled(bin_of_row, y, weight, bins, spec.monotone)
        edges = tuple(edge for edge, (a, b) in zip(edges, pairwise(merged), strict=False) if a != b)
        bin_of_row = np.append(merged, len(edges) + 1)[bin_of_row]
        bins = len(edges) + 1
    rows, positives = counts_by_bin(bin_of_row, y, weight, bins + 1)
    evidence = _evidence(rows, positives, float(np.average(y, weights=weight)))
    share_1 = positives / positives.sum()
    share_0 = (rows - positives) / (rows - positives).sum()
    # Without any relation the information value is not zero: on average one part per degree of freedom and class.
    noise = (np.count_nonzero(rows) - 1) * (1 / positives.sum() + 1 / (rows - positives).sum())
    information = float(np.sum((share_1 - share_0) * evidence) - 1.5 * noise)
    # A handful of bins: bytes, since there is one such column for each input.
    return _Draft(place, tuple(edges), groups, bin_of_row.astype(np.uint8), rows, positives, evidence, information)


def _fewest(rows: int) -> float:
    """Rows that earn a bin of their own: few, since a rare answer can be the strongest one, and small bins are pulled."""
    return min(20.0, max(5.0, 0.02 * rows))


def counts_by_bin(bin_of_row: NDArray[np.intp], y: Floats, weight: Floats, bins: int) -> tuple[Floats, Floats]:
    """Rows and conversions per bin, by weight."""
    rows = np.bincount(bin_of_row, weights=weight, minlength=bins)
    positives = np.bincount(bin_of_row, weights=weight * y, minlength=bins)
    return rows.astype(np.float64), positives.astype(np.float64)


def _evidence(rows: Floats, positives: Floats, rate: float) -> Floats:
    """Log-odds of each bin against everyone's, with `PULL` average rows added."""
    p = (positives + PULL * rate) / (rows + PULL)
    return logit(p) - math.log(rate / (1 - rate))


def _number_edges(seen: Floats) -> tuple[float, ...]:
    """Upper ends of all bins but the last: values that occur, at quantiles, with no bin too small to mean anything."""
    if not len(seen):
        return ()
    values, counts = np.unique(seen, return_counts=True)
    upto = np.cumsum(counts)
    least = _fewest(len(seen))
    edges: list[float] = []
    taken = 0.0
    for share in np.arange(1, MOST_BINS) / MOST_BINS:
        at = int(np.searchsorted(upto, share * len(seen)))
        # A heavy value (often zero) would hide what lies below it: it gets its own bin where there is room.
        for place in (at - 1, at) if at and counts[at] > len(seen) / MOST_BINS else (at,):
            if upto[place] - taken >= least and len(seen) - upto[place] >= least:
                edges.append(float(values[place]))
                taken = float(upto[place])
    return tuple(edges)


def _category_bins(x: Floats, y: Floats, weight: Floats, missing: NDArray[np.bool_]) -> tuple[_Groups, NDArray[np.intp]]:
    """Codes grouped by their rate, the rare ones and code 0 in the last group, which also takes what comes later."""
    codes = np.where(missing, 0, x).astype(np.intp)
    rows, positives = counts_by_bin(codes, y, weight * ~missing, 0)
    least = _fewest(len(x))
    often = [code for code in range(1, len(rows)) if rows[code] >= least]
    evidence = _evidence(rows, positives, float(np.average(y, weights=weight)))
    often.sort(key=lambda code: (float(evidence[code]), code))
    groups: list[list[int]] = []
    room = sum(rows[code] for code in often) / (MOST_BINS - 1)
    filled = math.inf
    for code in often:
        if filled + rows[code] / 2 > room or len(often) < MOST_BINS:
            groups.append([])
            filled = 0.0
        groups[-1].append(code)
        filled += rows[code]
    named = {code for group in groups for code in group}
    groups.append([code for code in range(len(rows)) if code not in named and (rows[code] or code == 0)])
    group_of = np.full(len(rows), len(groups) - 1, dtype=np.intp)
    for at, group in enumerate(groups):
        group_of[group] = at
    return tuple(tuple(group) for group in groups), group_of[codes]


def pooled(bin_of_row: NDArray[np.intp], y: Floats, weight: Floats, bins: int, direction: int, pull: float = PULL) -> NDArray[np.intp]:
    """New bin of each bin after neighbours whose evidence runs against the direction are pooled."""
    rows, positives = counts_by_bin(bin_of_row, y, weight, bins + 1)  # missing, the last, has no neighbours
    rate = float(np.average(y, weights=weight))
    blocks: list[tuple[float, float, int]] = []  # rows, positives, bins of a block

    def pulled(block: tuple[float, float, int]) -> float:
        # Raw rates in order can swap when a small bin is pulled: they are compared as they will be scored.
        return direction * (block[1] + pull * rate) / (block[0] + pull)

    for n, k in zip(rows[:-1].tolist(), positives[:-1].tolist(), strict=True):
        block = (n, k, 1)
        while blocks and pulled(blocks[-1]) >= pulled(block):
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    return np.repeat(np.arange(len(blocks)), [size for _, _, size in blocks])


def _select(evidence: Floats, y: Floats, weight: Floats) -> tuple[list[int], Floats]:
    """Columns to keep and their coefficients: the negative go first, then the least telling, one by one."""
    chosen, beta = list(range(evidence.shape[1])), None
    while chosen:
        beta = _regress(evidence, chosen, y, weight, beta)
        coefficients = beta[1:]
        if coefficients.min() < 0:
            out = int(np.argmin(coefficients))
        else:
            telling = coefficients * evidence[:, chosen].std(axis=0)
            out = int(np.argmin(telling))
            if len(chosen) <= MOST_INPUTS and telling[out] >= FACTOR / 2:  # below half a point it would round to nothing
                return chosen, np.minimum(coefficients, MOST_COEFFICIENT)
        chosen.pop(out)
        beta = np.delete(beta, 1 + out)
    return [], np.empty(0)


def _regress(Z: Floats, columns: list[int], y: Floats, weight: Floats, start: Floats | None) -> Floats:
    """Intercept and coefficients of a logistic regression on these columns, lightly pulled to zero."""
    return regress(lambda first, last: Z[first:last, columns], y, weight, np.ones(len(columns)), start)


def _card(draft: _Draft, per_bin: Floats, spec: InputSpec, weight: Floats) -> Card:
    mean = float(np.average(per_bin[draft.bin_of_row], weights=weight))
    importance = FACTOR * float(np.average(np.abs(per_bin[draft.bin_of_row] - mean), weights=weight))
    names = _category_labels(draft.groups, spec) if spec.kind == "category" else _number_labels(draft.edges)
    uppers = (*draft.edges, math.inf) if spec.kind == "number" else (math.inf,) * len(names)
    groups = draft.groups or ((),) * len(names)
    parts = [
        Bin(label, int(points), upper, codes, int(rows), float(positives / rows) if rows else None)
        for label, points, upper, codes, rows, positives in zip(
            [*names, "missing"], per_bin, [*uppers, math.inf], [*groups, ()], draft.rows, draft.positives, strict=True
        )
    ]
    return Card(spec.name, spec.kind, tuple(parts[:-1]), parts[-1], mean, importance)


def _declared_card(spec: InputSpec, entry: Mapping[str, Any]) -> Card:
    edges = [float(edge) for edge in entry["up_to"]]
    bins = tuple(
        Bin(label, int(points), upper)
        for label, points, upper in zip(_number_labels(edges), entry["points"], [*edges, math.inf], strict=True)
    )
    return Card(spec.name, spec.kind, bins, Bin("missing", 0), 0.0, FACTOR * float(np.ptp(entry["points"])) / 4)


def _number_labels(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["any"]
    between = [f"over {low:.6g} to {high:.6g}" for low, high in pairwise(edges)]
    return [f"up to {edges[0]:.6g}", *between, f"over {edges[-1]:.6g}"]


def _category_labels(groups: Sequence[Sequence[int]], spec: InputSpec) -> list[str]:
    def named(code: int) -> str:
        return spec.categories[code - 1] if 0 < code <= len(spec.categories) else f"code {code}"

    return [", ".join(named(code) for code in group) for group in groups[:-1]] + ["any other"]


def _card_json(card: Card) -> dict[str, Any]:
    bins = [_bin_json(part, card.kind) for part in card.bins]
    missing = _bin_json(card.missing, "")
    return {"input": card.name, "kind": card.kind, "mean": card.mean, "importance": card.importance, "bins": bins, "missing": missing}


def _bin_json(part: Bin, kind: str) -> dict[str, Any]:
    out: dict[str, Any] = {"label": part.label, "points": part.points, "rows": part.rows, "rate": part.rate}
    if kind == "number":
        out["up_to"] = part.upper if math.isfinite(part.upper) else None
    elif kind == "category":
        out["codes"] = list(part.codes)
    return out


def _card_from_json(item: Mapping[str, Any]) -> Card:
    bins = tuple(map(_bin_from_json, item["bins"]))
    uppers = [part.upper for part in bins]
    sound = bool(bins) and item["kind"] in ("number", "category") and uppers[-1] == math.inf
    if item["kind"] == "number":
        sound = sound and all(a < b for a, b in pairwise(uppers))
    if not sound or any(code < 0 for part in bins for code in part.codes):
        raise ValueError(f"{item['input']}: its bins do not follow each other")
    missing = _bin_from_json(item["missing"])
    return Card(str(item["input"]), str(item["kind"]), bins, missing, float(item["mean"]), float(item["importance"]))


def _bin_from_json(item: Mapping[str, Any]) -> Bin:
    upper = item.get("up_to")
    rate = item["rate"]
    return replace(
        Bin(str(item["label"]), int(item["points"]), rows=int(item["rows"]), rate=None if rate is None else float(rate)),
        upper=math.inf if upper is None else float(upper),
        codes=tuple(int(code) for code in item.get("codes", ())),
    )
