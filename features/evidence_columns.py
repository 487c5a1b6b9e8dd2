"""What a column of `leads` says about a dimension of BANT: text as answers are read, numbers, yes and no, dates.

In: a column that is evidence, and the history of a block. Out: a statement an observation (1 yes, 0.5 partly, -1 no; for
timing 1 within a quarter, 0.4 later; NaN: it says nothing) and its age in days (NaN: nobody knows when it was written).
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from features.declarations import EvidenceColumn, tidy
from features.history import Column, History
from features.statements import LATER, QUARTER, READINGS, SOON, coming_end, names_date

__all__ = ["column_statement", "column_text"]

_UNITS = {
    **dict.fromkeys(("days", "dias", "day", "dia"), 1.0),
    **dict.fromkeys(("weeks", "semanas", "week", "semana"), 7.0),
    **dict.fromkeys(("months", "meses", "month", "mes"), 30.4375),
}
_EPOCH = date(1970, 1, 1)


def column_statement(column: EvidenceColumn, history: History) -> tuple[Column, Column]:
    """What it says, and how long ago it was written."""
    if column.kind == "time":
        return _of_time(column, history)
    age = history.written(column.name)
    if column.kind in ("number", "boolean"):
        return _of_number(column, history.number(column.name)), age
    text = history.text(column.name)
    said = text.map(READINGS[column.dimension])
    if column.dimension != "timeline" or not history.declared.instants:
        return said, age
    dates, day = text.map(names_date), history.day()
    dates = np.where(dates < 0.0, coming_end(dates, day - age), dates)
    ahead = dates + 1.0 - day  # till the end of the day
    return np.where(np.isnan(dates), said, _when(np.where(ahead > 0.0, ahead, np.nan))), age


def column_text(column: EvidenceColumn, history: History, row: int) -> str:
    """What the column holds, as a person would write it."""
    if column.kind == "time":
        days = float(history.day()[row] + history.days_until(column.name)[row])
        return str(_EPOCH + timedelta(days=int(days // 1)))
    if column.kind in ("number", "boolean"):
        number = float(history.number(column.name)[row])
        return ("yes" if number else "no") if column.kind == "boolean" else f"{number:,.6g}"
    return f"“{history.text(column.name).text(row)}”"


def _of_number(column: EvidenceColumn, number: Column) -> Column:
    """An amount is a yes and none of it a no. A number about timing needs a unit in the column's name: `months_to_purchase`."""
    if column.kind == "boolean" or column.dimension != "timeline":
        said: Column = np.where(number > 0.0, 1.0, np.where(number == 0.0, -1.0, np.nan))
        return said
    unit = next((_UNITS[word] for word in tidy(column.name).split("_") if word in _UNITS), np.nan)
    return _when(number * unit)


def _of_time(column: EvidenceColumn, history: History) -> tuple[Column, Column]:
    """A date ahead is when it is to be; of another dimension, a date that has come says since when it is so."""
    if column.dimension == "timeline":
        return _when(history.days_until(column.name)), history.written(column.name)
    since = history.age_of(column.name)
    return np.where(np.isnan(since), np.nan, 1.0), since


def _when(days: Column) -> Column:
    """Days ahead as a statement; what has passed says nothing any more."""
    said: Column = np.where(days <= QUARTER, SOON, LATER)
    said[~(days >= 0.0)] = np.nan
    return said
