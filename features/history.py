"""What is known about leads, as columns: the containers that signals read, without pandas and without a clock.

In: identifiers, attribute columns and activity columns, one entry a row, in any order. Out: `Leads` and
`ActivityLog`, whose rows are clustered by lead and ordered by time, and `History`, the view of them at an
instant that a signal function is given. Times are int64 microseconds since 1970 UTC (`NEVER` where missing);
missing text has code -1 and missing numbers are NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DAY",
    "NEVER",
    "ActivityLog",
    "Column",
    "FieldHistory",
    "History",
    "Leads",
    "Observations",
    "Selection",
    "Selector",
    "TextColumn",
    "instant",
]

Column = NDArray[np.float64]
Instants = NDArray[np.int64]
Codes = NDArray[np.int32]

DAY = 86_400_000_000
"""Microseconds in a day."""
NEVER = np.iinfo(np.int64).min
"""The instant that stands for "no time given" (pandas' and NumPy's NaT has the same bits)."""
T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(when: datetime) -> int:
    """Microseconds since 1970 UTC; a naive time is UTC.

    >>> instant(datetime(1970, 1, 2)) == DAY
    True
    """
    since = (when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@dataclass(frozen=True)
class TextColumn:
    """Dictionary-coded text: `values[codes[i]]` is row i's text, code -1 is missing.

    >>> TextColumn.of(["b", None, "b"]).codes.tolist()
    [0, -1, 0]
    """

    codes: Codes
    values: Sequence[str]
    _mapped: dict[Callable[[str], float], Column] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> TextColumn:
        """Codes in order of first appearance; None is missing."""
        seen: dict[str, int] = {}
        codes = [-1 if text is None else seen.setdefault(text, len(seen)) for text in texts]
        return cls(np.array(codes, dtype=np.int32), list(seen))

    def map(self, meaning: Callable[[str], float]) -> Column:
        """`meaning` of each row's text as a number, NaN where missing; each distinct text is read once."""
        table = self._mapped.get(meaning)
        if table is None:
            # Code -1 reads the last entry: the missing one.
            table = np.array([meaning(value) for value in self.values] + [np.nan], dtype=np.float64)
            self._mapped[meaning] = table
        return table[self.codes]

    def take(self, rows: NDArray[np.integer]) -> TextColumn:
        return TextColumn(self.codes[rows], self.values, self._mapped)

    def texts(self) -> list[str | None]:
        return [None if code < 0 else self.values[code] for code in self.codes.tolist()]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class FieldHistory:
    """The dated values of one lead field (`lead_changes`), clustered by lead and ordered by time.

    `starts` has one entry a lead and one more; `value_rows` of the change at position i is the row of `numbers` or
    `texts` that holds its value.
    """

    starts: NDArray[np.int64]
    changed: Instants
    numbers: Column | None
    texts: TextColumn | None


@dataclass(frozen=True)
class Leads:
    """Attributes of leads, a row each: current state, except where `changes` holds a field's dated values."""

    ids: Sequence[str]
    numbers: Mapping[str, Column] = field(default_factory=dict)
    texts: Mapping[str, TextColumn] = field(default_factory=dict)
    times: Mapping[str, Instants] = field(default_factory=dict)
    account: NDArray[np.int64] | None = None
    """Code of the lead's account, -1 for a lead without one; None when accounts are not known at all."""
    changes: Mapping[str, FieldHistory] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class ActivityLog:
    """Activities clustered by lead and ordered by time; `starts[i]:starts[i + 1]` are those of lead i."""

    starts: NDArray[np.int64]
    occurred: Instants
    recorded: Instants
    type: TextColumn
    channel: TextColumn
    url: TextColumn
    content: TextColumn
    campaign: TextColumn
    value: TextColumn
    automated: NDArray[np.bool_]
    late: bool
    """Whether any activity was recorded after it occurred, so that visibility is more than a prefix."""

    @classmethod
    def build(
        cls,
        n_leads: int,
        lead: NDArray[np.integer],
        occurred: Instants,
        type: TextColumn,
        *,
        recorded: Instants | None = None,
        channel: TextColumn | None = None,
        url: TextColumn | None = None,
        content: TextColumn | None = None,
        campaign: TextColumn | None = None,
        value: TextColumn | None = None,
        automated: NDArray[np.bool_] | None = None,
    ) -> ActivityLog:
        """Clusters rows by `lead` (0 ≤ lead < n_leads) and orders them by time; rows already in order are not copied.

        An absent or missing `recorded` means `occurred`; a row cannot be known before it happened.
        """
        n = len(lead)
        lead64 = lead.astype(np.int64, copy=False)
        known = occurred if recorded is None else np.maximum(recorded, occurred)
        missing = _missing_text(n)
        columns = [column if column is not None else missing for column in (channel, url, content, campaign, value)]
        marked = automated if automated is not None else np.zeros(n, dtype=np.bool_)
        if n > 1:
            later_lead = lead64[1:] > lead64[:-1]
            in_order = bool(np.all(later_lead | ((lead64[1:] == lead64[:-1]) & (occurred[1:] >= occurred[:-1]))))
            if not in_order:
                order = np.lexsort((occurred, lead64))
                lead64, occurred, known, marked = lead64[order], occurred[order], known[order], marked[order]
                type = type.take(order)
                columns = [column.take(order) for column in columns]
        starts = np.zeros(n_leads + 1, dtype=np.int64)
        np.cumsum(np.bincount(lead64, minlength=n_leads), out=starts[1:])
        late = recorded is not None and bool((known > occurred).any())
        return cls(starts, occurred, known, type, *columns, marked, late)

    @classmethod
    def empty(cls, n_leads: int) -> ActivityLog:
        none = np.zeros(0, dtype=np.int64)
        return cls.build(n_leads, none, none, _missing_text(0))

    def __len__(self) -> int:
        return len(self.occurred)


