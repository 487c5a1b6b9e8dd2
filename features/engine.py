"""The one engine that evaluates signals: whole columns, for one lead and for millions alike.

In: leads, their activities (clustered by lead, in time order), observations `(lead, as_of)` and a feature set.
Out: a `SignalTable`, one row an observation. The engine, not the signal, cuts time: a row counts only if it both
occurred and was recorded before `as_of`.

How it works. Every activity falls into one *cell* (the finest distinction that any selector of the plan makes
between types, topics, channels and machines) and one *bucket* of age. One pass counts activities by
(observation, cell, bucket); every windowed count of every signal is then a 0/1 projection of that histogram.
Decayed sums go the same way with weights in fixed point (integers of 2^-30), so all sums are sums of integers below
2^53: exact, whatever the order, the block or the BLAS. That is why one lead alone and the same lead in a batch agree
to the last bit, and why ties and row order cannot matter. Blocks of some hundred observations stay in the cache.

What a plan must compute is found by *rehearsal*: each signal runs once on an empty history that notes what it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.answers import field_of
from features.history import DAY, ActivityLog, Column, FieldHistory, History, Leads, Need, Observations, Selector, TextColumn, select
from features.machines import machine_activity
from features.own_types import signals_of_type
from features.signal import Attribute, FeatureSet, Signal
from features.topics import TOPICS, topic_of

__all__ = ["Colleagues", "Plan", "SignalTable", "evaluate", "needs_of"]

Ints = NDArray[np.int64]

_FIXED = 2.0**30
_SESSION_PAUSE = 30 * 60 * 1_000_000
_SILENCE = 30 * DAY
_FAR = np.iinfo(np.int64).max
_BLOCK_ROWS = 16_384
_BLOCK_OBSERVATIONS = 512


@dataclass(frozen=True)
class SignalTable:
    """Inputs of a model, a row an observation: numbers (NaN: not known) and categories as dictionary-coded text."""

    names: tuple[str, ...]
    """Of the columns of `numbers`, in order."""
    numbers: NDArray[np.float64]
    texts: Mapping[str, TextColumn]

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> Column:
        return self.numbers[:, self.names.index(name)]


@dataclass(frozen=True)
class Colleagues:
    """The account's context: who else belongs to each account and what they did.

    `members[starts[a]:starts[a + 1]]` are rows of `log`'s leads that belong to account a. `own` tells whether `log`
    is the leads' own log, in which case a lead is not its own colleague.
    """

    log: ActivityLog
    starts: Ints
    members: Ints
    own: bool

    @classmethod
    def of(cls, account: Ints, log: ActivityLog) -> Colleagues:
        """From each lead's account code (-1: none), over the log of the same leads."""
        order = np.argsort(account, kind="stable")
        members = order[int(np.searchsorted(account[order], 0)) :]
        n_accounts = int(account.max(initial=-1)) + 1
        starts = np.zeros(n_accounts + 1, dtype=np.int64)
        np.cumsum(np.bincount(account[members], minlength=n_accounts), out=starts[1:])
        return cls(log, starts, members.astype(np.int64), own=True)


@dataclass(frozen=True)
class Needs:
    """What a signal asks for: aggregates of activities, attribute columns, answers."""

    aggregates: tuple[Need, ...]
    columns: frozenset[str]
    answers: frozenset[str]
    direct: Need | None
    """The aggregate that the signal returns as it is, if it does nothing else."""

    @property
    def activities(self) -> bool:
        return bool(self.aggregates or self.answers)


def needs_of(signal: Signal) -> Needs:
    """Rehearses the signal on an empty history."""
    rehearsal = _Rehearsal()
    result = signal.function(History(rehearsal, signal.within))
    direct = next((need for need, column in rehearsal.columns.items() if column is result), None)
    return Needs(tuple(rehearsal.columns), frozenset(rehearsal.attributes), frozenset(rehearsal.answers), direct)


