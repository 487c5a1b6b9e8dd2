"""Models over one matrix, read at once: what they look up of their inputs stands in one table.

In: the encoded float64 matrix. Out: each model's contributions, base and margin, to the bit as it tells them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from numpy.typing import ArrayLike

from models.binned import BinValues, Lookup
from models.inputs import Floats

__all__ = ["Reader", "Together"]


class Reader(Protocol):
    """A model whose contributions are looked up, as far as they can be, and then filled in."""

    @property
    def bins(self) -> Sequence[BinValues | None]:
        """What is looked up of each input."""
        ...

    def told(self, X: ArrayLike, found: Floats) -> tuple[float, Floats]:
        """Base and margins; `found`, rows × inputs, holds what was looked up, and contributions afterwards."""
        ...


class Together:
    """Some models, in order."""

    def __init__(self, models: Sequence[Reader]) -> None:
        self._models = tuple(models)
        self._lookup = Lookup.of(*(model.bins for model in models))

    def told(self, X: ArrayLike) -> tuple[Floats, list[tuple[float, Floats]]]:
        """Contributions (models × rows × inputs, the caller's own), and each model's base and margins."""
        found = self._lookup.values(X)
        return found, [model.told(X, mine) for model, mine in zip(self._models, found, strict=True)]
