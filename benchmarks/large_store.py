"""A store of hundreds of thousands of leads and millions of activities, filled in minutes.

In: a folder, and how many of each. Out: in `small`, an installation with a simulated CRM of a fortieth of the leads, a model trained on
it, and three rounds of decisions (100, 45 and 10 days ago, entered through the service's own code), verdicts of sales among them; and
`copied`, which writes every row of that store forty times over into the tables of another one, each time under other names, other
companies and other decision ids. The simulated time ends now. What a copy holds is therefore what the API would have kept, but for leads
that wait to be scored again: there are none.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import sqlalchemy as sa

import data.store
from benchmarks.promise import Clock, micros
from data.crm import ActivityRow, Crm, LeadPut, OutcomeRow, StageRow
from data.schema import metadata
from data.store import Store

__all__ = ["COPIES", "copied", "made"]

COPIES = 40
DAY = 86_400_000_000
LIVED_DAYS = (100, 45, 10)
_STAMPS = {"activities": "recorded_at", "lead_changes": "changed_at", "stage_changes": "entered_at", "outcomes": "converted_at"}
_COPIED = ("runtimes", "leads", "lead_changes", "activities", "stage_changes", "outcomes", "feedback", "decisions", "standings")
_NAMED = frozenset({"account", "attributes", "value", "input", "answer"})
"""Columns in which companies are named."""
_CHUNK = 5_000
_PART = 32 << 20


def made(folder: Path, leads: int, activities: int, say: Callable[[str], None]) -> Path:
    """The small installation; nothing is done where it is there already."""
    home = folder / "small"
    if (folder / "small.done").exists():
        return home
    say(f"simulating {leads:,} leads and training on them")
    tables = _world(folder / "world", leads, activities)
    _trained(folder / "world" / "tamiz.toml", home)
    say("living them")
    asyncio.run(_lived(home, tables))
    (folder / "small.done").touch()
    return home


def copied(small: Path, store: Store, say: Callable[[str], None]) -> dict[str, int]:
    """Writes everything `COPIES` times; how many rows of each table there are."""
    counts = {}
    base = Store.open(small)
    with base.reading() as connection:
        for name in _COPIED:
            table = metadata.tables[name]
            columns = [column.name for column in table.columns if column.name != "sequence"]
            order = table.c.sequence if "sequence" in table.c else sa.text(", ".join(column.name for column in table.primary_key))
            rows = [tuple(row) for row in connection.execute(sa.select(*(table.c[one] for one in columns)).order_by(order))]
            times = 1 if name == "runtimes" else COPIES
            if not _holds(store, table):  # one that was broken off goes on with the next table
                _write(store, name, columns, _copies(rows, columns, times, by_row=name == "decisions"))
            counts[name] = len(rows) * times
            say(f"{counts[name]:,} {name}")
    base.close()
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")  # both databases do so by themselves, but later
    return counts


# --------------------------------------------------------------------------------------------------- the small installation


def _world(folder: Path, leads: int, activities: int) -> dict[str, pd.DataFrame]:
    """The simulated tables, thinned to so many activities, with the present as their end; the files are written likewise."""
    from data.synthetic import simulate

    simulate(folder, leads=leads, seed=1)
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("leads", *_STAMPS)}
    kept = np.sort(np.random.default_rng(1).permutation(len(tables["activities"]))[:activities])
    tables["activities"] = tables["activities"].iloc[kept]
    text = (folder / "tamiz.toml").read_text()
    until = pd.Timestamp(re.search(r"^until\s*= (\S+)", text, re.MULTILINE)[1])  # type: ignore[index]  # `tamiz simulate` writes it
    present = pd.Timestamp.now("UTC").floor("s")
    for name, frame in tables.items():
        for column in frame.columns[[isinstance(kind, pd.DatetimeTZDtype) for kind in frame.dtypes]]:
            frame[column] += present - until
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "tamiz.toml").write_text(re.sub(r"^until.*$", f"until = {present:%Y-%m-%dT%H:%M:%SZ}", text, flags=re.MULTILINE))
    return tables


def _trained(project: Path, root: Path) -> None:
    from data.home import Home
    from training.dataset import from_project
    from training.train import Options, train

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    home = Home(root)
    home.create()
    bundle = train(lambda said: from_project(project, seed=1, say=said), home, Options(seed=1, quick=True)).folder
    (root / "bundles" / "champion.json").write_text(json.dumps({"bundle": bundle.name}))


async def _lived(home: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Everything is kept as if it had been told when it happened, and decided on at three instants."""
    from data.reviews import Feedback, give_feedback
    from serving.app import create_app
    from serving.decider import Stood
    from serving.rescoring import TOGETHER, score_leads
    from serving.settings import Settings

    present, draw = data.store.now(), random.Random(1)
    clock, app = Clock(present), create_app(Settings(home, auth="dev", worker="beside"))
    async with app.router.lifespan_context(app):
        service = app.state.service
        _keep(service.crm, tables)
        created = dict(zip(tables["leads"]["lead_id"], micros(tables["leads"]["created_at"]), strict=True))
        with patch.object(data.store, "time", clock):
            for days in LIVED_DAYS:
                clock.at = present - days * DAY
                known = sorted(one for one, at in created.items() if at < clock.at)
                handed = []
                for start in range(0, len(known), TOGETHER):
                    stood = await score_leads(service, known[start : start + TOGETHER])
                    handed += [one.decision.lead_id for one in stood if isinstance(one, Stood) and one.decision.decision in ("mql", "sql")]
                for one in draw.sample(handed, len(handed) // 2):
                    verdict, reason = ("rejected", "no_budget") if draw.random() < 0.4 else ("accepted", None)
                    give_feedback(service.store, Feedback("", one, None, verdict, reason, None, "ana", clock.at + DAY))


def _keep(crm: Crm, tables: dict[str, pd.DataFrame]) -> None:
    dated = {"employees", "job_title", "status"}
    puts = [
        LeadPut(row["lead_id"], {name: value for name, value in row.items() if name not in dated}, at, at)
        for row, at in zip(_plain(tables["leads"]), micros(tables["leads"]["created_at"]).tolist(), strict=True)
    ]
    changes = tables["lead_changes"]
    for row, at in zip(_plain(changes), micros(changes["changed_at"]).tolist(), strict=True):
        value = row.get("value")
        puts.append(LeadPut(row["lead_id"], {row["field"]: float(value) if row["field"] == "employees" and value else value}, at, at))
    _in_parts(crm.put_leads, puts)
    for name, kind, adds in (
        ("activities", ActivityRow, crm.add_activities),
        ("stage_changes", StageRow, crm.add_stage_changes),
        ("outcomes", OutcomeRow, crm.add_outcomes),
    ):
        frame, happened = tables[name], {"activities": "occurred_at"}.get(name, _STAMPS[name])
        both = zip(micros(frame[happened]).tolist(), micros(frame[_STAMPS[name]]).tolist(), strict=True)
        fields = set(kind.__struct_fields__)
        rows = [
            kind(**{key: value for key, value in row.items() if key in fields} | {happened: at, "recorded_at": recorded})
            for row, (at, recorded) in zip(_plain(frame), both, strict=True)
        ]
        _in_parts(adds, rows)


def _in_parts(put: Callable[[Any], Any], rows: list[Any]) -> None:
    for start in range(0, len(rows), _CHUNK):
        put(rows[start : start + _CHUNK])


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them, without what is missing."""
    text = frame.to_json(orient="records", date_format="iso", date_unit="us")
    return [{name: int(v) if isinstance(v, bool) and name == "automated" else v for name, v in row.items() if v is not None}
            for row in json.loads(text)]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- the copies


def _copies(rows: list[tuple[Any, ...]], columns: list[str], times: int, *, by_row: bool) -> Iterator[tuple[Any, ...]]:
    """In the order of the table's key; what is kept in the order of time is copied row by row instead."""
    if times == 1:
        yield from rows
    elif by_row:
        for row in rows:
            for copy in range(times):
                yield _copy(row, columns, copy)
    else:
        for copy in range(times):
            for row in rows:
                yield _copy(row, columns, copy)


def _copy(row: tuple[Any, ...], columns: list[str], copy: int) -> tuple[Any, ...]:
    values = dict(zip(columns, row, strict=True))
    names = {values["lead_id"]: f"c{copy:02}-{values['lead_id']}", ".example": f"-{copy:02}.example"}
    # Ids begin with the time, of which the first byte is the same for years.
    if (decision_id := values.get("decision_id")) is not None:
        names[decision_id] = f"{copy:02x}{decision_id[2:]}"
        values["decision_id"] = names[decision_id]
    values["lead_id"] = names[values["lead_id"]]
    if "feedback_id" in values:
        values["feedback_id"] = f"{copy:02}{values['feedback_id']}"
    for name in _NAMED & values.keys():
        if isinstance(values[name], bytes):
            for before, after in names.items():
                values[name] = values[name].replace(before.encode(), after.encode())
        elif values[name] is not None:
            for before, after in names.items():
                values[name] = values[name].replace(before, after)
    return tuple(values.values())


def _holds(store: Store, table: sa.Table) -> bool:
    with store.reading() as connection:
        return connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None


def _write(store: Store, table: str, columns: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    """By the driver's own fastest way."""
    listed = ", ".join(columns)
    with store.engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
        if store.is_sqlite:
            cursor.executemany(f"INSERT INTO {table} ({listed}) VALUES ({', '.join('?' * len(columns))})", rows)
            return
        text = io.StringIO()
        writer = csv.writer(text)
        for row in rows:
            writer.writerow([f"\\x{value.hex()}" if isinstance(value, bytes) else value for value in row])
            if text.tell() > _PART:
                _send(cursor, table, listed, text)
        _send(cursor, table, listed, text)


def _send(cursor: Any, table: str, columns: str, text: io.StringIO) -> None:  # noqa: ANN401 - the driver has no types
    cursor.execute(f"COPY {table} ({columns}) FROM STDIN WITH (FORMAT csv)", stream=io.BytesIO(text.getvalue().encode()))
    text.seek(0)
    text.truncate()
