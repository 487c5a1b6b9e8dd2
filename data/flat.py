"""A flat table: one row a lead, one label column, no history.

In: a CSV (any delimiter, UTF-8 or Latin-1, gzip or not), Parquet or JSON file. Out: `FlatTable` for training, typed by
its values, or with `scan_flat` a bounded-memory walk over a file that is scored, typed as the model was trained. Missing
is empty, NULL or NaN, and tokens declared in `missing`; ±inf in a number column counts as missing. Bad rows are put
aside with their reason when training, and keep their place, with their error, when scoring.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.columns import TypedColumn, as_objects, as_text, encode, parse_numbers, parse_sizes, type_columns, uses_sign
from data.contracts import LEADS, NOT_ATTRIBUTES
from data.errors import BadData, BadUsage
from data.files import RowBatch, RowFile, nearest, open_rows, require_columns
from data.frames import Arrow, FileSource, FlatChunk, FlatTable, Kind
from data.quarantine import DEFAULT_SHARE, collect, stop_above
from data.sizes import SIZES
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

    if order_by and order_by_row:
        raise BadUsage("give --order-by COLUMN or --order-by-row, not both")
    file = open_rows(path, missing=missing)
    require_columns(file.names, [name for name in (label, id_column, order_by, *drop) if name], str(path))
    id_column = id_column or ("lead_id" if "lead_id" in file.names else None)
    columns, row, bad = _gather(file, [name for name in file.names if name not in set(drop)])
    rows = _Rows(row, _ids(columns, id_column, row), bad)
    rows.put_aside(_absent(rows.lead_id), "no id")
    rows.put_aside(_repeated(rows.lead_id), "duplicate id", columns[id_column] if id_column else None)
    order, said = _order(rows, columns, order_by, order_by_row, timezone)
    times = {}
    for name in [name for name in columns if LEADS.columns.get(name) == "time" and name not in (label, id_column)]:
        parsed = parse_times(columns[name], timezone, name)
        said += parsed.notices(name, timezone)
        rows.put_aside(parsed.bad, f"no date in {name}", columns[name])
        times[name] = parsed.micros
    stop_above(max_bad_share, str(path), rows.total, rows.quarantine())
    labels = _labels(columns[label], rows.keep, label, positive, negative) if label else None
    keep = rows.keep if labels is None else rows.keep & ~np.isnan(labels.values)
    if not keep.any():
        raise BadData(f"{path}: no row is left to learn from")

    names = [name for name in columns if name in times or name not in {label, id_column, order_by}]
    attributes = _filtered({name: columns[name] for name in names if name not in times}, keep)
    columns.clear()
    frame, kinds, typing_notices, decimals = _typed_frame(
        attributes, {name: micros[keep] for name, micros in times.items()}, names, decimal
    )
    return FlatTable(
        frame=frame,
        lead_id=rows.lead_id[keep],
        row=rows.row[keep],
        label=None if labels is None else labels.values[keep],
        order=None if order is None else order[keep],
        kinds=kinds,
        source=replace(file.source, rows=rows.total, decimal="," if "," in decimals else "."),
        quarantine=rows.quarantine(),
        notices=[*file.notices, *said, *(labels.notices if labels else []), *typing_notices],
        blank_labels=labels.blank if labels else 0,
        label_column=label,
        positive=labels.positive if labels else None,
        negative=labels.negative if labels else None,
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
    where_there: Mapping[str, Kind] | None = None,
    known: Collection[str] = (),
) -> FlatScan:
    """Walk over the file in chunks of at most `chunk_rows` rows; `columns` are the model's inputs and their kinds.

    `where_there` are columns that are read where the file has them and not missed where it has not; `known` are neither
    read nor reported as unknown. `decimal` is the
    sign that is expected, as in training; a file that plainly uses the other one is read by that.
    """
    file = open_rows(path, missing=missing)
    if id_column:
        require_columns(file.names, [id_column], str(path))
    id_column = id_column or ("lead_id" if "lead_id" in file.names else None)
    absent = [name for name in columns if name not in file.names]
    columns = {name: kind for name, kind in (where_there or {}).items() if name in file.names} | dict(columns)
    unused = [name for name in file.names if name not in columns and name not in known and name != id_column]
    notices = list(file.notices)
    if absent:
        near = {name: nearest(name, unused) for name in absent}
        listed = ", ".join(name + (f" (the file has {close})" if close else "") for name, close in near.items())
        notices.append(f"columns that the model knows are not in the file and are read as missing: {listed}")
    if unused:
        notices.append(f"columns that the model does not know are ignored: {', '.join(unused)}")
    return FlatScan(file, columns, id_column, chunk_rows, absent, unused, notices, decimal, timezone)


# Reading whole -------------------------------------------------------------------------------------------------------


class _Rows:
    """The rows of the file while they are examined: which are kept, which are put aside and why."""

    def __init__(self, row: npt.NDArray[np.int64], lead_id: npt.NDArray[np.object_], bad: list[tuple[int, str]]) -> None:
        import numpy as np

        self.row = row
        self.lead_id = lead_id
        self.keep = np.ones(len(row), dtype=bool)
        self.total = len(row) + len(bad)
        self._aside = [collect("leads", [place for place, _ in bad], reasons=[reason for _, reason in bad])]

    def put_aside(self, mask: npt.NDArray[np.bool_], reason: str, quoted: Arrow | None = None) -> None:
        import numpy as np

        chosen = np.flatnonzero(mask & self.keep)
        if len(chosen):
            reasons = reason if quoted is None else [f"{reason}: {quoted[int(i)].as_py()!r}" for i in chosen]
            self._aside.append(collect("leads", self.row[chosen], self.lead_id[chosen], reasons))
            self.keep[chosen] = False

    def quarantine(self) -> pd.DataFrame:
        import pandas as pd

        filled = [frame for frame in self._aside if len(frame)]
        return pd.concat(filled, ignore_index=True).sort_values("row", kind="stable", ignore_index=True) if filled else self._aside[0]


def _gather(file: RowFile, names: Sequence[str]) -> tuple[dict[str, Arrow], npt.NDArray[np.int64], list[tuple[int, str]]]:
    import numpy as np
    import pyarrow as pa

    parts = list(file.batches(names))
    bad = [problem for part in parts for problem in part.bad]
    parts = [part for part in parts if len(part.rows)]
    if not parts:
        problem = f": all {len(bad)} rows are bad, the first is row {bad[0][0]}, {bad[0][1]}" if bad else ""
        raise BadData(f"{file.path} has a header but no rows that can be read{problem}")
    columns = {name: pa.chunked_array([part.columns[name] for part in parts]) for name in parts[0].columns}
    return columns, np.concatenate([part.rows for part in parts]), bad


def _filtered(columns: Mapping[str, Arrow], keep: npt.NDArray[np.bool_]) -> dict[str, Arrow]:
    import pyarrow as pa

    return dict(columns) if keep.all() else {name: array.filter(pa.array(keep)) for name, array in columns.items()}


def _ids(columns: Mapping[str, Arrow], id_column: str | None, row: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    import numpy as np

    if id_column is None:
        return np.asarray(row.astype(str), dtype=object)
    return np.asarray(as_text(columns[id_column]).to_pandas().astype(object).where(lambda ids: ids.notna(), None), dtype=np.object_)


def _absent(ids: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    import pandas as pd

    return pd.isna(ids)


def _repeated(ids: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Which rows repeat the id of an earlier one."""
    import pandas as pd

    return pd.Series(ids, dtype=object).duplicated().to_numpy()


