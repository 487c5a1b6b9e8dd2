"""The one engine that evaluates signals: whole columns, for one lead and for millions alike.

In: leads, their activities (clustered by lead, in time order), observations `(lead, as_of)` and a feature set.
Out: a `SignalTable`, one row an observation. There is no second implementation for one lead.

What must be computed is found by rehearsal: a `Plan` runs each signal once on an empty history that notes what it asks
for, so that all aggregates of all signals come out of one pass over the activities (`features/aggregates.py`). Blocks of
some hundred observations (`features/block.py`) keep the work in the cache; no result depends on where blocks are cut.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.aggregates import Aggregator, selector_of
from features.answers import Answers
from features.block import Block, Known
from features.colleagues import Colleagues
from features.declarations import Declarations
from features.forms import Forms, Linear, Ratio
from features.history import ActivityLog, Column, History, Leads, Observations, TextColumn
from features.machines import machine_activity
from features.own_types import own_signals
from features.readings import Readings
from features.rehearsal import Needs, height_of, needs_of, rehearse
from features.segments import runs
from features.signal import Attribute, FeatureSet, Signal
from features.topics import about

__all__ = ["Colleagues", "Needs", "Plan", "SignalTable", "evaluate", "needs_of"]

Ints = NDArray[np.int64]

_BLOCK_ROWS = 32_768
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
    numbers = np.empty((len(plan.names), n))
    known = plan.prepare(leads, log, colleagues)
    categories = [one.name for one in plan.feature_set.attributes if one.kind == "category"]
    block: Block | None = None
    for start, stop in runs(log.starts, observations.lead, _BLOCK_ROWS, _BLOCK_OBSERVATIONS):
        part = observations if stop - start == n else Observations(observations.lead[start:stop], observations.as_of[start:stop])
        block = Block(plan, known, part)
        numbers[:, start:stop] = plan.compute(block)
        if also is not None:
            also(History(block), start)
        if progress is not None:
            progress(stop)
    if block is None or block.size < n:
        block = Block(plan, known, observations)
    return SignalTable(plan.names, numbers.T, {name: block.text(name) for name in categories})


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
    _memos: tuple[Callable[[History], Column], ...] = field(init=False)
    """What signals are rows of, sums and ratios of aggregates last."""
    _readings: Readings = field(init=False)
    """What signals are readings of text columns."""
    _called: tuple[Signal, ...] = field(init=False)
    """Signals that only their functions know."""
    _order: Ints = field(init=False)
    """Where each output column stands among everything computed: aggregates, memos, readings, called signals, attributes."""
    _fills: Column = field(init=False)

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
        self._lay_out(needs)

    def _lay_out(self, needs: Sequence[Needs]) -> None:
        """Settles in which order everything is computed, and where each output column is then."""
        put = object.__setattr__
        readings = [need.reading for need in needs if need.reading is not None]
        sums = [need.form for need in needs if isinstance(need.form, Linear) and need.direct is None]
        ratios = [need.form for need in needs if isinstance(need.form, Ratio)]
        memos: list[Callable[[History], Column]] = list(dict.fromkeys(need.row[0] for need in needs if need.row is not None))
        begins, begin = list[int](), len(self.own.needs) + len(self.colleagues.needs)
        memos.append(Forms(sums, ratios))
        for compute in memos:
            begins.append(begin)
            begin += height_of(compute, self.declared)
        reading, called = iter(range(begin, begin + len(readings))), iter(range(begin + len(readings), sys.maxsize))
        form = {id(one): begins[-1] + i for i, one in enumerate([*sums, *ratios])}
        order = []
        for need in needs:
            if need.direct in self.own.position:
                order.append(self.own.position[need.direct])
            elif need.direct is not None:
                order.append(len(self.own.needs) + self.colleagues.position[need.direct])
            elif need.form is not None:
                order.append(form[id(need.form)])
            elif need.row is not None:
                order.append(begins[memos.index(need.row[0])] + need.row[1])
            else:
                order.append(next(called if need.reading is None else reading))
        order += [next(called) for _ in self.numeric]
        put(self, "_memos", tuple(memos if form else memos[:-1]))
        put(self, "_readings", Readings(readings))
        put(self, "_called", tuple(one for one, need in zip(self.signals, needs, strict=True) if need.computes))
        put(self, "_order", np.array(order, dtype=np.int64))
        put(self, "_fills", np.array([one.fill for one in self.signals])[:, None])

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
            self._readings.table(leads),
        )

    def compute(self, block: Block) -> Column:
        """(column, observation): everything, of the block's observations."""
        whole = History(block)
        parts = [block.own_aggregates] if self.own.needs else []
        if self.colleagues.needs:
            parts.append(block.colleague_aggregates)
        parts += map(block.memo, self._memos)
        if self._readings:
            parts.append(block.readings(self._readings))
        singly = [one.function(whole if one.within is None else whole.within(one.within)) for one in self._called]
        singly += [block.number(one.name) for one in self.numeric]
        if singly:
            parts.append(np.array(singly))
        columns: Column = np.concatenate(parts).take(self._order, axis=0) if parts else np.empty((0, block.size))
        signals = columns[: len(self.signals)]
        np.copyto(signals, self._fills, where=np.isnan(signals))
        return columns
