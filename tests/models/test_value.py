"""What a deal is worth: amounts nobody knows, deals that inputs say nothing about, and then inputs that do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.inputs import InputSpec
from models.value import FILE, BadValueModel, Value, fit_value

SIZE, COUNTRY = InputSpec("employees", "fit"), InputSpec("country", "fit", "category", 0, ("ES", "US"))


def deals(n: int, told: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leads that converted, one look each; `told` is how much their size says about the amount."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=n), rng.integers(1, 3, n).astype(float)])
    amount = np.exp(8 + told * X[:, 0] + 0.5 * rng.normal(size=n))
    return X, amount, np.arange(n)


class TestAmountsThatSayLittle:
    def test_without_any_amount_there_is_no_value(self) -> None:
        X, amount, lead = deals(80, 1.0)
        assert fit_value(X, np.full(80, np.nan), lead, [SIZE, COUNTRY]) is None
        assert fit_value(X, -amount, lead, [SIZE, COUNTRY]) is None

    def test_a_handful_of_deals_gives_their_mean(self) -> None:
        X, amount, lead = deals(30, 1.0)
        value = fit_value(X, amount, lead, [SIZE, COUNTRY])
        assert value is not None
        assert value.given_conversion(X[:3]).tolist() == pytest.approx([amount.mean()] * 3)

    def test_inputs_that_do_not_tell_amounts_apart_give_the_mean_in_most_worlds(self) -> None:
        found = [fit_value(*deals(150, 0.0, seed), [SIZE, COUNTRY], seed=seed) for seed in range(20)]
        assert sum(one is not None and one.linear is None for one in found) >= 15

    def test_a_lead_that_was_looked_at_often_counts_once(self) -> None:
        X, amount, lead = deals(30, 1.0)
        rows = np.r_[np.zeros(50, dtype=int), np.arange(30)]
        value = fit_value(X[rows], amount[rows], lead[rows], [SIZE, COUNTRY])
        assert value is not None
        assert (value.mean, value.leads) == (pytest.approx(amount.mean()), 30)


class TestAmountsThatInputsTell:
    def test_larger_companies_are_worth_more_and_the_sum_is_right(self) -> None:
        X, amount, lead = deals(400, 1.0)
        value = fit_value(X, amount, lead, [SIZE, COUNTRY])
        assert value is not None
        low, high = value.given_conversion(np.array([[-1.0, 1.0], [1.0, 1.0]]))
        assert high / low == pytest.approx(np.exp(2.0), rel=0.2)
        assert value.given_conversion(X).sum() == pytest.approx(amount.sum(), rel=0.05)

    def test_nobody_is_worth_more_than_anybody_was(self) -> None:
        X, amount, lead = deals(400, 1.0)
        value = fit_value(X, amount, lead, [SIZE, COUNTRY])
        assert value is not None
        assert value.given_conversion(np.array([[1e9, 1.0], [np.inf, 2.0]])).max() <= amount.max() * value.level * (1 + 1e-12)

    def test_one_giant_deal_bends_nobody_elses_slope(self) -> None:
        X, amount, lead = deals(400, 1.0)
        giant = amount.copy()
        giant[0] *= 1_000
        plain, bent = (fit_value(X, one, lead, [SIZE, COUNTRY]) for one in (amount, giant))
        assert plain is not None
        assert bent is not None
        two = np.array([[-1.0, 1.0], [1.0, 1.0]])
        slopes = [np.log(one.given_conversion(two)[1] / one.given_conversion(two)[0]) for one in (plain, bent)]
        assert slopes[1] == pytest.approx(slopes[0], rel=0.1)

    def test_deals_without_money_lower_the_level(self) -> None:
        X, amount, lead = deals(400, 1.0)
        free = np.where(np.arange(400) % 4 == 0, 0.0, amount)
        value = fit_value(X, free, lead, [SIZE, COUNTRY])
        assert value is not None
        assert value.given_conversion(X).sum() == pytest.approx(free.sum(), rel=0.1)


class TestItsFile:
    def test_comes_back_with_the_same_bits(self, tmp_path: Path) -> None:
        X, amount, lead = deals(400, 1.0)
        value = fit_value(X, amount, lead, [SIZE, COUNTRY])
        assert value is not None
        assert value.save(tmp_path) == [FILE]
        read = Value.load(tmp_path)
        assert read is not None
        assert read.given_conversion(X).tobytes() == value.given_conversion(X).tobytes()

    def test_a_bundle_without_amounts_has_none(self, tmp_path: Path) -> None:
        assert Value.load(tmp_path) is None

    @pytest.mark.parametrize("broken", ["{}", "[]", json.dumps({"mean": "x", "leads": 1, "low": 0, "high": 0, "level": 1, "linear": None})])
    def test_a_broken_one_is_refused(self, tmp_path: Path, broken: str) -> None:
        (tmp_path / FILE).write_text(broken)
        with pytest.raises(BadValueModel):
            Value.load(tmp_path)
