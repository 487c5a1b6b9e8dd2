"""The ledger: every decision is on the disk before it is answered.

In: ledger rows in the order of `data.quick.COLUMNS`. Out: a future that resolves once they are durable, or fails with the
problem that kept them out; what failed left nothing behind. Requests that wait at the same time share one transaction
(group commit).

SQLite is written where requests are answered, on the event loop: waiting there for the disk takes less than waking a thread and
being woken by it. While somebody else writes, with many rows at once, and with PostgreSQL, whose answer takes longer, a thread waits
instead: it drains a queue, writes, and wakes the event loop once per group.

A decision that was made on top of another one still on its way (the same lead twice at once) fails with it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

from data.errors import DependencyFailed
from data.quick import COLUMNS, Overtaken, Quick, StoreBusy
from data.store import RowRefused, Store, StoreUnavailable
from models.decision import Outcome

__all__ = ["AlreadyAnswered", "Also", "Entry", "Ledger", "LedgerClosed", "Row"]

Row = tuple[Any, ...]
Also = Callable[[Quick], None]
"""Writes what belongs to rows, in their transaction."""
GROUP = 256
"""From so many rows on a transaction takes no more: bounds how long the first of them waits."""
AT_ONCE = 64
"""Rows that are written on the event loop at most: more of them would keep others waiting for longer than a thread takes to wake."""

_DECISION, _PREVIOUS = COLUMNS.index("decision"), COLUMNS.index("previous_decision")
_log = logging.getLogger("tamiz.ledger")


class AlreadyAnswered(DependencyFailed, status=409):
    """Another process is answering this Idempotency-Key at this moment: send it again."""


class LedgerClosed(DependencyFailed):
    """The service is stopping: send it again."""


class Entry:
    """Rows that are entered together or not at all, and what they depend on."""

    __slots__ = ("after", "also", "error", "future", "latest", "rows")

    def __init__(self, rows: Sequence[Row], latest: Mapping[str, Outcome], future: asyncio.Future[None], also: Also | None = None) -> None:
        self.rows = rows
        self.latest = latest
        self.future = future
        self.also = also
        self.after: list[Entry] = []
        self.error: Exception | None = None


class Ledger:
    """One installation's decisions, as this process writes them."""

    def __init__(self, store: Store) -> None:
        self.here = store.quick(waits=False)
        """The event loop's connection: it reads for scores, and writes where it need not wait for others."""
        self.writer = store.quick()
        """The thread's."""
        self.connections = (self.here, self.writer)
        self._coming: list[Entry] = []
        self._queue: queue.SimpleQueue[list[Entry] | None] = queue.SimpleQueue()
        self._queued = 0
        self._underway: dict[str, Entry] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write, name="ledger", daemon=True)
        self._closing = False
        self.groups = 0
        self.entered = 0
        self.failures = 0

    def start(self) -> None:
        """Begins to write; to be called on the event loop that waits."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @property
    def columns(self) -> tuple[str, ...]:
        return COLUMNS

    def latest(self, lead_ids: Collection[str]) -> dict[str, Outcome]:
        """What was decided last about each of these leads that was decided about, decisions on their way to the disk included."""
        underway = self._underway
        # The column holds nothing but decisions.
        found = cast("dict[str, Outcome]", self.here.latest_decisions(lead_ids))
        if underway:
            found |= {lead_id: underway[lead_id].latest[lead_id] for lead_id in lead_ids if lead_id in underway}
        return found

    def stands_since(self, lead_id: str) -> int | None:
        """Since when the latest decision about a lead has stood; None for one that is only just being entered."""
        return None if lead_id in self._underway else self.here.decided_since(lead_id)

    def entered_since(self, queue: str, since: int) -> int:
        """How many leads have entered a queue since an instant, those on their way to the disk included.

        For a moment after it was written a decision may count twice: a bound that is asked for is kept, never passed.
        """
        underway = {id(entry): entry for entry in self._underway.values()}
        coming: int = sum(row[_DECISION] == queue != row[_PREVIOUS] for entry in underway.values() for row in entry.rows)
        return int(self.here.entered(queue, since) + coming)

    def answered(self, idempotency_keys: Collection[str]) -> dict[str, tuple[str, bytes]]:
        """What these keys were answered before: the hash of what was asked, and the answer."""
        return self.here.answered(idempotency_keys)

    def enter(
        self, rows: Sequence[Row], latest: Mapping[str, Outcome], durable: asyncio.Future[None] | None = None, *, also: Also | None = None
    ) -> asyncio.Future[None]:
        """Takes rows to be written, and what belongs to them; `latest` holds each lead's newest decision among them. `durable`
        resolves then, if it is given."""
        if self._closing or self._loop is None:
            raise LedgerClosed
        entry = Entry(rows, latest, durable or self._loop.create_future(), also)
        entry.after = self._before(latest)
        self._underway.update(dict.fromkeys(latest, entry))
        self._take(entry, self._loop)
        return entry.future

    async def settled(self, lead_ids: Collection[str]) -> None:
        """Waits until what is on its way to the disk about these leads is there; fails with it."""
        before = self._before(lead_ids)
        if not before:
            return
        if self._closing or self._loop is None:
            raise LedgerClosed
        entry = Entry((), {}, self._loop.create_future())
        entry.after = before
        self._take(entry, self._loop)
        await entry.future

    async def close(self) -> None:
        """Writes what is still queued, then ends."""
        self._closing = True
        self._hand_over()
        if self._thread.is_alive():
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join, 10.0)
        for connection in self.connections:
            connection.close()

    def _before(self, lead_ids: Collection[str]) -> list[Entry]:
        underway = self._underway
        return [underway[lead_id] for lead_id in lead_ids if lead_id in underway]

    def _take(self, entry: Entry, loop: asyncio.AbstractEventLoop) -> None:
        self._coming.append(entry)
        if len(self._coming) == 1:
            loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        """Writes what has come, at once if that is possible and nothing is before it."""
        group, self._coming = self._coming, []
        if self._queued or not self.here.is_sqlite or _rows_of(group) > AT_ONCE or not self._at_once(group):
            self._queued += len(group)
            self._queue.put(group)

    def _at_once(self, group: list[Entry]) -> bool:
        try:
            self._enter_group(group, self.here)
        except StoreBusy:
            return False
        self._settle(group)
        return True

    def _write(self) -> None:
        """The thread's work."""
        while True:
            taken = self._queue.get()
            group: list[Entry] = []
            while taken is not None:
                group += taken
                if _rows_of(group) >= GROUP:
                    break
                try:
                    taken = self._queue.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._enter_group(group, self.writer)
                loop = self._loop
                assert loop is not None
                try:
                    loop.call_soon_threadsafe(self._settle_queued, group)
                except RuntimeError:  # the loop is gone: nobody waits any more
                    return
            if taken is None:
                return

    def _enter_group(self, group: list[Entry], connection: Quick) -> None:
        """One transaction for all; if one row is refused, each on its own, so that only its entry fails."""
        sound = [entry for entry in group if not self._inherits_failure(entry)]
        try:
            if any(entry.rows for entry in sound):
                connection.append([row for entry in sound for row in entry.rows], [entry.also for entry in sound if entry.also])
        except (RowRefused, Overtaken):
            for entry in sound:
                self._enter_alone(entry, connection)
        except StoreUnavailable as error:
            if isinstance(error, StoreBusy) and connection is self.here:
                raise
            _log.error("the ledger was not written: %s", error)
            for entry in sound:
                entry.error = error
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait have to hear of it
            _log.exception("the ledger was not written")
            for entry in sound:
                entry.error = error

    def _enter_alone(self, entry: Entry, connection: Quick) -> None:
        if self._inherits_failure(entry):
            return
        try:
            if entry.rows:
                connection.append(entry.rows, [entry.also] if entry.also else ())
        except RowRefused:
            entry.error = AlreadyAnswered()
        except Exception as error:  # noqa: BLE001 - whatever it was, its caller has to hear of it
            entry.error = error

    @staticmethod
    def _inherits_failure(entry: Entry) -> bool:
        for before in entry.after:
            if before.error is not None:
                entry.error = before.error
                break
        return entry.error is not None

    def _settle_queued(self, group: list[Entry]) -> None:
        self._queued -= len(group)
        self._settle(group)

    def _settle(self, group: list[Entry]) -> None:
        """On the event loop: wakes those who wait."""
        underway = self._underway
        self.groups += 1
        for entry in group:
            entry.after = []  # or each entry would keep all those before it alive
            for lead_id in entry.latest:
                if underway.get(lead_id) is entry:
                    del underway[lead_id]
            future = entry.future
            if entry.error is None:
                self.entered += len(entry.rows)
                if not future.done():
                    future.set_result(None)
            else:
                self.failures += 1
                if not future.done():
                    future.set_exception(entry.error)


def _rows_of(group: list[Entry]) -> int:
    return sum([len(entry.rows) for entry in group])
