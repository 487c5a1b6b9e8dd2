"""Rows of Parquet files as they stand, text as dictionary codes: for queries that do nothing but name files.

In: a query such as `SELECT * FROM 'activities.parquet'`. Out: `ParquetRows`, which reads any range of rows without the
rest of the file, or None where the query does more than that. Nulls stay nulls.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from data.errors import BadData
from data.frames import Arrow

__all__ = ["ParquetRows", "plain_parquet"]

_BARE = re.compile(
    r"""\s*SELECT\s+(?P<columns>\*|\w+(?:\s*,\s*\w+)*)\s+FROM\s+
        (?:'(?P<file>[^']+\.parquet)'|read_parquet\(\s*'(?P<read>[^']+)'\s*\))\s*;?\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_HEAD_ROWS = 32_768


@dataclass(frozen=True)
class ParquetRows:
    """Files of one schema one after another; `group_starts` has the first row of every row group, and the end."""

    files: tuple[str, ...]
    columns: tuple[str, ...]
    groups: tuple[tuple[int, int], ...]
    """File and number in it of every row group."""
    group_starts: tuple[int, ...]

    def __len__(self) -> int:
        return self.group_starts[-1]

    def only(self, columns: Collection[str]) -> ParquetRows:
        return replace(self, columns=tuple(name for name in self.columns if name in columns))

    def read(self, start: int, stop: int) -> Arrow:
        """Rows start … stop - 1. Of a row group at the end only the head is read."""
        import pyarrow as pa

        parts = []
        for i, (file, group) in enumerate(self.groups):
            first, last = self.group_starts[i], self.group_starts[i + 1]
            if first < stop and start < last:
                wanted = slice(max(start - first, 0), min(stop, last) - first)
                parts.append(self._part(_opened(self.files[file]), group, wanted, last - first))
        return pa.concat_tables(parts) if parts else self.schema().empty_table()

    def batches(self, rows: int) -> Iterator[Arrow]:
        """All rows in order, in tables of at most so many; `lead_id` is plain text, since in any order few rows repeat the one before."""
        import pyarrow as pa

        # One row group after another, without reading ahead: all at once would keep what has been read until the end.
        for file, group in self.groups:
            opened = _opened(self.files[file], plain=True)
            for batch in opened.iter_batches(rows, row_groups=[group], columns=list(self.columns), use_threads=False):
                yield pa.Table.from_batches([batch])

    def schema(self) -> Arrow:
        import pyarrow as pa

        schema = _opened(self.files[0]).schema_arrow
        return pa.schema([schema.field(name) for name in self.columns])

    def _part(self, opened: Arrow, group: int, wanted: slice, rows: int) -> Arrow:
        import pyarrow as pa

        columns = list(self.columns)
        if wanted.stop > rows // 2:
            return opened.read_row_group(group, columns=columns, use_threads=False).slice(wanted.start, wanted.stop - wanted.start)
        heads, had = [], 0
        for batch in opened.iter_batches(_HEAD_ROWS, row_groups=[group], columns=columns, use_threads=False):
            heads.append(batch)
            had += len(batch)
            if had >= wanted.stop:
                break
        return pa.Table.from_batches(heads).slice(wanted.start, wanted.stop - wanted.start)


def plain_parquet(query: str, folder: Path) -> ParquetRows | None:
    """The files that a query names, if that is all it does: no condition, no expression, no other source."""
    found = _BARE.fullmatch(query)
    if found is None:
        return None
    name = found["file"] or found["read"]
    paths = sorted(folder.glob(name)) if "*" in name and not name.startswith("/") else [folder / name]
    if not paths or not all(path.is_file() for path in paths):
        return None  # an address, or files that DuckDB will say are missing
    opened = [_opened(str(path)) for path in paths]
    names = opened[0].schema_arrow.names
    if any(file.schema_arrow.names != names for file in opened):
        return None
    columns = tuple(names) if found["columns"] == "*" else tuple(re.split(r"\s*,\s*", found["columns"]))
    if not set(columns) <= set(names) or len(set(columns)) < len(columns):
        return None
    groups = [(place, group) for place, file in enumerate(opened) for group in range(file.num_row_groups)]
    starts = [0]
    for place, group in groups:
        starts.append(starts[-1] + opened[place].metadata.row_group(group).num_rows)
    return ParquetRows(tuple(map(str, paths)), columns, tuple(groups), tuple(starts))


def _opened(path: str, *, plain: bool = False) -> Arrow:
    """The file, its text columns read as dictionary codes; opened again only when it is another one by now."""
    found = Path(path).stat()
    return _open(path, plain, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=16)
def _open(path: str, plain: bool, changed: int, size: int) -> Arrow:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
        coded = [name for name in texts if not (plain and name == "lead_id")]
        return pq.ParquetFile(path, read_dictionary=coded, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise BadData(f"{path} cannot be read as Parquet: {' '.join(str(error).split())[:300]}") from error
