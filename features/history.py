"""What is known about leads, as columns: the containers that signals read, without pandas and without a clock.

In: identifiers, attribute columns and activity columns, one entry a row, in any order. Out: `Leads` and
`ActivityLog`, whose rows are clustered by lead and ordered by time, and `History`, the view of them at an
instant that a signal function is given. Times are int64 microseconds since 1970 UTC (`NEVER` where missing);
missing text has code -1 and missing numbers are NaN.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import chain, count
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from data.errors import BadData
from features.declarations import Declarations
from features.segments import Rows, adjoining

__all__ = [
    "DAY",
    "NEVER",
    "ActivityLog",
    "Answered",
    "Column",
    "FieldHistory",
    "History",
    "Leads",
    "Observations",
    "Selection",
    "Selector",
    "TextColumn",
    "Together",
    "instant",
    "instants",
    "select",
]

Column = NDArray[np.float64]
Instants = NDArray[np.int64]
Codes = NDArray[np.int32]

DAY = 86_400_000_000
"""Microseconds in a day."""
NEVER = np.iinfo(np.int64).min
"""The instant that stands for "no time given" (pandas' and NumPy's NaT has the same bits)."""
T = TypeVar("T")
_MANY = 100
_pack = msgspec.msgpack.Encoder().encode
_STAMPS = tuple((2 + size, np.dtype([("mark", ">u2"), ("at", f">u{size}")]), mark) for size, mark in ((8, 0xD7FF), (4, 0xD6FF)))
"""How times of one kind are packed: with microseconds, and whole seconds; bytes of each, what they are, and how they begin."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING: Mapping[str | None, int] = {None: -1}
_FIRST, _NOTHING = np.array([[0], [-1]], dtype=np.int32)
"""The codes of a column of one row: its only text, or none."""


