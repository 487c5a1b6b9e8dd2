"""BANT: what speaks for and against Budget, Authority, Need and Timeline, as facts with source, age and weight.

In: the history of a block of leads, and which of their columns are declared to be evidence. Out: for each dimension a
strength from 0 to 1 (NaN: nothing is known, which is not zero), a known flag, and on request the evidence behind them, fact
by fact. Facts for a dimension add up as independent hints do (one minus the product of what each leaves open); facts
against it lower the result the same way, so that contradictions weaken and stay visible. What was said ages: it is worth
half after its half-life. A column that nobody dated counts as if half of a half-life had passed, and says that it has no date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from features import fit
from features.declarations import DIMENSIONS, Declarations, Dimension, EvidenceColumn
from features.evidence_columns import column_statement, column_text
from features.history import Answered, Column, History, Need, TextColumn, Together, select
from features.intent import HAND_RAISES
from features.signal import signal
from features.statements import LATER, QUARTER, SOON, coming_end, names_date
from features.titles import SENIORITY, read_title

__all__ = ["DIMENSIONS", "Dimension", "DimensionEvidence", "Hint", "evidence", "facts_of", "prepare"]

QUESTIONS: dict[Dimension, str] = {
    "budget": "Is there a budget for this, and what range has been set aside?",
    "authority": "Who else takes part in the decision, and who signs?",
    "need": "Which problem should this solve first, and what does it cost you today?",
    "timeline": "When should this be in use, and what happens if it is later?",
}
DISAGREEMENTS: dict[Dimension, str] = {
    "budget": "What we know about the budget disagrees: is there one today, and how much?",
    "authority": "What we know about who decides disagrees: who decides today, and who signs?",
    "need": "What we know about the need disagrees: is it still there, and what does it cost you?",
    "timeline": "What we know about the timing disagrees: when should this be in use?",
}
"""What to ask where facts speak for and against."""

_MET = 0.5
_DISAGREES = 0.1
"""From this weight on, a fact against the others is a contradiction and not a nuance."""
_SUPERSEDED = 0.3
"""What remains of an answer once the contrary was answered later."""
_HALF_LIFE: dict[Dimension, float] = {"budget": 180.0, "authority": 365.0, "need": 365.0, "timeline": 90.0}
_STATED_MOST: dict[Dimension, float] = {"budget": 0.9, "authority": 0.9, "need": 0.85, "timeline": 0.9}
_UNDATED = 2.0**-0.5
"""What a column without a date is worth: as if half of its half-life had passed."""

Words = Callable[[History, int], tuple[str, float | None]]
"""A fact in words and its age in days, of one observation."""


class _Told(NamedTuple):
    """What facts of a block's observations are told from, as lists: of one lead that is a few dozen numbers."""

    weights: list[list[list[float]]]
    """Of each observation, as `_Layout.facts`, filled up with NaN."""
    strengths: list[list[float]]
    """Of each observation, as DIMENSIONS."""
    answers: TextColumn
    codes: list[list[list[int]]]
    """For and against, of each dimension, of each observation: what was answered; and how many days ago."""
    answered: list[list[list[float]]]
    done: list[list[float]]
    """Of each fact of what was done, of each observation: days since it was last done; and how often within 90 days."""
    visits: list[list[float]]


@dataclass(frozen=True)
class Stated:
    """The latest answer in favour of a dimension, or the latest against it: `most` times what it says, halved with every half-life.

    Of two that contradict each other the earlier one has been superseded, but not forgotten.
    """

    dimension: Dimension
    most: float
    half_life: float
    against: bool
    source: str = "answer"

    def tell(self, history: History, told: _Told, row: int) -> tuple[str, float | None]:
        """What was said, and when."""
        place = _ROW[self.dimension]
        age, contrary = told.answered[self.against][place][row], told.answered[not self.against][place][row]
        said = told.answers.values[told.codes[self.against][place][row]]
        return f"Said {'earlier ' if age > contrary else ''}about {self.dimension}: “{said}”", age


@dataclass(frozen=True)
class Done:
    """Fresh activities of some types, or visits to pages about some topics (half-life 14 days): each leaves half of the doubt."""

    dimension: Dimension
    types: tuple[str, ...]
    topics: tuple[str, ...]
    most: float
    words: str
    source: str = "behaviour"

    def needs(self, aggregate: str, number: float | None) -> list[Need]:
        """An aggregate of each topic, or of the types where there is none."""
        topics: tuple[str | None, ...] = self.topics or (None,)
        return [(aggregate, select(self.types, topic, None, False, False), number) for topic in topics]

    def tell(self, history: History, told: _Told, row: int) -> tuple[str, float | None]:
        place = _DONE_ROW[self.words]
        age = told.done[place][row]
        known = age if age == age else None  # NaN is not equal to itself
        if not self.topics:
            return self.words, known
        times = round(told.visits[place][row])
        return f"{self.words} ({times} {'visit' if times == 1 else 'visits'} in 90 days)", known


