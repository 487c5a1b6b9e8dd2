"""Signals for activity types that only this installation knows: kept, counted and dated, never dropped.

In: the name of a type found in the customer's own activities. Out: three signals on it.
"""

from __future__ import annotations

from features.history import Column, History
from features.signal import Signal

__all__ = ["MOST_TYPES", "leads_enough", "signals_of_type"]

MOST_TYPES = 40
"""How many undeclared types become signals, the commonest first."""


def leads_enough(leads: int) -> float:
    """How many of `leads` must show an undeclared type before it becomes signals: one in two hundred, and never under ten."""
    return max(10.0, 0.005 * leads)


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