class _Rehearsal:
    """A block of no observations that notes what is asked of it."""

    size = 0

    def __init__(self) -> None:
        self.columns: dict[Need, Column] = {}
        self.attributes: set[str] = set()
        self.answers: set[str] = set()

    def fetch(self, need: Need) -> Column:
        return self.columns.setdefault(need, np.zeros(0))

    def number(self, column: str) -> Column:
        self.attributes.add(column)
        return np.zeros(0)

    def text(self, column: str) -> TextColumn:
        self.attributes.add(column)
        return TextColumn(np.zeros(0, dtype=np.int32), ())

    def age_of(self, column: str) -> Column:
        self.attributes.add(column)
        return np.zeros(0)

    def answer(self, field: str) -> tuple[TextColumn, Column]:
        self.answers.add(field)
        return TextColumn(np.zeros(0, dtype=np.int32), ()), np.zeros(0)

    def memo(self, compute: Callable[[History], Any]) -> Any:
        return compute(History(self))


def evaluate(
    plan: Plan,
    leads: Leads,
    log: ActivityLog,
    observations: Observations,
    colleagues: Colleagues | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    also: Callable[[History, int], None] | None = None,
) -> SignalTable:
    """Every input of the plan's feature set for every observation.

    `progress` is told how many are done; `also` is given each block's history with the position of its first observation.
    """
    n = len(observations)
    numbers = np.empty((n, len(plan.names)), dtype=np.float64)
    own = plan.own.encode(log)
    theirs = plan.colleagues.encode(colleagues.log) if colleagues is not None and plan.colleagues.needs else None
    for start, stop in _blocks(log, observations):
        part = Observations(observations.lead[start:stop], observations.as_of[start:stop])
        block = Block(plan, leads, own, part, colleagues, theirs)
        plan.fill(numbers[start:stop], block)
        if also is not None:
            also(History(block), start)
        if progress is not None:
            progress(stop)
    everything = Block(plan, leads, own, observations, None, None)
    texts = {one.name: everything.text(one.name) for one in plan.feature_set.attributes if one.kind == "category"}
    return SignalTable(plan.names, numbers, texts)


@dataclass(frozen=True)
class Plan:
    """A feature set made ready to evaluate. Building one rehearses every signal; build it once and keep it."""

    feature_set: FeatureSet
    signals: tuple[Signal, ...] = field(init=False)
    numeric: tuple[Attribute, ...] = field(init=False)
    names: tuple[str, ...] = field(init=False)
    own: Aggregator = field(init=False)
    colleagues: Aggregator = field(init=False)
    columns: frozenset[str] = field(init=False)
    """Every attribute column that some signal or attribute reads."""
    answers: bool = field(init=False)
    _direct: tuple[Ints, Ints] = field(init=False)
    _direct_colleagues: tuple[Ints, Ints] = field(init=False)
    _fills: Column = field(init=False)
    _called: tuple[tuple[int, Signal], ...] = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass derives its fields once, here
        own_types = [one for name in self.feature_set.activity_types for one in signals_of_type(name)]
        signals = (*self.feature_set.signals, *own_types)
        numeric = tuple(one for one in self.feature_set.attributes if one.kind != "category")
        needs = [needs_of(one) for one in signals]
        aggregates = list(dict.fromkeys(need for one in needs for need in one.aggregates))
        own = Aggregator([need for need in aggregates if not _selector(need).colleagues])
        colleagues = Aggregator([need for need in aggregates if _selector(need).colleagues])
        put(self, "signals", signals)
        put(self, "numeric", numeric)
        put(self, "names", tuple(one.name for one in (*signals, *numeric)))
        put(self, "own", own)
        put(self, "colleagues", colleagues)
        attributes = frozenset(one.name for one in self.feature_set.attributes)
        put(self, "columns", frozenset(column for one in needs for column in one.columns) | attributes)
        put(self, "answers", any(one.answers for one in needs))
        # A direct signal with a fill other than its natural empty value still goes by copy: fills are applied after.
        put(self, "_direct", _direct(needs, own))
        put(self, "_direct_colleagues", _direct(needs, colleagues))
        put(self, "_called", tuple((i, one) for i, one in enumerate(signals) if needs[i].direct is None))
        put(self, "_fills", np.array([one.fill for one in signals], dtype=np.float64))

    def fill(self, numbers: NDArray[np.float64], block: Block) -> None:
        """Writes the block's rows of `numbers`."""
        targets, sources = self._direct
        if len(targets):
            numbers[:, targets] = block.own_aggregates[:, sources]
        targets, sources = self._direct_colleagues
        if len(targets):
            numbers[:, targets] = block.colleague_aggregates[:, sources]
        whole = History(block)
        for i, one in self._called:
            numbers[:, i] = one.function(whole if one.within is None else whole.within(one.within))
        width = len(self.signals)
        part = numbers[:, :width]
        empty = np.isnan(part)
        if empty.any():
            np.copyto(part, self._fills, where=empty)
        for i, attribute in enumerate(self.numeric, start=width):
            numbers[:, i] = block.number(attribute.name)