@dataclass(frozen=True)
class Attributed:
    """What an attribute of the lead says that is evidence without being declared."""

    dimension: Dimension
    source: str
    weight: Callable[[History], Column]
    words: Words

    def tell(self, history: History, told: _Told, row: int) -> tuple[str, float | None]:
        return self.words(history, row)


@dataclass(frozen=True)
class Recorded:
    """What a column says that is declared to be evidence, or called like it."""

    column: EvidenceColumn
    source: str = "column"

    @property
    def dimension(self) -> Dimension:
        return self.column.dimension

    def weight(self, history: History) -> Column:
        """`most` times what it says, halved with every half-life since it was written."""
        said, age = column_statement(self.column, history)
        fresh = np.exp2(age * (-1.0 / _HALF_LIFE[self.dimension]))
        weight: Column = _STATED_MOST[self.dimension] * said * np.where(np.isnan(age), _UNDATED, fresh)
        return weight

    def tell(self, history: History, told: _Told, row: int) -> tuple[str, float | None]:
        age = float(column_statement(self.column, history)[1][row])
        return f"{self.column.name}: {column_text(self.column, history, row)}", age if age == age else None


Fact = Stated | Done | Attributed | Recorded
"""How much it says for (+) or against (-) its dimension is its weight, in [-1, 1] after ageing; NaN: nothing."""


class Hint(msgspec.Struct, frozen=True, gc=False):
    """One fact about one lead."""

    fact: str
    source: str
    age: float | None
    """Days before the instant at which it was observed; None where nobody knows."""
    weight: float
    contradicts: bool = False
    """Whether it stands against what speaks louder."""


class DimensionEvidence(msgspec.Struct, frozen=True, gc=False):
    """What is known of one dimension of one lead."""

    status: Literal["met", "unmet", "unknown"]
    strength: float | None
    hints: tuple[Hint, ...]
    question: str | None


_NOTHING_KNOWN = {dimension: DimensionEvidence("unknown", None, (), question) for dimension, question in QUESTIONS.items()}


def evidence(history: History, row: int) -> dict[Dimension, DimensionEvidence]:
    """Every dimension of the observation at `row` of the block, with its facts, strongest first."""
    told, layout = history.memo(_told), _layout(history)
    found: dict[Dimension, DimensionEvidence] = {}
    for dimension, facts, weights, strength in zip(DIMENSIONS, layout.facts, told.weights[row], told.strengths[row], strict=True):
        if strength != strength:  # NaN is not equal to itself
            found[dimension] = _NOTHING_KNOWN[dimension]
            continue
        speaking = [(weight, fact) for weight, fact in zip(weights, facts, strict=False) if weight == weight and weight != 0.0]
        if len(speaking) > 1:
            speaking.sort(key=_force, reverse=True)
        loudest = speaking[0][0] if speaking else 0.0
        hints: list[Hint] = []
        against, disagreement = 1.0, False
        for weight, fact in speaking:
            words, age = fact.tell(history, told, row)
            contradicts = (weight > 0.0) != (loudest > 0.0) and abs(weight) >= _DISAGREES
            disagreement |= contradicts
            hints.append(Hint(words, fact.source, age, weight, contradicts))
        status: Literal["met", "unmet", "unknown"] = "unknown"
        if strength >= _MET:
            status = "met"
        else:
            for weight in weights:
                if weight < 0.0:  # NaN is not
                    against *= 1.0 + weight
            if against <= 1.0 - _MET:
                status = "unmet"
        question = DISAGREEMENTS[dimension] if disagreement else None if status == "met" else QUESTIONS[dimension]
        found[dimension] = DimensionEvidence(status, strength, tuple(hints), question)
    return found


def prepare(history: History) -> None:
    """Asks for everything that `evidence` may ask for, so that a plan that rehearses this has it at hand."""
    history.memo(_weights)
    if _layout(history).done:
        _ages(history), _visits(history)


def facts_of(declared: Declarations) -> tuple[Fact, ...]:
    """Every fact that is weighed, grouped by dimension in the order of DIMENSIONS."""
    return tuple(chain.from_iterable(_layout_of(declared).facts))


