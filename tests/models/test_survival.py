"""Known values from scipy and from hand-worked examples, and by simulation how often the intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.survival import differ, incidence, kaplan_meier, log_rank, wilson

# Remission of leukaemia under 6-mercaptopurine (Freireich et al. 1963): the textbook example of a censored sample.
WEEKS = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
ENDED = [1] * 9 + [0] * 12
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


class TestTimeInStage:
    def test_nobody_has_been_there(self) -> None:
        curve = kaplan_meier([], [])
        assert (curve.count, curve.open, curve.quantile(0.5)) == (0, 0, None)

    def test_nobody_has_left(self) -> None:
        curve = kaplan_meier([3.0, 5.0], [False, False])
        assert curve.open == 2
        assert curve.quantile(0.5) is None

    def test_everybody_has_left_and_it_is_the_plain_median(self) -> None:
        found = kaplan_meier([1, 2, 3, 4, 5], [True] * 5).quantile(0.5)
        assert found is not None
        assert found.value == 3

    def test_the_textbook_example(self) -> None:
        curve = kaplan_meier(WEEKS, ENDED)
        assert curve.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
        assert curve.left == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
        median = curve.quantile(0.5)
        assert median is not None
        assert (median.value, median.low, median.high) == (23, 13, None)

    def test_it_is_what_scipy_says(self) -> None:
        data = stats.CensoredData(uncensored=WEEKS[:9], right=WEEKS[9:])
        theirs = stats.ecdf(data).sf
        ours = kaplan_meier(WEEKS, ENDED)
        assert ours.left == pytest.approx(theirs.evaluate(ours.times))
        band = theirs.confidence_interval(method="log-log")
        assert ours.low == pytest.approx(band.low.evaluate(ours.times))
        assert ours.high == pytest.approx(band.high.evaluate(ours.times))

    def test_leaving_the_open_ones_out_would_flatter(self) -> None:
        rng = np.random.default_rng(1)
        true, looked = rng.exponential(30, 4_000), rng.uniform(0, 40, 4_000)
        ended = true <= looked
        honest = kaplan_meier(np.minimum(true, looked), ended).quantile(0.5)
        assert honest is not None
        assert honest.value == pytest.approx(30 * np.log(2), rel=0.1)
        assert np.median(true[ended]) < 0.7 * honest.value

    def test_the_medians_interval_holds_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(2)
        held = 0
        for _ in range(400):
            true, looked = rng.exponential(10, 80), rng.uniform(0, 40, 80)
            found = kaplan_meier(np.minimum(true, looked), true <= looked).quantile(0.5)
            assert found is not None
            assert found.low is not None
            held += found.low <= 10 * np.log(2) <= (np.inf if found.high is None else found.high)
        assert 0.92 <= held / 400 <= 0.985


class TestShareThatMovesOn:
    def test_of_nobody_there_is_no_share(self) -> None:
        assert incidence([], [], 30) is None

    def test_without_open_stays_it_is_the_plain_share(self) -> None:
        found = incidence([1, 2, 3, 4], [1, 2, 1, 2], 30)
        assert found is not None
        assert found.value == pytest.approx(0.5)
        assert (found.low, found.high) == pytest.approx(wilson(0.5, 4))

    def test_nobody_yet_is_not_nobody_ever(self) -> None:
        found = incidence([1, 2, 3], [0, 0, 0], 30)
        assert found is not None
        assert found.value == 0
        assert found.high > 0.5

    def test_what_comes_after_the_time_does_not_count(self) -> None:
        found = incidence([1, 40], [1, 1], 30)
        assert found is not None
        assert found.value == pytest.approx(0.5)

    def test_the_interval_holds_as_often_as_it_says_though_many_are_open(self) -> None:
        rng = np.random.default_rng(3)
        held, values = 0, []
        for _ in range(400):
            size = 120
            goes_on = rng.random(size) < 0.3
            true, looked = rng.exponential(10, size), rng.uniform(0, 60, size)
            how = np.where(true <= looked, np.where(goes_on, 1, 2), 0)
            found = incidence(np.minimum(true, looked), how, 30)
            assert found is not None
            truth = 0.3 * (1 - np.exp(-3))
            held += found.low <= truth <= found.high
            values.append(found.value)
        assert 0.92 <= held / 400 <= 0.985
        assert np.mean(values) == pytest.approx(truth, abs=0.01)

    @given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([0, 1, 2])), min_size=1, max_size=40), st.floats(0, 100))
    def test_it_is_a_share_inside_its_interval(self, stays: list[tuple[float, int]], within: float) -> None:
        found = incidence([length for length, _ in stays], [how for _, how in stays], within)
        assert found is not None
        assert 0 <= found.low <= found.value <= found.high <= 1


class TestTwoPeriods:
    def test_the_log_rank_test_is_scipys(self) -> None:
        missing, chance = log_rank(PLACEBO + WEEKS, [1] * 21 + ENDED, [False] * 21 + [True] * 21)
        theirs = stats.logrank(x=stats.CensoredData(uncensored=PLACEBO), y=stats.CensoredData(uncensored=WEEKS[:9], right=WEEKS[9:]))
        assert chance == pytest.approx(theirs.pvalue)
        assert missing > 0  # those with the medicine stay longer in remission

    def test_nobody_left_says_nothing(self) -> None:
        assert log_rank([1, 2], [False, False], [False, True]) == (0.0, 1.0)

    def test_no_change_is_no_news_and_a_large_one_is(self) -> None:
        half, few = incidence([1.0] * 200, [1, 2] * 100, 9), incidence([1.0] * 200, [1] + [2] * 9 + [1, 2] * 0 + [2] * 190, 9)
        assert half is not None
        assert few is not None
        same, chance = differ(half, half)
        assert (same.value, chance) == (0.0, 1.0)
        change, chance = differ(few, half)
        assert change.high is not None
        assert change.high < 0
        assert chance < 1e-6

    def test_all_against_none_is_news_only_among_many(self) -> None:
        none, everyone = incidence([1.0] * 3, [2] * 3, 9), incidence([1.0] * 3, [1] * 3, 9)
        assert none is not None
        assert everyone is not None
        assert differ(everyone, none)[1] > 0.001
