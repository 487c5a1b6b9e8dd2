"""Instants out of text: ISO 8601, or day/month/year where its order is beyond doubt, to microseconds since 1970 UTC.

In: an Arrow column of text, timestamps or dates. Out: int64 microseconds, `MISSING` for what is missing or does not
parse (the mask `bad` tells the two apart). A naive time is read in the given zone and counted; where the clocks went
back the first of the two instants is taken, where they went forward the time is moved to the change: both are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from data.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from data.frames import Arrow

__all__ = ["MISSING", "AmbiguousDates", "ParsedTimes", "in_zone", "parse_times", "to_utc"]

MISSING = -(2**63)

_ISO = r"^\s*\d{4}-\d{2}-\d{2}([T ]\d{2}(:?\d{2}){0,2}([.,]\d{1,9})?\s*(Z|z|[+-]\d{2}(:?\d{2})?)?)?\s*$"
_WITH_OFFSET = r"^\s*\d{4}-\d{2}-\d{2}[T ]\d{2}.*(Z|z|[+-]\d{2}(:?\d{2})?)\s*$"
_YEAR_LAST = r"^\s*(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4})(?:[ T]+(\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?\s*$"


class AmbiguousDates(BadData, status=422, exit_code=2):
    """the dates in {column} could be day/month or month/day, for example {example!r}: write them as YYYY-MM-DD."""


@dataclass(frozen=True)
class ParsedTimes:
    micros: npt.NDArray[np.int64]
    bad: npt.NDArray[np.bool_]
    """Present, but not a time."""
    naive: int = 0
    ambiguous: int = 0
    nonexistent: int = 0

    def notices(self, column: str, zone: str) -> list[str]:
        said = []
        if self.naive:
            said.append(f"{column}: {self.naive:,} times carry no offset and were read as {zone}")
        if self.ambiguous:
            said.append(f"{column}: {self.ambiguous:,} times fall into the hour that the clocks repeat in {zone}; the first was taken")
        if self.nonexistent:
            said.append(f"{column}: {self.nonexistent:,} times do not exist in {zone} (the clocks went forward); moved to the change")
        return said


def parse_times(array: Arrow, zone: str = "UTC", column: str = "the column") -> ParsedTimes:
    """Every value of an Arrow (chunked) array as an instant. Numbers are not times: they are all `bad`."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if kind == pa.date64():
            array = array.cast(pa.timestamp("ms"))
        plain = array.cast(pa.timestamp("us", tz=kind.tz if pa.types.is_timestamp(kind) else None), safe=False).cast(pa.int64())
        micros = (pc.fill_null(plain, MISSING) if plain.null_count else plain).to_numpy()
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            return ParsedTimes(micros, np.zeros(len(micros), bool))
        return _localised(micros, np.zeros(len(micros), bool), zone)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        present = ~_flags(pc.is_null(array))
        return ParsedTimes(np.full(len(array), MISSING), present)

    blank = _flags(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(array), ""), True))
    iso = _flags(pc.fill_null(pc.match_substring_regex(array, _ISO), False))
    aware = iso & _flags(pc.fill_null(pc.match_substring_regex(array, _WITH_OFFSET), False))
    micros = np.full(len(array), MISSING)
    naive = np.full(len(array), MISSING)
    for chosen, target in ((aware, micros), (iso & ~aware, naive)):
        if chosen.any():
            tidy = pc.replace_substring(pc.utf8_trim_whitespace(array.filter(pa.array(chosen))), ",", ".")
            texts = pd.Series(tidy.to_pandas())
            target[chosen] = _int64(pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True))
    rest = ~iso & ~blank
    if rest.any():
        naive[rest] = _year_last(array.filter(pa.array(rest)).to_pandas(), column)
    bad = ~blank & (micros == MISSING) & (naive == MISSING)
    local = _localised(naive, bad, zone)
    return ParsedTimes(np.where(aware, micros, local.micros), bad, local.naive, local.ambiguous, local.nonexistent)


def in_zone(instant: datetime, zone: str) -> pd.Timestamp:
    """One instant in UTC, read as `parse_times` reads many."""
    import pandas as pd
    import pyarrow as pa

    stamp = pd.Timestamp(instant).as_unit("us")
    if stamp.tzinfo is not None:
        return stamp.tz_convert("UTC")
    return to_utc(parse_times(pa.array([stamp.to_pydatetime()], pa.timestamp("us")), zone).micros)[0]


def to_utc(micros: npt.NDArray[np.int64]) -> pd.DatetimeIndex:
    """Microseconds since 1970 as `datetime64[us, UTC]`; `MISSING` becomes NaT."""
    import pandas as pd

    return pd.DatetimeIndex(micros.view("datetime64[us]")).tz_localize("UTC")


def _localised(naive: npt.NDArray[np.int64], bad: npt.NDArray[np.bool_], zone: str) -> ParsedTimes:
    import numpy as np
    import pandas as pd

    present = naive != MISSING
    count = int(present.sum())
    if not count or zone == "UTC":
        return ParsedTimes(naive, bad, count)
    local = pd.DatetimeIndex(naive[present].view("datetime64[us]"))
    strict = local.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    unsure = strict.isna()
    ambiguous = nonexistent = 0
    values = _int64(strict.tz_convert("UTC"))
    if unsure.any():
        doubtful = local[unsure]
        first = doubtful.tz_localize(zone, ambiguous=np.ones(len(doubtful), bool), nonexistent="shift_forward")
        nonexistent = int(np.sum(first.tz_localize(None) != doubtful))
        ambiguous = len(doubtful) - nonexistent
        values[unsure] = _int64(first.tz_convert("UTC"))
    micros = naive.copy()
    micros[present] = values
    return ParsedTimes(micros, bad, count, ambiguous, nonexistent)


def _year_last(texts: pd.Series, column: str) -> npt.NDArray[np.int64]:
    """`31/12/2025 14:05` and its kin; the order of day and month must be proved by the column itself."""
    import numpy as np
    import pandas as pd

    parts = texts.astype(object).str.extract(_YEAR_LAST)
    fits = parts[0].notna().to_numpy()
    micros = np.full(len(texts), MISSING)
    if not fits.any():
        return micros
    found = parts[fits]
    first, second = found[0].astype(int).to_numpy(), found[2].astype(int).to_numpy()
    day_first = bool((first > 12).any()) or bool((found[1] == ".").all())
    month_first = bool((second > 12).any())
    if day_first == month_first and bool((first != second).any()):
        raise AmbiguousDates(column=column, example=str(texts[fits].iloc[int(np.argmax(first != second))]))
    day, month = (second, first) if month_first else (first, second)
    clock = found[4].fillna("00:00").astype(str).str.zfill(5)
    year = found[3].astype(str).to_numpy()
    iso = [f"{y}-{m:02d}-{d:02d}T{t}" for y, m, d, t in zip(year, month, day, clock, strict=True)]
    micros[fits] = _int64(pd.to_datetime(pd.Series(iso), format="ISO8601", errors="coerce", utc=True))
    return micros


def _flags(mask: Arrow) -> npt.NDArray[np.bool_]:
    import numpy as np

    return np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)


def _int64(times: pd.Series | pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Microseconds, NaT as `MISSING` (which is what NaT is, seen as int64)."""
    import numpy as np
    import pandas as pd

    index = pd.DatetimeIndex(times)
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return np.array(index.as_unit("us").to_numpy().view(np.int64))
