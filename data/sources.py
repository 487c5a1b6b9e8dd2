"""The tables of a project: its SQL run by DuckDB, checked against the contracts, typed, and in one canonical order.

In: a `Project`. Out: `Tables`. A query that lacks a required column, cannot run or needs what is not here is an error. A
single row that cannot be used is put aside with its place and reason; only above the project's share does that stop the
run. A single value that cannot be read (a word among numbers) is missing and counted. Nothing is guessed in silence:
naive times, repeated hours, ignored columns and filled gaps are notices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.columns import MISSING_WORDS, as_objects, as_text, boolean_words, encode, parse_numbers, parse_sizes, type_columns
from data.contracts import EARLIEST, LEADS, NOT_ATTRIBUTES, TABLES, TableContract
from data.errors import BadData, DependencyFailed, TamizError
from data.files import nearest, require_columns
from data.frames import ActivityColumns, Arrow, Kind, Tables
from data.project import Project
from data.quarantine import COLUMNS, collect, stop_above
from data.sizes import SIZES
from data.times import MISSING, in_zone, parse_times, to_utc

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Mask = npt.NDArray[np.bool_]
    _Events = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], dict[str, npt.NDArray[Any]], dict[str, list[str]]]

__all__ = ["NoReader", "QueryFailed", "check_activities", "connect", "latest_plausible", "load_tables", "query_failed"]

_LATEST = "2100-01-01"
_MAIN_TIME = {
    "lead_changes": "changed_at",
    "activities": "occurred_at",
    "stage_changes": "entered_at",
    "outcomes": "converted_at",
    "decisions": "as_of",
    "feedback": "given_at",
}
_LEAD_PUT_ASIDE = "its lead was put aside"
"""A consequence, not a fault of its own: it does not count towards the share."""
_BATCH_ROWS = 250_000


class NoReader(DependencyFailed, status=503, exit_code=3):
    """the query for {table} in {path} needs DuckDB's extension {extension}, which is neither installed nor to be had here ({reason}).
    Install it where there is a network (INSTALL {extension}), or export the data as CSV, Parquet or JSON, which need none.
    """


class QueryFailed(BadData, status=422, exit_code=2):
    """the query for {table} in {path} failed: {reason}"""


def load_tables(project: Project, *, now: datetime | None = None, progress: Callable[[str], None] | None = None) -> Tables:
    """Run and check every query of the project. `now` bounds what times are plausible; there is no other clock here."""
    import pandas as pd

    say = progress or (lambda message: None)
    latest = latest_plausible(project, now)
    with connect(project) as connection:
        read = {name: _query(connection, project, name, say) for name in project.queries}
        notices = _what_duckdb_guessed(connection, project, read)
    rows_read = {name: len(table) for name, table in read.items()}
    checks = {name: _Check(TABLES[name], read.pop(name), project, latest) for name in list(read)}
    leads, kinds = _leads(checks["leads"])
    checks["leads"].finish()
    known = _LeadIndex(leads, {str(lead) for frame in checks["leads"].problems for lead in frame["lead_id"].dropna()})
    events = {}
    for name in _MAIN_TIME:
        check = checks.get(name)
        if check is None:
            events[name] = _empty(TABLES[name])
        else:
            kept, lead_row, columns, values = _events(name, check, known, project)
            events[name] = _event_frame(check, kept, lead_row, known, columns, values)
            check.finish()
    events["outcomes"], said = _outcomes_from_stages(events["outcomes"], events["stage_changes"], known, project)
    quarantined = [check.frame() for check in checks.values() if check.problems]
    notices = [said for check in checks.values() for said in check.notices] + notices + said
    until = _until(project, [leads.get("created_at"), *(events[name][time] for name, time in _MAIN_TIME.items())])
    sizes = ", ".join(f"{len(events[name]):,} {name}" for name in ("activities", "outcomes"))
    say(f"{len(leads):,} leads, {sizes} until {until:%Y-%m-%d %H:%M} UTC")
    return Tables(
        leads=leads,
        lead_changes=events["lead_changes"],
        activities=events["activities"],
        stage_changes=events["stage_changes"],
        outcomes=events["outcomes"],
        decisions=events["decisions"],
        feedback=events["feedback"],
        until=until,
        kinds=kinds,
        quarantine=pd.concat(quarantined, ignore_index=True) if quarantined else collect("leads"),
        notices=notices,
        rows_read=rows_read,
    )


def check_activities(
    table: Arrow, rows: npt.NDArray[np.int64], leads: pd.DataFrame, put_aside: Collection[str], project: Project, latest: int
) -> tuple[ActivityColumns, pd.DataFrame, list[str]]:
    """Some of the project's activities, checked as `load_tables` does, as columns; what was put aside; what there is to say.

    `rows` are their places in the source, counted from 1; `leads` are all they can belong to, and `put_aside` those that were.
    """
    check = _Check(TABLES["activities"], table, project, latest)
    kept, lead_row, columns, values = _events("activities", check, _LeadIndex(leads, put_aside), project)
    taken = _rows({"lead_row": lead_row, **columns}, kept)
    aside = check.frame()
    aside["row"] = rows[aside["row"].to_numpy() - 1]
    kinds = TABLES["activities"].columns
    found = ActivityColumns(
        taken.pop("lead_row"),
        times={name: column for name, column in taken.items() if kinds[name] == "time"},
        numbers={name: column for name, column in taken.items() if kinds[name] in ("number", "boolean")},
        texts={name: (taken[name], values[name]) for name in values},
    )
    return found, aside, check.notices


# Running SQL ---------------------------------------------------------------------------------------------------------


def connect(project: Project) -> duckdb.DuckDBPyConnection:
    """A connection in which the project's queries run."""
    import tempfile
    import uuid

    import duckdb

    # A folder of its own, which DuckDB makes only when it must spill: two runs at once must not share it.
    spill = Path(tempfile.gettempdir()) / f"tamiz-duckdb-{uuid.uuid4().hex}"
    connection = duckdb.connect(config={"temp_directory": str(spill)})
    connection.execute("SET file_search_path = ?", [str(project.folder)])
    connection.execute("SET TimeZone = ?", [project.timezone])
    connection.execute("SET enable_progress_bar = false")
    for statement in project.setup:
        try:
            connection.execute(statement)
        except duckdb.Error as error:
            raise query_failed(error, project, "setup") from error
    return connection