def _order(
    rows: _Rows, columns: Mapping[str, Arrow], name: str | None, by_row: bool, timezone: str
) -> tuple[npt.NDArray[np.float64] | None, list[str]]:
    """What sorts the rows: their place, or numbers if most values of the column are, else instants."""
    import numpy as np

    if by_row:
        return rows.row.astype(np.float64), []
    if name is None:
        return None, []
    array, said = columns[name], [f"{name} orders the rows and is no input of the model"]
    numbers = parse_numbers(array) if _may_be_numbers(array) else None
    if numbers is not None and (numbers.bad is None or numbers.bad.sum() < (len(array) - array.null_count) / 2):
        order, wrong = numbers.values, numbers.bad if numbers.bad is not None else np.zeros(len(array), bool)
    else:
        parsed = parse_times(array, timezone, name)
        order, wrong = np.where(parsed.micros == MISSING, np.nan, parsed.micros.astype(np.float64)), parsed.bad
        said += parsed.notices(name, timezone)
    if np.isnan(order).all():
        raise BadData(f"{name} holds no date and no number in any row, so it cannot order the rows")
    rows.put_aside(wrong, f"no date or number in {name}", array)
    rows.put_aside(np.isnan(order), f"nothing in {name}, which orders the rows")
    return order, said


def _may_be_numbers(array: Arrow) -> bool:
    import pyarrow as pa

    return not (pa.types.is_temporal(array.type) or pa.types.is_boolean(array.type))


@dataclass(frozen=True)
class _Labels:
    values: npt.NDArray[np.float64]
    """1 and 0, NaN for blank or left out."""
    positive: str
    negative: str
    blank: int
    notices: list[str]


def _labels(array: Arrow, keep: npt.NDArray[np.bool_], name: str, positive: str | None, negative: str | None) -> _Labels:
    import numpy as np

    codes, uniques = encode(as_text(array))
    values: list[str] = uniques.to_pylist()
    counts = np.bincount(codes[(codes >= 0) & keep], minlength=len(values))
    tally = {value: int(count) for value, count in zip(values, counts, strict=True) if count}
    if not tally:
        raise BadData(f"the label {name} is blank in every row")
    classes = _classes(tally, name, positive, negative)
    notices = []
    others = {value: count for value, count in tally.items() if value not in classes}
    if others:
        notices.append(f"rows whose {name} is neither of the two classes are left out: {_shown(others)}")
    blank = int(((codes < 0) & keep).sum())
    if blank:
        notices.append(f"{blank:,} rows with a blank {name} are left out")
    pool = np.array([classes.get(value, np.nan) for value in values] + [np.nan])
    yes, no = (max((value for value, known in classes.items() if known == side), key=lambda value: tally[value]) for side in (1.0, 0.0))
    return _Labels(pool[codes], yes, no, blank, notices)


