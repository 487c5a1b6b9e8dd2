"""What a statement says, from free text in English and Spanish; the lexicon is data, the reading is three lines.

In: an answer as typed, or the text of a column. Out: 1 yes, 0.5 partly, -1 no (for timing: 1 within a quarter, 0.4 later,
-1 not planned), and NaN where it says nothing: "don't know" is not "no", and not known is not zero. A date that it names
("2026-12-01", "Q3", "octubre 2026") is told apart, so that whoever knows the instant can tell how far off it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from features.declarations import Dimension
from features.words import plain

__all__ = ["LATER", "QUARTER", "READINGS", "SOON", "coming_end", "names_date", "says_when", "says_who", "says_yes"]

SOON, LATER = 1.0, 0.4
"""What is said by a date within a quarter, and by a later one."""
QUARTER = 92.0
"""Days."""


def _any_of(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b")


_UNSURE = _any_of(
    r"unknown|unsure|maybe|perhaps|depends|no idea|tbd|tbc|to be (?:defined|determined|decided|confirmed)",
    r"not (?:yet )?(?:sure|clear|defined|decided|known)|(?:do not|don'?t) know",
    r"desconocid[oa]|quizas?|tal vez|depende|ni idea|por (?:definir|determinar|confirmar|decidir)",
    r"(?:no|aun no|todavia no) (?:lo )?(?:se|sabemos|tengo claro)",
    r"(?:sin|no|aun no|todavia no) (?:esta )?(?:definir|definid[oa]|decidir|decidid[oa])",
)
_DENIES_NOTHING = _any_of(
    r"not? later than|no mas tarde de|no problem|no doubt|not only|no solo",
    r"sin (?:falta|problemas?|duda|demora)|without (?:doubt|delay|fail)",
)
"""Phrases with a "no" in them that are no "no"."""
_NO = _any_of(
    r"no|none|never|not|nothing|nobody|zero|without|n/?a|false|cannot|student",
    r"(?:just|only) (?:looking|curious|browsing|researching|interested)|curious|curiosity",
    r"(?:do|does|did|is|are|was|have|has|had|ca|could|wo|would)n'?t",
    r"ningun[oa]?|nadie|nada|nunca|sin|cero|falso|estudiante",
    r"solo (?:mirando|miro|investigo|investigando|curioseando)|curiosidad",
)
_ZERO = re.compile(r"^\D{0,4}0+(?:[.,]0+)?\D{0,4}$")
_PARTLY = _any_of(
    r"gather\w*|few",
    r"pending|planned|planning|next year|this year|12 months|influenc\w+|recommend\w*|evaluat\w*|part\w*|explor\w*|someday|later",
    r"(?:nice|good) to have|would be (?:nice|good)|(?:under|less than|up to) [^a-z]*\d",
    r"pendiente|previst[oa]|recopil\w+|recogiendo|poc[oa]s|proximo ano|este ano|12 meses|recomiend\w*|evalu\w+",
    r"(?:estaria|seria) (?:bien|bueno)|(?:menos de|hasta) [^a-z]*\d",
)
_ANOTHER = _any_of(
    r"(?:my|our|the) (?:boss|manager|director|ceo|cfo|cto|board)|someone else",
    r"(?:mi|nuestr[oa]|el|la) (?:jef[ea]|gerente|director[ae]?|ceo|consejo|comite)|otra persona",
)
"""Someone else decides."""
_SOON = _any_of(
    r"now|asap|today|immediate\w*|urgent\w*|(?:this|next) (?:week|month|quarter)|[1-3] months?|[1-9]?\d days?|(?:\d|1[0-3]) weeks?",
    r"ya|ahora|hoy|cuanto antes|inmediat\w*|est[ea] (?:semana|mes|trimestre)|proxim[oa] (?:semana|mes|trimestre)",
    r"[1-3] mes(?:es)?|[1-9]?\d dias?|(?:\d|1[0-3]) semanas?",
)
_SCALE = {
    **dict.fromkeys(("mid", "medium", "middle", "average", "moderate", "some", "partial", "neutral"), 0.5),
    **dict.fromkeys(("medio", "media", "moderado", "moderada", "parcial", "regular", "alguno", "alguna"), 0.5),
    **dict.fromkeys(("low", "poor", "weak", "bajo", "baja", "mal", "debil"), -1.0),
}
"""Answers that are a place on a scale, where they are that and no more; what is not low or in the middle is high."""
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january", "ene", "enero"),
            ("feb", "february", "febrero"),
            ("march", "marzo"),
            ("apr", "april", "abr", "abril"),
            ("may", "mayo"),
            ("jun", "june", "junio"),
            ("jul", "july", "julio"),
            ("aug", "august", "agosto"),
            ("sep", "sept", "september", "septiembre", "setiembre"),
            ("oct", "october", "octubre"),
            ("nov", "november", "noviembre"),
            ("dec", "december", "dic", "diciembre"),
        ),
        start=1,
    )
    for name in names
}
_YEAR = r"(?P<year>20\d\d)"
_DATES = (
    re.compile(rf"\b{_YEAR}[-/.](?P<month>0?[1-9]|1[0-2])[-/.](?P<day>0?[1-9]|[12]\d|3[01])\b"),
    re.compile(rf"\b(?P<day>0?[1-9]|[12]\d|3[01])[-/.](?P<month>0?[1-9]|1[0-2])[-/.]{_YEAR}\b"),
    re.compile(rf"\b{_YEAR}[-/](?P<month>0?[1-9]|1[0-2])\b"),
    re.compile(rf"\b(?P<month>0?[1-9]|1[0-2])[-/]{_YEAR}\b"),
    re.compile(rf"\b{_YEAR}\W*(?:q|t)(?P<quarter>[1-4])\b"),
    re.compile(rf"\b(?:q|t)(?P<quarter>[1-4])(?:\W*(?:of |de )?{_YEAR})?\b"),
    re.compile(rf"\b(?P<name>may)\b,? (?:of )?{_YEAR}"),
    re.compile(rf"\b(?:in|by|before|until|during|end of) (?P<name>may)\b(?:,? (?:of )?{_YEAR})?"),
    re.compile(rf"\b(?P<name>{'|'.join(name for name in _MONTHS if name != 'may')})\b\.?(?:,? (?:of |de |del )?{_YEAR})?"),
    re.compile(rf"\b{_YEAR}\b"),
)
"""The first that fits counts. "We may buy" is not the month. Of numbers like 3/4/2026 the
day stands first, as where the order is in doubt elsewhere."""
_BARE = re.compile(r"\d{1,3}(?:[.,]\d+)?")
_EPOCH = date(1970, 1, 1)
_NOTHING = float("nan")


@lru_cache(maxsize=16_384)
def says_yes(text: str) -> float:
    """Whether there is a budget, or a need.

    >>> says_yes("approved"), says_yes("We don't have a budget"), says_yes("planned for next year"), says_yes("No lo sé")
    (1.0, -1.0, 0.5, nan)
    """
    said = _said(text)
    if said is None:
        return _NOTHING
    if said in _SCALE:
        return _SCALE[said]
    if _NO.search(said) or _ZERO.search(said):
        return -1.0
    return 0.5 if _PARTLY.search(said) else 1.0


@lru_cache(maxsize=16_384)
def says_who(text: str) -> float:
    """Whether the lead decides.

    >>> says_who("I decide"), says_who("I recommend, my boss signs"), says_who("Decide mi jefa")
    (1.0, 0.5, -1.0)
    """
    said = _said(text)
    if said is not None and _ANOTHER.search(said):
        return 0.5 if _PARTLY.search(said) else -1.0
    return says_yes(text)


@lru_cache(maxsize=16_384)
def says_when(text: str) -> float:
    """Whether it is to be soon.

    >>> says_when("within 2 months"), says_when("not this quarter"), says_when("no later than next month"), says_when("2028")
    (1.0, -1.0, 1.0, 0.4)
    """
    said = _said(text)
    if said is None or _BARE.fullmatch(said):  # a number of what?
        return _NOTHING
    if _NO.search(said) or _SCALE.get(said) == -1.0:
        return -1.0
    return SOON if _SOON.search(said) else LATER


@lru_cache(maxsize=16_384)
def names_date(text: str) -> float:
    """The last day of what it names, as days since 1970; of a month without a year, minus its number; NaN where it names none.

    >>> names_date("by 2026-12-01"), names_date("Q1 2026"), names_date("in October"), names_date("soon")
    (20788.0, 20543.0, -10.0, nan)
    """
    said = _said(text)
    for pattern in _DATES:
        found = None if said is None else pattern.search(said)
        if found is not None:
            parts = found.groupdict()
            month = int(parts.get("month") or 3 * int(parts.get("quarter") or 0) or _MONTHS.get(parts.get("name") or "", 12))
            if not parts["year"]:
                return float(-month)
            return _last_day(int(parts["year"]), month, parts.get("day"))
    return _NOTHING


def coming_end(month: NDArray[np.float64], said_on: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of months without a year (-1 to -12, as `names_date` gives them): the last day of the next one, from the day it was said on.

    Both in days since 1970; NaN where either is not known.
    """
    known = (month < 0.0) & (said_on == said_on)
    day = np.where(known, said_on, 0.0).astype(np.int64).astype("datetime64[D]").astype("datetime64[M]")
    ahead = (-np.where(known, month, -1.0).astype(np.int64) - 1 - day.astype(np.int64)) % 12
    after = (day.astype(np.int64) + ahead + 1).astype("datetime64[M]")  # NumPy is giving up adding bare numbers to dates
    last = (after.astype("datetime64[D]").astype(np.int64) - 1).astype(np.float64)
    return np.where(known, last, np.nan)


def _last_day(year: int, month: int, day: str | None) -> float:
    """Of the month, unless the day is given and exists."""
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return float((last.replace(day=min(int(day), last.day)) if day else last).toordinal() - _EPOCH.toordinal())


def _said(text: str) -> str | None:
    """The answer without what misleads, or None when it says nothing."""
    said = plain(text).replace("’", "'")
    if not any(letter.isalnum() for letter in said) or _UNSURE.search(said):
        return None
    return _DENIES_NOTHING.sub(" ", said)


READINGS: Mapping[Dimension, Callable[[str], float]] = {
    "budget": says_yes,
    "authority": says_who,
    "need": says_yes,
    "timeline": says_when,
}
"""How a statement about each dimension is read."""
