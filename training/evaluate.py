"""Measuring a finished model on rows that training never saw, by the same scoring function and the same figures.

In: a bundle and a flat file with the label. Out: the candidate keys of `metrics.json`. What the label means comes from the
bundle's manifest, so that "yes" cannot change its meaning between training and evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BadData
from data.files import open_rows
from data.flat import FlatScan, read_flat
from data.frames import FlatTable
from data.home import Home
from features.history import ActivityLog, Observations
from models.bundle import Bundle
from models.inputs import Floats
from models.registry import resolve_model
from models.score_file import faults, open_scan, refuse_guesses
from models.scoring import score_columns
from models.tables import chunk_leads
from training.metrics import evaluate

__all__ = ["evaluate_file"]


def evaluate_file(
    model: str, leads: Path, label: str, home: Home, *, id_column: str | None = None, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Figures with intervals. Raises BadData for a model that reads activities: those are measured in training, forward in time."""
    bundle = Bundle.load(resolve_model(model, home, say=say))
    if bundle.reads_activities:
        raise BadData("this model reads activities, and a flat file has none: measure it with `tamiz train --project` on later data")
    scan = open_scan(bundle, leads, id_column, label=label)
    refuse_guesses(bundle, scan.absent)
    labels = _labels(bundle, leads, label, scan.id_column)
    for notice in (*(said for said in scan.notices if said not in labels.notices), *labels.notices):
        say(notice)
    probability, margin, wrong = _scored(bundle, scan)
    at = labels.row - 1  # rows count from 1
    good = ~wrong[at]
    if left := int((~good).sum()) + len(labels.quarantine):
        say(f"{left:,} rows cannot be scored and are left out; `tamiz score` says why, row by row")
    assert labels.label is not None
    y, p, m = labels.label[good], probability[at][good], margin[at][good]
    if not 0 < y.sum() < len(y):
        raise BadData(f"all {len(y):,} rows that can be measured are of one class; conversions and the others are both needed")
    figures = evaluate(y, p, m, np.arange(len(y)))
    return {"model_version": bundle.model_version, **figures, "by_probability": _by_probability(y, p)}


def _by_probability(y: Floats, p: Floats) -> dict[str, Any]:
    """The ranking figures where equal probabilities are ties. Calibration makes many equal, and the margin behind them,
    which ranks everywhere else, is not in the output of `tamiz score`: this is what can be computed from that."""
    found = evaluate(y, p, None, resamples=1)
    return {name: found[name] for name in ("auc", "pr_auc", "lift_at_10", "precision_at_20")}


def _labels(bundle: Bundle, leads: Path, label: str, id_column: str | None) -> FlatTable:
    """The label alone, by the meaning that it had in training."""
    reading = bundle.manifest.get("reading", {})
    others = [name for name in open_rows(leads).names if name not in (label, id_column)]
    return read_flat(
        leads, label=label, positive=reading.get("positive"), negative=reading.get("negative"), id_column=id_column, drop=others
    )


def _scored(bundle: Bundle, scan: FlatScan) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Probability and margin of every row of the file, as `tamiz score` gives them, and which rows cannot be scored."""
    probability, margin, wrong = [], [], []
    for chunk in scan:
        n = len(chunk)
        scored = score_columns(bundle, chunk_leads(chunk), ActivityLog.empty(n), Observations(np.arange(n), np.zeros(n, dtype=np.int64)))
        bad = np.zeros(n, dtype=np.bool_)
        bad[list(faults(chunk))] = True
        probability.append(scored.probability)
        margin.append(scored.margin)
        wrong.append(bad)
    return np.concatenate(probability), np.concatenate(margin), np.concatenate(wrong)
