"""Activities in parts of whole accounts, each read on its own: in place where the file allows, else from buckets.

In: a source of activities and the account of every lead. Out: `Parts`: which leads each part holds, and how to read its
rows. An account is never split, because colleagues are looked at together. A Parquet file in which the rows of an
account lie together is read as it stands; any other source (a file in order of time, a CSV, a database) is read once and
spilled into buckets on the disk, in memory that does not grow with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import BadData, DependencyFailed
from data.frames import Arrow
from data.parquet_rows import ParquetRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Rows = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

__all__ = ["Buckets", "LeadNumbers", "Parts", "Stretches", "cut_in_place", "deal_out", "spill"]

_SPILL_ROWS = 1_000_000
_AT_ONCE = 2
_LARGE_VOCABULARY = 8_192
_PLACE, _LEAD = "row in source", "lead in part"


@dataclass(frozen=True)
class Stretches:
    """Each part is a stretch of adjoining rows of the files."""

    rows: ParquetRows
    starts: tuple[int, ...]
    """First row of each part, and the end."""

    def read(self, part: int, ids: Arrow) -> tuple[Arrow, Rows]:
        """The part's activities and their places in the source, counted from 1."""
        import numpy as np

        if part >= len(self.starts) - 1:  # leads that never did anything
            return self.rows.read(0, 0), np.zeros(0, dtype=np.int64)
        start, stop = self.starts[part], self.starts[part + 1]
        return self.rows.read(start, stop), np.arange(start + 1, stop + 1)


@dataclass(frozen=True)
class Buckets:
    """Each part is a bucket: a record batch in every one of the spilled files."""

    files: tuple[str, ...]

    def read(self, part: int, ids: Arrow) -> tuple[Arrow, Rows]:
        """The part's activities in the order of the source, and their places there; `ids` are the leads of the part."""
        import numpy as np
        import pyarrow as pa

        tables = []
        for file in self.files:
            batch = _reader(file).get_batch(part)
            tables.append(pa.Table.from_batches([batch]))
        table = pa.concat_tables([_plain_where_mixed(one, tables) for one in tables]).combine_chunks()
        places = np.asarray(table.column(_PLACE).to_numpy(), dtype=np.int64)
        lead = pa.DictionaryArray.from_arrays(table.column(_LEAD).combine_chunks(), ids)
        table = table.drop_columns([_PLACE, _LEAD])
        return table.append_column("lead_id", pa.chunked_array([lead])), places


@dataclass(frozen=True)
class Parts:
    """Which part each lead is in, and where the parts are read."""

    of_lead: npt.NDArray[np.int32]
    count: int
    source: Stretches | Buckets


class LeadNumbers:
    """From lead ids, as a source has them, to rows of the table of leads; -1 for a lead that nobody knows."""

    def __init__(self, ids: Arrow) -> None:
        self.ids = ids

    def of(self, column: Arrow) -> npt.NDArray[np.int32]:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from data.columns import as_text

        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if pa.types.is_dictionary(column.type):
            of_value = np.append(self.of(column.dictionary), np.int32(-1))
            codes: npt.NDArray[np.int32] = of_value[pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False)]
            return codes
        texts = as_text(column)
        texts = texts.cast(self.ids.type) if texts.type != self.ids.type else texts
        found = pc.fill_null(pc.index_in(texts, value_set=self.ids), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int32)


# In place ------------------------------------------------------------------------------------------------------------


