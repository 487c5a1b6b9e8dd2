"""`POST /v1/hooks/{secret}` takes what other systems push and answers at once; `/v1/receivers` says how it is to be read."""

from __future__ import annotations

import asyncio
from typing import get_args

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.errors import BadUsage
from data.hooks import Hook, Hooks, ReceivedState
from data.store import now
from serving.body import json_answer, read_body
from serving.examples import PUSHED, RECEIVER
from serving.mapping import read_mapping
from serving.openapi import operation
from serving.pages import cursor_at, limit_of, one_of, place_of
from serving.receivers import mapping_of, new_receiver
from serving.schemas import decode
from serving.service import admit, service_of
from serving.work_schemas import ReceivedItem, ReceivedPage, ReceiverAnswer, ReceiverMade, ReceiverPage, ReceiverRequest, RetryAnswer, Taken

__all__ = ["router"]

router = APIRouter(tags=["receivers"])
_request = msgspec.json.Decoder(ReceiverRequest)
_READ = (401, 403, 404, 422, 503)


class ReceiverUnknown(BadUsage, status=404):
    """There is no receiver {receiver_id!r}: `GET /v1/receivers` lists them."""


class NobodyReceives(BadUsage, status=404):
    """Nobody receives at this address: it was mistyped, or the receiver was revoked."""


@router.post("/v1/hooks/{secret}", summary="Push something to a receiver", **operation(
    takes="Pushed", example=PUSHED, gives="Taken", done=202, errors=(400, 404, 413, 422, 503)
))  # fmt: skip
async def push(request: Request, secret: str) -> Response:
    """Kept on the disk, then answered; read by the receiver's mapping soon after. The address itself is the key."""
    received = now()
    service = service_of(request)
    hooks = Hooks(service.store)
    found = await asyncio.to_thread(hooks.by_secret, secret)
    if found is None:
        raise NobodyReceives
    body = await read_body(request, service.settings.body_bytes)
    within = read_mapping(found.mapping).doubles_within_seconds * 1_000_000
    fresh = await asyncio.to_thread(hooks.receive, found.hook_id, body, received, within=within)
    return json_answer(Taken(not fresh), 202)


@router.post("/v1/receivers", summary="Receive from another system", **operation(
    takes="ReceiverRequest", example=RECEIVER, gives="ReceiverMade", done=201, errors=(400, 401, 403, 413, 422, 503)
))  # fmt: skip
async def create(request: Request) -> Response:
    """The answer shows once the path to push to. `mapping` is your own, `preset` one that is shipped."""
    service, caller = admit(request, "admin")
    wanted = decode(_request, await read_body(request, service.settings.body_bytes))
    path, made = new_receiver(mapping_of(wanted), note=wanted.note, author=caller.name)
    await asyncio.to_thread(Hooks(service.store).add, made)
    return json_answer(ReceiverMade(ReceiverAnswer.of(made, {}), path), 201)


@router.get("/v1/receivers", summary="Who receives", **operation(gives="ReceiverPage", errors=(401, 403, 503)))
async def listed(request: Request) -> Response:
    """Every receiver in force with its mapping, and how much of what it took waits, was understood, was not; never its address."""
    service, _ = admit(request, "admin")
    hooks = Hooks(service.store)
    found, counts = await asyncio.to_thread(hooks.hooks), await asyncio.to_thread(hooks.counts)
    return json_answer(ReceiverPage([ReceiverAnswer.of(one, counts.get(one.hook_id, {})) for one in found]))


@router.put("/v1/receivers/{receiver_id}", summary="Change a receiver's mapping", **operation(
    takes="ReceiverRequest", example=RECEIVER, gives="ReceiverAnswer", errors=(400, 401, 403, 404, 413, 422, 503)
))  # fmt: skip
async def change(request: Request, receiver_id: str) -> Response:
    """Its address stays; what waits or is retried is read by the new mapping."""
    service, _ = admit(request, "admin")
    wanted = decode(_request, await read_body(request, service.settings.body_bytes))
    hooks = Hooks(service.store)
    changed = await asyncio.to_thread(hooks.change, receiver_id, mapping=mapping_of(wanted), note=wanted.note)
    counts = await asyncio.to_thread(hooks.counts)
    return json_answer(ReceiverAnswer.of(_known(changed, receiver_id), counts.get(receiver_id, {})))


@router.delete("/v1/receivers/{receiver_id}", summary="Receive there no more", **operation(done=204, errors=_READ))
async def revoke(request: Request, receiver_id: str) -> Response:
    """Its address is a 404 from now on; what it took already is read all the same."""
    service, _ = admit(request, "admin")
    if not await asyncio.to_thread(Hooks(service.store).revoke, receiver_id):
        raise ReceiverUnknown(receiver_id=receiver_id)
    return Response(status_code=204)


@router.get("/v1/receivers/{receiver_id}/messages", summary="What a receiver took", **operation(
    gives="ReceivedPage", errors=_READ, query=("state", "limit", "cursor")
))  # fmt: skip
async def messages(request: Request, receiver_id: str) -> Response:
    """Newest first; `state=failed` is what could not be read, with the reason and what came."""
    service, _ = admit(request, "admin")
    hooks = Hooks(service.store)
    _known(await asyncio.to_thread(hooks.hook, receiver_id), receiver_id)
    limit, place = limit_of(request), place_of(request, int)
    state: ReceivedState | None = one_of(request, "state", get_args(ReceivedState))
    rows = await asyncio.to_thread(hooks.received, receiver_id, state, place[0] if place else None, limit)
    following = cursor_at(rows[-1].received_at) if len(rows) == limit else None
    return json_answer(ReceivedPage([ReceivedItem.of(one) for one in rows], following))


@router.post("/v1/receivers/{receiver_id}/retry", summary="Read again what could not be read", **operation(
    gives="RetryAnswer", errors=_READ
))  # fmt: skip
async def retry(request: Request, receiver_id: str) -> Response:
    """With the mapping as it is now."""
    service, _ = admit(request, "admin")
    hooks = Hooks(service.store)
    _known(await asyncio.to_thread(hooks.hook, receiver_id), receiver_id)
    return json_answer(RetryAnswer(await asyncio.to_thread(hooks.retry, receiver_id)))


def _known(hook: Hook | None, receiver_id: str) -> Hook:
    if hook is None:
        raise ReceiverUnknown(receiver_id=receiver_id)
    return hook
