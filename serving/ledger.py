"""The ledger: every decision is on the disk before it is answered.

In: ledger rows in the order of `data.quick.COLUMNS`. Out: a future that resolves once they are durable, or fails with the
problem that kept them out; what failed left nothing behind. Requests that wait at the same time share one transaction
(group commit): one writer thread drains a queue, writes, and wakes the event loop once per group.

A decision that was made on top of another one still on its way (the same lead twice at once) fails with it.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

from data.errors import DependencyFailed
from data.quick import COLUMNS, Quick
from data.store import RowRefused, Store, StoreUnavailable
from models.decision import Outcome

__all__ = ["AlreadyAnswered", "Entry", "Ledger", "LedgerClosed", "Row"]

Row = tuple[Any, ...]
GROUP = 256
"""Entries in one transaction at most: bounds how long the first of them waits."""

_DECISION, _PREVIOUS = COLUMNS.index("decision"), COLUMNS.index("previous_decision")
_log = logging.getLogger("tamiz.ledger")


class AlreadyAnswered(DependencyFailed, status=409):
    """Another process is answering this Idempotency-Key at this moment: send it again."""


class LedgerClosed(DependencyFailed):
    """The service is stopping: send it again."""


class Entry:
    """Rows that are entered together or not at all, and what they depend on."""

    __slots__ = ("after", "error", "future", "latest", "rows")

    def __init__(self, rows: Sequence[Row], latest: Mapping[str, Outcome], future: asyncio.Future[None]) -> None:
        self.rows = rows
        self.latest = latest
        self.future = future
        self.after: list[Entry] = []
        self.error: Exception | None = None


class Ledger:
    """One installation's decisions, as this process writes them."""

    def __init__(self, store: Store) -> None:
        self.writer: Quick = store.quick()
        self._reader: Quick = store.quick()
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
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

    def latest(self, lead_id: str) -> Outcome | None:
        """What was decided last about a lead, decisions on their way to the disk included."""
        entry = self._underway.get(lead_id)
        # The column holds nothing but decisions.
        return entry.latest[lead_id] if entry is not None else cast("Outcome | None", self._reader.latest_decision(lead_id))

    def stands_since(self, lead_id: str) -> int | None:
        """Since when the latest decision about a lead has stood; None for one that is only just being entered."""
        return None if lead_id in self._underway else self._reader.decided_since(lead_id)

    def entered_since(self, queue: str, since: int) -> int:
        """How many leads have entered a queue since an instant, those on their way to the disk included.

        For a moment after it was written a decision may count twice: a bound that is asked for is kept, never passed.
        """
        underway = {id(entry): entry for entry in self._underway.values()}
        coming: int = sum(row[_DECISION] == queue != row[_PREVIOUS] for entry in underway.values() for row in entry.rows)
        return int(self._reader.entered(queue, since) + coming)

    def answered(self, idempotency_key: str) -> tuple[str, bytes] | None:
        """What this key was answered before."""
        return self._reader.answered(idempotency_key)

    def enter(self, rows: Sequence[Row], latest: Mapping[str, Outcome]) -> asyncio.Future[None]:
        """Hands rows to the writer; `latest` holds each lead's newest decision among them."""
        if self._closing or self._loop is None:
            raise LedgerClosed
        entry = Entry(rows, latest, self._loop.create_future())
        underway = self._underway
        for lead_id in latest:
            before = underway.get(lead_id)
            if before is not None:
                entry.after.append(before)
            underway[lead_id] = entry
        self._queue.put(entry)
        return entry.future

    async def close(self) -> None:
        """Writes what is still queued, then ends."""
        self._closing = True
        if self._thread.is_alive():
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join, 10.0)
        self.writer.close()
        self._reader.close()

    def _write(self) -> None:
        while True:
            first = self._queue.get()
            group: list[Entry] = []
            while first is not None:
                group.append(first)
                if len(group) >= GROUP:
                    break
                try:
                    first = self._queue.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._enter_group(group)
                loop = self._loop
                assert loop is not None
                try:
                    loop.call_soon_threadsafe(self._settle, group)
                except RuntimeError:  # the loop is gone: nobody waits any more
                    return
            if first is None:
                return

    def _enter_group(self, group: list[Entry]) -> None:
        """One transaction for all; if one row is refused, each on its own, so that only its entry fails."""
        sound = [entry for entry in group if not self._inherits_failure(entry)]
        try:
            if sound:
                self.writer.append([row for entry in sound for row in entry.rows])
        except RowRefused:
            for entry in sound:
                self._enter_alone(entry)
        except StoreUnavailable as error:
            _log.error("the ledger was not written: %s", error)
            for entry in sound:
                entry.error = error
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait have to hear of it
            _log.exception("the ledger was not written")
            for entry in sound:
                entry.error = error

    def _enter_alone(self, entry: Entry) -> None:
        if self._inherits_failure(entry):
            return
        try:
            self.writer.append(entry.rows)
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
