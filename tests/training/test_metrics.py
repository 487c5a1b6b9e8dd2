"""Figures that a data scientist compares with other tools' and finds the same, with intervals that hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training import metrics


def leads(rows: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.5, 1.0, rows)
    p = 1 / (1 + np.exp(-margin))
    return (rng.random(rows) < p).astype(float), p, margin


def test_one_class_gives_no_figure_rather_than_a_wrong_one_and_still_fits_json() -> None:
    found = metrics.evaluate(np.zeros(50), np.linspace(0, 1, 50), resamples=20)
    assert found["auc"] is None
    assert found["auc_ci"] == [None, None]
    assert found["log_loss"] is not None
    json.dumps(found, allow_nan=False)


def test_no_rows_at_all_give_the_keys_without_figures() -> None:
    found = metrics.evaluate(np.empty(0), np.empty(0))
    assert found["rows"] == 0
    assert found["ece_ci"] == [None, None]
    json.dumps(found, allow_nan=False)


def test_a_sure_and_wrong_probability_costs_much_but_not_infinity() -> None:
    assert metrics.log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(34.54, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60).flatmap(lambda n: hnp.arrays(np.int64, (n, 2), elements=st.integers(0, 6))))
def test_ranking_figures_agree_with_scikit_learn_under_any_ties(drawn: np.ndarray) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    y, score = (drawn[:, 0] > 3).astype(float), drawn[:, 1] / 6
    if 0 < y.sum() < len(y):
        assert metrics.auc(y, score) == pytest.approx(roc_auc_score(y, score))
        assert metrics.pr_auc(y, score) == pytest.approx(average_precision_score(y, score))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), per_cent=st.sampled_from([5.0, 10.0, 20.0, 50.0]))
def test_top_k_with_ties_is_what_random_tie_breaking_gives_on_average(seed: int, per_cent: float) -> None:
    rng = np.random.default_rng(seed)
    score, y = rng.integers(0, 4, 40).astype(float), rng.integers(0, 2, 40).astype(float)
    cut = round(40 * per_cent / 100)
    draws = [y[np.lexsort((rng.random(40), -score))[:cut]].mean() for _ in range(3000)]
    assert metrics.precision_at(y, score, per_cent) == pytest.approx(np.mean(draws), abs=0.07)
    if y.any():
        assert metrics.lift_at(y, score, per_cent) == pytest.approx(metrics.precision_at(y, score, per_cent) / y.mean())
        assert metrics.gain_at(y, score, per_cent) == pytest.approx(metrics.precision_at(y, score, per_cent) * per_cent / 100 / y.mean())


def test_weights_count_like_repeated_rows() -> None:
    y, p, _ = leads(200)
    score = np.round(p, 1)
    times = np.random.default_rng(1).integers(0, 4, 200)
    again = np.repeat(np.arange(200), times)
    assert metrics.auc(y, score, times.astype(float)) == pytest.approx(metrics.auc(y[again], score[again]))
    assert metrics.pr_auc(y, score, times.astype(float)) == pytest.approx(metrics.pr_auc(y[again], score[again]))


def test_the_margin_ranks_leads_that_calibration_tied() -> None:
    y, p, margin = leads()
    coarse = np.round(p, 1)
    assert metrics.evaluate(y, coarse, margin, resamples=1)["auc"] == pytest.approx(metrics.auc(y, margin))
    assert metrics.evaluate(y, coarse, resamples=1)["auc"] == pytest.approx(metrics.auc(y, coarse))


def test_calibration_error_by_hand_on_ten_even_bins() -> None:
    p = np.repeat(np.arange(10) / 10 + 0.05, 10)
    y = np.concatenate([np.repeat([1.0, 0.0], [k, 10 - k]) for k in range(10)])
    assert metrics.ece(y, p) == pytest.approx(0.05)
    table = metrics.reliability(y, p)
    assert [row["rows"] for row in table] == [10] * 10
    assert [row["observed"] for row in table] == pytest.approx([k / 10 for k in range(10)])
    assert all(row["low"] <= row["observed"] <= row["high"] for row in table)


def test_equal_probabilities_share_one_bin() -> None:
    p = np.concatenate([np.full(70, 0.2), np.linspace(0.3, 0.9, 30)])
    table = metrics.reliability(np.zeros(100), p)
    assert table[0]["rows"] == 70
    assert sum(row["rows"] for row in table) == 100


def test_the_gain_curve_ends_with_everyone_found() -> None:
    y, p, margin = leads()
    curve = metrics.gain_curve(y, p, margin)
    gains = [point["gain"] for point in curve]
    assert gains == sorted(gains)
    assert gains[-1] == pytest.approx(1.0)
    assert curve[9]["lift"] == pytest.approx(metrics.lift_at(y, margin, 10))


def test_intervals_are_wider_when_each_lead_was_looked_at_many_times() -> None:
    y, p, margin = leads(500)
    copies = np.repeat(np.arange(500), 8)
    alone = metrics.evaluate(y[copies], p[copies], margin[copies], resamples=200)
    together = metrics.evaluate(y[copies], p[copies], margin[copies], copies, resamples=200)

    def width(found: dict[str, object]) -> float:
        low, high = found["auc_ci"]
        return float(high - low)

    assert width(together) > 2 * width(alone)


def test_ninety_five_per_cent_intervals_hold_the_truth_about_as_often() -> None:
    y, _, margin = leads(200_000, seed=99)
    truth = metrics.auc(y, margin)
    held = 0
    for seed in range(60):
        y, p, margin = leads(400, seed)
        low, high = metrics.evaluate(y, p, margin, seed=seed, resamples=200)["auc_ci"]
        held += low <= truth <= high
    assert held >= 51


def test_the_calibration_interval_surrounds_the_figure() -> None:
    for seed in range(5):
        y, p, margin = leads(1500, seed)
        found = metrics.evaluate(y, p, margin, resamples=200)
        low, high = found["ece_ci"]
        assert low <= found["ece"] <= high


def test_paired_differences_see_what_unpaired_intervals_cannot() -> None:
    y, p, margin = leads(6000)
    worse = 1 / (1 + np.exp(-(margin + 0.25 * np.random.default_rng(4).normal(size=len(y)))))
    found = metrics.paired_differences(y, (worse, None), (p, margin), resamples=200)["log_loss"]
    low, high = found["ci"]
    assert 0 < low < found["difference"] < high
    single = metrics.evaluate(y, p, resamples=200)["log_loss_ci"]
    assert high - low < single[1] - single[0]
    nothing = metrics.paired_differences(y, (p, margin), (p, margin), resamples=20)
    assert all(row["ci"] == [0.0, 0.0] for row in nothing.values())


class TestCalibrationFigures:
    def found(self, distort: float, seed: int = 0, rows: int = 20_000) -> dict[str, object]:
        rng = np.random.default_rng(seed)
        p = rng.uniform(0.02, 0.6, rows)
        y = (rng.random(rows) < np.clip(p + distort * np.sin(9 * p), 0, 1)).astype(float)
        return metrics.evaluate(y, p, resamples=40)

    def test_the_brier_score_is_the_sum_of_its_parts(self) -> None:
        rng = np.random.default_rng(1)
        p = rng.choice([0.1, 0.2, 0.35, 0.6], 5_000)
        y = (rng.random(5_000) < p * 0.9).astype(float)
        found = metrics.evaluate(y, p, resamples=5)
        parts = found["brier_reliability"] - found["brier_resolution"] + found["brier_uncertainty"]  # type: ignore[operator]  # they are floats
        assert parts == pytest.approx(found["brier"], abs=1e-12)

    def test_kept_promises_have_a_small_ici_and_broken_ones_the_size_of_the_gap(self) -> None:
        assert self.found(0.0)["ici"] < 0.01  # type: ignore[operator]  # it is a float
        # The mean of 0.1 |sin 9p| over the range is 0.064; a line through neighbours cuts its corners a little.
        assert self.found(0.1)["ici"] == pytest.approx(0.064, abs=0.015)

    def test_one_promise_for_everybody_is_off_by_the_difference_of_the_rates(self) -> None:
        y = (np.arange(1_000) % 4 == 0).astype(float)
        found = metrics.evaluate(y, np.full(1_000, 0.4), resamples=10)
        assert found["ici"] == pytest.approx(0.15)
        assert found["brier_resolution"] == pytest.approx(0.0)

    def test_each_has_an_interval_that_holds_it(self) -> None:
        found = self.found(0.1, rows=3_000)
        for name in ("ici", "brier_reliability", "brier_resolution", "brier_uncertainty"):
            low, high = found[f"{name}_ci"]  # type: ignore[misc]  # a pair of floats
            assert low <= found[name] <= high
