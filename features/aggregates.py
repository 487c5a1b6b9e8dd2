"""Counts, decayed sums, recencies, days, sessions and returns of activities: all of a plan's aggregates in one pass.

In: activities with their age before `as_of`, in time order within segments (one segment an observation). Out: one
float64 row an aggregate.

Every activity falls into one *cell* (the finest distinction that any selector makes between types, topics, channels and
machines) and one *bucket* of age. One pass counts activities by (cell, bucket, segment); a 0/1 projection makes counts of
selectors out of cells, and running sums over the buckets make windows. Decayed sums go the same way with weights in fixed
point (integers of 2^-30), so all sums are sums of integers below 2^53: exact, whatever the order, the block or the BLAS.
That is why one lead alone and the same lead in a batch agree to the last bit, and why ties and row order cannot matter.
(Past eight million fresh activities of one lead the sum of its weights would leave that range; counts, which are multiplied in
single precision, past sixteen million.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.history import DAY, ActivityLog, Need, Selector, select
from features.outreach import CALL, CALL_ATTEMPT, OUTREACH, is_ours, not_reached
from features.segments import Rows, adjoining
from features.topics import About, about

__all__ = ["Aggregator", "selector_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_FIXED = 2.0**30
_SESSION_PAUSE = 30 * 60 * 1_000_000
_SILENCE = 30 * DAY
_ENCODED_ROWS = 16_384
_SMALL_PRODUCT = 200_000
"""Multiplications (columns × height × width) that OpenBLAS still does on one thread; its limit is 262,144."""
_SMALL_VECTOR = 8_000
"""The same for a product with one column, which goes by another routine; its limit is 9,216."""
_ORDER = ("count", "people", "days", "sessions", "returns", "reactions", "topics", "delay", "decayed", "last")
"""In which order the rows stand, so that each kind is a slice; those that may be NaN stand last."""
_REACTION = 3 * DAY
"""A person's deed later than this after we last sought contact is no reaction to it."""
_CONTACT = select(OUTREACH, None, None, None, False)
"""Us seeking contact, whether or not a program pressed the button."""
_US = bytes([1])
"""The role of us seeking contact, in an array of roles."""
_OTHER_OURS = "what we do that no signal names"


def selector_of(need: Need) -> Selector:
    """Which activities an aggregate is of."""
    selector = need[1]
    assert isinstance(selector, Selector)
    return selector


class _Reaction(NamedTuple):
    """What is asked of a person's first deeds after we sought contact."""

    role: NDArray[np.int8]
    """What each cell is: 2 such a deed, 1 us seeking contact, 0 neither."""
    mark: int | None
    """Where they are counted."""
    delays: list[tuple[int, int]]
    """The rows of delays added up, and up to which bucket each is."""


class _Tables(NamedTuple):
    """What each distinct text of a log adds to the place of an activity; None where none adds anything."""

    types: Ints
    topics: Ints | None
    contents: Ints | None
    channels: Ints | None
    missed: NDArray[np.bool_] | None
    """Which values say of a call that nobody took it; None where there is no such call."""


