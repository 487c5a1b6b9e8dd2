"""The model that serves: the frozen recipe fitted again on all mature rows, calibrated on the newest, written as a bundle.

In: the chosen recipe and the dataset. Out: `Served`, and a bundle folder with the measured test rows as its backtest. What
was measured and what serves are kept apart: the figures belong to the recipe, not to this very model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.labels import COURSE_WEEKS
from features.history import DAY
from models.blend import Model
from models.bundle import Bundle, write_bundle
from models.calibration import Calibration, ScoreScale, fit_base_rate
from models.encoder import Encoder
from models.horizons import ByDay
from models.inputs import Floats
from models.qualification import Policy
from models.value import Value, fit_value
from training.calibrate import calibrate
from training.candidates import Candidate, Recipe, part, refit
from training.dataset import Dataset
from training.horizons import fit_by_day
from training.memory import give_back
from training.splits import Split, cross_fit_folds
from training.wider import with_everyone

__all__ = ["Served", "crosses", "fit_served", "matures", "pseudonyms", "write_served"]

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
_REFERENCE_ROWS = 20_000
_FEWEST_REFERENCE = 200
_MOST_CROSSED = 50_000
_TOP_MQL, _TOP_SQL = 0.20, 0.05


@dataclass(frozen=True)
class Served:
    """The model that will answer, with what it was calibrated on."""

    model: Model
    calibration: Calibration
    scale: ScoreScale
    policy: Policy
    reference: Ints
    """Rows among whose margins a score is a percentile."""
    margin: Floats
    """Margins of `reference`."""
    inputs: Floats
    """Inputs of `reference`, with which those of later leads are compared."""
    fitted_rows: int
    calibrated_rows: int
    value: Value | None = None
    """What a conversion is worth; None where outcomes carry no amounts."""
    by_day: ByDay | None = None


def fit_served(
    data: Dataset, encoder: Encoder, X: Floats, recipe: Recipe, split: Split, when: Floats | None, *, no_signal: bool, seed: int
) -> Served:
    """Fit, calibrate, and set the scale and the default thresholds.

    `split` has two blocks that count, `fit` and `test`: the older rows and the newest. What was measured across folds is
    fitted on everything and calibrated on margins out of fold.
    """
    margin = np.full(len(data), np.nan)
    if data.everyone is None and crosses(split, len(data), when):
        everything = np.union1d(split.fit, split.test)
        group = data.account if when is not None else data.duplicates()
        folds = cross_fit_folds(everything, group, order=when, until=matures(data), y=data.y, seed=seed)
        for fold in folds:
            fitted_without = refit(recipe, X[fold.fit], data.y[fold.fit], encoder.inputs, seed, _of(data.weight, fold.fit))
            margin[fold.held] = fitted_without.margin(X[fold.held])
        model = refit(recipe, X[everything], data.y[everything], encoder.inputs, seed, _of(data.weight, everything))
        calibrating, fitted = everything[np.isfinite(margin[everything])], len(everything)
    else:
        if data.until is not None and data.everyone is not None:
            rows = with_everyone(data, X, encoder, split.fit, split.test, data.everyone, data.until)
            model = refit(recipe, rows.X[rows.fit], rows.y[rows.fit], encoder.inputs, seed, rows.weight[rows.fit])
        else:
            cluster = data.cluster
            elsewhere = None if cluster is None else lambda one: cluster.fit(one, encoder, split.window, seed)
            model = refit(recipe, part(X, split.fit), data.y[split.fit], encoder.inputs, seed, _of(data.weight, split.fit), elsewhere)
        calibrating, fitted = split.test, len(split.fit)
        margin[calibrating] = model.margin(part(X, calibrating))
    give_back()
    if no_signal:
        calibration: Calibration = fit_base_rate(data.y[calibrating], data.lead[calibrating], seed)
    else:
        calibration = calibrate(margin, data.y, data.lead, when, calibrating, seed, data.weight)
    reference = _spread(_newest(data, calibrating, when), data.weight)
    p = calibration.apply(margin[reference])[0]
    policy = Policy.at(threshold_at(p, _TOP_MQL), threshold_at(p, _TOP_SQL))
    scale = ScoreScale.from_margins(margin[reference])
    value = None
    if data.amount is not None:
        won = np.flatnonzero(data.y > 0)
        value = fit_value(X[won], data.amount[won], data.lead[won], encoder.inputs, seed=seed)
    by_day = None
    if data.waited is not None and data.horizon_days is not None:
        by_day = fit_by_day(margin, data.waited, data.horizon_days, calibrating, data.weight)
    return Served(
        model, calibration, scale, policy, reference, margin[reference], X[reference], fitted, len(calibrating), value, by_day
    )  # fmt: skip


def write_served(
    folder: Path,
    data: Dataset,
    split: Split,
    encoder: Encoder,
    served: Served,
    candidate: Candidate,
    calibration: Calibration,
    manifest: Mapping[str, Any],
) -> Bundle:
    """The bundle, with the test rows of the measured model as its backtest, its leads followed day by day,
    and the last weeks as the served model sees them."""
    tables = {
        "reference": _reference(served, encoder),
        "backtest": _measured(data, split.test, candidate.margin[split.test], calibration),
    }
    course = data.course
    if course is not None and course.as_of is not None and len(course):
        X = encoder.encode(course.table)
        worth = None if served.value is None else served.value.given_conversion(X)
        tables["course"] = _course(course, served.calibration.apply(served.model.margin(X))[0], worth)
        manifest = {**manifest, "course": {"share": data.course_share, "until": data.until, "weeks": COURSE_WEEKS}}
    if data.followed is not None:
        followed, standing = _followed(data.followed, data, split)
        margins = candidate.model.margin(encoder.encode(followed.table))
        tables["followed"] = _measured(followed, np.arange(len(followed)), margins, calibration).assign(standing=standing)
    ages = None if data.as_of is None or data.created is None else float((data.as_of - data.created).max() / DAY)
    about = {**manifest, "oldest_observed_days": ages, "columns": dict(data.columns), "reading": dict(data.reading), "mode": data.mode}
    return write_bundle(
        folder,
        model=served.model,
        encoder=encoder,
        calibration=served.calibration,
        scale=served.scale,
        policy=served.policy,
        manifest=about,
        tables=tables,
        value=served.value,
        by_day=served.by_day,
    )


def crosses(split: Split, rows: int, when: Floats | None) -> bool:
    """Whether rows serve twice, through folds: where they are few; and where nothing orders them, up to a size at which a block
    of their own for calibration costs nothing. In time the newest calibrate best: they are most like what comes."""
    return split.small or (when is None and rows <= _MOST_CROSSED)


def matures(data: Dataset) -> Ints | None:
    """When each row's label is known, on the scale of its order; None without a horizon."""
    if data.as_of is None or data.horizon_days is None:
        return None
    return data.as_of + np.int64(round(data.horizon_days * DAY))


