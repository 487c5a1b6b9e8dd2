from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from models.drift import drift_of, expected_auc, ks, promise_of, psi, realised_of

NONE = np.zeros(0)


def normal(size: int, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, size)


class TestDrift:
    def test_no_rows_on_either_side_say_nothing(self) -> None:
        assert psi(NONE, normal(9)) == psi(normal(9), NONE) == (0.0, 0.0)
        assert ks(NONE, normal(9)) == (None, None)

    def test_a_signal_that_is_always_missing_has_no_distance_and_no_index(self) -> None:
        found = drift_of("budget", "number", "budget", 0.1, np.full(50, np.nan), np.full(80, np.nan), bar=0.25)
        assert (found.psi, found.ks, found.missing, found.mean, found.drifted) == (0.0, None, 1.0, None, False)

    def test_a_known_index(self) -> None:
        before, now = np.repeat([0.0, 1.0], [5_000, 5_000]), np.repeat([0.0, 1.0], [7_500, 2_500])
        assert psi(before, now)[0] == pytest.approx(0.25 * np.log(1.5) + 0.25 * np.log(2), rel=1e-3)

    def test_the_distance_and_its_chance_are_scipys(self) -> None:
        before, now = normal(400), normal(300, 0.15, seed=1)
        theirs = stats.ks_2samp(before, now, method="asymp")
        distance, chance = ks(before, now)
        assert distance == pytest.approx(theirs.statistic)
        assert chance == pytest.approx(theirs.pvalue, rel=0.1)

    def test_luck_exceeds_what_it_may_once_in_a_hundred(self) -> None:
        exceeded = 0
        for seed in range(600):
            index, luck = psi(normal(500, seed=2 * seed), normal(250, seed=2 * seed + 1))
            exceeded += index > luck
        assert exceeded / 600 <= 0.03

    def test_few_rows_are_no_alarm_however_large_their_index(self) -> None:
        found = drift_of("x", "number", "fit", 0.1, normal(1_000), normal(8, seed=3), bar=0.1)
        assert found.psi > 0.1
        assert not found.drifted

    def test_a_shift_is_seen(self) -> None:
        found = drift_of("x", "number", "fit", 0.1, normal(2_000), normal(1_000, 1.0, seed=4), bar=0.25)
        assert found.drifted
        assert found.ks_p is not None
        assert found.ks_p < 1e-6
        assert found.mean is not None
        assert found.mean == pytest.approx(1, abs=0.1)

    def test_a_column_that_has_gone_missing_is_drift_though_what_is_left_looks_the_same(self) -> None:
        now = normal(1_000, seed=5)
        now[:600] = np.nan
        found = drift_of("x", "number", "fit", 0.1, normal(2_000), now, bar=0.25)
        assert found.drifted
        assert (found.missing_before, found.missing) == (0.0, 0.6)

    def test_a_category_that_nobody_knew(self) -> None:
        before, now = np.repeat([1.0, 2.0], 500), np.repeat([1.0, 0.0], 500)
        found = drift_of("country", "category", "fit", 0.1, before, now, bar=0.25)
        assert (found.unseen_before, found.unseen, found.ks, found.drifted) == (0.0, 0.5, None, True)


class TestPromises:
    def test_few_conversions_have_no_auc(self) -> None:
        assert promise_of(np.full(100, 0.01), within_days=90).auc is None
        assert realised_of(np.full(30, 0.5), np.repeat([0.0, 1.0], [29, 1]), within_days=90).auc is None

    def test_nobody_at_all(self) -> None:
        assert (promise_of(NONE, within_days=None).leads, promise_of(NONE, within_days=None).log_loss) == (0, None)
        assert realised_of(NONE, NONE, within_days=None).ratio is None

    def test_of_three_leads_every_figure_is_a_number(self) -> None:
        found = promise_of(np.array([0.1, 0.2, 0.4]), within_days=90)
        assert found.log_loss is not None
        assert found.log_loss.low < found.log_loss.value < found.log_loss.high

    def test_when_probabilities_are_right_what_is_expected_comes(self) -> None:
        rng = np.random.default_rng(7)
        p = rng.beta(1, 4, 20_000)
        y = (rng.random(len(p)) < p).astype(float)
        expected, real = promise_of(p, within_days=90), realised_of(p, y, within_days=90)
        assert expected.auc is not None
        assert real.auc is not None
        assert expected.auc.value == pytest.approx(roc_auc_score(y, p), abs=0.015)
        assert real.auc.value == pytest.approx(roc_auc_score(y, p))
        assert real.log_loss is not None
        assert expected.log_loss is not None
        assert expected.log_loss.value == pytest.approx(real.log_loss.value, abs=0.01)
        assert real.ece is not None
        assert real.ece.value < 0.02
        assert real.ratio is not None
        assert real.ratio.low is not None
        assert real.ratio.high is not None
        assert real.ratio.low <= 1 <= real.ratio.high

    def test_promises_that_are_twice_too_high_are_seen(self) -> None:
        rng = np.random.default_rng(8)
        p = rng.beta(2, 6, 3_000)
        y = (rng.random(len(p)) < p / 2).astype(float)
        real = realised_of(p, y, within_days=90)
        assert real.ratio is not None
        assert real.ratio.value == pytest.approx(0.5, abs=0.05)
        assert real.ece is not None
        assert real.ece.low is not None
        assert real.ece.low > 0.05

    def test_ties_are_half(self) -> None:
        assert expected_auc(np.array([0.3, 0.3, 0.3])) == pytest.approx(0.5)