def instant(when: datetime) -> int:
    """Microseconds since 1970 UTC; a naive time is UTC.

    >>> instant(datetime(1970, 1, 2)) == DAY
    True
    """
    since = (when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instants(times: Sequence[datetime]) -> Instants:
    """`instant` of each: many at once by way of their binary form, which a tenth of the time writes and reads.

    >>> instants([datetime(1970, 1, 2)] * 2).tolist() == [DAY, DAY]
    True
    """
    n = len(times)
    if n >= _MANY:
        packed = _pack(times)  # a header, then of each a mark of two bytes and, with microseconds, 30 bits of them and 34 of seconds
        for width, kind, mark in _STAMPS:
            if width * n < len(packed) < width * n + 6:
                stamps = np.frombuffer(packed, dtype=kind, offset=len(packed) - width * n)
                if (stamps["mark"] == mark).all():  # from the first on, so each begins where the one before ends
                    at = stamps["at"].astype(np.int64)
                    return at * 1_000_000 if width == 6 else (at & 0x3_FFFF_FFFF) * 1_000_000 + (at >> 34 & 0x3FFF_FFFF) // 1_000
    return np.array([*map(instant, times)], dtype=np.int64)


class TextColumn:
    """Dictionary-coded text: `values[codes[i]]` is row i's text, code -1 is missing. Never changed once made.

    >>> TextColumn.of(["b", None, "b"]).codes.tolist()
    [0, -1, 0]
    """

    __slots__ = ("_mapped", "codes", "values")

    def __init__(self, codes: Codes, values: Sequence[str], _mapped: dict[Callable[[str], object], Column] | None = None) -> None:
        self.codes, self.values = codes, values
        self._mapped = {} if _mapped is None else _mapped  # shared by columns over the same texts

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> TextColumn:
        """Codes in order of first appearance; None is missing."""
        return cls.many({"": [*texts]})[""]

    @classmethod
    def many(cls, columns: Mapping[str, Sequence[str | None]]) -> dict[str, TextColumn]:
        """The same for several columns of one length."""
        if len(next(iter(columns.values()), ())) == 1:  # of one row: nothing meets again
            return {name: cls(_NOTHING, ()) if text is None else cls(_FIRST, (text,)) for name, (text,) in columns.items()}
        length = len(next(iter(columns.values()), ()))
        # One that was not met yet is the next; missing is met beforehand.
        met: list[dict[str | None, int]] = [defaultdict(count().__next__, _MISSING) for _ in columns]
        each = chain.from_iterable([map(seen.__getitem__, texts) for seen, texts in zip(met, columns.values(), strict=True)])
        codes = np.fromiter(each, np.int32, len(columns) * length).reshape(
            len(columns), length
        )  # one array for all: quicker than many small ones
        return {name: cls(own, cast("list[str]", [*seen][1:])) for name, own, seen in zip(columns, codes, met, strict=True)}

    def map(self, meaning: Callable[[str], float]) -> Column:
        """`meaning` of each row's text as a number, NaN where missing; each distinct text is read once."""
        return self.table(meaning)[self.codes]

    def part(self, meaning: Callable[[str], Sequence[float]], place: int, of: int) -> Column:
        """One of `of` numbers that `meaning` reads out of each text, NaN where missing; each distinct text is read once."""
        table = self._mapped.get(meaning)
        if table is None:
            read = [*map(meaning, self.values), (np.nan,) * of]
            table = self._mapped[meaning] = np.array(read, dtype=np.float64)
        column: Column = table[self.codes, place]
        return column

    def table(self, meaning: Callable[[str], float]) -> Column:
        """`meaning` of each distinct text; code -1, missing, reads the last entry, which is NaN."""
        table = self._mapped.get(meaning)
        if table is None:
            table = self._mapped[meaning] = np.array([*map(meaning, self.values), np.nan], dtype=np.float64)
        return table

    @staticmethod
    def together(columns: Sequence[TextColumn], meaning: Callable[..., tuple[float, ...]], width: int) -> Column:
        """(width, rows): `meaning` of what several columns say in each row (None: nothing), read once for texts that meet again."""
        if len(columns[0]) == 1:  # nothing meets again
            return np.array(meaning(*[column.text(0) for column in columns]), dtype=np.float64).reshape(width, 1)
        met: dict[tuple[int, ...], int] = {}
        place = [met.setdefault(codes, len(met)) for codes in zip(*(column.codes.tolist() for column in columns), strict=True)]
        texts = [[None if code < 0 else column.values[code] for column, code in zip(columns, codes, strict=True)] for codes in met]
        table = np.array([meaning(*row) for row in texts], dtype=np.float64).reshape(-1, width)
        return table.T[:, place]

    def take(self, rows: NDArray[np.integer] | slice) -> TextColumn:
        return TextColumn(self.codes[rows], self.values, self._mapped)

    def with_codes(self, codes: Codes) -> TextColumn:
        """Other rows over the same texts."""
        return TextColumn(codes, self.values, self._mapped)

    def text(self, row: int) -> str | None:
        code = self.codes[row]
        return None if code < 0 else self.values[code]

    def texts(self) -> list[str | None]:
        return [None if code < 0 else self.values[code] for code in self.codes.tolist()]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class FieldHistory:
    """The dated values of one lead field (`lead_changes`), clustered by lead and ordered by time.

    `starts` has one entry a lead and one more; the value since `changed[i]` is row i of `numbers` or `texts`. Before its
    first change a lead's field is not known, and a lead without any change has none: what stands in `Leads` today may have
    been written later, and were it read only until a change comes, that change would be known before it happens.
    """

    starts: NDArray[np.int64]
    changed: Instants
    numbers: Column | None
    texts: TextColumn | None

    @classmethod
    def build(
        cls,
        n_leads: int,
        lead: NDArray[np.integer],
        changed: Instants,
        *,
        numbers: Column | None = None,
        texts: TextColumn | None = None,
    ) -> FieldHistory:
        """From changes in any order. Of several at one instant the greatest value stays, whatever the order of rows."""
        spelling: NDArray[Any] = np.zeros(len(lead)) if numbers is None else np.where(np.isnan(numbers), -np.inf, numbers)
        if texts is not None:
            rank = {value: i for i, value in enumerate(sorted(texts.values))}
            spelling = np.array([*(rank[value] for value in texts.values), -1])[texts.codes]
        order = np.lexsort((spelling, changed, lead))
        starts = np.zeros(n_leads + 1, dtype=np.int64)
        np.cumsum(np.bincount(lead, minlength=n_leads), out=starts[1:])
        return cls(starts, changed[order], None if numbers is None else numbers[order], None if texts is None else texts.take(order))


@dataclass(frozen=True)
class Leads:
    """Attributes of leads, a row each: current state, except of fields that `changes` holds: those have their dated values only."""

    ids: Sequence[str]
    numbers: Mapping[str, Column] = field(default_factory=dict)
    texts: Mapping[str, TextColumn] = field(default_factory=dict)
    times: Mapping[str, Instants] = field(default_factory=dict)
    account: NDArray[np.int64] | None = None
    """Code of the lead's account, -1 for a lead without one; None when accounts are not known at all."""
    changes: Mapping[str, FieldHistory] = field(default_factory=dict)

    def text(self, name: str) -> TextColumn | None:
        """What a text field is read from: its dated values where it has a history, a row a lead otherwise."""
        history = self.changes.get(name)
        return history.texts if history is not None and history.texts is not None else self.texts.get(name)

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
    agent: TextColumn
    """The user agent, where given."""
    automated: NDArray[np.bool_]
    fleeting: NDArray[np.bool_] | None
    """Where it is known to have taken no time at all; None where nothing is."""
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
        agent: TextColumn | None = None,
        automated: NDArray[np.bool_] | None = None,
        fleeting: NDArray[np.bool_] | None = None,
    ) -> ActivityLog:
        """Clusters rows by `lead` (0 ≤ lead < n_leads) and orders them by time; rows already in order are not copied.

        An absent or missing `recorded` means `occurred`; a row cannot be known before it happened. Raises BadData when
        an activity has no time.
        """
        n = len(lead)
        known = occurred if recorded is None else np.maximum(recorded, occurred)
        late = recorded is not None and bool((known != occurred).any())
        missing = TextColumn(np.full(n, -1, dtype=np.int32), ())
        texts = [type, *(missing if column is None else column for column in (channel, url, content, campaign, value, agent))]
        marked = automated if automated is not None else np.zeros(n, dtype=np.bool_)
        order: NDArray[np.integer] | None = None
        if n_leads == 1:  # nothing to cluster
            starts = np.array([0, n])
            if n > 1 and np.count_nonzero(occurred[1:] < occurred[:-1]):
                order = occurred.argsort(kind="stable")
        else:
            starts = np.zeros(n_leads + 1, dtype=np.int64)
            np.bincount(lead, minlength=n_leads).cumsum(out=starts[1:])
            if n > 1:
                step = lead[1:] - lead[:-1]
                if not ((step > 0) | ((step == 0) & (occurred[1:] >= occurred[:-1]))).all():
                    order = np.lexsort((occurred, lead))
        if order is not None:
            occurred, marked, fleeting = occurred[order], marked[order], None if fleeting is None else fleeting[order]
            known = known[order] if late else occurred
            texts = [column if column is missing else column.take(order) for column in texts]
        if n and occurred.min() == NEVER:
            raise BadData("an activity has no time: leave it out, or give its `occurred_at`")
        type, channel, url, content, campaign, value, agent = texts
        return cls(starts, occurred, known, type, channel, url, content, campaign, value, agent, marked, fleeting, late)

    @classmethod
    def empty(cls, n_leads: int) -> ActivityLog:
        none = np.zeros(0, dtype=np.int64)
        return cls.build(n_leads, none, none, TextColumn(none.astype(np.int32), ()))

    def __len__(self) -> int:
        return len(self.occurred)


