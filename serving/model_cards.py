"""The cards of the models that an installation has at hand, read from their bundles.

In: the pointers that `tamiz pull` writes beside the bundles. Out: cards, of each bundle computed once, off the event loop: a bundle never
changes. A model that is not here has no card.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from models.card import Card, card_of, comparison_of
from serving.model_schemas import ModelCards
from serving.model_store import CHAMPION

__all__ = ["CHALLENGER", "Named", "cards_of", "named"]

CHALLENGER = "challenger.json"


@dataclass(frozen=True)
class Named:
    """What a pointer says."""

    folder: Path
    version: int | None


async def cards_of(home: Path) -> ModelCards:
    """Champion, challenger, and what was found of the two."""
    return await asyncio.to_thread(_cards, home)


def named(pointer: Path) -> Named | None:
    """The bundle that a pointer names, if it is there."""
    try:
        told = json.loads(pointer.read_text(encoding="utf-8"))
        folder, version = pointer.parent / Path(told["bundle"]).name, told.get("version")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Named(folder, version if isinstance(version, int) else None) if (folder / "manifest.json").is_file() else None


def _cards(home: Path) -> ModelCards:
    champion, challenger = named(home / "bundles" / CHAMPION), named(home / "bundles" / CHALLENGER)
    compared = comparison_of(home, challenger.folder, champion.folder if champion else None) if challenger else None
    return ModelCards(_card(champion) if champion else None, _card(challenger) if challenger else None, compared)


@lru_cache(maxsize=4)
def _card(one: Named) -> Card:
    return card_of(one.folder, one.version)
