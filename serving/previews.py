"""Keeps the preview of the model that serves, and its curves, computed once off the event loop.

Who asks first waits for the curves; what the first question by segment needs is made behind that answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from models.preview import Curves, Preview
from serving.model_store import LoadedModel

__all__ = ["Kept", "Previews"]

MOST_PARTS = 64


@dataclass
class Kept:
    """One model's preview, whole and of the segments that were asked for, with their curves."""

    whole: Preview
    curves: Curves
    _parts: dict[tuple[str, tuple[str, ...]], tuple[Preview, Curves]] = field(default_factory=dict)

    def part(self, column: str, values: tuple[str, ...]) -> tuple[Preview, Curves]:
        """The same for the leads that have one of these values."""
        if (column, values) not in self._parts:
            within = self.whole.within(column, values)
            if len(self._parts) >= MOST_PARTS:
                self._parts.clear()
            self._parts[column, values] = within, within.curves()
        return self._parts[column, values]


class Previews:
    """The preview of one model at a time."""

    def __init__(self) -> None:
        self._held: tuple[LoadedModel, Kept] | None = None
        self._lock = asyncio.Lock()
        self._preparing: asyncio.Task[None] | None = None

    async def of(self, loaded: LoadedModel) -> Kept:
        """The preview of this model; raises NoBacktest where its bundle has none."""
        async with self._lock:
            if self._held is None or self._held[0] is not loaded:
                self._held = loaded, (kept := await asyncio.to_thread(_compute, loaded))
                self._preparing = asyncio.create_task(asyncio.to_thread(kept.whole.prepare))
            return self._held[1]


def _compute(loaded: LoadedModel) -> Kept:
    preview = Preview.read(loaded.bundle.folder)
    return Kept(preview, preview.curves())
