"""The candidates from a notebook: as scikit-learn knows estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from models.inputs import InputSpec
from models.logit import sigmoid
from training.estimators import BlendClassifier, BoostedClassifier, LogisticClassifier, NaiveBayesClassifier, ScorecardClassifier

EVERY = pytest.mark.parametrize(
    "estimator",
    [
        ScorecardClassifier(),
        NaiveBayesClassifier(),
        LogisticClassifier(),
        BoostedClassifier(rounds=20),
        BlendClassifier(rounds=5, folds=2),
    ],
    ids=lambda one: type(one).__name__,
)


@pytest.fixture(scope="module")
def leads() -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "visits": rng.poisson(2, 600).astype(float),
            "source": rng.choice(["web", "feria", "socio"], 600),
            "size": np.where(rng.random(600) < 0.2, np.nan, rng.normal(size=600)),
        }
    )
    margin = 0.8 * frame["visits"] - 2 + (frame["source"] == "socio")
    return frame, np.where(rng.random(600) < sigmoid(margin.to_numpy()), "won", "lost")


@EVERY
def test_scikit_learns_own_checks(estimator: Any) -> None:
    found = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {one["check_name"]: str(one["exception"]) for one in found if one["status"] == "failed"}
    assert failed == {}
    assert sum(one["status"] == "passed" for one in found) > 40


@EVERY
class TestFromAFrame:
    def test_texts_are_categories_and_a_new_one_is_no_error(self, estimator: Any, leads: Any) -> None:
        frame, y = leads
        fitted = clone(estimator).fit(frame, y)
        assert fitted.classes_.tolist() == ["lost", "won"]
        rows = pd.DataFrame({"visits": [4.0, 4.0], "source": ["socio", "nobody ever said this"], "size": [0.0, np.nan]})
        p = fitted.predict_proba(rows)
        assert np.allclose(p.sum(axis=1), 1)
        assert p[0, 1] > 0.5

    def test_it_ranks_out_of_fold_inside_a_pipeline(self, estimator: Any, leads: Any) -> None:
        frame, y = leads
        pipeline = make_pipeline(FunctionTransformer(), clone(estimator))
        assert cross_val_score(pipeline, frame, y, scoring="roc_auc", cv=3).mean() > 0.7

    def test_contributions_add_up_to_the_margin(self, estimator: Any, leads: Any) -> None:
        frame, y = leads
        fitted = clone(estimator).fit(frame, y)
        contributions, base = fitted.contributions(frame)
        np.testing.assert_allclose(contributions.sum(axis=1) + base, fitted.decision_function(frame), atol=1e-9)


def test_a_direction_can_be_declared() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(300, 1)), rng.integers(0, 2, 300)
    fitted = BoostedClassifier(rounds=30, inputs=(InputSpec("strength", monotone=1),)).fit(X, y)
    assert (np.diff(fitted.decision_function(np.linspace(-2, 2, 50)[:, None])) >= 0).all()
