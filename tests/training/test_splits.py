"""A data scientist splits leads into four blocks and nothing leaks between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.splits import Split, TooFewRows, TooLittleHistory, cross_fit_folds, join_groups, split_by_order, split_forward, split_random

DAY = 86_400_000_000


def crm(leads: int, months: float, horizon_days: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Leads created evenly over some months, each looked at five times, mature rows only."""
    rng = np.random.default_rng(seed)
    end = int(months * 30 * DAY)
    born = rng.integers(0, end, leads)
    lead = np.repeat(np.arange(leads), 5)
    as_of = born[lead] + np.tile(np.array([0, 1, 7, 14, 30]) * DAY, leads)
    mature = as_of + horizon_days * DAY <= end
    y = (rng.random(leads) < 0.2)[lead].astype(float)
    return {"as_of": as_of[mature], "created": born[lead][mature], "lead": lead[mature], "y": y[mature]}


def blocks(split: Split) -> list[np.ndarray]:
    return [split.fit, split.calibrate, split.test] if split.small else [split.fit, split.tune, split.calibrate, split.test]


def test_a_history_shorter_than_its_horizon_says_so_instead_of_training_on_nothing() -> None:
    data = crm(500, months=4, horizon_days=90)
    with pytest.raises(TooLittleHistory, match="horizon of 90 days"):
        split_forward(data["as_of"], data["created"], data["lead"], 90 * DAY)


def test_a_handful_of_leads_is_refused() -> None:
    with pytest.raises(TooFewRows, match="at least 10"):
        split_random(np.array([0.0, 1.0, 0.0]), np.arange(3), seed=0)


def test_an_order_with_one_value_orders_nothing() -> None:
    with pytest.raises(Exception, match="single value"):
        split_by_order(np.ones(100), np.arange(100))


@settings(max_examples=25, deadline=None)
@given(months=st.floats(6, 48), horizon=st.sampled_from([7, 30, 60]), leads=st.integers(60, 900), seed=st.integers(0, 99))
def test_nothing_known_after_the_first_test_lead_was_created_is_trained_on(months: float, horizon: int, leads: int, seed: int) -> None:
    data = crm(leads, months, horizon, seed)
    split = split_forward(data["as_of"], data["created"], data["lead"], horizon * DAY, y=data["y"])
    opening = data["created"][split.test].min()
    for earlier in blocks(split)[:-1]:
        assert (data["as_of"][earlier] + horizon * DAY <= opening).all()
        assert (data["created"][earlier] < opening).all()
    seen: set[int] = set()
    for block in blocks(split):
        leads_here = set(data["lead"][block].tolist())
        assert leads_here
        assert not leads_here & seen
        seen |= leads_here


def test_a_long_history_is_purged_at_every_boundary_and_a_short_one_at_the_test_boundary_and_says_which() -> None:
    long, short = crm(4000, 36, 30), crm(4000, 8, 60)
    split = split_forward(long["as_of"], long["created"], long["lead"], 30 * DAY, y=long["y"])
    assert split.description["purged"] == "every boundary"
    for block, following in zip(blocks(split), blocks(split)[1:], strict=False):
        assert (long["as_of"][block] + 30 * DAY).max() <= long["created"][following].min()
    assert split_forward(short["as_of"], short["created"], short["lead"], 60 * DAY, y=short["y"]).description["purged"] == "test boundary"


def test_forward_by_order_keeps_equal_values_together_and_about_the_wanted_shares() -> None:
    order = np.random.default_rng(1).integers(0, 60, 6000).astype(float)
    y = (np.arange(6000) % 5 == 0).astype(float)
    split = split_by_order(order, np.arange(6000), y=y)
    sizes = [len(block) / 6000 for block in blocks(split)]
    assert np.allclose(sizes, [0.60, 0.08, 0.12, 0.20], atol=0.02)
    for block, following in zip(blocks(split), blocks(split)[1:], strict=False):
        assert order[block].max() < order[following].min()


def test_three_distinct_values_still_give_a_later_test_and_a_warning() -> None:
    order = np.repeat([1.0, 2.0, 3.0], [2000, 2000, 1000])
    split = split_by_order(order, np.arange(5000), y=np.tile([0.0, 1.0], 2500))
    assert set(order[split.test]) == {3.0}
    assert order[split.development].max() == 2.0
    assert "few distinct" in str(split.description["warning"])
    assert all(len(block) for block in blocks(split))


def test_rows_without_an_order_are_left_out_and_counted() -> None:
    order = np.arange(2000.0)
    order[:100] = np.nan
    split = split_by_order(order, np.arange(2000), y=np.tile([0.0, 1.0], 1000))
    assert split.description["dropped"] == 100
    assert not np.isin(np.arange(100), np.concatenate(blocks(split))).any()


def test_a_random_split_is_stratified_repeatable_and_says_that_it_flatters() -> None:
    y = (np.arange(5000) % 10 == 0).astype(float)
    split, again = split_random(y, np.arange(5000), seed=3), split_random(y, np.arange(5000), seed=3)
    assert np.array_equal(split.test, again.test)
    assert np.allclose([y[block].mean() for block in blocks(split)], 0.1, atol=0.005)
    assert "flatters" in str(split.description["warning"])
    assert np.array_equal(np.sort(np.concatenate(blocks(split))), np.arange(5000))


def test_exact_duplicates_never_straddle_training_and_test() -> None:
    rng = np.random.default_rng(0)
    content = rng.integers(0, 365, 448)
    split = split_random(rng.integers(0, 2, 448).astype(float), np.arange(448), seed=0, duplicates=content)
    assert split.small
    assert not set(content[split.test]) & set(content[split.development])
    assert np.array_equal(split.tune, split.calibrate)


def test_groups_join_over_a_chain_of_shared_codes() -> None:
    joined = join_groups(np.array([0, 1, 1, 2, 3]), np.array([9, 9, 8, 8, 7]))
    assert len(set(joined[:4])) == 1
    assert joined[4] not in joined[:4]


def test_forward_folds_train_on_the_past_only_and_respect_the_label_window() -> None:
    data = crm(600, 24, 30)
    rows = np.arange(len(data["lead"]))
    folds = cross_fit_folds(rows, data["lead"], order=data["created"], until=data["as_of"] + 30 * DAY)
    assert len(folds) == 5
    for fold in folds:
        assert (data["as_of"][fold.fit] + 30 * DAY).max() <= data["created"][fold.held].min()
        assert not set(data["lead"][fold.fit]) & set(data["lead"][fold.held])
    assert len(np.unique(np.concatenate([fold.held for fold in folds]))) == sum(len(fold.held) for fold in folds)


def test_unordered_folds_hold_every_row_once_and_keep_groups_together() -> None:
    group, y = np.arange(400) // 2, np.tile([0.0, 0.0, 1.0, 1.0], 100)
    rows = np.arange(100, 400)
    folds = cross_fit_folds(rows, group, y=y, seed=5)
    assert np.array_equal(np.sort(np.concatenate([fold.held for fold in folds])), rows)
    for fold in folds:
        assert not set(group[fold.fit]) & set(group[fold.held])
        assert 0.3 < y[fold.held].mean() < 0.7
