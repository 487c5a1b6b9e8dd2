"""After an erasure: what this process remembers of texts is forgotten, and what was on its way when it happened is erased, too.

Signals remember texts that they have read (titles, pages, answers) for speed. Every process of the service notices an erasure,
whichever of them carried it out, and forgets them all; they are read again when they come again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import sqlalchemy as sa

from data.erasure import erase_stragglers
from data.errors import TamizError
from data.schema import erasures
from features.forget import forget_texts

if TYPE_CHECKING:
    from data.store import Store
    from serving.service import Service

__all__ = ["forget_erased", "forget_now"]

LOOK_SECONDS = 5.0
LATER_SECONDS = 5.0
"""By then a decision that was being made when its lead was erased is in the ledger."""
_log = logging.getLogger("tamiz.forgetting")


async def forget_erased(service: Service) -> None:
    """Forgets after every erasure, for ever."""
    seen: int | None = None
    while True:
        try:
            newest = await asyncio.to_thread(_newest, service.store)
            if seen is not None and newest > seen:
                _forget(service)
            seen = newest
        except TamizError as error:
            _log.warning("whether a lead was erased is not known: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


def forget_now(service: Service, lead_id: str, erased_at: int) -> None:
    """The same at once, and what was under way a little later."""
    _forget(service)
    task = asyncio.create_task(_later(service, lead_id, erased_at))
    service.tasks.add(task)
    task.add_done_callback(service.tasks.discard)


def _forget(service: Service) -> None:
    loaded = service.models.loaded
    forget_texts(() if loaded is None else (loaded.bundle.encoder.feature_set.declared.topics,))


async def _later(service: Service, lead_id: str, erased_at: int) -> None:
    await asyncio.sleep(LATER_SECONDS)
    _forget(service)
    try:
        await asyncio.to_thread(erase_stragglers, service.store, [lead_id], erased_at)
    except TamizError as error:
        _log.warning("decisions that were under way at an erasure may still be there: %s", error)


def _newest(store: Store) -> int:
    with store.mapped(), store.reading() as connection:
        newest: int = connection.execute(sa.select(sa.func.coalesce(sa.func.max(erasures.c.erased_at), 0))).scalar_one()
    return newest
