"""BANT: what speaks for and against Budget, Authority, Need and Timeline, as facts with source, age and weight.

In: the history of a block of leads. Out: for each dimension a strength from 0 to 1 (NaN: nothing is known, which is not
zero), a known flag, and on request the evidence behind them, fact by fact. Facts for a dimension add up as independent
hints do (one minus the product of what each leaves open); facts against it lower the result the same way, so that
contradictions weaken and stay visible. Answers age: each is worth half after its half-life.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from features.history import DAY, Column, History
from features.intent import HAND_RAISES
from features.signal import signal
from features.titles import SENIORITY, read_title

__all__ = ["DIMENSIONS", "Dimension", "DimensionEvidence", "Hint", "evidence"]

Dimension = Literal["budget", "authority", "need", "timeline"]
DIMENSIONS: tuple[Dimension, ...] = ("budget", "authority", "need", "timeline")

QUESTIONS: dict[Dimension, str] = {
    "budget": "Is there a budget for this, and what range has been set aside?",
    "authority": "Who else takes part in the decision, and who signs?",
    "need": "Which problem should this solve first, and what does it cost you today?",
    "timeline": "When should this be in use, and what happens if it is later?",
}

_MET = 0.5
_HALF_LIFE = {"budget": 180.0, "authority": 365.0, "need": 365.0, "timeline": 90.0}
_NO = re.compile(r"\b(?:no|none|never|not|nothing|ningun[oa]?|nada|nunca|sin|without|n/?a|student|estudiante|just looking|solo mirando)\b")
_UNSURE = re.compile(
    r"\b(?:unknown|unsure|not sure|maybe|perhaps|desconocid[oa]|no s[eé]|no lo s[eé]|quiz[aá]s?|tal vez|depends|depende)\b"
)
_PARTLY = re.compile(
    r"\b(?:pending|planned|planning|next year|pr[oó]ximo a[nñ]o|pendiente|previsto|influenc\w+|recommend\w*|recomiend\w*|evaluat\w*|evalu\w+|part\w*|explor\w*|someday|later|12 months|12 meses|this year|este a[nñ]o)\b"
)
_SOON = re.compile(
    r"\b(?:now|asap|today|immediate\w*|inmediat\w*|ya|ahora|urgent\w*|this (?:week|month|quarter)|next (?:week|month|quarter)|este (?:mes|trimestre)|esta semana|pr[oó]xim[oa] (?:semana|mes|trimestre)|[1-3] (?:months?|mes(?:es)?)|\d+ (?:days?|d[ií]as|weeks?|semanas))\b"
)


@dataclass(frozen=True)
class Fact:
    """One kind of fact: how much it says for (+) or against (-) its dimension, in [-1, 1] after ageing; NaN: nothing."""

    dimension: Dimension
    source: str
    weight: Callable[[History], Column]
    tell: Callable[[History, int], tuple[str, float | None]]
    """The fact in words and its age in days, of one observation."""


@dataclass(frozen=True)
class Hint:
    """One fact about one lead."""

    fact: str
    source: str
    age: float | None
    weight: float

    def observed(self, as_of: int) -> int | None:
        """The instant (microseconds) at which it was observed."""
        return None if self.age is None else as_of - round(self.age * DAY)


@dataclass(frozen=True)
class DimensionEvidence:
    """What is known of one dimension of one lead."""

    status: Literal["met", "unmet", "unknown"]
    strength: float | None
    hints: tuple[Hint, ...]
    question: str | None


def evidence(history: History, row: int) -> dict[Dimension, DimensionEvidence]:
    """Every dimension of the observation at `row` of the block, with its facts, strongest first."""
    weights = history.memo(_weights)[row].tolist()
    strengths = history.memo(_strengths)[row].tolist()
    found: dict[Dimension, DimensionEvidence] = {}
    for position, dimension in enumerate(DIMENSIONS):
        hints: list[Hint] = []
        against = 1.0
        for fact, weight in zip(FACTS, weights, strict=True):
            if fact.dimension == dimension and weight == weight and weight != 0.0:  # NaN is not equal to itself
                words, age = fact.tell(history, row)
                hints.append(Hint(words, fact.source, age, weight))
                against *= 1.0 - max(-weight, 0.0)
        hints.sort(key=lambda hint: -abs(hint.weight))
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


def _weights(history: History) -> NDArray[np.float64]:
    """(observation, fact): every fact's weight."""
    return np.stack([fact.weight(history) for fact in FACTS], axis=1)


