"""How fast signals are: a batch on one core, one lead alone, and the same aggregates written by hand in DuckDB SQL.

    .venv/bin/python -m benchmarks.engine

Everything is measured in one run, in turns, so that ratios hold on a busy machine; figures are medians. `wall` is what
a clock on the wall says, `cpu` what this process used, which other processes disturb less.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from features.aggregates import Aggregator, selector_of
from features.catalogue import catalogue
from features.engine import Plan, evaluate
from features.history import DAY, ActivityLog, Leads, Need, Observations, TextColumn
from features.machines import machine_activity
from features.outreach import is_ours
from features.segments import runs, visible
from features.signal import FeatureSet
from features.topics import TOPICS, topic_of

NOW = 1_780_000_000_123_457
TYPES = ["page_view", "email_open", "email_click", "email_delivered", "form_submit", "webinar_attended", "demo_request", "answer", "call"]
SHARES = [0.55, 0.15, 0.05, 0.15, 0.03, 0.02, 0.01, 0.02, 0.02]
PAGES = ["/pricing", "/docs/x", "/blog/a", "/", "/product", "/integrations/y", "/demo", "/careers"]


@dataclass(frozen=True)
class Case:
    """Leads with so many activities each, asked about once."""

    leads: Leads
    log: ActivityLog
    observations: Observations


def case(n: int, each: int, seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    rows = n * each
    lead = np.repeat(np.arange(n), each)
    occurred = NOW - (rng.exponential(30, rows) * DAY).astype(np.int64) - 1
    kind = rng.choice(len(TYPES), rows, p=SHARES).astype(np.int32)
    page = np.where(kind == 0, rng.choice(len(PAGES), rows), -1).astype(np.int32)
    field = np.where(kind == 7, rng.choice(4, rows), -1).astype(np.int32)
    value = np.where(kind == 7, rng.choice(3, rows), -1).astype(np.int32)
    log = ActivityLog.build(
        n,
        lead,
        occurred,
        TextColumn(kind, TYPES),
        url=TextColumn(page, PAGES),
        content=TextColumn(field, ["budget", "need", "authority", "timeline"]),
        value=TextColumn(value, ["yes", "no", "planned"]),
    )
    leads = Leads(
        [str(i) for i in range(n)],
        {"employees": rng.lognormal(4, 2, n), "annual_revenue": rng.lognormal(15, 2, n)},
        {
            "job_title": TextColumn.of(rng.choice(["CEO", "Directora de Marketing", "Junior analyst"], n).tolist()),
            "email": TextColumn.of(rng.choice(["a@gmail.com", "b@acme.example"], n).tolist()),
        },
        {"created_at": np.full(n, NOW - 60 * DAY)},
    )
    return Case(leads, log, Observations(np.arange(n), np.full(n, NOW)))


def seconds(work: Callable[[], object], times: int, inner: int = 1) -> tuple[float, float]:
    """Median seconds of one call, wall and cpu."""
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(inner):
            work()
        walls.append((time.perf_counter() - wall) / inner)
        cpus.append((time.process_time() - cpu) / inner)
    return statistics.median(walls), statistics.median(cpus)


def in_sql(need: Need) -> str:
    """An aggregate as one expression over `activities`, whose types and topics are small integers already."""
    kind, _, number = need
    one = selector_of(need)
    tests = []
    if one.types:
        tests.append(f"type IN ({', '.join(str(TYPES.index(name)) for name in one.types if name in TYPES) or 'NULL'})")
    elif one.machine is not None:
        tests.append(f"type NOT IN ({', '.join(str(i) for i, name in enumerate(TYPES) if is_ours(name))})")
    if one.topic:
        tests.append(f"topic = {TOPICS.index(one.topic)}")
    if one.machine is not None:
        tests.append("machine" if one.machine else "NOT machine")
    if kind == "count" and number is not None:
        tests.append(f"age < {round(number * DAY)}")
    where = f" FILTER (WHERE {' AND '.join(tests)})" if tests else ""
    if kind == "count":
        return f"count(*){where}"
    if kind == "last":
        return f"min(age){where} / {float(DAY)}"
    return f"coalesce(sum(exp(age * {np.log(0.5) / ((number or 0.0) * DAY)})){where}, 0)"


def against_duckdb(batch: Case) -> None:
    """The plan's counts, decayed sums and recencies by both, on one thread, from memory, and that they agree."""
    import duckdb
    import pandas as pd

    wanted = [need for need in Plan(FeatureSet(tuple(catalogue().values()))).own.needs if need[0] in ("count", "decayed", "last")]
    aggregator, log = Aggregator(wanted), batch.log
    topic = np.array([TOPICS.index(topic_of(page)) for page in PAGES] + [-1])[batch.log.url.codes]
    table = pd.DataFrame(
        {
            "lead": np.repeat(np.arange(len(batch.leads)), np.diff(batch.log.starts)),
            "age": NOW - batch.log.occurred,
            "type": batch.log.type.codes.astype(np.int8),
            "topic": topic.astype(np.int8),
            "machine": machine_activity(log),
        }
    )
    connection = duckdb.connect(config={"threads": 1})
    connection.register("given", table)
    connection.execute("CREATE TABLE activities AS SELECT * FROM given")
    columns = ", ".join(f"{in_sql(need)} AS c{i}" for i, need in enumerate(wanted))
    query = f"SELECT lead, {columns} FROM activities GROUP BY lead"

    def ours() -> np.ndarray:
        cells = aggregator.cells(log, machine_activity(log))
        out = np.empty((len(wanted), len(batch.leads)))
        for start, stop in runs(log.starts, batch.observations.lead, 32_768, 512):
            lead, as_of = batch.observations.lead[start:stop], batch.observations.as_of[start:stop]
            rows_, segment, when = visible(log.starts, log.occurred, log.recorded, log.late, lead, as_of)
            occurred = log.occurred[rows_]
            out[:, start:stop] = aggregator.aggregate(cells[rows_], when - occurred, occurred, segment, stop - start)
        return out

    def theirs() -> dict[str, np.ndarray]:
        return connection.execute(query).fetchnumpy()

    found, mine = theirs(), ours()
    order = np.argsort(found["lead"])
    for i, need in enumerate(wanted):
        sql = np.ma.filled(np.ma.asarray(found[f"c{i}"]).astype(float), np.nan)[order]
        np.testing.assert_allclose(sql, mine[aggregator.position[need]], rtol=1e-6, atol=1e-6)
    pairs = [(seconds(ours, 1)[0], seconds(theirs, 1)[0]) for _ in range(3)]  # in turns
    engine, sql_took = (statistics.median(one) for one in zip(*pairs, strict=True))
    n = len(log) / 1e6
    print(f"{len(wanted)} counts, decayed sums and recencies, one thread, in memory, equal figures (wall):")
    print(f"  engine  {n / engine:6.2f} M activities/s\n  DuckDB  {n / sql_took:6.2f} M activities/s\n  ratio   {sql_took / engine:6.1f}")


