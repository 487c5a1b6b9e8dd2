"""Promotions and rollbacks that somebody asked for at the service, for whoever may move models to carry out.

In: what is wanted, by whom and why. Out: one request after the other to `tamiz pull --watch`, and what became of each. The service never
moves a model itself. Only one request waits at a time; one whose follower died is begun again after a quarter of an hour. Instants are
microseconds since 1970 UTC.
"""

from __future__ import annotations

import secrets
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from data.audit import note
from data.errors import TamizError
from data.schema import promotions
from data.store import Store, now

__all__ = ["Promotion", "PromotionKind", "PromotionState", "PromotionWaiting", "ask", "begin", "finish", "newest"]

PromotionKind = Literal["promote", "rollback"]
PromotionState = Literal["queued", "running", "done", "held", "failed"]
LEASE = 15 * 60 * 1_000_000
_UNDER_WAY = ("queued", "running")


class PromotionWaiting(TamizError, status=409, exit_code=1):
    """A {kind} that {author} asked for is {state}: one at a time. `tamiz pull --watch` carries it out."""


class Promotion(msgspec.Struct, frozen=True):
    """A request as it stands."""

    promotion_id: str
    kind: PromotionKind
    version: str | None
    author: str
    why: str
    state: PromotionState
    requested_at: int
    begun_at: int | None
    finished_at: int | None
    message: str | None


def ask(store: Store, kind: PromotionKind, version: str | None, *, author: str, why: str, actor: str) -> Promotion:
    """Queues a request; PromotionWaiting where one is under way already."""
    row: dict[str, Any] = {
        "promotion_id": f"pr_{secrets.token_hex(8)}", "kind": kind, "version": version, "author": author, "why": why, "state": "queued",
        "requested_at": now(), "begun_at": None, "finished_at": None, "message": None,
    }  # fmt: skip
    with store.alone() as connection:
        waiting = connection.execute(sa.select(promotions).where(promotions.c.state.in_(_UNDER_WAY))).mappings().first()
        if waiting is not None:
            raise PromotionWaiting(kind=waiting["kind"], author=waiting["author"], state=waiting["state"])
        connection.execute(promotions.insert().values(row))
        note(connection, actor, f"model.{kind}-asked", version or "previous", author=author, why=why or None, id=row["promotion_id"])
    return Promotion(**row)


def newest(store: Store, limit: int = 20) -> list[Promotion]:
    """The newest requests, newest first."""
    wanted = sa.select(promotions).order_by(promotions.c.requested_at.desc()).limit(limit)
    with store.mapped(), store.reading() as connection:
        return [Promotion(**row) for row in connection.execute(wanted).mappings()]


def begin(store: Store) -> Promotion | None:
    """The request that waits longest, now begun by the caller alone; None where none waits."""
    dead = sa.and_(promotions.c.state == "running", promotions.c.begun_at < now() - LEASE)
    waits = sa.or_(promotions.c.state == "queued", dead)
    wanted = sa.select(promotions).where(waits).order_by(promotions.c.requested_at).limit(1)
    with store.mapped(), store.reading() as connection:  # a look every few seconds takes no turn from those who write
        if connection.execute(wanted).first() is None:
            return None
    with store.alone() as connection:
        row = connection.execute(wanted).mappings().first()
        if row is None:
            return None
        begun = {"state": "running", "begun_at": now()}
        connection.execute(promotions.update().where(promotions.c.promotion_id == row["promotion_id"]).values(begun))
        return Promotion(**(dict(row) | begun))


def finish(store: Store, one: Promotion, state: PromotionState, message: str) -> None:
    """Writes down what became of it, and who asked for it in the audit."""
    done = promotions.update().where(promotions.c.promotion_id == one.promotion_id)
    with store.writing() as connection:
        connection.execute(done.values(state=state, finished_at=now(), message=message))
        note(connection, one.author, f"model.{one.kind}-{state}", one.version or "previous", message=message, id=one.promotion_id)
