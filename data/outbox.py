"""Which decisions go to whom: endpoints, and the outbox of messages to them.

In: decisions that the ledger announced in its own transaction (`data/quick.py`), and endpoints with filters. Out: messages to
deliver, at least once each and in order for a lead and an endpoint: a message is given out once all earlier ones to that
endpoint about that lead have been delivered or given up. Instants are microseconds since 1970 UTC.

Announcements are taken away in the transaction that fills the outbox from them, whatever order transactions end in: a place in
the ledger up to which everything was passed on would miss an entry that became visible after a later one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.schema import announcements, decisions, endpoints, outbox
from data.store import Store, now

__all__ = ["GRADES", "Endpoint", "Filters", "Message", "MessageState", "Outbox"]

MessageState = Literal["waiting", "delivered", "dead"]
GRADES = ("A", "B", "C", "D")
TOGETHER = 500
KEPT = 7 * 86_400_000_000
"""How long it is remembered that a message was delivered; its content is forgotten at once."""
_FILL_LOCK = 7_264_902
"""Of PostgreSQL's advisory locks, the one that whoever fills the outbox holds: messages are numbered in the ledger's order."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Filters(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which decisions an endpoint hears of: all, or those of which all of this is true."""

    decisions: tuple[str, ...] = ()
    """The lead stands so now, or it stood so before: who follows MQLs has to hear of one that is none any more."""
    min_grade: str | None = None

    def want(self, decision: str, previous: str | None, grade: str | None) -> bool:
        """
        >>> Filters(("mql",)).want("nurture", "mql", "C"), Filters(("mql",)).want("nurture", None, "C")
        (True, False)
        >>> Filters(min_grade="B").want("mql", None, "A"), Filters(min_grade="B").want("mql", None, None)
        (True, False)
        """
        if self.decisions and decision not in self.decisions and previous not in self.decisions:
            return False
        return self.min_grade is None or (grade is not None and grade <= self.min_grade)


@dataclass(frozen=True)
class Endpoint:
    """Somebody's address, and the secret that our messages to it are signed with."""

    endpoint_id: str
    url: str
    secret: str
    filters: Filters
    note: str
    author: str
    created_at: int
    disabled_at: int | None = None


@dataclass(frozen=True)
class Message:
    """A message in the outbox."""

    sequence: int
    message_id: str
    endpoint_id: str
    lead_id: str
    body: bytes
    state: MessageState
    created_at: int
    due_at: int
    attempts: int
    leased_until: int | None
    delivered_at: int | None
    last_error: str | None


class _Graded(msgspec.Struct):
    grade: str | None = None


class _Envelope(msgspec.Struct):
    type: Literal["decision.made", "decision.changed"]
    timestamp: datetime
    data: msgspec.Raw


