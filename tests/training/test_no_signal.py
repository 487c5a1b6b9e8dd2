"""A model that ranks nothing says so; one that ranks a little, under drift and badly calibrated, still counts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics import auc
from training.no_signal import age_slots, month_strata, order_strata, ranking_test

DAY = 86_400_000_000


def test_a_test_block_of_one_class_shows_no_signal_and_no_figures() -> None:
    found = ranking_test(np.zeros(100), np.arange(100.0), np.arange(100))
    assert found.no_signal
    assert found.auc is None
    json.dumps(found.as_json(), allow_nan=False)


def test_a_constant_margin_is_no_signal() -> None:
    found = ranking_test(np.tile([0.0, 1.0], 200), np.ones(400), np.arange(400), permutations=199)
    assert found.no_signal
    assert found.p_value == 1.0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_parts_of_an_order_are_numbered_without_gaps_and_keep_equal_values_together(order: list[int]) -> None:
    part = order_strata(np.array(order, dtype=np.float64), 5)
    assert sorted(set(part.tolist())) == list(range(part.max() + 1))
    assert len({(value, code) for value, code in zip(order, part.tolist(), strict=True)}) == len(set(order))


def test_shuffled_labels_are_no_signal_and_are_wrongly_called_one_about_once_in_a_hundred() -> None:
    rng = np.random.default_rng(8)
    claimed = 0
    for seed in range(100):
        y, margin = (rng.random(300) < 0.2).astype(float), np.round(rng.normal(size=300), 1)
        claimed += not ranking_test(y, margin, np.arange(300), order_strata(np.arange(300.0)), seed=seed, permutations=199).no_signal
    assert claimed <= 4


def test_a_weak_ranking_on_many_leads_is_a_signal_however_wrong_the_probabilities() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(8000) < np.linspace(0.2, 0.4, 8000)).astype(float)
    margin = 0.4 * y + rng.normal(size=8000) - 7
    found = ranking_test(y, margin, np.arange(8000), order_strata(np.arange(8000.0)), permutations=999)
    assert not found.no_signal
    assert found.p_value == pytest.approx(0.001)
    assert found.auc == pytest.approx(auc(y, margin))


def test_ranking_the_months_by_their_base_rate_is_no_signal() -> None:
    rng = np.random.default_rng(2)
    month = np.repeat(np.arange(10), 200)
    y = (rng.random(2000) < 0.05 + 0.05 * month).astype(float)
    margin = month + rng.normal(size=2000) * 0.1
    assert not ranking_test(y, margin, np.arange(2000), permutations=199).no_signal
    assert ranking_test(y, margin, np.arange(2000), month, permutations=199).no_signal


def open_leads(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leads seen at up to seven ages until they convert; nothing about them tells who will."""
    rng = np.random.default_rng(seed)
    ages = np.array([0, 1, 3, 7, 14, 30, 60])
    day = np.where(rng.random(600) < 0.3, rng.exponential(12, 600), np.inf)
    lead, slot = np.repeat(np.arange(600), 7), np.tile(np.arange(7), 600)
    still_open = ages[slot] < day[lead]
    return (day[lead] <= ages[slot] + 20).astype(float)[still_open], lead[still_open], slot[still_open]


def test_ranking_by_the_age_of_the_lead_alone_is_no_signal() -> None:
    claimed = 0
    for seed in range(20):
        y, lead, slot = open_leads(seed)
        margin = -slot + np.random.default_rng(seed).normal(size=len(y)) * 0.1
        assert auc(y, margin) > 0.55
        claimed += not ranking_test(y, margin, lead, slots=slot, permutations=199, seed=seed).no_signal
    assert claimed <= 2


def test_knowing_the_lead_is_a_signal_though_each_was_looked_at_several_times() -> None:
    y, lead, slot = open_leads(3)
    converts = np.zeros(600)
    np.maximum.at(converts, lead, y)
    margin = np.random.default_rng(3).normal(size=600)[lead] + 0.9 * converts[lead]
    assert not ranking_test(y, margin, lead, slots=slot, permutations=299).no_signal


def test_copies_of_the_same_rows_do_not_make_a_signal() -> None:
    rng = np.random.default_rng(4)
    claimed = 0
    for seed in range(30):
        y, margin = (rng.random(80) < 0.3).astype(float), rng.normal(size=80)
        copies = np.repeat(np.arange(80), 10)
        claimed += not ranking_test(y[copies], margin[copies], copies, permutations=199, seed=seed).no_signal
    assert claimed <= 3


def test_months_are_calendar_months_and_thin_ones_are_joined() -> None:
    instants = np.array(["2026-01-31T23:59", "2026-02-01T00:00", "2026-02-28T12:00"], "datetime64[us]").astype(np.int64)
    assert month_strata(instants).tolist() == [0, 1, 1]
    created = np.arange(100) * 10 * DAY
    y = np.tile([0.0, 1.0], 50)
    assert ranking_test(y, y, np.arange(100), month_strata(created), permutations=99).strata == 3


def test_ages_fall_into_slots_that_widen() -> None:
    ages = np.array([0.0, 0.5, 1, 2.9, 3, 13, 45, 400]) * DAY
    assert age_slots(ages.astype(np.int64), np.zeros(8, np.int64)).tolist() == [0, 0, 1, 1, 2, 3, 5, 7]


def test_several_looks_in_one_slot_lose_no_row() -> None:
    y, lead, slot = open_leads(5)
    margin = np.random.default_rng(5).normal(size=600)[lead] + 0.9 * y
    coarse = ranking_test(y, margin, lead, slots=slot // 3, permutations=99)
    assert coarse.auc == pytest.approx(auc(y, margin))
    assert not ranking_test(y, margin, lead, slots=slot // 3, permutations=299).no_signal


def test_a_ranking_that_is_worse_than_a_coin_is_never_a_signal() -> None:
    rng = np.random.default_rng(6)
    tenth = np.repeat(np.arange(10), 300)
    y = (rng.random(3000) < 0.05 + 0.08 * tenth).astype(float)
    margin = y + rng.normal(size=3000) - tenth
    found = ranking_test(y, margin, np.arange(3000), tenth, permutations=199)
    assert found.p_value == pytest.approx(0.005)
    assert found.auc is not None
    assert found.auc < 0.5
    assert found.no_signal
