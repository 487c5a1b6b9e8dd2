"""`PUT /v1/leads/{id}`, `POST /v1/activities`, `/v1/stage-changes`, `/v1/outcomes`: what a CRM sends to be kept.

Idempotent by natural keys, in any order, late rows welcome; each row is answered on its own. What changed is scored again
soon after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.errors import TamizError
from data.store import now
from serving.body import json_answer, read_body
from serving.examples import ACTIVITY, ATTRIBUTES, OUTCOME, STAGE_CHANGE
from serving.ingest import ACTIVITIES, OUTCOMES, STAGES, Kind, LeadErased, answer, lead_put, read_rows
from serving.once import asked_once, once
from serving.openapi import operation
from serving.service import admit

__all__ = ["router"]

router = APIRouter(tags=["ingest"])
CHUNK = 1_000
"""Rows in one transaction: others who write wait no longer than it takes."""
_ERRORS = (400, 401, 403, 413, 422, 503)


@router.put("/v1/leads/{lead_id}", summary="Keep a lead's attributes", **operation(
    takes="LeadAttributes", example=ATTRIBUTES, gives="IngestRow", errors=(*_ERRORS, 410)
))  # fmt: skip
async def put_lead(request: Request, lead_id: str) -> Response:
    """Keeps values of a lead's fields since now, or since `changed_at`. A field that is not named stays; null clears it."""
    received = now()
    service, _ = admit(request, "ingest")
    put = lead_put(lead_id, await read_body(request, service.settings.body_bytes), received)
    (taken,) = await asyncio.to_thread(service.crm.put_leads, [put])
    if taken == "erased":
        raise LeadErased
    return json_answer(msgspec.json.encode({"status": 201 if taken == "new" else 200}))


@router.post("/v1/activities", summary="Keep activities", **operation(
    takes="Activities", lines="Activity", example={"activities": [ACTIVITY]}, gives="IngestAnswer", errors=_ERRORS,
    query=("import",), headers=("Idempotency-Key",),
))  # fmt: skip
async def post_activities(request: Request) -> Response:
    """Up to 5,000 activities, as JSON or NDJSON; one with a known `activity_id` of its lead changes nothing."""
    return await _post(request, ACTIVITIES, lambda crm: crm.add_activities)


@router.post("/v1/stage-changes", summary="Keep stage changes", **operation(
    takes="StageChanges", lines="StageChange", example={"stage_changes": [STAGE_CHANGE]}, gives="IngestAnswer", errors=_ERRORS,
    query=("import",), headers=("Idempotency-Key",),
))  # fmt: skip
async def post_stage_changes(request: Request) -> Response:
    """Entries of pipeline histories; one is told by lead, stage and instant."""
    return await _post(request, STAGES, lambda crm: crm.add_stage_changes)


@router.post("/v1/outcomes", summary="Keep outcomes", **operation(
    takes="Outcomes", lines="OutcomeIn", example={"outcomes": [OUTCOME]}, gives="IngestAnswer", errors=_ERRORS,
    query=("import",), headers=("Idempotency-Key",),
))  # fmt: skip
async def post_outcomes(request: Request) -> Response:
    """Conversions and losses; one is told by lead, kind and instant."""
    return await _post(request, OUTCOMES, lambda crm: crm.add_outcomes)


async def _post(request: Request, kind: Kind[Any], add: Callable[[Any], Callable[[Sequence[Any]], list[str]]]) -> Response:
    received = now()
    service, caller = admit(request, "ingest")
    body = await read_body(request, service.settings.batch_bytes)
    imported = request.query_params.get("import", "").lower() in ("true", "1", "yes")

    async def work() -> bytes:
        rows = await asyncio.to_thread(read_rows, kind, body, request.headers.get("content-type", ""), received, imported=imported)
        sound = [one for one in rows if not isinstance(one, TamizError)]
        taken: list[str] = []
        for start in range(0, len(sound), CHUNK):
            taken += await asyncio.to_thread(add(service.crm), sound[start : start + CHUNK])
        return msgspec.json.encode(answer(rows, taken))

    return await once(service, asked_once(request, caller, body), work, lead_id="")
