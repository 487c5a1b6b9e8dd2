"""What reading gives: event tables, a flat table, and the chunks of a file that is scored.

Everything here is typed and final: times are UTC to the microsecond, numbers are float64 with NaN for missing, text
is an object array (or a categorical) of `str` with None for missing, ids are strings byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int32]
    Micros = npt.NDArray[np.int64]
    Objects = npt.NDArray[np.object_]

__all__ = ["ActivityColumns", "Arrow", "FileSource", "FlatChunk", "FlatTable", "Kind", "Tables"]

Arrow: TypeAlias = Any
"""A `pyarrow.Array` or `ChunkedArray`: pyarrow ships no annotations, so this name says what its type cannot."""
Kind = Literal["number", "boolean", "category", "text", "time"]
"""`number`, `boolean` (0/1 as float64) and `category` are attributes; `text` and `time` are known columns that signals read."""


@dataclass(frozen=True)
class Tables:
    """The event tables of a project, validated. Every table has its contract's required columns, even when empty.

    All but `leads` carry `lead_row` (int32), the position of their lead in
    `leads`, and are sorted by it, then by time, then by the rest of the row: the order of a source never shows.
    """

    leads: pd.DataFrame
    lead_changes: pd.DataFrame
    activities: pd.DataFrame
    stage_changes: pd.DataFrame
    outcomes: pd.DataFrame
    until: pd.Timestamp
    kinds: dict[str, Kind]
    """What each column of `leads` holds, `lead_id` apart."""
    quarantine: pd.DataFrame
    notices: list[str] = field(default_factory=list)
    rows_read: dict[str, int] = field(default_factory=dict)
    """Rows that each query gave, before anything was put aside."""
    decisions: pd.DataFrame = field(default_factory=lambda: _no_decisions())  # noqa: PLW0108 - it is defined below
    """Whom sales decided to work and whom not, and how likely that was: `worked` and, where known, `propensity`."""
    feedback: pd.DataFrame = field(default_factory=lambda: _no_feedback())  # noqa: PLW0108 - it is defined below
    """What sales said of leads: `verdict` and, where known, `reason`. No model is trained on it."""


@dataclass(frozen=True)
class ActivityColumns:
    """Activities as plain columns, checked and in the order of `Tables`, without a frame around them."""

    lead_row: Codes
    times: dict[str, Micros]
    numbers: dict[str, Floats]
    texts: dict[str, tuple[Codes, list[str]]]
    """Codes into values; -1 is missing."""

    def __len__(self) -> int:
        return len(self.lead_row)


@dataclass(frozen=True)
class FileSource:
    """How a file was read, for the report."""

    path: str
    format: Literal["csv", "parquet", "json"]
    delimiter: str | None = None
    encoding: str | None = None
    compression: str | None = None
    decimal: str = "."
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class FlatTable:
    """One row a lead, without history. All members are aligned; rows put aside are in `quarantine` only."""

    frame: pd.DataFrame
    """Attribute columns, and the known text and time columns; not the id, the label or the order."""
    lead_id: Objects
    row: Micros
    """The 1-based place of each row in the file, the header not counted."""
    label: Floats | None
    """0 or 1 in every row (rows with a blank label are left out), or None when no label was asked for."""
    order: Floats | None
    """Sortable: numbers, microseconds since 1970, or row numbers; None without an order."""
    kinds: dict[str, Kind]
    source: FileSource
    quarantine: pd.DataFrame
    notices: list[str] = field(default_factory=list)
    blank_labels: int = 0
    label_column: str | None = None
    positive: str | None = None
    """The value of the label column that counts as a conversion, as the file writes it; likewise `negative`."""
    negative: str | None = None

    def __len__(self) -> int:
        return len(self.lead_id)


@dataclass(frozen=True)
class FlatChunk:
    """Some consecutive rows of a file that is scored: one entry per input row, in the file's order, bad rows too."""

    first_row: int
    lead_id: Objects
    numbers: dict[str, Floats]
    """`number` and `boolean` columns."""
    texts: dict[str, tuple[Codes, list[str]]]
    """`category` and `text` columns: codes into the values, -1 for missing. The values are those of this chunk."""
    times: dict[str, Micros]
    """`time` columns: microseconds since 1970 UTC, the least int64 for missing."""
    errors: dict[int, str] = field(default_factory=dict)
    """Position in the chunk → why this row cannot be scored. Its figures are all missing."""
    notes: dict[int, str] = field(default_factory=dict)
    """Position in the chunk → which values were read as missing because they are not of the column's kind."""

    def __len__(self) -> int:
        return len(self.lead_id)


def _no_feedback() -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    at, text = pd.Series([], dtype="datetime64[us, UTC]"), pd.Series([], dtype=object)
    return pd.DataFrame({"lead_id": text, "lead_row": np.zeros(0, np.int32), "given_at": at, "verdict": text})


def _no_decisions() -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    at = pd.Series([], dtype="datetime64[us, UTC]")
    return pd.DataFrame({"lead_id": pd.Series([], dtype=object), "lead_row": np.zeros(0, np.int32), "as_of": at, "worked": np.zeros(0)})
