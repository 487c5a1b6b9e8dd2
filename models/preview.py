"""What thresholds would do: volume, conversions, precision, revenue and share of conversions caught, from a bundle's tables.

In: the bundle's folder (`models/looks.py` says what is read) and, at each question, thresholds or a whole policy. Out: `Curves`, each
quantity at many thresholds; or a policy's two queues, whole and by segment. Volume counts who enters a week for the first time (who
reaches SQL has reached MQL; who comes again is told apart, as `returns`), through the last weeks before the bundle was trained where it
knows them, and else per week of arrival in the backtest or per 100 leads; precision is their conversion within the horizon, as
probability says and the backtest corrects it; caught are those who convert after they entered, of all who convert. What the intervals
hold is told in `models/promise.py`.

A policy's segments and arms are followed. BANT, raised hands, suppression lists, cool-down, silence and exploration are not: the tables
do not hold what they ask for, and `left_out` names those that the policy has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import BadData
from models.looks import Column, Looks, NoBacktest, Tables, read_tables
from models.promise import Estimate, Promise, Reached, number, promise
from models.qualification import Band, Policy, Thresholds

__all__ = ["Curves", "NoBacktest", "Preview", "UnknownSegment", "left_out"]

POINTS = 160
SINGLE_DRAWS = 2_000
"""For one threshold; the curves are drawn at many, and make do with fewer."""
MOST_VALUES = 12
MOST_PARTS = 64
"""Segments whose leads are kept apart for the next question."""
Queue = Literal["mql", "sql"]
_NAMES = ("volume", "precision", "caught", "conversions", "revenue", "returns", "capacity")
QUEUES: tuple[Queue, Queue] = ("mql", "sql")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class UnknownSegment(BadData):
    """There is no column `{column}` in this model's backtest to tell leads apart by: it has {known}."""


@dataclass(frozen=True)
class Curves:
    """What happens to leads that reach each threshold; thresholds ascend."""

    thresholds: Floats
    promise: Promise
    tested: Floats
    """Leads of the backtest that reach each threshold."""
    per: str
    leads: int
    conversions: int
    weeks: float | None

    @property
    def base_rate(self) -> float:
        return self.conversions / self.leads if self.leads else 0.0

    def place(self, threshold: float) -> int | None:
        """The lowest threshold that is not below this one; None where nothing reaches it."""
        at = int(np.searchsorted(self.thresholds, threshold - 1e-9, side="left"))
        return None if at == len(self.thresholds) else at

    def listed(self) -> dict[str, Any]:
        """Everything, for a page that computes as its sliders move."""
        found = self.promise
        return {
            "per": self.per,
            "weeks": self.weeks,
            "leads": self.leads,
            "conversions": self.conversions,
            "base_rate": number(self.base_rate),
            "thresholds": [float(t) for t in self.thresholds],
            "tested": [number(v) for v in self.tested],
            "volume": found.volume.listed(),
            "precision": found.precision.listed(),
            "caught": found.caught.listed(),
            "conversions_a_week": found.conversions.listed(),
            "revenue": found.revenue.listed() if found.revenue else None,
        }


