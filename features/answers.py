"""What a stated answer is about, and the latest answer that was known at an instant.

In: activities of type `answer`, whose `content` names a field (in English or Spanish) and whose `value` is what was said.
Out: `budget`, `authority`, `need`, `timeline`, or the name itself, tidied; and for each observation and field the latest
answer known before `as_of`. Of several at one instant the last recorded counts, then the last by spelling: never the
order of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from features.declarations import tidy
from features.history import DAY, ActivityLog, Observations, TextColumn
from features.segments import visible

__all__ = ["Answers", "Latest", "field_of"]

Ints = NDArray[np.int64]

_NAMES = {
    "budget": ("budget", "presupuesto", "budget_range", "investment", "inversion", "funding"),
    "authority": ("authority", "autoridad", "decision_maker", "decisor", "role_in_decision", "quien_decide", "decision"),
    "need": ("need", "necesidad", "pain", "problem", "problema", "use_case", "caso_de_uso", "reto", "challenge", "goal", "objetivo"),
    "timeline": ("timeline", "plazo", "timeframe", "when", "cuando", "purchase_date", "fecha_de_compra", "urgency", "urgencia"),
}
_FIELD = {name: field for field, names in _NAMES.items() for name in names}


@lru_cache(maxsize=4096)
def field_of(name: str) -> str:
    """The field that an answer belongs to.

    >>> field_of("Presupuesto "), field_of("¿Quién decide?"), field_of("Favourite colour")
    ('budget', 'authority', 'favourite_colour')
    """
    known = tidy(name)
    return _FIELD.get(known, known)


@dataclass(frozen=True)
class Latest:
    """For each field (row) and observation (column) the latest answer: its code, -1 for none, and its age in days."""

    fields: dict[str, int]
    value: TextColumn
    """Its codes are (fields, observations)."""
    age: NDArray[np.float64]

    def of(self, field: str) -> tuple[TextColumn, NDArray[np.float64]]:
        row = self.fields[field]
        return self.value.with_codes(self.value.codes[row]), self.age[row]


@dataclass(frozen=True)
class Answers:
    """The answers of a log to some fields, clustered by lead and ordered by time, then by recording, then by spelling."""

    asked: tuple[str, ...]
    fields: dict[str, int]
    """The place of each in `asked`."""
    starts: Ints
    occurred: Ints
    recorded: Ints
    late: bool
    field: Ints
    value: TextColumn

    @classmethod
    def of(cls, log: ActivityLog, fields: tuple[str, ...]) -> Answers:
        """Those of `log` to `fields`."""
        wanted = {name: i for i, name in enumerate(fields)}
        try:
            code = log.type.values.index("answer")
        except ValueError:
            rows = np.zeros(0, dtype=np.int64)
        else:
            (rows,) = (log.type.codes == code).nonzero()
        if not len(rows):
            return cls(fields, wanted, np.zeros(len(log.starts), dtype=np.int64), rows, rows, False, rows, TextColumn(_NO_CODES, ()))
        field_of_code = np.array([*(wanted.get(field_of(value), -1) for value in log.content.values), -1], dtype=np.int64)
        field = field_of_code[log.content.codes[rows]]
        if field.min() < 0:
            rows, field = rows[field >= 0], field[field >= 0]
        occurred = log.occurred[rows]
        if (occurred[1:] == occurred[:-1]).any():
            lead = log.starts.searchsorted(rows, side="right") - 1
            spelling = np.array([*_ranks(log.value.values), -1])[log.value.codes[rows]]
            order = np.lexsort((spelling, log.recorded[rows], occurred, lead))
            rows, field, occurred = rows[order], field[order], occurred[order]
        # Within a lead ties may now stand in another order than in the log, which moves no lead's first or last.
        starts = rows.searchsorted(log.starts) if len(log.starts) > 2 else np.array([0, len(rows)])
        return cls(fields, wanted, starts, occurred, log.recorded[rows], log.late, field, log.value.take(rows))

    def latest(self, observations: Observations) -> Latest:
        """What was answered last and known at each observation."""
        n = len(observations)
        if not len(self.occurred):
            shape = (len(self.fields), n)
            return Latest(self.fields, TextColumn(np.full(shape, -1, dtype=np.int32), ()), np.full(shape, np.nan))
        rows, segment, _ = visible(self.starts, self.occurred, self.recorded, self.late, observations.lead, observations.as_of)
        # Rows are in time order and the last write stays.
        latest = np.full((len(self.fields), n), -1, dtype=np.int64)
        latest[self.field[rows], segment] = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        codes = self.value.codes[latest]
        age = (observations.as_of - self.occurred[latest]) / DAY
        none = latest < 0
        codes[none] = -1
        age[none] = np.nan
        return Latest(self.fields, self.value.with_codes(codes), age)


_NO_CODES = np.zeros(0, dtype=np.int32)


def _ranks(values: Sequence[str]) -> list[int]:
    rank = {value: i for i, value in enumerate(sorted(values))}
    return [rank[value] for value in values]