class Projection:
    """A matrix times tables of numbers, in products so small that BLAS computes them on this thread.

    BLAS's own threads wait for each other by spinning, which made a busy machine five times slower.
    """

    def __init__(self, matrix: NDArray[Any]) -> None:
        self._matrix = matrix
        self._columns = max(2, _SMALL_PRODUCT // max(matrix.size, 1))

    def of(self, table: NDArray[Any]) -> NDArray[Any]:
        """The matrix times the table."""
        matrix, n = self._matrix, table.shape[1]
        product: NDArray[Any]
        if n == 1 and matrix.size > _SMALL_VECTOR:
            product = matrix.dot(table.repeat(2, axis=1))[:, :1]
        elif n <= self._columns:
            product = matrix.dot(table)  # of small matrices in half the time of `@`
        else:
            product = np.empty((len(matrix), n), dtype=table.dtype)
            for start in range(0, n, self._columns):
                part = slice(start, start + self._columns)
                np.matmul(matrix, table[:, part], out=product[:, part])
        return product


class Aggregator:
    """Computes a fixed list of aggregates over segments of activities."""

    def __init__(self, needs: Sequence[Need], topics_by: About | None = None) -> None:
        self._about = topics_by or about()
        self.needs = tuple(sorted(needs, key=lambda need: _ORDER.index(need[0])))
        """In the order of the rows."""
        self.position = {need: i for i, need in enumerate(self.needs)}
        self._rows: dict[tuple[Need, ...], Rows | None] = {}
        selectors = list(dict.fromkeys(part for need in self.needs for part in self._parts(need))) or [select((), None, None, False, False)]
        named = {name for one in selectors for name in one.types}
        # An answer, a call that nobody took and what we do are told from "any other" type even where no signal names them.
        types = [*sorted(named | {"answer", CALL_ATTEMPT}), _OTHER_OURS]
        topics = sorted({one.topic for one in selectors if one.topic})
        channels = sorted({one.channel for one in selectors if one.channel})
        member = _membership(selectors, types, topics, channels)
        # Types, topics and channels that no selector tells apart share a cell.
        signatures, cell_of = np.unique(member.reshape(len(selectors), -1), axis=1, return_inverse=True)
        self.n_cells = signatures.shape[1]
        self._cell_of = cell_of.reshape(-1).astype(np.int64)
        # The codes of an activity add up to its place in `_cell_of`, least significant last: machine or not.
        width = 2 * (len(channels) + 1)
        self._channel_place = {name: 2 * i for i, name in enumerate(channels, start=1)}
        self._topic_place = {name: width * i for i, name in enumerate(topics, start=1)}
        self._type_place = {name: width * (len(topics) + 1) * i for i, name in enumerate(types, start=1)}
        self._compile({one: signatures[i].astype(bool) for i, one in enumerate(selectors)})

    def _compile(self, member: dict[Selector, NDArray[np.bool_]]) -> None:
        windows = sorted({need[2] for need in self.needs if need[0] not in ("decayed", "last") and need[2] is not None})
        bucket_of: dict[float | None, int] = {window: i for i, window in enumerate(windows, start=1)} | {None: len(windows) + 1}
        self.n_buckets = len(windows) + 1
        self._edges = np.array([round(window * DAY) for window in windows], dtype=np.int64)
        # Ages in whole days look their bucket up; windows of hours need the search.
        whole = bool(windows) and all(float(window).is_integer() for window in windows)
        self._last_day = int(windows[-1]) if whole else 0
        self._bucket_of_day = np.searchsorted(np.array(windows), np.arange(self._last_day + 1), side="right") if whole else None

        kinds = [need[0] for need in self.needs]
        start = {kind: sum(_ORDER.index(one) < at for one in kinds) for at, kind in enumerate(_ORDER)}
        self._days_from, self._topics_from = start["days"], start["topics"]
        self._delay_from, self._decayed_from, self._last_from = start["delay"], start["decayed"], start["last"]
        self._compile_counts(member, bucket_of)

        decayed = [need for need in self.needs if need[0] == "decayed"]
        half_lives = sorted({need[2] for need in decayed if need[2] is not None})
        self._decay_rates = (np.log(0.5) / (np.array(half_lives, dtype=np.float64) * DAY))[:, None]
        self._decay_cells = (np.arange(len(half_lives)) * self.n_cells)[:, None]
        projection = np.zeros((len(decayed), len(half_lives), self.n_cells))
        for i, need in enumerate(decayed):
            projection[i, half_lives.index(need[2] or 0.0), member[selector_of(need)]] = 1.0
        self._decay_projection = Projection(projection.reshape(len(decayed), len(half_lives) * self.n_cells) / _FIXED)

        members = [np.flatnonzero(member[selector_of(need)]) for need in self.needs if need[0] == "last"]
        self._last_cells = np.concatenate([*members, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        self._last_starts = np.cumsum([0, *(len(one) for one in members)])[:-1].astype(np.int64)

    def _compile_counts(self, member: dict[Selector, NDArray[np.bool_]], bucket_of: dict[float | None, int]) -> None:
        """What is counted: activities of selectors, and the marks of runs, each kind of which is a cell of its own."""
        runs = list(dict.fromkeys((selector_of(need), need[0]) for need in self.needs[self._days_from : self._topics_from]))
        mark = {run: self.n_cells + i for i, run in enumerate(runs)}
        self._height = self.n_cells + len(runs)
        self._runs = [
            (member[selector], [(kind, mark[one, kind]) for one, kind in runs if one is selector and kind != "reactions"])
            for selector in dict.fromkeys(selector for selector, kind in runs if kind != "reactions")
        ]
        self._reactions = []
        for selector in dict.fromkeys(selector_of(need) for need in self.needs if need[0] in ("reactions", "delay")):
            delays = [(i, bucket_of[need[2]]) for i, need in enumerate(self.needs) if need[0] == "delay" and selector_of(need) is selector]
            role = np.where(member[selector], 2, member[_CONTACT]).astype(np.int8)
            self._reactions.append(_Reaction(role, mark.get((selector, "reactions")), delays))
        # The rows that are wanted, each (selector, what of it, window), then the topics of each breadth.
        asked = [(selector_of(need), need[0], need[2]) for need in self.needs[: self._topics_from]]
        asked += [(part, "count", need[2]) for need in self.needs if need[0] == "topics" for part in self._parts(need)]
        asked = [(one, "count" if kind == "people" else kind, window) for one, kind, window in asked]
        counted = list(dict.fromkeys((one, kind) for one, kind, _ in asked))
        projection = np.zeros((len(counted), self._height), dtype=np.float32)
        for i, (one, kind) in enumerate(counted):
            if kind in ("count", "days", "sessions"):
                projection[i, member[one].nonzero()] = 1.0
            if kind != "count":
                projection[i, mark[one, kind]] = -1.0 if kind in ("days", "sessions") else 1.0
        self._count_projection = Projection(projection)
        row = {one: i * self.n_buckets for i, one in enumerate(counted)}
        self._asked = np.array([row[one, kind] + bucket_of[window] - 1 for one, kind, window in asked], dtype=np.int64)

    def _parts(self, need: Need) -> list[Selector]:
        """The selectors whose counts a need is made of: breadth over topics asks for each topic, a reaction for what it is to."""
        one = selector_of(need)
        if need[0] in ("reactions", "delay"):
            return [one, _CONTACT]
        if need[0] != "topics":
            return [one]
        return [select(one.types, topic, one.channel, one.machine, one.colleagues) for topic in self._about.names]

    @property
    def types(self) -> frozenset[str]:
        """The activity types that some selector names."""
        return frozenset(self._type_place) - {_OTHER_OURS}

    @property
    def reads(self) -> frozenset[str]:
        """The text columns of a log that tell its cells apart; machines are told by type and url."""
        return frozenset(
            {"type", "value", "url", *(["content"] if self._topic_place else []), *(["channel"] if self._channel_place else [])}
        )

    def rows_of(self, needs: tuple[Need, ...]) -> Rows | None:
        """Where several needs stand; None when one of them is not computed here."""
        if needs not in self._rows:
            found = [self.position.get(need) for need in needs]
            self._rows[needs] = None if None in found else adjoining(np.array(found, dtype=np.int64))
        return self._rows[needs]

    def cells(self, log: ActivityLog, machine: NDArray[np.bool_], rows: Rows | None = None) -> Ints:
        """The cell of each activity (of `rows`, or of all): what the selectors can tell of it."""
        tables = self._tables(log)
        if rows is not None:
            return self._cells(log, machine, rows, tables)
        if len(log) <= _ENCODED_ROWS:
            return self._cells(log, machine, slice(None), tables)
        cell = np.empty(len(log), dtype=np.int64)
        for start in range(0, len(log), _ENCODED_ROWS):
            part = slice(start, start + _ENCODED_ROWS)
            cell[part] = self._cells(log, machine, part, tables)
        return cell

    def _tables(self, log: ActivityLog) -> _Tables:
        """What each distinct text of a log adds to the place."""
        types = [self._type_place.get(name) or (self._type_place[_OTHER_OURS] if is_ours(name) else 0) for name in log.type.values]
        topics = contents = channels = missed = None
        if self._topic_place:
            topics = _table(map(self._about.page, log.url.values), self._topic_place)
            contents = _table(map(self._about.content, log.content.values), self._topic_place)
        if self._channel_place:
            channels = _table(log.channel.values, self._channel_place)
        if CALL in log.type.values and any(map(not_reached, log.value.values)):
            missed = np.array([*map(not_reached, log.value.values), False])
        return _Tables(np.array([*types, 0], dtype=np.int64), topics, contents, channels, missed)

    def _cells(self, log: ActivityLog, machine: NDArray[np.bool_], rows: Rows, tables: _Tables) -> Ints:
        kind = log.type.codes[rows]
        place = tables.types.take(kind)
        if tables.missed is not None:
            place[(kind == log.type.values.index(CALL)) & tables.missed[log.value.codes[rows]]] = self._type_place[CALL_ATTEMPT]
        page = log.url.codes[rows]
        if tables.topics is not None:
            place += tables.topics.take(page)
        if tables.contents is not None:
            place += tables.contents.take(log.content.codes[rows]) * (page < 0)
        if tables.channels is not None:
            place += tables.channels.take(log.channel.codes[rows])
        place += machine[rows]
        return self._cell_of.take(place)

    def aggregate(self, cell: Ints, age: Ints, occurred: Ints, segment: Ints, n: int) -> Floats:
        """(len(needs), n) over rows in time order within segments; `age` is microseconds before `as_of`, positive."""
        out = np.empty((len(self.needs), n))
        self._fill_counts(out, cell, age, occurred, segment, n)
        place = cell if n == 1 else cell * n + segment
        if self._last_from > self._decayed_from:
            weights = np.exp(self._decay_rates * age)
            weights *= _FIXED
            np.rint(weights, out=weights)
            key = self._decay_cells * n + place
            sums = np.bincount(key.ravel(), weights.ravel(), len(self._decay_rates) * self.n_cells * n)
            sums = sums.astype(np.float64, copy=False)  # of no rows NumPy makes integers
            out[self._decayed_from : self._last_from] = self._decay_projection.of(sums.reshape(-1, n))
        if len(self._last_starts):
            youngest = np.empty((self.n_cells, n))
            youngest.fill(np.nan)
            youngest.reshape(-1)[place] = age  # in time order the last write stays: the youngest
            last = out[self._last_from :]
            np.fmin.reduceat(youngest.take(self._last_cells, axis=0), self._last_starts, axis=0, out=last)
            last /= DAY
        return out

    def _fill_counts(self, out: Floats, cell: Ints, age: Ints, occurred: Ints, segment: Ints, n: int) -> None:
        """Writes all rows that are counts, or made of counts."""
        when = self._bucket(age)
        if n > 1:
            when = when * n + segment
        width = self.n_buckets * n
        key = cell * width
        key += when
        if self._runs or self._reactions:
            marks = [*self._marks(cell, when, occurred, segment, n), *self._reacted(out, cell, when, occurred, segment, n)]
            if marks:
                key = np.concatenate([key, *marks])
        table = np.bincount(key, minlength=self._height * width).astype(np.float32)
        counts = self._count_projection.of(table.reshape(-1, width)).reshape(-1, self.n_buckets, n)
        if n == 1:
            np.add.accumulate(counts, axis=1, out=counts)
        else:
            for bucket in range(1, self.n_buckets):
                counts[:, bucket] += counts[:, bucket - 1]  # NumPy's own running sum takes 30 times as long over many leads
        found, topics = counts.reshape(-1, n).take(self._asked, axis=0), self._topics_from
        out[:topics] = found[:topics]
        if self._delay_from > topics:
            breadths = found[topics:] > 0
            np.add.reduce(breadths.reshape(-1, len(self._about.names), n), axis=1, out=out[topics : self._delay_from])

    def _bucket(self, age: Ints) -> Ints:
        if self._bucket_of_day is not None:
            day = age // DAY
            return self._bucket_of_day.take(np.minimum(day, self._last_day, out=day))
        return np.searchsorted(self._edges, age, side="right")

    def _marks(self, cell: Ints, when: Ints, occurred: Ints, segment: Ints, n: int) -> Iterator[Ints]:
        """Where runs are counted: distinct days and sessions are counts less the activities that another one follows.

        So each run counts where its last activity stands, and a return where the first one after the silence does.
        """
        width = self.n_buckets * n
        for member, wanted in self._runs:
            bucket, at = when, occurred
            (rows,) = member.take(cell).nonzero()
            if len(rows) < 2:
                continue
            if len(rows) < len(cell):
                bucket, at = when.take(rows), occurred.take(rows)
            gap = at[1:] - at[:-1]
            same: NDArray[np.bool_] | None = None
            if n > 1:
                whose = segment.take(rows)
                same = whose[1:] == whose[:-1]
            for kind, mark in wanted:
                if kind == "returns":
                    found, counted = gap >= _SILENCE, bucket[1:]
                elif kind == "sessions":
                    found, counted = gap < _SESSION_PAUSE, bucket[:-1]
                else:
                    day = at // DAY
                    found, counted = day[1:] == day[:-1], bucket[:-1]
                if same is not None:
                    found &= same
                yield counted.take(found.nonzero()[0]) + mark * width  # over many rows quicker than `counted[found]`

    def _reacted(self, out: Floats, cell: Ints, when: Ints, occurred: Ints, segment: Ints, n: int) -> Iterator[Ints]:
        """Where a person's first deed after we sought contact is counted; writes the delays added up, in hours.

        Delays are whole seconds, so that their sums are exact in any order. Of several deeds at one instant one counts,
        and what we did at the same instant came before.
        """
        width = self.n_buckets * n
        for one in self._reactions:
            role = one.role.take(cell)
            if _US not in role.tobytes():  # as in most blocks of leads that nobody has written to yet
                out[[row for row, _ in one.delays]] = 0.0
                continue
            (rows,) = (role > 0).nonzero()
            step, gap = _steps(role.take(rows)), _steps(occurred.take(rows))
            if np.count_nonzero(back := gap.take((step < 0).nonzero()[0])) < len(back):  # a deed, then us, at one instant
                rows = rows[np.lexsort((role[rows], occurred[rows], segment[rows]))]
                step, gap = _steps(role.take(rows)), _steps(occurred.take(rows))
            (deeds,) = (step > 0).nonzero()
            gap = gap.take(deeds)
            found = gap < _REACTION
            if n > 1:
                whose = segment.take(rows)
                found &= whose.take(deeds) == whose.take(deeds + 1)
            (quick,) = found.nonzero()
            bucket = when.take(rows.take(deeds.take(quick) + 1))
            if one.delays:
                seconds = np.bincount(bucket, gap.take(quick) // 1_000_000, width).reshape(-1, n)
                for row, buckets in one.delays:
                    np.divide(np.add.reduce(seconds[:buckets], axis=0), 3600.0, out=out[row])
            if one.mark is not None:
                yield bucket + one.mark * width


def _steps(values: NDArray[Any]) -> NDArray[Any]:
    """From each to the next."""
    steps: NDArray[Any] = values[1:] - values[:-1]
    return steps


def _membership(selectors: Sequence[Selector], types: list[str], topics: list[str], channels: list[str]) -> NDArray[np.bool_]:
    """(selector, type, topic, channel, machine): whether it takes such an activity. Index 0 is "any other"."""
    member = np.ones((len(selectors), len(types) + 1, len(topics) + 1, len(channels) + 1, 2), dtype=np.bool_)
    for i, one in enumerate(selectors):
        if one.types:
            member[i] &= np.array([False, *(name in one.types for name in types)])[:, None, None, None]
        elif one.machine is not None:
            member[i] &= np.array([True, *(name != _OTHER_OURS and not is_ours(name) for name in types)])[:, None, None, None]
        if one.topic:
            member[i] &= np.array([True, *(name != "answer" for name in types)])[:, None, None, None]
            member[i] &= np.array([False, *(name == one.topic for name in topics)])[None, :, None, None]
        if one.channel:
            member[i] &= np.array([False, *(name == one.channel for name in channels)])[None, None, :, None]
        if one.machine is not None:
            member[i] &= np.array([not one.machine, one.machine])
    return member


def _table(values: Iterable[str], place: dict[str, int]) -> Ints | None:
    """`place` of each distinct text; code -1, missing, reads the entry appended. None where no text has any."""
    places = [place.get(value, 0) for value in values]
    return np.array([*places, 0], dtype=np.int64) if any(places) else None
