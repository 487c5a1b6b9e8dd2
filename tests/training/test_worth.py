"""A hundred calls: nobody to call, leads looked at twice, deals without an amount, and the ordinary table."""

from __future__ import annotations

import numpy as np
import pytest

from training.worth import per_hundred_calls, revenue_captured


def leads(n: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.01, 0.5, n)
    return (rng.random(n) < p).astype(float), p, np.arange(n)


class TestCalls:
    def test_without_test_rows_there_is_no_table(self) -> None:
        nothing = np.empty(0)
        assert per_hundred_calls(nothing, nothing, nothing, nothing.astype(int), None, None, 0.2, seed=0, resamples=10) == []

    def test_a_cut_that_nobody_reaches_calls_nobody_and_promises_nothing(self) -> None:
        y, p, lead = leads()
        nobody = per_hundred_calls(y, p, p, lead, None, None, 0.9, seed=0, resamples=10)[-1]
        assert (nobody["calls"], nobody["conversions_per_100"], nobody["revenue_per_100"]) == (0, None, None)

    def test_a_lead_is_called_once_at_its_first_look_that_reaches_the_cut(self) -> None:
        y, p = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.1, 0.9, 0.8, 0.2])
        lead, when = np.array([7, 7, 7, 9]), np.array([1.0, 3.0, 2.0, 1.0])
        amount = np.array([np.nan, 50.0, 70.0, np.nan])
        table = per_hundred_calls(y, p, p, lead, when, amount, 0.5, seed=0, resamples=10)
        assert (table[-1]["calls"], table[-1]["conversions_per_100"], table[-1]["revenue_per_100"]) == (1, 100.0, 7000.0)

    @pytest.mark.parametrize("capacity", [1, 37, 5_000])
    def test_a_capacity_calls_as_many_leads_as_it_has_time_for_the_best_first(self, capacity: int) -> None:
        y, p, lead = leads()
        row = per_hundred_calls(y, p, p, lead, None, None, 0.3, seed=0, resamples=10, capacity=capacity)[-1]
        best = np.argsort(-p)[:capacity]
        assert (row["calls"], row["cut"]) == (min(capacity, 1000), None)
        assert row["conversions_per_100"] == pytest.approx(100 * y[best].mean())

    def test_the_best_convert_more_often_and_the_interval_holds_the_figure(self) -> None:
        y, p, lead = leads()
        table = per_hundred_calls(y, p, p, lead, None, None, 0.0, seed=0, resamples=200)
        assert [one["share"] for one in table] == [0.05, 0.10, 0.20, None]
        assert table[0]["conversions_per_100"] > table[2]["conversions_per_100"] > 100 * y.mean()
        assert table[-1]["conversions_per_100"] == pytest.approx(100 * y.mean())
        assert table[-1]["gain"] == 1.0
        for one in table:
            low, high = one["conversions_per_100_ci"]
            assert low <= one["conversions_per_100"] <= high
            assert one["revenue_per_100"] is None

    def test_a_conversion_of_unknown_amount_counts_as_the_mean_of_the_others(self) -> None:
        y, p = np.ones(4), np.array([0.5, 0.6, 0.7, 0.8])
        table = per_hundred_calls(y, p, p, np.arange(4), None, np.array([10.0, 30.0, np.nan, np.nan]), 0.0, seed=0, resamples=10)
        assert table[-1]["revenue_per_100"] == pytest.approx(2000.0)


class TestRevenueInTheBestTenth:
    def test_ranking_by_value_finds_the_large_deals_that_probability_misses(self) -> None:
        y, p, lead = leads(2000)
        worth = np.where(lead % 2, 100.0, 1.0)
        found = revenue_captured(y, p, p, worth, lead, worth, seed=0, resamples=100)
        assert found["by_value"] > found["by_probability"]
        assert found["difference_ci"][0] > 0

    def test_where_every_deal_is_worth_the_same_both_rank_alike(self) -> None:
        y, p, lead = leads()
        found = revenue_captured(y, p, p, np.full(1000, 3.0), lead, np.full(1000, 3.0), seed=0, resamples=100)
        assert found["difference"] == 0
