from __future__ import annotations

import pytest

from models.experiment import ArmTally, compared


def arm(name: str, leads: int, converted: int, *, mature: int | None = None) -> ArmTally:
    return ArmTally(name, 0.5, leads=leads, passed_on=leads // 2, converted=converted, mature=leads if mature is None else mature)


@pytest.mark.parametrize(
    ("control", "other", "verdict"),
    [
        (arm("control", 0, 0), arm("a", 0, 0), "too_early"),
        (arm("control", 1_000, 9), arm("a", 1_000, 60), "too_early"),
        (arm("control", 1_000, 30, mature=499), arm("a", 1_000, 90), "too_early"),
        (arm("control", 1_000, 30), arm("a", 1_000, 33), "no_difference_shown"),
        (arm("control", 1_000, 30), arm("a", 1_000, 90), "difference"),
        (arm("control", 1_000, 90), arm("a", 1_000, 30), "difference"),
    ],
)
def test_a_verdict_waits_until_there_is_enough_to_go_by(control: ArmTally, other: ArmTally, verdict: str) -> None:
    _, shown = compared(control, [other])
    assert shown["verdict"] == verdict


def test_the_difference_lies_in_its_interval_and_an_arm_without_leads_has_none() -> None:
    _, shown = compared(arm("control", 500, 20), [arm("a", 400, 40)])
    found = shown["differences"]["conversion"]
    assert found["value"] == pytest.approx(0.06)
    assert found["low"] < found["value"] < found["high"]
    assert shown["acceptance"] == {"value": None, "low": None, "high": None}
    _, empty = compared(arm("control", 500, 20), [arm("a", 0, 0)])
    assert empty["differences"]["conversion"]["value"] is None


def test_what_is_missing_is_counted() -> None:
    _, shown = compared(arm("control", 100, 3, mature=10), [arm("a", 100, 40)])
    assert shown["missing"] == {"conversions": 7, "mature_leads": 40}