class Answered(NamedTuple):
    """The latest answers to some fields. Shapes are (2, fields, observations): the latest that is no "no", and the latest "no".

    Only an answer to a dimension of BANT is read; what says nothing ("don't know") is left out there. To any other field
    every answer is kept, and none is a "no".
    """

    text: TextColumn
    """Code -1 where there is none."""
    age: Column
    """Days; NaN where there is none."""
    said: Column
    """What it says (`features/statements.py`)."""
    order: Instants
    """Greater of what came later, -1 where there is none: tells the later of two at one instant."""
    any: bool
    """Whether anybody here answered anything."""
    dated: bool
    """Whether any answer names a date."""

    @classmethod
    @lru_cache(maxsize=8)
    def none(cls, fields: int, observations: int) -> Answered:
        shape = (2, fields, observations)
        codes, unknown, order = np.full(shape, -1, dtype=np.int32), np.full(shape, np.nan), np.full(shape, -1)
        for shared in (codes, unknown, order):
            shared.flags.writeable = False
        return cls(TextColumn(codes, ()), unknown, unknown, order, False, False)


@dataclass(frozen=True)
class Observations:
    """Which lead (row of `Leads`) is looked at, and when."""

    lead: NDArray[np.int64]
    as_of: Instants

    @cached_property
    def rows(self) -> Rows:
        """`lead` as positions of rows."""
        return adjoining(self.lead)

    def __len__(self) -> int:
        return len(self.lead)


class Selector:
    """Which activities: by type, topic of the page, channel, human or machine, own or colleagues'. One object each."""

    __slots__ = ("channel", "colleagues", "machine", "topic", "types")

    def __init__(self, types: tuple[str, ...], topic: str | None, channel: str | None, machine: bool | None, colleagues: bool) -> None:
        self.types, self.topic, self.channel, self.machine, self.colleagues = types, topic, channel, machine, colleagues

    def __repr__(self) -> str:
        parts = [*self.types, f"topic={self.topic}" if self.topic else "", f"channel={self.channel}" if self.channel else ""]
        parts += [{None: "people and machines", True: "machines", False: ""}[self.machine], "colleagues" if self.colleagues else ""]
        return "(" + ", ".join(part for part in parts if part) + ")"


@lru_cache(maxsize=4096)
def select(types: tuple[str, ...], topic: str | None, channel: str | None, machine: bool | None, colleagues: bool) -> Selector:
    """The one Selector with these values, so that selectors compare by identity."""
    return Selector(types, topic, channel, machine, colleagues)


