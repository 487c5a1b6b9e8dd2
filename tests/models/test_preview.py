from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.preview import Backtest, NoBacktest, curves, read_backtest


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
    assert at["reached"] is False
    assert (at["volume"], at["precision"], at["caught"]) == (None, None, None)


def test_a_lead_seen_often_enters_once_when_it_first_reaches_the_threshold(tmp_path: Path) -> None:
    days = pd.to_datetime(["2026-01-03", "2026-01-01", "2026-01-02", "2026-01-01"], utc=True)
    lead, p, y = ["ana", "ana", "ana", "bea"], [0.6, 0.2, 0.4, 0.3], [0, 0, 1, 0]
    found = curves(read_backtest(write(tmp_path, probability=p, y=y, lead=lead, as_of=days)))
    assert (found.leads, found.conversions) == (2.0, 1.0)
    assert found.at(0.2)["volume"]["value"] == 100.0
    assert found.at(0.2)["precision"]["value"] == 0.0, "when ana was at 0.2 she was not to convert within the horizon"
    assert found.at(0.4)["volume"]["value"] == 50.0
    assert found.at(0.4)["precision"]["value"] == 1.0
    assert found.at(0.4)["caught"]["value"] == 1.0
    assert found.at(0.6)["caught"]["value"] == 0.0, "she reached 0.6 after she had converted"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.booleans()), min_size=1, max_size=40))
def test_the_curves_count_what_a_patient_person_would(rows: list[tuple[int, int, bool]]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    leads = sorted({lead for lead, _, _ in rows})
    backtest = Backtest(
        np.array([p / 10 for _, p, _ in rows]),
        np.array([float(y) for *_, y in rows]),
        np.array([leads.index(lead) for lead, _, _ in rows]),
        None,
        None,
    )
    found = curves(backtest, draws=2)
    for place, threshold in enumerate(found.thresholds):
        entered, won, kept = 0, 0, 0
        for lead in leads:
            seen = [(p / 10, y) for one, p, y in rows if one == lead]
            first = next((at for at, (p, _) in enumerate(seen) if p >= threshold), None)
            if first is not None:
                entered, won, kept = entered + 1, won + seen[first][1], kept + any(y for _, y in seen[first:])
        assert found.volume.value[place] == pytest.approx(100 * entered / len(leads))
        assert found.precision.value[place] == pytest.approx(won / entered)
        assert found.caught.value[place] == pytest.approx(kept / found.conversions if found.conversions else 0.0)


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
