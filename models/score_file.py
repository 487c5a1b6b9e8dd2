"""Scoring a file of leads: chunks in, rows out in the same order, in bounded memory, by the one scoring function.

In: a file as `tamiz train --leads` takes it, or leads with a file of activities; a bundle; a policy. Out: one output row an
input row (a bad row has empty figures and its `error`), as CSV, Parquet or JSON Lines by the file's ending. The output
appears whole or not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from data.contracts import LEADS
from data.errors import BadData, BadUsage, DependencyFailed
from data.files import open_rows
from data.flat import FlatScan, scan_flat
from features.engine import Colleagues, needs_of
from features.history import ActivityLog, Leads, Observations, instant
from models.bundle import Bundle
from models.decision import DECISIONS
from models.qualification import Policy, decide_many
from models.scoring import score_columns
from models.tables import account_codes, chunk_leads, colleagues_of, leads_of, log_of

if TYPE_CHECKING:
    import pyarrow as pa

    from data.frames import Tables

__all__ = ["COLUMNS", "TooMuchMissing", "needed_columns", "refuse_guesses", "score_file"]

COLUMNS = (
    "lead_id", "probability", "probability_low", "probability_high", "score", "grade", "decision", "reasons", "model_version", "as_of", "error",
)  # fmt: skip
_CHUNK = 50_000
_encode = msgspec.json.Encoder().encode


class TooMuchMissing(BadData):
    """The file lacks columns that carry {share:.0%} of what the model goes by ({columns}): its scores would be guesses.
    Give the columns that training saw, or train a model on the columns that you have."""


class NeedsActivities(BadUsage):
    """This model reads activities: give them with --activities FILE (lead_id, occurred_at, type, …); an empty file with a header says that there are none."""


@dataclass(frozen=True)
class _Rows:
    """Scored rows of one chunk; `errors` and `notes` by position."""

    lead_id: Sequence[str]
    columns: Mapping[str, Any]
    errors: Mapping[int, str]


def score_file(
    bundle: Bundle,
    policy: Policy,
    leads: Path,
    out: str,
    *,
    activities: Path | None = None,
    as_of: datetime,
    id_column: str | None = None,
    reasons: int = 3,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Scores every row and returns how many there were. Raises TooMuchMissing, BadUsage, BadData, DependencyFailed."""
    kinds = needed_columns(bundle)
    reading = bundle.manifest.get("reading", {})
    id_column = id_column or reading.get("id_column")
    scan = scan_flat(
        leads, kinds, id_column=id_column, chunk_rows=_CHUNK, decimal=reading.get("decimal"), timezone=reading.get("timezone", "UTC")
    )
    for notice in scan.notices:
        say(notice)
    refuse_guesses(bundle, scan.absent)
    if bundle.reads_activities:
        if activities is None:
            raise NeedsActivities
        chunks = _event_chunks(bundle, scan, leads, activities, as_of, reasons, say)
    else:
        if activities is not None:
            say("this model reads no activities: the file of activities is not used")
        chunks = _flat_chunks(bundle, scan, as_of, reasons)
    done = 0
    with _writer(out) as write:
        for rows in chunks:
            write(_table(rows, bundle, policy, as_of))
            done += len(rows.lead_id)
            progress(done)
    return done


def needed_columns(bundle: Bundle) -> dict[str, Any]:
    """The columns of `leads` that the model reads and what each holds, as the reader wants it."""
    trained: Mapping[str, str] = bundle.manifest.get("columns", {})
    kinds: dict[str, Any] = {}
    for name in sorted(bundle.scorer.plan.columns | {"consent"}):
        kind = trained.get(name) or LEADS.columns.get(name)
        if kind is not None and (name in bundle.scorer.plan.columns or name in trained):
            kinds[name] = "text" if kind == "id" else kind
    return kinds


def refuse_guesses(bundle: Bundle, absent: Sequence[str]) -> None:
    """Stops where inputs worth over half of the importance cannot be made from the file."""
    importance: Mapping[str, float] = bundle.manifest.get("importance", {})
    gone = set(absent)
    reads = {one.name: needs_of(one).columns for one in bundle.scorer.plan.signals}
    missing = {
        name: share for name, share in importance.items() if (columns := reads.get(name, frozenset({name}))) and columns <= gone
    }
    if (share := sum(missing.values())) > 0.5:
        raise TooMuchMissing(share=share, columns=", ".join(sorted(missing, key=lambda name: -missing[name])[:8]))


def _flat_chunks(bundle: Bundle, scan: FlatScan, as_of: datetime, reasons: int) -> Iterator[_Rows]:
    for chunk in scan:
        n = len(chunk)
        observations = Observations(np.arange(n), np.full(n, instant(as_of)))
        yield _score(bundle, chunk_leads(chunk), ActivityLog.empty(n), observations, None, reasons, dict(chunk.errors))


