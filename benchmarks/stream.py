"""Signals of data larger than memory, end to end from Parquet: ours, polars' streaming engine and DuckDB's SQL.

    python -m benchmarks.stream                                      100,000 leads × 100 activities
    python -m benchmarks.stream --leads 1000000 --times 1 --folder /big/disk   100 million activities (12 GB of room, half an hour)

Ours is the whole command, `tamiz features build --as-of T --workers 2`: the start of Python, every check of every row, machines
told apart, all signals of activities, and Parquet files with their digests. The others compute of the same file our aggregates of
activities (counts, decayed sums, recencies, distinct days, sessions, returns, topics, reactions and their delay), written by hand
as their users would, and write Parquet too; they check nothing, tell no machines apart and make no signals of answers or titles.
How many of their figures are ours is printed. Everything runs in turns in processes of its own on two cores; `memory` is the most
that all processes of a run held together (proportional set size, sampled twenty times a second). From activities in order of time,
ours includes clustering; beside it stands DuckDB's sort alone. Times are minima.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.engine import NOW, PAGES, SHARES, TYPES
from features.aggregates import selector_of
from features.catalogue import catalogue
from features.engine import Plan
from features.history import DAY, Need
from features.outreach import is_ours
from features.signal import FeatureSet
from features.topics import topic_of

EACH, BATCH_LEADS, GROUP_ROWS = 100, 10_000, 1_000_000
FIELDS, SAID = ["budget", "need", "authority", "timeline"], ["yes", "no", "planned"]
TITLES = ["CEO", "Directora de Marketing", "Junior analyst", "Head of IT", "Einkäufer"]
SPAN = 180 * DAY
CORES = 2
SESSION = 30 * 60 * 1_000_000
OURS = [name for name in TYPES if is_ours(name)]
THEIRS = [name for name in TYPES if not is_ours(name)]


# The data ------------------------------------------------------------------------------------------------------------


def write(folder: Path, leads: int, *, attributes: bool) -> None:
    """The same kind of activities twice, in order of leads and in order of time, and their leads; in bounded memory."""
    rng = np.random.default_rng(0)
    number = np.arange(leads)
    table = {
        "lead_id": names(number),
        "created_at": pa.array(np.full(leads, NOW - SPAN)).cast(pa.timestamp("us", tz="UTC")),
    }
    if attributes:
        table |= persons(rng, leads)
    pq.write_table(pa.table(table), folder / "leads.parquet")
    for order in ("lead", "time"):
        write_activities(rng, folder / order, order, leads)


def persons(rng: np.random.Generator, leads: int) -> dict[str, pa.Array]:
    """A mail address of a company each, which three in ten share with two others."""
    number = np.arange(leads)
    company = np.where(number % 10 < 3, number // 10, leads + number)
    return {
        "email": pa.array([f"ana@c{code}.example" for code in company.tolist()]),
        "job_title": coded(rng.integers(0, len(TITLES), leads), TITLES),
        "employees": pa.array(rng.lognormal(4, 2, leads).astype(np.int64)),
        "country": coded(rng.integers(0, 3, leads), ["ES", "MX", "DE"]),
    }


def write_activities(rng: np.random.Generator, folder: Path, order: str, leads: int) -> None:
    folder.mkdir()
    steps = -(-leads // BATCH_LEADS)
    writer: pq.ParquetWriter | None = None
    for step in range(steps):
        rows = min(BATCH_LEADS, leads - step * BATCH_LEADS) * EACH
        if order == "lead":
            lead = step * BATCH_LEADS + np.arange(rows) // EACH
            occurred = NOW - 1 - np.minimum((rng.exponential(30, rows) * DAY).astype(np.int64), SPAN)
            occurred = occurred[np.lexsort((occurred, lead))]
        else:
            lead = rng.integers(0, leads, rows)
            later, sooner = (SPAN * (steps - step) // steps, SPAN * (steps - step - 1) // steps)
            occurred = NOW - 1 - np.sort(rng.integers(sooner, later, rows))[::-1]
        batch = activities(rng, lead, occurred)
        writer = writer or pq.ParquetWriter(folder / "activities.parquet", batch.schema)
        writer.write_table(batch, row_group_size=GROUP_ROWS)
    assert writer is not None
    writer.close()
    (folder / "tamiz.toml").write_text(
        "[data]\nleads = \"SELECT * FROM '../leads.parquet'\"\nactivities = \"SELECT * FROM 'activities.parquet'\"\n"
        "outcomes = \"SELECT lead_id, created_at AS converted_at FROM '../leads.parquet' LIMIT 1\"\n"
        "until = 2027-01-01T00:00:00Z\n"
    )


def activities(rng: np.random.Generator, lead: np.ndarray, occurred: np.ndarray) -> pa.Table:
    n = len(lead)
    kind = rng.choice(len(TYPES), n, p=SHARES)
    return pa.table(
        {
            "lead_id": names(lead),
            "occurred_at": pa.array(occurred).cast(pa.timestamp("us", tz="UTC")),
            "type": coded(kind, TYPES),
            "url": coded(np.where(kind == 0, rng.integers(0, len(PAGES), n), -1), PAGES),
            "content": coded(np.where(kind == TYPES.index("answer"), rng.integers(0, len(FIELDS), n), -1), FIELDS),
            "value": coded(np.where(kind == TYPES.index("answer"), rng.integers(0, len(SAID), n), -1), SAID),
        }
    )


def coded(codes: np.ndarray, values: list[str]) -> pa.Array:
    return pa.array(values).take(pa.array(codes, mask=codes < 0))


def names(number: np.ndarray) -> pa.Array:
    """L-00000001 and so on."""
    distinct, place = np.unique(number, return_inverse=True)
    return pa.array([f"L-{one:08d}" for one in distinct.tolist()]).take(pa.array(place))


# The peers -----------------------------------------------------------------------------------------------------------


def wanted() -> tuple[Need, ...]:
    """All of our aggregates of a lead's own activities, but those of machines, which the others do not tell apart."""
    needs = Plan(FeatureSet(tuple(catalogue().values()))).own.needs
    return tuple(need for need in needs if selector_of(need).machine is not True)


