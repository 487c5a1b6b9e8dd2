"""The candidates as scikit-learn knows estimators: `fit(X, y)`, `predict_proba(X)`, `classes_`, in pipelines and grid searches.

In: a numeric matrix (NaN is missing), or a pandas frame whose text and category columns become categories; two classes of
any label. Out: estimators whose `model_` is the same model that Tamiz trains, serves and explains, without a calibration:
`predict_proba` is the margin's probability, and `contributions` says what each input added to it. Nothing here is used by
training itself, and a service never imports it.

    >>> import numpy as np
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]] * 20)
    >>> y = np.where(X[:, 0] + np.tile([0.0, 1.0, -1.0, 0.0], 20) > 1.0, "won", "lost")
    >>> card = ScorecardClassifier().fit(X, y)
    >>> card.classes_.tolist(), card.predict(np.array([[3.0]])).tolist()
    (['lost', 'won'], ['won'])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from models.blend import Blend, Model, Weights, fit_weights
from models.boosted import fit_boosted
from models.inputs import Floats, InputSpec
from models.logistic import fit_logistic
from models.logit import sigmoid
from models.naive_bayes import PULL, fit_naive_bayes
from models.scorecard import fit_scorecard
from training.splits import cross_fit_folds

__all__ = ["BlendClassifier", "BoostedClassifier", "LogisticClassifier", "NaiveBayesClassifier", "ScorecardClassifier"]


class _Candidate(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """What the five share. `inputs` (a sequence of `InputSpec`) may declare names, directions and categories; else they are found."""

    inputs: Sequence[InputSpec] | None

    def fit(self, X: Any, y: Any) -> Self:  # noqa: ANN401 - whatever scikit-learn takes for a matrix
        """Two classes; the later one in sorted order is the conversion."""
        values = self._read(X, reset=True)
        target = column_or_1d(y, warn=True)
        assert_all_finite(target, input_name="y")
        check_classification_targets(target)
        if len(target) != len(values):
            raise ValueError(f"Found input variables with inconsistent numbers of samples: {[len(values), len(target)]}")
        self.classes_, codes = np.unique(target, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(f"Only binary classification is supported. The type of the target is {type_of_target(target)}.")
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present.")
        self.model_ = self.model_of(values, codes.astype(np.float64), self.inputs_)
        return self

    def decision_function(self, X: Any) -> Floats:  # noqa: ANN401 - see fit
        """The margin: log-odds."""
        check_is_fitted(self, "model_")
        margin: Floats = self.model_.margin(self._read(X, reset=False))
        return margin

    def predict_proba(self, X: Any) -> Floats:  # noqa: ANN401 - see fit
        """Probability of each class, uncalibrated."""
        p = sigmoid(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401 - see fit
        """The likelier class."""
        likelier = (self.decision_function(X) > 0).astype(np.intp)
        found: NDArray[Any] = self.classes_[likelier]
        return found

    def contributions(self, X: Any) -> tuple[Floats, float]:  # noqa: ANN401 - see fit
        """What each input adds to the margin, rows × inputs, and the base."""
        check_is_fitted(self, "model_")
        found: tuple[Floats, float] = self.model_.contributions(self._read(X, reset=False))
        return found

    def model_of(self, X: Floats, y: Floats, inputs: Sequence[InputSpec]) -> Model:
        """The model itself, from a matrix and labels 0 and 1 that have been checked."""
        raise NotImplementedError

    def _read(self, X: Any, *, reset: bool) -> Floats:  # noqa: ANN401 - see fit
        """The matrix: texts of a frame as codes of the categories that fitting saw, 0 for any other."""
        if hasattr(X, "select_dtypes"):
            words = [name for name in X.columns if X[name].dtype.kind not in "biuf"]
            if reset:
                self.words_ = {name: tuple(sorted({str(value) for value in X[name].dropna()})) for name in words}
            X = X.assign(**{name: _codes(X[name], kept) for name, kept in self.words_.items() if name in X.columns})
        elif reset:
            self.words_ = {}
        values = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        if reset:
            names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(values.shape[1])])
            self.inputs_ = tuple(self.inputs or (_spec(name, self.words_.get(name)) for name in names))
        return np.asarray(values, dtype=np.float64)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's own type
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


class ScorecardClassifier(_Candidate):
    """Integer points by bin."""

    def __init__(self, inputs: Sequence[InputSpec] | None = None) -> None:
        self.inputs = inputs

    def model_of(self, X: Floats, y: Floats, inputs: Sequence[InputSpec]) -> Model:
        return fit_scorecard(X, y, inputs)


class NaiveBayesClassifier(_Candidate):
    """Evidence by bin, smoothed by `pull` average rows."""

    def __init__(self, pull: float = PULL, inputs: Sequence[InputSpec] | None = None) -> None:
        self.pull = pull
        self.inputs = inputs

    def model_of(self, X: Floats, y: Floats, inputs: Sequence[InputSpec]) -> Model:
        return fit_naive_bayes(X, y, inputs, pull=self.pull)


class LogisticClassifier(_Candidate):
    """Regularised logistic regression on expanded inputs; `C` is the inverse strength."""

    def __init__(self, C: float = 0.1, inputs: Sequence[InputSpec] | None = None) -> None:
        self.C = C
        self.inputs = inputs

    def model_of(self, X: Floats, y: Floats, inputs: Sequence[InputSpec]) -> Model:
        return fit_logistic(X, y, inputs, C=self.C)


class BoostedClassifier(_Candidate):
    """LightGBM with Tamiz's defaults, a given number of rounds."""

    def __init__(self, rounds: int = 100, seed: int = 7, inputs: Sequence[InputSpec] | None = None) -> None:
        self.rounds = rounds
        self.seed = seed
        self.inputs = inputs

    def model_of(self, X: Floats, y: Floats, inputs: Sequence[InputSpec]) -> Model:
        return fit_boosted(X, y, None, None, inputs, seed=self.seed, rounds=self.rounds)


