"""A flat table: one row a lead, one label column, no history.

In: a CSV (any delimiter, UTF-8 or Latin-1, gzip or not), Parquet or JSON file. Out: `FlatTable` for training, typed by
its values, or with `scan_flat` a bounded-memory walk over a file that is scored, typed as the model was trained. Missing
is empty, NULL or NaN, and tokens declared in `missing`; ±inf in a number column counts as missing. Bad rows are put
aside with their reason when training, and keep their place, with their error, when scoring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.columns import TypedColumn, as_objects, as_text, encode, parse_numbers, type_columns
from data.contracts import LEADS, NOT_ATTRIBUTES
from data.errors import BadData, BadUsage
from data.files import RowBatch, RowFile, nearest, open_rows, require_columns
from data.frames import Arrow, FileSource, FlatChunk, FlatTable, Kind
from data.quarantine import DEFAULT_SHARE, collect, stop_above
from data.times import MISSING, parse_times, to_utc

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

__all__ = ["FlatScan", "read_flat", "scan_flat"]


def read_flat(
    path: str | Path,
    *,
    label: str | None = None,
    positive: str | None = None,
    negative: str | None = None,
    id_column: str | None = None,
    order_by: str | None = None,
    order_by_row: bool = False,
    drop: Sequence[str] = (),
    missing: Sequence[str] = (),
    decimal: str | None = None,
    timezone: str = "UTC",
    max_bad_share: float = DEFAULT_SHARE,
) -> FlatTable:
    """Read the whole file. The id, the label, the order and the dropped columns are no attributes."""
    import numpy as np
    import pyarrow as pa

    if order_by and order_by_row:
        raise BadUsage("give --order-by COLUMN or --order-by-row, not both")
    file = open_rows(path, missing=missing)
    require_columns(file.names, [name for name in (label, id_column, order_by, *drop) if name], str(path))
    id_column = id_column or ("lead_id" if "lead_id" in file.names else None)
    notices = list(file.notices)
    columns, row, bad = _gather(file, file.batches([name for name in file.names if name not in set(drop)]))
    total = len(row) + len(bad)
    quarantine = [collect("leads", [place for place, _ in bad], reasons=[reason for _, reason in bad])]

    lead_id = _ids(columns, id_column, row)
    keep = np.ones(len(row), dtype=bool)

    def put_aside(mask: npt.NDArray[np.bool_], reason: str, texts: Arrow | None = None) -> None:
        chosen = np.flatnonzero(mask & keep)
        if len(chosen):
            reasons = [f"{reason}: {texts[int(i)].as_py()!r}" for i in chosen] if texts is not None else reason
            quarantine.append(collect("leads", row[chosen], lead_id[chosen], reasons))
            keep[chosen] = False

    put_aside(_absent(lead_id), "no id")
    put_aside(_repeated(lead_id, keep), "duplicate id", columns[id_column] if id_column else None)
    order = row.astype(np.float64) if order_by_row else None
    if order_by:
        order, wrong, said = _order(columns[order_by], order_by, timezone)
        notices += said
        put_aside(wrong, f"no date or number in {order_by}", columns[order_by])
        put_aside(np.isnan(order), f"nothing in {order_by}, which orders the rows")
        if not keep.any():
            raise BadData(f"{path}: {order_by} holds no date and no number in any row, so it cannot order the rows")
    times: dict[str, npt.NDArray[np.int64]] = {}
    for name in [name for name, kind in LEADS.columns.items() if kind == "time" and name in columns and name not in (label, id_column)]:
        parsed = parse_times(columns[name], timezone, name)
        notices += parsed.notices(name, timezone)
        put_aside(parsed.bad, f"no date in {name}", columns[name])
        times[name] = parsed.micros
    aside = _concat(quarantine)
    stop_above(max_bad_share, str(path), total, aside)

    target, blank = None, 0
    meaning: tuple[str | None, str | None] = (None, None)
    if label:
        values, meaning, left_out = _labels(columns[label], keep, label, positive, negative)
        notices += left_out
        blank = int((np.isnan(values) & keep).sum())
        keep &= ~np.isnan(values)
        target = values[keep]
    chosen = pa.array(keep)
    attributes = [name for name in columns if name in times or name not in {label, id_column, order_by}]
    kept = {name: columns[name].filter(chosen) if not keep.all() else columns[name] for name in attributes if name not in times}
    frame, kinds, said, seen = _typed_frame(kept, {name: micros[keep] for name, micros in times.items()}, attributes, decimal)
    source = replace(file.source, rows=total, decimal="," if "," in seen else ".")
    return FlatTable(
        frame=frame,
        lead_id=lead_id[keep],
        row=row[keep],
        label=target,
        order=None if order is None else order[keep],
        kinds=kinds,
        source=source,
        quarantine=aside,
        notices=notices + said,
        blank_labels=blank,
        label_column=label,
        positive=meaning[0],
        negative=meaning[1],
    )


@dataclass(frozen=True)
class FlatScan:
    """A file that is scored: iterate over it for its chunks, as often as needed."""

    file: RowFile
    kinds: dict[str, Kind]
    id_column: str | None
    chunk_rows: int
    absent: list[str]
    """Columns that the model knows and the file has not."""
    unused: list[str]
    """Columns that the file has and the model does not know."""
    notices: list[str] = field(default_factory=list)
    decimal: str | None = None
    timezone: str = "UTC"

    @property
    def source(self) -> FileSource:
        return self.file.source

    def __iter__(self) -> Iterator[FlatChunk]:
        wanted = [name for name in self.file.names if name in self.kinds or name == self.id_column]
        decimals: dict[str, str] = {}
        for batch in self.file.batches(wanted or self.file.names[:1], batch_rows=self.chunk_rows):
            for part in _slices(batch, self.chunk_rows):
                yield _chunk(part, self, decimals)


def scan_flat(
    path: str | Path,
    columns: Mapping[str, Kind],
    *,
    id_column: str | None = None,
    chunk_rows: int = 50_000,
    missing: Sequence[str] = (),
    decimal: str | None = None,
    timezone: str = "UTC",
) -> FlatScan:
    """Walk over the file in chunks of at most `chunk_rows` rows; `columns` are the model's inputs and their kinds."""
    file = open_rows(path, missing=missing)
    if id_column:
        require_columns(file.names, [id_column], str(path))
    id_column = id_column or ("lead_id" if "lead_id" in file.names else None)
    absent = [name for name in columns if name not in file.names]
    unused = [name for name in file.names if name not in columns and name != id_column]
    notices = list(file.notices)
    if absent:
        near = {name: nearest(name, unused) for name in absent}
        listed = ", ".join(name + (f" (the file has {close})" if close else "") for name, close in near.items())
        notices.append(f"columns that the model knows are not in the file and are read as missing: {listed}")
    if unused:
        notices.append(f"columns that the model does not know are ignored: {', '.join(unused)}")
    return FlatScan(file, dict(columns), id_column, chunk_rows, absent, unused, notices, decimal, timezone)


