"""How a signal is declared, and the ordered list of inputs (the feature set) that a model is trained on.

A signal is one function: its name is the column, its docstring's first line is the sentence that sales reads, its
decorator says family, unit, window and fill. It receives a `History` and returns one number an observation, NaN
for "not known". It never sees a clock: the engine cuts time before the function runs.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from data.errors import TamizError
from features.declarations import NOTHING, Declarations
from features.history import Column, History

__all__ = ["FAMILIES", "YES_NO", "Attribute", "Family", "FeatureSet", "Signal", "UnknownSignal", "days", "signal"]

YES_NO = ("no", "yes")
_SINGLY = {
    "1 times": "once",
    "1 activities": "1 activity",
    "1 pages": "1 page",
    "1 mails": "1 mail",
    "1 mailings": "1 mailing",
    "1 forms": "1 form",
    "1 guides, papers or other downloads": "1 guide, paper or other download",
    "1 links": "1 link",
    "1 webinars": "1 webinar",
    "1 days": "1 day",
    "1 different days": "1 day",
    "1 separate sessions": "1 session",
    "1 different topics": "1 topic",
    "1 articles or resources": "1 article or resource",
    "1 colleagues": "1 colleague",
    "1 visits": "1 visit",
}
_ONE = re.compile(r"(?<![\d.,])(?:" + "|".join(_SINGLY) + r")\b")

Family = Literal["fit", "budget", "authority", "need", "timeline", "engagement", "intent"]
FAMILIES: tuple[Family, ...] = get_args(Family)

ENGINE_REVISION = 2
"""Raised when the engine's arithmetic changes, so that old feature sets are told apart."""


class UnknownSignal(TamizError, status=422, exit_code=2):
    """The feature set names the signal `{name}`, which this installation does not have: use the version of Tamiz that
    trained the model, or retrain."""


@dataclass(frozen=True)
class Signal:
    """A declared signal; calling it evaluates its function inside its window."""

    name: str
    family: Family
    unit: str
    within: float | None
    """Days the function looks back by default; None: ever."""
    fill: float
    """What an empty history gives; NaN is "not known", which is not zero."""
    monotone: int
    """+1 where more of it, all else equal, may never lower the margin; -1 the reverse; 0 free."""
    sentence: str
    function: Callable[[History], Column]
    revision: int = 1
    words: tuple[str, ...] = ()
    """What the values 0, 1, 2, … are called in the sentence, as `{word}`."""
    unordered: bool = False
    """Whether the values 1, 2, … are kinds without an order, so that models take them as a category; 0 is any other kind."""

    def say(self, value: float) -> str:
        """The sentence with a value in it, as a person would say it.

        >>> one = Signal("visits", "intent", "visits", None, 0.0, 0, "Came {value:.0f} times.", lambda history: history.age_of("x"))
        >>> one.say(3.0), one.say(1.0)
        ('Came 3 times.', 'Came once.')
        """
        word = self.words[min(max(int(value), 0), len(self.words) - 1)] if self.words else ""
        sentence = self.sentence.format(value=value, word=word)
        return _ONE.sub(lambda found: _SINGLY.get(found[0], found[0]), sentence) if " 1 " in sentence else sentence

    @property
    def meaning(self) -> str:
        """The sentence without anybody's value, for tables of signals."""
        return re.sub(r"\{(?:value|word)[^}]*\}", "…", self.sentence)

    def __call__(self, history: History) -> Column:
        column = self.function(history.within(self.within))
        if not math.isnan(self.fill):
            return np.where(np.isnan(column), self.fill, column)
        return column

    def describe(self) -> dict[str, object]:
        """What identifies the signal in a fingerprint: a change of any of it is another signal."""
        described: dict[str, object] = {
            "name": self.name,
            "family": self.family,
            "unit": self.unit,
            "within": self.within,
            "fill": None if math.isnan(self.fill) else self.fill,
            "revision": self.revision,
        }
        return described | {"unordered": True} if self.unordered else described


def signal(
    *,
    family: Family,
    unit: str,
    within: str | None = None,
    fill: float = math.nan,
    monotone: int = 0,
    revision: int = 1,
    words: tuple[str, ...] = (),
    unordered: bool = False,
) -> Callable[[Callable[[History], Column]], Signal]:
    """Declares the decorated function as a signal. Raise `revision` when what it computes changes.

    Raises ValueError when the function has no docstring or the window is not of the form `30d` or `12h`.
    """

    def declare(function: Callable[[History], Column]) -> Signal:
        sentence = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
        if not sentence:
            raise ValueError(f"signal {function.__name__} has no docstring: its first line is the sentence that sales reads")
        return Signal(function.__name__, family, unit, days(within), fill, monotone, sentence, function, revision, words, unordered)

    return declare


def days(window: str | None) -> float | None:
    """A window as days.

    >>> days("30d"), days("12h"), days(None)
    (30.0, 0.5, None)
    """
    if window is None:
        return None
    number, unit = window[:-1], window[-1:]
    if unit not in ("d", "h") or not number.isdigit():
        raise ValueError(f"window {window!r} is not of the form '30d' or '12h'")
    return float(number) / (24.0 if unit == "h" else 1.0)


AttributeKind = Literal["number", "boolean", "category"]


@dataclass(frozen=True)
class Attribute:
    """A column of `leads` that the model takes as it is: a number, a boolean (0 or 1), or a category."""

    name: str
    kind: AttributeKind

    def describe(self) -> dict[str, object]:
        return {"attribute": self.name, "kind": self.kind}


@dataclass(frozen=True)
class FeatureSet:
    """The ordered inputs of a model: signals, then counts of activity types that no signal names, then attributes."""

    signals: tuple[Signal, ...]
    activity_types: tuple[str, ...] = ()
    """Types of this installation that no declared signal knows; each gets the signals of `features/own_types.py`."""
    attributes: tuple[Attribute, ...] = ()
    declared: Declarations = NOTHING
    """What the installation declares about its signals, which every one of them may ask for."""
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest())

    def to_json(self) -> dict[str, object]:
        return {
            "engine": ENGINE_REVISION,
            "signals": [one.describe() for one in self.signals],
            "activity_types": list(self.activity_types),
            "attributes": [one.describe() for one in self.attributes],
            **({"declared": declared} if (declared := self.declared.to_json()) else {}),
        }

    @classmethod
    def from_json(cls, described: dict[str, object], catalogue: dict[str, Signal]) -> FeatureSet:
        """The feature set that `to_json` described. Raises UnknownSignal for a name or a revision not in the catalogue."""
        signals: list[Signal] = []
        for one in described["signals"]:  # type: ignore[attr-defined]  # parsed JSON whose digest the bundle has verified
            known = catalogue.get(one["name"])
            if known is None or known.describe() != one:
                raise UnknownSignal(name=one["name"])
            signals.append(known)
        attributes = tuple(Attribute(one["attribute"], one["kind"]) for one in described["attributes"])  # type: ignore[attr-defined]  # as above
        declared = Declarations.from_json(described.get("declared", {}))  # type: ignore[arg-type]  # as above
        return cls(tuple(signals), tuple(described["activity_types"]), attributes, declared)  # type: ignore[arg-type]  # as above


def by_name(signals: Iterable[Signal]) -> dict[str, Signal]:
    """Signals by their names. Raises ValueError when two share one."""
    named: dict[str, Signal] = {}
    for one in signals:
        if one.name in named:
            raise ValueError(f"two signals are called {one.name}")
        named[one.name] = one
    return named