class BlendClassifier(_Candidate):
    """All four, weighed on margins out of fold."""

    def __init__(self, C: float = 0.1, rounds: int = 100, folds: int = 5, seed: int = 7, inputs: Sequence[InputSpec] | None = None) -> None:
        self.C = C
        self.rounds = rounds
        self.folds = folds
        self.seed = seed
        self.inputs = inputs

    def model_of(self, X: Floats, y: Floats, inputs: Sequence[InputSpec]) -> Model:
        members = {
            "scorecard": ScorecardClassifier(),
            "naive_bayes": NaiveBayesClassifier(),
            "logistic": LogisticClassifier(self.C),
            "boosted": BoostedClassifier(self.rounds, self.seed),
        }
        rows = np.arange(len(y))
        folds = [one for one in cross_fit_folds(rows, rows, y=y, folds=self.folds, seed=self.seed) if np.ptp(y[one.fit]) > 0]
        held = np.concatenate([one.held for one in folds]) if folds else rows[:0]
        margins = {
            name: np.concatenate([member.model_of(X[one.fit], y[one.fit], inputs).margin(X[one.held]) for one in folds])
            for name, member in members.items()
            if folds
        }
        fitted = {name: member.model_of(X, y, inputs) for name, member in members.items()}
        weights = fit_weights(margins, y[held]) if folds else Weights(dict.fromkeys(members, 1 / len(members)), 0.0)
        return Blend(tuple((fitted[name], weight) for name, weight in weights.of.items()), weights.offset)  # type: ignore[misc]  # none is a blend


def _spec(name: str, categories: Sequence[str] | None) -> InputSpec:
    return InputSpec(str(name)) if categories is None else InputSpec(str(name), kind="category", categories=tuple(categories))


def _codes(column: Any, kept: Sequence[str]) -> Floats:  # noqa: ANN401 - a pandas column
    known = {value: float(code) for code, value in enumerate(kept, start=1)}
    return np.array([np.nan if missing else known.get(str(value), 0.0) for value, missing in zip(column, column.isna(), strict=True)])
