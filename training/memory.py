"""Memory that was freed goes back to the system, so that a long run takes no more than what it holds.

An allocator keeps what was freed for the next small object, and a matrix does not fit into the holes: after a file of 200,000
rows was read, a matrix and a half of them were left. Arrow has an allocator of its own, and keeps a quarter of a matrix more.
Otherwise only the GNU C library knows how; with another one nothing happens.
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["give_back"]


def give_back() -> None:
    """Takes a few milliseconds: between one thing and the next, not inside a loop."""
    if arrow := sys.modules.get("pyarrow"):  # who has not loaded it has nothing there
        arrow.default_memory_pool().release_unused()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return
