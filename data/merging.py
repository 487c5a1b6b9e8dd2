"""Two records of one person become one: what belonged to either belongs to the one that stays, once.

In: the lead that stays, and the one that ceases to be; either may have been merged before. Out: what was moved. From then on
the other id stands for the lead that stays, everywhere and for rows that come late, too.

The laws: an activity that both have under one `activity_id` counts once, and what the staying lead held of it stays, because
its scores were made from that; of a field's values the newest holds. What comes from the other record was not known *of this
lead* before they were merged: those rows count as recorded then, so that no look at an earlier instant changes by it.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.crm import Reader, hear_of, histories_of, mark_stale, set_current, survivors
from data.errors import BadUsage
from data.schema import (
    activities,
    feedback,
    lead_changes,
    leads,
    merges,
    outcomes,
    overrides,
    replies,
    stage_changes,
    stale,
    standings,
)
from data.store import Store

__all__ = ["BothUnknown", "Merge", "merge", "merges_of"]

_DATED = (lead_changes, activities, stage_changes, outcomes)
_GIVEN = (feedback, overrides, replies)
"""What people said of either is said of the one."""


class MergedWithItself(BadUsage, status=422):
    """Lead {lead_id} cannot be merged with itself: name two."""


class BothUnknown(BadUsage, status=404):
    """There is no lead {lead_id!r} and no lead {merged!r}: at least one of those to merge has to be known."""


@dataclass(frozen=True)
class Merge:
    """Two leads that became one."""

    merge_id: str
    lead_id: str
    merged: str
    merged_at: int
    author: str
    moved: dict[str, int]
    """Rows that the lead has gained, by table."""
    known: bool = False
    """Whether they were one already: then this tells of how it came."""


def merge(store: Store, lead_id: str, merged: str, *, at: int, author: str) -> Merge:
    """Makes `merged` part of `lead_id`, in one transaction. Raises MergedWithItself, BothUnknown."""
    if lead_id == merged:
        raise MergedWithItself(lead_id=lead_id)
    with store.writing_of_leads(alone=True) as connection:
        into, other = survivors(connection, [lead_id, merged])
        if into == other:
            return _before(connection, into, lead_id, merged)
        known = set(connection.execute(sa.select(leads.c.lead_id).where(leads.c.lead_id.in_((into, other)))).scalars())
        if not known:
            raise BothUnknown(lead_id=lead_id, merged=merged)
        hear_of(connection, {into: at})
        moved = {table.name: _move(connection, table, other, into, at) for table in _DATED}
        for table in _GIVEN:
            moved[table.name] = connection.execute(sa.update(table).where(table.c.lead_id == other).values(lead_id=into)).rowcount
        del moved[replies.name]
        for table in (leads, standings, stale):
            connection.execute(sa.delete(table).where(table.c.lead_id == other))
        # What was merged into the other before belongs to this one now: every merge stays one step long.
        connection.execute(sa.update(merges).where(merges.c.lead_id == other).values(lead_id=into))
        done = Merge(str(uuid.uuid4()), into, other, at, author, moved)
        connection.execute(merges.insert().values(_row(done)))
        set_current(connection, {into: histories_of(Reader(connection), [into]).get(into, {})})
        mark_stale(connection, {into: at})
    return done


def merges_of(connection: Connection, lead_id: str) -> list[Merge]:
    """What was merged into a lead, oldest first."""
    wanted = sa.select(merges).where(merges.c.lead_id == lead_id).order_by(merges.c.merged_at, merges.c.merged)
    return [_read(row) for row in connection.execute(wanted)]


def _move(connection: Connection, table: sa.Table, other: str, into: str, at: int) -> int:
    """Moves the rows that the staying lead does not have by their key, and drops the others; how many were moved."""
    theirs = table.alias("theirs")
    key = [column.name for column in table.primary_key if column.name != "lead_id"]
    has = sa.exists().where(theirs.c.lead_id == into, *(theirs.c[name] == table.c[name] for name in key))
    later = sa.case((table.c.recorded_at < at, at), else_=table.c.recorded_at)
    mine = table.c.lead_id == other
    moved = connection.execute(sa.update(table).where(mine, ~has).values(lead_id=into, recorded_at=later)).rowcount
    connection.execute(sa.delete(table).where(mine))
    return moved


def _before(connection: Connection, into: str, lead_id: str, merged: str) -> Merge:
    """How two leads that are one became so."""
    named = merges.c.merged.in_((lead_id, merged))
    row = connection.execute(sa.select(merges).where(named).order_by(merges.c.merged == merged, merges.c.merged_at)).all()[-1]
    assert row.lead_id == into
    return _read(row, known=True)


def _row(done: Merge) -> dict[str, object]:
    told = asdict(done) | {"moved": json.dumps(done.moved)}
    return {column.name: told[column.name] for column in merges.columns}


def _read(row: sa.Row[tuple[object, ...]], *, known: bool = False) -> Merge:
    told = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's name for a row as a mapping
    return Merge(**(told | {"moved": json.loads(told["moved"]), "known": known}))
