"""Decisions on their way to whoever asked for them: signed, tried again with patience, given up at last.

In: the outbox. Out: requests with the headers of Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`), at
least once each: a receiver tells a repeated one by its `webhook-id`. Each endpoint has a task of its own, so that one which is
down or slow delays nobody else; while it is down it is tried with one message at a time.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from time import monotonic
from typing import TYPE_CHECKING

from data.errors import TamizError
from data.outbox import Endpoint, Filters, Message, Outbox
from data.store import now
from serving.outside import Reply, check, post

if TYPE_CHECKING:
    from serving.service import Service

__all__ = ["ATTEMPTS", "Delivery", "fill", "new_endpoint", "send_test", "wait_before"]

ATTEMPTS = 14
"""How often a message is tried before it is given up: over about two days."""
AT_ONCE = 8
"""Messages on their way to one endpoint at the same time."""
LEASE = 60_000_000
FIRST_WAIT, LONGEST_WAIT = 5.0, 6 * 3_600.0
LONGEST_REST = 300.0
GONE = 410
_log = logging.getLogger("tamiz.delivery")


def new_endpoint(url: str, filters: Filters, *, note: str, author: str, allow: tuple[str, ...]) -> Endpoint:
    """An endpoint with a fresh secret; raises AddressRefused."""
    check(url, allow)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return Endpoint(f"we_{secrets.token_hex(8)}", url, secret, filters, note, author, now())


def wait_before(attempt: int, random: Random, asked: int | None = None) -> float:
    """Seconds until a message that failed for the `attempt`-th time is tried again: four times as long each time, give or take
    a quarter, and not sooner than the receiver asked for.

    >>> [round(wait_before(attempt, Random(1))) for attempt in (1, 2, 5, 9)]
    [4, 16, 1046, 17651]
    """
    wait = min(FIRST_WAIT * 4.0 ** (attempt - 1), LONGEST_WAIT) * random.uniform(0.75, 1.25)
    return max(wait, min(asked or 0, LONGEST_WAIT))


async def fill(service: Service) -> bool:
    """Makes messages of decisions; whether there may be more."""
    return await asyncio.to_thread(Outbox(service.store).fill)


async def send_test(endpoint: Endpoint, allow: tuple[str, ...]) -> Reply:
    """Sends a message that means nothing, at once, and says how it was answered."""
    body = b'{"type":"test","timestamp":"%s","data":{}}' % datetime.now(UTC).isoformat().replace("+00:00", "Z").encode()
    return await _send(endpoint, f"msg_test_{secrets.token_hex(8)}", body, allow)


@dataclass
class _Rest:
    """An endpoint that answers nothing well."""

    failures: int
    until: float


class Delivery:
    """One worker's part in delivering."""

    def __init__(self, service: Service) -> None:
        self._outbox = Outbox(service.store)
        self._allow = service.settings.webhook_allow
        self._random = Random(secrets.randbits(64))
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, _Rest] = {}

    async def begin(self) -> bool:
        """Begins to deliver to every endpoint for which something waits, without waiting for it."""
        for endpoint_id in [one for one, task in self._under_way.items() if task.done()]:
            self._under_way.pop(endpoint_id).result()
        due = await asyncio.to_thread(self._outbox.due, now())
        resting = {one for one, rest in self._resting.items() if rest.until > monotonic()}
        wanted = due - self._under_way.keys() - resting
        if wanted:
            for endpoint in await asyncio.to_thread(self._outbox.endpoints):
                if endpoint.endpoint_id in wanted:
                    self._under_way[endpoint.endpoint_id] = asyncio.create_task(self._drain(endpoint))
        return False

    async def finish(self) -> bool:
        """Delivers what waits now, and waits for it."""
        await self.begin()
        await asyncio.gather(*self._under_way.values())
        return False

    async def close(self) -> None:
        """Ends what is under way: its leases end, and it is sent again."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _drain(self, endpoint: Endpoint) -> None:
        """Delivers until nothing is due or the endpoint has to rest."""
        one = endpoint.endpoint_id
        try:
            while True:
                limit = 1 if one in self._resting else AT_ONCE
                messages = await asyncio.to_thread(self._outbox.claim, one, limit, now(), LEASE)
                if not messages:
                    return
                arrived = await asyncio.gather(*(self._deliver(endpoint, message) for message in messages))
                if any(arrived):
                    self._resting.pop(one, None)
                    continue
                failures = self._resting[one].failures + 1 if one in self._resting else 1
                rest = min(FIRST_WAIT * 2 ** (failures - 1), LONGEST_REST) * self._random.uniform(0.75, 1.25)
                self._resting[one] = _Rest(failures, monotonic() + rest)
                _log.warning("%s takes nothing: it is left alone for %.0f s", one, rest)
                return
        except TamizError as error:
            _log.warning("what goes to %s waits: %s", one, error)

    async def _deliver(self, endpoint: Endpoint, message: Message) -> bool:
        reply = await _send(endpoint, message.message_id, message.body, self._allow)
        if reply.good:
            await asyncio.to_thread(self._outbox.delivered, message, now())
            return True
        if reply.status == GONE:
            await asyncio.to_thread(self._outbox.disable, endpoint.endpoint_id)
        attempt = message.attempts + 1
        wait = wait_before(attempt, self._random, reply.retry_after)
        again_at = None if attempt >= ATTEMPTS else now() + round(wait * 1_000_000)
        await asyncio.to_thread(self._outbox.failed, message, reply.told, again_at=again_at)
        return False


async def _send(endpoint: Endpoint, message_id: str, body: bytes, allow: tuple[str, ...]) -> Reply:
    from standardwebhooks import Webhook

    at = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(endpoint.secret).sign(msg_id=message_id, timestamp=at, data=body.decode()),
    }
    return await post(endpoint.url, body, headers, allow)
