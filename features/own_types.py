"""Signals on what only this installation knows: activity types that no signal names, and topics of pages that it declares.

In: the name of a type found in the customer's own activities, or of a declared topic. Out: signals on it. A type is kept,
counted and dated, never dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from features.history import Column, History, Selector
from features.outreach import is_ours
from features.rehearsal import needs_of
from features.signal import FeatureSet, Signal
from features.topics import TOPICS

__all__ = [
    "MOST_TYPES",
    "declared_types",
    "leads_enough",
    "own_signals",
    "own_types",
    "said_of_unnamed",
    "signals_of_topic",
    "signals_of_type",
]

MOST_TYPES = 40
"""How many undeclared types become signals, the commonest first."""
_SHOWN = 8


def leads_enough(leads: int) -> float:
    """How many of `leads` must show an undeclared type before it becomes signals: one in two hundred, and never under ten."""
    return max(10.0, 0.005 * leads)


def own_signals(feature_set: FeatureSet) -> tuple[Signal, ...]:
    """Those of a feature set, besides the signals that it names: of its types, then of its topics."""
    types = [one for name in feature_set.activity_types for one in signals_of_type(name)]
    topics = [one for name, _ in feature_set.declared.topics.patterns if name not in TOPICS for one in signals_of_topic(name)]
    return (*types, *topics)


def signals_of_topic(name: str) -> tuple[Signal, ...]:
    """Visits to pages about it this month."""

    def month(history: History) -> Column:
        return history.activities("page_view", topic=name).count()

    return (
        Signal(
            f"{name}:visits_30d",
            "intent",
            "visits",
            30.0,
            0.0,
            0,
            f"Visited pages about {name} {{value:.0f}} times in the last 30 days.",
            month,
        ),
    )


def declared_types(signals: Iterable[Signal]) -> frozenset[str]:
    """The activity types that some signal names, and answers."""
    selectors = [need[1] for one in signals for need in needs_of(one).aggregates]
    return frozenset(name for one in selectors if isinstance(one, Selector) for name in one.types) | {"answer"}


def said_of_unnamed(types: Iterable[str], named: Collection[str]) -> str | None:
    """What is said of activities of types that nobody declared: they are kept. None where there are none.

    >>> said_of_unnamed(["page_view", "fair_visit", "fax"], {"page_view"})
    'activity types that no signal names: fair_visit, fax; they count as activity and as nothing else'
    """
    unnamed = sorted({name for name in types if name not in named and not is_ours(name)})
    if not unnamed:
        return None
    shown = ", ".join("".join(letter if letter.isprintable() else "·" for letter in name[:40]) for name in unnamed[:_SHOWN])
    more = f" and {len(unnamed) - _SHOWN} more" if len(unnamed) > _SHOWN else ""
    return f"activity types that no signal names: {shown}{more}; they count as activity and as nothing else"


def own_types(leads_by_type: Mapping[str, int], leads: int, declared: Collection[str]) -> tuple[str, ...]:
    """The types that become signals, the commonest first: those that no signal names and that enough leads show.

    >>> own_types({"page_view": 900, "fair_visit": 40, "typo": 1}, 1000, {"page_view"})
    ('fair_visit',)
    """
    enough = leads_enough(leads)
    wanted = [(-count, name) for name, count in leads_by_type.items() if count >= enough and name not in declared]
    return tuple(name for _, name in sorted(wanted))[:MOST_TYPES]


def signals_of_type(name: str) -> tuple[Signal, ...]:
    """How often ever, how often this week, and how long ago."""

    def ever(history: History) -> Column:
        return history.activities(name, machine=None).count()

    def week(history: History) -> Column:
        return history.activities(name, machine=None).count()

    def since(history: History) -> Column:
        return history.activities(name, machine=None).days_since_last()

    nan, said = float("nan"), name.replace("{", "{{").replace("}", "}}")
    return (
        Signal(f"{name}:count", "engagement", "times", None, 0.0, 0, f"Had {{value:.0f}} times '{said}' in all.", ever),
        Signal(f"{name}:count_7d", "engagement", "times", 7.0, 0.0, 0, f"Had {{value:.0f}} times '{said}' in the last 7 days.", week),
        Signal(f"{name}:days_since", "engagement", "days", None, nan, 0, f"The latest '{said}' was {{value:.0f}} days ago.", since),
    )