@dataclass(frozen=True)
class Observations:
    """Which lead (row of `Leads`) is looked at, and when."""

    lead: NDArray[np.int64]
    as_of: Instants

    def __len__(self) -> int:
        return len(self.lead)


class Selector:
    """Which activities: by type, topic of the page, channel, human or machine, own or colleagues'. One object each."""

    __slots__ = ("channel", "colleagues", "machine", "topic", "types")

    def __init__(self, types: tuple[str, ...], topic: str | None, channel: str | None, machine: bool | None, colleagues: bool) -> None:
        self.types, self.topic, self.channel, self.machine, self.colleagues = types, topic, channel, machine, colleagues

    def __repr__(self) -> str:
        parts = [*self.types, self.topic and f"topic={self.topic}", self.channel and f"channel={self.channel}"]
        parts += [{None: "people and machines", True: "machines", False: None}[self.machine], self.colleagues and "colleagues"]
        return "(" + ", ".join(str(part) for part in parts if part) + ")"


@lru_cache(maxsize=4096)
def select(types: tuple[str, ...], topic: str | None, channel: str | None, machine: bool | None, colleagues: bool) -> Selector:
    """The one Selector with these values, so that selectors compare by identity."""
    return Selector(types, topic, channel, machine, colleagues)


Need = tuple[str, object, float | None]
"""What a signal asks of the engine: an aggregate's name, of what, within how many days (None: ever)."""


class Evaluates(Protocol):
    """What stands behind a History: a block of observations in which aggregates have been, or can be, computed."""

    @property
    def size(self) -> int: ...
    def fetch(self, need: Need) -> Column: ...
    def number(self, column: str) -> Column: ...
    def text(self, column: str) -> TextColumn: ...
    def age_of(self, column: str) -> Column: ...
    def answer(self, field: str) -> tuple[TextColumn, Column]: ...
    def memo(self, compute: Callable[[History], Any]) -> Any: ...


class History:
    """What is known about each lead of a block at its `as_of`: only rows that had happened and been recorded before."""

    __slots__ = ("_block", "_within")

    def __init__(self, block: Evaluates, within: float | None = None) -> None:
        self._block = block
        self._within = within

    @property
    def size(self) -> int:
        """How many observations the block holds: the length of every column."""
        return self._block.size

    def within(self, days: float | None) -> History:
        """The same leads, looking back `days` days only (None: ever)."""
        return History(self._block, days)

    def activities(self, *types: str, topic: str | None = None, channel: str | None = None, machine: bool | None = False) -> Selection:
        """The lead's own activities of these types (none given: of any type); `machine=None` takes people's and machines'."""
        return Selection(self._block, select(types, topic, channel, machine, False), self._within)

    def colleagues(self, *types: str, topic: str | None = None) -> Selection:
        """Activities of other leads of the same account; NaN where the account's context is not known."""
        return Selection(self._block, select(types, topic, None, False, True), self._within)

    def number(self, column: str) -> Column:
        """A numeric attribute as of the instant, NaN where not known."""
        return self._block.number(column)

    def text(self, column: str) -> TextColumn:
        """A text attribute as of the instant."""
        return self._block.text(column)

    def age_of(self, column: str) -> Column:
        """Days from a time attribute (such as `created_at`) to `as_of`."""
        return self._block.age_of(column)

    def answer(self, field: str) -> tuple[TextColumn, Column]:
        """The latest stated answer to `field` (an activity of type `answer`) and its age in days, NaN where none."""
        return self._block.answer(field)

    def memo(self, compute: Callable[[History], T]) -> T:
        """`compute` of the block's whole history, once a block: for what several signals share."""
        result: T = self._block.memo(compute)
        return result


class Selection:
    """Some activities within a window: ask it for one number an observation."""

    __slots__ = ("_block", "_selector", "_within")

    def __init__(self, block: Evaluates, selector: Selector, within: float | None) -> None:
        self._block, self._selector, self._within = block, selector, within

    def count(self) -> Column:
        """How many."""
        return self._block.fetch(("count", self._selector, self._within))

    def decayed(self, half_life: float) -> Column:
        """Sum of 2^(-age / half_life), ages and half-life in days; to the nearest 2^-30, so that order cannot matter."""
        return self._block.fetch(("decayed", self._selector, half_life))

    def days_since_last(self) -> Column:
        """Days since the latest, NaN where there was none (in any window)."""
        return self._block.fetch(("last", self._selector, None))

    def days(self) -> Column:
        """On how many distinct days (UTC)."""
        return self._block.fetch(("days", self._selector, self._within))

    def sessions(self) -> Column:
        """In how many sessions: runs without a pause of 30 minutes."""
        return self._block.fetch(("sessions", self._selector, self._within))

    def returns(self) -> Column:
        """How many times activity resumed after 30 days of silence or more."""
        return self._block.fetch(("returns", self._selector, self._within))

    def topics(self) -> Column:
        """How many different topics of pages."""
        return self._block.fetch(("topics", self._selector, self._within))

    def people(self) -> Column:
        """Of colleagues: how many of them did any of this."""
        return self._block.fetch(("people", self._selector, self._within))


def _missing_text(n: int) -> TextColumn:
    return TextColumn(np.full(n, -1, dtype=np.int32), ())
