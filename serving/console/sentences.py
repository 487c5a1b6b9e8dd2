"""What the model says of a lead, in the languages of the console: names and sentences of signals, the words in them, and facts behind BANT.

In: the declared signals and facts, in English. Out: their texts for the catalogues, and for a page of another language what each signal
says there: `{signal: {"name": …, "many": …, "one": …, "as": …, "words": […]}}`, where `{value}` and `{word}` are the places and `as` is how
the value is written (`.0f`, `.0%`). The API and the ledger keep the English sentence; a page renders its own from the signal's name and
value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from features.bant import facts_of
from features.catalogue import catalogue
from features.declarations import Declarations
from features.signal import Signal

if TYPE_CHECKING:
    from serving.console.language import Language

__all__ = ["said_in", "texts"]

_WINDOW = re.compile(r"_(\d+)d$")
_VALUE = re.compile(r"\{value:([^}]*)\}")


def texts() -> set[str | tuple[str, str]]:
    """Every text; a pair where one and many are said otherwise."""
    found: set[str | tuple[str, str]] = set()
    for signal in catalogue().values():
        one, many = _forms(signal)
        found.add(many if one is None else (one, many))
        found.update((_called(signal), *signal.words))
    return found | {words for fact in facts_of(Declarations()) if isinstance(words := getattr(fact, "words", None), str)}


def said_in(speech: Language) -> dict[str, dict[str, Any]]:
    """What each signal says in a language other than English; empty in English, where the sentence is there already."""
    return {} if speech.code == "en" else {name: _said(signal, speech) for name, signal in catalogue().items()}


def _said(signal: Signal, speech: Language) -> dict[str, Any]:
    one, many = _forms(signal)
    written = _VALUE.search(signal.sentence)
    told: dict[str, Any] = {
        "name": speech.gettext(_called(signal)),
        "many": speech.gettext(many) if one is None else speech.ngettext(one, many, 2),
    }
    if one is not None:
        told["one"] = speech.ngettext(one, many, 1)
    if written is not None:
        told["as"] = written[1]
    if signal.words:
        told["words"] = [speech.gettext(word) for word in signal.words]
    return told


def _called(signal: Signal) -> str:
    """Its name as pages write it: `pricing_visits_30d` is `pricing visits · 30 d`."""
    return _WINDOW.sub(r" · \1 d", signal.name).replace("_", " ")


def _forms(signal: Signal) -> tuple[str | None, str]:
    """What it says of one, where that is another sentence, and of any other number."""
    many = _VALUE.sub("{value}", signal.sentence)
    counted = _VALUE.search(signal.sentence)
    if counted is None or not counted[1].endswith(".0f"):
        return None, many
    one = signal.say(1.0)
    return (None, many) if one == signal.sentence.format(value=1.0) else (one, many)