def _classes(tally: Mapping[str, int], name: str, positive: str | None, negative: str | None) -> dict[str, float]:
    """Each text of the label → 1 or 0. Spellings of one word in several cases are one class."""
    shown = _shown(tally)
    if len({value.strip().casefold() for value in tally}) == 1:
        raise BadData(f"the label {name} has one class only: {shown}; both conversions and the others are needed")
    yes = _named(positive, tally, name, "--positive")
    no = _named(negative, tally, name, "--negative")
    if yes & no:
        raise BadUsage(f"--positive and --negative both name {', '.join(map(repr, sorted(yes & no)))}")
    if yes and no:
        return dict.fromkeys(yes, 1.0) | dict.fromkeys(no, 0.0)
    rest = set(tally) - yes - no
    if yes or no:
        if len({value.strip().casefold() for value in rest}) > 1:
            hint = "name the other one with --negative" if yes else "name the other one with --positive"
            raise BadData(f"the label {name} has {len(tally)} values, but a label has two: {shown}; {hint}")
        return dict.fromkeys(yes or rest, 1.0) | dict.fromkeys(no or rest, 0.0)
    meaning = {value: known for value in tally if (known := _WORDS.get(value.strip().casefold())) is not None}
    if len(meaning) == len(tally):
        if len(set(meaning.values())) == 1:
            raise BadData(f"the label {name} has one class only: {shown}; both conversions and the others are needed")
        return meaning
    if len(tally) > 2:
        raise BadData(
            f"the label {name} has {len(tally)} values, but a label has two: {shown}; name those that count with --positive and --negative"
        )
    raise BadUsage(f"say which value of the label {name} is a conversion with --positive: {shown}")


def _shown(tally: Mapping[str, int]) -> str:
    most = sorted(tally, key=lambda value: (-tally[value], value))
    return ", ".join(f"{value!r} ({tally[value]:,})" for value in most[:6]) + (f" and {len(most) - 6} more" if len(most) > 6 else "")


def _named(wanted: str | None, tally: Mapping[str, int], name: str, option: str) -> set[str]:
    """The texts that the option names: exactly that one where the file tells cases apart, else every spelling of it."""
    if wanted is None:
        return set()
    spellings = {value for value in tally if value.strip().casefold() == wanted.strip().casefold()}
    if not spellings:
        raise BadUsage(f"{option} {wanted!r} is no value of the label {name}: {_shown(tally)}")
    return {wanted} if wanted in tally and len(tally) == 2 else spellings


_WORDS = {"1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0, "sí": 1.0, "si": 1.0}


def _typed_frame(
    columns: dict[str, Arrow], times: Mapping[str, npt.NDArray[np.int64]], order: Sequence[str], decimal: str | None
) -> tuple[pd.DataFrame, dict[str, Kind], list[str], set[str]]:
    """Attributes by their values; known columns that identify somebody stay text. `columns` is left empty."""
    import pandas as pd
    import pyarrow as pa

    texts: dict[str, TypedColumn] = {}
    for name in [name for name in columns if name in NOT_ATTRIBUTES and LEADS.columns[name] == "text"]:
        codes, uniques = encode(columns.pop(name))
        texts[name] = TypedColumn("text", codes=codes, values=tuple(uniques.to_pylist()))
    typed, notices = type_columns(columns, decimal=decimal)
    typed |= texts
    pa.default_memory_pool().release_unused()  # it would keep as much as the file for itself
    members: dict[str, Any] = {}
    kinds: dict[str, Kind] = {}
    for name in order:
        if name in times:
            members[name], kinds[name] = pd.Series(to_utc(times[name])), "time"
            continue
        column = typed[name]
        kinds[name] = column.kind
        if column.codes is not None:
            members[name] = pd.Series(as_objects(column.codes, column.values), dtype=object, copy=False)
        else:
            members[name] = pd.Series(column.numbers, copy=False)
    return pd.DataFrame(members, copy=False), kinds, notices, {column.decimal for column in typed.values() if column.decimal}


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
    """Under the expected decimal sign, or under the other one where the file proves that it uses that."""
    import numpy as np

    sign = decimals.get(name) or decimal or "."
    parsed = parse_numbers(array, sign)
    if parsed.bad is not None and name not in decimals:
        other = "," if sign == "." else "."
        again = parse_numbers(array, other)
        if (0 if again.bad is None else int(again.bad.sum())) < int(parsed.bad.sum()) and uses_sign(array, other):
            decimals[name] = other
            return again.values, again.bad
    if parsed.bad is not None and name in SIZES:
        sizes = parse_sizes(array, SIZES[name])
        return np.where(parsed.bad, sizes.values, parsed.values), None if sizes.bad is None else parsed.bad & sizes.bad
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