def _told(history: History) -> _Told:
    done = _layout(history).done
    answers = history.answers(DIMENSIONS) if done else Answered.none(0, 0)
    return _Told(
        history.memo(_weights).transpose(2, 0, 1).tolist(),
        history.memo(_strengths)[: len(DIMENSIONS)].T.tolist(),
        answers.text,
        answers.text.codes.tolist(),
        answers.age.tolist(),
        _ages(history).tolist() if done else [],
        _visits(history).tolist() if done else [],
    )


def _force(speaking: tuple[float, Fact]) -> float:
    return abs(speaking[0])


def _ages(history: History) -> NDArray[np.float64]:
    """(fact of what was done, observation): days since it was last done, NaN for never."""
    return np.fmin.reduceat(history.together(_DONE_LAST), _DONE_STARTS)


def _visits(history: History) -> NDArray[np.float64]:
    """The same: how often within 90 days."""
    return np.add.reduceat(history.together(_DONE_COUNTS), _DONE_STARTS)


def _weights(history: History) -> NDArray[np.float64]:
    """(dimension, fact, observation): every fact's weight, NaN in the places of no fact."""
    layout = _layout(history)
    weights = np.empty((layout.height, history.size))
    weights.fill(np.nan)
    if layout.done:
        answers = history.answers(DIMENSIONS)
        if answers.any:
            weights[: len(_STATED)] = _of_answers(answers, history.memo(_said))
        _weigh_behaviour(history, weights[len(_STATED) : len(_STATED) + len(_DONE)])
    for i, attributed in enumerate(layout.attributed, start=len(_STATED) + len(_DONE)):
        weights[i] = attributed.weight(history)
    return weights.take(layout.place, axis=0)


def _weigh_behaviour(history: History, shares: NDArray[np.float64]) -> None:
    """Writes the weight of everything that was done."""
    amounts = np.add.reduceat(history.together(_DONE_AMOUNTS), _DONE_STARTS)  # exact, as sums of fixed point
    np.exp2(np.negative(amounts, out=shares), out=shares)
    np.subtract(1.0, shares, out=shares)
    shares *= _MOST
    shares[amounts == 0.0] = np.nan  # no visit says nothing, which is not the same as zero


