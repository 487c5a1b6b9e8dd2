"""Signals of a project of any size: parts of whole accounts, each from its activities to a Parquet file.

In: a project, an instant or its observations, and a folder. Out: the folder's manifest and one file a part; the same bits
as `evaluate` gives in memory. The tables about leads are in memory, activities never: a part holds some of them at a
time. Killed at any moment, the same call goes on where the last one stopped. Parts run one after another, in processes of
this machine, or on a Dask cluster whose workers see the same folders.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.build_folder import BuildFolder, file_digest, open_build
from data.clustering import LeadNumbers, Parts, Stretches, cut_in_place, deal_out, spill
from data.contracts import TABLES
from data.errors import BadData, BadUsage
from data.frames import Arrow, Tables
from data.parquet_rows import ParquetRows, plain_parquet
from data.project import Project
from data.quarantine import collect, stop_above
from features.catalogue import catalogue
from features.engine import Plan
from features.evidence_names import evidence_of
from features.own_types import declared_types, own_types
from features.signal import FeatureSet
from models.partition import Part, Recipe, build_part, get_ready
from models.tables import account_codes, changes_of, inputs_of
from models.workers import mapped, processes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Built", "build"]

Say = Callable[[str], None]
Progress = Callable[[int, int], None]

_MEGABYTE = 1_000_000
_BASE, _WORKER = 300 * _MEGABYTE, 150 * _MEGABYTE
"""What the command itself and each process beside it take before the first row."""
_BYTES_A_ROW, _BYTES_A_VALUE = 60, 35
"""What an activity takes in all the columns that are made of it, at the worst moment, and what more for each column that is read."""
_LEAST_ROWS, _MOST_ROWS = 20_000, 1_000_000
_LEADS_A_ROW = 20
"""A lead counts as so many activities: its own columns, and its rows of signals."""
_EARLIEST = "1990-01-01"
_ALWAYS_READ = frozenset({"lead_id", "occurred_at", "recorded_at", "type", "url", "user_agent", "automated", "duration_seconds"})
"""Columns of activities that every signal rests on: whose, when, of what kind, and whether a machine did it."""
_CONSEQUENCE = "its lead was put aside"
"""No fault of the row itself: it does not count towards the share of bad rows."""


@dataclass(frozen=True)
class Built:
    """What a build did."""

    folder: Path
    parts: int
    reused: int
    rows: int
    leads: int
    activities: int
    clustered: str
    """`in place`, `spilled`, or `no activities`."""
    dropped: Mapping[str, int]
    notices: tuple[str, ...]
    quarantine: pd.DataFrame = field(repr=False)
    feature_set: FeatureSet = field(repr=False)
    until: pd.Timestamp
    """Where the data end."""


def build(
    project: Project,
    folder: Path,
    *,
    as_of: int | None = None,
    seed: int = 0,
    memory: int = 1_000_000_000,
    workers: int = 1,
    scheduler: str | None = None,
    now: datetime | None = None,
    drop: Collection[str] = (),
    say: Say = lambda text: None,
    progress: Progress = lambda done, total: None,
) -> Built:
    """Builds what is missing of the folder. `memory` is in bytes, for this machine; `as_of` in microseconds.

    Columns and signals named in `drop` are no inputs, as in training.
    """
    here = workers if scheduler in (None, "local") else 1
    _refuse_too_little(memory, here)
    source = _Source(project, memory)
    with closing(source), processes(workers - 1 if scheduler is None else 0, get_ready) as pool:
        say("comparing the inputs with what is there")
        tables = source.tables_of_leads(now, say)
        feature_set = source.feature_set(tables, drop)
        identity = source.identity() | {
            "project": str(project.path),
            "signals": feature_set.fingerprint,
            "settings": _digest({key: value for key, value in asdict(project).items() if key not in ("path", "queries")}),
            "observations": "the project's" if as_of is None else str(as_of),
            "until": str(tables.until),
            "seed": str(seed),
        }
        with open_build(folder, identity) as place:
            if place.changed:
                say(f"{', '.join(place.changed)} changed since {folder} was built: it is built again from the start")
            columns = source.columns_for(Plan(feature_set))
            part_rows = int(place.kept_plan["part_rows"]) if place.kept_plan else _part_rows(memory, here, len(columns))
            place.plan({"part_rows": part_rows, "feature_set": feature_set.to_json()}, identity)
            work = partial(mapped, build_part, pool=pool, workers=workers, scheduler=scheduler)
            return _Build(project, source, tables, feature_set, place, columns, part_rows, say, work).run(
                as_of=as_of, seed=seed, progress=progress, identity=_digest(identity)
            )


class _Source:
    """Where the project's tables come from: asked as little as possible of activities at once."""

    def __init__(self, project: Project, memory: int) -> None:
        from data.sources import connect

        self.project = project
        self.query = project.queries.get("activities")
        self.rows: ParquetRows | None = None if self.query is None else plain_parquet(self.query, project.folder)
        self.connection = connect(project)
        self.connection.execute(f"SET memory_limit = '{max(memory // 2, 200 * _MEGABYTE)}B'")
        self.latest = 0
        # Digests of files are made while the tables about leads are read: the identity of a build needs them last.
        self._reader = ThreadPoolExecutor(1)
        self._digests = {name: [self._reader.submit(file_digest, path) for path in self._files(name)] for name in project.queries}

    def close(self) -> None:
        self._reader.shutdown(cancel_futures=True)
        self.connection.close()

    def tables_of_leads(self, now: datetime | None, say: Say) -> Tables:
        """Every table but activities, with `until` as activities too would have it."""
        from data.sources import latest_plausible, load_tables

        self.latest = latest_plausible(self.project, now)
        without = replace(self.project, queries={name: query for name, query in self.project.queries.items() if name != "activities"})
        tables = load_tables(without, now=now, progress=say)
        if self.query is None or self.project.until is not None:
            return tables
        return replace(tables, until=max(tables.until, self._latest_activity(tables)))

    def feature_set(self, tables: Tables, drop: Collection[str]) -> FeatureSet:
        """The inputs that training would choose."""
        kinds = {name: kind for name, kind in tables.kinds.items() if name not in drop and bool(tables.leads[name].notna().any())}
        dated = {*self.project.static, *changes_of(tables, kinds), "created_at"}
        declared = evidence_of(self.project, kinds, dated=dated).declared
        return inputs_of(kinds, self._own_types(tables), declared, activities=self.query is not None and self._any(), drop=drop)

    def identity(self) -> dict[str, str]:
        """A digest of what each query gives: of the files it names, or of all its rows."""
        return {name: self._digest_of(name, query) for name, query in self.project.queries.items()}

    def ids(self, tables: Tables) -> LeadNumbers:
        import pyarrow as pa

        return LeadNumbers(pa.array(tables.leads["lead_id"].to_numpy(dtype=object), pa.string()))

    def count(self) -> int:
        if self.query is None:
            return 0
        return len(self.rows) if self.rows is not None else self._one(f"SELECT count(*) FROM ({self.query})") or 0

    def tables(self, columns: set[str], rows: int) -> Iterator[Any]:
        """All activities in order, in tables of so many rows."""
        import duckdb
        import pyarrow as pa

        from data.sources import query_failed

        if self.rows is not None:
            yield from self.rows.only(columns).batches(rows)
            return
        assert self.query is not None
        try:
            reader = self.connection.sql(self.query).to_arrow_reader(rows)
            wanted = [name for name in reader.schema.names if name in columns]
            for batch in reader:
                yield pa.Table.from_batches([batch]).select(wanted)
        except (duckdb.Error, pa.ArrowException) as error:
            raise query_failed(error, self.project, "activities") from error

    def columns(self) -> list[str]:
        from data.files import require_columns

        names = list(self.rows.columns) if self.rows is not None else [row[0] for row in self._all(f"DESCRIBE {self.query}")]
        require_columns(names, list(TABLES["activities"].required), f"the query for activities in {self.project.path}")
        return names

    def columns_for(self, plan: Plan) -> set[str]:
        """What is read of activities: what some signal reads, and what tells rows of one activity apart where they may repeat."""
        there = set() if self.query is None else set(self.columns())
        if "activity_id" in there:
            return there & set(TABLES["activities"].columns)
        return there & (_ALWAYS_READ | plan.reads)

    def _any(self) -> bool:
        return self._one(f"SELECT 1 FROM ({self.query}) LIMIT 1") is not None

    def _own_types(self, tables: Tables) -> tuple[str, ...]:
        if self.query is None:
            return ()
        self.columns()
        declared = declared_types(catalogue().values())
        types = [str(name) for (name,) in self._all(f"SELECT DISTINCT type FROM ({self.query})") if name is not None]
        wanted = [name for name in types if name not in declared and name.strip()]
        if not wanted:
            return ()
        self.connection.register("known_leads", tables.leads[["lead_id"]])
        marks = ", ".join("?" * len(wanted))
        counted = self._all(
            f"SELECT type, count(DISTINCT lead_id) FROM ({self.query}) WHERE type IN ({marks})"
            " AND lead_id::VARCHAR IN (SELECT lead_id FROM known_leads) GROUP BY type",
            wanted,
        )
        return own_types({str(name): int(count) for name, count in counted}, len(tables.leads), declared)

    def _latest_activity(self, tables: Tables) -> pd.Timestamp:
        """When the latest activity of a known lead occurred, implausible times apart."""
        import pandas as pd

        kind = next((str(row[1]) for row in self._all(f"DESCRIBE {self.query}") if row[0] == "occurred_at"), "")
        if not kind.startswith("TIMESTAMP"):
            raise BadUsage(
                f"occurred_at of activities in {self.project.path} is {kind.lower()}, not a timestamp: set until in [data], which "
                "spares reading everything twice"
            )
        self.connection.register("known_leads", tables.leads[["lead_id"]])
        found = self._one(
            f"SELECT max(epoch_us(occurred_at::TIMESTAMPTZ)) FROM ({self.query}) WHERE epoch_us(occurred_at::TIMESTAMPTZ) BETWEEN ? AND ?"
            " AND lead_id::VARCHAR IN (SELECT lead_id FROM known_leads)",
            [int(pd.Timestamp(_EARLIEST).as_unit("us").asm8.astype("int64")), self.latest],
        )
        return tables.until if found is None else pd.Timestamp(found, unit="us", tz="UTC")

    def _files(self, name: str) -> list[Path]:
        """The files that a query names; none where it may read anything else."""
        named = [self.project.folder / file for file in re.findall(r"'([^']+\.\w+)'", self.project.queries[name])]
        return [] if self.project.setup or not all(path.is_file() for path in named) else named

    def _digest_of(self, name: str, query: str) -> str:
        if self._digests[name]:
            return _digest([query, *(one.result() for one in self._digests[name])])
        found = self._all(f"SELECT count(*), sum(hash(t)::HUGEINT), bit_xor(hash(t)) FROM ({query}) t")
        return _digest([query, *map(str, found[0])])

    def _one(self, query: str, values: list[Any] | None = None) -> int | None:
        found = self._all(query, values)
        return None if not found or found[0][0] is None else int(found[0][0])

    def _all(self, query: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        import duckdb

        from data.sources import query_failed

        try:
            return self.connection.execute(query, values or []).fetchall()
        except duckdb.Error as error:
            raise query_failed(error, self.project, "activities") from error


@dataclass
class _Build:
    """One run: the parts planned, those that are missing computed, and all of them summed up."""

    project: Project
    source: _Source
    tables: Tables
    feature_set: FeatureSet
    place: BuildFolder
    columns: set[str]
    """What is read of activities."""
    part_rows: int
    say: Say
    work: Callable[[Iterator[Part]], Iterator[dict[str, Any]]]
    """Has parts built, wherever that is."""
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_rows: list[Any] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, *, as_of: int | None, seed: int, progress: Progress, identity: str) -> Built:
        plan = Plan(self.feature_set)
        account = account_codes(self.tables) if plan.colleagues.needs else np.full(len(self.tables.leads), -1)
        alone = account < 0
        own_or_account = np.where(alone, account.max(initial=-1) + 1 + np.cumsum(alone) - 1, account)
        aside = self.tables.quarantine
        put_aside = frozenset(str(lead) for lead in aside.loc[aside["table"] == "leads", "lead_id"].dropna())
        parts, how = self._parts(own_or_account, put_aside, identity)
        recipe = Recipe(
            replace(self.project, queries={}),
            json.dumps(self.feature_set.to_json()),
            parts.source if how != "no activities" else None,
            put_aside,
            self.source.latest,
            as_of,
            seed,
        )
        entries: dict[int, dict[str, Any]] = {}
        for number in range(parts.count):
            found = self.place.finished(number)
            if found is not None:
                entries[number] = found
        reused = len(entries)
        if reused:
            self.say(f"{reused:,} of {parts.count:,} parts are there already and are kept")
        missing = [number for number in range(parts.count) if number not in entries]
        progress(reused, parts.count)
        for entry in self.work(self._tasks(missing, parts, account, recipe)):
            entries[int(entry["file"][5:-8])] = entry
            self._stop_if_too_many(entries.values())
            progress(len(entries), parts.count)
        return self._sum_up([entries[number] for number in sorted(entries)], reused, how)

    def _parts(self, account: NDArray[np.int64], put_aside: frozenset[str], identity: str) -> tuple[Parts, str]:
        source, total = self.source, self.source.count()
        weight = total + _LEADS_A_ROW * len(account)
        n_parts = max(1, -(-weight // self.part_rows))
        if not total:
            of_lead, count = deal_out(account, n_parts)
            return Parts(of_lead, count, Stretches(ParquetRows((), (), (), (0,)), (0,))), "no activities"
        ids, columns = source.ids(self.tables), self.columns
        if source.rows is not None:
            rows = source.rows.only(columns)
            found = cut_in_place(rows, ids, account, self.part_rows, max(1, self.part_rows // _LEADS_A_ROW))
            if found is not None:
                return found, "in place"
        self.say("activities are not clustered by account: they are spilled into buckets once")
        of_lead, count = deal_out(account, n_parts)

        def unknown(places: NDArray[np.int64], leads: Arrow) -> None:
            self._put_aside(places, leads, put_aside)

        told = 0

        def progress(read: int) -> None:
            nonlocal told
            if read >= told + total // 10 or read == total:
                told = read
                self.say(f"spilled {read:,} of {total:,} activities")

        found = spill(
            source.tables(columns, min(1_000_000, 2 * self.part_rows)),
            ids,
            of_lead,
            count,
            self.place.spill,
            identity=identity,
            unknown=unknown,
            progress=progress,
        )
        return found, "spilled"

    def _put_aside(self, places: NDArray[np.int64], leads: Arrow, put_aside: frozenset[str]) -> None:
        """Notes rows that belong to no lead: how many of them and why, and the first of them by their place."""
        ids = leads.to_pylist()
        unknown = {None: "no lead_id"} | dict.fromkeys(put_aside, _CONSEQUENCE)
        reasons = [unknown.get(lead.strip() or None if isinstance(lead, str) else lead, "unknown lead") for lead in ids]
        with self.lock:  # spilling has several threads
            self.unknown.update(reasons)
            room = 1_000 - sum(map(len, self.unknown_rows))
            if room > 0:
                self.unknown_rows.append(collect("activities", places[:room], ids[:room], reasons[:room]))

    def _tasks(self, missing: Iterable[int], parts: Parts, account: NDArray[np.int64], recipe: Recipe) -> Iterator[Part]:
        order = np.argsort(parts.of_lead, kind="stable")
        bounds = np.searchsorted(parts.of_lead[order], np.arange(parts.count + 1))
        whole = _Whole(self.tables)
        for number in missing:
            rows = order[bounds[number] : bounds[number + 1]]
            yield Part(number, recipe, whole.part(rows), account_of(account[rows]), self.place.file(number))

    def _stop_if_too_many(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Stops as soon as more activities were put aside than the project allows."""
        import pandas as pd

        counted = self.unknown + sum((Counter(entry["aside"]) for entry in entries), Counter[str]())
        bad, total = sum(count for reason, count in counted.items() if reason != _CONSEQUENCE), self.source.count()
        if bad > self.project.max_bad_share * total:
            frames = [*self.unknown_rows, *(_aside(entry) for entry in entries)]
            shown = pd.concat(frames, ignore_index=True)
            shown = shown[shown["reason"] != _CONSEQUENCE]
            if bad > len(shown):  # only the first of each part are known by their place
                shares = ", ".join(f"{count:,} × {reason}" for reason, count in counted.most_common(3))
                raise BadData(f"{bad:,} of {total:,} rows of activities cannot be used, more than is allowed: {shares}")
            stop_above(self.project.max_bad_share, "activities", total, shown)

    def _sum_up(self, entries: list[dict[str, Any]], reused: int, how: str) -> Built:
        import pandas as pd

        dropped = sum((Counter(entry["dropped"]) for entry in entries), Counter[str]())
        rows = sum(entry["rows"] for entry in entries)
        if not rows:
            said = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)
            raise BadData(f"no observation is left of {len(self.tables.leads):,} leads ({said or 'none is dated'})")
        notices = [*self.tables.notices, *_added([notice for entry in entries for notice in entry["notices"]])]
        self.place.complete(len(entries), {"rows": rows, "dropped": dict(dropped)})
        frames = [self.tables.quarantine, *self.unknown_rows, *(_aside(entry) for entry in entries)]
        return Built(
            self.place.path,
            len(entries),
            reused,
            rows,
            len(self.tables.leads),
            sum(entry["activities"] for entry in entries),
            how,
            dropped,
            tuple(notices),
            pd.concat([frame for frame in frames if len(frame)] or [collect("leads")], ignore_index=True),
            self.feature_set,
            self.tables.until,
        )


class _Whole:
    """The small tables, ready to be cut into those of some leads."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        names = ("lead_changes", "stage_changes", "outcomes")
        self.rows = {name: getattr(tables, name)["lead_row"].to_numpy() for name in names}
        edges = np.arange(len(tables.leads) + 1)
        self.starts = {name: rows.searchsorted(edges) for name, rows in self.rows.items()}

    def part(self, leads: NDArray[np.int64]) -> Tables:
        """The tables of these rows of leads, which are in ascending order."""
        return replace(
            self.tables,
            leads=self.tables.leads.iloc[leads].reset_index(drop=True),
            lead_changes=self._events("lead_changes", leads),
            activities=self.tables.activities.iloc[:0],
            stage_changes=self._events("stage_changes", leads),
            outcomes=self._events("outcomes", leads),
            decisions=self.tables.decisions.iloc[:0],
            quarantine=collect("leads"),
            notices=[],
            rows_read={},
        )

    def _events(self, name: str, leads: NDArray[np.int64]) -> pd.DataFrame:
        import pandas as pd

        starts = self.starts[name]
        begins, counts = starts[leads], starts[leads + 1] - starts[leads]
        lead = np.arange(len(leads)).repeat(counts)
        rows = np.arange(len(lead)) + (begins - (counts.cumsum() - counts))[lead]
        frame: pd.DataFrame = getattr(self.tables, name).iloc[rows].reset_index(drop=True)
        frame["lead_row"] = lead.astype(np.int32)
        for column in frame.columns.difference(["field"]):  # a part must not carry the texts of the others, but their fields
            if isinstance(frame[column].dtype, pd.CategoricalDtype) and len(frame[column].cat.categories) > len(frame) + 1_000:
                frame[column] = frame[column].cat.remove_unused_categories()
        return frame


def account_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same accounts counted from 0; -1 stays."""
    found: NDArray[np.int64] = np.unique(codes, return_inverse=True)[1].astype(np.int64) - int(bool((codes < 0).any()))
    return found


def _refuse_too_little(memory: int, workers: int) -> None:
    least = _BASE + (workers - 1) * _WORKER + workers * _LEAST_ROWS * (_BYTES_A_ROW + len(TABLES["activities"].columns) * _BYTES_A_VALUE)
    if memory < least:
        raise BadUsage(
            f"{memory / _MEGABYTE:,.0f} MB of memory are too few for {workers} worker{'s' * (workers > 1)}: give at least "
            f"{least / _MEGABYTE:,.0f} MB, or fewer workers"
        )


def _part_rows(memory: int, workers: int, columns: int) -> int:
    """How many activities a part may hold."""
    rows = (memory - _BASE - (workers - 1) * _WORKER) // (workers * (_BYTES_A_ROW + columns * _BYTES_A_VALUE))
    return min(rows, _MOST_ROWS)


def _aside(entry: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(entry["aside_rows"], columns=["table", "row", "lead_id", "reason"])


def _added(notices: Iterable[str]) -> list[str]:
    """Notices of parts that differ by their first count alone, as one with the sum.

    >>> _added(["activities: 1,200 rows late", "activities: 3 rows late"])
    ['activities: 1,203 rows late']
    """
    sums: dict[tuple[str, str], int] = {}
    for notice in notices:
        found = re.search(r"(?<![\w.,])\d{1,3}(?:,\d{3})*(?![\w.,])", notice)
        if found is None:
            sums.setdefault((notice, ""), 0)
        else:
            key = (notice[: found.start()], notice[found.end() :])
            sums[key] = sums.get(key, 0) + int(found[0].replace(",", ""))
    return [before + (f"{count:,}" if count else "") + after for (before, after), count in sums.items()]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
