"""What became of the leads that were decided about since an instant: passed on, accepted or rejected, converted.

In: the store and the instant an experiment began. Out: `Fate` for each lead. A lead's time runs from its first decision since then; what
happened before it counts for nothing, and so does a conversion later than the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from data.schema import decisions, feedback, leads, outcomes
from data.store import Store

__all__ = ["Fate", "fates_since"]

_DAY = 86_400_000_000


@dataclass(frozen=True)
class Fate:
    """One lead's."""

    lead_id: str
    first_at: int
    passed_on: bool
    attributes: str
    verdict: str | None
    """Sales' latest word: `accepted` or `rejected`."""
    converted: bool
    amount: float | None


def fates_since(store: Store, since: int, horizon_days: float | None) -> list[Fate]:
    """Of every lead that was decided about since then and still exists."""
    first = (
        sa.select(
            decisions.c.lead_id,
            sa.func.min(decisions.c.scored_at).label("first_at"),
            sa.func.max(sa.case((decisions.c.decision.in_(("mql", "sql")), 1), else_=0)).label("passed_on"),
        )
        .where(decisions.c.scored_at >= since)
        .group_by(decisions.c.lead_id)
        .subquery()
    )
    everyone = sa.select(first.c.lead_id, first.c.first_at, first.c.passed_on, leads.c.attributes).join(
        leads, leads.c.lead_id == first.c.lead_id, isouter=True
    )
    said = sa.select(feedback.c.lead_id, feedback.c.verdict).where(feedback.c.given_at >= since).order_by(feedback.c.given_at)
    won = (
        sa.select(outcomes.c.lead_id, outcomes.c.converted_at, outcomes.c.amount)
        .where(outcomes.c.converted_at >= since, outcomes.c.kind == "won")
        .order_by(outcomes.c.converted_at.desc())
    )
    with store.mapped(), store.reading() as connection:
        verdicts = dict(tuple(row) for row in connection.execute(said))
        conversions = {lead_id: (at, amount) for lead_id, at, amount in connection.execute(won)}
        rows = list(connection.execute(everyone))
    horizon = None if horizon_days is None else round(horizon_days * _DAY)
    found = []
    for lead_id, first_at, passed_on, attributes in rows:
        at, amount = conversions.get(lead_id, (None, None))
        inside = at is not None and at > first_at and (horizon is None or at <= first_at + horizon)
        found.append(
            Fate(lead_id, first_at, bool(passed_on), attributes or "{}", verdicts.get(lead_id), inside, amount if inside else None)
        )
    return found
