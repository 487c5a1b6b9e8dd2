"""Columns as evidence: text, amounts, yes and no, and dates, each with the age that somebody knows of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import bant
from features.catalogue import catalogue
from features.declarations import Declarations, Dimension, EvidenceColumn
from features.testing import history

NOW = "2026-03-31"


def of(
    dimension: Dimension, kind: str, value: object, *, name: str = "ours", instants: bool = True, **known: object
) -> bant.DimensionEvidence:
    declared = Declarations((EvidenceColumn(dimension, name, kind),), instants=instants)
    given = {} if value is None else {name: value}
    return bant.evidence(history("ana", as_of=NOW, declared=declared, **given, **known), 0)[dimension]  # type: ignore[arg-type]  # as history takes them


@pytest.mark.parametrize(
    ("dimension", "kind", "value", "status"),
    [
        ("budget", "category", None, "unknown"),
        ("budget", "category", "Unknown", "unknown"),
        ("budget", "category", "No", "unmet"),
        ("budget", "category", "Yes", "met"),
        ("budget", "number", math.nan, "unknown"),
        ("budget", "number", -5.0, "unknown"),
        ("budget", "number", 0.0, "unmet"),
        ("budget", "number", 50_000.0, "met"),
        ("authority", "boolean", 0.0, "unmet"),
        ("authority", "boolean", 1.0, "met"),
        ("authority", "category", "Mid", "unknown"),
        ("authority", "category", "Low", "unmet"),
        ("need", "category", "Info gathering", "unknown"),
        ("timeline", "number", 3.0, "unknown"),
        ("timeline", "category", "Q2", "unknown"),
        ("timeline", "category", "2026-05-01", "met"),
        ("timeline", "category", "2026-03-30", "unknown"),
        ("timeline", "category", "2027-05-01", "unknown"),
        ("timeline", "time", datetime(2026, 5, 1, tzinfo=UTC), "met"),
        ("timeline", "time", datetime(2026, 3, 30, tzinfo=UTC), "unknown"),
        ("budget", "time", datetime(2026, 3, 1, tzinfo=UTC), "met"),
        ("budget", "time", datetime(2026, 4, 1, tzinfo=UTC), "unknown"),
    ],
)
def test_what_a_column_says(dimension: Dimension, kind: str, value: object, status: str) -> None:
    assert of(dimension, kind, value).status == status


@pytest.mark.parametrize(
    ("name", "value", "status"), [("months_to_purchase", 2.0, "met"), ("dias_hasta_compra", 45.0, "met"), ("semanas", 52.0, "unknown")]
)
def test_a_number_about_timing_has_its_unit_in_its_name(name: str, value: float, status: str) -> None:
    found = of("timeline", "number", value, name=name)
    assert found.status == status
    assert found.hints[0].fact == f"{name}: {value:g}"


def test_what_is_not_known_is_not_zero() -> None:
    declared = Declarations((EvidenceColumn("budget", "spend", "number"),))
    for value, strength, known in ((math.nan, math.nan, 0.0), (0.0, 0.0, 1.0)):
        lead = history("ana", as_of=NOW, declared=declared, spend=value)
        found = catalogue()["budget_strength"](lead)[0]
        assert found == strength or (math.isnan(found) and math.isnan(strength))
        assert catalogue()["budget_known"](lead) == [known]


def test_a_column_without_a_date_has_none_and_weighs_less_than_a_fresh_one() -> None:
    undated = of("budget", "category", "yes").hints[0]
    fresh = of("budget", "category", "yes", changes=["2026-03-30 ours=yes"]).hints[0]
    old = of("budget", "category", "yes", changes=["2024-03-30 ours=yes"]).hints[0]
    assert (undated.age, undated.source) == (None, "column")
    assert (fresh.age, old.age) == (1.0, 731.0)
    assert old.weight < undated.weight < fresh.weight


def test_a_later_no_in_a_column_replaces_its_yes() -> None:
    found = of("budget", "category", "no", changes=["2026-01-30 ours=yes", "2026-03-30 ours=no"])
    assert (found.status, [hint.fact for hint in found.hints]) == ("unmet", ["ours: “no”"])


def test_a_column_against_an_answer_is_a_contradiction_that_is_shown() -> None:
    alone = of("budget", "category", "yes")
    found = of("budget", "category", "yes", activities=["2026-03-30 answer budget=no"])
    assert found.strength is not None
    assert alone.strength is not None
    assert found.strength < alone.strength
    assert [(hint.source, hint.contradicts, hint.weight > 0) for hint in found.hints] == [("answer", False, False), ("column", True, True)]
    assert found.question == bant.DISAGREEMENTS["budget"]


def test_on_a_flat_table_dates_and_activities_say_nothing_of_when() -> None:
    found = of(
        "timeline", "category", "2026-05-01", instants=False, activities=["2026-03-30 answer timeline=now", "2026-03-30 demo_request"]
    )
    assert [hint.fact for hint in found.hints] == ["ours: “2026-05-01”"]
    assert found.strength == of("timeline", "category", "2031-05-01", instants=False).strength


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2_000), st.integers(0, 2_000), st.sampled_from(bant.DIMENSIONS))
def test_the_longer_ago_the_weaker(one: int, other: int, dimension: Dimension) -> None:
    older, newer = sorted((one, other), reverse=True)

    def strength(days: int) -> float:
        written = (datetime(2026, 3, 30, 12, tzinfo=UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S")
        found = of(dimension, "category", "yes, now", changes=[f"{written} ours=yes,_now"]).strength
        assert found is not None
        return found

    assert strength(older) <= strength(newer)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["yes", "no", "Unknown"]), min_size=1, max_size=4), st.sampled_from(["yes", "no"]))
def test_another_yes_never_lowers_and_another_no_never_raises(columns: list[str], another: str) -> None:
    def strength(values: list[str]) -> float:
        declared = Declarations(tuple(EvidenceColumn("need", f"c{i}", "category") for i in range(len(values))))
        lead = history("ana", as_of=NOW, declared=declared, **{f"c{i}": value for i, value in enumerate(values)})  # type: ignore[arg-type]  # as history takes them
        return float(catalogue()["need_strength"](lead)[0])

    before, after = strength(columns), strength([*columns, another])
    if not math.isnan(before):
        assert after >= before if another == "yes" else after <= before
    else:
        assert not math.isnan(after)
