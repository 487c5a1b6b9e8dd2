"""The one engine that evaluates signals: whole columns, for one lead and for millions alike.

In: leads, their activities (clustered by lead, in time order), observations `(lead, as_of)` and a feature set.
Out: a `SignalTable`, one row an observation. There is no second implementation for one lead.

What must be computed is found by rehearsal: a `Plan` runs each signal once on an empty history that notes what it asks
for, so that all aggregates of all signals come out of one pass over the activities (`features/aggregates.py`). Blocks of
some hundred observations (`features/block.py`) keep the work in the cache; no result depends on where blocks are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.aggregates import Aggregator, selector_of
from features.answers import Answers
from features.block import Block, Known
from features.colleagues import Colleagues
from features.declarations import Declarations
from features.history import ActivityLog, Column, History, Leads, Observations, TextColumn
from features.machines import machine_activity
from features.own_types import own_signals
from features.rehearsal import Needs, Reading, needs_of, rehearse
from features.segments import runs
from features.signal import Attribute, FeatureSet, Signal
from features.topics import about

__all__ = ["Colleagues", "Needs", "Plan", "SignalTable", "evaluate", "needs_of"]

Ints = NDArray[np.int64]

_BLOCK_ROWS = 16_384
_BLOCK_OBSERVATIONS = 512
_UNREAD = (np.nan,) * 16
"""What a missing text says, of as many numbers as any reading gives."""


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
    known = plan.prepare(leads, log, colleagues)
    categories = [one.name for one in plan.feature_set.attributes if one.kind == "category"]
    block: Block | None = None
    for start, stop in runs(log.starts, observations.lead, _BLOCK_ROWS, _BLOCK_OBSERVATIONS):
        part = observations if stop - start == n else Observations(observations.lead[start:stop], observations.as_of[start:stop])
        block = Block(plan, known, part)
        plan.fill(numbers[start:stop], block)
        if also is not None:
            also(History(block), start)
        if progress is not None:
            progress(stop)
    if block is None or block.size < n:
        block = Block(plan, known, observations)
    return SignalTable(plan.names, numbers, {name: block.text(name) for name in categories})


@dataclass(frozen=True)
class Plan:
    """A feature set made ready to evaluate. Building one rehearses every signal; build it once and keep it."""

    feature_set: FeatureSet
    also: Callable[[History], object] | None = None
    """Asks for what is wanted of each block's history besides the signals, so that it comes out of the same pass."""
    declared: Declarations = field(init=False)
    signals: tuple[Signal, ...] = field(init=False)
    needs: Mapping[str, Needs] = field(init=False)
    """What each signal asks for, by name."""
    numeric: tuple[Attribute, ...] = field(init=False)
    names: tuple[str, ...] = field(init=False)
    own: Aggregator = field(init=False)
    colleagues: Aggregator = field(init=False)
    columns: frozenset[str] = field(init=False)
    """Every attribute column that some signal or attribute reads."""
    answers: bool = field(init=False)
    asked: tuple[str, ...] = field(init=False)
    """The fields whose answers some signal reads."""
    reads: frozenset[str] = field(init=False)
    """The text columns of an activity log that make a difference; others may be left out."""
    _direct: tuple[Ints, Ints] = field(init=False)
    _direct_colleagues: tuple[Ints, Ints] = field(init=False)
    _rows: tuple[tuple[Callable[[History], Column], Ints | int], ...] = field(init=False)
    """Memos, and which of their rows are output columns: so many from the first on, or these."""
    _readings: tuple[Reading, ...] = field(init=False)
    """What is read out of text columns, all looked up in one table."""
    _widths: Ints = field(init=False)
    """How many numbers stand for each text in each reading."""
    _told: Ints = field(init=False)
    """Output columns of the memos' rows, then of the readings."""
    _fills: Column = field(init=False)
    _called: tuple[tuple[int, Signal], ...] = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__  # a frozen dataclass derives its fields once, here
        signals = (*self.feature_set.signals, *own_signals(self.feature_set))
        numeric = tuple(one for one in self.feature_set.attributes if one.kind != "category")
        declared = self.feature_set.declared
        needs = [needs_of(one, declared) for one in signals]
        asked = needs if self.also is None else [*needs, rehearse(self.also, declared=declared)]
        aggregates = list(dict.fromkeys(need for one in asked for need in one.aggregates))
        topics_by = about(declared.topics.patterns, declared.topics.defaults)
        own = Aggregator([need for need in aggregates if not selector_of(need).colleagues], topics_by)
        colleagues = Aggregator([need for need in aggregates if selector_of(need).colleagues], topics_by)
        put(self, "declared", declared)
        put(self, "signals", signals)
        put(self, "needs", {one.name: need for one, need in zip(signals, needs, strict=True)})
        put(self, "numeric", numeric)
        put(self, "names", (*(one.name for one in signals), *(one.name for one in numeric)))
        put(self, "own", own)
        put(self, "colleagues", colleagues)
        attributes = frozenset(one.name for one in self.feature_set.attributes)
        put(self, "columns", frozenset(column for one in asked for column in one.columns) | attributes)
        put(self, "asked", tuple(dict.fromkeys(field for one in asked for field in one.answers)))
        put(self, "answers", bool(self.asked))
        put(self, "reads", own.reads | colleagues.reads | ({"content", "value"} if self.asked else frozenset()))
        put(self, "_direct", _direct(needs, own))
        put(self, "_direct_colleagues", _direct(needs, colleagues))
        put(self, "_called", tuple((i, one) for i, (one, need) in enumerate(zip(signals, needs, strict=True)) if need.computes))
        # What is read together stands together, so that each text is read once.
        read = [(i, need.reading) for i, need in enumerate(needs) if need.reading is not None]
        rows = tuple(_memo_rows(needs))
        put(self, "_readings", tuple(reading for _, reading in read))
        put(self, "_widths", np.array([[reading.of or 1] for _, reading in read], dtype=np.int64))
        put(self, "_told", np.array([*(i for _, targets, _ in rows for i in targets), *(i for i, _ in read)], dtype=np.int64))
        put(self, "_rows", tuple((compute, _first_or_these(sources)) for compute, _, sources in rows))
        put(self, "_fills", np.array([one.fill for one in signals], dtype=np.float64))

    def prepare(self, leads: Leads, log: ActivityLog, colleagues: Colleagues | None = None) -> Known:
        """What is the same for all observations: every activity's cell and the answers."""
        machine = machine_activity(log)
        theirs: NDArray[np.bool_] | None = None
        cells_of_colleagues: Ints | None = None
        if colleagues is not None:
            theirs = machine if colleagues.log is log else machine_activity(colleagues.log)
            if self.colleagues.needs:
                cells_of_colleagues = self.colleagues.cells(colleagues.log, theirs)
        return Known(
            leads,
            log,
            machine,
            self.own.cells(log, machine),
            Answers.of(log, self.asked, self.declared),
            colleagues,
            theirs,
            cells_of_colleagues,
            self._read_texts(leads),
        )

    def _read_texts(self, leads: Leads) -> tuple[Column, Ints]:
        """What all readings make of all texts, one after another, and where each reading of a missing text stands, before the others."""
        known: list[float] = []
        missing: list[int] = []
        begins: dict[tuple[str, Callable[[str], Any]], int] = {}
        for name, meaning, place, of in self._readings:
            begin = begins.get((name, meaning))
            if begin is None:
                begin = begins[name, meaning] = len(known)
                text = leads.text(name)
                known.extend(_UNREAD[: of or 1])
                if text is not None:
                    read = map(meaning, text.values)
                    known.extend(read if of is None else chain.from_iterable(read))
            missing.append(begin + place)
        return np.array(known), np.array(missing, dtype=np.int64)[:, None]

    def fill(self, numbers: NDArray[np.float64], block: Block) -> None:
        """Writes the block's rows of `numbers`."""
        targets, sources = self._direct
        if len(targets):
            numbers[:, targets] = block.own_aggregates.take(sources, axis=1)
        targets, sources = self._direct_colleagues
        if len(targets):
            numbers[:, targets] = block.colleague_aggregates.take(sources, axis=1)
        told = [_rows_of(block.memo(compute), sources) for compute, sources in self._rows]
        if self._readings:
            told.append(block.readings([one.column for one in self._readings], self._widths))
        if told:
            numbers[:, self._told] = np.concatenate(told).T
        whole = History(block)
        for i, one in self._called:
            numbers[:, i] = one.function(whole if one.within is None else whole.within(one.within))
        width = len(self.signals)
        part = numbers[:, :width]
        np.copyto(part, self._fills, where=np.isnan(part))
        for i, attribute in enumerate(self.numeric, start=width):
            numbers[:, i] = block.number(attribute.name)