class Outbox:
    """The endpoints of an installation and what is on its way to them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # ------------------------------------------------------------------------------------------------------------- endpoints

    def add(self, one: Endpoint) -> None:
        with self.store.writing() as connection:
            connection.execute(endpoints.insert().values(asdict(one) | {"filters": _json(one.filters)}))

    def endpoints(self) -> list[Endpoint]:
        """Every endpoint, oldest first."""
        with self.store.mapped(), self.store.reading() as connection:
            return _endpoints(connection)

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        return next((one for one in self.endpoints() if one.endpoint_id == endpoint_id), None)

    def change(self, endpoint_id: str, *, url: str, filters: Filters, note: str, enabled: bool) -> Endpoint | None:
        """Another address, other filters, on or off; what waits for one that is off waits on. None where there is no such endpoint."""
        which = endpoints.c.endpoint_id == endpoint_id
        with self.store.writing() as connection:
            values = {"url": url, "filters": _json(filters), "note": note}
            connection.execute(sa.update(endpoints).where(which).values(values))
            if enabled:
                connection.execute(sa.update(endpoints).where(which).values(disabled_at=None))
            else:
                connection.execute(sa.update(endpoints).where(which, endpoints.c.disabled_at.is_(None)).values(disabled_at=now()))
            return next((one for one in _endpoints(connection) if one.endpoint_id == endpoint_id), None)

    def disable(self, endpoint_id: str) -> None:
        """An endpoint that said it is gone."""
        with self.store.writing() as connection:
            connection.execute(sa.update(endpoints).where(endpoints.c.endpoint_id == endpoint_id).values(disabled_at=now()))

    def remove(self, endpoint_id: str) -> bool:
        """Forgets an endpoint with everything that was on its way to it; False where there is none."""
        with self.store.writing() as connection:
            connection.execute(sa.delete(outbox).where(outbox.c.endpoint_id == endpoint_id))
            return connection.execute(sa.delete(endpoints).where(endpoints.c.endpoint_id == endpoint_id)).rowcount == 1

    # --------------------------------------------------------------------------------------------------- from the ledger to here

    def fill(self) -> bool:
        """Makes messages of some of what was announced; whether there may be more."""
        with self.store.mapped(), self.store.reading() as connection:
            if connection.execute(sa.select(announcements).limit(1)).first() is None:
                return False
        with self.store.writing() as connection:
            if not self.store.is_sqlite and not connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_FILL_LOCK))).scalar():
                return False
            found = connection.execute(_announced()).all()
            wanted = [one for one in _endpoints(connection) if one.disabled_at is None]
            at = now()
            rows = [row for entry in found for row in _messages(entry, wanted, at)]
            if rows:
                connection.execute(outbox.insert(), rows)
            connection.execute(sa.delete(announcements).where(announcements.c.decision_id.in_([entry.announced for entry in found])))
        return len(found) == TOGETHER

    # ------------------------------------------------------------------------------------------------------- from here to them

    def due(self, at: int) -> set[str]:
        """Endpoints for which something waits whose time has come."""
        wanted = sa.select(endpoints.c.endpoint_id).where(
            endpoints.c.disabled_at.is_(None),
            sa.exists().where(outbox.c.endpoint_id == endpoints.c.endpoint_id, outbox.c.state == "waiting", outbox.c.due_at <= at),
        )
        with self.store.mapped(), self.store.reading() as connection:
            return set(connection.execute(wanted).scalars())

    def claim(self, endpoint_id: str, limit: int, at: int, lease: int) -> list[Message]:
        """Messages that are this one's to deliver until `at + lease`, of each lead only the first that waits."""
        earlier = outbox.alias("earlier")
        behind = sa.exists().where(
            earlier.c.endpoint_id == outbox.c.endpoint_id,
            earlier.c.lead_id == outbox.c.lead_id,
            earlier.c.sequence < outbox.c.sequence,
            earlier.c.state == "waiting",
        )
        free = sa.or_(outbox.c.leased_until.is_(None), outbox.c.leased_until <= at)
        wanted = (
            sa.select(outbox)
            .where(outbox.c.endpoint_id == endpoint_id, outbox.c.state == "waiting", outbox.c.due_at <= at, free, ~behind)
            .order_by(outbox.c.due_at, outbox.c.sequence)
            .limit(limit)
            .with_for_update(skip_locked=True, of=outbox)
        )
        with self.store.writing() as connection:
            found = [_message(row) for row in connection.execute(wanted).mappings()]
            taken = sa.update(outbox).where(outbox.c.sequence.in_([one.sequence for one in found]))
            if found:
                connection.execute(taken.values(leased_until=at + lease))
        return [replace(one, leased_until=at + lease) for one in found]

    def delivered(self, one: Message, at: int) -> None:
        """It arrived: its content is not needed any more."""
        self._settle(one, {"state": "delivered", "delivered_at": at, "body": b"", "last_error": None})

    def failed(self, one: Message, error: str, *, again_at: int | None) -> None:
        """It did not arrive: it is tried again at an instant, or given up at None."""
        self._settle(one, {"last_error": error[:500]} | ({"state": "dead"} if again_at is None else {"due_at": again_at}))

    def _settle(self, one: Message, values: Mapping[str, Any]) -> None:
        held = (outbox.c.sequence == one.sequence, outbox.c.state == "waiting", outbox.c.leased_until == one.leased_until)
        with self.store.writing() as connection:
            connection.execute(sa.update(outbox).where(*held).values(leased_until=None, attempts=one.attempts + 1, **values))

    def replay(self, endpoint_id: str, message_ids: Sequence[str] | None = None) -> int:
        """Has messages that were given up delivered after all, all of them or those named; how many."""
        dead = sa.update(outbox).where(outbox.c.endpoint_id == endpoint_id, outbox.c.state == "dead")
        if message_ids is not None:
            dead = dead.where(outbox.c.message_id.in_(message_ids))
        with self.store.writing() as connection:
            return connection.execute(dead.values(state="waiting", attempts=0, due_at=now(), leased_until=None)).rowcount

    def messages(self, endpoint_id: str, state: MessageState | None = None, before: int | None = None, limit: int = 50) -> list[Message]:
        """The newest messages to an endpoint, newest first; those before a place only."""
        wanted = sa.select(outbox).where(outbox.c.endpoint_id == endpoint_id).order_by(outbox.c.sequence.desc()).limit(limit)
        if state is not None:
            wanted = wanted.where(outbox.c.state == state)
        if before is not None:
            wanted = wanted.where(outbox.c.sequence < before)
        with self.store.mapped(), self.store.reading() as connection:
            return [_message(row) for row in connection.execute(wanted).mappings()]

    def counts(self) -> dict[str, dict[str, int]]:
        """Of each endpoint, how many messages are in which state."""
        counted = sa.select(outbox.c.endpoint_id, outbox.c.state, sa.func.count()).group_by(outbox.c.endpoint_id, outbox.c.state)
        found: dict[str, dict[str, int]] = {}
        with self.store.mapped(), self.store.reading() as connection:
            for endpoint_id, state, count in connection.execute(counted):
                found.setdefault(endpoint_id, {})[state] = count
        return found

    def forget_old(self, at: int) -> None:
        """Delivered messages are forgotten after a week; what was given up stays until it is replayed or its endpoint removed."""
        with self.store.writing() as connection:
            connection.execute(sa.delete(outbox).where(outbox.c.state == "delivered", outbox.c.delivered_at < at - KEPT))


