"""What a stated answer is about, and the latest answer that was known at an instant.

In: activities of type `answer`, whose `content` names a field (in English or Spanish) and whose `value` is what was said.
Out: `budget`, `authority`, `need`, `timeline`, or the name itself, tidied; and for each observation and field the latest
answer known before `as_of`. Of several at one instant the last recorded counts, then the last by spelling: never the
order of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from features.declarations import NOTHING, Declarations, tidy
from features.evidence_names import dimension_of
from features.history import DAY, ActivityLog, Answered, Observations, TextColumn
from features.segments import visible
from features.statements import READINGS, names_date

__all__ = ["Answers", "answered_fields", "field_of"]

Ints = NDArray[np.int64]


def field_of(name: str, declared: Declarations = NOTHING) -> str:
    """The field that an answer belongs to: what is declared, else what its name says, else the name itself, tidied.

    >>> field_of("Presupuesto "), field_of("¿Quién decide?"), field_of("Favourite colour")
    ('budget', 'authority', 'favourite_colour')
    """
    if declared.answers:
        known = tidy(name)
        own = declared.dimension_of_answer.get(known)
        if own is not None:
            return own or f"not {known}"
    return _field_by_name(name)


@lru_cache(maxsize=4096)
def _field_by_name(name: str) -> str:
    known = tidy(name)
    return dimension_of(known) or known


def answered_fields(log: ActivityLog) -> list[tuple[str, int]]:
    """What answers of a log are about, as the data call it, and how many there are of each, the most first."""
    if "answer" not in log.type.values:
        return []
    codes = log.content.codes[log.type.codes == log.type.values.index("answer")]
    counts = np.bincount(codes[codes >= 0], minlength=len(log.content.values)).tolist()
    found = [(content, count) for content, count in zip(log.content.values, counts, strict=True) if count]
    return sorted(found, key=lambda one: (-one[1], one[0]))


@dataclass(frozen=True)
class Answers:
    """The answers of a log to some fields, clustered by lead and ordered by time, then by recording, then by spelling."""

    asked: tuple[str, ...]
    starts: Ints
    occurred: Ints
    recorded: Ints
    late: bool
    place: Ints
    """Of the field in `asked`, and as many places further where the answer is a "no"."""
    said: NDArray[np.float64]
    value: TextColumn
    dated: bool
    """Whether any of them names a date."""

    @classmethod
    def of(cls, log: ActivityLog, fields: tuple[str, ...], declared: Declarations = NOTHING) -> Answers:
        """Those of `log` to `fields`. Of answers to a dimension, those that say nothing are left out."""
        try:
            code = log.type.values.index("answer")
        except ValueError:
            rows = np.zeros(0, dtype=np.int64)
        else:
            (rows,) = (log.type.codes == code).nonzero()
        if len(rows):
            begins, places, statements = _tables(fields, declared, log.content.values, log.value.values)
            answer = begins.take(log.content.codes.take(rows))
            answer += log.value.codes.take(rows)
            place, said = places.take(answer), statements.take(answer)
            telling = place >= 0
            if np.count_nonzero(telling) < len(telling):
                rows, place, said = rows[telling], place[telling], said[telling]
        if not len(rows):
            none = np.zeros(0, dtype=np.int64)
            return cls(fields, np.zeros(len(log.starts), dtype=np.int64), none, none, False, none, none.astype(np.float64), _NO_TEXT, False)
        occurred = log.occurred.take(rows)
        if np.count_nonzero(occurred[1:] == occurred[:-1]):
            lead = log.starts.searchsorted(rows, side="right") - 1
            spelling = np.array([*_ranks(log.value.values), -1])[log.value.codes[rows]]
            order = np.lexsort((spelling, log.recorded[rows], occurred, lead))
            rows, place, said, occurred = rows[order], place[order], said[order], occurred[order]
        # Within a lead ties may now stand in another order than in the log, which moves no lead's first or last.
        starts = rows.searchsorted(log.starts) if len(log.starts) > 2 else np.array([0, len(rows)])
        recorded = log.recorded.take(rows) if log.late else occurred
        dated = not all(map(math.isnan, map(names_date, log.value.values)))
        return cls(fields, starts, occurred, recorded, log.late, place, said, log.value.take(rows), dated)

    def latest(self, observations: Observations) -> Answered:
        """What was answered last and known at each observation."""
        fields, n = len(self.asked), len(observations)
        if not len(self.occurred):
            return Answered.none(fields, n)
        rows, segment, _ = visible(self.starts, self.occurred, self.recorded, self.late, observations.lead, observations.as_of)
        # Rows are in time order and the last write stays.
        found = np.empty((2 * fields, n), dtype=np.int64)
        found.fill(-1)
        found[self.place[rows], segment] = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        latest = found.reshape(2, fields, n)
        codes, said = self.value.codes.take(latest), self.said.take(latest)
        age = (observations.as_of - self.occurred.take(latest)) / DAY
        none = latest < 0
        codes[none] = -1
        age[none] = said[none] = np.nan
        return Answered(self.value.with_codes(codes), age, said, latest, True, self.dated)


_NO_TEXT = TextColumn(np.zeros(0, dtype=np.int32), ())


def _tables(
    fields: Sequence[str], declared: Declarations, contents: Sequence[str], values: Sequence[str]
) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Where the answers to each content's field begin, and of all answers their place (-1: they say nothing) and what they say.

    Answers to no field, which say nothing, come first; of each field, what a missing value says comes before the others.
    """
    said, places = [np.nan] * (len(values) + 1), [-1] * (len(values) + 1)
    for i, name in enumerate(fields):
        reading = READINGS.get(name)  # type: ignore[call-overload]  # a field may be no dimension
        statements = [1.0] * (len(values) + 1) if reading is None else [np.nan, *map(reading, values)]
        said += statements
        places += [i if one >= 0.0 else i + len(fields) if one < 0.0 else -1 for one in statements]
    begin = {name: i * (len(values) + 1) + 1 for i, name in enumerate(fields, start=1)}
    begins = [*[begin.get(field_of(content, declared), 1) for content in contents], 1]
    return np.array(begins, dtype=np.int64), np.array(places, dtype=np.int64), np.array(said)


def _ranks(values: Sequence[str]) -> list[int]:
    rank = {value: i for i, value in enumerate(sorted(values))}
    return [rank[value] for value in values]