def _memo_rows(needs: Sequence[Needs]) -> Iterator[tuple[Callable[[History], Column], Ints, Ints]]:
    """Each memo of which signals are rows: where they go, and which rows they are."""
    found: dict[Callable[[History], Column], list[tuple[int, int]]] = {}
    for i, one in enumerate(needs):
        if one.row is not None:
            found.setdefault(one.row[0], []).append((i, one.row[1]))
    for compute, pairs in found.items():
        targets, sources = np.array(sorted(pairs, key=itemgetter(1)), dtype=np.int64).T
        yield compute, targets, sources


def _first_or_these(rows: Ints) -> Ints | int:
    """So many rows where they are the first ones in order."""
    return len(rows) if bool((rows == np.arange(len(rows))).all()) else rows


def _rows_of(memo: Column, rows: Ints | int) -> Column:
    """The first rows of a memo, most of the time all there are, or these rows of it."""
    return memo[:rows] if isinstance(rows, int) else memo.take(rows, axis=0)


def _direct(needs: Sequence[Needs], aggregator: Aggregator) -> tuple[Ints, Ints]:
    """Which output columns are plain copies of which aggregates."""
    pairs = [(i, aggregator.position[one.direct]) for i, one in enumerate(needs) if one.direct in aggregator.position]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
