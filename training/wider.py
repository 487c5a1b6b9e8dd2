"""What is fitted on beside the rows that are judged: looks too young to be judged, and looks at everybody.

In: a dataset, its matrix, and which rows fit. Out: `Wider`, the same with more rows to fit on and what each counts. Only fitting sees
them: calibration, choice and test stay with the dataset's own rows, and no lead that is held for those is fitted on.

- Young looks (`--use-recent`) enter as `training/delay.py` says.
- For `--estimand worked` or `alone`, looks at everybody help to rank: hundreds of leads decided by lot cannot tell what tens of thousands
  can. What a rank is worth is then learnt from the weighted leads that were decided by lot, alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.history import DAY
from models.encoder import Encoder
from models.inputs import Floats
from training.dataset import Dataset
from training.delay import fit_delay, twice

__all__ = ["Wider", "with_everyone", "with_young"]

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
    looks: int
    """Looks that were added."""


def with_young(data: Dataset, X: Floats, encoder: Encoder, fit: Ints, held: Ints, young: Dataset, now: int, seed: int) -> Wider:
    """The fit block and the looks of `young` before `now`, as they were known then."""
    assert young.as_of is not None
    assert data.horizon_days is not None
    young = young.take(np.flatnonzero((young.as_of < now) & ~np.isin(young.lead, data.lead[held])))
    known, recent = _times(data, now), _times(young, now)
    past = known[2] > 0
    waited, closed, seen = (np.concatenate([one[past], other]) for one, other in zip(known, recent, strict=True))
    delay = fit_delay(waited, closed, seen, data.horizon_days)
    X_young = encoder.encode(young.table)
    found = twice(X, data.y, fit, X_young, *recent, delay, encoder.inputs, seed)
    return _joined(data, X, fit, X_young[found.row], found.y, young.lead[found.row], found.weight, len(young))


def with_everyone(data: Dataset, X: Floats, encoder: Encoder, fit: Ints, held: Ints, everyone: Dataset, now: int) -> Wider:
    """The fit block and the looks of `everyone` whose label was known `now`."""
    assert everyone.as_of is not None
    assert everyone.horizon_days is not None
    known = everyone.as_of + np.int64(round(everyone.horizon_days * DAY)) <= now
    more = everyone.take(np.flatnonzero(known & ~np.isin(everyone.lead, data.lead[held])))
    return _joined(data, X, fit, encoder.encode(more.table), more.y, more.lead, np.ones(len(more)), len(more))


def _joined(data: Dataset, X: Floats, fit: Ints, more: Floats, y: Floats, lead: Ints, weight: Floats, looks: int) -> Wider:
    own = np.ones(len(data)) if data.weight is None else data.weight
    return Wider(
        np.concatenate([X, more]),
        np.concatenate([data.y, y]),
        np.concatenate([data.lead, lead]),
        np.concatenate([own, weight]),
        np.concatenate([fit, len(data) + np.arange(len(more))]),
        looks,
    )


def _times(data: Dataset, now: int) -> tuple[Floats, Floats, Floats]:
    """Days until converted, until closed, and seen before `now`."""
    assert data.as_of is not None
    assert data.waited is not None
    assert data.closed is not None
    return data.waited, data.closed, (now - data.as_of) / DAY
