"""What a list shows beside a lead's score: who it is, and what sales said of it last.

In: names of leads. Out: what is held of each; a lead of which nothing is held is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from data.reviews import Feedback
from data.schema import feedback, leads
from data.store import Store

__all__ = ["attributes_of", "last_feedback"]


def attributes_of(store: Store, lead_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each lead's attributes as they are now; one that is only known by what it did has none."""
    wanted = sa.select(leads.c.lead_id, leads.c.attributes).where(leads.c.lead_id.in_(lead_ids))
    with store.mapped(), store.reading() as connection:
        return {row.lead_id: msgspec.json.decode(row.attributes) for row in connection.execute(wanted)}


def last_feedback(store: Store, lead_ids: Sequence[str]) -> dict[str, Feedback]:
    """What was said of each lead last, under whichever decision."""
    said = sa.select(feedback).where(feedback.c.lead_id.in_(lead_ids)).order_by(feedback.c.given_at, feedback.c.feedback_id)
    with store.mapped(), store.reading() as connection:
        return {row.lead_id: Feedback(**row._mapping) for row in connection.execute(said)}  # noqa: SLF001 - SQLAlchemy's name for a row as a mapping
