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
from serving.identity import ByKey, Identity, Seal, Visitor, admit_visitor, visitor_of
from serving.kept import Kept
from serving.ledger import Ledger
from serving.metrics import Metrics
from serving.model_store import ModelStore
from serving.policies import Policies
from serving.problems import ScopeMissing
from serving.security import Caller, Doorkeeper
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.previews import Previews

__all__ = ["Service", "admit", "service_of", "visitor_at"]


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
    seal: Seal
    sessions: ByKey
    identities: tuple[Identity, ...]
    """The ways of telling who sits at a browser."""
    kept: Kept
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
    """The service, and the caller if it may do this: the holder of the key that was sent, else whoever sits at the browser."""
    service = service_of(request)
    given = request.headers.get("authorization")
    if given is None or given[:6].lower() == "basic ":
        visitor = visitor_at(request)
        if visitor is not None:
            caller = admit_visitor(request, visitor)
            if not caller.may(*scopes):
                raise ScopeMissing(scope=scopes[0])
            return service, caller
    return service, service.doorkeeper.admit(request.headers, *scopes)


def visitor_at(request: Request) -> Visitor | None:
    """Who sits at the browser, where people have to sign in."""
    service = service_of(request)
    return None if service.settings.auth == "dev" else visitor_of(request, service.identities)