class Preview:
    """The tables of one bundle, ready to be asked."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        backtest = tables.backtest
        assert backtest.y is not None
        won = backtest.last_won >= 0
        # Shares are of those who came; who was there before is looked at for what became of it when it entered.
        self.leads, self.conversions = int(backtest.born.sum()), int((won & backtest.born).sum())
        self._made: dict[tuple[str, tuple[str, ...], bool], Preview | None] = {}
        self._amounts = None
        if backtest.amount is not None:
            # A lead counts once, however often it was looked at.
            known = backtest.amount[backtest.last_won[won]]
            known = known[np.isfinite(known)]
            self._amounts = known if len(known) else None

    @classmethod
    def read(cls, bundle: Path) -> Preview:
        """The preview of a bundle; raises NoBacktest where there is nothing to answer from."""
        return cls(read_tables(bundle))

    @property
    def per(self) -> str:
        return "week" if self.tables.week is not None else "100 leads"

    @property
    def mean_amount(self) -> float | None:
        """What a conversion brought, on average; None where no amount is known."""
        return None if self._amounts is None else float(self._amounts.mean())

    @property
    def columns(self) -> dict[str, list[str]]:
        """The columns by which leads can be told apart, with their values, the most frequent first."""
        return {name: list(self.tables.backtest.columns[name].values) for name in self.tables.column_names}

    def column(self, name: str) -> Column:
        """A segment column of the looks that volumes are counted from."""
        if name not in self.tables.column_names:
            raise UnknownSegment(column=name, known=", ".join(self.tables.column_names) or "none")
        return self.tables.flow.columns[name]

    def within(self, column: str, values: Sequence[str]) -> Preview:
        """The same for the leads whose column has one of these values."""
        self.column(column)
        part = self.part(column, tuple(values))
        if part is None:
            raise NoBacktest(cause=f"no lead of it has {column} {', '.join(values)}")
        return part

    def part(self, column: str, values: tuple[str, ...], *, inside: bool = True) -> Preview | None:
        """The leads whose column has one of these values, or else all others; None for nobody. Kept for the next question."""
        key = column, values, inside
        if key not in self._made:
            if len(self._made) >= MOST_PARTS:
                self._made.clear()
            self._made[key] = self._cut(column, values, inside)
        return self._made[key]

    def prepare(self) -> None:
        """Makes what the first question by segment would have to wait for, of the columns that pages offer, as far as it is kept."""
        room = MOST_PARTS
        for column, values in self.columns.items():
            room -= len(values[:MOST_VALUES])
            if room < 0:
                break
            for queue in QUEUES:  # whatever the thresholds are, the same is looked up
                self.by_segment(Policy.at(0.5, 0.5), queue, column, draws=1)

    def _cut(self, column: str, values: tuple[str, ...], inside: bool) -> Preview | None:
        tables, course = self.tables, self.tables.course
        chosen = tables.backtest.columns[column].among(values) == inside
        if not chosen.any():
            return None
        flow = None if course is None else course.where(course.columns[column].among(values) == inside)
        return Preview(Tables(tables.backtest.where(chosen), flow, tables.share, tables.until, tables.weeks))

    def curves(self, *, points: int = POINTS, level: float = 0.95) -> Curves:
        """Everything at up to `points` thresholds, each one a probability that occurs."""
        tables = self.tables
        probability = tables.flow.probability
        edges = _thresholds(probability if len(probability) else tables.backtest.probability, points)
        flow, tested = _FromTop(tables.flow, edges), _FromTop(tables.backtest, self.as_deep(edges))
        weekly, worth = None, tables.worth
        if tables.week is not None:
            weeks = range(tables.weeks)
            weekly = np.array([flow.sums((tables.week == week).astype(np.float64)) for week in weeks]).reshape(len(weeks), len(edges))
        counted: Floats = np.ones(len(probability))
        if tables.week is not None:
            counted = ((tables.week >= 0) & (tables.week < tables.weeks)).astype(np.float64)
        reached = Reached(
            weekly,
            tables.share,
            float(self.leads),
            flow.sums(counted),
            flow.sums(counted * probability),
            tested.outcomes(),
            float(self.conversions),
            None if worth is None else flow.sums(counted * probability * worth),
        )
        return Curves(
            edges,
            promise(reached, self._amounts, level=level),
            tested=reached.outcomes[0],
            per=self.per,
            leads=self.leads,
            conversions=self.conversions,
            weeks=tables.weeks or None if tables.course is not None else tables.span_weeks,
        )

    def queue(self, policy: Policy, queue: Queue, *, level: float = 0.95, draws: int = SINGLE_DRAWS) -> dict[str, Any]:
        """What a policy would do into a queue; null figures where nobody reaches it, which is not the same as nobody would."""
        parts = list(self._parts(policy, queue))
        reached = self._together(parts)
        capacity: int | None = getattr(policy.capacity, queue)
        answer: dict[str, Any] = {"threshold": _band(policy, queue).enter, "reached": bool(reached.entered[0] > 0)}
        if not answer["reached"]:
            return answer | dict.fromkeys(_NAMES)
        found = promise(reached, self._amounts, capacity=capacity, level=level, draws=draws)
        answer |= _figures(found, 0)
        answer["returns"] = number(sum(one.share * one.of.returns(one.band) for one in parts))
        answer["capacity"] = None if capacity is None else _used(capacity, found)
        return answer

    def reached(self, enter: float) -> Reached:
        """Who enters at one threshold."""
        tables, flow, worth = self.tables, self.tables.flow, self.tables.worth
        rows = flow.first_entries(enter) if len(flow.probability) else np.zeros(0, np.int64)
        weekly = None
        if tables.week is not None:
            rows = rows[(tables.week[rows] >= 0) & (tables.week[rows] < tables.weeks)]
            weekly = np.bincount(tables.week[rows], minlength=tables.weeks).astype(np.float64)[:, None]
        p = flow.probability[rows]
        outcomes = _outcomes(tables.backtest, tables.backtest.first_entries(float(self.as_deep(np.array([enter]))[0])))[:, None]
        paid = None if worth is None else np.array([(p * worth[rows]).sum()])
        counted, expected = np.array([float(len(rows))]), np.array([p.sum()])
        return Reached(weekly, tables.share, float(self.leads), counted, expected, outcomes, float(self.conversions), paid)

    def returns(self, band: Band) -> float:
        """Entries a week of leads that had been in the queue, had left it and come again; NaN where the tables cannot say."""
        tables = self.tables
        if tables.course is None or tables.week is None or not tables.weeks:
            return float("nan")
        every, first = (
            int(((tables.week[rows] >= 0) & (tables.week[rows] < tables.weeks)).sum())
            for rows in (tables.course.entries(band.enter, band.exit), tables.course.first_entries(band.enter))
        )
        return max(every - first, 0) / tables.weeks / tables.share

    def as_deep(self, thresholds: Floats) -> Floats:
        """Where leads of the backtest have to be cut so that as large a share of them is reached as of the leads of the last weeks.

        The model that was measured is not the one that serves, and the steps of their probabilities differ: what can be compared
        is who stands at the top. Without `course` the backtest is all there is, and its thresholds are those asked for.
        """
        tables, course = self.tables, self.tables.course
        if course is None:
            return thresholds
        top = course.tops
        share = 1 - np.searchsorted(top, thresholds - 1e-12, side="left") / max(len(top), 1)
        deep = tables.backtest.tops[::-1]
        place = np.round(share * len(deep)).astype(np.int64)
        cut: Floats = np.where(place > 0, deep[np.clip(place - 1, 0, len(deep) - 1)], 2.0)
        return cut

    def by_segment(
        self, policy: Policy, queue: Queue, column: str, *, level: float = 0.95, draws: int = SINGLE_DRAWS
    ) -> list[dict[str, Any]]:
        """The same for each value of a column, the most frequent first; capacity is everybody's and bounds none of them."""
        values = self.column(column).values
        shown: list[dict[str, Any]] = []
        for value in values[:MOST_VALUES]:
            part = self.within(column, [value])
            row = part.queue(policy.model_copy(update={"capacity": type(policy.capacity)()}), queue, level=level, draws=draws)
            row.pop("capacity")
            shown.append({"value": value, "leads": part.leads} | row)
        return shown

    def _parts(self, policy: Policy, queue: Queue) -> Iterator[_Part]:
        """The leads that go by thresholds of their own: each segment, and of the rest each arm's share."""
        arms: list[tuple[float, Thresholds]] = [(1.0, policy)]
        if policy.experiment is not None:
            arms = [(one.share, one) for one in policy.experiment.arms]
            arms.append((1 - sum(share for share, _ in arms), policy))
        rest: Preview | None = self
        for segment in policy.segments:
            self.column(segment.column)
            if rest is not None:
                part, rest = (rest.part(segment.column, segment.values, inside=inside) for inside in (True, False))
                if part is not None:
                    yield _Part(1.0, _band(segment, queue), part)
        if rest is not None:
            yield from (_Part(share, _band(own, queue), rest) for share, own in arms)

    def _together(self, parts: Sequence[_Part]) -> Reached:
        """All parts in their shares."""
        each = [(one.share, one.of.reached(one.band.enter)) for one in parts]

        def total(values: Iterator[Any]) -> Any:  # noqa: ANN401 - arrays of one shape, or None
            some = list(values)
            return None if any(one is None for one in some) else sum(some[1:], start=some[0])

        def shared(name: str) -> Any:  # noqa: ANN401 - arrays of one shape, or None
            return total(None if (value := getattr(found, name)) is None else share * value for share, found in each)

        names = ("entered", "expected", "outcomes", "paid")
        entered, expected, outcomes, paid = (shared(name) for name in names)
        return Reached(shared("weekly"), self.tables.share, float(self.leads), entered, expected, outcomes, float(self.conversions), paid)