def main() -> None:
    plan = Plan(FeatureSet(tuple(catalogue().values())))
    print(f"{len(plan.signals)} signals from {len(plan.own.needs)} aggregates of own activities\n")
    batch = case(20_000, 100)
    wall, cpu = seconds(partial(evaluate, plan, batch.leads, batch.log, batch.observations), 7)
    millions = len(batch.log) / 1e6
    print(f"batch of 20,000 leads × 100 activities: {millions / wall:.1f} M activities/s (wall), {millions / cpu:.1f} per core (cpu)")
    whole = evaluate(plan, batch.leads, batch.log, batch.observations).numbers
    for each in (30, 200):
        one = case(1, each)
        wall, cpu = seconds(partial(evaluate, plan, one.leads, one.log, one.observations), 15, 100)
        print(f"one lead with {each:3} activities: {wall * 1e6:.0f} µs (wall), {cpu * 1e6:.0f} µs (cpu)")
    words = [TYPES[i % len(TYPES)] for i in range(30)]
    times = [NOW - (i * 7919 % 30 + 1) * DAY for i in range(30)]
    nothing = [None] * 30

    def build() -> ActivityLog:
        texts = {name: TextColumn.of(nothing) for name in ("channel", "url", "content", "campaign", "value")}
        return ActivityLog.build(1, np.zeros(30, dtype=np.int64), np.array(times), TextColumn.of(words), **texts)

    wall, cpu = seconds(build, 15, 200)
    print(f"log of 30 activities from Python lists: {wall * 1e6:.0f} µs (wall), {cpu * 1e6:.0f} µs (cpu)\n")
    against_duckdb(batch)
    print("\ncost of an activity as leads grow (100 activities each):")
    for n in (1_000, 10_000, 100_000):
        many = case(n, 100)
        wall, cpu = seconds(partial(evaluate, plan, many.leads, many.log, many.observations), 3)
        print(f"  {n:7,} leads: {wall / len(many.log) * 1e9:5.1f} ns (wall), {cpu / len(many.log) * 1e9:5.1f} ns (cpu)")
    part = case(20_000, 100)
    again = evaluate(plan, part.leads, part.log, Observations(part.observations.lead[::-1].copy(), part.observations.as_of)).numbers[::-1]
    print(f"\nbits that differ when leads are asked in reverse: {int((again.view(np.int64) != whole.view(np.int64)).sum())}")


if __name__ == "__main__":
    main()
