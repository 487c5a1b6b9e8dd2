"""The store as a project: what a CRM pushed, as the tables that training reads.

In: a store, a folder, and maybe a `tamiz.toml` that says what is not in the data (`[label]`, `[stages]`, `[leads]`, `[observations]`,
`[bant]`, `[topics]`). Out: the path of a `tamiz.toml` in that folder, beside Parquet files, to be read like any other project. All from
one state of the database, in bounded memory but for the fields of leads.

What was not known at an instant must not be seen from it: a value that was recorded late is dated by when it became what was known.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.errors import BadData
from data.schema import activities, feedback, lead_changes, leads, outcomes, stage_changes
from data.store import Store

__all__ = ["StoreEmpty", "known_since", "write_project"]

_ROWS = 20_000
_SECTIONS = ("leads", "activities", "stages", "label", "observations", "bant", "topics")
_EVENTS = {
    "activities": (activities, ()),
    "stage_changes": (stage_changes, ("recorded_at",)),
    "outcomes": (outcomes, ("recorded_at",)),
    "feedback": (feedback, ("feedback_id", "decision_id", "note", "author")),
}


class StoreEmpty(BadData):
    """The store holds no leads to train on: push them by `PUT /v1/leads/{{lead_id}}`, or name a project or a file."""


def write_project(store: Store, folder: Path, settings: Path | None = None) -> Path:
    """Writes the tables and the project file; its path. Raises StoreEmpty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, schema: pa.Schema, rows: Iterable[Sequence[Any]]) -> None:
        with pq.ParquetWriter(folder / f"{name}.parquet", schema) as writer:
            for part in _parts(rows):
                columns = zip(*part, strict=True)
                arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    instant, text = pa.timestamp("us", tz="UTC"), pa.string()
    kinds = {"BIGINT": instant, "DOUBLE": pa.float64(), "INTEGER": pa.bool_()}
    with store.mapped(), store.reading() as connection:
        fields = list(connection.execute(sa.select(lead_changes.c.field).distinct().order_by(lead_changes.c.field)).scalars())
        if connection.execute(sa.select(leads.c.lead_id).limit(1)).first() is None:
            raise StoreEmpty
        write("leads", pa.schema([("lead_id", text), *((name, text) for name in fields)]), _leads(connection, fields))
        changes = pa.schema([("lead_id", text), ("field", text), ("value", text), ("changed_at", instant)])
        write("lead_changes", changes, _changes(connection))
        for name, (table, unread) in _EVENTS.items():
            columns = [column for column in table.columns if column.name not in unread]
            schema = pa.schema([(column.name, kinds.get(str(column.type), text)) for column in columns])
            write(name, schema, connection.execution_options(yield_per=_ROWS).execute(sa.select(*columns)))
    path = folder / "tamiz.toml"
    path.write_text(_toml(settings), encoding="utf-8")
    return path


def known_since(rows: Iterable[tuple[int, int, str]]) -> list[tuple[int, str]]:
    """Of a field's values (changed_at, recorded_at, value) what was known of it, and since when.

    >>> known_since([(1, 1, "a"), (5, 5, "c"), (3, 9, "b")])
    [(1, 'a'), (5, 'c')]
    >>> known_since([(1, 1, "a"), (3, 9, "b")])
    [(1, 'a'), (9, 'b')]
    """
    told: list[tuple[int, str]] = []
    newest = -1
    for known, changed, value in sorted((max(changed, recorded), changed, value) for changed, recorded, value in rows):
        if changed > newest:
            newest = changed
            if told and told[-1][0] == known:
                told.pop()
            told.append((known, value))
    return told


def _parts(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Sequence[Any], ...]]:
    iterator = iter(rows)
    while part := tuple(row for row, _ in zip(iterator, range(_ROWS), strict=False)):
        yield part


def _leads(connection: Connection, fields: Sequence[str]) -> Iterator[Sequence[Any]]:
    wanted = sa.select(leads.c.lead_id, leads.c.attributes).order_by(leads.c.lead_id)
    for lead_id, attributes in connection.execution_options(yield_per=_ROWS).execute(wanted):
        values = msgspec.json.decode(attributes)
        yield (lead_id, *(_text(values.get(name)) for name in fields))


def _changes(connection: Connection) -> Iterator[Sequence[Any]]:
    """When a lead was created has no history: what is known of it now is true since then."""
    order = (lead_changes.c.lead_id, lead_changes.c.field, lead_changes.c.changed_at)
    told = sa.select(*order, lead_changes.c.recorded_at, lead_changes.c.value)
    wanted = told.where(lead_changes.c.field != "created_at").order_by(*order)
    rows = connection.execution_options(yield_per=_ROWS).execute(wanted)
    for (lead_id, field), history in groupby(rows, key=lambda row: (row.lead_id, row.field)):
        for since, value in known_since((row.changed_at, row.recorded_at, row.value) for row in history):
            yield lead_id, field, _text(msgspec.json.decode(value)), since


def _text(value: object) -> str | None:
    """A value as a text column holds it; training reads numbers and booleans from their words."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _toml(settings: Path | None) -> str:
    """The project file: our tables, and what another one says beside its own."""
    names = ("leads", "lead_changes", *_EVENTS)
    lines = ["[data]", *(f"{name} = \"SELECT * FROM '{name}.parquet'\"" for name in names)]
    given: dict[str, Any] = {}
    if settings is not None:
        given = tomllib.loads(settings.read_text(encoding="utf-8-sig"))
        kept = {name: given.get("data", {})[name] for name in ("missing", "max_bad_share") if name in given.get("data", {})}
        lines += [f"{name} = {json.dumps(value)}" for name, value in kept.items()]
    for section in _SECTIONS:
        if section in given:
            lines += [f"[{section}]", *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in given[section].items())]
    return "\n".join(lines) + "\n"