def _query(connection: duckdb.DuckDBPyConnection, project: Project, name: str, say: Callable[[str], None]) -> Arrow:
    """The rows of one query, text as dictionary codes: memory is that of the distinct values."""
    import duckdb
    import pyarrow as pa
    import pyarrow.compute as pc

    say(f"reading {name}")
    plain = {column for column, kind in TABLES[name].columns.items() if kind == "id" and column != "lead_id"}
    try:
        relation = connection.sql(project.queries[name])
        if relation is None:
            raise QueryFailed(table=name, path=project.path, reason="it gives no rows: a SELECT is needed")
        reader = relation.to_arrow_reader(_BATCH_ROWS)
        coded = [
            i for i, member in enumerate(reader.schema) if pa.types.is_string(member.type) and member.name not in plain and name != "leads"
        ]
        batches = []
        for batch in reader:
            columns = [pc.dictionary_encode(column) if i in coded else column for i, column in enumerate(batch.columns)]
            batches.append(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))
        names: list[str] = reader.schema.names
    except (duckdb.Error, pa.ArrowException) as error:
        raise query_failed(error, project, name) from error
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise QueryFailed(table=name, path=project.path, reason=f"it gives {', '.join(twice)} more than once; rename one with AS")
    require_columns(names, list(TABLES[name].required), f"the query for {name} in {project.path}")
    return pa.Table.from_batches(batches) if batches else reader.schema.empty_table()


def query_failed(error: Exception, project: Project, name: str) -> TamizError:
    """What to tell the user of an error that DuckDB raised at a query."""
    text = " ".join(str(error).split())
    extension = re.search(r"extension '?\"?(\w+)", text) if re.search(r"(?i)extension", text) else None
    needed = extension.group(1) if extension else _function_of_an_extension(text)
    if needed:
        cause = re.search(r"\((ERROR [^)]*)\)", text)
        return NoReader(table=name, path=project.path, extension=needed, reason=cause.group(1) if cause else text[:160])
    if re.match(r"(?i)(http|out of memory)", text) or "No space left" in text:
        return DependencyFailed(f"the query for {name} in {project.path} could not be carried out: {text[:300]}")
    said, place = _said_and_place(str(error))
    if "No files found" in text:
        said += f" (file names are relative to {project.folder})"
    return QueryFailed(table=name, path=project.path, reason=said[:500] + _quoting_hint(said, project.queries.get(name, "")) + place)


