"""`/v1/leads/{id}` as a record of a person: merged with its double, handed out whole, erased."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from data.erasure import NothingHeld, erase
from data.export import export
from data.merging import merge
from data.store import now
from serving.body import read_body
from serving.forgetting import forget_now
from serving.lead_schemas import ErasureAnswer, MergeAnswer, MergeIn
from serving.once import asked_once, once
from serving.openapi import operation
from serving.schemas import decode, instant
from serving.service import admit

__all__ = ["router"]

router = APIRouter(tags=["leads"])
_merge = msgspec.json.Decoder(MergeIn)


@router.post("/v1/leads/{lead_id}/merge", summary="Merge a lead's double into it", **operation(
    takes="MergeIn", example={"merged": "L-0007"}, gives="MergeAnswer",
    errors=(400, 401, 403, 404, 413, 422, 503), headers=("Idempotency-Key",),
))  # fmt: skip
async def post_merge(request: Request, lead_id: str) -> Response:
    """What belonged to either belongs to the lead of the address, once; the other id stands for it from now on."""
    service, caller = admit(request, "ingest")
    body = await read_body(request, service.settings.body_bytes)
    given = decode(_merge, body)

    async def work() -> bytes:
        done = await asyncio.to_thread(lambda: merge(service.store, lead_id, given.merged, at=now(), author=given.author or caller.name))
        told = MergeAnswer(done.merge_id, done.lead_id, done.merged, instant(done.merged_at), done.author, done.moved, done.known)
        return msgspec.json.encode(told)

    return await once(service, asked_once(request, caller, body), work, lead_id=lead_id)


@router.delete("/v1/leads/{lead_id}", summary="Erase a lead", **operation(gives="ErasureAnswer", errors=(401, 403, 404, 422, 503)))
async def delete_lead(request: Request, lead_id: str) -> Response:
    """Erases everything personal that is held on a lead and on what was merged into it; the answer is the proof, now and later."""
    service, caller = admit(request, "admin")
    author = request.query_params.get("author", "")[:200] or caller.name
    done = await asyncio.to_thread(lambda: erase(service.store, lead_id, at=now(), author=author))
    forget_now(service, lead_id, done.erased_at)
    told = ErasureAnswer(done.erasure_id, done.lead_id, instant(done.erased_at), done.author, done.removed, done.known)
    return Response(msgspec.json.encode(told), media_type="application/json")


@router.get("/v1/leads/{lead_id}/export", summary="Everything held on a lead", **operation(errors=(401, 403, 404, 422, 503)))
async def get_export(request: Request, lead_id: str) -> Response:
    """All that is held on a lead, as JSON by table: what a person may ask to see."""
    service, _ = admit(request, "admin")
    pieces = await asyncio.to_thread(export, service.store, lead_id)
    if pieces is None:
        raise NothingHeld(lead_id=lead_id)
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in lead_id if letter.isascii())[:100]
    return StreamingResponse(
        pieces, media_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name or "lead"}.json"'}
    )