def _strengths(history: History) -> NDArray[np.float64]:
    """(observation, dimension): strength in [0, 1], NaN where nothing is known.

    Facts stand grouped by dimension, so a product over each group is one `reduceat`.
    """
    weights = history.memo(_weights)
    known = ~np.isnan(weights)
    weights = np.where(known, weights, 0.0)
    left = np.multiply.reduceat(1.0 - np.maximum(weights, 0.0), _GROUPS, axis=1)
    kept = np.multiply.reduceat(1.0 + np.minimum(weights, 0.0), _GROUPS, axis=1)
    return np.where(np.logical_or.reduceat(known, _GROUPS, axis=1), (1.0 - left) * kept, np.nan)


@lru_cache(maxsize=16_384)
def _stated(text: str) -> float:
    """What an answer says: 1 yes, 0.5 partly, -1 no, NaN nothing.

    >>> _stated("approved"), _stated("no budget"), _stated("planned for next year")
    (1.0, -1.0, 0.5)
    """
    plain = text.strip().lower()[:200]
    if not plain or _UNSURE.search(plain):
        return np.nan
    if _NO.search(plain):
        return -1.0
    return 0.5 if _PARTLY.search(plain) else 1.0


@lru_cache(maxsize=16_384)
def _stated_soon(text: str) -> float:
    """What an answer about timing says: 1 within a quarter, 0.4 later, -1 not planned, NaN nothing."""
    plain = text.strip().lower()[:200]
    if not plain or _UNSURE.search(plain):
        return np.nan
    if _SOON.search(plain):
        return 1.0
    return -1.0 if _NO.search(plain) else 0.4


@lru_cache(maxsize=65_536)
def _title_authority(title: str) -> float:
    seniority = read_title(title).seniority
    return np.nan if seniority == "unknown" else _AUTHORITY[seniority]


_AUTHORITY = dict(zip(SENIORITY, (-0.6, -0.3, 0.1, 0.2, 0.4, 0.6, 0.65, 0.75, 0.75), strict=True))


def _answer(dimension: Dimension, meaning: Callable[[str], float], most: float) -> Fact:
    """The latest stated answer, halved with every half-life of its dimension."""
    half_life = _HALF_LIFE[dimension]

    def weight(history: History) -> Column:
        text, age = history.answer(dimension)
        return most * text.map(meaning) * np.exp2(-age / half_life)

    def tell(history: History, row: int) -> tuple[str, float | None]:
        text, age = history.answer(dimension)
        return f"Said about {dimension}: “{text.values[text.codes[row]]}”", float(age[row])

    return Fact(dimension, "answer", weight, tell)


def _visits(dimension: Dimension, topics: tuple[str, ...], most: float, words: str) -> Fact:
    """Fresh visits to pages about these topics (half-life 14 days): each leaves half of the doubt."""

    def decayed(history: History) -> Column:
        return sum((history.activities("page_view", topic=topic).decayed(14) for topic in topics), np.zeros(history.size))

    def weight(history: History) -> Column:
        return _some(decayed(history), most)

    def tell(history: History, row: int) -> tuple[str, float | None]:
        times = sum(float(history.within(90).activities("page_view", topic=topic).count()[row]) for topic in topics)
        ages = [float(history.activities("page_view", topic=topic).days_since_last()[row]) for topic in topics]
        return f"{words} ({times:.0f} visits in 90 days)", min((age for age in ages if age == age), default=None)

    return Fact(dimension, "behaviour", weight, tell)


def _deeds(dimension: Dimension, types: tuple[str, ...], most: float, words: str) -> Fact:
    """Fresh activities of these types (half-life 14 days)."""

    def weight(history: History) -> Column:
        return _some(history.activities(*types).decayed(14), most)

    def tell(history: History, row: int) -> tuple[str, float | None]:
        return words, float(history.activities(*types).days_since_last()[row])

    return Fact(dimension, "behaviour", weight, tell)


def _some(amount: Column, most: float) -> Column:
    """`most` × (1 - 2^-amount), and NaN for nothing at all: no visit says nothing."""
    return np.where(amount > 0, most * (1.0 - np.exp2(-amount)), np.nan)


def _by_title(history: History) -> Column:
    return history.text("job_title").map(_title_authority)


