"""P(convert) by day: the curves never cross, the last is the probability itself, and a damaged file does not serve."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.horizons import BadByDay, ByDay

LINE = st.floats(-50, 50)
DAYS = (30.0, 60.0, 90.0)


def by_day(slopes: list[float], intercepts: list[float]) -> ByDay:
    return ByDay(DAYS, np.array(slopes), np.array(intercepts))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"days": [], "slope": [], "intercept": []},
        {"days": [30, 60], "slope": [], "intercept": []},
        {"days": [60, 30], "slope": [0.0], "intercept": [0.0]},
        {"days": [30, 60], "slope": [None], "intercept": [0.0]},
        {"days": [30, 60], "slope": [float("inf")], "intercept": [0.0]},
        {"days": 30, "slope": [0.0], "intercept": [0.0]},
    ],
)
def test_a_file_that_is_none_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(BadByDay, match="by_day"):
        ByDay.from_json(document)


@given(
    lines=st.tuples(*[st.lists(LINE, min_size=2, max_size=2)] * 2),
    margin=arrays.arrays(np.float64, st.integers(1, 20), elements=st.floats(-800, 800)),
    seed=st.integers(0, 99),
)
def test_the_days_never_cross_whatever_was_learnt(lines: tuple[list[float], list[float]], margin: np.ndarray, seed: int) -> None:
    p = np.random.default_rng(seed).random(len(margin))
    found = by_day(*lines).apply(p, margin)
    assert (found[:, 0] <= found[:, 1]).all()
    assert (found[:, 1] <= found[:, 2]).all()
    assert found[:, 2].tobytes() == p.tobytes()
    assert (found >= 0).all()


def test_a_lead_without_a_probability_has_none_by_any_day() -> None:
    assert np.isnan(by_day([1.0, 1.0], [0.0, 0.0]).apply(np.array([np.nan]), np.array([np.nan]))).all()


def test_it_comes_back_from_json_to_the_bit() -> None:
    one = by_day([0.1, 1 / 3], [-2.2, np.pi])
    margin = np.linspace(-4, 4, 9)
    again = ByDay.from_json(json.loads(json.dumps(one.to_json())))
    assert again.apply(margin / 10 + 0.5, margin).tobytes() == one.apply(margin / 10 + 0.5, margin).tobytes()
    assert again.names == ("30", "60", "90")
