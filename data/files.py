"""A file of rows, opened: delimited text, Parquet or JSON, in batches of text or typed columns in the file's order.

In: a path. Out: `RowFile` with the column names, how the file was read, and `batches()`; a row that does not fit the
header is reported with its place instead of a batch row, and never lost. Missing words are nulls already. Memory is
that of one batch.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from data.columns import MISSING_WORDS
from data.errors import BadData, BadUsage
from data.frames import Arrow, FileSource

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["MissingColumns", "NoRows", "RowBatch", "RowFile", "nearest", "open_rows", "require_columns"]

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 1 << 18
_BLOCK = 2 << 20


class MissingColumns(BadData, status=422, exit_code=2):
    """{where} has no column {missing}.{hint} Its columns are: {columns}."""


class NoRows(BadData, status=422, exit_code=2):
    """{path} has {what} but no rows"""


@dataclass(frozen=True)
class RowBatch:
    rows: npt.NDArray[np.int64]
    """1-based place in the file of each row of `columns`, the header not counted."""
    columns: dict[str, Arrow]
    """Arrow arrays, aligned with `rows`."""
    bad: list[tuple[int, str]]
    """`(row, reason)` of rows that do not fit; each batch reports those that come before its last good row."""


@dataclass(frozen=True)
class RowFile:
    names: list[str]
    source: FileSource
    path: Path
    missing: tuple[str, ...]
    notices: list[str] = field(default_factory=list)
    header_lines: int = 1
    odd_quotes: bool = False
    """The file holds an odd number of quotation marks: perhaps one is never closed."""

    def batches(self, only: Sequence[str] | None = None, block_bytes: int = _BLOCK, batch_rows: int = 65_536) -> Iterator[RowBatch]:
        """The rows in the file's order; `only` names the columns to read."""
        wanted = list(self.names if only is None else [name for name in self.names if name in set(only)])
        if self.source.format == "csv":
            return _csv_batches(self, wanted, block_bytes)
        if self.source.format == "parquet":
            return _parquet_batches(self, wanted, batch_rows)
        return _json_batches(self, wanted, batch_rows)


def open_rows(path: str | Path, *, missing: Sequence[str] = ()) -> RowFile:
    """Look at the file and say how it is read. `missing` are tokens that stand for missing besides empty, NULL and NaN."""
    path = Path(path)
    if not path.exists():
        raise BadUsage(f"there is no file {path}{_near_files(path)}")
    if path.is_dir():
        raise BadUsage(f"{path} is a folder: give the file of leads in it")
    try:
        size, start = path.stat().st_size, _head(path, 4)
    except OSError as error:
        raise BadUsage(f"{path} cannot be read: {error.strerror}") from error
    if not size:
        raise BadData(f"{path} is empty: 0 bytes")
    words = (*MISSING_WORDS, *missing)
    endings = [ending.lower() for ending in path.suffixes]
    if start == b"PAR1":
        return _open_parquet(path, words)
    if start[:2] == b"PK":
        raise BadData(f"{path} is a zip archive or an Excel workbook: save it as CSV, or read it through SQL in a tamiz.toml")
    if any(ending in (".jsonl", ".ndjson", ".json") for ending in endings):
        return _open_json(path, words)
    if endings and endings[-1] == ".parquet":
        raise BadData(f"{path} ends in .parquet but is not a Parquet file")
    return _open_csv(path, words)


