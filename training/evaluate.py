"""Measuring a finished model on rows that training never saw, by the same scoring function and the same figures.

In: a bundle and a flat file with the label. Out: the candidate keys of `metrics.json`. What the label means comes from the
bundle's manifest, so that "yes" cannot change its meaning between training and evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import BadData
from data.flat import read_flat
from data.home import Home
from features.history import ActivityLog, Observations
from models.bundle import Bundle
from models.registry import resolve_model
from models.score_file import needed_columns, refuse_guesses
from models.scoring import score_columns
from models.tables import flat_leads
from training.metrics import evaluate

__all__ = ["evaluate_file"]


def evaluate_file(
    model: str, leads: Path, label: str, home: Home, *, id_column: str | None = None, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Figures with intervals. Raises BadData for a model that reads activities: those are measured in training, forward in time."""
    bundle = Bundle.load(resolve_model(model, home, say=say))
    if bundle.reads_activities:
        raise BadData("this model reads activities, and a flat file has none: measure it with `tamiz train --project` on later data")
    reading = bundle.manifest["reading"]
    kinds = needed_columns(bundle)
    flat = read_flat(
        leads, label=label, positive=reading["positive"], negative=reading["negative"], id_column=id_column or reading["id_column"]
    )
    for notice in flat.notices:
        say(notice)
    assert flat.label is not None
    refuse_guesses(bundle, [name for name in kinds if name not in flat.kinds])
    n = len(flat)
    used = [name for name in kinds if name in flat.kinds]
    scored = score_columns(
        bundle,
        flat_leads(flat.frame[used], flat.lead_id, {name: flat.kinds[name] for name in used}),
        ActivityLog.empty(n),
        Observations(np.arange(n), np.zeros(n, dtype=np.int64)),
    )
    figures = evaluate(flat.label, scored.probability, scored.margin, np.arange(n))
    return {"model_version": bundle.model_version, **figures}
