"""Forecasts: nothing to go by first; then sums by hand; then, by simulation, that intervals hold as often as they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.forecast import (
    DAY,
    LEVEL,
    Arrivals,
    Forecast,
    Looks,
    Open,
    Revenue,
    Spread,
    check,
    forecast,
    kept,
    level_by_age,
    read_looks,
    spread_of,
)
from models.inputs import Floats
from models.looks import NoBacktest

NOW = 20_000 * DAY
EXACT = Spread(1e-6, 1e-6, 12, "month")


def leads(p: float | list[float], count: float = 1.0, age: float = 0.0, worth: float = np.nan) -> Open:
    probability = np.atleast_1d(np.array(p, dtype=float))
    same = np.ones(len(probability))
    return Open(probability, 0 * same, age * same, count * same, worth * same)


def of(open_: Open, *, arrivals: Arrivals | None = None, horizon: float | None = 84.0, spread: Spread = EXACT, seed: int = 0) -> Forecast:
    return forecast(open_, NOW, horizon=horizon, by=None, arrivals=arrivals, revenue=None, spread=spread, weeks=12, seed=seed)


def looks(months: int, per_month: int, seed: int, *, level: float = 0.0, between: float = 0.0) -> Looks:
    """Months of first looks at leads, whose real rates are off by `level` and, each month anew, by `between`."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1.0, 9.0, months * per_month)
    month = np.repeat(np.arange(months), per_month)
    off = np.exp(level + rng.normal(0, between, months) - between**2 / 2) if months else np.ones(0)
    at = (NOW // DAY - 900 + month * 30.44 + rng.uniform(0, 27, len(month))) * DAY
    y = (rng.random(len(p)) < np.minimum(p * off[month], 1.0)).astype(float)
    order = np.argsort(at)
    return Looks(at[order].astype(np.int64), np.arange(len(p))[order], p[order], 0.01 * p[order], y[order])


class TestNothingToGoBy:
    def test_no_open_leads_and_none_to_come(self) -> None:
        found = of(leads([]))
        assert (found.open_leads, found.open_total, found.timing) == (0, None, "even")
        assert found.total is not None
        assert found.total.expected == 0

    def test_without_a_horizon_there_are_no_weeks_but_a_sum(self) -> None:
        found = of(leads([0.5, 0.25]), horizon=None)
        assert (found.weeks, found.total, found.timing) == ([], None, "none")
        assert found.open_total is not None
        assert found.open_total.expected == pytest.approx(0.75)

    def test_scores_older_than_the_horizon_say_nothing(self) -> None:
        found = of(leads([0.5, 0.5], age=90.0))
        assert (found.open_leads, found.outdated) == (2, 2)
        assert found.total is not None
        assert found.total.expected == 0

    def test_no_amounts_no_revenue(self) -> None:
        found = of(leads(0.3, 50))
        assert found.revenue_total is None
        assert all(week.revenue is None for week in found.weeks)

    def test_no_backtest_means_that_much_is_assumed_and_said(self) -> None:
        spread = spread_of(None, 0.02)
        assert (spread.by, spread.periods) == ("none", 0)
        assert spread.months > 0.1
        assert (check(None).of, check(None).coverage) == (0, None)

    def test_too_few_looks_are_none(self) -> None:
        assert spread_of(looks(2, 30, 1), 0.02).by in {"none", "week"}
        assert check(looks(1, 5, 1)).of == 0

    def test_a_bundle_without_a_backtest_says_what_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(NoBacktest, match=r"no backtest\.parquet"):
            read_looks(tmp_path)
        pd.DataFrame({"probability": [0.1], "y": [1]}).to_parquet(tmp_path / "backtest.parquet")
        with pytest.raises(NoBacktest, match="no instants"):
            read_looks(tmp_path)

    def test_nothing_kept_yet(self) -> None:
        assert kept([]).coverage is None


class TestExpectations:
    def test_all_the_weeks_of_the_horizon_hold_all_conversions(self) -> None:
        found = of(leads([0.2, 0.6], 100))
        assert found.total is not None
        assert found.total.expected == pytest.approx(80)
        assert [round(week.conversions.expected, 3) for week in found.weeks] == [6.667] * 12

    def test_who_has_not_converted_half_way_is_less_likely_to(self) -> None:
        found = of(leads(0.5, 100, age=42.0))
        assert found.total is not None
        assert found.total.expected == pytest.approx(100 * 0.25 / 0.75, rel=1e-5)
        assert found.weeks[6].conversions.expected == 0

    def test_leads_to_come_are_kept_apart(self) -> None:
        arrivals = Arrivals(np.array([10.0, 10.0]), lambda days: np.minimum(days / 70, 1.0), 500)
        found = of(leads(0.2, 100), arrivals=arrivals)
        week = found.weeks[1]
        assert week.of_open is not None
        assert week.of_new is not None
        assert week.of_new.expected == pytest.approx(10 * 10.5 / 70)
        assert week.conversions.expected == pytest.approx(week.of_open.expected + week.of_new.expected, rel=1e-5)
        assert found.arrivals_per_week is not None
        assert found.arrivals_per_week.expected == 10

    def test_a_model_that_knows_the_days_moves_the_weeks(self) -> None:
        def early(ages: Floats) -> Floats:
            return np.minimum(ages / 42.0, 1.0)

        found = forecast(leads(0.2, 100), NOW, horizon=84.0, by=early, arrivals=None, revenue=None, spread=EXACT, weeks=12)
        assert found.timing == "by_day"
        assert found.weeks[0].conversions.expected == pytest.approx(20 / 6, rel=1e-5)
        assert found.weeks[8].conversions.expected == pytest.approx(0)

    def test_revenue_takes_each_leads_own_worth_and_the_mean_where_there_is_none(self) -> None:
        groups = Open(np.array([0.5, 0.5]), np.zeros(2), np.zeros(2), np.array([10.0, 10.0]), np.array([300.0, np.nan]))
        found = forecast(groups, NOW, horizon=84.0, by=None, arrivals=None, revenue=Revenue(100.0, 1.0, 200), spread=EXACT, weeks=12)
        assert found.revenue_total is not None
        assert found.revenue_total.expected == pytest.approx(5 * 300 + 5 * 100)

    def test_what_it_is_unsure_of_is_said_and_adds_up(self) -> None:
        parts = of(leads(0.2, 1_000), spread=Spread(0.1, 0.2, 12, "month")).parts
        assert parts is not None
        assert parts.luck + parts.calibration + parts.months + parts.arrivals == pytest.approx(1, abs=1e-4)
        assert parts.months > parts.luck

    @settings(max_examples=15)
    @given(st.floats(0, 0.3), st.floats(0.2, 0.5), st.floats(0, 0.3))
    def test_the_less_is_known_of_the_level_the_wider(self, calibration: float, more: float, months: float) -> None:
        less_sure = of(leads(0.2, 2_000), spread=Spread(calibration + more, months, 9, "month")).total
        surer = of(leads(0.2, 2_000), spread=Spread(calibration, months, 9, "month")).total
        assert less_sure is not None
        assert surer is not None
        assert less_sure.high - less_sure.low >= surer.high - surer.low


class TestWhetherIntervalsHold:
    def test_when_only_luck_is_at_work(self) -> None:
        """The weeks of two hundred worlds, each lead drawn on its own."""
        rng = np.random.default_rng(5)
        p = rng.beta(1, 4, 150)
        found = of(leads(p.tolist()))
        share = p[:, None] * np.full((1, 12), 1 / 12)
        actual = np.array([(rng.random(share.shape) < share).sum(axis=0) for _ in range(200)])
        low, high = (np.array([getattr(week.conversions, end) for week in found.weeks]) for end in ("low", "high"))
        assert 0.88 <= np.mean((low <= actual) & (actual <= high)) <= 0.985  # counts are whole, so intervals are a little wide

    def test_when_months_are_good_and_bad_and_the_level_is_off(self) -> None:
        """Worlds whose months differ: the spread is learned from a past that is drawn anew with each."""
        held = luck_only = 0
        worlds = 100
        for world in range(worlds):
            rng = np.random.default_rng(1_000 + world)
            level = rng.normal(0, 0.08)
            spread = spread_of(looks(10, 400, world, level=level, between=0.25), 0.02)
            p = rng.beta(1, 9, 1_500)
            months = np.exp(rng.normal(0, 0.25, 3) - 0.25**2 / 2)
            chance = p[:, None] / 12 * np.repeat(months, 4) * np.exp(level)
            actual = int((rng.random(chance.shape) < chance).sum())
            found, naive = of(leads(p.tolist()), spread=spread).total, of(leads(p.tolist())).total
            assert found is not None
            assert naive is not None
            held += found.low <= actual <= found.high
            luck_only += naive.low <= actual <= naive.high
        assert held / worlds == pytest.approx(LEVEL, abs=0.07)
        assert luck_only / worlds < 0.75  # what an interval of luck alone would have promised

    def test_the_backtest_reports_how_often_it_held(self) -> None:
        found = check(looks(24, 300, 9, level=0.1, between=0.2))
        assert found.by == "month"
        assert found.of >= 23
        assert found.coverage == pytest.approx(found.held / found.of, rel=1e-5)
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.coverage <= found.high

    def test_over_many_pasts_it_holds_as_often_as_it_says(self) -> None:
        checks = [check(looks(12, 250, seed, between=0.2)) for seed in range(25)]
        assert sum(one.held for one in checks) / sum(one.of for one in checks) == pytest.approx(LEVEL, abs=0.06)


class TestTheRecordByAge:
    def test_a_model_that_is_right_at_every_age_is_left_alone(self) -> None:
        rng = np.random.default_rng(4)
        promised = np.array([20.0, 40.0, 60.0, 30.0, 25.0])
        factors = np.array([level_by_age(promised, rng.poisson(promised).astype(float))[0] for _ in range(50)])
        assert np.abs(np.log(factors)).mean() < 0.1

    def test_old_leads_that_never_convert_are_promised_next_to_nothing(self) -> None:
        factor, doubt = level_by_age(np.array([30.0, 30.0, 15.0, 13.0]), np.array([29.0, 16.0, 0.0, 0.0]))
        assert factor[0] == pytest.approx(1.0, abs=0.1)
        assert (factor[2:] < 0.25).all()
        assert doubt[2] > doubt[0]

    def test_nothing_promised_and_nothing_come_is_no_news(self) -> None:
        factor, _ = level_by_age(np.zeros(3), np.zeros(3))
        assert factor.tolist() == [1.0, 1.0, 1.0]
