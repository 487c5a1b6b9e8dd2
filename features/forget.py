"""Forgets every text that signals remember for speed: after somebody was erased, no memory of a process shall hold their words.

In: the topics that are declared, whose readers remember pages. Out: nothing; what is asked again is read again. Memories of one
entry hold no texts, they hold lists that come with Tamiz.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import _lru_cache_wrapper
from typing import Any

from features.declarations import Topics
from features.history import select
from features.topics import about

__all__ = ["forget_texts", "memories"]

_PACKAGES = ("data", "features", "models")
_LIVE_ON = (about, select)
"""They lead to things that are known by identity, and hold nothing that comes from leads."""


def forget_texts(declared: Iterable[Topics] = ()) -> None:
    """Empties every memory of texts in this process."""
    for reader in (about(), *(about(one.patterns, one.defaults) for one in (Topics(), *declared))):
        reader.forget()
    for memory in memories():
        memory.cache_clear()


def memories() -> Iterator[_lru_cache_wrapper[Any]]:
    """The memories of all modules that are loaded."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _PACKAGES:
            for value in list(vars(module).values()):
                if isinstance(value, _lru_cache_wrapper) and value.cache_parameters()["maxsize"] != 1 and value not in _LIVE_ON:
                    yield value
