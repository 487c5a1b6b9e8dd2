"""`Idempotency-Key`: the same call sent again is answered by the same bytes, and done once.

In: a call with its key, and the work that answers it. Out: the answer, marked `Idempotent-Replay: true` where it was given before.
The ledger remembers its own answers, in the same row as the decision; any other is kept beside what it did, which is idempotent by
itself: a crash between the two does nothing twice. A key that comes with another call is a 422.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from data.replies import Reply, keep_reply, reply_to
from serving.body import json_answer
from serving.ledger import AlreadyAnswered
from serving.problems import IdempotencyMismatch, Unprocessable
from serving.security import Caller
from serving.service import Service

__all__ = ["Asked", "asked_once", "once", "replayed"]


@dataclass(frozen=True)
class Asked:
    """A call's key, as the caller's own, and what is asked under it."""

    name: str
    request_hash: str


def asked_once(request: Request, caller: Caller, body: bytes) -> Asked | None:
    """What is asked under a key; None without one."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= 255:
        raise Unprocessable("An Idempotency-Key has 1 to 255 characters.")
    digest = hashlib.sha256(b"\0".join([request.method.encode(), request.url.path.encode(), body])).hexdigest()
    return Asked(f"{caller.name}:{key}", digest)


async def once(service: Service, asked: Asked | None, work: Callable[[], Awaitable[bytes]], *, lead_id: str | None = None) -> Response:
    """The answer of `work`, or the one that this key was given before. `lead_id`: of whom, where the ledger does not
    remember it; empty where it tells of no lead."""
    if asked is None:
        return json_answer(await work())
    async with service.once(asked.name):
        kept = await _kept(service, asked)
        if kept is not None:
            return kept
        try:
            answer = await work()
        except AlreadyAnswered:  # another process was faster
            kept = await _kept(service, asked)
            if kept is None:
                raise
            return kept
        if lead_id is not None:
            await asyncio.to_thread(keep_reply, service.store, asked.name, Reply(asked.request_hash, answer), lead_id)
    return json_answer(answer)


def replayed(answer: bytes) -> Response:
    """An answer that was given before."""
    return json_answer(answer, headers={"Idempotent-Replay": "true"})


async def _kept(service: Service, asked: Asked) -> Response | None:
    kept = service.ledger.answered([asked.name]).get(asked.name)
    if kept is None:
        reply = await asyncio.to_thread(reply_to, service.store, asked.name)
        if reply is None:
            return None
        kept = reply.request_hash, reply.answer
    if kept[0] != asked.request_hash:
        raise IdempotencyMismatch
    return replayed(kept[1])
