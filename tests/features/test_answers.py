from __future__ import annotations

from itertools import permutations

import numpy as np

from features.catalogue import catalogue
from features.declarations import NOTHING, Declarations
from features.testing import history


def test_the_latest_answer_counts_and_knows_its_age() -> None:
    lead = history("ana", as_of="2026-03-31", activities=["2026-03-21 answer budget=yes", "2026-03-01 answer presupuesto=no"])
    text, age = lead.answer("budget")
    assert text.texts() == ["yes"]
    assert age == [10.0]


def test_of_two_answers_at_one_instant_the_last_recorded_counts_then_spelling_never_the_order_of_rows() -> None:
    said = ["2026-03-21 answer budget=no", "2026-03-21 answer budget=yes", "2026-03-21 answer budget=none recorded=2026-03-22"]
    for kept, latest in ((2, "yes"), (3, "none")):
        for order in permutations(said[:kept]):
            text, _ = history("ana", as_of="2026-03-31", activities=order).answer("budget")
            assert text.texts() == [latest]


def test_an_answer_recorded_later_was_not_known_and_does_not_hide_the_one_that_was() -> None:
    said = ["2026-03-01 answer budget=no", "2026-03-21 answer budget=yes recorded=2026-04-01"]
    assert history("ana", as_of="2026-03-31", activities=said).answer("budget")[0].texts() == ["no"]
    assert history("ana", as_of="2026-04-02", activities=said).answer("budget")[0].texts() == ["yes"]


def test_answers_to_a_field_that_nobody_asks_about_change_nothing() -> None:
    told = [f"2026-03-2{i} answer colour{i}=red" for i in range(5)]
    with_them, without = (history("ana", as_of="2026-03-31", activities=one) for one in (told, []))
    assert catalogue()["budget_known"](with_them) == catalogue()["budget_known"](without) == [0.0]
    assert with_them.answer("colour3")[0].texts() == ["red"]


def test_no_answer_is_not_known() -> None:
    text, age = history("ana", as_of="2026-03-31", activities=["2026-03-21 call"]).answer("budget")
    assert text.texts() == [None]
    assert np.isnan(age).all()
    answered = history("ana", as_of="2026-03-31").answers(("need", "budget"))
    assert answered.text.codes.shape == answered.age.shape == (2, 2, 1)
    assert not answered.any


def test_the_latest_yes_and_the_latest_no_are_both_kept_and_what_says_nothing_hides_neither() -> None:
    said = ["2026-03-01 answer budget=no", "2026-03-02 answer budget=none", "2026-03-21 answer budget=yes", "2026-03-22 answer budget=tbd"]
    answered = history("ana", as_of="2026-03-31", activities=said).answers(("budget",))
    assert answered.age[:, 0, 0].tolist() == [10.0, 29.0]
    assert answered.said[:, 0, 0].tolist() == [1.0, -1.0]
    assert history("ana", as_of="2026-03-31", activities=said).answer("budget")[0].texts() == ["yes"]


def test_several_fields_are_about_one_dimension_and_what_is_declared_goes_first() -> None:
    said = ["2026-03-01 answer spend=20k", "2026-03-02 answer presupuesto=no"]
    ours = Declarations(answers=(("presupuesto", ""), ("spend", "budget")))
    for declared, found in ((NOTHING, "no"), (ours, "20k")):
        assert history("ana", as_of="2026-03-31", activities=said, declared=declared).answer("budget")[0].texts() == [found]