Need = tuple[str, object, float | None]
"""What a signal asks of the engine: an aggregate's name, of what, within how many days (None: ever)."""


class Together(tuple[Need, ...]):
    """Aggregates that are asked for at once, time and again: found by which object it is, which is quicker than by what it holds."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class Evaluates(Protocol):
    """What stands behind a History: a block of observations in which aggregates have been, or can be, computed."""

    @property
    def size(self) -> int: ...
    @property
    def declared(self) -> Declarations: ...
    def fetch(self, need: Need) -> Column: ...
    def together(self, needs: tuple[Need, ...]) -> Column: ...
    def number(self, column: str) -> Column: ...
    def text(self, column: str) -> TextColumn: ...
    def age_of(self, column: str) -> Column: ...
    def days_until(self, column: str) -> Column: ...
    def written(self, column: str) -> Column: ...
    def day(self) -> Column: ...
    def answers(self, fields: tuple[str, ...]) -> Answered: ...
    def memo(self, compute: Callable[[History], T]) -> T: ...
    def row(self, compute: Callable[[History], Column], place: int) -> Column: ...


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

    @property
    def declared(self) -> Declarations:
        """What the installation declares: its columns and answers that are BANT evidence, its topics of pages."""
        return self._block.declared

    def within(self, days: float | None) -> History:
        """The same leads, looking back `days` days only (None: ever)."""
        return History(self._block, days)

    def activities(self, *types: str, topic: str | None = None, channel: str | None = None, machine: bool | None = False) -> Selection:
        """The lead's own activities of these types; none given: all that a person did, which leaves out what we do to be heard.

        `machine=True` takes those of machines, `machine=None` everybody's: without types, ours as well.
        """
        return Selection(self._block, select(types, topic, channel, machine, False), self._within)

    def colleagues(self, *types: str, topic: str | None = None) -> Selection:
        """Activities of other leads of the same account, each asked alone and then added up (the latest: the youngest).

        NaN where the account's context is not known.
        """
        return Selection(self._block, select(types, topic, None, False, True), self._within)

    def together(self, needs: tuple[Need, ...]) -> Column:
        """Several aggregates of the lead's own activities at once: (needs, observations)."""
        return self._block.together(needs)

    def number(self, column: str) -> Column:
        """A numeric attribute as of the instant, NaN where not known."""
        return self._block.number(column)

    def text(self, column: str) -> TextColumn:
        """A text attribute as of the instant."""
        return self._block.text(column)

    def age_of(self, column: str) -> Column:
        """Days from a time attribute (such as `created_at`) to `as_of`; NaN where it is missing or lies after `as_of`."""
        return self._block.age_of(column)

    def days_until(self, column: str) -> Column:
        """Days from `as_of` to a time attribute, such as a date of purchase; negative where it has passed, NaN where missing."""
        return self._block.days_until(column)

    def written(self, column: str) -> Column:
        """Days since the attribute's value was written, where `lead_changes` tell; NaN where nobody knows."""
        return self._block.written(column)

    def day(self) -> Column:
        """The instant as days since 1970: for what names a date in words. Rows need no comparing, their time is cut already."""
        return self._block.day()

    def answer(self, field: str) -> tuple[TextColumn, Column]:
        """The latest stated answer to `field` (an activity of type `answer`) and its age in days, NaN where none."""
        latest = self.answers((field,))
        place, each = (latest.order[1, 0] > latest.order[0, 0]).astype(np.int64), np.arange(self.size)
        return latest.text.with_codes(latest.text.codes[place, 0, each]), latest.age[place, 0, each]

    def answers(self, fields: tuple[str, ...]) -> Answered:
        """The latest answers to several fields at once."""
        return self._block.answers(fields)

    def memo(self, compute: Callable[[History], T]) -> T:
        """`compute` of the block's whole history, once a block: for what several signals share."""
        return self._block.memo(compute)

    def row(self, compute: Callable[[History], Column], place: int) -> Column:
        """A row of a memo of several columns, (columns, observations)."""
        return self._block.row(compute, place)


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

    def reactions(self) -> Column:
        """How often these were the first deed within three days after we sought contact (`features/outreach.py`)."""
        return self._block.fetch(("reactions", self._selector, self._within))

    def delay(self) -> Column:
        """Hours from our seeking contact to each such first deed, added up."""
        return self._block.fetch(("delay", self._selector, self._within))

    def topics(self) -> Column:
        """How many different topics of pages."""
        return self._block.fetch(("topics", self._selector, self._within))

    def people(self) -> Column:
        """Of colleagues: how many of them did any of this."""
        return self._block.fetch(("people", self._selector, self._within))
