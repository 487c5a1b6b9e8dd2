"""What the monitor looks at, read from the store: recent inputs, decisions whose outcome is known, and what waits or has failed.

Out: plain values; instants are microseconds since 1970 UTC. Every read is bounded: samples are the newest of their kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from data.schema import activities, decisions, inbox, jobs, outbox, outcomes, promotions, stale, standings
from data.store import Store

__all__ = ["HealthRows", "Matured", "Waiting"]

DAY = 86_400_000_000
_ENTERED = "(previous_decision IS NULL OR previous_decision <> decision)"


@dataclass(frozen=True)
class Matured:
    """A lead's first decision, and when it was won after it."""

    probability: float
    as_of: int
    won_at: int | None
    model_version: str
    answer: bytes
    """Empty where it was pruned."""


@dataclass(frozen=True)
class Waiting:
    """What waits, and what has failed."""

    leads: int
    oldest_lead: int | None
    jobs: dict[str, int]
    """By state, of those created or finished within the time asked for; `with_failures` counts those with failed leads."""
    messages: dict[str, int]
    oldest_message: int | None
    """When the oldest one that waits was due."""
    unread: int
    last_swap: int | None
    """When a model was last promoted."""


class HealthRows:
    """Reads of one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def sent(self, since: int, limit: int) -> list[bytes]:
        """The newest inputs that came as a body, as the ledger holds them."""
        newest = sa.select(sa.func.max(decisions.c.sequence)).scalar_subquery()
        wanted = (
            sa.select(decisions.c.input)
            .where(decisions.c.sequence > newest - 20 * limit, decisions.c.origin.is_(None), decisions.c.scored_at >= since)
            .where(decisions.c.erased_at.is_(None))
            .order_by(decisions.c.sequence.desc())
            .limit(limit)
        )
        with self.store.mapped(), self.store.reading() as connection:
            return [found for value in connection.execute(wanted).scalars() if (found := bytes(value))]

    def scored(self, since: int, limit: int) -> list[str]:
        """The leads whose score is newest."""
        wanted = sa.select(standings.c.lead_id).where(standings.c.as_of >= since).order_by(standings.c.as_of.desc()).limit(limit)
        with self.store.mapped(), self.store.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def probabilities(self, limit: int) -> list[float]:
        """Of open leads, the most likely first."""
        closed = sa.exists().where(outcomes.c.lead_id == standings.c.lead_id)
        wanted = sa.select(standings.c.probability).where(~closed).order_by(standings.c.probability.desc()).limit(limit)
        with self.store.mapped(), self.store.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def matured(self, since: int, until: int, limit: int) -> list[Matured]:
        """First decisions of leads within a time, the newest; of leads that were closed by then a model promises nothing."""
        won = (
            sa.select(sa.func.min(outcomes.c.converted_at))
            .where(outcomes.c.lead_id == decisions.c.lead_id, outcomes.c.kind == "won", outcomes.c.converted_at > decisions.c.as_of)
            .scalar_subquery()
        )
        closed = sa.exists().where(outcomes.c.lead_id == decisions.c.lead_id, outcomes.c.converted_at <= decisions.c.as_of)
        columns = (decisions.c.probability, decisions.c.as_of, won.label("won_at"), decisions.c.model_version, decisions.c.answer)
        wanted = (
            sa.select(*columns)
            # In the words of the index of entries, so that it is used.
            .where(sa.text(_ENTERED), decisions.c.decision.in_(("nurture", "mql", "sql")))
            .where(decisions.c.previous_decision.is_(None), decisions.c.scored_at >= since, decisions.c.scored_at < until)
            .where(~closed)
            .order_by(decisions.c.scored_at.desc())
            .limit(limit)
        )
        with self.store.mapped(), self.store.reading() as connection:
            return [Matured(**(dict(row) | {"answer": bytes(row["answer"] or b"")})) for row in connection.execute(wanted).mappings()]

    def lags(self, leads: list[str], since: int) -> tuple[list[int], int | None]:
        """Of activities of these leads that were recorded of late: how much later than they happened; and when the last one came."""
        wanted = sa.select(activities.c.recorded_at, activities.c.occurred_at).where(
            activities.c.lead_id.in_(leads), activities.c.recorded_at >= since
        )
        with self.store.mapped(), self.store.reading() as connection:
            rows = connection.execute(wanted).all()
        return [recorded - occurred for recorded, occurred in rows], max((recorded for recorded, _ in rows), default=None)

    def waiting(self, since: int) -> Waiting:
        """Everything that waits or has failed."""
        recent = sa.or_(jobs.c.created_at >= since, jobs.c.finished_at >= since, jobs.c.finished_at.is_(None))
        with self.store.mapped(), self.store.reading() as connection:
            leads, oldest = connection.execute(sa.select(sa.func.count(), sa.func.min(stale.c.since))).one()
            states = connection.execute(sa.select(jobs.c.state, sa.func.count()).where(recent).group_by(jobs.c.state)).all()
            failures = connection.execute(sa.select(sa.func.count()).select_from(jobs).where(recent, jobs.c.failed > 0)).scalar_one()
            sent = connection.execute(
                sa.select(outbox.c.state, sa.func.count(), sa.func.min(outbox.c.due_at)).group_by(outbox.c.state)
            ).all()
            unread = sa.select(sa.func.count()).select_from(inbox)
            unread = unread.where(inbox.c.error.is_not(None), inbox.c.taken_at.is_(None), inbox.c.due_at.is_(None))
            failed = connection.execute(unread).scalar_one()
            swap = connection.execute(sa.select(sa.func.max(promotions.c.finished_at)).where(promotions.c.state == "done")).scalar()
        return Waiting(
            leads=int(leads),
            oldest_lead=oldest,
            jobs={str(state): int(count) for state, count in states} | {"with_failures": int(failures)},
            messages={str(state): int(count) for state, count, _ in sent},
            oldest_message=next((due for state, _, due in sent if state == "waiting"), None),
            unread=int(failed),
            last_swap=swap,
        )
