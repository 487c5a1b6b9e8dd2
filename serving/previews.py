"""Keeps the curves of the model that serves, computed once off the event loop."""

from __future__ import annotations

import asyncio

from models.preview import Curves, curves, read_backtest
from serving.model_store import LoadedModel

__all__ = ["Previews"]


class Previews:
    """The curves of one model at a time."""

    def __init__(self) -> None:
        self._held: tuple[LoadedModel, Curves] | None = None
        self._lock = asyncio.Lock()

    async def of(self, loaded: LoadedModel) -> Curves:
        """The curves of this model; raises NoBacktest where its bundle has none."""
        async with self._lock:
            if self._held is None or self._held[0] is not loaded:
                self._held = loaded, await asyncio.to_thread(_compute, loaded)
            return self._held[1]


def _compute(loaded: LoadedModel) -> Curves:
    return curves(read_backtest(loaded.bundle.folder))
