"""Looks at everybody, to be fitted on beside leads that were decided by lot (`--estimand worked` or `alone`).

In: a dataset, its matrix, and which rows fit. Out: `Wider`, the same with more rows to fit on and what each counts. Hundreds of
leads decided by lot cannot rank as tens of thousands can; what a rank is worth is then learnt from the weighted leads that were
decided by lot, alone. Only fitting sees the looks that are added: calibration, choice and test stay with the dataset's own rows,
and no lead that is held for those is fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.history import DAY
from models.encoder import Encoder
from models.inputs import Floats
from training.dataset import Dataset

__all__ = ["Wider", "with_everyone"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Wider:
    """All rows of the dataset, then those that were added."""

    X: Floats
    y: Floats
    lead: Ints
    weight: Floats
    fit: Ints
    """Of the fit block, added rows included."""


def with_everyone(data: Dataset, X: Floats, encoder: Encoder, fit: Ints, held: Ints, everyone: Dataset, now: int) -> Wider:
    """The fit block and the looks of `everyone` whose label was known `now`."""
    assert everyone.as_of is not None
    assert everyone.horizon_days is not None
    known = everyone.as_of + np.int64(round(everyone.horizon_days * DAY)) <= now
    more = everyone.take(np.flatnonzero(known & ~np.isin(everyone.lead, data.lead[held])))
    own = np.ones(len(data)) if data.weight is None else data.weight
    return Wider(
        np.concatenate([X, encoder.encode(more.table)]),
        np.concatenate([data.y, more.y]),
        np.concatenate([data.lead, more.lead]),
        np.concatenate([own, np.ones(len(more))]),
        np.concatenate([fit, len(data) + np.arange(len(more))]),
    )