def topics() -> dict[str, str]:
    return {page: topic_of(page) for page in PAGES}


def types_of(need: Need) -> list[str]:
    """The types that an aggregate is of; without any, all that is not ours."""
    return [name for name in selector_of(need).types if name in TYPES] if selector_of(need).types else THEIRS


def duckdb_features(source: str, out: str) -> None:
    """What has to look at the activity before is a window over activities of one kind: what a lead does, and what we do."""
    import duckdb

    named = " ".join(f"WHEN '{page}' THEN '{topic}'" for page, topic in topics().items())
    columns = ", ".join(f"{in_sql(need)} AS c{i}" for i, need in enumerate(wanted()))
    seen = f"""SELECT lead_id, type, epoch_us(occurred_at) AS moment, CASE url {named} END AS topic, type IN ({quoted(OURS)}) AS ours
        FROM '{source}'"""
    inner = f"""SELECT *, {NOW} - moment AS age, moment - lag(moment) OVER kind AS since_same, lead(moment) OVER kind - moment AS till_same,
        moment - lag(moment) OVER any_kind AS since, lag(ours) OVER any_kind AS after_ours FROM ({seen})
        WINDOW kind AS (PARTITION BY lead_id, ours ORDER BY moment), any_kind AS (PARTITION BY lead_id ORDER BY moment, NOT ours)"""
    connection = duckdb.connect(config={"threads": CORES, "temp_directory": f"{out}.spill"})
    connection.execute(f"COPY (SELECT lead_id, {columns} FROM ({inner}) GROUP BY lead_id) TO '{out}' (FORMAT parquet)")


def quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "NULL"


