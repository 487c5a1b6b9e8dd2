"""What moves leads and shows that somebody takes care of them, gathered from the store for `models/lifecycle.py`.

In: names of leads, and which activities are sales'. Out: of each its rows as the tables hold them, in no order: decisions where one
differs from the one before, what sales said, stages, outcomes and those activities. Of a lead of which nothing is known, empty lists.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.crm import Reader, as_json
from data.store import Store

__all__ = ["Happened", "happened", "happened_to"]


@dataclass
class Happened:
    """Rows of one lead; instants in microseconds since 1970 UTC."""

    decisions: list[tuple[int, str, str | None, str, str | None]] = field(default_factory=list)
    """Instant, decision, the one before, version of the policy, and the rule that took the lead back, if one did."""
    verdicts: list[tuple[int, str, str | None, str]] = field(default_factory=list)
    """Instant, verdict, reason, author."""
    stages: list[tuple[int, str, str | None, str | None]] = field(default_factory=list)
    """Instant, stage, reason, owner."""
    outcomes: list[tuple[int, str]] = field(default_factory=list)
    touches: list[tuple[int, str]] = field(default_factory=list)
    owner: str | None = None
    """As the lead's own attribute says it."""


def happened(store: Store, lead_ids: Collection[str], touches: Sequence[str]) -> dict[str, Happened]:
    """Of each lead, from one state of the database."""
    if not lead_ids:
        return {}
    with store.mapped(), store.reading() as connection:
        return happened_to(Reader(connection), lead_ids, touches)


def happened_to(read: Reader, lead_ids: Collection[str], touches: Sequence[str]) -> dict[str, Happened]:
    """The same on a connection that is open already."""
    found = {one: Happened() for one in lead_ids}
    names = as_json(found)
    rows: list[Any]
    for lead_id, *rows in read("course decisions", names):
        found[lead_id].decisions.append((rows[0], rows[1], rows[2], rows[3], rows[4]))
    for lead_id, *rows in read("course verdicts", names):
        found[lead_id].verdicts.append((rows[0], rows[1], rows[2], rows[3]))
    for lead_id, *rows in read("course stages", names):
        found[lead_id].stages.append((rows[0], rows[1], rows[2], rows[3]))
    for lead_id, *rows in read("course outcomes", names):
        found[lead_id].outcomes.append((rows[0], rows[1]))
    for lead_id, owner in read("course owners", names):
        found[lead_id].owner = owner
    if touches:
        for lead_id, *rows in read("course touches", names, as_json(touches)):
            found[lead_id].touches.append((rows[0], rows[1]))
    return found
