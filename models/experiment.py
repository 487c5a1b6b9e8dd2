"""What an A/B experiment has shown so far: how the leads of each arm fared, and the difference to control with its interval.

In: for each arm how many leads were decided about since it began, how many of them were passed on, accepted or rejected by sales, and
converted after they were first decided about. Out: each share with Wilson's interval of 95 %, its difference to control's with
Newcombe's, and a verdict: `too_early` until both arms have enough conversions and half of their leads their horizon behind them,
then `difference` or `no_difference_shown`. Conversion is of all leads of an arm: they were drawn by lot, who was passed on was not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, Literal

__all__ = ["FEWEST", "ArmTally", "compared"]

FEWEST = 10
"""Conversions in each arm below which nothing is concluded."""
_Z = 1.959964
Verdict = Literal["too_early", "no_difference_shown", "difference"]


@dataclass(frozen=True)
class ArmTally:
    """How the leads of one arm fared."""

    name: str
    share: float
    leads: int = 0
    passed_on: int = 0
    """Who reached MQL or SQL."""
    accepted: int = 0
    rejected: int = 0
    converted: int = 0
    revenue: float | None = None
    mature: int = 0
    """Leads whose horizon has passed since they were first decided about."""


def compared(control: ArmTally, arms: list[ArmTally]) -> list[dict[str, Any]]:
    """Every arm, control first, with its shares, and each other arm's differences to control."""
    return [_shown(control, None), *(_shown(one, control) for one in arms)]


def _shown(arm: ArmTally, control: ArmTally | None) -> dict[str, Any]:
    shown: dict[str, Any] = asdict(arm)
    for name, part, whole in _shares(arm):
        low, high = _wilson(part, whole)
        shown[name] = {"value": part / whole if whole else None, "low": low, "high": high}
    shown["value_per_lead"] = None if arm.revenue is None or not arm.leads else arm.revenue / arm.leads
    if control is not None:
        shown["differences"] = {
            name: _difference(part, whole, other_part, other_whole)
            for (name, part, whole), (_, other_part, other_whole) in zip(_shares(arm), _shares(control), strict=True)
        }
        shown["verdict"], shown["missing"] = _verdict(arm, control, shown["differences"]["conversion"])
    return shown


def _shares(arm: ArmTally) -> list[tuple[str, int, int]]:
    return [
        ("passing", arm.passed_on, arm.leads),
        ("acceptance", arm.accepted, arm.accepted + arm.rejected),
        ("conversion", arm.converted, arm.leads),
    ]


def _verdict(arm: ArmTally, control: ArmTally, found: dict[str, Any]) -> tuple[Verdict, dict[str, int]]:
    """What may be concluded, and how many conversions and mature leads are missing for it."""
    missing = {
        "conversions": max(FEWEST - min(arm.converted, control.converted), 0),
        "mature_leads": max(*((one.leads + 1) // 2 - one.mature for one in (arm, control)), 0),
    }
    if any(missing.values()) or not arm.leads or not control.leads:
        return "too_early", missing
    return ("difference" if found["low"] > 0 or found["high"] < 0 else "no_difference_shown"), missing


def _difference(part: int, whole: int, other_part: int, other_whole: int) -> dict[str, float | None]:
    """Of two shares, by Newcombe's method: the ends of both Wilson intervals put together."""
    if not whole or not other_whole:
        return {"value": None, "low": None, "high": None}
    p, q = part / whole, other_part / other_whole
    (p_low, p_high), (q_low, q_high) = _wilson(part, whole), _wilson(other_part, other_whole)
    assert p_low is not None and p_high is not None and q_low is not None and q_high is not None  # noqa: PT018 - known from the counts
    return {
        "value": p - q,
        "low": p - q - sqrt((p - p_low) ** 2 + (q_high - q) ** 2),
        "high": p - q + sqrt((p_high - p) ** 2 + (q - q_low) ** 2),
    }


def _wilson(part: int, whole: int) -> tuple[float | None, float | None]:
    if not whole:
        return None, None
    share = part / whole
    middle = (share + _Z**2 / (2 * whole)) / (1 + _Z**2 / whole)
    reach = _Z / (1 + _Z**2 / whole) * sqrt(share * (1 - share) / whole + _Z**2 / (4 * whole**2))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
