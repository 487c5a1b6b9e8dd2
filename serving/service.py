"""The parts of a running service, put together once and handed to every route."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from starlette.requests import Request

from data.crm import Crm
from data.store import Store
from serving.decider import Decider
from serving.ledger import Ledger
from serving.metrics import Metrics
from serving.model_store import ModelStore
from serving.policies import Policies
from serving.security import Caller, Doorkeeper
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.previews import Previews

__all__ = ["Service", "admit", "service_of"]


@dataclass(frozen=True)
class Service:
    """Everything a route may need."""

    settings: Settings
    store: Store
    crm: Crm
    doorkeeper: Doorkeeper
    models: ModelStore
    policies: Policies
    ledger: Ledger
    decider: Decider
    metrics: Metrics
    previews: Previews
    store_file: int = -1
    """Which file the SQLite store was when it was opened: its inode."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """What is to be done a little later."""
    turns: dict[str, tuple[asyncio.Lock, int]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def once(self, name: str) -> AsyncIterator[None]:
        """One at a time for each name; nothing is kept of names that nobody waits for."""
        lock, waiting = self.turns.get(name) or (asyncio.Lock(), 0)
        self.turns[name] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            waiting = self.turns[name][1] - 1
            if waiting:
                self.turns[name] = lock, waiting
            else:
                del self.turns[name]


def service_of(request: Request) -> Service:
    """The service that this request reached."""
    return cast(Service, request.app.state.service)


def admit(request: Request, *scopes: str) -> tuple[Service, Caller]:
    """The service, and the caller if it may do this."""
    service = service_of(request)
    return service, service.doorkeeper.admit(request.headers, *scopes)
