"""The leads of the demo: the newest of its simulated CRM, moved in time so that the simulation ends today, kept in the store.

In: the folder of the simulation, a store, and the present instant. Out: how many leads were kept; 0 where the store has leads already.
Rows count as recorded when they happened, as they would after an import; whoever serves the store scores them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from data.crm import ActivityRow, Crm, LeadPut, OutcomeRow, StageRow
from data.schema import leads
from data.store import Store

if TYPE_CHECKING:
    import duckdb

__all__ = ["keep_newest"]

DAY = 86_400_000_000
NEWEST_DAYS = 180
TOGETHER = 2_000
_DATED = frozenset({"employees", "job_title", "status"})
"""What `lead_changes` tells with its instant."""
_TIMES = {
    "leads": "created_at",
    "lead_changes": "changed_at",
    "activities": "occurred_at",
    "stage_changes": "entered_at",
    "outcomes": "converted_at",
}


def keep_newest(crm: Path, store: Store, now: int, say: Callable[[str], None] = lambda text: None) -> int:
    """Keeps the leads that are at most half a year old at the end of the simulation."""
    import duckdb

    with store.reading() as connection:
        if connection.execute(sa.select(leads.c.lead_id).limit(1)).first() is not None:
            return 0
    with duckdb.connect() as world:
        for table in _TIMES:
            world.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{str(crm / table).replace(chr(39), chr(39) * 2)}.parquet')")
        ((end,),) = world.execute("SELECT greatest(max(epoch_us(recorded_at)), max(epoch_us(occurred_at))) FROM activities").fetchall()
        shift = (now - end) // DAY * DAY  # whole days: what happened in the morning still did
        since = end - NEWEST_DAYS * DAY
        world.execute(f"CREATE VIEW newest AS SELECT lead_id FROM leads WHERE epoch_us(created_at) >= {since}")
        kept = Crm(store)
        puts = list(_puts(world, shift))
        for chunk in _chunks(puts):
            kept.put_leads(chunk)
        for name, rows, add in (
            ("activities", _activities(world, shift), kept.add_activities),
            ("stage changes", _stages(world, shift), kept.add_stage_changes),
            ("outcomes", _outcomes(world, shift), kept.add_outcomes),
        ):
            for chunk in _chunks(rows):
                add(chunk)
            say(f"{len(rows):,} {name}")
    return len({put.lead_id for put in puts})


def _rows(world: duckdb.DuckDBPyConnection, table: str, shift: int) -> Iterator[dict[str, Any]]:
    """A table's rows of the newest leads, without what is missing; their instants moved, in microseconds since 1970."""
    times = ", ".join(f"epoch_us({name}) + {shift} AS {name}" for name in _instants(world, table))
    found = world.execute(f"SELECT * REPLACE ({times}) FROM {table} SEMI JOIN newest USING (lead_id) ORDER BY {_TIMES[table]}")
    names = [str(column[0]) for column in found.description or ()]
    for row in found.fetchall():
        yield {name: value for name, value in zip(names, row, strict=True) if value is not None and value == value}  # NaN is missing


def _instants(world: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    described = world.execute(f"DESCRIBE {table}").fetchall()
    return [str(name) for name, kind, *_ in described if str(kind).startswith("TIMESTAMP")]


def _puts(world: duckdb.DuckDBPyConnection, shift: int) -> Iterator[LeadPut]:
    for row in _rows(world, "leads", shift):
        at = row["created_at"]
        values = {name: value for name, value in row.items() if name not in _DATED | {"lead_id"}}
        yield LeadPut(row["lead_id"], values | {"created_at": _written(at)}, at, at)
    for row in _rows(world, "lead_changes", shift):
        at, value = row["changed_at"], row.get("value")
        yield LeadPut(row["lead_id"], {row["field"]: float(value) if row["field"] == "employees" and value is not None else value}, at, at)


def _written(at: int) -> str:
    """An instant as a caller would write it."""
    return (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at)).isoformat()


def _activities(world: duckdb.DuckDBPyConnection, shift: int) -> list[ActivityRow]:
    known = ("channel", "url", "content", "campaign", "duration_seconds", "user_agent")
    return [
        ActivityRow(
            row["lead_id"], row["occurred_at"], row.get("recorded_at", row["occurred_at"]), row["type"], row.get("activity_id", ""),
            value=str(row["value"]) if "value" in row else None, automated=int(row["automated"]) if "automated" in row else None,
            **{name: row.get(name) for name in known},
        )
        for row in _rows(world, "activities", shift)
    ]  # fmt: skip


def _stages(world: duckdb.DuckDBPyConnection, shift: int) -> list[StageRow]:
    return [
        StageRow(row["lead_id"], at, row["stage"], at, row.get("owner"), row.get("amount"), row.get("reason"))
        for row in _rows(world, "stage_changes", shift)
        for at in [row["entered_at"]]
    ]


def _outcomes(world: duckdb.DuckDBPyConnection, shift: int) -> list[OutcomeRow]:
    return [
        OutcomeRow(row["lead_id"], at, at, row["kind"], row.get("amount"))
        for row in _rows(world, "outcomes", shift)
        for at in [row["converted_at"]]
    ]


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER))
