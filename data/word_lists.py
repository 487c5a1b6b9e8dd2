"""Word lists as data: a text of words between spaces becomes a set.

>>> sorted(words("b a"))
['a', 'b']
"""

from __future__ import annotations

__all__ = ["words"]


def words(text: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(text.split())
