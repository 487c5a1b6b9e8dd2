"""BANT: what speaks for and against Budget, Authority, Need and Timeline, as facts with source, age and weight.

In: the history of a block of leads. Out: for each dimension a strength from 0 to 1 (NaN: nothing is known, which is not
zero), a known flag, and on request the evidence behind them, fact by fact. Facts for a dimension add up as independent
hints do (one minus the product of what each leaves open); facts against it lower the result the same way, so that
contradictions weaken and stay visible. Answers age: each is worth half after its half-life.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.declarations import DIMENSIONS, Dimension
from features.history import DAY, Column, History, Need, select
from features.intent import HAND_RAISES
from features.signal import signal
from features.statements import says_when, says_who, says_yes
from features.titles import SENIORITY, read_title

__all__ = ["DIMENSIONS", "Dimension", "DimensionEvidence", "Hint", "evidence", "prepare"]

QUESTIONS: dict[Dimension, str] = {
    "budget": "Is there a budget for this, and what range has been set aside?",
    "authority": "Who else takes part in the decision, and who signs?",
    "need": "Which problem should this solve first, and what does it cost you today?",
    "timeline": "When should this be in use, and what happens if it is later?",
}

_MET = 0.5
_HALF_LIFE = {"budget": 180.0, "authority": 365.0, "need": 365.0, "timeline": 90.0}

Tell = Callable[[History, int], tuple[str, float | None]]
"""A fact in words and its age in days, of one observation."""


@dataclass(frozen=True)
class Stated:
    """The latest stated answer about a dimension: `most` times what it says, halved with every half-life."""

    dimension: Dimension
    most: float
    half_life: float
    source: str = "answer"

    def tell(self, history: History, row: int) -> tuple[str, float | None]:
        (text, ages), place = history.answers(DIMENSIONS), _ROW[self.dimension]
        return f"Said about {self.dimension}: “{text.values[text.codes[place, row]]}”", float(ages[place, row])


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

    def tell(self, history: History, row: int) -> tuple[str, float | None]:
        place = _DONE_ROW[self.words]
        age = float(history.memo(_ages)[place, row])
        known = age if age == age else None  # NaN is not equal to itself
        if not self.topics:
            return self.words, known
        times = round(float(history.memo(_visits)[place, row]))
        return f"{self.words} ({times} {'visit' if times == 1 else 'visits'} in 90 days)", known


@dataclass(frozen=True)
class Attributed:
    """What an attribute of the lead says."""

    dimension: Dimension
    source: str
    weight: Callable[[History], Column]
    tell: Tell


Fact = Stated | Done | Attributed
"""How much it says for (+) or against (-) its dimension is its weight, in [-1, 1] after ageing; NaN: nothing."""


class Hint(NamedTuple):
    """One fact about one lead."""

    fact: str
    source: str
    age: float | None
    weight: float

    def observed(self, as_of: int) -> int | None:
        """The instant (microseconds) at which it was observed."""
        return None if self.age is None else as_of - round(self.age * DAY)


class DimensionEvidence(NamedTuple):
    """What is known of one dimension of one lead."""

    status: Literal["met", "unmet", "unknown"]
    strength: float | None
    hints: tuple[Hint, ...]
    question: str | None


def evidence(history: History, row: int) -> dict[Dimension, DimensionEvidence]:
    """Every dimension of the observation at `row` of the block, with its facts, strongest first."""
    weights = history.memo(_weights)[:, row].tolist()
    strengths = history.memo(_strengths)[:, row].tolist()
    hints_of: dict[Dimension, list[Hint]] = {dimension: [] for dimension in DIMENSIONS}
    for fact, weight in zip(FACTS, weights, strict=True):
        if weight == weight and weight != 0.0:  # NaN is not equal to itself
            words, age = fact.tell(history, row)
            hints_of[fact.dimension].append(Hint(words, fact.source, age, weight))
    found: dict[Dimension, DimensionEvidence] = {}
    for position, (dimension, hints) in enumerate(hints_of.items()):
        against = 1.0
        for hint in hints:
            if hint.weight < 0.0:
                against *= 1.0 + hint.weight
        hints.sort(key=_force, reverse=True)
        strength = strengths[position]
        known = strength == strength
        status: Literal["met", "unmet", "unknown"] = "unknown"
        if known and strength >= _MET:
            status = "met"
        elif known and against <= 1.0 - _MET:
            status = "unmet"
        question = None if status == "met" else QUESTIONS[dimension]
        found[dimension] = DimensionEvidence(status, strength if known else None, tuple(hints), question)
    return found


def prepare(history: History) -> None:
    """Asks for everything that `evidence` may ask for, so that a plan that rehearses this has it at hand."""
    for compute in (_weights, _ages, _visits):
        history.memo(compute)


def _force(hint: Hint) -> float:
    return abs(hint.weight)


def _ages(history: History) -> NDArray[np.float64]:
    """(fact of what was done, observation): days since it was last done, NaN for never."""
    return np.fmin.reduceat(history.together(_DONE_LAST), _DONE_STARTS)


def _visits(history: History) -> NDArray[np.float64]:
    """The same: how often within 90 days."""
    return np.add.reduceat(history.together(_DONE_COUNTS), _DONE_STARTS)


def _weights(history: History) -> NDArray[np.float64]:
    """(fact, observation): every fact's weight."""
    stated, done = len(_STATED), len(_DONE)
    _, age = history.answers(DIMENSIONS)
    amounts = np.add.reduceat(history.together(_DONE_AMOUNTS), _DONE_STARTS)
    weights = np.empty((len(FACTS), history.size))
    weights[:stated] = age * _AGEING
    weights[stated : stated + done] = -amounts
    np.exp2(weights[: stated + done], out=weights[: stated + done])
    weights[:stated] *= history.memo(_statements)
    shares = weights[stated : stated + done]
    np.subtract(1.0, shares, out=shares)
    weights[: stated + done] *= _MOST
    shares[amounts == 0.0] = np.nan  # no visit says nothing, which is not the same as zero
    for i, attributed in enumerate(_ATTRIBUTED, start=stated + done):
        weights[i] = attributed.weight(history)
    return weights.take(_PLACE, axis=0)