def in_sql(need: Need) -> str:
    kind, one, number = need[0], selector_of(need), need[2]
    tests = [f"type IN ({quoted(types_of(need))})"]
    tests += [f"topic = '{one.topic}'"] if one.topic else []
    tests += [f"age < {round(number * DAY)}"] if kind not in ("last", "decayed") and number is not None else []
    reacted = f"NOT ours AND after_ours AND since < {3 * DAY}"
    tests += {
        "sessions": [f"coalesce(till_same >= {SESSION}, true)"],
        "returns": [f"since_same >= {30 * DAY}"],
        "reactions": [reacted],
        "delay": [reacted],
    }.get(kind, [])
    where = f" FILTER (WHERE {' AND '.join(tests)})"
    if kind == "days":
        return f"count(DISTINCT moment // {DAY}){where}"
    if kind == "topics":
        return f"count(DISTINCT topic){where}"
    if kind == "delay":
        return f"coalesce(sum(since // 1000000){where}, 0) / 3600"
    if kind == "last":
        return f"min(age){where} / {float(DAY)}"
    if kind == "decayed":
        return f"coalesce(sum(exp(age * {np.log(0.5) / ((number or 0.0) * DAY)})){where}, 0)"
    return f"count(*){where}"


def polars_features(source: str, out: str) -> None:
    """Every lead's activities in order of time, a group each."""
    import polars as pl

    at = pl.col("occurred_at").dt.epoch("us")
    lazy = pl.scan_parquet(source).select(
        "lead_id",
        "type",
        at.alias("at"),
        (NOW - at).alias("age"),
        pl.col("url").replace_strict(topics(), default=None).alias("topic"),
        pl.col("type").is_in(OURS).alias("ours"),
    )
    rates = sorted({float(need[2] or 0.0) for need in wanted() if need[0] == "decayed"})
    lazy = lazy.with_columns((pl.col("age") * (np.log(0.5) / (rate * DAY))).exp().alias(f"w{rate}") for rate in rates)
    columns = [in_polars(pl, need).alias(f"c{i}") for i, need in enumerate(wanted())]
    lazy.group_by("lead_id").agg(columns).sink_parquet(out, engine="streaming")


