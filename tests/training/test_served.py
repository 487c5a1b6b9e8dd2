"""The model that serves: the frozen recipe on all mature rows, its thresholds, and a backtest without anybody's name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.bundle import Bundle
from training.served import pseudonyms, threshold_at
from training.train import Trained


class TestThresholds:
    @pytest.mark.parametrize("share", [0.05, 0.2])
    def test_the_top_share_enters(self, share: float) -> None:
        p = np.random.default_rng(0).random(5_000)
        assert abs((p >= threshold_at(p, share)).mean() - share) < 0.001

    def test_where_probabilities_tie_the_nearest_share_is_taken(self) -> None:
        p = np.repeat([0.1, 0.2, 0.6], [700, 170, 130])
        assert threshold_at(p, 0.20) == 0.6
        assert threshold_at(p, 0.25) == 0.2

    def test_one_probability_for_all(self) -> None:
        assert threshold_at(np.full(10, 0.3), 0.05) == 0.3

    def test_sql_is_never_below_mql(self, flat_bundle: Bundle, event_bundle: Bundle) -> None:
        for bundle in (flat_bundle, event_bundle):
            assert bundle.policy.sql.enter >= bundle.policy.mql.enter


class TestServed:
    def test_it_is_fitted_on_more_than_the_measured_one(self, flat_trained: Trained) -> None:
        metrics = flat_trained.result.metrics
        assert metrics["served"]["fitted_rows"] > metrics["split"]["train_rows"]
        assert metrics["served"]["fitted_rows"] + metrics["served"]["calibrated_rows"] == metrics["rows"]

    def test_scores_are_percentiles_of_its_newest_rows(self, flat_trained: Trained, flat_bundle: Bundle) -> None:
        reference = pd.read_parquet(flat_trained.folder / "reference.parquet")
        scores = flat_bundle.scale.apply(reference["margin"].to_numpy())
        assert abs(np.median(scores) - 50) < 3
        assert (scores.min(), scores.max()) < (2, 100.0001)

    def test_its_probabilities_on_the_reference_are_those_of_its_calibration(self, flat_trained: Trained, flat_bundle: Bundle) -> None:
        reference = pd.read_parquet(flat_trained.folder / "reference.parquet")
        assert np.array_equal(flat_bundle.calibration.apply(reference["margin"].to_numpy())[0], reference["probability"].to_numpy())

    def test_the_backtest_has_what_a_preview_needs(self, event_trained: Trained) -> None:
        table = pd.read_parquet(event_trained.folder / "backtest.parquet")
        assert {"lead", "as_of", "probability", "probability_low", "probability_high", "margin", "y", "segment_source"} <= set(
            table.columns
        )
        assert table["as_of"].dt.tz is not None
        assert set(table["y"]) == {0, 1}

    def test_leads_that_were_there_before_test_are_followed_from_how_they_stood_then(self, event_trained: Trained) -> None:
        table = pd.read_parquet(event_trained.folder / "followed.parquet").sort_values(["lead", "as_of"])
        tested = pd.read_parquet(event_trained.folder / "backtest.parquet")
        before, since = table[table["standing"]], table[~table["standing"]]
        assert set(since["lead"]) > set(tested["lead"]) - {""}
        assert not before["lead"].duplicated().any()
        assert before["as_of"].max() < since["as_of"].min()
        assert set(before["lead"]).isdisjoint(tested["lead"])

    def test_ages_beyond_training_are_known_to_the_bundle(self, event_bundle: Bundle) -> None:
        assert event_bundle.manifest["oldest_observed_days"] > 3


def test_pseudonyms_are_stable_and_no_ids() -> None:
    assert pseudonyms(["ana", "eva"]) == pseudonyms(["ana", "eva"])
    assert len({*pseudonyms(["1", "01", "1 "]), "1"}) == 4
