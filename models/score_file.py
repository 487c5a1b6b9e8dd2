"""Scoring a file of leads: chunks in, rows out in the same order, in bounded memory, by the one scoring function.

In: a file as `tamiz train --leads` takes it, or leads with a file of activities; a bundle; a policy. Out: one output row an
input row (a bad row has empty figures and its `error`), as CSV, Parquet or JSON Lines by the file's ending. The output
appears whole or not at all.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from data.contracts import TABLES
from data.errors import BadData, BadUsage, DependencyFailed
from data.files import MissingColumns, NoRows, RowFile, open_rows, require_columns
from data.flat import FlatScan, scan_flat
from features import bant
from features.engine import Colleagues
from features.history import ActivityLog, FieldHistory, Leads, Observations, TextColumn, instant
from features.own_types import said_of_unnamed
from models.bundle import Bundle
from models.decision import DECISIONS
from models.inputs import Floats
from models.qualification import Policy, decide, decide_many
from models.routing import facts_of
from models.scoring import score_columns
from models.tables import account_codes, changes_of, chunk_leads, colleagues_of, joined_leads, log_of

if TYPE_CHECKING:
    import pyarrow as pa

    from data.frames import FlatChunk, Tables

__all__ = [
    "COLUMNS",
    "NeedsActivities",
    "NeedsIds",
    "Part",
    "TooMuchMissing",
    "faults",
    "needed_columns",
    "open_scan",
    "read_parts",
    "refuse_guesses",
    "require_folder",
    "score_file",
]

COLUMNS = (
    "lead_id", "probability", "probability_low", "probability_high", "score", "grade", "decision", "reasons",
    "model_version", "as_of", "error",
)  # fmt: skip
_CHUNK = 50_000
_ALWAYS = {"consent": "boolean"}
"""Columns that decisions read, whatever the model reads."""
_OF_ACCOUNTS = {**_ALWAYS, "company_domain": "text", "email": "text"}
_encode = msgspec.json.Encoder().encode


class TooMuchMissing(BadData):
    """The file lacks columns that carry {share:.0%} of what the model goes by ({columns}): its scores would be guesses.
    Give the columns that training saw, or train a model on the columns that you have."""


class NeedsActivities(BadUsage):
    """This model reads activities: give them with --activities FILE (lead_id, occurred_at, type, …); a file with a header
    and no rows says that there are none."""


class NeedsIds(BadUsage):
    """Activities are joined to leads by id, and {leads} has no lead_id: name the column that holds it with --id."""


@dataclass(frozen=True)
class Part:
    """Some rows of the file: the leads they are of, and everything that is known about those."""

    lead_id: Sequence[str | None]
    rows: NDArray[np.int64]
    """Of `leads`, one a row of the file; any where the row has an error."""
    leads: Leads
    """None at all where every row of the file has an error."""
    log: ActivityLog
    colleagues: Colleagues | None
    errors: Mapping[int, str]
    """By position: why the row cannot be scored."""


@dataclass(frozen=True)
class _Rows:
    """Scored rows of one chunk; `errors` by position."""

    lead_id: Sequence[str | None]
    columns: Mapping[str, Any]
    errors: Mapping[int, str]


@dataclass(frozen=True)
class _Task:
    """What is asked of every row, and by whom it is answered."""

    bundle: Bundle
    policy: Policy
    as_of: datetime
    reasons: int

    @property
    def asks_bant(self) -> bool:
        """Whether decisions depend on BANT evidence, which costs time to gather."""
        bands = (self.policy.sql, *(one.sql for one in self.policy.segments))
        arms = self.policy.experiment.arms if self.policy.experiment else ()
        return any(one.bant_met > 0 or one.bant_required for one in (*bands, *(arm.sql for arm in arms)))


def score_file(
    bundle: Bundle,
    policy: Policy,
    leads: Path,
    out: str,
    *,
    activities: Path | None = None,
    lead_changes: Path | None = None,
    as_of: datetime,
    id_column: str | None = None,
    reasons: int = 3,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[int], None] = lambda rows: None,
    chunk_rows: int = _CHUNK,
) -> int:
    """Scores every row and returns how many there were. Raises TooMuchMissing, BadUsage, BadData, DependencyFailed.

    A model that reads activities holds the leads' columns and the activities in memory; any other, one chunk. With
    `lead_changes`, fields that had a history in training are read from theirs here, as of the instant; without, as they stand in `leads`.
    """
    task = _Task(bundle, policy, as_of, reasons)
    ending = _ending(out)
    parts = read_parts(
        bundle,
        leads,
        activities=activities,
        lead_changes=lead_changes,
        as_of=as_of,
        id_column=id_column,
        evidence=task.asks_bant,
        say=say,
        chunk_rows=chunk_rows,
    )
    done = 0
    with _writer(out, ending) as write:
        for part in parts:
            write(_table(_score(task, part), task))
            done += len(part.lead_id)
            progress(done)
    return done


def read_parts(
    bundle: Bundle,
    leads: Path,
    *,
    activities: Path | None = None,
    lead_changes: Path | None = None,
    as_of: datetime,
    id_column: str | None = None,
    evidence: bool = False,
    say: Callable[[str], None] = lambda text: None,
    chunk_rows: int = _CHUNK,
) -> Iterator[Part]:
    """The file in parts that can be scored, in its order; with `evidence` also the columns that only BANT evidence reads."""
    if bundle.reads_activities and activities is None:
        raise NeedsActivities
    if not bundle.reads_activities and activities is not None:
        say("this model reads no activities: the file of activities is not used")
        activities = None
    if lead_changes is not None and not _dated(bundle):
        say("no field that this model reads had a history in training: the file of lead changes is not used")
        lead_changes = None
    dated = {name: path for name, path in (("activities", activities), ("lead_changes", lead_changes)) if path is not None}
    where_there = dict(_OF_ACCOUNTS if dated else _ALWAYS)
    if evidence:
        where_there |= bundle.scorer.kinds
    elsewhere = _dated(bundle).keys() - _OF_ACCOUNTS.keys() if lead_changes is not None else ()
    scan = open_scan(bundle, leads, id_column, where_there=where_there, elsewhere=elsewhere, chunk_rows=chunk_rows)
    for notice in scan.notices:
        say(notice)
    refuse_guesses(bundle, scan.absent)
    return _event_parts(bundle, as_of, scan, leads, dated, say) if dated else _flat_parts(scan)


def open_scan(
    bundle: Bundle,
    leads: Path,
    id_column: str | None,
    *,
    where_there: Mapping[str, Any] | None = None,
    elsewhere: Collection[str] = (),
    chunk_rows: int = _CHUNK,
    label: str | None = None,
) -> FlatScan:
    """The file, read as the file that the model was trained on was read; columns told `elsewhere` are not read, whatever they hold."""
    reading = bundle.manifest.get("reading", {})
    # Told neither as missing nor as unknown: training knew them, and the model does without.
    known = {*bundle.manifest.get("columns", ()), *reading.get("dropped", ()), reading.get("label"), reading.get("order_by"), label}
    options = {
        "chunk_rows": chunk_rows,
        "missing": tuple(reading.get("missing", ())),
        "decimal": reading.get("decimal"),
        "timezone": reading.get("timezone", "UTC"),
        "where_there": {name: kind for name, kind in (where_there or {}).items() if name not in elsewhere},
        "known": {name for name in known if name},
    }
    needed = {name: kind for name, kind in needed_columns(bundle).items() if name not in elsewhere}
    trained_id = None if id_column else reading.get("id_column")
    try:
        return scan_flat(leads, needed, id_column=id_column or trained_id, **options)
    except MissingColumns:
        if trained_id is None:
            raise
    return scan_flat(leads, needed, **options)


def needed_columns(bundle: Bundle) -> dict[str, Any]:
    """The columns of `leads` behind the model's inputs and what each holds, as the reader wants it.

    What the audit left out is behind none of them, so nobody has to give it.
    """
    scorer = bundle.scorer
    inputs = {one.name for one in bundle.encoder.inputs}
    columns = {column for name, needs in scorer.plan.needs.items() if name in inputs for column in needs.columns} | inputs
    return {name: scorer.kinds[name] for name in sorted(columns & scorer.plan.columns & scorer.kinds.keys())}


def refuse_guesses(bundle: Bundle, absent: Sequence[str]) -> None:
    """Stops where inputs worth over half of the importance cannot be made from the file."""
    importance: Mapping[str, float] = bundle.manifest.get("importance", {})
    gone = set(absent)
    reads = {name: needs.columns & bundle.scorer.kinds.keys() for name, needs in bundle.scorer.plan.needs.items()}
    missing = {name: share for name, share in importance.items() if (columns := reads.get(name, frozenset({name}))) and columns <= gone}
    if (share := sum(missing.values())) > 0.5:
        raise TooMuchMissing(share=share, columns=", ".join(sorted(missing, key=lambda name: -missing[name])[:8]))


def faults(chunk: FlatChunk) -> dict[int, str]:
    """Position → why the row is not scored: it does not fit, or holds a value that its column cannot hold."""
    return {i: said.replace(": read as missing", "") for i, said in chunk.notes.items()} | chunk.errors


def _flat_parts(scan: FlatScan) -> Iterator[Part]:
    for chunk in scan:
        rows = np.arange(len(chunk), dtype=np.int64)
        yield Part(chunk.lead_id.tolist(), rows, chunk_leads(chunk), ActivityLog.empty(len(chunk)), None, faults(chunk))


def _event_parts(
    bundle: Bundle, as_of: datetime, scan: FlatScan, leads: Path, dated: Mapping[str, Path], say: Callable[[str], None]
) -> Iterator[Part]:
    """Leads with files of dated rows, by table: attributes as the scan reads them, the rest and accounts as training validates them."""
    if scan.id_column is None:
        raise NeedsIds(leads=leads)
    chunks = list(scan)
    ids: list[str | None] = [name for chunk in chunks for name in chunk.lead_id.tolist()]
    errors = {start + i: said for start, chunk in zip(_starts(chunks), chunks, strict=True) for i, said in faults(chunk).items()}
    first: dict[str, int] = {}
    for at, name in enumerate(ids):
        if name is not None and at not in errors and first.setdefault(name, at) != at:
            errors[at] = f"this lead_id stands in more than one row, first in row {first[name] + 1}"
    good = [at for at in range(len(ids)) if at not in errors]
    everyone, log, colleagues = Leads([]), ActivityLog.empty(0), None
    if good:
        everyone = joined_leads(chunks, np.array(good, dtype=np.int64))
        everyone, log = _with_dated_rows(bundle, as_of, scan, everyone, dated, say)
        colleagues = colleagues_of(bundle.scorer.plan, everyone.account, log)
    place = np.zeros(len(ids), dtype=np.int64)
    place[good] = np.arange(len(good))
    for start in range(0, len(ids), scan.chunk_rows):
        part = range(start, min(start + scan.chunk_rows, len(ids)))
        wrong = {at - start: errors[at] for at in part if at in errors}
        yield Part(ids[part.start : part.stop], place[part.start : part.stop], everyone, log, colleagues, wrong)


def _starts(chunks: Sequence[FlatChunk]) -> list[int]:
    return [0, *np.cumsum([len(chunk) for chunk in chunks[:-1]]).tolist()]


def _with_dated_rows(
    bundle: Bundle, as_of: datetime, scan: FlatScan, leads: Leads, files: Mapping[str, Path], say: Callable[[str], None]
) -> tuple[Leads, ActivityLog]:
    """The leads with their accounts and field histories, and their activities, through the same tables as in training."""
    with tempfile.TemporaryDirectory(prefix="tamiz-score-") as folder:
        queries = {"leads": _as_parquet(_account_columns(leads), Path(folder) / "leads.parquet")}
        for name, path in files.items():
            try:
                file = open_rows(path)
            except NoRows:
                say(f"{path} holds no rows: " + _NOTHING[name])
                continue
            require_columns(file.names, list(TABLES[name].required), str(path))
            queries[name] = f"SELECT * FROM {_literal(path)}"
            if file.source.format != "parquet":  # by our own reader, which keeps ids and encodings as they are
                queries[name] = _as_parquet(_batches(file, name, path, say), Path(folder) / f"{name}.parquet")
        tables = _load(bundle, as_of, scan, queries)
    if tables.leads["lead_id"].tolist() != list(leads.ids):
        raise BadData("the ids of the leads could not be kept as they are; please report this file")
    for notice in tables.notices:
        say(notice)
    for table, aside in tables.quarantine.groupby("table", sort=False):
        for reason, count in aside["reason"].str.split(": ").str[0].value_counts().items():
            say(f"{count:,} rows of {table} are left out: {reason}")
    log = log_of(tables)
    if later := int((log.occurred >= instant(as_of)).sum()):
        say(f"{later:,} activities from as_of or later were ignored")
    if unnamed := said_of_unnamed(log.type.values, bundle.scorer.named):
        say(unnamed)
    changes = _changes(bundle, tables) if "lead_changes" in files else {}
    return replace(leads, account=account_codes(tables), changes=changes), log


_NOTHING = {
    "activities": "every lead is scored as one that did nothing",
    "lead_changes": "of fields that had a history in training, nothing is known",
}


def _dated(bundle: Bundle) -> dict[str, str]:
    """Columns that the model reads and that had a history in training, and what each holds."""
    return {name: bundle.scorer.kinds[name] for name in bundle.manifest.get("reading", {}).get("dated", ()) if name in bundle.scorer.kinds}


def _changes(bundle: Bundle, tables: Tables) -> dict[str, FieldHistory]:
    """The histories of those fields; one without any row here has nothing that is known."""
    kinds, found = _dated(bundle), changes_of(tables, _dated(bundle))
    nobody, never = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
    for name in kinds.keys() - found.keys():
        nothing = {"numbers": np.zeros(0)} if kinds[name] in ("number", "boolean") else {"texts": TextColumn(nobody, ())}
        found[name] = FieldHistory.build(len(tables.leads), nobody, never, **nothing)
    return found


def _account_columns(leads: Leads) -> Iterator[pa.Table]:
    import pyarrow as pa

    names = [name for name in _OF_ACCOUNTS if name in leads.texts]
    yield pa.table(
        {
            "lead_id": pa.array(list(leads.ids), pa.string()),
            **{name: pa.array(leads.texts[name].texts(), pa.string()) for name in names},
        }
    )


def _batches(file: RowFile, table: str, path: Path, say: Callable[[str], None]) -> Iterator[pa.Table]:
    """The rows of a text file with the columns that the table may have, as text."""
    import pyarrow as pa

    known = TABLES[table].columns
    names = [name for name in file.names if name in known]
    if ignored := [name for name in file.names if name not in known]:
        say(f"{table}: columns that no signal reads are ignored: {', '.join(ignored)}")
    for batch in file.batches(names):
        if batch.bad:
            say(f"{path}: {len(batch.bad):,} rows are left out, the first is row {batch.bad[0][0]}: {batch.bad[0][1]}")
        yield pa.table({name: batch.columns[name] for name in names})


def _as_parquet(tables: Iterator[pa.Table], path: Path) -> str:
    """Writes the tables and gives the SQL that reads them."""
    import pyarrow.parquet as parquet

    table = next(tables)
    try:
        with parquet.ParquetWriter(path, table.schema) as writer:
            writer.write_table(table)
            for table in tables:
                writer.write_table(table)
    except OSError as error:
        raise DependencyFailed(f"{path.parent} could not be written: {error.strerror or error}") from error
    return f"SELECT * FROM {_literal(path)}"


def _load(bundle: Bundle, as_of: datetime, scan: FlatScan, queries: dict[str, str]) -> Tables:
    from data.project import Project
    from data.sources import load_tables

    reading = bundle.manifest.get("reading", {})
    project = Project(
        path=Path("tamiz.toml"),
        queries=queries,
        setup=(),
        until=as_of,
        timezone=scan.timezone,
        missing=tuple(reading.get("missing", ())),
        max_bad_share=1.0,
        imported=bool(reading.get("imported", False)),
        static=(),
        won=(),
        lost=(),
        horizon_days=1.0,
        ages_days=(0.0,),
        activity_instants=0,
    )
    return load_tables(project, now=datetime(2099, 1, 1, tzinfo=UTC))  # what lies after as_of is cut, not implausible


def _literal(path: Path) -> str:
    return "'" + str(path.resolve()).replace("'", "''") + "'"


def _score(task: _Task, part: Part) -> _Rows:
    if not len(part.leads):
        return _unscored(part.lead_id, part.errors)
    rows = part.rows
    observations = Observations(rows, np.full(len(rows), instant(task.as_of)))
    evidence: list[dict[bant.Dimension, bant.DimensionEvidence]] | None = [] if task.asks_bant else None
    asked: list[Floats] | None = None if task.policy.plain else []
    scored = score_columns(
        task.bundle, part.leads, part.log, observations, part.colleagues, reasons=task.reasons, evidence=evidence, answers=asked
    )
    return _Rows(
        part.lead_id,
        {
            "probability": scored.probability,
            "probability_low": scored.low,
            "probability_high": scored.high,
            "score": np.round(scored.score, 1),
            "grade": scored.grade,
            "reasons": scored.reasons,
            "decided": _decided(task, part, scored.probability, evidence or [], asked),
        },
        part.errors,
    )


def _decided(
    task: _Task,
    part: Part,
    probability: Floats,
    evidence: list[dict[bant.Dimension, bant.DimensionEvidence]],
    asked: list[Floats] | None,
) -> NDArray[np.int8]:
    """Positions in DECISIONS: at once under a plain policy, one by one under any other."""
    policy, rows, no_signal = task.policy.stateless, part.rows, task.bundle.no_signal
    if asked is not None:
        facts = facts_of(policy, part.leads, rows.tolist(), evidence=evidence, answers=np.concatenate(asked, axis=1))
        ruled = [decide(policy, p, known, no_signal=no_signal) for p, known in zip(probability.tolist(), facts, strict=True)]
        return np.array([DECISIONS.index(one.decision) for one in ruled], dtype=np.int8)
    consent = part.leads.numbers.get("consent")
    required = set(policy.sql.bant_required)
    return decide_many(
        policy,
        probability,
        bant_met=np.array([sum(one.status == "met" for one in each.values()) for each in evidence]) if evidence else None,
        required_unmet=np.array([any(each[name].status == "unmet" for name in required) for each in evidence]) if evidence else None,
        refused=None if consent is None else consent[rows] == 0.0,
        no_signal=no_signal,
    )


def _unscored(ids: Sequence[str | None], errors: Mapping[int, str]) -> _Rows:
    nan = np.full(len(ids), np.nan)
    figures = dict.fromkeys(("probability", "probability_low", "probability_high", "score"), nan)
    nobody = np.zeros(len(ids), dtype=np.int8)
    return _Rows(ids, {**figures, "grade": [None] * len(ids), "reasons": None, "decided": nobody}, errors)


def _table(rows: _Rows, task: _Task) -> pa.Table:
    import pyarrow as pa

    n, given = len(rows.lead_id), rows.columns
    bad = np.zeros(n, dtype=np.bool_)
    bad[list(rows.errors)] = True
    unranked = bad | np.isnan(given["score"])
    told = given["reasons"]
    reasons = None if told is None else [None if gone else _encode(one).decode() for one, gone in zip(told, bad.tolist(), strict=True)]
    stamp = task.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z")
    columns: dict[str, Any] = {
        "lead_id": pa.array(list(rows.lead_id), pa.string()),
        **{name: pa.array(given[name], mask=bad) for name in ("probability", "probability_low", "probability_high")},
        "score": pa.array(given["score"], mask=unranked),
        "grade": pa.array([None if gone else grade for grade, gone in zip(given["grade"], unranked.tolist(), strict=True)], pa.string()),
        "decision": pa.array(DECISIONS).take(pa.array(given["decided"].astype(np.int64), mask=bad)),
        "reasons": pa.nulls(n, pa.string()) if reasons is None else pa.array(reasons, pa.string()),
        "model_version": pa.repeat(task.bundle.model_version, n),
        "as_of": pa.repeat(stamp, n),
        "error": pa.array([rows.errors.get(i) for i in range(n)] if rows.errors else pa.nulls(n, pa.string()), pa.string()),
    }
    return pa.table({name: columns[name] for name in COLUMNS})


class _Write(Protocol):
    def __call__(self, table: pa.Table, /) -> None: ...


def _ending(out: str) -> str:
    ending = "csv" if out == "-" else Path(out).suffix.lower().lstrip(".")
    if ending not in ("csv", "parquet", "jsonl"):
        raise BadUsage(f"--out {out}: the file must end in .csv, .parquet or .jsonl, or be - for stdout")
    if out != "-":
        require_folder(Path(out))
    return ending


def require_folder(out: Path) -> None:
    """Raises BadUsage where the folder of a file to be written is none: before the work, not after it."""
    folder = out.parent
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise BadUsage(f"--out {out}: the folder {folder} {what}; create it, or name another")


@contextmanager
def _writer(out: str, ending: str) -> Iterator[_Write]:
    """Writes tables to `out`, which is replaced only once everything has been written; `-` is stdout, as CSV."""
    if out == "-":
        with _formatted(sys.stdout.buffer, "csv") as write:
            yield write
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as sink, _formatted(sink, ending) as write:
            yield write
        partial.replace(path)
    except OSError as error:
        raise DependencyFailed(f"{out} could not be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def _formatted(sink: Any, ending: str) -> Iterator[_Write]:  # noqa: ANN401 - any binary file object
    import pyarrow as pa
    import pyarrow.csv as csv
    import pyarrow.parquet as parquet

    text = pa.string()
    kinds = dict.fromkeys(COLUMNS, text) | dict.fromkeys(("probability", "probability_low", "probability_high", "score"), pa.float64())
    schema = pa.schema(kinds.items())
    if ending == "parquet":
        with parquet.ParquetWriter(sink, schema) as writer:
            yield lambda table: writer.write_table(table.cast(schema))
    elif ending == "csv":
        options = csv.WriteOptions(quoting_style="needed")
        with csv.CSVWriter(sink, schema, write_options=options) as writer:
            yield lambda table: writer.write_table(table.cast(schema))
    else:

        def lines(table: pa.Table) -> None:
            for row in table.to_pylist():
                if row["reasons"] is not None:
                    row["reasons"] = msgspec.Raw(row["reasons"].encode())
                sink.write(_encode(row) + b"\n")

        yield lines