# Reading whole -------------------------------------------------------------------------------------------------------


def _gather(file: RowFile, batches: Iterator[RowBatch]) -> tuple[dict[str, Arrow], npt.NDArray[np.int64], list[tuple[int, str]]]:
    import numpy as np
    import pyarrow as pa

    parts = list(batches)
    bad = [problem for part in parts for problem in part.bad]
    if not parts or not any(len(part.rows) for part in parts):
        problem = f": all {len(bad)} rows are bad, the first is row {bad[0][0]}, {bad[0][1]}" if bad else ""
        raise BadData(f"{file.path} has a header but no rows that can be read{problem}")
    parts = [part for part in parts if len(part.rows)]
    columns = {name: pa.chunked_array([part.columns[name] for part in parts]) for name in parts[0].columns}
    return columns, np.concatenate([part.rows for part in parts]), bad


def _ids(columns: Mapping[str, Arrow], id_column: str | None, row: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    import numpy as np

    if id_column is None:
        return np.asarray(row.astype(str), dtype=object)
    return np.asarray(as_text(columns[id_column]).to_pandas().astype(object).where(lambda ids: ids.notna(), None), dtype=np.object_)


def _absent(ids: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    import pandas as pd

    return pd.isna(ids)


def _repeated(ids: npt.NDArray[np.object_], keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which rows repeat the id of an earlier one."""
    import pandas as pd

    return pd.Series(ids, dtype=object).duplicated().to_numpy() & keep


def _order(array: Arrow, name: str, timezone: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], list[str]]:
    """Numbers if most values are, else instants."""
    import numpy as np

    numbers = parse_numbers(array) if _may_be_numbers(array) else None
    present = len(array) - array.null_count
    if numbers is not None and (numbers.bad is None or numbers.bad.sum() < present / 2):
        return numbers.values, numbers.bad if numbers.bad is not None else np.zeros(len(array), bool), []
    parsed = parse_times(array, timezone, name)
    order = np.where(parsed.micros == MISSING, np.nan, parsed.micros.astype(np.float64))
    return order, parsed.bad, parsed.notices(name, timezone)


def _may_be_numbers(array: Arrow) -> bool:
    import pyarrow as pa

    return not (pa.types.is_temporal(array.type) or pa.types.is_boolean(array.type))


def _labels(
    array: Arrow, keep: npt.NDArray[np.bool_], name: str, positive: str | None, negative: str | None
) -> tuple[npt.NDArray[np.float64], tuple[str, str], list[str]]:
    """1 and 0 by the label's two values, NaN for blank or left out; and which text means which."""
    import numpy as np

    codes, uniques = encode(as_text(array))
    values: list[str] = uniques.to_pylist()
    counts = np.bincount(codes[(codes >= 0) & keep], minlength=len(values))
    present = [value for value, count in zip(values, counts, strict=True) if count]
    if not present:
        raise BadData(f"the label {name} is blank in every row")
    shown = ", ".join(
        f"{value!r} ({counts[values.index(value)]:,})" for value in sorted(present, key=lambda v: -counts[values.index(v)])[:6]
    )
    yes = _named(positive, present, name, "--positive", shown)
    no = _named(negative, present, name, "--negative", shown)
    classes = _classes(present, name, yes, no, shown)
    pool = np.array([classes.get(value, np.nan) for value in values] + [np.nan])
    notices = []
    others = [value for value in present if value not in classes]
    if others:
        listed = ", ".join(f"{value!r} ({counts[values.index(value)]:,})" for value in others[:6])
        notices.append(f"rows whose {name} is neither of the two classes are left out: {listed}")
    labels = pool[codes]
    blank = int(((codes < 0) & keep).sum())
    if blank:
        notices.append(f"{blank:,} rows with a blank {name} are left out")
    texts = {number: next(value for value, known in classes.items() if known == number) for number in (1.0, 0.0)}
    return labels, (texts[1.0], texts[0.0]), notices


def _classes(present: list[str], name: str, yes: str | None, no: str | None, shown: str) -> dict[str, float]:
    """Text → 1 or 0. Spellings of one word in several cases are one class."""
    if yes is not None and no is not None:
        if yes == no:
            raise BadUsage(f"--positive and --negative both name {yes!r}")
        return {yes: 1.0, no: 0.0}
    meaning = {value: _WORDS.get(value.strip().casefold()) for value in present}
    if yes is None and no is None and all(known is not None for known in meaning.values()):
        classes = {value: known for value, known in meaning.items() if known is not None}
    elif len(present) > 2:
        hint = "name the other one with --negative" if yes is not None else "name the two that count with --positive and --negative"
        raise BadData(f"the label {name} has {len(present)} values, but a label has two: {shown}; {hint}")
    elif len(present) == 2 and (yes is not None or no is not None):
        classes = {value: 1.0 if value == yes or (no is not None and value != no) else 0.0 for value in present}
    elif len(present) == 2:
        raise BadUsage(f"say which value of the label {name} is a conversion with --positive: {shown}")
    else:
        classes = dict.fromkeys(present, 1.0)
    if len(set(classes.values())) < 2:
        raise BadData(f"the label {name} has one class only: {shown}; both conversions and the others are needed")
    return classes


_WORDS = {"1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0, "sí": 1.0, "si": 1.0}


def _named(wanted: str | None, present: list[str], name: str, option: str, shown: str) -> str | None:
    """The value that the option names, as the file writes it: exactly, else in another case."""
    if wanted is None or wanted in present:
        return wanted
    folded = [value for value in present if value.strip().casefold() == wanted.strip().casefold()]
    if len(folded) != 1:
        raise BadUsage(f"{option} {wanted!r} is no value of the label {name}: {shown}")
    return folded[0]


def _typed_frame(
    columns: Mapping[str, Arrow], times: Mapping[str, npt.NDArray[np.int64]], order: Sequence[str], decimal: str | None
) -> tuple[pd.DataFrame, dict[str, Kind], list[str], set[str]]:
    """Attributes by their values; known columns that identify somebody stay text."""
    import pandas as pd

    texts = {name for name in columns if name in NOT_ATTRIBUTES and LEADS.columns[name] == "text"}
    typed, notices = type_columns({name: array for name, array in columns.items() if name not in texts}, decimal=decimal)
    for name in texts:
        codes, uniques = encode(columns[name])
        typed[name] = TypedColumn("text", codes=codes, values=tuple(uniques.to_pylist()))
    members: dict[str, Any] = {}
    kinds: dict[str, Kind] = {}
    for name in order:
        if name in times:
            members[name], kinds[name] = pd.Series(to_utc(times[name])), "time"
            continue
        column = typed[name]
        kinds[name] = column.kind
        if column.codes is not None:
            members[name] = pd.Series(as_objects(column.codes, column.values), dtype=object)
        else:
            members[name] = pd.Series(column.numbers)
    return pd.DataFrame(members), kinds, notices, {column.decimal for column in typed.values() if column.decimal}


def _concat(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True).sort_values("row", kind="stable", ignore_index=True) if filled else frames[0]


# Reading in chunks ---------------------------------------------------------------------------------------------------


def _slices(batch: RowBatch, rows: int) -> Iterator[RowBatch]:
    """The batch in parts of at most `rows` rows, good and bad together."""
    import numpy as np

    places = np.sort(np.concatenate([batch.rows, np.array([row for row, _ in batch.bad], dtype=np.int64)]))
    for start in range(0, len(places), rows):
        first, last = places[start], places[min(start + rows, len(places)) - 1]
        low, high = np.searchsorted(batch.rows, first), np.searchsorted(batch.rows, last, side="right")
        columns = {name: array.slice(low, high - low) for name, array in batch.columns.items()}
        yield RowBatch(batch.rows[low:high], columns, [bad for bad in batch.bad if first <= bad[0] <= last])


def _chunk(batch: RowBatch, scan: FlatScan, decimals: dict[str, str]) -> FlatChunk:
    import numpy as np

    count = len(batch.rows) + len(batch.bad)
    first = int(min([*batch.rows[:1], *(row for row, _ in batch.bad[:1])]))
    at = (batch.rows - first).astype(np.intp)
    whole = not batch.bad
    notes: dict[int, str] = {}
    numbers: dict[str, npt.NDArray[np.float64]] = {}
    texts: dict[str, tuple[npt.NDArray[np.int32], list[str]]] = {}
    times: dict[str, npt.NDArray[np.int64]] = {}

    def placed(values: npt.NDArray[Any], fill: Any) -> npt.NDArray[Any]:
        if whole:
            return values
        spread = np.full(count, fill, dtype=values.dtype)
        spread[at] = values
        return spread

    def note(mask: npt.NDArray[np.bool_] | None, array: Arrow, name: str, what: str) -> None:
        for i in np.flatnonzero(mask) if mask is not None else ():
            said = f"{name} holds {as_text(array)[int(i)].as_py()!r}, which is no {what}: read as missing"
            place = int(at[i])
            notes[place] = f"{notes[place]}; {said}" if place in notes else said

    for name, kind in scan.kinds.items():
        array = batch.columns.get(name)
        if kind == "number":
            values = np.full(count, np.nan)
            if array is not None:
                values, wrong = _scan_numbers(array, name, scan.decimal, decimals)
                note(wrong, array, name, "number")
            numbers[name] = placed(values, np.nan) if array is not None else values
        elif kind == "boolean":
            values = np.full(count, np.nan)
            if array is not None:
                values, wrong = _scan_booleans(array)
                note(wrong, array, name, "yes or no")
            numbers[name] = placed(values, np.nan) if array is not None else values
        elif kind == "time":
            micros = np.full(count, MISSING)
            if array is not None:
                parsed = parse_times(array, scan.timezone, name)
                note(parsed.bad, array, name, "date")
                micros = placed(parsed.micros, MISSING)
            times[name] = micros
        elif array is None:
            texts[name] = (np.full(count, -1, dtype=np.int32), [])
        else:
            codes, uniques = encode(array)
            texts[name] = (placed(codes, -1), uniques.to_pylist())
    errors = {row - first: reason for row, reason in batch.bad}
    if scan.id_column is None:
        lead_id = np.asarray(np.arange(first, first + count).astype(str), dtype=object)
    else:
        lead_id = placed(_ids(batch.columns, scan.id_column, batch.rows), None)
        errors |= {int(i): "no id" for i in np.flatnonzero(_absent(lead_id)) if int(i) not in errors}
    return FlatChunk(first, lead_id, numbers, texts, times, errors, notes)


def _scan_numbers(
    array: Arrow, name: str, decimal: str | None, decimals: dict[str, str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_] | None]:
    """The column's decimal sign is the declared one, else that of the first chunk in which one is needed."""
    sign = decimal or decimals.get(name, ".")
    parsed = parse_numbers(array, sign)
    if decimal is None and name not in decimals and parsed.bad is not None:
        other = parse_numbers(array, ",")
        if (0 if other.bad is None else int(other.bad.sum())) < int(parsed.bad.sum()):
            decimals[name] = ","
            return other.values, other.bad
    return parsed.values, parsed.bad


def _scan_booleans(array: Arrow) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_] | None]:
    import numpy as np
    import pyarrow as pa

    if not (pa.types.is_string(array.type) or pa.types.is_boolean(array.type)):
        parsed = parse_numbers(array)
        return parsed.values, parsed.bad
    codes, uniques = encode(array)
    meaning = [_WORDS.get(value.strip().casefold()) for value in uniques.to_pylist()]
    pool = np.array([np.nan if known is None else known for known in meaning] + [np.nan])
    values = pool[codes]
    wrong = np.isnan(values) & (codes >= 0)
    return values, wrong if wrong.any() else None
