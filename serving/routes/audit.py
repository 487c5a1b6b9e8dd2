"""`GET /v1/audit`: who changed policy, keys and models, and when."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.audit import entries
from serving.audit_schemas import AuditItem, AuditPage
from serving.openapi import operation
from serving.pages import cursor_at, limit_of, place_of
from serving.schemas import instant
from serving.service import admit

__all__ = ["router"]

router = APIRouter(tags=["audit"])


@router.get("/v1/audit", summary="Who changed what", **operation(
    gives="AuditPage", errors=(401, 403, 422, 503), query=("action", "subject", "limit", "cursor")
))  # fmt: skip
async def audit(request: Request) -> Response:
    """Every change of policy, key and model, newest first; `action` is one or several by commas, `key` all that concern keys."""
    service, _ = admit(request, "admin")
    limit, place = limit_of(request), place_of(request, int)
    actions = [one for one in request.query_params.get("action", "").split(",") if one]
    found = await asyncio.to_thread(
        entries,
        service.store,
        before=place[0] if place else None,
        limit=limit,
        actions=actions,
        subject=request.query_params.get("subject"),
    )
    listed = [AuditItem(one.sequence, instant(one.at), one.actor, one.action, one.subject, one.detail) for one in found]
    following = cursor_at(found[-1].sequence) if len(found) == limit else None
    return Response(msgspec.json.encode(AuditPage(listed, following)), media_type="application/json")
