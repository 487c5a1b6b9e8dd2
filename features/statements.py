"""What a stated answer says, from free text in English and Spanish; the lexicon is data, the reading is three lines.

In: the answer as typed. Out: 1 yes, 0.5 partly, -1 no (for timing: 1 within a quarter, 0.4 later, -1 not planned), and
NaN where it says nothing: "don't know" is not "no", and not known is not zero.
"""

from __future__ import annotations

import re
from functools import lru_cache

from features.words import plain

__all__ = ["says_when", "says_who", "says_yes"]


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
    r"pending|planned|planning|next year|this year|12 months|influenc\w+|recommend\w*|evaluat\w*|part\w*|explor\w*|someday|later",
    r"(?:nice|good) to have|would be (?:nice|good)|(?:under|less than|up to) [^a-z]*\d",
    r"pendiente|previst[oa]|proximo ano|este ano|12 meses|recomiend\w*|evalu\w+",
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
    if said is None:
        return _NOTHING
    if _NO.search(said):
        return -1.0
    return 1.0 if _SOON.search(said) else 0.4


def _said(text: str) -> str | None:
    """The answer without what misleads, or None when it says nothing."""
    said = plain(text).replace("’", "'")
    if not any(letter.isalnum() for letter in said) or _UNSURE.search(said):
        return None
    return _DENIES_NOTHING.sub(" ", said)
