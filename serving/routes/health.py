"""`/livez`, `/readyz` and `/metrics`: what operators and orchestrators ask."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from data.errors import DependencyFailed, TamizError
from serving.metrics import CONTENT_TYPE
from serving.openapi import operation
from serving.problems import ProblemResponse, problem_of
from serving.service import Service, admit, service_of

__all__ = ["router"]

router = APIRouter(tags=["health"])
ROOM = 64 << 20
"""Bytes that have to be free: what is less is soon none."""


class StoreGone(DependencyFailed):
    """The store at {path} is not there any more, or another file has taken its place:
    restore it from a backup, then start the service again."""


class NoRoom(DependencyFailed):
    """The disk of {path} has {free:,} bytes left, and at least {room:,} are needed: free some, or decisions will be refused."""


@router.get("/livez", summary="Whether the process answers", **operation())
async def livez() -> Response:
    """Says that the event loop turns, and nothing else."""
    return Response(b'{"status":"alive"}', media_type="application/json")


@router.get("/readyz", summary="Whether scores can be had", **operation(errors=(503,)))
async def readyz(request: Request) -> Response:
    """200 with the model's version, or 503 with everything that is missing and what to do about it."""
    service = service_of(request)
    reasons = _model(service) | _policy(service) | await asyncio.to_thread(_store, service)
    if reasons:
        problem = problem_of(next(iter(reasons.values())), request.scope["request_id"])
        problem.errors = [{"place": place, "message": str(error), "code": error.code} for place, error in reasons.items()]
        return ProblemResponse(problem)
    ready = {"status": "ready", "model_version": service.models.current().version, "last_refused": service.models.last_failure}
    return Response(msgspec.json.encode(ready), media_type="application/json")


@router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse, **operation(
    media="text/plain", errors=(401, 403, 503)
))  # fmt: skip
async def metrics(request: Request) -> Response:
    """Text exposition format."""
    service, _ = admit(request, "read")
    return Response(service.metrics.exposed(), headers={"content-type": CONTENT_TYPE})


def _model(service: Service) -> dict[str, TamizError]:
    return {} if service.models.loaded is not None else {"model": service.models.absence()}


def _policy(service: Service) -> dict[str, TamizError]:
    try:
        service.policies.in_force(service.models.loaded)  # reads the store as each score does
    except TamizError as error:
        return {"store": error}
    return {}


def _store(service: Service) -> dict[str, TamizError]:
    """What is wrong with the file and its disk; a PostgreSQL server looks after its own."""
    if not service.store.is_sqlite:
        return {}
    path = Path(service.store.place)
    try:
        found, free = path.stat().st_ino, shutil.disk_usage(path).free
    except OSError:
        found, free = -1, ROOM
    if found != service.store_file:
        return {"store": StoreGone(path=path)}
    return {"disk": NoRoom(path=path.parent, free=free, room=ROOM)} if free < ROOM else {}
