"""From validated tables (pandas) to the columns that the engine reads: the only bridge between the two.

In: `data.frames.Tables`, or a flat table. Out: `Leads`, `ActivityLog` and `Colleagues`. Used where files and databases are
read (training, `tamiz score`); the service makes its columns from requests and never comes here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.columns import boolean_words, parse_numbers, uses_sign
from data.contracts import ACTIVITIES, NOT_ATTRIBUTES
from data.frames import ActivityColumns
from data.sizes import SIZES, read_size
from features.catalogue import catalogue
from features.catalogue_table import reads_of
from features.declarations import NOTHING, Declarations
from features.engine import Colleagues, Plan, needs_of
from features.history import ActivityLog, Column, FieldHistory, Leads, TextColumn
from features.signal import Attribute, FeatureSet, Signal

if TYPE_CHECKING:
    import pandas as pd

    from data.frames import FlatChunk, Tables

__all__ = [
    "account_codes",
    "attributes_of",
    "changes_of",
    "chunk_leads",
    "colleagues_of",
    "flat_leads",
    "inputs_of",
    "joined_leads",
    "leads_of",
    "log_of",
    "log_of_columns",
    "signals_that_apply",
    "text_column",
]

_NUMBERS = ("number", "boolean")


def attributes_of(kinds: Mapping[str, str]) -> tuple[Attribute, ...]:
    """The columns of `leads` that a model takes as they are: numbers, booleans and categories, but nobody's name or address."""
    names = [name for name, kind in kinds.items() if kind in ("number", "boolean", "category") and name not in NOT_ATTRIBUTES]
    return tuple(Attribute(name, kinds[name]) for name in names)  # type: ignore[arg-type]  # the kinds were just checked


def signals_that_apply(
    signals: Mapping[str, Signal], columns: Collection[str], *, activities: bool, declared: Declarations = NOTHING
) -> tuple[Signal, ...]:
    """The signals that can say something on this data: activities exist where they read some, else some column they read.

    Where there are none in training, what reads them would be learnt as if nobody ever did anything. A column that is
    called like a signal is taken as it is: one name is one input.
    """
    fitting = []
    for one in signals.values():
        applies = activities if needs_of(one, declared).activities else any(name in columns for name in reads_of(one, declared).columns)
        if applies and one.name not in columns:
            fitting.append(one)
    return tuple(fitting)


def inputs_of(
    kinds: Mapping[str, str], types: tuple[str, ...], declared: Declarations, *, activities: bool, drop: Collection[str] = ()
) -> FeatureSet:
    """The inputs of a project: what says something on its columns and activities, its own types of activity, its columns."""
    applying = signals_that_apply(catalogue(), kinds.keys(), activities=activities, declared=declared)
    return FeatureSet(tuple(one for one in applying if one.name not in drop), types, attributes_of(kinds), declared)


def flat_leads(frame: pd.DataFrame, ids: NDArray[np.object_], kinds: Mapping[str, str]) -> Leads:
    """Leads of a flat table; times are left out, since it has no instant to measure them from."""
    numbers = {name: frame[name].to_numpy(np.float64) for name in frame.columns if kinds[name] in _NUMBERS}
    texts = {name: text_column(frame[name]) for name in frame.columns if kinds[name] in ("category", "text")}
    return Leads(ids.tolist(), numbers, texts, {})


def chunk_leads(chunk: FlatChunk) -> Leads:
    """Leads of one chunk of a file that is being scored."""
    texts = {name: TextColumn(codes, values) for name, (codes, values) in chunk.texts.items()}
    return Leads(chunk.lead_id.tolist(), chunk.numbers, texts, chunk.times)


def joined_leads(chunks: Sequence[FlatChunk], rows: NDArray[np.int64]) -> Leads:
    """These rows of all chunks together as one set of leads, over one vocabulary a column."""
    texts: dict[str, TextColumn] = {}
    for name in chunks[0].texts:
        vocabulary: dict[str, int] = {}
        parts = []
        for chunk in chunks:
            codes, values = chunk.texts[name]
            parts.append(np.array([*(vocabulary.setdefault(value, len(vocabulary)) for value in values), -1], dtype=np.int32)[codes])
        texts[name] = TextColumn(np.concatenate(parts)[rows], list(vocabulary))
    numbers = {name: np.concatenate([chunk.numbers[name] for chunk in chunks])[rows] for name in chunks[0].numbers}
    times = {name: np.concatenate([chunk.times[name] for chunk in chunks])[rows] for name in chunks[0].times}
    return Leads(np.concatenate([chunk.lead_id for chunk in chunks])[rows].tolist(), numbers, texts, times)


def leads_of(tables: Tables, account: NDArray[np.int64] | None = None) -> Leads:
    """Leads of event tables, with the dated values of fields that `lead_changes` covers."""
    frame, kinds = tables.leads, tables.kinds
    numbers = {name: frame[name].to_numpy(np.float64) for name, kind in kinds.items() if kind in _NUMBERS}
    texts = {name: text_column(frame[name]) for name, kind in kinds.items() if kind in ("category", "text")}
    times = {name: _micros(frame[name]) for name, kind in kinds.items() if kind == "time"}
    return Leads(frame["lead_id"].tolist(), numbers, texts, times, account, changes_of(tables, kinds))


