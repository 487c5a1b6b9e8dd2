"""Is more data worth waiting for? The chosen recipe fitted on an eighth, a quarter and half of the leads, judged on test.

In: the measured candidate and the rows it was fitted on. Out: AUC by number of leads, each with an interval, what the last
doubling brought on the same test rows, and a verdict: `rising`, `flat` or `unclear`. Leads are drawn at random, each part
inside the next. The recipe is frozen (rounds, strength, weights), so a small part is judged a little too harshly.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoder import Encoder
from models.inputs import Floats
from models.logit import sigmoid
from training.candidates import Candidate, refit
from training.dataset import Dataset
from training.metrics import auc, paired_differences
from training.splits import Split

__all__ = ["WORTH", "learning_curve"]

Ints = NDArray[np.int64]
PARTS = (1 / 8, 1 / 4, 1 / 2)
FEWEST_ROWS, FEWEST_POSITIVES = 200, 20
WORTH = 0.003
"""Of AUC: a doubling that surely brings less is not worth waiting for."""


def learning_curve(
    data: Dataset, split: Split, encoder: Encoder, X: Floats, candidate: Candidate, fitted: Ints, *, seed: int, resamples: int, until: float
) -> dict[str, Any]:
    """`fitted` are the rows that the candidate was fitted on; no further part is begun after `until` (of `time.perf_counter`)."""
    rows = split.test
    y, lead = data.y[rows], data.lead[rows]
    leads = np.unique(data.lead[fitted])
    drawn = np.random.default_rng(seed).permutation(leads)
    whole = candidate.margin[rows]
    points: list[dict[str, Any]] = []
    half: Floats | None = None
    for part in PARTS:
        own = fitted[np.isin(data.lead[fitted], drawn[: max(1, round(part * len(leads)))])]
        positives = data.y[own].sum()
        if len(own) < FEWEST_ROWS or min(positives, len(own) - positives) < FEWEST_POSITIVES or time.perf_counter() > until:
            continue
        margin = refit(candidate.recipe, X[own], data.y[own], encoder.inputs, seed).margin(X[rows])
        points.append(_point(round(part * len(leads)), y, margin, lead, seed, resamples))
        half = margin if part == PARTS[-1] else None
    points.append(_point(len(leads), y, whole, lead, seed, resamples))
    if half is None:
        return {"points": points, "doubling": None, "verdict": "unclear"}
    brought = paired_differences(y, (sigmoid(whole), whole), (sigmoid(half), half), lead, seed=seed, resamples=resamples)["auc"]
    ends = brought["ci"]
    assert isinstance(ends, list)
    low, high = ends
    verdict = "unclear"
    if low is not None and high is not None:
        verdict = "flat" if high < WORTH else "rising" if low > 0 else "unclear"
    return {"points": points, "doubling": {"auc": brought["difference"], "auc_ci": ends}, "verdict": verdict}


def _point(leads: int, y: Floats, margin: Floats, lead: Ints, seed: int, resamples: int) -> dict[str, Any]:
    draws = lead_draws(lead, lambda weight: auc(y, margin, weight), seed, resamples)
    return {"leads": leads, "auc": float(auc(y, margin)), "auc_ci": draws}


def lead_draws(lead: Ints, figure: Any, seed: int, resamples: int) -> list[float | None]:  # noqa: ANN401 - a function of row weights
    """The 95 % interval of a figure of row weights, leads resampled."""
    _, code = np.unique(lead, return_inverse=True)
    leads = int(code.max()) + 1
    rng = np.random.default_rng(seed)
    draws = np.array(
        [figure(np.bincount(rng.integers(leads, size=leads), minlength=leads)[code].astype(np.float64)) for _ in range(resamples)]
    )
    draws = draws[np.isfinite(draws)]
    return [float(end) for end in np.percentile(draws, [2.5, 97.5])] if len(draws) else [None, None]
