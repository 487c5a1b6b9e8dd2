"""What a new model does to the meaning of a threshold: who would cross it, which number would keep its volume, who moves and why.

In: the same leads under the champion and under the challenger, and the policy in force. Out: counts per threshold, a
quantile map with the policy that it would make (an offer: nothing is applied here), and the leads that move most, each with the
signals whose pull on the margin changed most. Probabilities tie, so a mapped threshold keeps its volume nearly, not exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.inputs import Floats
from models.logit import logit
from models.qualification import Band, Policy
from models.scoring import Scored

__all__ = ["Crossing", "Mover", "crossings", "mapped_policy", "movers", "quantile_map"]

SHARES = (0.01, 0.02, 0.05, 0.10, 0.20, 0.30, 0.50, 0.75)
_WHY = 3
_CLIP = 1e-6


@dataclass(frozen=True)
class Crossing:
    """One threshold, left at its number, under both models."""

    name: str
    threshold: float
    leads: int
    champion: int
    """Leads that reach it under the champion; likewise `challenger`."""
    challenger: int
    enter: int
    """Reach it under the challenger only."""
    leave: int
    mapped: float
    """The number that lets as many leads in as before."""
    kept: int
    """Leads that reach the mapped number under the challenger."""

    @property
    def change(self) -> float | None:
        """Relative change of the volume; None where nobody reached the threshold."""
        return None if not self.champion else self.challenger / self.champion - 1

    def as_json(self) -> dict[str, Any]:
        names = ("name", "threshold", "leads", "champion", "challenger", "enter", "leave", "mapped", "kept")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Mover:
    """A lead that the challenger sees otherwise."""

    lead_id: str
    before: float
    after: float
    decision_before: str
    decision_after: str
    why: tuple[dict[str, Any], ...] = ()
    """Signals whose pull changed most: {signal, sentence, change in log-odds}."""

    def as_json(self) -> dict[str, Any]:
        return {
            "lead_id": self.lead_id,
            "before": self.before,
            "after": self.after,
            "decision_before": self.decision_before,
            "decision_after": self.decision_after,
            "why": list(self.why),
        }


def crossings(policy: Policy, old: Floats, new: Floats) -> list[Crossing]:
    """The two thresholds at which leads enter a queue."""
    mapped = mapped_policy(policy, old, new)
    pairs = (("MQL", policy.mql.enter, mapped.mql.enter), ("SQL", policy.sql.enter, mapped.sql.enter))
    found = []
    for name, threshold, other in pairs:
        was, will = old >= threshold, new >= threshold
        before, after, enter, leave = (int(one.sum()) for one in (was, will, will & ~was, was & ~will))
        found.append(Crossing(name, threshold, len(old), before, after, enter, leave, other, int((new >= other).sum())))
    return found


def mapped_policy(policy: Policy, old: Floats, new: Floats) -> Policy:
    """The same policy with each threshold moved to where the challenger lets as many of these leads in as the champion did."""
    mql, sql = (_mapped(value, old, new) for value in (policy.mql.enter, policy.sql.enter))
    sql = max(mql, sql)
    leave = [min(enter, _mapped(value, old, new)) for enter, value in ((mql, policy.mql.exit), (sql, policy.sql.exit))]
    return policy.model_copy(
        update={
            "mql": Band(enter=mql, exit=leave[0]),
            "sql": type(policy.sql)(enter=sql, exit=leave[1], bant_met=policy.sql.bant_met, bant_required=policy.sql.bant_required),
        }
    )


def quantile_map(old: Floats, new: Floats) -> list[dict[str, float]]:
    """The probability at which each top share of the leads begins, under both models."""
    return [
        {"share": share, "champion": float(np.quantile(old, 1 - share)), "challenger": float(np.quantile(new, 1 - share))}
        for share in SHARES
    ]


def movers(
    lead_ids: Sequence[str], champion: Bundle, old: Scored, challenger: Bundle, new: Scored, policy: Policy, *, most: int
) -> list[Mover]:
    """Leads whose decision changes first, then those whose log-odds moved most."""
    before, after = old.decisions(policy, None, no_signal=champion.no_signal), new.decisions(policy, None, no_signal=challenger.no_signal)
    moved = np.abs(_logit(new.probability) - _logit(old.probability))
    order = np.lexsort((-moved, -(before != after).astype(np.int8)))
    picked = order[: max(most, 0)]
    picked = picked[(moved[picked] > _CLIP) | (before[picked] != after[picked])]
    from models.decision import DECISIONS

    why = _why(champion, old, challenger, new, picked)
    return [
        Mover(
            lead_ids[i],
            float(old.probability[i]),
            float(new.probability[i]),
            DECISIONS[int(before[i])],
            DECISIONS[int(after[i])],
            tuple(why[at]),
        )
        for at, i in enumerate(picked.tolist())
    ]


def _mapped(threshold: float, old: Floats, new: Floats) -> float:
    """The challenger's probability that lets as many in; one that nobody, or everybody, reaches has no such number and stays."""
    wanted = int((old >= threshold).sum())
    if not 0 < wanted < len(old):
        return threshold
    values, counts = np.unique(new, return_counts=True)
    reached = np.cumsum(counts[::-1])[::-1]
    # Down, never up: a digit too much would let nobody of a tied step in.
    return float(np.floor(values[int(np.argmin(np.abs(reached - wanted)))] * 1e6) / 1e6)


def _logit(p: Floats) -> Floats:
    return logit(np.clip(p, _CLIP, 1 - _CLIP))


def _why(champion: Bundle, old: Scored, challenger: Bundle, new: Scored, rows: NDArray[np.intp]) -> list[list[dict[str, Any]]]:
    """The pull of each input under the challenger less that under the champion, told as reasons are."""
    if old.contributions is None or new.contributions is None or not len(rows):
        return [[] for _ in rows]
    theirs = {one.name: i for i, one in enumerate(champion.encoder.inputs)}
    ours = {one.name: i for i, one in enumerate(challenger.encoder.inputs)}
    gained, lost = new.contributions[rows].copy(), -old.contributions[rows]
    for name, i in ours.items():
        if (at := theirs.get(name)) is not None:
            gained[:, i] += lost[:, at]
            lost[:, at] = 0.0
    told = zip(
        challenger.scorer.reasons.of(gained, new.X[rows], _WHY),
        champion.scorer.reasons.of(lost, old.X[rows], _WHY),
        strict=True,
    )
    return [
        [
            {"signal": one.signal, "sentence": one.sentence, "change": round(one.contribution, 4)}
            for one in sorted((*some, *others), key=lambda reason: -abs(reason.contribution))[:_WHY]
        ]
        for some, others in told
    ]
