"""What moves leads and shows that somebody takes care of them, gathered from the store for `models/lifecycle.py`.

In: names of leads, and which activities are sales'. Out: of each its rows as the tables hold them, in no order: decisions where one
differs from the one before, what sales said, stages, outcomes and those activities. Of a lead of which nothing is known, empty lists.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import msgspec

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
    for lead_id, decisions, verdicts, stages, outcomes, touched, owner in read("course", as_json(touches), as_json(found)):
        found[lead_id] = Happened(
            _decisions(decisions or "[]"),
            _verdicts(verdicts or "[]"),
            _stages(stages or "[]"),
            _outcomes(outcomes or "[]"),
            _outcomes(touched or "[]"),
            owner,
        )
    return found


_decisions = msgspec.json.Decoder(list[tuple[int, str, str | None, str, str | None]]).decode
_verdicts = msgspec.json.Decoder(list[tuple[int, str, str | None, str]]).decode
_stages = msgspec.json.Decoder(list[tuple[int, str, str | None, str | None]]).decode
_outcomes = msgspec.json.Decoder(list[tuple[int, str]]).decode
