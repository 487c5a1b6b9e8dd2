from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.promise import AHEAD, Reached, promise

rng = np.random.default_rng(5)


def reached(weekly: NDArray[np.float64], p: float, *, tested: float = 0, won: float = 0, share: float = 1.0) -> Reached:
    entered = weekly.sum(axis=0, keepdims=True)
    outcomes = np.array([[tested], [won], [tested * p], [tested * p * (1 - p)], [won]])
    return Reached(weekly[:, None], share, 0.0, entered, entered * p, outcomes, max(won, 1.0))


class TestTheIntervals:
    def test_hold_the_weeks_that_come_where_nothing_but_luck_has_a_part(self) -> None:
        inside = []
        for _ in range(60):
            before, after = rng.poisson(30, 13).astype(float), rng.poisson(30, AHEAD)
            found = promise(reached(before, 0.2), None, draws=300).volume
            assert found.week_low is not None
            assert found.week_high is not None
            inside.append(found.low[0] <= after.mean() <= found.high[0])
            inside += list((found.week_low[0] <= after) & (after <= found.week_high[0]))
        assert np.mean(inside) > 0.92

    def test_are_wider_where_weeks_were_uneven(self) -> None:
        even, uneven = np.full(13, 20.0), np.tile([5.0, 35.0], 7)[:13]
        narrow, wide = (promise(reached(one, 0.2), None).volume for one in (even, uneven))
        assert wide.high[0] - wide.low[0] > 1.5 * (narrow.high[0] - narrow.low[0])

    def test_are_narrower_where_the_backtest_has_more_cases(self) -> None:
        weeks = np.full(13, 200.0)
        few, many = (promise(reached(weeks, 0.2, tested=n, won=0.2 * n), None).precision for n in (20, 2_000))
        assert many.high[0] - many.low[0] < few.high[0] - few.low[0]

    def test_of_a_lower_level_are_narrower(self) -> None:
        weeks = np.full(13, 20.0)
        low, high = (promise(reached(weeks, 0.2), None, level=level).volume for level in (0.8, 0.95))
        assert low.high[0] - low.low[0] < high.high[0] - high.low[0]


def test_precision_goes_from_what_the_model_says_to_what_the_backtest_saw() -> None:
    weeks = np.full(13, 20.0)
    values = [float(promise(reached(weeks, 0.2, tested=n, won=0.4 * n), None).precision.value[0]) for n in (0, 20, 200, 20_000)]
    assert values[0] == pytest.approx(0.2)
    assert values == sorted(values)
    assert values[-1] == pytest.approx(0.4, abs=0.05)


def test_nobody_entered_is_promised_as_nobody() -> None:
    found = promise(reached(np.zeros(13), 0.2), np.array([100.0]))
    assert found.volume.value[0] == found.conversions.value[0] == 0.0
    assert found.revenue is not None
    assert found.revenue.value[0] == 0.0
