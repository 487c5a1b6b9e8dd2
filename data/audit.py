"""Who changed what: every change of policy, key and model, as rows that nothing here changes or deletes.

In: `note(connection, …)` within the transaction that makes the change, so that neither is kept without the other; a change
that another database holds (a model's promotion) notes itself right after. Out: `entries`, newest first. The detail never
holds a secret or anything about a lead.
"""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.schema import audit

if TYPE_CHECKING:
    from data.store import Store

__all__ = ["AuditEntry", "entries", "note", "whoever_is_here"]


@dataclass(frozen=True)
class AuditEntry:
    """One change."""

    sequence: int
    at: int
    actor: str
    """The prefix of the key that asked for it, `local`, or the user of the shell."""
    action: str
    subject: str
    detail: dict[str, Any]


def note(connection: Connection, actor: str, action: str, subject: object, **detail: object) -> None:
    """Adds an entry to the transaction under way; details that are None are left out."""
    told = {name: value for name, value in detail.items() if value is not None}
    connection.execute(
        audit.insert().values(
            at=time.time_ns() // 1000,
            actor=actor,
            action=action,
            subject=str(subject),
            detail=json.dumps(told, ensure_ascii=False, sort_keys=True),
        )
    )


def entries(
    store: Store, *, before: int | None = None, limit: int = 50, actions: Sequence[str] = (), subject: str | None = None
) -> list[AuditEntry]:
    """The newest entries, those before a place only; of these actions (`key` is all of `key.created`, `key.revoked`, …)."""
    wanted = sa.select(audit).order_by(audit.c.sequence.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(audit.c.sequence < before)
    if actions:
        kinds = (audit.c.action.startswith(f"{one}.", autoescape=True) for one in actions)
        wanted = wanted.where(sa.or_(audit.c.action.in_(actions), *kinds))
    if subject is not None:
        wanted = wanted.where(audit.c.subject == subject)
    with store.mapped(), store.reading() as connection:
        rows = connection.execute(wanted).mappings().all()
    return [AuditEntry(**(dict(row) | {"detail": json.loads(row["detail"])})) for row in rows]


def whoever_is_here() -> str:
    """Who sits at this shell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "command line"