@dataclass(frozen=True)
class _Part:
    """Some of the leads, a share of whom goes by one band."""

    share: float
    band: Band
    of: Preview


class _FromTop:
    """Sums over the leads that reach each of many thresholds: over the rows that reach more than their lead had before."""

    def __init__(self, looks: Looks, edges: Floats) -> None:
        self.looks, self.size = looks, len(edges)
        # Thresholds may come in any order, and several may be the same.
        self.edges, self.place = np.unique(edges, return_inverse=True)
        # What went through a sum with the lead's number has lost digits.
        reached = np.searchsorted(self.edges, looks.rank + 1e-12, side="right") - 1
        before = np.searchsorted(self.edges, looks.highest_before + 1e-9, side="right") - 1
        enters = reached > before
        self.rows = np.flatnonzero(enters if looks.standing is None else enters & ~looks.standing)
        self.reached, self.before = reached[self.rows], before[self.rows]
        self.again = self.before >= 0

    def sums(self, weight: Floats) -> Floats:
        """Of a weight of each row, over those who reach each threshold."""
        mine, size = weight[self.rows], len(self.edges)
        at = np.bincount(self.reached, mine, size) - np.bincount(self.before[self.again], mine[self.again], size)
        found: Floats = at[::-1].cumsum()[::-1][self.place]
        return found

    def outcomes(self) -> Floats:
        """Of those who enter: how many, conversions, probabilities, p (1 - p), and those that convert at any time from then on."""
        looks = self.looks
        assert looks.y is not None
        p = looks.probability
        later = ((looks.last_won[looks.lead] >= np.arange(len(p))) & looks.born[looks.lead]).astype(np.float64)
        return np.array([self.sums(weight) for weight in (np.ones(len(p)), looks.y, p, p * (1 - p), later)])