def in_polars(pl, need: Need):  # noqa: ANN001, ANN201 - polars is imported only where it runs
    kind, one, number = need[0], selector_of(need), need[2]
    at, age = pl.col("at"), pl.col("age")
    test = pl.col("type").is_in(types_of(need))
    if one.topic:
        test &= pl.col("topic") == one.topic
    inside = test if number is None else test & (age < round(number * DAY))
    if kind == "days":
        return (at.filter(inside) // DAY).n_unique()
    if kind == "topics":
        return pl.col("topic").filter(inside).drop_nulls().n_unique()
    if kind == "sessions":
        return (at.filter(inside).sort().diff() >= SESSION).sum() + inside.any()
    if kind == "returns":
        mine = at.filter(test).sort()
        return ((mine.diff() >= 30 * DAY) & (NOW - mine < round((number or 0.0) * DAY))).sum()
    if kind in ("reactions", "delay"):
        order = at * 2 + ~pl.col("ours")
        when, ours = at.sort_by(order), pl.col("ours").sort_by(order)
        found = ~ours & ours.shift(1) & (when.diff() < 3 * DAY) & (NOW - when < round((number or 0.0) * DAY))
        return found.sum() if kind == "reactions" else (when.diff() // 1_000_000).filter(found).sum() / 3600
    if kind == "last":
        return pl.when(test).then(age).min() / DAY
    if kind == "decayed":
        return pl.when(test).then(pl.col(f"w{float(number or 0.0)}")).otherwise(0.0).sum()
    return inside.sum()


def duckdb_sort(source: str, out: str) -> None:
    import duckdb

    connection = duckdb.connect(config={"threads": CORES, "temp_directory": f"{out}.spill"})
    connection.execute(f"COPY (SELECT * FROM '{source}' ORDER BY lead_id, occurred_at) TO '{out}' (FORMAT parquet)")


PEERS: dict[str, Callable[[str, str], None]] = {"duckdb": duckdb_features, "polars": polars_features, "sort": duckdb_sort}


# The measurement -----------------------------------------------------------------------------------------------------


def agreement(ours: Path, theirs: Path) -> float:
    """How many figures are the same, of the aggregates that are signals as they are. Where a machine was at work they differ."""
    plan = Plan(FeatureSet(tuple(catalogue().values())))
    place = {need: f"c{i}" for i, need in enumerate(wanted())}
    columns = {name: place[need.direct] for name, need in plan.needs.items() if need.direct in place}
    mine = pq.read_table([str(path) for path in sorted(ours.glob("part-*.parquet"))], columns=["lead_id", *columns]).sort_by("lead_id")
    others = pq.read_table(theirs, columns=["lead_id", *columns.values()]).sort_by("lead_id")
    assert mine.column("lead_id").equals(others.column("lead_id").cast(pa.string()))
    same = 0
    for name, column in columns.items():
        one, other = (table.column(key).to_numpy().astype(float) for table, key in ((mine, name), (others, column)))
        same += int(np.isclose(one, other, rtol=1e-6, atol=1e-6, equal_nan=True).sum())
    return same / (len(mine) * len(columns))


def measured(command: list[str], sample: bool = True) -> tuple[float, float, float]:
    """Seconds on the wall, seconds of all cores, and the most megabytes held at once by the process and its children."""
    most, stop = [0.0], threading.Event()
    start, before = time.perf_counter(), os.times()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | {"POLARS_MAX_THREADS": str(CORES)}
    )

    def watch() -> None:
        while not stop.wait(0.05):
            most[0] = max(most[0], sum(map(held, family(process.pid))))

    watcher = threading.Thread(target=watch)
    if sample:
        watcher.start()
    _, said = process.communicate()
    took, after = time.perf_counter() - start, os.times()
    stop.set()
    if sample:
        watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:6])} failed: {said.decode()[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return took, cpu, most[0] / 1000


def family(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(one for child in children for one in family(int(child)))]


def held(process: int) -> int:
    """Kilobytes, shared pages counted in parts."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description="End to end from Parquet")
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--peer", nargs=3, metavar=("NAME", "SOURCE", "OUT"))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--attributes", action="store_true", help="leads have mail addresses, titles and sizes, which ours reads too")
    given = parser.parse_args()
    if given.peer:
        name, source, out = given.peer
        PEERS[name](source, out)
        return
    folder = Path(tempfile.mkdtemp(prefix="tamiz-stream-", dir=given.folder))
    try:
        run(folder, given.leads, given.times, given.memory, peers=not given.no_peers, attributes=given.attributes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(folder: Path, leads: int, times: int, memory: str, *, peers: bool, attributes: bool) -> None:
    millions = leads * EACH / 1e6
    print(f"writing {millions:,.0f} million activities of {leads:,} leads, twice", flush=True)
    write(folder, leads, attributes=attributes)
    said = {"duckdb": "DuckDB SQL", "polars": "polars, streaming", "sort": "DuckDB's sort alone"}
    for order, others in (("lead", ["duckdb", "polars"]), ("time", ["sort"])):
        source = folder / order / "activities.parquet"
        print(f"\nin order of {order} ({source.stat().st_size / 1e6:,.0f} MB):", flush=True)
        ours = [sys.executable, "-m", "tamiz", "features", "build", "--project", str(folder / order / "tamiz.toml")]
        ours += ["--out", str(folder / "out"), "--as-of", "2026-05-28T20:26:40.123457Z", "--memory", memory, "--workers", str(CORES)]
        commands = {f"tamiz features build --memory {memory}": ours}
        if peers:
            this = [sys.executable, "-m", "benchmarks.stream", "--peer"]
            commands |= {said[name]: [*this, name, str(source), str(folder / f"{name}.parquet")] for name in others}
        best: dict[str, tuple[float, float, float]] = {}
        for _ in range(times):
            for name, command in commands.items():
                if command is ours:
                    shutil.rmtree(folder / "out", ignore_errors=True)
                took, cpu, most = measured(command)
                had = best.get(name, (took, cpu, most))
                best[name] = (min(took, had[0]), min(cpu, had[1]), max(most, had[2]))
                print(f"  {name:40} {took:7.1f} s, {cpu:7.1f} s of cores, {most:6,.0f} MB", flush=True)
        for name in others if peers and order == "lead" else ():
            print(f"  {said[name]}: {agreement(folder / 'out', folder / f'{name}.parquet'):.4%} of the figures are ours", flush=True)
        first = next(iter(best.values()))
        for name, (took, cpu, most) in best.items():
            ratio = f"{took / first[0]:5.2f} × ours (wall), {cpu / first[1]:5.2f} × (cores)"
            print(f"  best: {name:40} {millions / took:5.1f} M/s, {took:7.1f} s, {most:6,.0f} MB, {ratio}", flush=True)


if __name__ == "__main__":
    main()
