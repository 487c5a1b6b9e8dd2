"""`/livez`, `/readyz` and `/metrics`: what operators and orchestrators ask."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.errors import TamizError
from serving.metrics import CONTENT_TYPE
from serving.openapi import operation
from serving.problems import ProblemResponse, problem_of
from serving.service import admit, service_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Whether the process answers", **operation())
async def livez() -> Response:
    """Says that the event loop turns, and nothing else."""
    return Response(b'{"status":"alive"}', media_type="application/json")


@router.get("/readyz", summary="Whether scores can be had", **operation(errors=(503,)))
async def readyz(request: Request) -> Response:
    """200 with the model's version, or 503 with what is missing and what to do about it."""
    service = service_of(request)
    try:
        service.policies.in_force(service.models.loaded)  # reads the store
        loaded = service.models.current()
    except TamizError as error:
        return ProblemResponse(problem_of(error, request.scope["request_id"]))
    ready = {"status": "ready", "model_version": loaded.version, "last_refused": service.models.last_failure}
    return Response(msgspec.json.encode(ready), media_type="application/json")


@router.get("/metrics", summary="Figures for Prometheus", **operation(errors=(401, 403)))
async def metrics(request: Request) -> Response:
    """Text exposition format."""
    service, _ = admit(request, "read")
    return Response(service.metrics.exposed(), headers={"content-type": CONTENT_TYPE})