def _statements(history: History) -> NDArray[np.float64]:
    """(dimension, observation): what the latest answers say."""
    text, _ = history.answers(DIMENSIONS)
    statements = np.empty(text.codes.shape)
    for i, dimension in enumerate(DIMENSIONS):
        statements[i] = text.table(_READINGS[dimension])[text.codes[i]]
    return statements


def _strengths(history: History) -> NDArray[np.float64]:
    """(dimension, observation): strength in [0, 1], NaN where nothing is known.

    Facts stand grouped by dimension, so a product over each group is one `reduceat`.
    """
    weights = history.memo(_weights)
    # `fmax` and `fmin` take NaN, a fact that says nothing, for the 0 beside it.
    left = np.multiply.reduceat(1.0 - np.fmax(weights, 0.0), _GROUPS)
    kept = np.multiply.reduceat(1.0 + np.fmin(weights, 0.0), _GROUPS)
    strengths: NDArray[np.float64] = (1.0 - left) * kept
    strengths[np.logical_and.reduceat(np.isnan(weights), _GROUPS)] = np.nan
    return strengths


def _knowns(history: History) -> NDArray[np.float64]:
    """(dimension, observation): 1 where anything is known."""
    return (~np.isnan(history.memo(_strengths))).astype(np.float64)


@lru_cache(maxsize=65_536)
def _title_authority(title: str) -> float:
    seniority = read_title(title).seniority
    return np.nan if seniority == "unknown" else _AUTHORITY[seniority]


_AUTHORITY = dict(zip(SENIORITY, (-0.6, -0.3, 0.1, 0.2, 0.4, 0.6, 0.65, 0.75, 0.75), strict=True))


def _by_title(history: History) -> Column:
    return history.text("job_title").map(_title_authority)


def _tell_title(history: History, row: int) -> tuple[str, float | None]:
    title = history.text("job_title")
    return f"Job title: {title.values[title.codes[row]]}", None


def _by_revenue(history: History) -> Column:
    """Large companies have money, which is a weak hint that there is some for this: from a million to a hundred million."""
    revenue = history.number("annual_revenue")
    known = np.where(revenue > 0, revenue, np.nan)
    weight: Column = 0.125 * np.minimum(np.maximum(np.log10(known) - 6.0, 0.0), 2.0)
    return weight


def _tell_revenue(history: History, row: int) -> tuple[str, float | None]:
    return f"Company's annual revenue is about {float(history.number('annual_revenue')[row]):,.0f}", None


