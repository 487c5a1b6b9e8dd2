from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.preview import NoBacktest, curves, read_backtest


def write(folder: Path, **columns: object) -> Path:
    pd.DataFrame(columns).to_parquet(folder / "backtest.parquet", index=False)
    return folder


def test_a_bundle_without_backtest_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NoBacktest, match="tamiz train"):
        read_backtest(tmp_path)


def test_a_backtest_without_rows_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoBacktest, match="no rows"):
        read_backtest(write(tmp_path, probability=np.array([], float), y=np.array([], float)))


def test_a_flat_backtest_counts_per_hundred_leads(tmp_path: Path) -> None:
    found = curves(read_backtest(write(tmp_path, probability=[0.1, 0.2, 0.3, 0.4], y=[0, 0, 1, 1])))
    assert found.per == "100 leads"
    at = found.at(0.25)
    assert at["volume"]["value"] == 50.0
    assert at["precision"]["value"] == 1.0
    assert at["caught"]["value"] == 1.0
    assert found.at(0.2)["precision"]["value"] == pytest.approx(2 / 3, abs=1e-5)


def test_nobody_reaches_a_threshold_above_every_probability(tmp_path: Path) -> None:
    at = curves(read_backtest(write(tmp_path, probability=[0.1, 0.2], y=[0, 1]))).at(0.9)
    assert at["volume"]["value"] == 0.0
    assert at["precision"] is None


def test_a_lead_seen_often_counts_once(tmp_path: Path) -> None:
    found = curves(read_backtest(write(tmp_path, probability=[0.1, 0.1, 0.1, 0.4], y=[0, 0, 0, 1], lead=["ana", "ana", "ana", "bea"])))
    assert found.leads == pytest.approx(2.0)
    assert found.base_rate == pytest.approx(0.5)


def test_volume_is_a_week_where_the_rows_have_instants(tmp_path: Path) -> None:
    days = pd.date_range("2026-01-01", periods=281, freq="D", tz="UTC")
    found = curves(read_backtest(write(tmp_path, probability=np.tile([0.3, 0.1], 141)[:281], y=np.zeros(281), as_of=days)))
    assert (found.per, found.weeks) == ("week", 40.0)
    assert found.at(0.0)["volume"]["value"] == pytest.approx(281 / 40, abs=0.01)
    assert found.at(0.2)["usual_weeks"] == [3.0, 4.0]


def test_estimates_lie_in_their_intervals_and_fall_as_the_threshold_rises(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    p = rng.beta(1, 6, 3_000)
    found = curves(read_backtest(write(tmp_path, probability=p, y=(rng.random(3_000) < p).astype(float))))
    for estimate in (found.volume, found.caught):
        assert (np.diff(estimate.value) <= 1e-12).all()
        assert (estimate.low <= estimate.value + 1e-9).mean() > 0.95
        assert (estimate.value <= estimate.high + 1e-9).mean() > 0.95
    place = int(np.searchsorted(found.thresholds, 0.3))
    assert found.precision.low[place] < (p[p >= 0.3]).mean() < found.precision.high[place]


def test_the_same_backtest_gives_the_same_figures(tmp_path: Path) -> None:
    backtest = read_backtest(write(tmp_path, probability=[0.1, 0.2, 0.3], y=[0, 1, 1]))
    assert curves(backtest).listed() == curves(backtest).listed()
