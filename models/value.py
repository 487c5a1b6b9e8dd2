"""What a conversion is worth: the expected amount of a lead that converts, from the same inputs as its probability.

In: the encoded matrix of rows that converted, with their amounts; NaN is an amount that nobody knows. Out: `Value`, served from
`value.json` by NumPy alone. It is a ridge regression of log(amount), so that one giant deal bends nothing, brought to the level at
which expected and real amounts add up to the same sum. Where the inputs do not tell amounts apart on leads held out,
every conversion is worth the mean. Each lead counts once, however often it was looked at. Negative amounts count as not known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import BadData
from models.inputs import Floats, InputSpec, matrix
from models.logistic import Logistic, fit_linear

__all__ = ["FILE", "BadValueModel", "Value", "fit_value"]

FILE = "value.json"
FEWEST_LEADS = 50
"""With an amount; among fewer, a regression tells nothing and the mean is taken."""
STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
FOLDS = 5

Ints = NDArray[np.int64]


class BadValueModel(BadData):
    """value.json is not a model that can be served: {why}. Pull or train the model again."""


@dataclass(frozen=True)
class Value:
    """The expected amount given conversion."""

    mean: float
    """Over the leads that converted with a known amount."""
    leads: int
    linear: Logistic | None = None
    """Its margin is the expected log(amount); None where the mean is all that is known."""
    low: float = 0.0
    high: float = 0.0
    """Ends of log(amount) in training: nobody is worth more, or less, than anybody was."""
    level: float = 1.0

    def given_conversion(self, X: ArrayLike) -> Floats:
        """Expected amount of each row, should it convert."""
        if self.linear is None:
            return np.full(len(np.asarray(X)), self.mean)
        return self.of_log(self.linear.margin(X))

    def of_log(self, told: Floats) -> Floats:
        """The amount where the regression tells its logarithm."""
        return self.level * np.exp(np.minimum(np.maximum(told, self.low), self.high))

    def save(self, folder: Path) -> list[str]:
        document = {
            "mean": self.mean, "leads": self.leads, "low": self.low, "high": self.high, "level": self.level,
            "linear": None if self.linear is None else self.linear.to_json(),
        }  # fmt: skip
        (folder / FILE).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8", newline="\n")
        return [FILE]

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """None where the bundle was made without amounts."""
        if not (folder / FILE).exists():
            return None
        try:
            document: Mapping[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
            mean, low, high, level = (float(document[name]) for name in ("mean", "low", "high", "level"))
            if not np.isfinite([mean, low, high, level]).all():
                raise ValueError("its figures are no numbers")
            linear = None if document["linear"] is None else Logistic.from_json(document["linear"])
            return cls(mean, int(document["leads"]), linear, low, high, level)
        except (ValueError, KeyError, TypeError) as error:
            raise BadValueModel(why=f"{type(error).__name__}: {error}") from error


def fit_value(X: Floats, amount: Floats, lead: Ints, inputs: Sequence[InputSpec], *, seed: int = 0) -> Value | None:
    """From rows that converted; None where no amount is known."""
    known = np.isfinite(amount) & (amount >= 0)
    X, amount, lead = matrix(X, len(inputs))[known], amount[known], lead[known]
    if not len(amount):
        return None
    leads, code, looks = np.unique(lead, return_inverse=True, return_counts=True)
    weight = 1.0 / looks[code]
    mean = float(np.average(amount, weights=weight))
    sold = amount > 0
    if len(np.unique(lead[sold])) < FEWEST_LEADS:
        return Value(mean, len(leads))
    log = np.log(amount[sold])
    found = _held_out(X[sold], log, code[sold], weight[sold], inputs, seed)
    if found is None:
        return Value(mean, len(leads))
    strength, told = found
    low, high = float(log.min()), float(log.max())
    # Amounts of nothing are no part of the regression and part of the level: expected and real sums agree.
    linear = fit_linear(X[sold], log, inputs, strength=strength, weights=weight[sold])
    everyone = linear.margin(X)
    everyone[sold] = told
    expected = float(np.sum(weight * np.exp(np.clip(everyone, low, high))))
    return Value(mean, len(leads), linear, low, high, float(np.sum(weight * amount)) / expected)


def _held_out(X: Floats, log: Floats, code: Ints, weight: Floats, inputs: Sequence[InputSpec], seed: int) -> tuple[float, Floats] | None:
    """The strength that tells log(amount) best on leads held out, and what it told; None where the mean tells as much."""
    names, own = np.unique(code, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(np.arange(len(names)) % FOLDS)[own]
    told = {strength: np.empty(len(log)) for strength in STRENGTHS}
    plain = np.empty(len(log))
    for number in range(FOLDS):
        held = fold == number
        plain[held] = np.average(log[~held], weights=weight[~held])
        for strength, expected in told.items():
            fitted = fit_linear(X[~held], log[~held], inputs, strength=strength, weights=weight[~held])
            expected[held] = np.clip(fitted.margin(X[held]), log.min(), log.max())
    losses = {strength: float(np.average((log - expected) ** 2, weights=weight)) for strength, expected in told.items()}
    best = min(losses, key=lambda strength: losses[strength])
    gain = np.bincount(own, weights=weight * ((log - plain) ** 2 - (log - told[best]) ** 2))
    error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
    return (best, told[best]) if float(gain.mean()) > error else None