def _outcomes(backtest: Looks, rows: Ints) -> Floats:
    """Of the rows at which leads enter, as `_FromTop.outcomes`."""
    assert backtest.y is not None
    p = backtest.probability[rows]
    later = (backtest.last_won[backtest.lead[rows]] >= rows) & backtest.born[backtest.lead[rows]]
    return np.array([len(rows), backtest.y[rows].sum(), p.sum(), (p * (1 - p)).sum(), later.sum()], dtype=np.float64)


def left_out(policy: Policy) -> list[str]:
    """The policy's rules that a preview does not follow: the tables do not hold what they ask for."""
    suppressed = policy.suppress
    asked = {
        "bant": any(one.sql.bant_met or one.sql.bant_required for one in (policy, *policy.segments)),
        "require_consent": policy.require_consent,
        "suppress": bool(suppressed.customers or suppressed.competitors or suppressed.students or suppressed.unsubscribed),
        "hand_raise": policy.hand_raise is not None,
        "cool_down_days": policy.cool_down_days > 0,
        "silence_days": policy.silence_days is not None,
        "explore": policy.explore is not None,
    }
    return [name for name, has in asked.items() if has]


def _band(thresholds: Thresholds, queue: Queue) -> Band:
    return thresholds.mql if queue == "mql" else thresholds.sql


def _figures(found: Promise, place: int) -> dict[str, Any]:
    figures: dict[str, Estimate | None] = {
        "volume": found.volume,
        "precision": found.precision,
        "caught": found.caught,
        "conversions": found.conversions,
        "revenue": found.revenue,
    }
    return {name: None if one is None else one.at(place) for name, one in figures.items()}


def _used(capacity: int, found: Promise) -> dict[str, Any]:
    assert found.full is not None
    assert found.wanted is not None
    used = float(found.volume.value[0]) / capacity if capacity else None
    return {
        "a_week": capacity,
        "wanted": number(float(found.wanted[0])),
        "used": None if used is None else number(used),
        "weeks_full": number(float(found.full[0])),
    }


def _thresholds(probability: Floats, points: int) -> Floats:
    """Every distinct probability, or evenly many of them by rank and by value."""
    distinct: Floats = np.unique(probability)
    if len(distinct) <= points:
        return distinct
    by_rank = np.quantile(probability, np.linspace(0, 1, points // 2), method="lower")
    by_value = distinct[np.searchsorted(distinct, np.linspace(distinct[0], distinct[-1], points // 2)).clip(max=len(distinct) - 1)]
    found: Floats = np.unique(np.concatenate([by_rank, by_value]))
    return found