def _said_and_place(text: str) -> tuple[str, str]:
    """What DuckDB says, in one line, and its lines that show the place with a caret under it, as they are: a caret needs its column."""
    said, found, place = text.partition("\nLINE ")
    return " ".join(said.split()), f"\nLINE {place.rstrip()}" if found else ""


def _quoting_hint(said: str, query: str) -> str:
    """For a syntax error at a word that SQL reserves, or just after one: a column may be called so, if it is quoted."""
    import duckdb

    found = re.search(r'syntax error at or near "(.+?)"', said)
    if found is None:
        return ""
    at = found.group(1)
    words = [*re.findall(rf"(\w+)\s*{re.escape(at)}", query), at]
    reserved = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
    known = {name for (name,) in duckdb.connect().execute(reserved).fetchall()}
    word = next((word for word in words if word.lower() in known), None)
    return f'; if {word} is a column here, write it in double quotes: "{word}"' if word else ""


def _function_of_an_extension(text: str) -> str | None:
    found = re.search(r"Function with name (\w+) does not exist", text)
    families = {
        "postgres": "postgres",
        "sqlite": "sqlite",
        "mysql": "mysql",
        "read_xlsx": "excel",
        "st_read": "spatial",
        "delta": "delta",
        "iceberg": "iceberg",
    }
    return next((extension for start, extension in families.items() if found and found.group(1).startswith(start)), None)


def _what_duckdb_guessed(connection: duckdb.DuckDBPyConnection, project: Project, read: Mapping[str, Arrow]) -> list[str]:
    """DuckDB decides by a sample how a text file writes dates, and that a column is whole numbers: say so where it may matter."""
    import duckdb

    numeric_ids = {name for name, table in read.items() if _whole_number_ids(TABLES[name], table)}
    files: dict[str, list[str]] = {}
    for name, query in project.queries.items():
        for literal in re.findall(r"'([^']+\.(?:csv|tsv|txt)(?:\.gz)?)'", query, re.IGNORECASE):
            files.setdefault(literal, []).append(name)
    said = []
    for literal, tables in files.items():
        try:
            found = connection.execute("SELECT DateFormat, TimestampFormat, Columns FROM sniff_csv(?)", [literal]).fetchone() or (
                "",
                "",
                [],
            )
            formats = [form for form in found[:2] if form and not form.startswith("%Y")]
            if formats:
                said.append(
                    f"{', '.join(tables)}: DuckDB took the dates in {literal} to be written {formats[0]}; if not, say so with read_csv"
                )
            whole = [column["name"] for column in found[2] if column["type"] in ("BIGINT", "INTEGER", "HUGEINT")]
            lost = _zero_padded(connection, literal, whole) if whole and numeric_ids & set(tables) else []
        except duckdb.Error:  # the query's own reader has other options than the sniffer, and it could read the file
            continue
        if lost:
            types = ", ".join(f"'{column}': 'VARCHAR'" for column in lost)
            remedy = f"keep them with read_csv('{literal}', types={{{types}}})"
            said.append(f"{', '.join(tables)}: leading zeros in {', '.join(lost)} of {literal} were lost; {remedy}")
    return said


def _whole_number_ids(contract: TableContract, table: Arrow) -> bool:
    import pyarrow as pa

    return any(pa.types.is_integer(member.type) and contract.columns.get(member.name) == "id" for member in table.schema)


def _zero_padded(connection: duckdb.DuckDBPyConnection, literal: str, columns: list[str]) -> list[str]:
    quoted = ['"' + column.replace('"', '""') + '"' for column in columns]
    checks = ", ".join(f"coalesce(bool_or(regexp_matches({column}, '^[+-]?0[0-9]')), false)" for column in quoted)
    hits = connection.execute(f"SELECT {checks} FROM read_csv(?, all_varchar = true)", [literal]).fetchone() or ()
    return [column for column, hit in zip(columns, hits, strict=True) if hit]


# Checking rows -------------------------------------------------------------------------------------------------------