def _announced() -> sa.Select[Any]:
    """What was announced, in the ledger's order, with what the lead's entry before says."""
    older = decisions.alias("older")
    before = (
        sa.select(older.c.decision)
        .where(older.c.lead_id == decisions.c.lead_id, older.c.sequence < decisions.c.sequence)
        .order_by(older.c.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        sa.select(
            announcements.c.decision_id.label("announced"),
            decisions.c.decision_id,
            decisions.c.lead_id,
            decisions.c.decision,
            decisions.c.scored_at,
            decisions.c.answer,
            decisions.c.erased_at,
            before.label("before"),
        )
        .join_from(announcements, decisions, announcements.c.decision_id == decisions.c.decision_id, isouter=True)
        .order_by(decisions.c.sequence)
        .limit(TOGETHER)
    )


def _messages(entry: Any, wanted: Sequence[Endpoint], at: int) -> list[dict[str, Any]]:  # noqa: ANN401 - a row of `_announced`
    """A message for each endpoint that wants this decision.

    None of a lead that was erased meanwhile, and none where two processes that scored it at the same moment entered the same
    decision twice.
    """
    if entry.decision_id is None or entry.erased_at is not None or entry.before == entry.decision or not wanted:
        return []
    answer = bytes(entry.answer)
    grade = msgspec.json.decode(answer, type=_Graded).grade
    stamp = _EPOCH + timedelta(microseconds=entry.scored_at)
    kind: Literal["decision.made", "decision.changed"] = "decision.made" if entry.before is None else "decision.changed"
    body = msgspec.json.encode(_Envelope(kind, stamp, msgspec.Raw(answer)))
    return [
        {
            "message_id": f"msg_{entry.decision_id}_{one.endpoint_id}",
            "endpoint_id": one.endpoint_id,
            "lead_id": entry.lead_id,
            "body": body,
            "state": "waiting",
            "created_at": at,
            "due_at": at,
            "attempts": 0,
        }
        for one in wanted
        if one.filters.want(entry.decision, entry.before, grade)
    ]


def _endpoints(connection: Connection) -> list[Endpoint]:
    rows = connection.execute(sa.select(endpoints).order_by(endpoints.c.created_at, endpoints.c.endpoint_id)).mappings()
    return [Endpoint(**(dict(row) | {"filters": msgspec.json.decode(row["filters"], type=Filters)})) for row in rows]


def _message(row: Mapping[Any, Any]) -> Message:
    return Message(**(dict(row) | {"body": bytes(row["body"])}))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
