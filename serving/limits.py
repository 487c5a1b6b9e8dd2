"""How often a key may ask: so many requests in any minute, then a 429 that says when to come again.

In: a key's prefix and its rate. Out: nothing, or TooManyRequests. The window moves, so that a minute's end lets no double
through. Each worker process counts what it answers itself. A key without a rate never comes here.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from data.errors import BadUsage

if TYPE_CHECKING:
    from limits.strategies import MovingWindowRateLimiter

__all__ = ["Limits", "TooManyRequests"]


class TooManyRequests(BadUsage, status=429):
    """{who} may ask {rate:,} times a minute, and has: come again in {seconds} seconds, as `Retry-After` says."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.values["seconds"])}


class Limits:
    """What each key has used of its minute."""

    def __init__(self) -> None:
        self._window: MovingWindowRateLimiter | None = None
        self._rates: dict[int, Any] = {}

    def take(self, prefix: str, rate: int, who: str = "This API key") -> None:
        """Counts a request; raises TooManyRequests where it is one too many."""
        from limits import RateLimitItemPerMinute  # a tenth of a second, once, and only where a key has a rate
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        if self._window is None:
            self._window = MovingWindowRateLimiter(MemoryStorage())
        item = self._rates.get(rate)
        if item is None:
            item = self._rates[rate] = RateLimitItemPerMinute(rate)
        if not self._window.hit(item, prefix):
            free = self._window.get_window_stats(item, prefix).reset_time - time.time()
            raise TooManyRequests(who=who, rate=rate, seconds=max(1, math.floor(free) + 1))
