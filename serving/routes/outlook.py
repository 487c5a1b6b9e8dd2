"""`/v1/leads/{id}/course`, `…/what-if` and `/v1/hand-offs`: a lead's score so far, what leads to a higher one, who waits for sales."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.reviews import LeadNotKnown
from data.store import now
from serving.body import json_answer
from serving.lead_schemas import CourseAnswer, HandOffs, OwnerHandOffs, WhatIfAnswer
from serving.openapi import operation
from serving.outlook import course_of, one_thing_more
from serving.problems import Unprocessable
from serving.schemas import instant
from serving.service import Service, admit

__all__ = ["router"]

router = APIRouter(tags=["leads"])
_DAY = 86_400_000_000


@router.get("/v1/leads/{lead_id}/course", summary="A lead's score over time", **operation(
    gives="CourseAnswer", errors=(401, 403, 404, 422, 503), query=("points",)
))  # fmt: skip
async def course(request: Request, lead_id: str) -> Response:
    """What the model that serves would have said after each thing the lead did, from what was known by then; nothing is kept of it."""
    service, _ = admit(request, "read")
    points = _whole(request, "points", 2, 60, 24)
    one = await _known(service, lead_id)
    version = service.models.current().version
    return json_answer(msgspec.json.encode(CourseAnswer(one, version, await course_of(service, one, now(), points))))


@router.get("/v1/leads/{lead_id}/what-if", summary="What would move a lead up", **operation(
    gives="WhatIfAnswer", errors=(401, 403, 404, 422, 503)
))  # fmt: skip
async def what_if(request: Request, lead_id: str) -> Response:
    """The probability of leads whose story is the same but for one thing more. It is no promise that this thing brings it about."""
    service, _ = admit(request, "read")
    one = await _known(service, lead_id)
    service.models.current()
    as_it_is, more = await one_thing_more(service, one, now())
    answer = WhatIfAnswer(one, as_it_is.as_of, as_it_is.receipt.model_version, as_it_is.horizon_days, as_it_is.probability, more)
    return json_answer(msgspec.json.encode(answer))


@router.get("/v1/hand-offs", summary="How hand-overs to sales stand", **operation(
    gives="HandOffs", errors=(401, 403, 422, 503), query=("since_days",)
))  # fmt: skip
async def hand_offs(request: Request) -> Response:
    """How many leads wait for sales, in time and beyond it, and how many of the last days were taken care of; by owner, too."""
    service, _ = admit(request, "read")
    days = _whole(request, "since_days", 1, 365, 28)
    at = now()
    rows = await asyncio.to_thread(service.crm.hand_offs, at - days * _DAY, at)
    owners: dict[str | None, OwnerHandOffs] = {}
    total = OwnerHandOffs(None)
    oldest: int | None = None
    for owner, clock, count, earliest in rows:
        for one in (total, owners.setdefault(owner, OwnerHandOffs(owner))):
            setattr(one, clock, getattr(one, clock) + count)
        if clock == "breached":
            oldest = earliest if oldest is None else min(oldest, earliest)
    over = total.breached + total.met + total.late
    answer = HandOffs(
        days, total.running, total.breached, total.met, total.late, total.met / over if over else None,
        None if oldest is None else instant(oldest),
        sorted(owners.values(), key=lambda one: (-one.breached, -one.running, one.owner or "")),
    )  # fmt: skip
    return json_answer(msgspec.json.encode(answer))


async def _known(service: Service, lead_id: str) -> str:
    found = await asyncio.to_thread(service.crm.standing, lead_id)
    if found is None:
        raise LeadNotKnown(lead_id=lead_id)
    return found[0]


def _whole(request: Request, name: str, least: int, most: int, otherwise: int) -> int:
    given = request.query_params.get(name, str(otherwise))
    if not (given.isascii() and given.isdigit() and len(given) <= 9 and least <= int(given) <= most):
        raise Unprocessable(f"`{name}` is a whole number from {least} to {most}.")
    return int(given)
