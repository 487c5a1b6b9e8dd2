"""What other systems push to us: receivers with their secrets and mappings, and the inbox of what they took.

In: bodies as they came. Out: bodies to be understood, each until it was: kept before its sender is answered, the same body again
within a stretch of time only once, and forgotten but for its digest when it was understood. What could not be understood stays,
with the reason, until somebody has it tried again. Instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import sqlalchemy as sa

from data.schema import hooks, inbox
from data.store import RowRefused, Store, now

__all__ = ["Hook", "Hooks", "Received", "ReceivedState", "digest_of_secret"]

ReceivedState = Literal["waiting", "taken", "failed"]
KEPT = 7 * 86_400_000_000
"""How long it is remembered that something was understood."""


@dataclass(frozen=True)
class Hook:
    """A receiver: of its secret only the SHA-256 is here."""

    hook_id: str
    secret_sha256: str
    mapping: str
    note: str
    author: str
    created_at: int
    revoked_at: int | None = None


@dataclass(frozen=True)
class Received:
    """Something that was pushed to us."""

    digest: str
    hook_id: str
    body: bytes
    received_at: int
    due_at: int | None
    taken_at: int | None
    attempts: int
    error: str | None

    @property
    def state(self) -> ReceivedState:
        return "taken" if self.taken_at is not None else "failed" if self.due_at is None else "waiting"


def digest_of_secret(secret: str) -> str:
    """What is kept of a secret, and what it is found by: nobody's guess is compared with anything else."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Hooks:
    """The receivers of an installation and what they took."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, one: Hook) -> None:
        with self.store.writing() as connection:
            connection.execute(hooks.insert().values(asdict(one)))

    def hooks(self) -> list[Hook]:
        """Every receiver in force, oldest first."""
        wanted = sa.select(hooks).where(hooks.c.revoked_at.is_(None)).order_by(hooks.c.created_at, hooks.c.hook_id)
        with self.store.mapped(), self.store.reading() as connection:
            return [Hook(**row) for row in connection.execute(wanted).mappings()]

    def hook(self, hook_id: str) -> Hook | None:
        return next((one for one in self.hooks() if one.hook_id == hook_id), None)

    def by_secret(self, secret: str) -> Hook | None:
        """The receiver whose address this is."""
        wanted = sa.select(hooks).where(hooks.c.secret_sha256 == digest_of_secret(secret), hooks.c.revoked_at.is_(None))
        with self.store.mapped(), self.store.reading() as connection:
            row = connection.execute(wanted).mappings().first()
        return None if row is None else Hook(**row)

    def change(self, hook_id: str, *, mapping: str, note: str) -> Hook | None:
        """Another mapping, also for what waits; None where there is no such receiver."""
        which = (hooks.c.hook_id == hook_id, hooks.c.revoked_at.is_(None))
        with self.store.writing() as connection:
            connection.execute(sa.update(hooks).where(*which).values(mapping=mapping, note=note))
        return self.hook(hook_id)

    def revoke(self, hook_id: str) -> bool:
        """Ends a receiver; what it took already is understood all the same. False where there is none."""
        ended = sa.update(hooks).where(hooks.c.hook_id == hook_id, hooks.c.revoked_at.is_(None)).values(revoked_at=now())
        with self.store.writing() as connection:
            return connection.execute(ended).rowcount == 1

    # ------------------------------------------------------------------------------------------------------------ the inbox

    def receive(self, hook_id: str, body: bytes, at: int, *, within: int) -> bool:
        """Keeps a body, durably; False for one that came within the last `within` microseconds already."""
        names = [_digest(hook_id, body, at, within, back) for back in (0, 1)]
        recent = sa.select(inbox.c.digest).where(inbox.c.digest.in_(names), inbox.c.received_at > at - within)
        row = {"digest": names[0], "hook_id": hook_id, "body": body, "received_at": at, "due_at": at, "attempts": 0}
        try:
            with self.store.writing() as connection:
                if within and connection.execute(recent).first() is not None:
                    return False
                connection.execute(inbox.insert().values(row))
        except RowRefused:  # its double was a moment faster
            return False
        return True

    def claim(self, limit: int, at: int, lease: int) -> list[tuple[Received, str]]:
        """What waits to be understood, the oldest first, each with its mapping; nobody else gets it before `at + lease`."""
        wanted = (
            sa.select(inbox, hooks.c.mapping)
            .join(hooks, hooks.c.hook_id == inbox.c.hook_id)
            .where(inbox.c.due_at <= at)
            .order_by(inbox.c.due_at, inbox.c.digest)
            .limit(limit)
        )
        with self.store.mapped(), self.store.reading() as connection:
            if connection.execute(sa.select(inbox.c.digest).where(inbox.c.due_at <= at).limit(1)).first() is None:
                return []
        with self.store.writing() as connection:
            rows = connection.execute(wanted.with_for_update(skip_locked=True, of=inbox)).mappings().all()
            held = sa.update(inbox).where(inbox.c.digest.in_([row["digest"] for row in rows]))
            connection.execute(held.values(due_at=at + lease, attempts=inbox.c.attempts + 1))
        return [(_received({name: row[name] for name in inbox.columns.keys()}), row["mapping"]) for row in rows]  # noqa: SIM118 - names of columns

    def taken(self, digest: str, at: int, note: str | None = None) -> None:
        """It was understood: its content is not needed any more."""
        self._settle(digest, {"taken_at": at, "due_at": None, "body": b"", "error": note})

    def failed(self, digest: str, error: str, *, again_at: int | None) -> None:
        """It was not: it is tried again at an instant, or, at None, when somebody asks for it."""
        self._settle(digest, {"due_at": again_at, "error": error[:1_000]})

    def _settle(self, digest: str, values: Mapping[str, Any]) -> None:
        with self.store.writing() as connection:
            connection.execute(sa.update(inbox).where(inbox.c.digest == digest, inbox.c.taken_at.is_(None)).values(**values))

    def retry(self, hook_id: str) -> int:
        """Has what could not be understood tried again, with the mapping as it is now; how many."""
        failed = sa.update(inbox).where(inbox.c.hook_id == hook_id, inbox.c.due_at.is_(None), inbox.c.taken_at.is_(None))
        with self.store.writing() as connection:
            return connection.execute(failed.values(due_at=now(), attempts=0)).rowcount

    def received(self, hook_id: str, state: ReceivedState | None = None, before: int | None = None, limit: int = 50) -> list[Received]:
        """The newest that a receiver took, newest first; those from before an instant only."""
        wanted = sa.select(inbox).where(inbox.c.hook_id == hook_id).order_by(inbox.c.received_at.desc(), inbox.c.digest).limit(limit)
        if state is not None:
            wanted = wanted.where(*_in_state(state))
        if before is not None:
            wanted = wanted.where(inbox.c.received_at < before)
        with self.store.mapped(), self.store.reading() as connection:
            return [_received(row) for row in connection.execute(wanted).mappings()]

    def counts(self) -> dict[str, dict[str, int]]:
        """Of each receiver, how much is in which state."""
        state = sa.case((inbox.c.taken_at.is_not(None), "taken"), (inbox.c.due_at.is_(None), "failed"), else_="waiting").label("state")
        each = sa.select(inbox.c.hook_id, state).subquery()
        counted = sa.select(each.c.hook_id, each.c.state, sa.func.count()).group_by(each.c.hook_id, each.c.state)
        found: dict[str, dict[str, int]] = {}
        with self.store.mapped(), self.store.reading() as connection:
            for hook_id, name, count in connection.execute(counted):
                found.setdefault(hook_id, {})[name] = count
        return found

    def forget_old(self, at: int) -> None:
        """What was understood is forgotten after a week."""
        with self.store.writing() as connection:
            connection.execute(sa.delete(inbox).where(inbox.c.taken_at < at - KEPT))


def _in_state(state: ReceivedState) -> Sequence[sa.ColumnElement[bool]]:
    if state == "taken":
        return (inbox.c.taken_at.is_not(None),)
    return (inbox.c.taken_at.is_(None), inbox.c.due_at.is_(None) if state == "failed" else inbox.c.due_at.is_not(None))


def _digest(hook_id: str, body: bytes, at: int, within: int, back: int) -> str:
    """A name for a body within a stretch of time, or one so many stretches back; with no stretch, for this moment."""
    stretch = at // within - back if within else at - back
    return hashlib.sha256(f"{hook_id} {stretch} ".encode() + body).hexdigest()


def _received(row: Mapping[Any, Any]) -> Received:
    return Received(**(dict(row) | {"body": bytes(row["body"])}))
