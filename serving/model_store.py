"""The model that serves: one immutable `LoadedModel`, swapped by one reference.

In: the pointer `bundles/champion.json`, `{"bundle": "<folder name>", "model_version": "…"}`, which `tamiz pull` replaces
atomically. Out: `current()`, or ModelNotReady
while there is none (ModelRefused: it was refused). A new bundle is loaded beside the old one, verified
(hashes, golden leads: by `Bundle.load`) and warmed before it takes over; when any of that fails the old one keeps
serving, `failures` rises, and the same pointer is not tried again until it changes. A service that starts with a champion
that is refused takes what `bundles/served.json` names, the model that served last here, until the pointer changes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data.errors import BadData
from models.bundle import Bundle
from models.qualification import Policy
from serving.problems import ModelNotReady, ModelRefused

__all__ = ["CHAMPION", "BadPointer", "LoadedModel", "ModelStore"]

CHAMPION = "champion.json"
SERVED = "served.json"
_log = logging.getLogger("tamiz.models")


class BadPointer(BadData):
    """{path} does not name a bundle folder beside it ({cause}): run `tamiz pull` to write it anew."""


@dataclass(frozen=True)
class LoadedModel:
    """A verified bundle with its default policy, ready to score."""

    bundle: Bundle
    default_policy: Policy
    loaded_at: datetime
    load_seconds: float

    @property
    def version(self) -> str:
        named: str = self.bundle.model_version
        return named


class ModelStore:
    """Watches the champion's pointer and holds what it names."""

    def __init__(self, bundles: Path, *, warm: Callable[[LoadedModel], None] | None = None) -> None:
        self._pointer = bundles / CHAMPION
        self._served = bundles / SERVED
        self._warm = warm
        self._loaded: LoadedModel | None = None
        self._seen: tuple[int, int, int] | None = None
        self.swaps = 0
        self.failures = 0
        self.last_failure: str | None = None

    @property
    def loaded(self) -> LoadedModel | None:
        return self._loaded

    def current(self) -> LoadedModel:
        """What serves now."""
        loaded = self._loaded
        if loaded is None:
            raise self.absence()
        return loaded

    def absence(self) -> ModelNotReady:
        """Why no model serves, and what to do about it."""
        if self.last_failure is None:
            return ModelNotReady()
        return ModelRefused(cause=self.last_failure.rstrip(".") + ".")

    def refresh(self) -> bool:
        """Looks at the pointer, and loads what it names if it changed; whether another model serves now."""
        seen = self._look()
        if seen == self._seen or seen is None:
            return False
        self._seen = seen
        try:
            folder = _folder(self._pointer)
            loaded = self._load(folder)
        except Exception as error:  # noqa: BLE001 - a poisoned bundle must never take the service down
            self._refuse(error)
            return self._loaded is None and self._fall_back()
        self._take(loaded)
        self.last_failure = None
        self._remember(folder)
        return True

    async def watch(self, seconds: float) -> None:
        """Refreshes for ever, off the event loop."""
        while True:
            await asyncio.sleep(seconds)
            if self._look() not in (self._seen, None):
                await asyncio.to_thread(self.refresh)

    def _look(self) -> tuple[int, int, int] | None:
        try:
            stat = self._pointer.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino, stat.st_size

    def _load(self, folder: Path) -> LoadedModel:
        begun = time.perf_counter()
        bundle = Bundle.load(folder)
        policy = Policy.read(bundle.default_policy)
        loaded = LoadedModel(bundle, policy, datetime.now(UTC), time.perf_counter() - begun)
        if self._warm is not None:
            self._warm(loaded)
        return loaded

    def _take(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self.swaps += 1
        _log.info("model %s serves (loaded in %.2f s)", loaded.version, loaded.load_seconds)

    def _fall_back(self) -> bool:
        """Takes the model that served last here; whether there was one that still holds."""
        try:
            loaded = self._load(_folder(self._served))
        except Exception as error:  # noqa: BLE001 - no better off than before
            if self._served.exists():
                _log.error("the model that served last was not loaded either: %s", error)
            return False
        _log.warning("the champion was refused: model %s, which served last, serves on", loaded.version)
        self._take(loaded)
        return True

    def _remember(self, folder: Path) -> None:
        """Notes what serves for the next start; where nothing can be written, the next start has the champion alone."""
        building = self._served.with_suffix(f".{os.getpid()}")
        try:
            building.write_text(json.dumps({"bundle": folder.name}), encoding="utf-8")
            building.replace(self._served)
        except OSError as error:
            _log.warning("which model serves was not noted for the next start: %s", error)

    def _refuse(self, error: Exception) -> None:
        self.failures += 1
        self.last_failure = " ".join(str(error).split()) or type(error).__name__
        _log.error("the champion was not loaded, %s: %s", "the model before it keeps serving" if self._loaded else "no model serves", error)


def _folder(pointer: Path) -> Path:
    """The bundle folder that a pointer names."""
    try:
        name = json.loads(pointer.read_text(encoding="utf-8"))["bundle"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadPointer(path=pointer, cause=error) from None
    if not isinstance(name, str) or name != Path(name).name or name in ("", ".", ".."):
        raise BadPointer(path=pointer, cause=f"{name!r} is not a folder's name")
    return pointer.parent / name
