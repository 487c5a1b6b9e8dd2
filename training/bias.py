"""What a model estimates, where it can be known, and the weights that make worked leads stand for all.

In: decisions of sales with the chance that each came out as it did. Out: the observations of one side of those decisions,
weighted by the inverse of that chance (clipped, with a mean of one), or the reason why that side's conversion cannot be
identified. Rows are never drawn again and classes never weighted.

Three questions may be asked of a probability (the *estimand*): how likely a lead is to convert as sales goes on (`policy`),
if sales takes it up now (`worked`), if sales passes it over now (`alone`). The first is what labels show. The others
compare leads that sales chose with leads it did not, so without chance in the choice nothing in the data can answer them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BadUsage
from models.inputs import Floats
from training.metrics import auc, brier, log_loss

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ESTIMANDS", "Explored", "NotIdentifiable", "explored", "in_words", "inverse_propensity", "question_of", "weighted_figures"]

Ints = NDArray[np.int64]

ESTIMANDS: Mapping[str, str] = {
    "policy": "how likely a lead is to convert as sales goes on deciding",
    "worked": "how likely a lead is to convert if sales takes it up now",
    "alone": "how likely a lead is to convert if sales passes it over now",
}
CLIP = 20.0
"""The most that one row may count, in rows of middling weight: beyond, a few leads would decide."""
_FEWEST, _FEWEST_CONVERSIONS = 100, 20


class NotIdentifiable(BadUsage):
    """What was asked, {question}, is not identifiable from these data: {why}. Train without `--estimand`, and let sales draw
    lots for a share of the leads, with their propensity in the table `decisions`."""


@dataclass(frozen=True)
class Explored:
    """What the decisions allow to be known."""

    decisions: int
    """Mature ones on open leads."""
    by_chance: int
    """Those whose propensity lies strictly between 0 and 1."""
    why_not: Mapping[str, str]
    """`worked` and `alone` → why it is not identifiable; absent where it is."""

    def to_json(self, estimand: str) -> dict[str, Any]:
        """What `metrics.json` says of it."""
        sides = {name: {"identifiable": name not in self.why_not, "why_not": self.why_not.get(name)} for name in ("worked", "alone")}
        return {
            "name": estimand,
            "question": ESTIMANDS[estimand],
            "decisions": self.decisions,
            "by_chance": self.by_chance,
            **sides,
        }


def question_of(estimand: str) -> str:
    """The question that an estimand answers. Raises BadUsage for one that there is not."""
    if estimand not in ESTIMANDS:
        raise BadUsage(f"--estimand {estimand}: it is one of {', '.join(ESTIMANDS)}")
    return ESTIMANDS[estimand]


def explored(seen: pd.DataFrame | None) -> Explored:
    """What is identifiable from looks at decisions (`observe_decisions`); None is a table without any."""
    if seen is None or not len(seen):
        why = "the data do not say whom sales decided to work, nor how likely that was (table decisions)"
        return Explored(0, 0, {"worked": why, "alone": why})
    e, worked, y = (seen[name].to_numpy(np.float64) for name in ("propensity", "worked", "y"))
    chance = (e > 0) & (e < 1)
    if not chance.any():
        why = f"none of the {len(seen):,} decisions was left to chance: no propensity lies strictly between 0 and 1"
        return Explored(len(seen), 0, {"worked": why, "alone": why})
    why_not = {}
    for name, side in (("worked", chance & (worked > 0)), ("alone", chance & (worked == 0))):
        rows, positives = int(side.sum()), int(y[side].sum())
        if rows < _FEWEST or min(positives, rows - positives) < _FEWEST_CONVERSIONS:
            why_not[name] = (
                f"only {rows:,} leads of that side were decided by chance, and {positives:,} of them converted "
                f"(at least {_FEWEST} with {_FEWEST_CONVERSIONS} of either kind are needed)"
            )
    return Explored(len(seen), int(chance.sum()), why_not)


def inverse_propensity(propensity: Floats, worked: Floats, estimand: str) -> tuple[NDArray[np.bool_], Floats]:
    """Which decisions are of the estimand's side and could have been of the other, and what each of those counts.

    1 / P(it came out so), at most `CLIP` times the median, and scaled to a mean of one: self-normalised, so that a
    misjudged chance that is off by a factor everywhere changes nothing.
    """
    side = (worked > 0) if estimand == "worked" else (worked == 0)
    chance = propensity if estimand == "worked" else 1.0 - propensity
    usable = side & (propensity > 0) & (propensity < 1)
    if not usable.any():
        return usable, np.zeros(0)
    weight = 1.0 / np.maximum(chance[usable], 1e-9)
    weight = np.minimum(weight, CLIP * np.median(weight))
    return usable, weight / weight.mean()


def weighted_figures(y: Floats, p: Floats, margin: Floats, lead: Ints, weight: Floats, *, seed: int, resamples: int) -> dict[str, Any]:
    """Figures on the exploration share, as if every decision had gone that side; intervals resample leads."""
    _, code = np.unique(lead, return_inverse=True)
    rng = np.random.default_rng(seed)

    def figures(w: Floats) -> tuple[float, ...]:
        return auc(y, margin, w), log_loss(y, p, w), brier(y, p, w), float(np.average(y, weights=w)), float(np.average(p, weights=w))

    drawn = []
    for _ in range(resamples):
        w = weight * rng.poisson(1.0, int(code.max()) + 1)[code]
        if w[y > 0].sum() > 0 and w[y == 0].sum() > 0:
            drawn.append(figures(w))
    found: dict[str, Any] = {
        "rows": len(y),
        "effective_rows": float(weight.sum() ** 2 / (weight**2).sum()),
        "largest_weight": float(weight.max()),
    }
    for i, (name, value) in enumerate(zip(("auc", "log_loss", "brier", "observed", "promised"), figures(weight), strict=True)):
        found[name] = value
        found[f"{name}_ci"] = np.percentile([draw[i] for draw in drawn], [2.5, 97.5]).tolist() if drawn else [None, None]
    return found


def in_words(estimand: Mapping[str, Any]) -> list[str]:
    """What the report says about what was estimated, from the section `estimand` of `metrics.json`."""
    said = [f"What the probability means: {estimand['question']}."]
    if estimand["name"] != "policy":
        on = estimand.get("on_test")
        if on:
            said.append(
                f"Calibrated and measured on leads that were decided by chance ({estimand['by_chance']:,} decisions), each weighted by "
                f"the inverse of its chance; looks at everybody helped to rank. On test, promised {on['promised']:.1%} and observed "
                f"{on['observed']:.1%} ({on['rows']:,} leads that count as {on['effective_rows']:,.0f})."
            )
        return said
    reasons: dict[str, list[str]] = {}
    for name in ("worked", "alone"):
        if not estimand[name]["identifiable"]:
            reasons.setdefault(estimand[name]["why_not"], []).append(ESTIMANDS[name])
    for why, questions in reasons.items():
        said.append(f"Not identifiable: {', nor '.join(questions)}, because {why}.")
    open_to = [name for name in ("worked", "alone") if estimand[name]["identifiable"]]
    if open_to:
        said.append(f"Decisions were left to chance, so {' or '.join(f'--estimand {name}' for name in open_to)} can be asked for.")
    return said
