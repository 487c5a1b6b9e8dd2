"""Who would enter and who would leave today's queues, if a policy were published instead of the one in force.

In: both policies and the store. Out: `Moves`: for each queue how many enter and leave, and the most probable of them by id (and by
name for who may read leads). Both policies decide on each lead as it stands now, from its last probability and the decision before;
in truth a lead moves when it is next scored. Leads that a person decided about stay where they are, capacity is not counted,
and what only a new score would know (a raised hand, silence) sets no rule off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import numpy as np

from data.queue_near import Near, leads_near, open_leads
from data.store import Store
from models.decision import DECISIONS, BantStatus, Outcome
from models.qualification import Facts, Policy, Thresholds, decide, decide_many

__all__ = ["Moves", "moves"]

MOST = 10_000
"""Leads between the thresholds that are looked at, the most probable first."""
SHOWN = 25
_MQL = DECISIONS.index("mql")
_NAMES = ("name", "job_title", "company", "country")


@dataclass(frozen=True)
class Moves:
    """What changes at once in one queue."""

    standing: int
    """Who is in the queue now (in MQL those in SQL are, too)."""
    enters: int = 0
    leaves: int = 0
    entering: list[dict[str, Any]] = field(default_factory=list)
    leaving: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = True
    """False where more leads stand between the thresholds than were looked at."""


class _Dimension(msgspec.Struct):
    status: str


class _Answer(msgspec.Struct):
    bant: dict[str, _Dimension | None] = msgspec.field(default_factory=dict)


_answer = msgspec.json.Decoder(_Answer)


def moves(store: Store, published: Policy, proposed: Policy, *, named: bool) -> dict[str, Moves]:
    """Of each queue, what moves."""
    stands = open_leads(store)
    inside = {"mql": stands.get("mql", 0) + stands.get("sql", 0), "sql": stands.get("sql", 0)}
    stretch = _between(published, proposed)
    near = leads_near(store, *stretch, MOST + 1) if stretch else []
    complete, near = len(near) <= MOST, near[:MOST]
    moved = list(zip(near, _decisions(published, near), _decisions(proposed, near), strict=True))
    return {queue: _of(queue, moved, inside[queue], named, complete) for queue in ("mql", "sql")}


def _of(queue: str, moved: list[tuple[Near, Outcome, Outcome]], standing: int, named: bool, complete: bool) -> Moves:
    line = DECISIONS.index(cast("Outcome", queue))
    entering = [(one, after) for one, before, after in moved if DECISIONS.index(before) < line <= DECISIONS.index(after)]
    leaving = [(one, after) for one, before, after in moved if DECISIONS.index(after) < line <= DECISIONS.index(before)]
    coming, going = ([_shown(one, after, named) for one, after in some[:SHOWN]] for some in (entering, leaving))
    return Moves(standing, len(entering), len(leaving), coming, going, complete)


def _shown(one: Near, after: Outcome, named: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"lead_id": one.lead_id, "probability": one.probability, "decision": after}
    if named:
        known = one.attribute()
        shown |= {name: known[name] for name in _NAMES if isinstance(known.get(name), str)}
    return shown


def _decisions(policy: Policy, near: list[Near]) -> list[Outcome]:
    """All at once under a plain policy that does not ask for BANT, one by one under any other."""
    if not near or not policy.plain or policy.sql.bant_met or policy.sql.bant_required:
        return [_decided(policy, one) for one in near]
    previous = np.array([DECISIONS.index(cast("Outcome", one.decision)) for one in near], np.int8)
    codes = decide_many(policy, np.array([one.probability for one in near]), previous=previous)
    return [DECISIONS[code] for code in codes.tolist()]


def _decided(policy: Policy, one: Near) -> Outcome:
    bant: dict[str, BantStatus] | None = None
    if any(band.sql.bant_met or band.sql.bant_required for band in _bands(policy)):
        dimensions = _answer.decode(one.answer).bant
        bant = {name: cast("BantStatus", found.status) for name, found in dimensions.items() if found is not None}
    attributes = one.attribute() if policy.segments else {}
    known = Facts(lead_id=one.lead_id, previous=cast("Outcome", one.decision), bant=bant, attributes=attributes)
    return decide(policy, one.probability, known).decision


def _between(published: Policy, proposed: Policy) -> tuple[float, float] | None:
    """The probabilities at which the two may decide otherwise; None where they are the same policy."""
    if published == proposed:
        return None
    ends = {"mql", "sql"}
    alike = published.model_copy(update={name: getattr(proposed, name) for name in ends}) == proposed
    bant = (published.sql.bant_met, published.sql.bant_required) == (proposed.sql.bant_met, proposed.sql.bant_required)
    if alike and bant:
        pairs = [(getattr(getattr(published, q), e), getattr(getattr(proposed, q), e)) for q in ("mql", "sql") for e in ("enter", "exit")]
        moved = [value for pair in pairs if pair[0] != pair[1] for value in pair]
        return min(moved), max(moved)
    return min(min(band.mql.exit, band.sql.exit) for policy in (published, proposed) for band in _bands(policy)), 1.0


def _bands(policy: Policy) -> list[Thresholds]:
    return [policy, *policy.segments, *(policy.experiment.arms if policy.experiment else ())]