def _direct(needs: Sequence[Needs], aggregator: Aggregator) -> tuple[Ints, Ints]:
    """Which output columns are plain copies of which aggregates."""
    pairs = [(i, aggregator.position[one.direct]) for i, one in enumerate(needs) if one.direct in aggregator.position]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _selector(need: Need) -> Selector:
    selector = need[1]
    assert isinstance(selector, Selector)
    return selector


@dataclass(frozen=True)
class EncodedLog:
    """A log with each activity's cell, and its answers apart."""

    log: ActivityLog
    cell: Ints
    answers: Answers


@dataclass(frozen=True)
class Answers:
    """The answers of a log, clustered by lead, in an order that does not depend on the order of ties."""

    starts: Ints
    occurred: Ints
    recorded: Ints
    field: Ints
    value: TextColumn
    fields: Mapping[str, int]


class Aggregator:
    """Computes a fixed list of aggregates over segments of activities."""

    def __init__(self, needs: Sequence[Need]) -> None:
        self.needs = tuple(needs)
        self.position = {need: i for i, need in enumerate(needs)}
        selectors = list(dict.fromkeys(part for need in needs for part in _parts(need)))
        self._types = sorted({name for one in selectors for name in one.types})
        self._channels = sorted({one.channel for one in selectors if one.channel})
        self._topics = sorted({one.topic for one in selectors if one.topic})
        if not selectors:
            selectors = [select((), None, None, False, False)]
        member = self._membership(selectors)
        # Types, topics and channels that no selector tells apart share a cell.
        signatures, cell_of = np.unique(member.reshape(len(selectors), -1), axis=1, return_inverse=True)
        self._cell_of = cell_of.reshape(member.shape[1:]).astype(np.int64)
        self.n_cells = signatures.shape[1]
        self._member = {one: signatures[i].astype(bool) for i, one in enumerate(selectors)}
        self._compile()

    def _membership(self, selectors: Sequence[Selector]) -> NDArray[np.bool_]:
        """(selector, type, topic, channel, machine): whether it takes such an activity. Index 0 is "any other"."""
        shape = (len(selectors), len(self._types) + 1, len(self._topics) + 1, len(self._channels) + 1, 2)
        member = np.ones(shape, dtype=np.bool_)
        for i, one in enumerate(selectors):
            if one.types:
                member[i] &= np.array([False, *(name in one.types for name in self._types)])[:, None, None, None]
            if one.topic:
                member[i] &= np.array([False, *(name == one.topic for name in self._topics)])[None, :, None, None]
            if one.channel:
                member[i] &= np.array([False, *(name == one.channel for name in self._channels)])[None, None, :, None]
            if one.machine is not None:
                member[i] &= np.array([not one.machine, one.machine])
        return member

    def _compile(self) -> None:
        windows = sorted({need[2] for need in self.needs if need[0] in _WINDOWED and need[2] is not None})
        self._edges = np.array([round(window * DAY) for window in windows], dtype=np.int64)
        n_buckets = len(windows) + 1
        self.n_buckets = n_buckets
        # Ages in whole days look their bucket up; windows of hours need the search.
        whole = bool(windows) and all(float(window).is_integer() for window in windows)
        last_day = int(windows[-1]) if whole else 0
        self._bucket_of_day = np.searchsorted(np.array(windows), np.arange(last_day + 1), side="right") if whole else None
        bucket_of = {window: windows.index(window) + 1 for window in windows} | {None: n_buckets}

        counts = list(
            dict.fromkeys((part, need[2]) for need in self.needs if need[0] in ("count", "people", "topics") for part in _parts(need))
        )
        self._count_column = {key: i for i, key in enumerate(counts)}
        projection = np.zeros((self.n_cells, n_buckets, len(counts)))
        for (one, window), i in self._count_column.items():
            projection[self._member[one], : bucket_of[window], i] = 1.0
        self._count_projection = projection.reshape(self.n_cells * n_buckets, len(counts))

        decayed = [need for need in self.needs if need[0] == "decayed"]
        self._half_lives = sorted({need[2] for need in decayed if need[2] is not None})
        self._decay_rates = [np.log(0.5) / (half_life * DAY) for half_life in self._half_lives]
        projection = np.zeros((len(self._half_lives), self.n_cells, len(decayed)))
        for i, need in enumerate(decayed):
            projection[self._half_lives.index(need[2] or 0.0), self._member[_selector(need)], i] = 1.0
        self._decay_projection = projection.reshape(len(self._half_lives) * self.n_cells, len(decayed)) / _FIXED
        self._decayed_at = np.array([self.position[need] for need in decayed], dtype=np.int64)

        last = [need for need in self.needs if need[0] == "last"]
        members = [np.flatnonzero(self._member[_selector(need)]) for need in last]
        self._last_cells = np.concatenate([*members, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        self._last_starts = np.cumsum([0, *(len(one) for one in members)])[:-1].astype(np.int64)
        self._last_at = np.array([self.position[need] for need in last], dtype=np.int64)

        plain = [need for need in self.needs if need[0] in ("count", "people")]
        self._plain_at = np.array([self.position[need] for need in plain], dtype=np.int64)
        self._plain_from = np.array([self._count_column[_selector(need), need[2]] for need in plain], dtype=np.int64)
        self._topics_at = [
            (self.position[need], np.array([self._count_column[part, need[2]] for part in _parts(need)]))
            for need in self.needs
            if need[0] == "topics"
        ]
        runs: dict[Selector, list[tuple[str, int, int]]] = {}
        for need in self.needs:
            if need[0] in ("days", "sessions", "returns"):
                runs.setdefault(_selector(need), []).append((need[0], bucket_of[need[2]], self.position[need]))
        self._runs = runs

    def encode(self, log: ActivityLog) -> EncodedLog:
        """Each activity's cell: what the selectors can tell of it."""
        type_code = {name: i for i, name in enumerate(self._types, start=1)}
        channel_code = {name: i for i, name in enumerate(self._channels, start=1)}
        topic_code = {name: i for i, name in enumerate(self._topics, start=1)}
        # The codes of an activity add up to its place in the lookup table, least significant last: machine or not.
        n_topics, n_channels = len(self._topics) + 1, len(self._channels) + 1
        types = np.array([*(type_code.get(value, 0) for value in log.type.values), 0]) * (n_topics * n_channels * 2)
        topics = np.array([*(topic_code.get(topic_of(value), 0) for value in log.url.values), 0]) * (n_channels * 2)
        channels = np.array([*(channel_code.get(value, 0) for value in log.channel.values), 0]) * 2
        cell_of = self._cell_of.reshape(-1)
        cell = np.empty(len(log), dtype=np.int64)
        machine = machine_activity(log)
        for start in range(0, len(log), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            place = types[log.type.codes[part]] + topics[log.url.codes[part]]
            if n_channels > 1:
                place += channels[log.channel.codes[part]]
            place += machine[part]
            cell[part] = cell_of[place]
        return EncodedLog(log, cell, _answers(log))

    def aggregate(self, cell: Ints, age: Ints, occurred: Ints, segment: Ints, n: int) -> NDArray[np.float64]:
        """(n, len(needs)) over rows in time order within segments; `age` is microseconds before `as_of`, positive."""
        out = np.empty((n, len(self.needs)), dtype=np.float64)
        n_cells, n_buckets = self.n_cells, self.n_buckets
        place = segment * n_cells + cell if n > 1 else cell
        bucket = self._bucket(age)
        histogram = np.bincount(place * n_buckets + bucket, minlength=n * n_cells * n_buckets).astype(np.float64)
        counts = histogram.reshape(n, n_cells * n_buckets) @ self._count_projection
        if len(self._plain_at):
            out[:, self._plain_at] = counts[:, self._plain_from]
        for at, columns in self._topics_at:
            out[:, at] = (counts[:, columns] > 0).sum(axis=1)
        if len(self._decayed_at):
            sums = np.empty((n, len(self._half_lives), n_cells))
            for i, rate in enumerate(self._decay_rates):
                weight = np.rint(np.exp(age * rate) * _FIXED)
                sums[:, i] = np.bincount(place, weights=weight, minlength=n * n_cells).reshape(n, n_cells)
            out[:, self._decayed_at] = sums.reshape(n, -1) @ self._decay_projection
        if len(self._last_at):
            youngest = np.full(n * n_cells, _FAR)
            youngest[place] = age  # rows are in time order and the last write stays: the youngest
            ages = np.minimum.reduceat(youngest.reshape(n, n_cells)[:, self._last_cells], self._last_starts, axis=1)
            out[:, self._last_at] = np.where(ages == _FAR, np.nan, ages / DAY)
        for selector, wanted in self._runs.items():
            self._fill_runs(out, wanted, self._member[selector], cell, bucket, occurred, segment, n)
        return out

    def _bucket(self, age: Ints) -> Ints:
        if self._bucket_of_day is not None:
            return self._bucket_of_day[np.minimum(age // DAY, len(self._bucket_of_day) - 1)]
        return np.searchsorted(self._edges, age, side="right")

    def _fill_runs(
        self,
        out: NDArray[np.float64],
        wanted: Iterable[tuple[str, int, int]],
        member: NDArray[np.bool_],
        cell: Ints,
        bucket: Ints,
        occurred: Ints,
        segment: Ints,
        n: int,
    ) -> None:
        """Distinct days, sessions and returns: each run is counted where its deciding activity stands."""
        chosen = member[cell]
        if not chosen.all():
            bucket, occurred, segment = bucket[chosen], occurred[chosen], segment[chosen]
        other = segment[1:] != segment[:-1]
        gap = occurred[1:] - occurred[:-1]
        tallies: dict[str, NDArray[np.float64]] = {}
        for kind, buckets, at in wanted:
            if kind not in tallies:
                marks = np.ones(len(occurred), dtype=np.bool_)
                if kind == "days":  # the last activity of each day
                    day = occurred // DAY
                    marks[:-1] = other | (day[1:] != day[:-1])
                elif kind == "sessions":  # the last activity of each session
                    marks[:-1] = other | (gap >= _SESSION_PAUSE)
                else:  # the first activity after a silence
                    marks[:1] = False
                    marks[1:] = ~other & (gap >= _SILENCE)
                tally = np.bincount(segment[marks] * self.n_buckets + bucket[marks], minlength=n * self.n_buckets)
                tallies[kind] = np.cumsum(tally.reshape(n, self.n_buckets), axis=1, dtype=np.float64)
            out[:, at] = tallies[kind][:, buckets - 1]


_WINDOWED = ("count", "people", "topics", "days", "sessions", "returns")


def _parts(need: Need) -> list[Selector]:
    """The selectors whose counts a need is made of: breadth over topics asks for each topic."""
    one = _selector(need)
    if need[0] != "topics":
        return [one]
    return [select(one.types, topic, one.channel, one.machine, one.colleagues) for topic in TOPICS]


class Block:
    """A block of observations with its aggregates, attributes and answers, each computed when first asked for."""

    def __init__(
        self,
        plan: Plan | None,
        leads: Leads,
        own: EncodedLog,
        observations: Observations,
        colleagues: Colleagues | None,
        theirs: EncodedLog | None,
    ) -> None:
        self._plan, self._leads, self._own, self._observations = plan, leads, own, observations
        self._colleagues, self._theirs = colleagues, theirs
        self._memo: dict[Callable[[History], Any], Any] = {}
        self._answered: dict[str, tuple[TextColumn, Column]] = {}
        self._texts: dict[str, TextColumn] = {}

    @property
    def size(self) -> int:
        return len(self._observations)

    def fetch(self, need: Need) -> Column:
        plan = self._plan
        if plan is not None:
            at = plan.own.position.get(need)
            if at is not None:
                return self.own_aggregates[:, at]
            at = plan.colleagues.position.get(need)
            if at is not None:
                return self.colleague_aggregates[:, at]
        return self._unplanned(need)

    def _unplanned(self, need: Need) -> Column:
        """An aggregate outside the plan: a signal tried on its own, as in a test or a notebook."""
        aggregator = Aggregator([need])
        if _selector(need).colleagues:
            theirs = aggregator.encode(self._colleagues.log) if self._colleagues is not None else None
            return self._of_colleagues(aggregator, theirs)[:, 0]
        return self._of_own(aggregator, aggregator.encode(self._own.log))[:, 0]

    @cached_property
    def own_aggregates(self) -> NDArray[np.float64]:
        assert self._plan is not None
        return self._of_own(self._plan.own, self._own)

    @cached_property
    def colleague_aggregates(self) -> NDArray[np.float64]:
        assert self._plan is not None
        return self._of_colleagues(self._plan.colleagues, self._theirs)

    def _of_own(self, aggregator: Aggregator, encoded: EncodedLog) -> NDArray[np.float64]:
        lead, as_of = self._observations.lead, self._observations.as_of
        rows, segment, when = _visible(encoded.log.starts, encoded.log.occurred, encoded.log.recorded, encoded.log.late, lead, as_of)
        occurred = encoded.log.occurred[rows]
        return aggregator.aggregate(encoded.cell[rows], when - occurred, occurred, segment, len(lead))

    def _of_colleagues(self, aggregator: Aggregator, theirs: EncodedLog | None) -> NDArray[np.float64]:
        n = self.size
        out = np.full((n, len(aggregator.needs)), np.nan)
        account = self._leads.account
        if theirs is None or self._colleagues is None or account is None:
            return out
        mine = account[self._observations.lead]
        observation, member = self._pairs(mine)
        as_of = self._observations.as_of[observation]
        log = theirs.log
        rows, segment, when = _visible(log.starts, log.occurred, log.recorded, log.late, member, as_of)
        occurred = log.occurred[rows]
        each = aggregator.aggregate(theirs.cell[rows], when - occurred, occurred, segment, len(member))
        for i, need in enumerate(aggregator.needs):
            if need[0] == "last":
                youngest = np.full(n, np.inf)
                np.minimum.at(youngest, observation, np.where(np.isnan(each[:, i]), np.inf, each[:, i]))
                out[:, i] = np.where(np.isinf(youngest), np.nan, youngest)
                continue
            value = (each[:, i] > 0).astype(np.float64) if need[0] == "people" else each[:, i]
            # Decayed sums are multiples of 2^-30 below 2^23, so adding people up is exact too.
            out[:, i] = np.bincount(observation, weights=value, minlength=n)
        out[mine < 0] = np.nan
        return out

    def _pairs(self, account: Ints) -> tuple[Ints, Ints]:
        """(observation, colleague) for every colleague of every observation, in order."""
        assert self._colleagues is not None
        starts, members = self._colleagues.starts, self._colleagues.members
        known = np.flatnonzero(account >= 0)
        begins, ends = starts[account[known]], starts[account[known] + 1]
        rows, place = _expand(begins, ends)
        observation, member = known[place], members[rows]
        if self._colleagues.own:
            other = member != self._observations.lead[observation]
            observation, member = observation[other], member[other]
        return observation, member

    def number(self, column: str) -> Column:
        history = self._leads.changes.get(column)
        current = self._leads.numbers.get(column)
        now = np.full(self.size, np.nan) if current is None else current[self._observations.lead]
        if history is None or history.numbers is None:
            return now
        position, changed = self._position(history)
        return np.where(changed, np.where(position < 0, np.nan, history.numbers[position]), now)

    def text(self, column: str) -> TextColumn:
        found = self._texts.get(column)
        if found is None:
            found = self._texts[column] = self._text(column)
        return found

    def _text(self, column: str) -> TextColumn:
        history = self._leads.changes.get(column)
        current = self._leads.texts.get(column)
        now = current.take(self._observations.lead) if current is not None else TextColumn(np.full(self.size, -1, dtype=np.int32), ())
        if history is None or history.texts is None:
            return now
        position, changed = self._position(history)
        then = np.where(position < 0, -1, history.texts.codes[position])
        if now.values is not history.texts.values:  # two vocabularies become one
            offset = len(history.texts.values)
            codes = np.where(changed, then, np.where(now.codes < 0, -1, now.codes + offset))
            return TextColumn(codes.astype(np.int32), [*history.texts.values, *now.values])
        return TextColumn(np.where(changed, then, now.codes).astype(np.int32), now.values)

    def _position(self, history: FieldHistory) -> tuple[Ints, NDArray[np.bool_]]:
        """Row of the change in force at each observation (-1: before the first), and whether the lead has any change."""
        lead = self._observations.lead
        begins = history.starts[lead]
        ends = _visible_ends(history.starts, history.changed, lead, self._observations.as_of)
        return np.where(ends > begins, ends - 1, -1), history.starts[lead + 1] > begins

    def age_of(self, column: str) -> Column:
        times = self._leads.times.get(column)
        if times is None:
            return np.full(self.size, np.nan)
        when = times[self._observations.lead]
        return np.where(when == np.iinfo(np.int64).min, np.nan, (self._observations.as_of - when) / DAY)

    def answer(self, field: str) -> tuple[TextColumn, Column]:
        found = self._answered.get(field)
        if found is None:
            found = self._answered[field] = self._answer(field)
        return found

    def _answer(self, field: str) -> tuple[TextColumn, Column]:
        answers = self._own.answers
        code = answers.fields.get(field)
        if code is None:
            return TextColumn(np.full(self.size, -1, dtype=np.int32), ()), np.full(self.size, np.nan)
        row = self._latest_answers[:, code]
        found = row >= 0
        if not found.any():
            return TextColumn(np.full(self.size, -1, dtype=np.int32), ()), np.full(self.size, np.nan)
        value = np.where(found, answers.value.codes[row], -1).astype(np.int32)
        age = np.where(found, (self._observations.as_of - answers.occurred[row]) / DAY, np.nan)
        return TextColumn(value, answers.value.values, answers.value._mapped), age

    def memo(self, compute: Callable[[History], Any]) -> Any:
        if compute not in self._memo:
            self._memo[compute] = compute(History(self))
        return self._memo[compute]

    @cached_property
    def _latest_answers(self) -> Ints:
        """(observation, field): row of the latest answer that was known, -1 where none."""
        answers, lead, as_of = self._own.answers, self._observations.lead, self._observations.as_of
        rows, segment, _ = _visible(answers.starts, answers.occurred, answers.recorded, True, lead, as_of)
        latest = np.full((self.size, len(answers.fields)), -1, dtype=np.int64)
        latest[segment, answers.field[rows]] = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        return latest


def _answers(log: ActivityLog) -> Answers:
    """The activities of type `answer`, by lead and time; ties by what they say, so that row order cannot matter."""
    n_leads = len(log.starts) - 1
    try:
        code = log.type.values.index("answer")
    except ValueError:
        none = np.zeros(0, dtype=np.int64)
        return Answers(np.zeros(n_leads + 1, dtype=np.int64), none, none, none, TextColumn(none.astype(np.int32), ()), {})
    rows = np.flatnonzero(log.type.codes == code)
    names = [field_of(value) for value in log.content.values]
    fields = {name: i for i, name in enumerate(dict.fromkeys([*names, ""]))}
    field_code = _lookup(log.content, [fields[name] for name in names], missing=fields[""])[rows]
    lead = np.searchsorted(log.starts, rows, side="right") - 1
    rank = _lookup(log.value, _spelling_rank(log.value.values), missing=-1)[rows]
    order = np.lexsort((rank, field_code, log.recorded[rows], log.occurred[rows], lead))
    rows, field_code, lead = rows[order], field_code[order], lead[order]
    starts = np.zeros(n_leads + 1, dtype=np.int64)
    np.cumsum(np.bincount(lead, minlength=n_leads), out=starts[1:])
    return Answers(starts, log.occurred[rows], log.recorded[rows], field_code, log.value.take(rows), fields)


def _spelling_rank(values: Sequence[str]) -> list[int]:
    rank = {value: i for i, value in enumerate(sorted(values))}
    return [rank[value] for value in values]


def _lookup(column: TextColumn, table: Sequence[int], missing: int = 0) -> Ints:
    """`table` holds one integer for each distinct text; code -1 reads the entry appended for missing text."""
    return np.array([*table, missing], dtype=np.int64)[column.codes]


def _blocks(log: ActivityLog, observations: Observations) -> Iterator[tuple[int, int]]:
    """Consecutive runs of observations, each with a cache-sized number of activities."""
    n = len(observations)
    if n <= 1:
        if n:
            yield 0, 1
        return
    lead = observations.lead
    done = np.cumsum(log.starts[lead + 1] - log.starts[lead])
    start = 0
    while start < n:
        before = int(done[start - 1]) if start else 0
        stop = int(np.searchsorted(done, before + _BLOCK_ROWS, side="right"))
        stop = min(max(stop, start + 1), start + _BLOCK_OBSERVATIONS, n)
        yield start, stop
        start = stop


def _visible(starts: Ints, occurred: Ints, recorded: Ints, late: bool, lead: Ints, as_of: Ints) -> tuple[Ints | slice, Ints, Ints]:
    """Rows of each lead's that occurred and were recorded before `as_of`; their segment (position in `lead`) and as_of."""
    begins = starts[lead]
    ends = _visible_ends(starts, occurred, lead, as_of)
    rows, segment = _expand(begins, ends)
    when = as_of[segment]
    if late:
        known = recorded[rows] < when
        if not known.all():
            at = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            return at[known], segment[known], when[known]
    return rows, segment, when


def _expand(begins: Ints, ends: Ints) -> tuple[Ints | slice, Ints]:
    """Positions begins[i] … ends[i] - 1 for every i one after another, and the i of each. A slice where they adjoin."""
    if len(begins) == 1:
        return slice(int(begins[0]), int(ends[0])), np.zeros(int(ends[0]) - int(begins[0]), dtype=np.int64)
    lengths = ends - begins
    segment = np.repeat(np.arange(len(begins)), lengths)
    if len(begins) and bool((begins[1:] == ends[:-1]).all()):
        return slice(int(begins[0]), int(ends[-1])), segment
    offset = begins - (np.cumsum(lengths) - lengths)
    return np.arange(len(segment)) + offset[segment], segment


def _visible_ends(starts: Ints, occurred: Ints, lead: Ints, as_of: Ints) -> Ints:
    """For each observation the end of its lead's rows with `occurred < as_of`: a bisection, all observations at once."""
    begins, ends = starts[lead], starts[lead + 1]
    if len(lead) == 1:
        begin, end = int(begins[0]), int(ends[0])
        return np.array([begin + int(np.searchsorted(occurred[begin:end], as_of[0], side="left"))])
    filled = ends > begins
    last = np.where(filled, ends - 1, 0)
    if not len(occurred) or not bool((filled & (occurred[last] >= as_of)).any()):
        return ends
    low, high = begins.copy(), ends.copy()
    while True:
        open_ = low < high
        if not open_.any():
            return low
        middle = np.where(open_, (low + high) // 2, 0)
        before = occurred[middle] < as_of
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