def _event_chunks(
    bundle: Bundle, scan: FlatScan, leads: Path, activities: Path, as_of: datetime, reasons: int, say: Callable[[str], None]
) -> Iterator[_Rows]:
    """Leads with their activities. The tables are validated as in training; a lead that is put aside keeps its output row."""
    tables = _read_tables(leads, activities, scan, as_of)
    for notice in tables.notices:
        say(notice)
    aside = tables.quarantine
    reason_of = {str(row.lead_id): str(row.reason) for row in aside[aside["table"] == "leads"].itertuples()}
    if others := int((aside["table"] != "leads").sum()):
        say(f"{others:,} rows of activities were put aside: {aside[aside['table'] != 'leads']['reason'].iloc[0]}")
    known = {name: row for row, name in enumerate(tables.leads["lead_id"])}
    account = account_codes(tables)
    everyone, log = leads_of(tables, account), log_of(tables)
    colleagues = colleagues_of(bundle.scorer.plan, account, log)
    seen: set[str] = set()
    for chunk in scan:
        errors = dict(chunk.errors)
        rows = np.zeros(len(chunk), dtype=np.int64)
        for i, name in enumerate(chunk.lead_id.tolist()):
            if i in errors:
                continue
            if name in seen or name not in known:
                errors[i] = reason_of.get(name, "this lead_id stands in more than one row" if name in seen else "this lead could not be read")
                continue
            seen.add(name)
            rows[i] = known[name]
        observations = Observations(rows, np.full(len(rows), instant(as_of)))
        part = _score(bundle, everyone, log, observations, colleagues, reasons, errors)
        yield _Rows(chunk.lead_id.tolist(), part.columns, part.errors)


def _read_tables(leads: Path, activities: Path, scan: FlatScan, as_of: datetime) -> Tables:
    from data.project import Project
    from data.sources import load_tables

    for path in (leads, activities):
        open_rows(path)  # says what is wrong with a file more plainly than SQL would
    project = Project(
        path=Path.cwd() / "tamiz.toml",
        queries={"leads": f"SELECT * FROM {_literal(leads)}", "activities": f"SELECT * FROM {_literal(activities)}"},
        setup=(),
        until=as_of,
        timezone=scan.timezone,
        missing=(),
        max_bad_share=1.0,
        imported=False,
        static=(),
        won=(),
        lost=(),
        horizon_days=1.0,
        ages_days=(0.0,),
        activity_instants=0,
    )
    return load_tables(project)


def _literal(path: Path) -> str:
    return "'" + str(path.resolve()).replace("'", "''") + "'"


def _score(
    bundle: Bundle, leads: Leads, log: ActivityLog, observations: Observations, colleagues: Colleagues | None, reasons: int, errors: dict[int, str]
) -> _Rows:
    scored = score_columns(bundle, leads, log, observations, colleagues, reasons=reasons)
    consent = leads.numbers.get("consent")
    return _Rows(
        leads.ids,
        {
            "probability": scored.probability,
            "probability_low": scored.low,
            "probability_high": scored.high,
            "score": np.round(scored.score, 1),
            "grade": scored.grade,
            "reasons": scored.reasons,
            "refused": None if consent is None else consent[observations.lead] == 0.0,
        },
        errors,
    )


def _table(rows: _Rows, bundle: Bundle, policy: Policy, as_of: datetime) -> pa.Table:
    import pyarrow as pa

    n = len(rows.lead_id)
    bad = np.zeros(n, dtype=np.bool_)
    bad[list(rows.errors)] = True
    decided = decide_many(policy, rows.columns["probability"], refused=rows.columns["refused"], no_signal=bundle.no_signal)
    names = pa.array(DECISIONS)
    missing = bad | np.isnan(rows.columns["score"])
    columns: dict[str, Any] = {"lead_id": pa.array(list(rows.lead_id), pa.string())}
    for name in ("probability", "probability_low", "probability_high"):
        columns[name] = pa.array(rows.columns[name], mask=bad)
    columns["score"] = pa.array(rows.columns["score"], mask=missing)
    columns["grade"] = pa.array([None if gone else grade for grade, gone in zip(rows.columns["grade"], missing.tolist(), strict=True)], pa.string())
    columns["decision"] = names.take(pa.array(decided.astype(np.int64), mask=bad))
    told = rows.columns["reasons"] or [[]] * n
    columns["reasons"] = pa.array([None if gone else _encode(one).decode() for one, gone in zip(told, bad.tolist(), strict=True)], pa.string())
    columns["model_version"] = pa.array([bundle.model_version]).take(pa.array(np.zeros(n, dtype=np.int64)))
    stamp = as_of.astimezone(UTC).isoformat().replace("+00:00", "Z")
    columns["as_of"] = pa.array([stamp]).take(pa.array(np.zeros(n, dtype=np.int64)))
    columns["error"] = pa.array([rows.errors.get(i) for i in range(n)] if rows.errors else pa.nulls(n, pa.string()), pa.string())
    return pa.table({name: columns[name] for name in COLUMNS})


class _Write(Protocol):
    def __call__(self, table: pa.Table, /) -> None: ...


@contextmanager
def _writer(out: str) -> Iterator[_Write]:
    """Writes tables to `out`, which is replaced only once everything has been written; `-` is stdout, as CSV."""
    if out == "-":
        with _formatted(sys.stdout.buffer, "csv") as write:
            yield write
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    ending = path.suffix.lower().lstrip(".")
    if ending not in ("csv", "parquet", "jsonl"):
        raise BadUsage(f"--out {out}: the file must end in .csv, .parquet or .jsonl, or be - for stdout")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as sink, _formatted(sink, ending) as write:
            yield write
        partial.replace(path)
    except OSError as error:
        raise DependencyFailed(f"{out} could not be written: {error.strerror or error}") from error
    finally:
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
                told = row.pop("reasons")
                sink.write(_encode({**row, "reasons": None if told is None else msgspec.Raw(told.encode())}) + b"\n")

        yield lines
