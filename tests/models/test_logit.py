from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.logit import best_shift, log_loss, logit, shifted_loss, sigmoid


def test_nothing_overflows_and_missing_stays_missing() -> None:
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        p = sigmoid(np.array([-800.0, 0.0, 800.0, np.nan]))
    assert p[:3].tolist() == [0.0, 0.5, 1.0]
    assert np.isnan(p[3])
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()


@given(st.lists(st.floats(-25, 25), min_size=1, max_size=40))
def test_a_value_does_not_depend_on_its_neighbours(margins: list[float]) -> None:
    together = sigmoid(np.array(margins))
    assert together.tolist() == [sigmoid(np.array([m]))[0] for m in margins]
    np.testing.assert_allclose(logit(together), margins, atol=1e-3)


@pytest.mark.parametrize("shift", [-6.0, -0.5, 0.0, 3.0])
def test_the_best_shift_restores_the_mean_and_cannot_be_beaten(shift: float) -> None:
    random = np.random.default_rng(3)
    margin = random.normal(size=4000)
    y = (random.random(4000) < sigmoid(margin + shift)).astype(float)
    found = best_shift(margin, y)
    assert sigmoid(margin + found).mean() == pytest.approx(y.mean(), abs=1e-9)
    loss, again = shifted_loss(margin, y, start=found)
    assert again == pytest.approx(found, abs=1e-9)
    assert loss <= min(log_loss(margin + found + step, y) for step in (-0.05, 0.05))