def require_columns(names: Sequence[str], wanted: Sequence[str], where: str) -> None:
    """Say which wanted columns are absent, and which present ones come nearest."""
    absent = [name for name in wanted if name not in names]
    if absent:
        close = [f"{name!r} → {near!r}?" for name in absent for near in [nearest(name, names)] if near]
        hint = f" Did you mean {', '.join(close)}" if close else ""
        shown = ", ".join(names[:40]) + (f", … ({len(names)} in all)" if len(names) > 40 else "")
        raise MissingColumns(where=where, missing=", ".join(map(repr, absent)), hint=hint, columns=shown)


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name most like this one, upper and lower case alike, or None."""
    folded = {other.casefold(): other for other in reversed(names)}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


# Delimited text ------------------------------------------------------------------------------------------------------


def _open_csv(path: Path, words: tuple[str, ...]) -> RowFile:
    zipped = _head(path, 2) == b"\x1f\x8b"
    encoding, odd_quotes, notices = _encoding(path, zipped)
    with _stream(path, zipped) as stream:
        sample = codecs.getincrementaldecoder(encoding)("replace").decode(stream.read(_SAMPLE)).removeprefix("\ufeff")
    if not sample.strip():
        raise BadData(f"{path} is empty: it holds no header and no rows")
    if "\x00" in sample:
        raise BadData(f"{path} is not a text file (it holds zero bytes)")
    delimiter = _delimiter(sample)
    head, lines = _header(sample, delimiter, path)
    names = [name.strip() or f"column_{place}" for place, name in enumerate(head, 1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadData(f"{path}: the header names {', '.join(map(repr, twice))} more than once; every column needs its own name")
    if len(head) > 1 and all(_is_number(name) for name in head):
        raise BadData(f"{path}: the first line holds only numbers ({delimiter.join(head[:5])} …): a header with column names is needed")
    unnamed = [name for name, written in zip(names, head, strict=True) if not written.strip()]
    if unnamed:
        notices.append(f"columns without a name in the header were called {', '.join(unnamed)}")
    source = FileSource(str(path), "csv", delimiter, encoding, "gzip" if zipped else None, bytes=path.stat().st_size)
    return RowFile(names, source, path, words, notices, header_lines=lines, odd_quotes=odd_quotes)


def _csv_batches(file: RowFile, wanted: list[str], block_bytes: int) -> Iterator[RowBatch]:
    """pyarrow parses one block at a time, in order and without threads: only so it numbers the rows that it rejects."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv as pacsv

    rejected: list[tuple[int, str]] = []

    def reject(row: Any) -> str:
        rejected.append(
            (row.number - file.header_lines, f"wrong number of fields: {row.actual_columns} where the header has {len(file.names)}")
        )
        return "skip"

    def reader(stream: BinaryIO) -> Any:
        places = [f"f{place}" for place in range(len(file.names))]
        return pacsv.open_csv(
            stream,
            read_options=pacsv.ReadOptions(
                use_threads=False,
                block_size=block_bytes,
                encoding=_arrow_encoding(file.source.encoding),
                column_names=places,
                skip_rows=file.header_lines,
            ),
            parse_options=pacsv.ParseOptions(delimiter=file.source.delimiter, newlines_in_values=True, invalid_row_handler=reject),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()),
                include_columns=[places[file.names.index(name)] for name in wanted],
                strings_can_be_null=True,
                null_values=list(file.missing),
            ),
        )

    done = 0
    last: Any = None
    with _stream(file.path, file.source.compression == "gzip") as stream:
        try:
            for batch in reader(stream):
                if not batch.num_rows:
                    continue
                last = batch.slice(batch.num_rows - 1)
                rows = _places(done, batch.num_rows, rejected)
                done = int(rows[-1])
                before = [bad for bad in rejected if bad[0] < done]
                del rejected[: len(before)]
                yield RowBatch(rows, dict(zip(wanted, batch.columns, strict=True)), before)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):
                raise BadData(f"{file.path} cannot be read as delimited text: {_first_line(error)}") from error
        except (OSError, EOFError, zlib.error, UnicodeError) as error:
            raise BadData(f"{file.path} cannot be read to its end: {_first_line(error)}") from error
    if file.odd_quotes and last is not None and any("\n" in (value or "") for column in last.columns for value in column.to_pylist()):
        raise BadData(f"{file.path}: a quotation mark that opens in row {done} is never closed, so the rows after it cannot be told apart")
    if rejected:
        yield RowBatch(np.zeros(0, np.int64), {name: pa.array([], pa.string()) for name in wanted}, list(rejected))