_VIEWS = ("page_view",)
FACTS: tuple[Fact, ...] = (
    Stated("budget", 0.9, _HALF_LIFE["budget"]),
    Attributed("budget", "company", _by_revenue, _tell_revenue),
    Done("budget", _VIEWS, ("pricing",), 0.35, "Looked at prices"),
    Stated("authority", 0.9, _HALF_LIFE["authority"]),
    Attributed("authority", "job title", _by_title, _tell_title),
    Stated("need", 0.85, _HALF_LIFE["need"]),
    Done("need", _VIEWS, ("docs", "integrations"), 0.35, "Read documentation or integrations"),
    Done("need", _VIEWS, ("comparison",), 0.25, "Compared us with competitors"),
    Done("need", ("webinar_attended",), (), 0.2, "Attended a webinar"),
    Stated("timeline", 0.9, _HALF_LIFE["timeline"]),
    Done("timeline", HAND_RAISES, (), 0.6, "Asked for a demo, a trial or a call"),
    Done("timeline", _VIEWS, ("demo", "trial"), 0.25, "Looked at demo or trial pages"),
)
"""Grouped by dimension, in the order of DIMENSIONS; one of them is what the lead stated."""
_ROW = {dimension: i for i, dimension in enumerate(DIMENSIONS)}
_GROUPS = np.array([next(i for i, fact in enumerate(FACTS) if fact.dimension == dimension) for dimension in DIMENSIONS])
_READINGS: dict[Dimension, Callable[[str], float]] = {
    "budget": says_yes,
    "authority": says_who,
    "need": says_yes,
    "timeline": says_when,
}
_STATED = [fact for fact in FACTS if isinstance(fact, Stated)]
_DONE = [fact for fact in FACTS if isinstance(fact, Done)]
_ATTRIBUTED = [fact for fact in FACTS if isinstance(fact, Attributed)]
_AGEING = np.array([-1.0 / fact.half_life for fact in _STATED])[:, None]
_MOST = np.array([*(fact.most for fact in _STATED), *(fact.most for fact in _DONE)])[:, None]
_DONE_ROW = {fact.words: i for i, fact in enumerate(_DONE)}
_DONE_AMOUNTS = tuple(need for fact in _DONE for need in fact.needs("decayed", 14.0))
_DONE_LAST = tuple(need for fact in _DONE for need in fact.needs("last", None))
_DONE_COUNTS = tuple(need for fact in _DONE for need in fact.needs("count", 90.0))
_DONE_STARTS = np.cumsum([0, *(max(len(fact.topics), 1) for fact in _DONE[:-1])])
_COMPUTED: list[Fact] = [*_STATED, *_DONE, *_ATTRIBUTED]
_PLACE = np.array([_COMPUTED.index(fact) for fact in FACTS])
"""Where `_weights` computes each fact."""


def _strength(history: History, dimension: Dimension) -> Column:
    return history.row(_strengths, _ROW[dimension])


def _known(history: History, dimension: Dimension) -> Column:
    return history.row(_knowns, _ROW[dimension])


def _statement(history: History, dimension: Dimension) -> Column:
    return history.row(_statements, _ROW[dimension])


@signal(family="budget", unit="strength", monotone=1)
def budget_strength(history: History) -> Column:
    """Budget is supported with strength {value:.2f} of 1."""
    return _strength(history, "budget")


@signal(family="budget", unit="yes or no", fill=0.0, words=("Nothing", "Something"))
def budget_known(history: History) -> Column:
    """{word} is known about budget."""
    return _known(history, "budget")


@signal(family="authority", unit="strength", monotone=1, revision=2)
def authority_strength(history: History) -> Column:
    """Authority is supported with strength {value:.2f} of 1."""
    return _strength(history, "authority")


@signal(family="authority", unit="yes or no", fill=0.0, revision=2, words=("Nothing", "Something"))
def authority_known(history: History) -> Column:
    """{word} is known about authority."""
    return _known(history, "authority")


@signal(family="need", unit="strength", monotone=1)
def need_strength(history: History) -> Column:
    """Need is supported with strength {value:.2f} of 1."""
    return _strength(history, "need")


@signal(family="need", unit="yes or no", fill=0.0, words=("Nothing", "Something"))
def need_known(history: History) -> Column:
    """{word} is known about need."""
    return _known(history, "need")


@signal(family="timeline", unit="strength", monotone=1)
def timeline_strength(history: History) -> Column:
    """Timeline is supported with strength {value:.2f} of 1."""
    return _strength(history, "timeline")


@signal(family="timeline", unit="yes or no", fill=0.0, words=("Nothing", "Something"))
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


@signal(family="budget", unit="statement")
def budget_stated(history: History) -> Column:
    """Latest answer about budget reads as {value:+.1f} (1 yes, 0.5 partly, -1 no)."""
    return _statement(history, "budget")


@signal(family="authority", unit="statement")
def authority_stated(history: History) -> Column:
    """Latest answer about who decides reads as {value:+.1f} (1 yes, 0.5 partly, -1 no)."""
    return _statement(history, "authority")


@signal(family="need", unit="statement")
def need_stated(history: History) -> Column:
    """Latest answer about the need reads as {value:+.1f} (1 yes, 0.5 partly, -1 no)."""
    return _statement(history, "need")


@signal(family="timeline", unit="statement")
def timeline_stated(history: History) -> Column:
    """Latest answer about timing reads as {value:+.1f} (1 within a quarter, 0.4 later, -1 not planned)."""
    return _statement(history, "timeline")
