"""A text that a cache knows again without keeping it: what a person can be known by leaves no trace in memory.

In: a text such as a telephone number. Out: a key for `lru_cache` that is equal for equal texts. The cache holds the key; the
key holds a digest, and the text only while it is being read.

>>> from functools import lru_cache
>>> length = lru_cache(maxsize=8)(lambda once, country: len(once.text))
>>> read_once(length, "961 23 45 67", "ES"), read_once(length, "961 23 45 67", "ES"), length.cache_info().hits
(12, 12, 1)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from secrets import token_bytes
from typing import TypeVar

__all__ = ["Once", "read_once"]

T = TypeVar("T")
With = TypeVar("With")


class Once:
    """A text to be read once: equal and hashed by its digest, and emptied after use."""

    __slots__ = ("_digest", "_hash", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._digest = blake2b(text.encode("utf-8", "surrogatepass"), key=_key(), digest_size=16).digest()
        self._hash = hash(self._digest)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Once) and self._digest == other._digest


def read_once(cached: Callable[[Once, With], T], text: str, other: With) -> T:
    """What a cached function makes of a text and something else."""
    once = Once(text)
    try:
        return cached(once, other)
    finally:
        once.text = ""


@lru_cache(maxsize=1)
def _key() -> bytes:
    """This process's own: without it, a digest cannot be compared with anybody's text. No result depends on it."""
    return token_bytes(16)
