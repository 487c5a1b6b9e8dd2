from __future__ import annotations

from itertools import permutations

import numpy as np

from features.catalogue import catalogue
from features.testing import history


def test_the_latest_answer_counts_and_knows_its_age() -> None:
    lead = history("ana", as_of="2026-03-31", activities=["2026-03-21 answer budget=yes", "2026-03-01 answer presupuesto=no"])
    text, age = lead.answer("budget")
    assert text.texts() == ["yes"]
    assert age == [10.0]


def test_of_two_answers_at_one_instant_the_last_recorded_counts_then_spelling_never_the_order_of_rows() -> None:
    said = ["2026-03-21 answer budget=no", "2026-03-21 answer budget=yes", "2026-03-21 answer budget=maybe recorded=2026-03-22"]
    for kept, latest in ((2, "yes"), (3, "maybe")):
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
    text, age = history("ana", as_of="2026-03-31").answers(("need", "budget"))
    assert text.codes.shape == age.shape == (2, 1)
