"""How soon conversions come: found again from simulated waits, by margin only where there is enough to say so."""

from __future__ import annotations

import numpy as np

from training.horizons import fit_by_day, on_test


def waits(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins, probabilities and days: hot leads convert sooner."""
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.0, 1.5, rows)
    p = 1 / (1 + np.exp(-margin))
    mean = np.where(margin > 0, 25.0, 50.0)
    day = rng.exponential(mean)
    while (day > 90).any():
        day = np.where(day > 90, rng.exponential(mean), day)
    return margin, p, np.where(rng.random(rows) < p, day, np.inf)


def test_the_days_are_promised_as_they_come() -> None:
    margin, p, waited = waits(20_000, 0)
    by_day = fit_by_day(margin, waited, 90.0, np.arange(10_000))
    later = slice(10_000, None)
    found = on_test(by_day, p[later], margin[later], waited[later])
    assert list(found) == ["30", "60", "90"]
    for one in found.values():
        assert abs(one["promised"] - one["observed"]) < 0.015
        assert one["ece"] < 0.02
    hot, cold = by_day.apply(np.ones(2), np.array([2.0, -3.0]))
    assert hot[0] > cold[0] + 0.1


def test_with_few_conversions_all_leads_share_one_curve() -> None:
    margin, _, waited = waits(60, 1)
    by_day = fit_by_day(margin, waited, 90.0, np.arange(60))
    assert by_day.slope.tolist() == [0.0, 0.0]
    assert ((by_day.apply(np.ones(1), np.zeros(1)) > 0) & (by_day.apply(np.ones(1), np.zeros(1)) <= 1)).all()


def test_only_days_within_the_horizon_are_promised() -> None:
    margin, _, waited = waits(500, 2)
    assert fit_by_day(margin, waited, 45.0, np.arange(500)).names == ("30", "45")
    assert fit_by_day(margin, waited, 14.0, np.arange(500)).names == ("14",)
    assert fit_by_day(margin, waited, 30.0, np.arange(500)).names == ("30",)


def test_rows_that_count_more_weigh_more() -> None:
    waited = np.repeat([10.0, 80.0], 100)
    weights = np.repeat([3.0, 1.0], 100)
    by_day = fit_by_day(np.zeros(200), waited, 90.0, np.arange(200), weights)
    assert abs(by_day.apply(np.ones(1), np.zeros(1))[0, 0] - 0.75) < 0.02
