"""Reports that take long to make: shown at once as they were last made, and made again behind whoever looks.

In: a name and how to make it. Out: the document, and when it was made. What takes milliseconds is made whenever somebody asks. What
takes longer is served as it is while it is less than twenty times as old as it takes; after that it is served once more, and
made again meanwhile, so that nobody waits but the very first. Every report is kept in the store: a restart, or another
process, begins with what was made last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from data.errors import TamizError
from data.reports import Report, Reports
from data.store import Store, now

__all__ = ["Kept"]

AT_ONCE_SECONDS = 0.3
"""Who asks waits for what takes less."""
TIMES = 20
_log = logging.getLogger("tamiz.reports")
Make = Callable[[int], bytes]


@dataclass
class Kept:
    """The reports of one process."""

    store: Store
    _held: dict[str, Report] = field(default_factory=dict)
    _making: dict[str, asyncio.Task[Report]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Several made at once would leave requests little of the interpreter."""

    async def of(self, name: str, make: Make, *, still_holds: Callable[[bytes], bool] | None = None) -> bytes:
        """The document; `make` is called with the present instant, in a thread. One that does not hold any more is as good as old."""
        if name not in self._held and (found := await asyncio.to_thread(Reports(self.store).newest, name)) is not None:
            self._held.setdefault(name, found)
        held = self._held.get(name)
        if held is None:
            return (await self._again(name, make)).document.encode()
        document = held.document.encode()
        age = (now() - held.made_at) / 1e6
        if 0 <= age < TIMES * held.seconds and (still_holds is None or still_holds(document)):
            return document
        if held.seconds <= AT_ONCE_SECONDS:
            return (await self._again(name, make)).document.encode()
        self._again(name, make).add_done_callback(_said)
        return document

    def make(self, name: str, make: Make) -> Report:
        """Makes it now, and keeps it; blocks."""
        at, begun = now(), perf_counter()
        document = make(at).decode()
        report = Report(name, 0, at, perf_counter() - begun, document)
        Reports(self.store).keep(name, report.made_at, report.seconds, report.document)
        self._held[name] = report
        return report

    def _again(self, name: str, make: Make) -> asyncio.Task[Report]:
        """One at a time for each name: who asks meanwhile gets the same."""
        task = self._making.get(name)
        if task is None:
            task = self._making[name] = asyncio.create_task(self._in_turn(name, make))
            task.add_done_callback(lambda _: self._making.pop(name, None))
        return task

    async def _in_turn(self, name: str, make: Make) -> Report:
        async with self._turn:
            return await asyncio.to_thread(self.make, name, make)

    async def close(self) -> None:
        """Waits for what is being made."""
        await asyncio.gather(*self._making.values(), return_exceptions=True)


def _said(task: asyncio.Task[Report]) -> None:
    """Nobody waits for this one: what went wrong is in the log, and the older report stays."""
    if not task.cancelled() and (error := task.exception()) is not None:
        if isinstance(error, TamizError):
            _log.warning("a report was not made again: %s", error)
        else:
            _log.error("a report was not made again", exc_info=error)