def _of_answers(answers: Answered, said: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the answers weigh, those in favour of each dimension and then those against."""
    weights = np.exp2(answers.age * _AGEING)
    weights *= said
    weights *= _STATED_MOST_OF
    weights[answers.age > answers.age[::-1]] *= _SUPERSEDED
    facts: NDArray[np.float64] = weights.reshape(-1, weights.shape[-1])
    return facts


def _said(history: History) -> NDArray[np.float64]:
    """What the latest answers say, with the dates that they name held against the instant; those that have passed say nothing."""
    answers, place = history.answers(DIMENSIONS), (0, _ROW["timeline"])
    if not answers.dated:
        return answers.said
    dates = answers.text.table(names_date)[answers.text.codes[place]]
    if not np.count_nonzero(dates == dates):  # NaN is not equal to itself
        return answers.said
    said, day = answers.said.copy(), history.day()
    if (dates < 0.0).any():
        dates = np.where(dates < 0.0, coming_end(dates, day - answers.age[place]), dates)
    ahead = dates + 1.0 - day  # till the end of the day
    said[place] = np.where(np.isnan(dates), said[place], np.where(ahead <= 0.0, np.nan, np.where(ahead <= QUARTER, SOON, LATER)))
    return said


def _statements(history: History) -> NDArray[np.float64]:
    """(dimension, observation): what the latest answers say."""
    answers, said = history.answers(DIMENSIONS), history.memo(_said)
    statements: NDArray[np.float64] = np.where(answers.order[1] > answers.order[0], said[1], said[0]) if answers.any else said[0]
    return statements


def _strengths(history: History) -> NDArray[np.float64]:
    """(dimension, observation): strength in [0, 1], NaN where nothing is known; then 1 where anything is, and 0.

    Facts stand grouped by dimension, as many in each, so the products over all groups are one.
    """
    weights = history.memo(_weights)
    found = np.empty((2 * len(DIMENSIONS), history.size))
    strengths, known = found[: len(DIMENSIONS)], found[len(DIMENSIONS) :]
    np.maximum.reduce(weights == weights, axis=1, dtype=np.float64, out=known)  # NaN is not equal to itself
    # For and against at once; `fmax` takes NaN, a fact that says nothing, for the 0 beside it.
    doubts = np.fmax(weights * _FOR_AND_AGAINST, 0.0)
    np.subtract(1.0, doubts, out=doubts)
    left, kept = np.multiply.reduce(doubts, axis=2)
    np.subtract(1.0, left, out=strengths)
    strengths *= kept
    strengths[known == 0.0] = np.nan
    return found


@lru_cache(maxsize=65_536)
def _title_authority(title: str) -> float:
    seniority = read_title(title).seniority
    return np.nan if seniority == "unknown" else _AUTHORITY[seniority]


_AUTHORITY = dict(zip(SENIORITY, (-0.6, -0.3, 0.1, 0.2, 0.4, 0.6, 0.65, 0.75, 0.75), strict=True))


def _by_title(history: History) -> Column:
    return history.text("job_title").map(_title_authority)


def _tell_title(history: History, row: int) -> tuple[str, float | None]:
    title = history.text("job_title")
    return f"Job title: {title.values[title.codes[row]]}", _written(history, "job_title", row)


def _by_revenue(history: History) -> Column:
    """Large companies have money, which is a weak hint that there is some for this: from a million to a hundred million."""
    weight: Column = 0.125 * np.minimum(np.maximum(np.log10(history.row(fit.revenue, 0)) - 6.0, 0.0), 2.0)
    return weight


def _tell_revenue(history: History, row: int) -> tuple[str, float | None]:
    revenue = float(history.row(fit.revenue, 0)[row])
    return f"Company's annual revenue is about {revenue:,.0f}", _written(history, "annual_revenue", row)


def _written(history: History, column: str, row: int) -> float | None:
    age = float(history.written(column)[row])
    return age if age == age else None


_VIEWS = ("page_view",)
_STATED = [
    Stated(dimension, _STATED_MOST[dimension], _HALF_LIFE[dimension], against) for against in (False, True) for dimension in DIMENSIONS
]
_DONE = [
    Done("budget", _VIEWS, ("pricing",), 0.35, "Looked at prices"),
    Done("need", _VIEWS, ("docs", "integrations"), 0.35, "Read documentation or integrations"),
    Done("need", _VIEWS, ("comparison",), 0.25, "Compared us with competitors"),
    Done("need", ("webinar_attended",), (), 0.2, "Attended a webinar"),
    Done("timeline", HAND_RAISES, (), 0.6, "Asked for a demo, a trial or a call"),
    Done("timeline", _VIEWS, ("demo", "trial"), 0.25, "Looked at demo or trial pages"),
]
_ATTRIBUTED = [
    Attributed("budget", "company", _by_revenue, _tell_revenue),
    Attributed("authority", "job title", _by_title, _tell_title),
]
_ROW = {dimension: i for i, dimension in enumerate(DIMENSIONS)}
_AGEING = np.array([-1.0 / _HALF_LIFE[dimension] for dimension in DIMENSIONS])[:, None]
_FOR_AND_AGAINST = np.array([1.0, -1.0])[:, None, None, None]
_STATED_MOST_OF = np.array([_STATED_MOST[dimension] for dimension in DIMENSIONS])[:, None]
_MOST = np.array([fact.most for fact in _DONE])[:, None]
_DONE_ROW = {fact.words: i for i, fact in enumerate(_DONE)}
_DONE_AMOUNTS = Together(need for fact in _DONE for need in fact.needs("decayed", 14.0))
_DONE_LAST = Together(need for fact in _DONE for need in fact.needs("last", None))
_DONE_COUNTS = Together(need for fact in _DONE for need in fact.needs("count", 90.0))
_DONE_STARTS = np.cumsum([0, *(max(len(fact.topics), 1) for fact in _DONE[:-1])])


@dataclass(frozen=True)
class _Layout:
    """Which facts there are, and where `_weights` computes each."""

    facts: tuple[tuple[Fact, ...], ...]
    """Of each dimension, in the order of DIMENSIONS."""
    attributed: tuple[Attributed | Recorded, ...]
    done: bool
    """Whether answers and behaviour count: what was learnt from a flat table knows none, so those of a request must not move it."""
    place: NDArray[np.intp]
    """(dimension, fact), the smaller groups filled up with the row that is computed of no fact."""
    height: int
    """How many rows are computed: one more than there are facts."""


def _layout(history: History) -> _Layout:
    return _layout_of(history.declared)


@lru_cache(maxsize=64)
def _layout_of(declared: Declarations) -> _Layout:
    attributed: tuple[Attributed | Recorded, ...] = (*_ATTRIBUTED, *(Recorded(one) for one in declared.columns))
    computed: list[Fact] = [*_STATED, *_DONE, *attributed]
    groups = [[i for i, fact in enumerate(computed) if fact.dimension == dimension] for dimension in DIMENSIONS]
    most = max(map(len, groups))
    place = np.array([[*group, *[len(computed)] * (most - len(group))] for group in groups])
    facts = tuple(tuple(computed[i] for i in group) for group in groups)
    return _Layout(facts, attributed, declared.instants, place, len(computed) + 1)


def _strength(history: History, dimension: Dimension) -> Column:
    return history.row(_strengths, _ROW[dimension])


def _known(history: History, dimension: Dimension) -> Column:
    return history.row(_strengths, len(DIMENSIONS) + _ROW[dimension])


def _statement(history: History, dimension: Dimension) -> Column:
    return history.row(_statements, _ROW[dimension])


@signal(family="budget", unit="strength", monotone=1, revision=2)
def budget_strength(history: History) -> Column:
    """Budget is supported with strength {value:.2f} of 1."""
    return _strength(history, "budget")


@signal(family="budget", unit="yes or no", fill=0.0, revision=2, words=("Nothing", "Something"))
def budget_known(history: History) -> Column:
    """{word} is known about budget."""
    return _known(history, "budget")


@signal(family="authority", unit="strength", monotone=1, revision=3)
def authority_strength(history: History) -> Column:
    """Authority is supported with strength {value:.2f} of 1."""
    return _strength(history, "authority")


@signal(family="authority", unit="yes or no", fill=0.0, revision=3, words=("Nothing", "Something"))
def authority_known(history: History) -> Column:
    """{word} is known about authority."""
    return _known(history, "authority")


@signal(family="need", unit="strength", monotone=1, revision=2)
def need_strength(history: History) -> Column:
    """Need is supported with strength {value:.2f} of 1."""
    return _strength(history, "need")


@signal(family="need", unit="yes or no", fill=0.0, revision=2, words=("Nothing", "Something"))
def need_known(history: History) -> Column:
    """{word} is known about need."""
    return _known(history, "need")


@signal(family="timeline", unit="strength", monotone=1, revision=2)
def timeline_strength(history: History) -> Column:
    """Timeline is supported with strength {value:.2f} of 1."""
    return _strength(history, "timeline")


@signal(family="timeline", unit="yes or no", fill=0.0, revision=2, words=("Nothing", "Something"))
def timeline_known(history: History) -> Column:
    """{word} is known about the timeline."""
    return _known(history, "timeline")


@signal(family="need", unit="visits", within="30d", fill=0.0)
def docs_visits_30d(history: History) -> Column:
    """Read documentation {value:.0f} times in the last 30 days."""
    return history.activities("page_view", topic="docs").count()


@signal(family="need", unit="visits", within="30d", fill=0.0)
def integration_visits_30d(history: History) -> Column:
    """Looked at integrations {value:.0f} times in the last 30 days."""
    return history.activities("page_view", topic="integrations").count()


@signal(family="timeline", unit="visits", within="30d", fill=0.0)
def demo_page_visits_30d(history: History) -> Column:
    """Looked at the demo page {value:.0f} times in the last 30 days."""
    return history.activities("page_view", topic="demo").count()


@signal(family="budget", unit="visits", within="90d", fill=0.0)
def pricing_visits_90d(history: History) -> Column:
    """Visited pricing pages {value:.0f} times in the last 90 days."""
    return history.activities("page_view", topic="pricing").count()


@signal(family="budget", unit="statement", revision=2)
def budget_stated(history: History) -> Column:
    """Latest answer about budget reads as {value:+.1f} (1 yes, 0.5 partly, -1 no)."""
    return _statement(history, "budget")


@signal(family="authority", unit="statement", revision=2)
def authority_stated(history: History) -> Column:
    """Latest answer about who decides reads as {value:+.1f} (1 yes, 0.5 partly, -1 no)."""
    return _statement(history, "authority")


@signal(family="need", unit="statement", revision=2)
def need_stated(history: History) -> Column:
    """Latest answer about the need reads as {value:+.1f} (1 yes, 0.5 partly, -1 no)."""
    return _statement(history, "need")


@signal(family="timeline", unit="statement", revision=2)
def timeline_stated(history: History) -> Column:
    """Latest answer about timing reads as {value:+.1f} (1 within a quarter, 0.4 later, -1 not planned)."""
    return _statement(history, "timeline")
