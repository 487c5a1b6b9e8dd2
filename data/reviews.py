"""What people say of a decision: feedback from sales, and overrides, which hold instead of it.

In: what was said, by whom and when. Out: whether it was new; the same said twice is kept once. An override makes the lead wait
to be scored again, and so do feedback and its own end: it is lifted by a person, replaced by another one, or expires.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.crm import Override, Taken, mark_stale, survivors
from data.errors import BadUsage
from data.schema import decisions, feedback, leads, merges, overrides, standings
from data.store import Store

__all__ = ["DecisionUnknown", "Feedback", "LeadNotKnown", "expire", "feedback_of", "give_feedback", "lift", "override", "overrides_of"]


class LeadNotKnown(BadUsage, status=404):
    """There is no lead {lead_id!r}: `PUT /v1/leads/{{lead_id}}` or an activity makes one."""


class DecisionUnknown(BadUsage, status=422):
    """Lead {lead_id} has no decision {decision_id!r} in the ledger: leave it out for the one that holds."""


class NothingToLift(BadUsage, status=404):
    """No override of lead {lead_id} holds."""


class Feedback(msgspec.Struct, frozen=True):
    """What sales said of a lead, and of which decision."""

    feedback_id: str
    lead_id: str
    decision_id: str | None
    verdict: str
    reason: str | None
    note: str | None
    author: str
    given_at: int


def give_feedback(store: Store, given: Feedback, allow: Callable[[Connection, str], None] | None = None) -> tuple[Feedback, Taken]:
    """Keeps feedback as of the decision that it names, or else the one that holds. Raises LeadNotKnown, DecisionUnknown.

    `allow` may raise where such a thing cannot be said of the lead as it is; it is not asked of what was said before.
    """
    with store.writing_of_leads() as connection:
        one = _known(connection, given.lead_id)
        decision_id = given.decision_id
        if decision_id is None:
            decision_id = connection.execute(sa.select(standings.c.decision_id).where(standings.c.lead_id == one)).scalar()
        else:
            family = [one, *connection.execute(sa.select(merges.c.merged).where(merges.c.lead_id == one)).scalars()]
            whose = connection.execute(sa.select(decisions.c.lead_id).where(decisions.c.decision_id == decision_id)).scalar()
            if whose not in family:
                raise DecisionUnknown(lead_id=given.lead_id, decision_id=decision_id)
        said = (one, decision_id, given.verdict, given.reason, given.note, given.author)
        name = given.feedback_id or hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:32]
        before = connection.execute(sa.select(feedback).where(feedback.c.feedback_id == name)).first()
        if before is not None:
            return Feedback(**before._mapping), "known"  # noqa: SLF001 - SQLAlchemy's name for a row as a mapping
        if allow is not None:
            allow(connection, one)
        kept = Feedback(name, one, decision_id, given.verdict, given.reason, given.note, given.author, given.given_at)
        connection.execute(feedback.insert().values(msgspec.structs.asdict(kept)))
        mark_stale(connection, {one: given.given_at})
    return kept, "new"


def feedback_of(connection: Connection, lead_id: str) -> list[Feedback]:
    """What was said of a lead, oldest first."""
    wanted = sa.select(feedback).where(feedback.c.lead_id == lead_id).order_by(feedback.c.given_at, feedback.c.feedback_id)
    return [Feedback(**row._mapping) for row in connection.execute(wanted)]  # noqa: SLF001 - as above


def override(store: Store, given: Override) -> tuple[Override, Taken]:
    """Makes a person's decision hold instead of the model's; one that holds and says the same stays. Raises LeadNotKnown."""
    with store.writing_of_leads() as connection:
        one = _known(connection, given.lead_id)
        for held in _holding(connection, one, given.given_at):
            if (held.decision, held.author, held.reason, held.expires_at) == (given.decision, given.author, given.reason, given.expires_at):
                return held, "known"
        _lift(connection, one, given.given_at, given.author)
        kept = msgspec.structs.replace(given, override_id=str(uuid.uuid4()), lead_id=one)
        connection.execute(overrides.insert().values(msgspec.structs.asdict(kept)))
        mark_stale(connection, {one: given.given_at})
    return kept, "new"


def lift(store: Store, lead_id: str, *, at: int, author: str) -> Override:
    """Ends the override that holds; raises LeadNotKnown, NothingToLift."""
    with store.writing_of_leads() as connection:
        one = _known(connection, lead_id)
        held = _holding(connection, one, at)
        if not held:
            raise NothingToLift(lead_id=lead_id)
        _lift(connection, one, at, author)
        mark_stale(connection, {one: at})
    return msgspec.structs.replace(held[0], lifted_at=at, lifted_by=author)


def expire(store: Store, at: int) -> int:
    """Ends what has expired, so that those leads are scored again; how many."""
    over = sa.and_(overrides.c.lifted_at.is_(None), overrides.c.expires_at <= at)
    with store.mapped(), store.reading() as connection:  # nearly always there is nothing: nobody waits for that
        if connection.execute(sa.select(overrides.c.override_id).where(over).limit(1)).first() is None:
            return 0
    with store.writing_of_leads() as connection:
        ended = sa.update(overrides).where(over).values(lifted_at=overrides.c.expires_at, lifted_by="expired")
        leads_ = list(connection.execute(ended.returning(overrides.c.lead_id)).scalars())
        mark_stale(connection, dict.fromkeys(leads_, at))
    return len(leads_)


def overrides_of(connection: Connection, lead_id: str) -> list[Override]:
    """What people decided about a lead, oldest first."""
    wanted = sa.select(overrides).where(overrides.c.lead_id == lead_id).order_by(overrides.c.given_at, overrides.c.override_id)
    return [Override(**row._mapping) for row in connection.execute(wanted)]  # noqa: SLF001 - as above


def _known(connection: Connection, lead_id: str) -> str:
    (one,) = survivors(connection, [lead_id])
    if connection.execute(sa.select(leads.c.lead_id).where(leads.c.lead_id == one)).first() is None:
        raise LeadNotKnown(lead_id=lead_id)
    return one


def _holding(connection: Connection, lead_id: str, at: int) -> list[Override]:
    return [
        held for held in overrides_of(connection, lead_id) if held.lifted_at is None and (held.expires_at is None or held.expires_at > at)
    ]


def _lift(connection: Connection, lead_id: str, at: int, author: str) -> None:
    held = sa.and_(overrides.c.lead_id == lead_id, overrides.c.lifted_at.is_(None))
    connection.execute(sa.update(overrides).where(held).values(lifted_at=at, lifted_by=author))