def _places(done: int, count: int, rejected: list[tuple[int, str]]) -> npt.NDArray[np.int64]:
    """Places of the next `count` good rows after place `done`, stepping over the rejected ones."""
    import numpy as np

    plain = np.arange(count, dtype=np.int64)
    bad = np.array([row for row, _ in rejected], dtype=np.int64)
    if not len(bad):
        return done + 1 + plain
    return np.asarray(done + 1 + plain + np.searchsorted(bad - (done + 1) - np.arange(len(bad)), plain, side="right"), dtype=np.int64)


def _header(sample: str, delimiter: str, path: Path) -> tuple[list[str], int]:
    """The header's fields and how many lines they take (a quoted name may hold a line break)."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        head = next(row for row in reader if any(row))
        lines = reader.line_num
        if next((row for row in reader if row), None) is None:
            raise NoRows(path=path, what="a header")
    except csv.Error as error:
        raise BadData(f"{path} cannot be read as delimited text: {error}") from error
    return head, lines


def _delimiter(sample: str) -> str:
    """The delimiter under which the header has more than one field and most rows have as many as the header."""
    lines = "\n".join(sample.splitlines()[:200])
    best, chosen = (0.0, 0), ","
    for delimiter in DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader(io.StringIO(lines), delimiter=delimiter) if row]
        except csv.Error:
            continue
        # The sample may cut the last row short.
        counts = counts[:-1] if len(counts) > 2 else counts
        if counts and counts[0] > 1:
            fit = (round(sum(count == counts[0] for count in counts) / len(counts), 1), counts[0])
            if fit > best:
                best, chosen = fit, delimiter
    return chosen


def _encoding(path: Path, zipped: bool) -> tuple[str, bool, list[str]]:
    """The encoding of the whole file, whether its quotation marks are odd in number, and what to say about it."""
    start = _head(path, 4, zipped)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16", False, ["read as UTF-16, by its byte order mark"]
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotes, seen = 0, set[int]()
    broken: int | None = None
    done = 0
    with _stream(path, zipped) as stream:
        try:
            while block := stream.read(1 << 20):
                quotes += block.count(b'"')
                if broken is None and not (block.isascii() and not decoder.getstate()[0]):
                    try:
                        decoder.decode(block)
                    except UnicodeDecodeError as error:
                        broken = done + max(0, error.start)
                if broken is not None:
                    seen.update(byte for byte in _UNDEFINED_IN_1252 if byte in block)
                done += len(block)
        except (OSError, EOFError, zlib.error) as error:
            raise BadData(f"{path} is not a whole gzip file: {_first_line(error)}") from error
    if broken is None and decoder.getstate()[0]:
        broken = done
    if broken is None:
        return ("utf-8-sig" if start[:3] == codecs.BOM_UTF8 else "utf-8"), bool(quotes % 2), []
    chosen, label = ("latin-1", "Latin-1") if seen else ("cp1252", "Windows-1252, which extends Latin-1")
    return chosen, bool(quotes % 2), [f"not UTF-8 (byte {broken:,}): read as {label}"]


_UNDEFINED_IN_1252 = frozenset({0x81, 0x8D, 0x8F, 0x90, 0x9D})


def _arrow_encoding(encoding: str | None) -> str:
    """Arrow drops a UTF-8 byte order mark itself, and transcodes anything else."""
    return "utf8" if encoding in (None, "utf-8", "utf-8-sig") else str(encoding)


# Parquet and JSON ----------------------------------------------------------------------------------------------------


def _open_parquet(path: Path, words: tuple[str, ...]) -> RowFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadData(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    with opened:
        rows, names = opened.metadata.num_rows, list(opened.schema_arrow.names)
    if not rows:
        raise NoRows(path=path, what="columns")
    return RowFile(names, FileSource(str(path), "parquet", rows=rows, bytes=path.stat().st_size), path, words)


def _parquet_batches(file: RowFile, wanted: list[str], batch_rows: int) -> Iterator[RowBatch]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    done = 0
    try:
        with pq.ParquetFile(file.path) as opened:
            for batch in opened.iter_batches(batch_size=batch_rows, columns=wanted):
                rows = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
                done += batch.num_rows
                yield RowBatch(rows, {name: _blanked(batch.column(name), file.missing) for name in wanted}, [])
    except (pa.ArrowInvalid, OSError) as error:
        raise BadData(f"{file.path} cannot be read to its end: {_first_line(error)}") from error


def _blanked(array: Arrow, words: tuple[str, ...]) -> Arrow:
    """Text with the missing words as nulls; anything else as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    if not pa.types.is_string(array.type):
        return array
    return pc.if_else(pc.is_in(array, value_set=pa.array(list(words))), pa.scalar(None, pa.string()), array)