@dataclass
class _Check:
    """One table under examination: which rows are kept, what was put aside and why, and what there is to say."""

    contract: TableContract
    table: Arrow
    project: Project
    latest: int
    problems: list[pd.DataFrame] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    keep: Mask = field(init=False)
    lead_codes: npt.NDArray[np.int32] = field(init=False)
    lead_values: Arrow = field(init=False)

    def __post_init__(self) -> None:
        import numpy as np

        self.keep = np.ones(len(self.table), dtype=bool)
        self.lead_codes, self.lead_values = encode(self.table.column("lead_id"))
        ignored = [name for name in self.table.column_names if name not in self.contract.columns]
        if ignored and not self.contract.open:
            near = {
                name: nearest(name, [other for other in self.contract.optional if other not in self.table.column_names]) for name in ignored
            }
            listed = ", ".join(name + (f" (did you mean {close}?)" if close else "") for name, close in near.items())
            self.notices.append(f"{self.contract.name}: columns that no signal reads are ignored: {listed}")

    def put_aside(self, mask: Mask, reason: str, quoted: Callable[[int], str] | None = None) -> None:
        import numpy as np

        chosen = np.flatnonzero(mask & self.keep) if mask.any() else np.zeros(0, dtype=np.int64)
        if len(chosen):
            reasons = reason if quoted is None else [f"{reason}: {quoted(int(i))}" for i in chosen]
            self.problems.append(collect(self.contract.name, chosen + 1, self.leads(chosen), reasons))
            self.keep[chosen] = False

    def leads(self, rows: npt.NDArray[np.int64]) -> list[str | None]:
        """The lead ids of some rows."""
        return [None if code < 0 else self.lead_values[int(code)].as_py() for code in self.lead_codes[rows]]

    def finish(self) -> None:
        """Stop if too much was put aside, and let go of the rows."""
        frame = self.frame()
        own = frame[frame["reason"] != _LEAD_PUT_ASIDE]
        stop_above(self.project.max_bad_share, self.contract.name, len(self.table), own)
        self.table = self.table.slice(0, 0)

    def frame(self) -> pd.DataFrame:
        import pandas as pd

        if not self.problems:
            return collect(self.contract.name)
        return pd.concat(self.problems, ignore_index=True).sort_values("row", kind="stable", ignore_index=True)[list(COLUMNS)]

    def time(self, name: str, *, required: bool) -> npt.NDArray[np.int64]:
        import numpy as np
        import pandas as pd

        array = self.table.column(name)
        parsed = parse_times(_text_if_coded(array), self.project.timezone, f"{self.contract.name}.{name}")
        self.notices += parsed.notices(f"{self.contract.name}.{name}", self.project.timezone)
        if parsed.bad.any():
            self.put_aside(parsed.bad, f"no date in {name}", _quoting(array))
        micros, earliest = parsed.micros, _micros(pd.Timestamp(EARLIEST))
        if len(micros) and int(micros.min()) >= earliest and int(micros.max()) <= self.latest:
            return micros  # all there and all plausible
        if required:
            self.put_aside((micros == MISSING) & ~parsed.bad, f"nothing in {name}")
        absurd = (micros != MISSING) & ((micros < earliest) | (micros > self.latest))
        if absurd.any():
            self.put_aside(absurd, f"implausible time in {name}", _instant(micros))
        return np.where(absurd, MISSING, micros)

    def numbers(self, name: str, kind: str) -> npt.NDArray[np.float64]:
        """A number or a boolean; a value that is none is missing and counted."""
        import numpy as np

        array = _text_if_coded(self.table.column(name))
        if kind == "boolean" and not _is_boolean(array):
            codes, uniques = encode(array)
            values = uniques.to_pylist()
            meaning = [
                (boolean_words([value]) or {"1": {value: 1.0}, "0": {value: 0.0}}.get(value, {})).get(value, np.nan) for value in values
            ]
            numbers = np.array([*meaning, np.nan])[codes]
            wrong: Mask | None = np.isnan(numbers) & (codes >= 0)
        else:
            parsed = parse_numbers(array)
            if parsed.bad is not None and self.contract is LEADS and name in SIZES:
                parsed = parse_sizes(array, SIZES[name])
            numbers, wrong = parsed.values, parsed.bad
            if parsed.infinite:
                self.notices.append(f"{self.contract.name}.{name}: {parsed.infinite:,} infinite values were read as missing")
        if wrong is not None and wrong.any():
            first = _quoting(array)(int(np.argmax(wrong)))
            self.notices.append(
                f"{self.contract.name}.{name}: {int(wrong.sum()):,} values are no {kind} and were read as missing, the first is {first}"
            )
        return numbers

    def texts(self, name: str) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Codes into values that are sorted, so that the order of codes is that of the texts."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        array = self.table.column(name)
        words = pa.array([*MISSING_WORDS, *self.project.missing])
        codes, uniques = encode(array)
        drop = np.asarray(pc.is_in(uniques, value_set=words).to_numpy(zero_copy_only=False), dtype=bool)
        order = np.asarray(pc.sort_indices(uniques).to_numpy(zero_copy_only=False), dtype=np.int64)
        order = order[~drop[order]]
        if np.array_equal(order, np.arange(len(uniques))):
            return codes, uniques.to_pylist()
        rank = np.full(len(uniques) + 1, -1, dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return rank[codes], uniques.take(pa.array(order)).to_pylist()


def _quoting(array: Arrow) -> Callable[[int], str]:
    """How a reason quotes a value; it is fetched only where a reason is written."""
    return lambda place: repr(array[place].as_py())


def _instant(micros: npt.NDArray[np.int64]) -> Callable[[int], str]:
    return lambda place: str(micros[place].view("datetime64[us]")) + "Z"


class _LeadIndex:
    """From lead ids to the rows of `leads`."""

    def __init__(self, leads: pd.DataFrame, put_aside: Collection[str]) -> None:
        import numpy as np
        import pyarrow as pa

        self.ids: npt.NDArray[np.object_] = leads["lead_id"].to_numpy(dtype=object)
        self.set = pa.array(self.ids, pa.string())
        self.put_aside = pa.array(sorted(put_aside), pa.string())
        created = "created_at" in leads
        self.created = leads["created_at"].dt.tz_localize(None).to_numpy().view(np.int64) if created else np.full(len(leads), MISSING)

    def rows(self, check: _Check) -> npt.NDArray[np.int32]:
        """The row of each lead, -1 where it is unknown."""
        import numpy as np
        import pyarrow.compute as pc

        found = pc.fill_null(pc.index_in(check.lead_values, value_set=self.set), -1).to_numpy(zero_copy_only=False)
        return np.append(found, -1).astype(np.int32)[check.lead_codes]

    def were_put_aside(self, check: _Check) -> Mask:
        import numpy as np
        import pyarrow.compute as pc

        found = pc.is_in(check.lead_values, value_set=self.put_aside).to_numpy(zero_copy_only=False)
        return np.append(found, False).astype(bool)[check.lead_codes]


# The tables ----------------------------------------------------------------------------------------------------------


def _leads(check: _Check) -> tuple[pd.DataFrame, dict[str, Kind]]:
    import pandas as pd
    import pyarrow as pa

    table = check.table
    if not len(table):
        raise BadData(f"the query for leads in {check.project.path} gives no rows")
    ids = as_objects(check.lead_codes, check.lead_values.to_pylist())
    check.put_aside(check.lead_codes < 0, "no lead_id")
    check.put_aside(pd.Series(check.lead_codes).duplicated().to_numpy(), "duplicate lead_id")
    times = {name: check.time(name, required=False) for name in ("created_at",) if name in table.column_names}
    members: dict[str, Any] = {"lead_id": pd.Series(ids[check.keep], dtype=object)}
    kinds: dict[str, Kind] = {}
    open_columns = {}
    for name in table.column_names:
        known, array = LEADS.columns.get(name), table.column(name)
        if name == "lead_id":
            continue
        if name in times:
            members[name], kinds[name] = pd.Series(to_utc(times[name][check.keep])), "time"
        elif known in ("number", "boolean"):
            members[name], kinds[name] = pd.Series(check.numbers(name, known)[check.keep]), known
        elif known == "text":
            codes, values = check.texts(name)
            members[name], kinds[name] = pd.Series(as_objects(codes[check.keep], values), dtype=object), _text_kind(name)
        elif pa.types.is_temporal(array.type):
            micros = parse_times(array, check.project.timezone, f"leads.{name}").micros
            members[name], kinds[name] = pd.Series(to_utc(micros[check.keep])), "time"
        else:
            members[name] = None
            open_columns[name] = _blanked(array, check.project.missing).filter(pa.array(check.keep))
    typed, said = type_columns(open_columns)
    check.notices += [f"leads.{notice}" for notice in said]
    for name, column in typed.items():
        kinds[name] = column.kind
        members[name] = (
            pd.Series(column.numbers) if column.codes is None else pd.Series(as_objects(column.codes, column.values), dtype=object)
        )
    return pd.DataFrame(members), {name: kinds[name] for name in members if name != "lead_id"}


def _events(name: str, check: _Check, known: _LeadIndex, project: Project) -> _Events:
    """A table of dated rows about leads, checked: which rows are kept, in canonical order, and the row of its lead of each."""
    import numpy as np

    table, contract, main = check.table, check.contract, _MAIN_TIME[name]
    check.put_aside(check.lead_codes < 0, "no lead_id")
    lead_row = known.rows(check)
    check.put_aside((lead_row < 0) & known.were_put_aside(check), _LEAD_PUT_ASIDE)
    check.put_aside(lead_row < 0, "unknown lead")
    columns: dict[str, npt.NDArray[Any]] = {}
    values: dict[str, list[str]] = {}
    for column, kind in contract.columns.items():
        if column not in table.column_names or column == "lead_id":
            continue
        if kind == "time":
            columns[column] = check.time(column, required=column in contract.required)
        elif kind == "text":
            columns[column], values[column] = check.texts(column)
            if column in contract.required and column != "value":
                check.put_aside(columns[column] < 0, f"nothing in {column}")
        elif kind == "id":
            columns[column] = _id_codes(table.column(column))
        else:
            columns[column] = check.numbers(column, kind)
    if name == "outcomes":
        columns["kind"], values["kind"] = _outcome_kinds(check, columns.get("kind"), values.get("kind"))
        early = (
            (known.created[lead_row] != MISSING) & (columns[main] < known.created[lead_row]) & (lead_row >= 0) & (columns[main] != MISSING)
        )
        check.put_aside(early, "outcome before creation", _instant(columns[main]))
    if name == "decisions":
        check.put_aside(np.isnan(columns["worked"]), "nothing in worked")
        if "propensity" in columns:
            strange = (columns["propensity"] < 0) | (columns["propensity"] > 1)
            check.put_aside(strange, "propensity is not between 0 and 1")
    if name == "activities":
        _recorded(check, columns, project)
    rest = sorted((key for key in columns if key != main), key=lambda key: key == "activity_id")  # ids are coded in the source's order
    kept = _canonical_order(np.flatnonzero(check.keep), lead_row, columns[main], [columns[key] for key in rest])
    if "activity_id" in columns:
        kept = _once(check, kept, lead_row, columns)
    return kept, lead_row, columns, values


def _event_frame(
    check: _Check,
    kept: npt.NDArray[np.int64],
    lead_row: npt.NDArray[np.int32],
    known: _LeadIndex,
    columns: dict[str, npt.NDArray[Any]],
    values: dict[str, list[str]],
) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    kinds = check.contract.columns | ({"kind": "text"} if check.contract.name == "outcomes" else {})
    members: dict[str, Any] = {"lead_id": pd.Series(known.ids[lead_row[kept]], dtype=object), "lead_row": lead_row[kept]}
    for column, kind in kinds.items():
        if column not in columns:
            continue
        if kind == "time":
            members[column] = pd.Series(to_utc(columns[column][kept]))
        elif kind == "text":
            members[column] = pd.Series(pd.Categorical.from_codes(columns[column][kept], categories=pd.Index(values[column], dtype=object)))
        elif kind == "id":
            texts = as_text(check.table.column(column)).take(pa.array(kept))
            members[column] = (
                pd.Series(pd.array(texts.to_pylist(), dtype="str")) if len(kept) < 1000 else texts.to_pandas(types_mapper=_strings)
            )
        else:
            members[column] = columns[column][kept]
    if check.contract.name == "lead_changes":
        members["field"] = members["field"].cat.remove_unused_categories()  # each category is a field with a history
    return pd.DataFrame(members)


def _recorded(check: _Check, columns: dict[str, npt.NDArray[Any]], project: Project) -> None:
    """When each activity became known: as recorded, else when it occurred."""
    import numpy as np

    if "recorded_at" not in columns:
        return
    recorded, occurred = columns["recorded_at"], columns["occurred_at"]
    if project.imported:
        columns["recorded_at"] = occurred.copy()
        check.notices.append("activities: declared as imported, so recorded_at was set to occurred_at in every row")
        return
    gaps = (recorded == MISSING) & check.keep
    if gaps.any():
        columns["recorded_at"] = np.where(recorded == MISSING, occurred, recorded)
        check.notices.append(f"activities: {int(gaps.sum()):,} rows without recorded_at count as recorded when they occurred")
    early = int(((recorded < occurred) & (recorded != MISSING) & check.keep).sum())
    if early:
        check.notices.append(f"activities: {early:,} rows were recorded before they occurred; they count from when they occurred")


def _outcome_kinds(check: _Check, codes: npt.NDArray[Any] | None, values: list[str] | None) -> tuple[npt.NDArray[np.int32], list[str]]:
    """`won` by default, or `lost`; a third kind is put aside."""
    import numpy as np

    kinds = ["lost", "won"]
    if codes is None or values is None:
        return np.ones(len(check.table), dtype=np.int32), kinds
    folded = [value.strip().casefold() for value in values]
    meaning = np.array([kinds.index(word) if word in kinds else -1 for word in folded] + [1], dtype=np.int32)
    read: npt.NDArray[np.int32] = meaning[codes]
    check.put_aside(read < 0, "neither won nor lost", lambda place: repr(values[int(codes[place])]))
    return read, kinds


def _once(
    check: _Check, kept: npt.NDArray[np.int64], lead_row: npt.NDArray[np.int32], columns: dict[str, npt.NDArray[Any]]
) -> npt.NDArray[np.int64]:
    """Rows of one lead with the same activity_id are one activity: the one that was known first, whatever comes later."""
    import numpy as np

    code = columns["activity_id"][kept]
    occurred = columns["occurred_at"]
    known = np.maximum(columns.get("recorded_at", occurred), occurred)[kept]
    place = np.arange(len(kept))
    order = np.lexsort((place, known, code, lead_row[kept]))
    same = np.zeros(len(kept), dtype=bool)
    if len(kept):
        first, second = order[:-1], order[1:]
        same[second] = (code[first] == code[second]) & (lead_row[kept][first] == lead_row[kept][second]) & (code[second] >= 0)
    if same.any():
        check.notices.append(f"activities: {int(same.sum()):,} rows repeat an activity_id of the same lead; the one known first counts")
    return kept[~same]


def _canonical_order(
    rows: npt.NDArray[np.int64], lead: npt.NDArray[np.int32], time: npt.NDArray[np.int64], rest: list[npt.NDArray[Any]]
) -> npt.NDArray[np.int64]:
    """`rows` by lead, then time, then the rest of the row, which is compared only where lead and time tie."""
    import numpy as np

    if len(rows) < len(lead):
        lead, time = lead[rows], time[rows]
    order = _by_lead_and_time(lead, time)
    if order is not None:
        rows, lead, time = rows[order], lead[order], time[order]
    tied = np.flatnonzero((lead[1:] == lead[:-1]) & (time[1:] == time[:-1]))
    if len(tied):
        places = np.union1d(tied, tied + 1)
        among = rows[places]
        rows[places] = among[np.lexsort((*(column[among] for column in reversed(rest)), time[places], lead[places]))]
    return rows


def _by_lead_and_time(lead: npt.NDArray[np.int32], time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """Where rows are clustered already they stay (None); where they came in order of time they only have to be clustered."""
    import numpy as np

    order = None
    if (lead[1:] < lead[:-1]).any():
        few = int(lead.min()) >= 0 and int(lead.max()) < 2**16
        order = np.argsort(lead.astype(np.uint16) if few else lead, kind="stable")  # NumPy sorts 16 bits by radix
        lead, time = lead[order], time[order]
    if ((lead[1:] == lead[:-1]) & (time[1:] < time[:-1])).any():
        again = np.lexsort((time, lead))
        order = again if order is None else order[again]
    return order


def _rows(columns: dict[str, npt.NDArray[Any]], kept: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    """These rows of columns. Most of the time all rows are kept and few of them moved: only those are copied."""
    import numpy as np

    if any(len(kept) < len(column) for column in columns.values()):
        return {name: column[kept] for name, column in columns.items()}
    (moved,) = (kept != np.arange(len(kept))).nonzero()
    if not len(moved):
        return columns
    if 2 * len(moved) > len(kept):
        return {name: column[kept] for name, column in columns.items()}
    found = {}
    for name, column in columns.items():
        found[name] = column.copy()
        found[name][moved] = column[kept[moved]]
    return found


def _outcomes_from_stages(
    outcomes: pd.DataFrame, stages: pd.DataFrame, known: _LeadIndex, project: Project
) -> tuple[pd.DataFrame, list[str]]:
    """Leads without an outcome of their own get one from their first entry of a won, and of a lost, stage."""
    import numpy as np
    import pandas as pd

    wanted = {"won": project.won, "lost": project.lost}
    if not (project.won or project.lost):
        return outcomes, []
    seen = list(stages["stage"].cat.categories)
    notices = []
    for stage in [stage for names in wanted.values() for stage in names if stage not in seen]:
        close = nearest(stage, seen)
        notices.append(f"stage_changes never enter {stage!r}, named in [stages]" + (f"; there is {close!r}" if close else ""))
    silent = stages[~stages["lead_row"].isin(outcomes["lead_row"].unique())]
    found = []
    for kind, names in wanted.items():
        entries = silent[silent["stage"].isin(names)].drop_duplicates("lead_row")
        rows = pd.DataFrame({"lead_id": entries["lead_id"], "lead_row": entries["lead_row"], "converted_at": entries["entered_at"]})
        if "amount" in entries and kind == "won":
            rows["amount"] = entries["amount"]
        rows["kind"] = kind
        found.append(rows)
    added = pd.concat(found, ignore_index=True)
    created = known.created[added["lead_row"].to_numpy()]
    early = (created != MISSING) & (added["converted_at"].dt.tz_localize(None).to_numpy().view(np.int64) < created)
    if early.any():
        notices.append(f"stage_changes: {int(early.sum()):,} entries of a closing stage before the lead's creation are no outcome")
        added = added[~early]
    if len(added):
        counts = added["kind"].value_counts()
        notices.append(
            f"outcomes of leads without one were taken from their stages: {counts.get('won', 0):,} won, {counts.get('lost', 0):,} lost"
        )
        outcomes = outcomes.assign(kind=outcomes["kind"].astype(object))
        outcomes = (pd.concat([outcomes, added], ignore_index=True) if len(outcomes) else added).sort_values(
            ["lead_row", "converted_at", "kind"], kind="stable", ignore_index=True
        )
        outcomes["kind"] = pd.Categorical(outcomes["kind"], categories=pd.Index(["lost", "won"], dtype=object))
        outcomes["lead_row"] = outcomes["lead_row"].astype(np.int32)
    return outcomes, notices


def _empty(contract: TableContract) -> pd.DataFrame:
    """The required columns of a table that the project does not have."""
    import numpy as np
    import pandas as pd

    columns = dict(contract.required) | ({"kind": "text"} if contract.name == "outcomes" else {})
    members: dict[str, Any] = {"lead_id": pd.Series([], dtype=object), "lead_row": np.zeros(0, np.int32)}
    for name, kind in columns.items():
        if kind == "time":
            members[name] = pd.Series(to_utc(np.zeros(0, np.int64)))
        elif kind == "text":
            members[name] = pd.Series(pd.Categorical.from_codes([], categories=pd.Index([], dtype=object)))
        elif kind == "boolean":
            members[name] = np.zeros(0)
    return pd.DataFrame(members)


# Time ----------------------------------------------------------------------------------------------------------------


def _micros(instant: pd.Timestamp) -> int:
    return int(instant.as_unit("us").asm8.astype("int64"))


def latest_plausible(project: Project, now: datetime | None) -> int:
    """Microseconds after which a time cannot be meant: a day past now or `until`, whichever is later."""
    import pandas as pd

    known = [in_zone(instant, project.timezone) for instant in (now, project.until) if instant is not None]
    if not known:
        return _micros(pd.Timestamp(_LATEST))
    return _micros(max(known) + pd.Timedelta(days=1))


def _until(project: Project, times: Sequence[pd.Series | None]) -> pd.Timestamp:
    """The project's own, or the latest time in the tables; implausible ones were put aside before."""
    if project.until is not None:
        return in_zone(project.until, project.timezone)
    latest = [column.max() for column in times if column is not None and column.notna().any()]
    if not latest:
        raise BadData(f"no table of {project.path} holds any time, so nothing says until when outcomes are known: set until in [data]")
    newest: pd.Timestamp = max(latest)
    return newest


# Small things --------------------------------------------------------------------------------------------------------


def _text_kind(name: str) -> Kind:
    return "text" if name in NOT_ATTRIBUTES else "category"


def _text_if_coded(array: Arrow) -> Arrow:
    import pyarrow as pa

    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def _id_codes(array: Arrow) -> npt.NDArray[np.int32]:
    codes, _ = encode(as_text(array))
    return codes


def _blanked(array: Arrow, words: Sequence[str]) -> Arrow:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(array.type):
        return array
    return pc.if_else(pc.is_in(array, value_set=pa.array([*MISSING_WORDS, *words])), pa.scalar(None, pa.string()), array)


def _is_boolean(array: Arrow) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_boolean(array.type))


def _strings(kind: Arrow) -> Any:
    import pandas as pd
    import pyarrow as pa

    return pd.StringDtype("pyarrow", na_value=float("nan")) if pa.types.is_string(kind) else None
