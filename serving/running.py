"""The parts of an installation, put together while somebody uses them: the service, or a worker beside it.

In: settings. Out: a `Service` whose store is open and migrated, whose champion is loaded if there is one, and whose ledger
writes. At the end what is still queued is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from data.crm import Crm
from data.own_secrets import secret
from data.store import Store
from serving.decider import Decider, note_runtime
from serving.forgetting import forget_erased
from serving.housekeeping import keep_log_short
from serving.identity import ByKey, ByProxy, Seal
from serving.kept import Kept
from serving.ledger import Ledger
from serving.metrics import Metrics
from serving.model_store import ModelStore
from serving.policies import Policies
from serving.previews import Previews
from serving.security import Doorkeeper
from serving.service import Service
from serving.settings import Settings
from serving.warming import warm

__all__ = ["running"]

_log = logging.getLogger("tamiz.service")


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """Everything that scores; it follows the champion."""
    store = Store.open(settings.home, settings.database)
    ledger = Ledger(store)
    ledger.start()
    models = ModelStore(settings.home / "bundles", warm=warm)
    policies = Policies(store, ledger.here)
    doorkeeper = Doorkeeper(settings.auth, ledger.here)
    crm = Crm(store)
    metrics = Metrics(models, ledger, crm)
    seal = Seal(lambda: settings.secret.encode() or secret(store, "sessions"))
    sessions = ByKey(doorkeeper, seal)
    by_proxy = (ByProxy(settings.proxy_password, settings.proxy_rights, seal),) if settings.proxy_password else ()
    decider = Decider(models, policies, ledger, note_runtime(store))
    service = Service(
        settings, store, crm, doorkeeper, models, policies, ledger, decider, metrics, Previews(), seal, sessions,
        (sessions, *by_proxy), Kept(store), _file_of(store),
    )  # fmt: skip
    models.refresh()
    if models.loaded is None and models.last_failure is None:  # a refusal has said so itself
        _log.warning("no model serves yet: run `tamiz promote`, then `tamiz pull`")
    following = [asyncio.create_task(one) for one in (models.watch(settings.poll_seconds), forget_erased(service), keep_log_short(store))]
    try:
        yield service
    finally:
        for one in following:
            one.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await service.kept.close()
        await ledger.close()
        # What still runs in a thread, whoever waited for it, has to be done with the store before it is closed.
        await asyncio.get_running_loop().shutdown_default_executor()
        store.close()


def _file_of(store: Store) -> int:
    return Path(store.place).stat().st_ino if store.is_sqlite else -1
