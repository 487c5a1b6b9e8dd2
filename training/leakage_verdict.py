"""What the audit says of an input: signs of different kinds, and the one verdict that they come to.

In: the signs that the other `leakage_*` files found, and figures. Out: a `Verdict`, the gravest sign first in its evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

__all__ = ["Judgement", "Sign", "Verdict", "verdict_of"]

Judgement = Literal["ok", "drift", "suspect", "blocked"]
GRAVEST_FIRST: tuple[Judgement, ...] = ("blocked", "suspect", "drift", "ok")


@dataclass(frozen=True)
class Verdict:
    """What the audit says of one input. `evidence` is for people, `figures` for the report's tables."""

    verdict: Judgement
    evidence: str
    figures: Mapping[str, float] = field(default_factory=dict)
    undated: tuple[str, ...] = ()
    """The columns behind it that have no date, where that is all it is accused of."""


@dataclass(frozen=True)
class Sign:
    """One reason for a judgement, as a sentence that a person can check."""

    judgement: Judgement
    sentence: str
    undated: tuple[str, ...] = ()


def verdict_of(signs: Sequence[Sign], figures: Mapping[str, float], otherwise: str) -> Verdict:
    """The gravest of the signs; `otherwise` is the evidence where there is none."""
    judgements = {sign.judgement for sign in signs}
    worst: Judgement = next((judgement for judgement in GRAVEST_FIRST if judgement in judgements), "ok")
    accusing = [sign for sign in signs if sign.judgement in ("blocked", "suspect")]
    undated = accusing[0].undated if accusing and all(sign.undated for sign in accusing) else ()
    ranked = sorted(signs, key=lambda sign: GRAVEST_FIRST.index(sign.judgement))
    evidence = " ".join(sign.sentence for sign in ranked) or otherwise
    return Verdict(worst, evidence, {key: float(value) for key, value in figures.items() if isfinite(value)}, undated)