def _open_json(path: Path, words: tuple[str, ...]) -> RowFile:
    """JSON Lines, or one array of objects; the columns are the keys of all rows, in order of appearance."""
    names: dict[str, None] = {}
    rows = 0
    for _, record in _records(path):
        rows += 1
        if isinstance(record, dict):
            names.update(dict.fromkeys(record))
    if not names:
        raise BadData(f"{path} holds no JSON object: one object a line, or an array of objects, is needed")
    zipped = "gzip" if _head(path, 2) == b"\x1f\x8b" else None
    return RowFile(
        list(names), FileSource(str(path), "json", encoding="utf-8", compression=zipped, rows=rows, bytes=path.stat().st_size), path, words
    )


def _json_batches(file: RowFile, wanted: list[str], batch_rows: int) -> Iterator[RowBatch]:
    import numpy as np
    import pyarrow as pa

    missing = frozenset(file.missing)

    def batch(records: list[tuple[int, dict[str, Any]]], bad: list[tuple[int, str]]) -> RowBatch:
        columns = {name: pa.array([_json_text(record.get(name), missing) for _, record in records], pa.string()) for name in wanted}
        return RowBatch(np.array([row for row, _ in records], dtype=np.int64), columns, bad)

    good: list[tuple[int, dict[str, Any]]] = []
    bad: list[tuple[int, str]] = []
    for row, record in _records(file.path):
        if isinstance(record, dict):
            good.append((row, record))
        else:
            bad.append((row, record if isinstance(record, str) else "not a JSON object"))
        if len(good) >= batch_rows:
            yield batch(good, bad)
            good, bad = [], []
    if good or bad:
        yield batch(good, bad)


def _json_text(value: object, missing: frozenset[str]) -> str | None:
    """JSON values as the same text that a CSV file would hold, so that both are typed by one rule."""
    if value is None:
        return None
    if isinstance(value, str):
        return None if value in missing else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value != value:
        return None
    return repr(value) if isinstance(value, (int, float)) else json.dumps(value, ensure_ascii=False)


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    """`(row, object)`; a line that is not JSON comes as the reason, a string, in the object's place."""
    zipped = _head(path, 2) == b"\x1f\x8b"
    try:
        if _head(path, 64, zipped).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[":
            with _stream(path, zipped) as stream:
                records = json.loads(stream.read().decode("utf-8-sig"))
            yield from ((row, record if not isinstance(record, str) else None) for row, record in enumerate(records, 1))
            return
        with _stream(path, zipped) as stream:
            lines = (line.removeprefix(codecs.BOM_UTF8) for line in stream)
            for row, line in enumerate((line for line in lines if line.strip()), 1):
                try:
                    record = json.loads(line)
                except ValueError as error:
                    yield row, f"not JSON: {error}"
                else:
                    yield row, record if not isinstance(record, str) else None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise BadData(f"{path} cannot be read as JSON: {_first_line(error)}") from error


# Small things --------------------------------------------------------------------------------------------------------


def _stream(path: Path, zipped: bool) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if zipped else path.open("rb")


def _head(path: Path, count: int, zipped: bool = False) -> bytes:
    try:
        with _stream(path, zipped) as stream:
            return stream.read(count)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadData(f"{path} is not a whole gzip file: {_first_line(error)}") from error


def _near_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f": there is no folder {path.parent} either"
    close = difflib.get_close_matches(path.name, [other.name for other in path.parent.iterdir()], n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
