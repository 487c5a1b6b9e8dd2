"""Secrets that an installation draws for itself, kept in its database, so that every copy of the service has them.

In: a name. Out: 32 bytes, drawn when they are first asked for and the same ever after.
"""

from __future__ import annotations

import secrets as random
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.schema import secrets

if TYPE_CHECKING:
    from data.store import Store

__all__ = ["secret", "secret_within"]


def secret(store: Store, name: str) -> bytes:
    """The secret of this name."""
    with store.mapped(), store.reading() as connection:
        found = _kept(connection, name)
    if found is not None:
        return found
    with store.alone() as connection:
        return secret_within(connection, name)


def secret_within(connection: Connection, name: str) -> bytes:
    """The same within a transaction beside which no other draws one."""
    found = _kept(connection, name)
    if found is None:
        found = random.token_bytes(32)
        connection.execute(secrets.insert().values(name=name, value=found.hex()))
    return found


def _kept(connection: Connection, name: str) -> bytes | None:
    value = connection.execute(sa.select(secrets.c.value).where(secrets.c.name == name)).scalar()
    return None if value is None else bytes.fromhex(value)
