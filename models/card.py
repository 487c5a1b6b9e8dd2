"""A model's card: what it was trained on, how well it does, and what it leaves out, for whoever decides whether it should serve.

In: a bundle's folder. Out: a `Card`, which goes out as JSON; what the bundle does not say is null, or an empty list. The curves are of the
rows that the measured model never saw (`backtest.parquet`): conversion by tenths of equally many rows, with an interval by the leads
behind them (rows of one lead are not independent), and the share of conversions among the best. Reading the rows takes a moment: not on
an event loop.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle import MANIFEST
from models.looks import Looks, NoBacktest, read_backtest

__all__ = ["Bin", "Card", "Comparison", "Figure", "Input", "Segment", "Share", "card_of", "comparison_of", "comparisons"]

BINS = 10
_FIGURES = ("auc", "pr_auc", "log_loss", "brier", "ece", "lift_at_10", "precision_at_20")
_Z = 1.959963984540054


class Figure(msgspec.Struct):
    """A figure with its 95 % interval."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None


class Bin(msgspec.Struct):
    """A tenth of the rows: what was promised on average, and what happened."""

    rows: int
    leads: int
    promised: float
    observed: float
    low: float
    high: float


class Share(msgspec.Struct):
    """The best so many of all rows, and which share of all conversions they hold."""

    share: float
    gain: float


class Segment(msgspec.Struct):
    """What was promised to a group of leads and what happened."""

    column: str
    value: str
    leads: int
    promised: float
    observed: float
    low: float
    high: float


class Input(msgspec.Struct):
    """An input, its verdict by the leakage audit, and how much the model leans on it."""

    name: str
    verdict: str
    evidence: str
    used: bool
    importance: float | None = None


class Card(msgspec.Struct):
    """What is known of a model."""

    model_version: str
    version: int | None
    """As the registry counts; null for a bundle that came from elsewhere."""
    kind: str
    title: str | None
    trained_at: str | None
    label: str | None
    horizon_days: float | None
    feature_set: str | None
    rows: int | None
    leads: int | None
    conversions: int | None
    base_rate: float | None
    split: str | None
    measured_from: str | None
    """Since when the leads came that it was measured on."""
    measured_rows: int | None
    calibration: str | None
    no_signal: bool
    figures: list[Figure]
    bins: list[Bin]
    gain: list[Share]
    segments: list[Segment]
    inputs: list[Input]
    """Those left out first, then by importance."""
    trained_with: str | None
    """The version of the code."""


class Gate(msgspec.Struct):
    """A question before a promotion, its answer, and the numbers behind it."""

    name: str
    verdict: str
    figures: str


class Comparison(msgspec.Struct):
    """What the gates said of the challenger."""

    verdict: str
    final: bool
    """Whether no reason can overrule it."""
    at: str
    said: str
    gates: list[Gate]
    notes: list[str]


def card_of(folder: Path, version: int | None = None) -> Card:
    """The card of a bundle."""
    manifest: Mapping[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    measured, split = metrics.get("measured") or {}, metrics.get("split") or {}
    bins, gain = _curves(folder)
    return Card(
        model_version=str(manifest.get("model_version") or folder.name),
        version=version,
        kind=str(manifest.get("kind") or ""),
        title=manifest.get("title"),
        trained_at=manifest.get("created_at"),
        label=manifest.get("label"),
        horizon_days=manifest.get("horizon_days"),
        feature_set=manifest.get("feature_set"),
        rows=metrics.get("rows"),
        leads=metrics.get("leads"),
        conversions=metrics.get("converted_leads"),
        base_rate=metrics.get("base_rate"),
        split=split.get("kind"),
        measured_from=(split.get("boundaries") or {}).get("test"),
        measured_rows=measured.get("rows"),
        calibration=(metrics.get("served") or {}).get("calibration"),
        no_signal=bool(manifest.get("no_signal")),
        figures=[_figure(measured, name) for name in _FIGURES if name in measured],
        bins=bins,
        gain=gain,
        segments=[
            msgspec.convert({name: one.get(name) for name in Segment.__struct_fields__}, Segment) for one in metrics.get("segments") or ()
        ],
        inputs=_inputs(manifest, metrics),
        trained_with=(manifest.get("provenance") or {}).get("code"),
    )


def comparisons(root: Path, challenger: Path, champion: Path | None) -> Path:
    """The folder of what was found of exactly these two bundles."""
    digests = [hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:12] for folder in (challenger, champion) if folder is not None]
    return root / "comparisons" / "-".join(digests)


def comparison_of(root: Path, challenger: Path, champion: Path | None) -> Comparison | None:
    """What `tamiz compare` or `tamiz promote` found of these two, if one of them looked here."""
    try:
        told = json.loads((comparisons(root, challenger, champion) / "comparison.json").read_bytes())
        return Comparison(
            told["verdict"], bool(told["final"]), told["at"], told["evidence"]["said"],
            [Gate(one["name"], one["verdict"], one["figures"]) for one in told["gates"]], list(told["notes"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _figure(measured: Mapping[str, Any], name: str) -> Figure:
    low, high = measured.get(f"{name}_ci") or (None, None)
    return Figure(name, measured[name], low, high)


def _inputs(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[Input]:
    left_out = set(manifest.get("left_out") or ())
    importance: Mapping[str, float] = manifest.get("importance") or {}
    audited: Mapping[str, Any] = metrics.get("inputs") or {}
    found = [
        Input(name, str(told.get("verdict")), str(told.get("evidence") or ""), name not in left_out, importance.get(name))
        for name, told in audited.items()
    ]
    return sorted(found, key=lambda one: (one.used, -(one.importance or 0.0), one.name))


def _curves(folder: Path) -> tuple[list[Bin], list[Share]]:
    try:
        backtest = read_backtest(folder)
    except NoBacktest:
        return [], []
    return _bins(backtest), _gain(backtest)


def _bins(backtest: Looks) -> list[Bin]:
    """Rows of one probability stay together, so there may be fewer."""
    assert backtest.y is not None
    edges = np.unique(np.quantile(backtest.probability, np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, backtest.probability, side="left")
    found = []
    for rows in (np.flatnonzero(place == one) for one in np.unique(place)):
        observed, leads = float(backtest.y[rows].mean()), len(np.unique(backtest.lead[rows]))
        low, high = _wilson(observed, leads)
        found.append(Bin(len(rows), leads, float(backtest.probability[rows].mean()), observed, low, high))
    return found


def _gain(backtest: Looks, points: int = 50) -> list[Share]:
    """Rows of one probability are shared out evenly, so that their order does not matter."""
    assert backtest.y is not None
    if not backtest.y.sum():
        return []
    ranked = np.argsort(-backtest.probability, kind="stable")
    probability, won = backtest.probability[ranked], backtest.y[ranked]
    ends = np.append(np.flatnonzero(np.diff(probability)) + 1, len(won))
    at: NDArray[np.float64] = np.append(0.0, ends / len(won))
    held = np.append(0.0, np.cumsum(won)[ends - 1] / won.sum())
    shares = np.linspace(0, 1, points + 1)
    return [Share(round(float(share), 4), float(gain)) for share, gain in zip(shares, np.interp(shares, at, held), strict=True)]


def _wilson(rate: float, count: int) -> tuple[float, float]:
    centre = (rate + _Z * _Z / (2 * count)) / (1 + _Z * _Z / count)
    half = _Z / (1 + _Z * _Z / count) * float(np.sqrt(rate * (1 - rate) / count + _Z * _Z / (4 * count * count)))
    return max(0.0, centre - half), min(1.0, centre + half)
