"""Dates in columns of a flat table: how many days each lies after the row's own date, or after another column's date.

In: text inputs and the order of the rows, where it is one of dates. Out: per column of dates, by what it is measured from, days as
numbers (NaN where one of the two is missing). A date tells little as a category; the days until a file was closed tell everything.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from data.errors import TamizError
from features.history import TextColumn

__all__ = ["date_lags"]

Floats = npt.NDArray[np.float64]

_DAY = 86_400_000_000
_FIRST = 946_684_800_000_000
"""The year 2000 in microseconds: an order of smaller numbers is none of dates."""
_MOST_REFERENCES = 4
_DATES = 0.95


def date_lags(texts: Mapping[str, TextColumn], order: Floats | None) -> dict[str, dict[str, Floats]]:
    """Days after the row's order, where that is a date; else after each of the first few other columns of dates."""
    days = {name: found for name, column in texts.items() if (found := _days(column)) is not None}
    if order is not None and len(order) and np.nanmin(order) >= _FIRST:
        return {name: {"the row's own date": own - order / _DAY} for name, own in days.items()}
    references = list(days.items())[:_MOST_REFERENCES]
    return {name: {other: own - reference for other, reference in references if other != name} for name, own in days.items()}


def _days(column: TextColumn) -> Floats | None:
    """Days since 1970 of each row; None where the values are no dates."""
    import pyarrow as pa

    from data.times import MISSING, parse_times

    if not column.values:
        return None
    try:
        parsed = parse_times(pa.chunked_array([pa.array(list(column.values), pa.string())]))
    except TamizError:  # day/month or month/day: nobody can tell
        return None
    if parsed.bad.mean() > 1 - _DATES:
        return None
    days = np.where(parsed.micros == MISSING, np.nan, parsed.micros / _DAY)
    return np.append(days, np.nan)[column.codes]
