"""SQLite's write-ahead log is kept short while the service answers: no request has to wait until it has been copied home.

In: the store. Out: nothing; a log that cannot be shortened now is shortened later. PostgreSQL does this by itself.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import TamizError

if TYPE_CHECKING:
    from data.store import Store

__all__ = ["keep_log_short"]

LOOK_SECONDS = 0.2
_log = logging.getLogger("tamiz.housekeeping")


async def keep_log_short(store: Store) -> None:
    """For ever; in a thread, and only when something was written."""
    if not store.is_sqlite:
        return
    log, seen = Path(f"{store.place}-wal"), 0
    quick = store.quick(waits=False)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        written = _written(log)
        if written == seen:
            continue
        seen = written
        try:
            await asyncio.to_thread(quick.shorten_log)
        except TamizError as error:
            _log.warning("the write-ahead log was not copied home: %s", error)


def _written(log: Path) -> int:
    """When something was written last; 0 where there is no log."""
    try:
        return log.stat().st_mtime_ns
    except OSError:
        return 0