def _tell_title(history: History, row: int) -> tuple[str, float | None]:
    title = history.text("job_title")
    return f"Job title: {title.values[title.codes[row]]}", None


def _by_revenue(history: History) -> Column:
    """Large companies have money, which is a weak hint that there is some for this."""
    revenue = history.number("annual_revenue")
    return np.where(revenue > 0, 0.25 * np.clip(np.log10(np.maximum(revenue, 1.0)) - 6.0, 0.0, 2.0) / 2.0, np.nan)


def _tell_revenue(history: History, row: int) -> tuple[str, float | None]:
    return f"Company's annual revenue is about {float(history.number('annual_revenue')[row]):,.0f}", None


FACTS: tuple[Fact, ...] = (
    _answer("budget", _stated, 0.9),
    Fact("budget", "company", _by_revenue, _tell_revenue),
    _visits("budget", ("pricing",), 0.35, "Looked at prices"),
    _answer("authority", _stated, 0.9),
    Fact("authority", "job title", _by_title, _tell_title),
    _answer("need", _stated, 0.85),
    _visits("need", ("docs", "integrations"), 0.35, "Read documentation or integrations"),
    _visits("need", ("comparison",), 0.25, "Compared us with competitors"),
    _deeds("need", ("webinar_attended",), 0.2, "Attended a webinar"),
    _answer("timeline", _stated_soon, 0.9),
    _deeds("timeline", HAND_RAISES, 0.6, "Asked for a demo, a trial or a call"),
    _visits("timeline", ("demo", "trial"), 0.25, "Looked at demo or trial pages"),
)
"""Grouped by dimension, in the order of DIMENSIONS."""
_GROUPS = np.array([next(i for i, fact in enumerate(FACTS) if fact.dimension == dimension) for dimension in DIMENSIONS])


def _strength(history: History, dimension: Dimension) -> Column:
    column: Column = history.memo(_strengths)[:, DIMENSIONS.index(dimension)]
    return column


def _known(history: History, dimension: Dimension) -> Column:
    return (~np.isnan(_strength(history, dimension))).astype(np.float64)


@signal(family="budget", unit="strength", monotone=1)
def budget_strength(history: History) -> Column:
    """Budget is supported with strength {value:.2f} of 1."""
    return _strength(history, "budget")


@signal(family="budget", unit="yes or no", fill=0.0)
def budget_known(history: History) -> Column:
    """Something is known about budget ({value:.0f}: 1 is yes)."""
    return _known(history, "budget")


@signal(family="authority", unit="strength", monotone=1)
def authority_strength(history: History) -> Column:
    """Authority is supported with strength {value:.2f} of 1."""
    return _strength(history, "authority")


@signal(family="authority", unit="yes or no", fill=0.0)
def authority_known(history: History) -> Column:
    """Something is known about authority ({value:.0f}: 1 is yes)."""
    return _known(history, "authority")


@signal(family="need", unit="strength", monotone=1)
def need_strength(history: History) -> Column:
    """Need is supported with strength {value:.2f} of 1."""
    return _strength(history, "need")


@signal(family="need", unit="yes or no", fill=0.0)
def need_known(history: History) -> Column:
    """Something is known about need ({value:.0f}: 1 is yes)."""
    return _known(history, "need")


@signal(family="timeline", unit="strength", monotone=1)
def timeline_strength(history: History) -> Column:
    """Timeline is supported with strength {value:.2f} of 1."""
    return _strength(history, "timeline")


@signal(family="timeline", unit="yes or no", fill=0.0)
def timeline_known(history: History) -> Column:
    """Something is known about the timeline ({value:.0f}: 1 is yes)."""
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
    return history.answer("budget")[0].map(_stated)


@signal(family="authority", unit="statement")
def authority_stated(history: History) -> Column:
    """Latest answer about who decides reads as {value:+.1f} (1 yes, 0.5 partly, -1 no)."""
    return history.answer("authority")[0].map(_stated)


@signal(family="need", unit="statement")
def need_stated(history: History) -> Column:
    """Latest answer about the need reads as {value:+.1f} (1 yes, 0.5 partly, -1 no)."""
    return history.answer("need")[0].map(_stated)


@signal(family="timeline", unit="statement")
def timeline_stated(history: History) -> Column:
    """Latest answer about timing reads as {value:+.1f} (1 within a quarter, 0.4 later, -1 not planned)."""
    return history.answer("timeline")[0].map(_stated_soon)
