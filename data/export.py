"""Everything held on a lead, as JSON: what a person may ask to see.

In: a lead's id, or one that was merged into it. Out: bytes in pieces, so that a long story needs no more memory than a short
one. All from one state of the database. Instants are RFC 3339. None where nothing is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from data.crm import survivors
from data.schema import (
    activities,
    decisions,
    feedback,
    lead_changes,
    leads,
    merges,
    outbox,
    outcomes,
    overrides,
    stage_changes,
    stale,
    standings,
)
from data.store import Store

__all__ = ["export"]

_SECTIONS = (
    (leads, "recorded_at"),
    (lead_changes, "changed_at"),
    (activities, "occurred_at"),
    (stage_changes, "entered_at"),
    (outcomes, "converted_at"),
    (standings, "as_of"),
    (stale, "since"),
    (feedback, "given_at"),
    (overrides, "given_at"),
    (merges, "merged_at"),
    (decisions, "sequence"),
    (outbox, "sequence"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS = 500


def export(store: Store, lead_id: str) -> Iterator[bytes] | None:
    """The lead's whole file; None where nothing is held."""
    pieces = _pieces(store, lead_id)
    first = next(pieces, None)
    return None if first is None else _whole(first, pieces)


def _whole(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _pieces(store: Store, lead_id: str) -> Iterator[bytes]:
    with store.mapped(), store.reading() as connection:
        (one,) = survivors(connection, [lead_id])
        family = [one, *connection.execute(sa.select(merges.c.merged).where(merges.c.lead_id == one)).scalars()]
        if not any(
            connection.execute(sa.select(table.c.lead_id).where(table.c.lead_id.in_(family)).limit(1)).first() for table, _ in _SECTIONS
        ):
            return
        yield b'{"lead_id":' + msgspec.json.encode(one) + b',"also_known_as":' + msgspec.json.encode(family[1:])
        streaming = connection.execution_options(yield_per=_ROWS)
        for table, order in _SECTIONS:
            wanted = sa.select(table).where(table.c.lead_id.in_(family)).order_by(table.c[order])
            yield from _section(table, streaming.execute(wanted))
        yield b"}"


def _section(table: sa.Table, rows: sa.CursorResult[Any]) -> Iterator[bytes]:
    yield b',"' + table.name.encode() + b'":['
    between = b""
    for part in rows.partitions(_ROWS):
        yield between + b",".join(msgspec.json.encode({name: _told(name, value) for name, value in row._mapping.items()}) for row in part)  # noqa: SLF001 - SQLAlchemy's name for a row as a mapping
        between = b","
    yield b"]"


_JSON = {"attributes", "answer", "input", "moved", "detail", "body"}


def _told(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    if value is None:
        return None
    if isinstance(value, int) and (name.endswith(("_at", "_until")) or name in ("as_of", "since")):
        return _EPOCH + timedelta(microseconds=value)
    if name in _JSON:
        text = bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text.decode("utf-8", "replace")
        return msgspec.Raw(text)
    return value
