"""Leads whose decision may change with the thresholds: those that stand between the old ones and the new.

In: a stretch of probabilities and how many leads at most. Out: what a policy needs to know of each, the most probable first: its
decision, its probability, its attributes and its answer, without those whose decision a person made and those disqualified.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from data.crm import Json
from data.schema import leads, overrides, standings
from data.store import Store

__all__ = ["Near", "leads_near", "open_leads"]


@dataclass(frozen=True)
class Near:
    """A lead as it stands."""

    lead_id: str
    decision: str
    probability: float
    attributes: Json
    answer: Json

    def attribute(self) -> dict[str, object]:
        """Its current values."""
        return msgspec.json.decode(self.attributes, type=dict[str, object])


def leads_near(store: Store, low: float, high: float, most: int) -> list[Near]:
    """The leads with a probability from `low` to below `high`, or 1 where `high` is."""
    below = standings.c.probability <= high if high >= 1 else standings.c.probability < high
    decided = sa.exists().where(overrides.c.lead_id == standings.c.lead_id, overrides.c.lifted_at.is_(None))
    chosen = (
        sa.select(standings.c.lead_id, standings.c.decision, standings.c.probability, leads.c.attributes, standings.c.answer)
        .join(leads, leads.c.lead_id == standings.c.lead_id)
        .where(standings.c.probability >= low, below, standings.c.decision != "disqualified", ~decided)
        .order_by(standings.c.probability.desc(), standings.c.lead_id)
        .limit(most)
    )
    with store.mapped(), store.reading() as connection:
        return [Near(*row) for row in connection.execute(chosen)]


def open_leads(store: Store) -> dict[str, int]:
    """How many leads stand at each decision."""
    counted = sa.select(standings.c.decision, sa.func.count()).group_by(standings.c.decision)
    with store.mapped(), store.reading() as connection:
        return dict(tuple(row) for row in connection.execute(counted))
