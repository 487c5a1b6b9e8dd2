from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.preview import Curves, Preview
from models.recommendation import Wanted, recommend


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Curves:
    rng = np.random.default_rng(3)
    p = rng.beta(1, 6, 4_000)
    days = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.uniform(0, 140, 4_000), unit="D").round("us")
    folder: Path = tmp_path_factory.mktemp("bundle")
    pd.DataFrame({"probability": p, "y": (rng.random(4_000) < p).astype(int), "as_of": days}).to_parquet(folder / "backtest.parquet")
    return Preview.read(folder).curves()


class TestNothingToGoBy:
    def test_without_capacity_or_cost_nothing_is_recommended(self, curves: Curves) -> None:
        assert recommend(curves, Wanted()) == {"fills_capacity": None, "best_value": None}

    def test_a_week_without_places_has_no_threshold(self, curves: Curves) -> None:
        assert recommend(curves, Wanted(capacity=0))["fills_capacity"]["threshold"] is None

    def test_calls_that_cost_more_than_any_conversion_brings_are_not_made(self, curves: Curves) -> None:
        best = recommend(curves, Wanted(cost_per_call=1_000.0, value_per_conversion=1.0))["best_value"]
        assert (best["threshold"], best["within_1_percent"]) == (None, None)


class TestFillsCapacity:
    @pytest.mark.parametrize("capacity", [5, 50, 120])
    def test_is_the_lowest_threshold_that_the_places_suffice_for(self, curves: Curves, capacity: int) -> None:
        found = recommend(curves, Wanted(capacity=capacity))["fills_capacity"]
        volume, place = curves.promise.volume.value, curves.place(found["threshold"] - 1e-6)
        assert place is not None
        assert volume[place] <= capacity < volume[place - 1]

    def test_where_everybody_fits_it_says_so(self, curves: Curves) -> None:
        found = recommend(curves, Wanted(capacity=100_000))["fills_capacity"]
        assert found["everybody_fits"]
        assert found["threshold"] == pytest.approx(curves.thresholds[0], rel=1e-4)


class TestBestValue:
    def test_calls_whom_it_pays_to_call(self, curves: Curves) -> None:
        best = recommend(curves, Wanted(cost_per_call=30.0, value_per_conversion=100.0))["best_value"]
        assert best["breaks_even_at"] == 0.3
        assert 0.2 < best["threshold"] < 0.4, "where a call brings what it costs, as far as probabilities are right"

    def test_says_how_flat_it_is(self, curves: Curves) -> None:
        best = recommend(curves, Wanted(cost_per_call=30.0, value_per_conversion=100.0))["best_value"]
        near, nearly = best["within_1_percent"], best["within_5_percent"]
        assert nearly[0] <= near[0] <= best["threshold"] <= near[1] <= nearly[1]
        found = curves.promise
        value = found.conversions.value * 100 - found.volume.value * 30
        inside = (curves.thresholds >= nearly[0] - 1e-6) & (curves.thresholds <= nearly[1] + 1e-6)
        assert (value[inside] >= 0.95 * best["value_a_week"] - 1e-6).all()

    def test_a_dearer_call_asks_for_a_higher_threshold(self, curves: Curves) -> None:
        found = [
            recommend(curves, Wanted(cost_per_call=cost, value_per_conversion=100.0))["best_value"]["threshold"]
            for cost in (5.0, 20.0, 45.0)
        ]
        assert found == sorted(found)
