"""Columns of a bundle's Parquet files as NumPy, without pandas: for whatever looks back at `backtest.parquet` and `reference.parquet`.

In: a file. Out: its columns that were asked for and are there, in the order of its rows; instants are microseconds since 1970 UTC,
texts are objects, null is NaN where numbers are floats.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_names", "read_columns"]


def column_names(path: Path) -> list[str]:
    """Raises OSError where there is no such file."""
    return list(_kinds(path))


def read_columns(path: Path, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """All columns, or those of these names that the file has; raises OSError where there is no such file."""
    import duckdb  # reads Parquet into NumPy, and only when somebody looks back

    kinds = _kinds(path)
    wanted = [name for name in (kinds if names is None else names) if name in kinds]
    if not wanted:
        return {}
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in wanted}
    chosen = [
        f"epoch_us(CAST({quoted[name]} AS TIMESTAMPTZ)) AS {quoted[name]}" if "TIMESTAMP" in kinds[name] else quoted[name]
        for name in wanted
    ]
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        found = connection.execute(f"SELECT {', '.join(chosen)} FROM read_parquet(?)", [str(path)]).fetchnumpy()
    return {name: _plain(column) for name, column in found.items()}


def _kinds(path: Path) -> dict[str, str]:
    import duckdb

    if not path.is_file():
        raise FileNotFoundError(path)
    with duckdb.connect() as connection:
        return {str(row[0]): str(row[1]) for row in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()}


def _plain(column: Any) -> NDArray[Any]:  # noqa: ANN401 - plain, or masked where a value is null
    if not np.ma.isMaskedArray(column):
        return np.asarray(column)
    return np.asarray(np.ma.filled(column, None) if column.dtype == object else np.ma.filled(column.astype(float), np.nan))