def _newest(data: Dataset, rows: Ints, when: Floats | None) -> Ints:
    """The newest rows that look like what the service sees."""
    alike = rows[data.served_like[rows]]
    rows = alike if len(alike) >= _FEWEST_REFERENCE else rows
    if when is not None:
        rows = rows[np.argsort(when[rows], kind="stable")]
    return rows[-_REFERENCE_ROWS:]


def _spread(rows: Ints, weight: Floats | None) -> Ints:
    """As many rows, each as often as it counts: percentiles and thresholds are those of the leads that the rows stand for."""
    if weight is None:
        return rows
    edges = np.cumsum(weight[rows])
    spread: Ints = rows[np.searchsorted(edges, (np.arange(len(rows)) + 0.5) * (edges[-1] / len(rows)))]
    return spread


def _of(weight: Floats | None, rows: Ints) -> Floats | None:
    return None if weight is None else weight[rows]


def threshold_at(p: Floats, share: float) -> float:
    """The probability that comes closest to letting the top `share` in; probabilities tie, so it may not be exact."""
    values, counts = np.unique(p, return_counts=True)
    reached = np.cumsum(counts[::-1])[::-1] / len(p)
    return float(values[int(np.argmin(np.abs(reached - share)))])


def pseudonyms(lead_ids: Sequence[str]) -> list[str]:
    """Stable names that do not give the ids away at a glance, so that two models' backtests can be paired lead by lead."""
    return [hashlib.sha256(name.encode()).hexdigest()[:16] for name in lead_ids]


def _reference(served: Served, encoder: Encoder) -> pd.DataFrame:
    """What the model was calibrated on, without anything that says whose it was."""
    columns: dict[str, Any] = {"margin": served.margin, "probability": served.calibration.apply(served.margin)[0]}
    columns |= {f"signal_{one.name}": served.inputs[:, place].astype(np.float32) for place, one in enumerate(encoder.inputs)}
    return pd.DataFrame(columns)


def _measured(data: Dataset, rows: Ints, margin: Floats, calibration: Calibration) -> pd.DataFrame:
    """Rows that the measured model never saw, under pseudonyms: what it said, and what happened."""
    p, low, high = calibration.apply(margin)
    columns: dict[str, Any] = {
        "lead": pseudonyms([data.lead_ids[code] for code in data.lead[rows].tolist()]),
        "probability": p,
        "probability_low": low,
        "probability_high": high,
        "margin": margin,
        "y": data.y[rows].astype(np.int8),
    }
    if data.as_of is not None:
        columns["as_of"] = pd.to_datetime(data.as_of[rows], unit="us", utc=True)
    if data.amount is not None:
        columns["amount"] = data.amount[rows]
    return _with_segments(columns, data, rows)


def _followed(looks: Dataset, data: Dataset, split: Split) -> tuple[Dataset, Flags]:
    """The looks since test began, and how leads that were there before stood then, marked.

    What the measured model learnt of those older leads had come out before test began (the boundary is purged), as what the served
    model knows of leads that are old today. Without them nobody would know how old leads fare that reach a threshold late.
    """
    new = np.isin(looks.lead, data.lead[split.test])
    if looks.created is None or looks.as_of is None or data.created is None:
        return looks.take(np.flatnonzero(new)), np.zeros(int(new.sum()), np.bool_)
    began = data.created[split.test].min()
    since = looks.as_of >= began
    # The last look before; rows are by lead and instant.
    last = np.ones(len(looks), np.bool_)
    last[:-1] = (looks.lead[1:] != looks.lead[:-1]) | since[1:]
    rows = np.flatnonzero(new | ((looks.created < began) & (since | last)))
    return looks.take(rows), ~since[rows]


def _course(course: Dataset, p: Floats, worth: Floats | None) -> pd.DataFrame:
    """Open leads through the last weeks, under pseudonyms; `standing` marks how a lead stood when they began, and `amount` is what it is
    expected to bring if it converts."""
    assert course.as_of is not None
    columns: dict[str, Any] = {
        "lead": pseudonyms([course.lead_ids[code] for code in course.lead.tolist()]),
        "probability": p,
        "as_of": pd.to_datetime(course.as_of, unit="us", utc=True),
        "standing": ~course.served_like,
    }
    if worth is not None:
        columns["amount"] = worth
    return _with_segments(columns, course, np.arange(len(course)))


def _with_segments(columns: Mapping[str, Any], data: Dataset, rows: Ints) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    for name in data.segments.columns:
        frame[f"segment_{name}"] = data.segments[name].to_numpy(dtype=object)[rows]
    return frame
