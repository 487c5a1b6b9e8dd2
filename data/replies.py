"""What calls with an Idempotency-Key were answered, where the ledger does not keep it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from data.schema import replies
from data.store import RowRefused, Store, now

__all__ = ["Reply", "keep_reply", "reply_to"]


@dataclass(frozen=True)
class Reply:
    """An answer, and the hash of the call that it was given to."""

    request_hash: str
    answer: bytes


def reply_to(store: Store, key: str) -> Reply | None:
    """What this key was answered; None if nothing."""
    with store.mapped(), store.reading() as connection:
        row = connection.execute(sa.select(replies.c.request_hash, replies.c.answer).where(replies.c.idempotency_key == key)).first()
    return None if row is None else Reply(row.request_hash, bytes(row.answer))


def keep_reply(store: Store, key: str, reply: Reply, lead_id: str) -> None:
    """Keeps an answer about a lead; the first that was kept stays."""
    row = {"idempotency_key": key, "request_hash": reply.request_hash, "lead_id": lead_id, "answer": reply.answer, "kept_at": now()}
    try:
        with store.writing() as connection:
            connection.execute(replies.insert().values(row))
    except RowRefused:
        return  # another process answered the same call at the same moment, and alike