def log_of(tables: Tables) -> ActivityLog:
    """The activity log; `tables` already cluster activities by lead and order them by time."""
    frame = tables.activities
    if frame.empty:
        return ActivityLog.empty(len(tables.leads))
    there = {name: kind for name, kind in ACTIVITIES.columns.items() if name in frame.columns and name not in ("lead_id", "activity_id")}
    texts = {name: text_column(frame[name]) for name, kind in there.items() if kind == "text"}
    columns = ActivityColumns(
        frame["lead_row"].to_numpy(np.int32),
        times={name: _micros(frame[name]) for name, kind in there.items() if kind == "time"},
        numbers={name: frame[name].to_numpy(np.float64) for name, kind in there.items() if kind in _NUMBERS},
        texts={name: (column.codes, list(column.values)) for name, column in texts.items()},
    )
    return log_of_columns(columns, len(tables.leads))


def log_of_columns(columns: ActivityColumns, n_leads: int) -> ActivityLog:
    """The same from columns that never were a frame."""
    texts = {name: TextColumn(*column) for name, column in columns.texts.items()}
    automated, duration = columns.numbers.get("automated"), columns.numbers.get("duration_seconds")
    return ActivityLog.build(
        n_leads,
        columns.lead_row,
        columns.times["occurred_at"],
        texts["type"],
        recorded=columns.times.get("recorded_at"),
        channel=texts.get("channel"),
        url=texts.get("url"),
        content=texts.get("content"),
        campaign=texts.get("campaign"),
        value=texts.get("value"),
        agent=texts.get("user_agent"),
        automated=None if automated is None else automated > 0,
        fleeting=None if duration is None else duration == 0,
    )


def account_codes(tables: Tables) -> NDArray[np.int64]:
    """Code of each lead's account, -1 for a lead that stands alone."""
    import pandas as pd

    from data.labels import account_keys

    keys = account_keys(tables.leads)
    keys[keys == tables.leads["lead_id"].to_numpy(dtype=object)] = None
    codes: NDArray[np.int64] = pd.factorize(keys, use_na_sentinel=True)[0].astype(np.int64)
    return codes


def colleagues_of(plan: Plan, account: NDArray[np.int64] | None, log: ActivityLog) -> Colleagues | None:
    """The account context of tables, where the plan asks for it and accounts are known."""
    if account is None or not plan.colleagues.needs or not (account >= 0).any():
        return None
    return Colleagues.of(account, log)


def changes_of(tables: Tables, kinds: Mapping[str, str]) -> dict[str, FieldHistory]:
    """Field histories of the columns in `kinds`, a field each, clustered by lead and in order of time.

    A field that is a category of `field` without a row here has a history somewhere else: among other leads of the project.
    """
    frame, found = tables.lead_changes, dict[str, FieldHistory]()
    if "field" not in frame:
        return found
    fields = frame["field"].astype("category")
    n_leads = len(tables.leads)
    for name in fields.cat.categories:
        column, kind = str(name), kinds.get(str(name))
        if kind is None:
            continue
        rows = frame[(fields == name).to_numpy()]
        starts = np.zeros(n_leads + 1, dtype=np.int64)
        np.cumsum(np.bincount(rows["lead_row"].to_numpy(np.int64), minlength=n_leads), out=starts[1:])
        changed, values = _micros(rows["changed_at"]), text_column(rows["value"])
        if kind in _NUMBERS:
            found[column] = FieldHistory(starts, changed, np.append(_as_numbers(column, values.values, kind), np.nan)[values.codes], None)
        elif kind in ("category", "text"):
            found[column] = FieldHistory(starts, changed, None, values)
    return found


def _as_numbers(name: str, texts: Sequence[str], kind: str) -> Column:
    """Dated values as their column would hold them, each by itself, so that a later one changes none; what is none is missing."""
    import pyarrow as pa

    if kind == "boolean":
        known = {"1": 1.0, "0": 0.0}
        return np.array([(boolean_words([one]) or {one: known.get(one.strip(), np.nan)})[one] for one in texts], dtype=np.float64)
    if name in SIZES:
        return np.array([read_size(one, SIZES[name]) for one in texts], dtype=np.float64)
    values = np.array(parse_numbers(pa.array(texts, pa.string())).values)
    for i in np.flatnonzero(np.isnan(values)).tolist():
        comma = pa.array([texts[i]])
        if uses_sign(comma, ","):
            values[i] = parse_numbers(comma, ",").values[0]
    return values


def text_column(values: pd.Series[Any]) -> TextColumn:
    """Dictionary-coded text of a pandas column of strings or categories; null is missing."""
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype):
        return TextColumn(np.array(values.cat.codes, dtype=np.int32), [str(one) for one in values.cat.categories])
    found, uniques = pd.factorize(values.to_numpy(dtype=object), use_na_sentinel=True)
    return TextColumn(np.array(found, dtype=np.int32), [str(one) for one in uniques])


def _micros(values: pd.Series[Any]) -> NDArray[np.int64]:
    """Microseconds since 1970 UTC; the least int64 for missing, which is also NaT's."""
    micros: NDArray[np.int64] = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    return micros
