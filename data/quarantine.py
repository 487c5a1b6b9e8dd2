"""Rows that cannot be used: kept aside with their place and reason, counted, and written to a file.

In: `(row, lead_id, reason)` triples, or vectors of them. Out: a frame `table, row, lead_id, reason` with `row`
counted from 1 (the header, or nothing for a query, is row 0) and `lead_id` None where it is unknown. Reading
stops with `TooManyBadRows`, which carries that frame, only above a share of the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import BadData, DependencyFailed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

__all__ = ["COLUMNS", "DEFAULT_SHARE", "TooManyBadRows", "collect", "stop_above", "write_quarantine"]

COLUMNS = ("table", "row", "lead_id", "reason")
DEFAULT_SHARE = 0.01


class TooManyBadRows(BadData, status=422, exit_code=2):
    """{bad} of {rows} rows of {table} cannot be used, more than the {share:.3g} % that is allowed: {reasons}.
    Correct the source, or allow a larger share if leaving these rows out is right.
    """

    def __init__(self, frame: pd.DataFrame, *, bad: str, rows: str, table: str, share: float, reasons: str) -> None:
        super().__init__(bad=bad, rows=rows, table=table, share=share, reasons=reasons)
        self.quarantine = frame
        """Every bad row met so far, for `write_quarantine`."""


def write_quarantine(home: Path, run: str, frame: pd.DataFrame) -> Path:
    """Write the rows as `home/quarantine/<run>.csv` and say where; an existing file of that run is replaced at once or not at all."""
    folder = Path(home) / "quarantine"
    path = folder / (re.sub(r"[^A-Za-z0-9._-]+", "-", run).strip(".-") + ".csv")
    partial = path.with_suffix(".csv.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        frame.loc[:, list(COLUMNS)].to_csv(partial, index=False)
        partial.replace(path)
    except OSError as error:
        raise DependencyFailed(f"the quarantine file {path} could not be written: {error.strerror or error}") from error
    return path


def collect(
    table: str,
    rows: Sequence[int] | npt.NDArray[np.int64] = (),
    lead_ids: Sequence[str | None] | npt.NDArray[np.object_] | None = None,
    reasons: Sequence[str] | str = (),
) -> pd.DataFrame:
    """A quarantine frame from parallel sequences; one reason may stand for all rows."""
    import numpy as np
    import pandas as pd

    count = len(rows)
    return pd.DataFrame(
        {
            "table": pd.Series([table] * count, dtype=object),
            "row": np.asarray(rows, dtype=np.int64),
            "lead_id": pd.Series([None] * count if lead_ids is None else list(lead_ids), dtype=object),
            "reason": pd.Series([reasons] * count if isinstance(reasons, str) else list(reasons), dtype=object),
        }
    )


def stop_above(share: float, table: str, rows: int, frame: pd.DataFrame) -> None:
    """Raise `TooManyBadRows` when the frame holds more than `share` of the table's rows."""
    bad = int(frame["row"].nunique())
    if not bad or bad <= share * rows:
        return
    kinds = frame["reason"].map(_kind_of).value_counts()
    shown = [f"{count} × {kind} (first: {_first(frame, kind)})" for kind, count in kinds.head(3).items()]
    reasons = "; ".join(shown) + (f"; and {len(kinds) - 3} more reasons" if len(kinds) > 3 else "")
    raise TooManyBadRows(frame, bad=f"{bad:,}", rows=f"{rows:,}", table=table, share=100 * share, reasons=reasons)


def _kind_of(reason: str) -> str:
    """What is common to reasons that differ only by the value they quote."""
    return reason.split(": ", 1)[0]


def _first(frame: pd.DataFrame, kind: object) -> str:
    rows = frame[frame["reason"].map(_kind_of) == kind]
    first = rows.sort_values("row", kind="stable").iloc[0]
    detail = str(first["reason"]).partition(": ")[2]
    lead = "" if first["lead_id"] is None else f", lead {first['lead_id']}"
    return f"row {first['row']}{lead}" + (f", {detail}" if detail else "")