def cut_in_place(rows: ParquetRows, leads: LeadNumbers, account: Rows, part_rows: int, idle_leads: int) -> Parts | None:
    """Parts as stretches of the file, or None where the rows of a lead, or of an account, do not lie together.

    `account` has one code a lead; `idle_leads` is how many leads without activities make a part of their own.
    """
    import numpy as np

    found = _runs(rows, leads)
    if found is None:
        return None
    lead, start = found
    known = lead >= 0
    of_run = np.where(known, account[lead], -1)
    # A cut may stand before a run unless some account has runs on both sides of it.
    n_accounts, place = int(account.max(initial=-1)) + 1, np.arange(len(lead))
    first, last = np.full(n_accounts, len(lead)), np.full(n_accounts, -1)
    np.minimum.at(first, of_run[known], place[known])
    np.maximum.at(last, of_run[known], place[known])
    spread = last > first
    change = np.bincount(first[spread] + 1, minlength=len(lead) + 2) - np.bincount(last[spread] + 1, minlength=len(lead) + 2)
    (cuts,) = (change.cumsum()[: len(lead)] == 0).nonzero()
    starts = _starts(start[cuts], np.array(rows.group_starts), part_rows)
    largest = np.diff(start[cuts], append=len(rows)).max(initial=0)
    if np.diff(starts).max(initial=0) > 4 * part_rows and largest > 2 * part_rows and largest > 2 * _longest(of_run, start, len(rows)):
        return None  # accounts lie all over the file
    if np.diff(rows.group_starts).max(initial=0) > 8 * part_rows:
        return None  # each part would read most of a huge row group again
    count = len(starts) - 1
    of_account = np.full(n_accounts, -1, dtype=np.int32)
    of_account[of_run[known]] = np.searchsorted(starts, start[known], side="right") - 1
    of_lead = of_account[account]
    (idle,) = (of_lead < 0).nonzero()
    if len(idle):
        of_lead[idle], more = deal_out(account[idle], max(1, -(-len(idle) // idle_leads)))
        of_lead[idle] += count
        count += more
    return Parts(of_lead, count, Stretches(rows, tuple(starts.tolist())))


def _runs(rows: ParquetRows, leads: LeadNumbers) -> tuple[Rows, Rows] | None:
    """The lead and the first row of every run of rows of one lead; None as soon as a lead has two runs."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from data.columns import as_text

    found, begins, waiting = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], list[Arrow]()
    seen = np.zeros(len(leads.ids), dtype=np.bool_)

    def numbered() -> bool:
        """Looks up the leads of the runs found since the last time, many at once; whether each is new."""
        numbers = leads.of(pa.chunked_array(waiting, pa.string())).astype(np.int64)
        waiting.clear()
        found.append(numbers)
        known = numbers[numbers >= 0]
        before = np.count_nonzero(seen)
        seen[known] = True
        return bool(np.count_nonzero(seen) == before + len(known))

    only, at = rows.only({"lead_id"}), 0
    before: str | None = None
    for start, stop in zip(rows.group_starts[:-1], rows.group_starts[1:], strict=True):
        for chunk in only.read(start, stop).column(0).chunks:
            if not len(chunk):
                continue
            if not pa.types.is_dictionary(chunk.type):
                chunk = pc.dictionary_encode(chunk)
            codes = pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False)
            first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
            if len(first) > len(leads.ids) and 2 * len(first) > len(codes):
                return None  # most rows begin a run: in order of time, surely
            values = chunk.take(pa.array(first))
            if values[0].as_py() == before:
                first, values = first[1:], values.slice(1)
            before = chunk[len(chunk) - 1].as_py()
            waiting.append(as_text(values).cast(pa.string()))
            if 4 * sum(map(len, waiting)) > len(leads.ids) and not numbered():
                return None
            begins.append(first + at)
            at += len(codes)
    if not numbered():
        return None
    return np.concatenate(found), np.concatenate(begins)


def _starts(cuts: Rows, groups: Rows, part_rows: int) -> Rows:
    """First rows of parts of about `part_rows` rows, near the beginnings of row groups where that is near enough; and the end."""
    import numpy as np

    end, starts = int(groups[-1]), [0]
    while True:
        aim = starts[-1] + part_rows
        near = int(groups[np.abs(groups - aim).argmin()])
        if abs(near - aim) <= part_rows // 2:
            aim = near
        i = int(cuts.searchsorted(aim))
        if i >= len(cuts) or end - int(cuts[i]) < part_rows // 4:
            return np.array([*starts, end], dtype=np.int64)
        starts.append(int(cuts[i]))


def _longest(account: Rows, start: Rows, end: int) -> int:
    import numpy as np

    known = account >= 0
    return int(np.bincount(account[known], weights=np.diff(start, append=end)[known]).max(initial=0))


# By spilling ---------------------------------------------------------------------------------------------------------


def deal_out(account: Rows, parts: int) -> tuple[npt.NDArray[np.int32], int]:
    """The part of each lead: about as many leads each, an account's together, in the order in which accounts first appear."""
    import numpy as np

    if not len(account):
        return np.zeros(0, dtype=np.int32), 0
    _, first, place, size = np.unique(account, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    before = np.zeros(len(order), dtype=np.int64)
    before[order] = size[order].cumsum() - size[order]
    of_account = before * parts // len(account)
    kept = np.unique(of_account)
    of_lead: npt.NDArray[np.int32] = np.searchsorted(kept, of_account)[place].astype(np.int32)
    return of_lead, len(kept)


def spill(
    tables: Iterable[Arrow],
    leads: LeadNumbers,
    of_lead: npt.NDArray[np.int32],
    count: int,
    folder: Path,
    *,
    identity: str,
    unknown: Callable[[Rows, Arrow], None],
    progress: Callable[[int], None],
) -> Parts:
    """Reads the source once and writes every row to its part's bucket; a spill that was finished before is used again.

    `unknown` is given places and ids of rows whose lead is not in the table; `progress` how many rows have been read.
    """
    import numpy as np

    done = folder / "spilled.json"
    if done.is_file():
        written = json.loads(done.read_text())
        if written["identity"] == identity and all(Path(file).is_file() for file in written["files"]):
            return Parts(of_lead, count, Buckets(tuple(written["files"])))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    order = np.argsort(of_lead, kind="stable")
    inside = np.zeros(len(of_lead), dtype=np.int32)
    sizes = np.bincount(of_lead, minlength=count)
    inside[order] = np.arange(len(order)) - np.repeat(sizes.cumsum() - sizes, sizes)

    def write(table: Arrow, at: int, path: Path) -> int:
        number = leads.of(table.column("lead_id"))
        known = number >= 0
        if not known.all():
            unknown(np.flatnonzero(~known) + at + 1, table.column("lead_id").filter(~known))
        _write_buckets(table, number, known, of_lead, inside, count, at, path)
        return len(table)

    files: list[str] = []
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            pending: set[Any] = set()
            at = read = 0
            for table in tables:
                path = folder / f"spill-{len(files):05d}.arrow"
                files.append(str(path))
                pending.add(pool.submit(write, table, at, path))
                at += len(table)
                del table
                if len(pending) >= _AT_ONCE:
                    ended, pending = wait(pending, return_when="FIRST_COMPLETED")
                    read += sum(one.result() for one in ended)
                    progress(read)
            progress(read + sum(one.result() for one in pending))
        done.with_suffix(".partial").write_text(json.dumps({"identity": identity, "files": files}))
        done.with_suffix(".partial").replace(done)
    except OSError as error:
        raise DependencyFailed(
            f"{folder}: the activities could not be spilled there: {error.strerror or error}. Clustering needs about as much room as "
            "the activities take; what was finished before is kept"
        ) from error
    return Parts(of_lead, count, Buckets(tuple(files)))


def _write_buckets(
    table: Arrow,
    number: npt.NDArray[np.int32],
    known: Flags,
    of_lead: npt.NDArray[np.int32],
    inside: npt.NDArray[np.int32],
    count: int,
    at: int,
    path: Path,
) -> None:
    import numpy as np
    import pyarrow as pa

    part = of_lead[number]
    part[~known] = count
    order = np.argsort(part.astype(np.uint16) if count < 2**16 - 1 else part, kind="stable")[: int(known.sum())]
    ends = np.bincount(part[known], minlength=count).cumsum()
    taken = pa.array(order.astype(np.int32))
    columns = {_PLACE: pa.array(order + (at + 1)), _LEAD: pa.array(inside[number[order]])}
    for name in table.column_names:
        if name != "lead_id":
            columns[name] = _narrow(table.column(name).combine_chunks()).take(taken)
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        start = 0
        for end in ends.tolist():
            writer.write_batch(batch.slice(start, end - start))
            start = end


def _narrow(column: Arrow) -> Arrow:
    """Text with few distinct values as the narrowest codes; with many as it is, so that no bucket carries them all."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.dictionary_encode(column)
    if not pa.types.is_dictionary(column.type):
        return column
    if len(column.dictionary) > _LARGE_VOCABULARY:
        return column.cast(pa.string())
    width = pa.int8() if len(column.dictionary) < 2**7 else pa.int16()
    return pa.DictionaryArray.from_arrays(column.indices.cast(width), column.dictionary)


def _plain_where_mixed(table: Arrow, all_of_them: Collection[Arrow]) -> Arrow:
    """One type a column: codes of any width as int32, and plain text encoded again."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pa.dictionary(pa.int32(), pa.string())
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(coded))
        elif any(pa.types.is_dictionary(other.schema.field(i).type) for other in all_of_them):
            table = table.set_column(i, field.name, pc.dictionary_encode(table.column(i)).cast(coded))
    return table


@lru_cache(maxsize=1024)
def _reader(path: str) -> Arrow:
    """A spilled file, opened once a process; only the batches that are asked for are read."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.OSFile(path, "rb"))
    except (OSError, pa.ArrowException) as error:
        raise BadData(f"the spilled file {path} cannot be read ({error}): delete its folder and build again") from error
