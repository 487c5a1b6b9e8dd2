"""Every declared signal, in the order in which a feature set lists them.

A new signal needs no entry here: it is found in its family's file.
"""

from __future__ import annotations

from functools import lru_cache

from features import bant, engagement, fit, intent, titles
from features.signal import Signal, by_name

__all__ = ["catalogue"]

_FILES = (fit, titles, bant, engagement, intent)


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Signal]:
    """All signals by name, in the order of their files."""
    return by_name(one for file in _FILES for one in vars(file).values() if isinstance(one, Signal))
