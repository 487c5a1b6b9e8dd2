"""Logistic regression over blocks: the same answer as a library's, in any order of rows, and an end where classes come apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import models.newton as newton
from models.newton import regress

Floats = NDArray[np.float64]


def world(rows: int, columns: int, seed: int, strength: float = 1.0) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    Z = random.normal(size=(rows, columns))
    y = (random.random(rows) < 1 / (1 + np.exp(1 - strength * Z[:, 0]))).astype(float)
    y[:2] = 0.0, 1.0
    return Z, y


def fitted(Z: Floats, y: Floats, weight: Floats | None = None, ridge: float = 1.0, start: Floats | None = None) -> Floats:
    return regress(lambda first, last: Z[first:last], y, np.ones(len(y)) if weight is None else weight, np.full(Z.shape[1], ridge), start)


def test_classes_that_a_line_parts_come_to_an_end() -> None:
    Z = np.linspace(-3, 3, 400)[:, None] * 100
    beta = fitted(Z, (Z[:, 0] > 0).astype(float), ridge=1e-6)
    assert np.isfinite(beta).all()
    assert beta[1] > 0


@pytest.mark.parametrize("ridge", [0.1, 30.0])
def test_it_agrees_with_scikit_learn(ridge: float) -> None:
    from sklearn.linear_model import LogisticRegression

    Z, y = world(3_000, 5, 1)
    weight = np.random.default_rng(2).random(3_000) + 0.5
    theirs = LogisticRegression(C=1 / ridge, tol=1e-10, max_iter=1_000).fit(Z, y, sample_weight=weight)
    np.testing.assert_allclose(fitted(Z, y, weight, ridge), np.append(theirs.intercept_, theirs.coef_[0]), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 400), st.integers(0, 4), st.integers(0, 9), st.floats(0.0, 30.0))
def test_at_the_end_no_direction_leads_further_down(rows: int, columns: int, seed: int, strength: float) -> None:
    Z, y = world(rows, max(columns, 1), seed, strength)
    beta = fitted(Z, y)
    p = 1 / (1 + np.exp(-(Z @ beta[1:] + beta[0])))
    assert abs((y - p).sum()) < 1e-3
    assert np.abs(Z.T @ (y - p) - beta[1:]).max() < 1e-3


def test_the_size_of_blocks_and_the_start_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Z, y = world(900, 3, 3)
    whole = fitted(Z, y)
    np.testing.assert_allclose(fitted(Z, y, start=np.array([2.0, -3.0, 1.0, 0.5])), whole, atol=1e-6)
    monkeypatch.setattr(newton, "_BLOCK", 7)
    np.testing.assert_allclose(fitted(Z, y), whole, atol=1e-9)
