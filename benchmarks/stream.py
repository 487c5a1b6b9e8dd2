"""Signals of data larger than memory, end to end from Parquet: ours, polars' streaming engine and DuckDB's SQL.

    python -m benchmarks.stream                                      100,000 leads × 100 activities
    python -m benchmarks.stream --leads 1000000 --times 1 --folder /big/disk   100 million activities (12 GB of room, half an hour)

Ours is the whole command, `tamiz features build --as-of T --workers 2`: the start of Python, every check of every row, machines
told apart, all signals of activities, and Parquet files with their digests. The others compute of the same file the counts, decayed
sums and recencies among our aggregates, written by hand as their users would, without machines, days or sessions, and write
Parquet too. Everything runs in turns in processes of its own on two cores; `memory` is the most that all processes of a run
held together (proportional set size, sampled twenty times a second). From activities in order of time, ours includes clustering;
beside it stands DuckDB's sort alone. Times are minima.
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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.engine import NOW, PAGES, SHARES, TYPES
from features.catalogue import catalogue
from features.engine import Plan
from features.history import DAY, Need
from features.signal import FeatureSet
from features.topics import topic_of

EACH, BATCH_LEADS, GROUP_ROWS = 100, 10_000, 1_000_000
FIELDS, SAID = ["budget", "need", "authority", "timeline"], ["yes", "no", "planned"]
TITLES = ["CEO", "Directora de Marketing", "Junior analyst", "Head of IT", "Einkäufer"]
SPAN = 180 * DAY
CORES = 2


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


def wanted() -> list[Need]:
    """Our aggregates that SQL has a short word for."""
    return [need for need in Plan(FeatureSet(tuple(catalogue().values()))).own.needs if need[0] in ("count", "decayed", "last")]


def duckdb_features(source: str, out: str) -> None:
    import duckdb

    topics = " ".join(f"WHEN '{page}' THEN '{topic_of(page)}'" for page in PAGES)
    columns = ", ".join(f"{in_sql(need)} AS c{i}" for i, need in enumerate(wanted()))
    inner = f"SELECT lead_id, type, {NOW} - epoch_us(occurred_at) AS age, CASE url {topics} END AS topic FROM '{source}'"
    connection = duckdb.connect(config={"threads": CORES, "temp_directory": f"{out}.spill"})
    connection.execute(f"COPY (SELECT lead_id, {columns} FROM ({inner}) GROUP BY lead_id) TO '{out}' (FORMAT parquet)")


def in_sql(need: Need) -> str:
    kind, one, number = need
    tests = [f"type IN ({', '.join(repr(name) for name in one.types)})"] if one.types else []
    tests += [f"topic = '{one.topic}'"] if one.topic else []
    tests += [f"age < {round(number * DAY)}"] if kind == "count" and number is not None else []
    where = f" FILTER (WHERE {' AND '.join(tests)})" if tests else ""
    if kind == "count":
        return f"count(*){where}"
    if kind == "last":
        return f"min(age){where} / {float(DAY)}"
    return f"coalesce(sum(exp(age * {np.log(0.5) / (number * DAY)})){where}, 0)"


def polars_features(source: str, out: str) -> None:
    import polars as pl

    topics = {page: topic for page in PAGES if (topic := topic_of(page)) is not None}
    age = (pl.lit(NOW) - pl.col("occurred_at").dt.epoch("us")).alias("age")
    lazy = pl.scan_parquet(source).with_columns(age, pl.col("url").replace_strict(topics, default=None).alias("topic"))
    rates = sorted({need[2] for need in wanted() if need[0] == "decayed"})
    lazy = lazy.with_columns((pl.col("age") * (np.log(0.5) / (rate * DAY))).exp().alias(f"w{float(rate)}") for rate in rates)
    columns = [in_polars(pl, need).alias(f"c{i}") for i, need in enumerate(wanted())]
    lazy.group_by("lead_id").agg(columns).sink_parquet(out, engine="streaming")


def in_polars(pl, need: Need):  # noqa: ANN001, ANN201 - polars is imported only where it runs
    kind, one, number = need
    test = pl.lit(True)
    if one.types:
        test &= pl.col("type").is_in(list(one.types))
    if one.topic:
        test &= pl.col("topic") == one.topic
    if kind == "count":
        return (test if number is None else test & (pl.col("age") < round(number * DAY))).sum()
    if kind == "last":
        return pl.when(test).then(pl.col("age")).min() / DAY
    return pl.when(test).then(pl.col(f"w{float(number)}")).otherwise(0.0).sum()


def duckdb_sort(source: str, out: str) -> None:
    import duckdb

    connection = duckdb.connect(config={"threads": CORES, "temp_directory": f"{out}.spill"})
    connection.execute(f"COPY (SELECT * FROM '{source}' ORDER BY lead_id, occurred_at) TO '{out}' (FORMAT parquet)")


PEERS: dict[str, Callable[[str, str], None]] = {"duckdb": duckdb_features, "polars": polars_features, "sort": duckdb_sort}


# The measurement -----------------------------------------------------------------------------------------------------


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
            commands |= {said[name]: [*this, name, str(source), str(folder / "other.parquet")] for name in others}
        best: dict[str, tuple[float, float, float]] = {}
        for _ in range(times):
            for name, command in commands.items():
                shutil.rmtree(folder / "out", ignore_errors=True)
                took, cpu, most = measured(command)
                had = best.get(name, (took, cpu, most))
                best[name] = (min(took, had[0]), min(cpu, had[1]), max(most, had[2]))
                print(f"  {name:40} {took:7.1f} s, {cpu:7.1f} s of cores, {most:6,.0f} MB", flush=True)
        first = next(iter(best.values()))
        for name, (took, cpu, most) in best.items():
            ratio = f"{took / first[0]:5.2f} × ours (wall), {cpu / first[1]:5.2f} × (cores)"
            print(f"  best: {name:40} {millions / took:5.1f} M/s, {took:7.1f} s, {most:6,.0f} MB, {ratio}", flush=True)


if __name__ == "__main__":
    main()
