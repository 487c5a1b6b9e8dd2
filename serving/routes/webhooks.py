"""`/v1/webhooks`: who is sent decisions; trying an endpoint out, and delivering what was given up."""

from __future__ import annotations

import asyncio
from typing import get_args

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.errors import BadUsage
from data.outbox import Endpoint, Filters, MessageState, Outbox
from serving.body import json_answer, read_body
from serving.delivery import new_endpoint, send_test
from serving.examples import WEBHOOK
from serving.once import asked_once, once
from serving.openapi import operation
from serving.outside import check
from serving.pages import cursor_at, limit_of, one_of, place_of
from serving.schemas import decode
from serving.service import admit
from serving.work_schemas import (
    MessagePage,
    MessageSent,
    ReplayAnswer,
    ReplayRequest,
    TestAnswer,
    WebhookAnswer,
    WebhookChange,
    WebhookMade,
    WebhookPage,
    WebhookRequest,
)

__all__ = ["router"]

router = APIRouter(tags=["webhooks"])
_request = msgspec.json.Decoder(WebhookRequest)
_change = msgspec.json.Decoder(WebhookChange)
_replay = msgspec.json.Decoder(ReplayRequest)
_READ = (401, 403, 404, 422, 503)
_WRITE = (400, 401, 403, 404, 413, 422, 503)


class WebhookUnknown(BadUsage, status=404):
    """There is no webhook {webhook_id!r}: `GET /v1/webhooks` lists them."""


@router.post("/v1/webhooks", summary="Send decisions to an address", **operation(
    takes="WebhookRequest", example=WEBHOOK, gives="WebhookMade", done=201, errors=(400, 401, 403, 413, 422, 503)
))  # fmt: skip
async def create(request: Request) -> Response:
    """From now on decisions that change are sent there; the answer shows once the secret that verifies them."""
    service, caller = admit(request, "admin")
    wanted = decode(_request, await read_body(request, service.settings.body_bytes))
    allow = service.settings.webhook_allow
    made = new_endpoint(wanted.url, _filters(wanted), note=wanted.note, author=caller.name, allow=allow)
    await asyncio.to_thread(Outbox(service.store).add, made)
    return json_answer(WebhookMade(WebhookAnswer.of(made, {}), made.secret), 201)


@router.get("/v1/webhooks", summary="Where decisions are sent", **operation(gives="WebhookPage", errors=(401, 403, 503)))
async def listed(request: Request) -> Response:
    """Every endpoint with how much waits for it, arrived and was given up; never its secret."""
    service, _ = admit(request, "admin")
    outbox = Outbox(service.store)
    found, counts = await asyncio.to_thread(outbox.endpoints), await asyncio.to_thread(outbox.counts)
    return json_answer(WebhookPage([WebhookAnswer.of(one, counts.get(one.endpoint_id, {})) for one in found]))


@router.put("/v1/webhooks/{webhook_id}", summary="Change an endpoint", **operation(
    takes="WebhookChange", example=WEBHOOK | {"enabled": True}, gives="WebhookAnswer", errors=_WRITE
))  # fmt: skip
async def change(request: Request, webhook_id: str) -> Response:
    """Another address, other filters, on or off; its secret stays."""
    service, _ = admit(request, "admin")
    wanted = decode(_change, await read_body(request, service.settings.body_bytes))
    check(wanted.url, service.settings.webhook_allow)
    outbox = Outbox(service.store)
    changed = await asyncio.to_thread(
        outbox.change, webhook_id, url=wanted.url, filters=_filters(wanted), note=wanted.note, enabled=wanted.enabled
    )
    counts = await asyncio.to_thread(outbox.counts)
    return json_answer(WebhookAnswer.of(_known(changed, webhook_id), counts.get(webhook_id, {})))


@router.delete("/v1/webhooks/{webhook_id}", summary="Send nothing there any more", **operation(done=204, errors=_READ))
async def remove(request: Request, webhook_id: str) -> Response:
    """Forgets the endpoint and everything on its way to it."""
    service, _ = admit(request, "admin")
    if not await asyncio.to_thread(Outbox(service.store).remove, webhook_id):
        raise WebhookUnknown(webhook_id=webhook_id)
    return Response(status_code=204)


@router.post("/v1/webhooks/{webhook_id}/test", summary="Try an endpoint out", **operation(gives="TestAnswer", errors=_READ))
async def test(request: Request, webhook_id: str) -> Response:
    """Sends a signed message of type `test` at once, and tells how it was answered."""
    service, _ = admit(request, "admin")
    endpoint = _known(await asyncio.to_thread(Outbox(service.store).endpoint, webhook_id), webhook_id)
    reply = await send_test(endpoint, service.settings.webhook_allow)
    told = None if reply.good else reply.told
    return json_answer(TestAnswer(reply.good, reply.status, told, round(reply.seconds, 3)))


@router.get("/v1/webhooks/{webhook_id}/messages", summary="Messages to an endpoint", **operation(
    gives="MessagePage", errors=_READ, query=("state", "limit", "cursor")
))  # fmt: skip
async def messages(request: Request, webhook_id: str) -> Response:
    """Newest first: what waits, what arrived in the last week, and what was given up (`state=dead`), with its last error."""
    service, _ = admit(request, "admin")
    outbox = Outbox(service.store)
    _known(await asyncio.to_thread(outbox.endpoint, webhook_id), webhook_id)
    limit, place = limit_of(request), place_of(request, int)
    state: MessageState | None = one_of(request, "state", get_args(MessageState))
    rows = await asyncio.to_thread(outbox.messages, webhook_id, state, place[0] if place else None, limit)
    following = cursor_at(rows[-1].sequence) if len(rows) == limit else None
    return json_answer(MessagePage([MessageSent.of(one) for one in rows], following))


@router.post("/v1/webhooks/{webhook_id}/replay", summary="Deliver what was given up", **operation(
    takes="ReplayRequest", example={}, gives="ReplayAnswer", errors=_WRITE, headers=("Idempotency-Key",)
))  # fmt: skip
async def replay(request: Request, webhook_id: str) -> Response:
    """Has messages that were given up tried again from the beginning: those named, or all of them."""
    service, caller = admit(request, "admin")
    body = await read_body(request, service.settings.body_bytes)
    wanted = decode(_replay, body or b"{}")
    outbox = Outbox(service.store)

    async def work() -> bytes:
        _known(await asyncio.to_thread(outbox.endpoint, webhook_id), webhook_id)
        return msgspec.json.encode(ReplayAnswer(await asyncio.to_thread(outbox.replay, webhook_id, wanted.message_ids)))

    return await once(service, asked_once(request, caller, body), work, lead_id="")


def _filters(wanted: WebhookRequest) -> Filters:
    return Filters(tuple(wanted.decision), wanted.min_grade)


def _known(endpoint: Endpoint | None, webhook_id: str) -> Endpoint:
    if endpoint is None:
        raise WebhookUnknown(webhook_id=webhook_id)
    return endpoint
