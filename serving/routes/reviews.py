"""`/v1/leads/{id}/feedback` and `…/override`: what sales says of a decision, and what a person decides instead."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.crm import Override
from data.reviews import Feedback, give_feedback, lift, override
from data.store import now
from serving.body import read_body
from serving.examples import FEEDBACK, OVERRIDE
from serving.lead_schemas import FeedbackAnswer, FeedbackIn, OverrideAnswer, OverrideIn
from serving.lifecycles import may_say, place
from serving.once import asked_once, once
from serving.openapi import operation
from serving.problems import Unprocessable
from serving.rescoring import score_leads
from serving.schemas import decode, instant, microseconds
from serving.service import Service, admit

__all__ = ["router"]

router = APIRouter(tags=["reviews"])
_ERRORS = (400, 401, 403, 404, 413, 422, 503)
_feedback = msgspec.json.Decoder(FeedbackIn)
_override = msgspec.json.Decoder(OverrideIn)


@router.post("/v1/leads/{lead_id}/feedback", summary="Sales accepts or rejects a lead", **operation(
    takes="FeedbackIn", example=FEEDBACK, gives="FeedbackAnswer", errors=(*_ERRORS, 409), headers=("Idempotency-Key",)
))  # fmt: skip
async def post_feedback(request: Request, lead_id: str) -> Response:
    """Keeps what sales says of the decision that holds, or of the one named. The same said twice is kept once.

    Accepting and rejecting move the lead; 409 where it is not sales that moves it: a customer, an opportunity, a disqualified lead.
    """
    at = now()
    service, caller = admit(request, "ingest", "read")
    body = await read_body(request, service.settings.body_bytes)
    given = decode(_feedback, body)
    author = given.author or caller.name
    said = Feedback(given.feedback_id or "", lead_id, given.decision_id, given.verdict, given.reason, given.note, author, at)

    async def work() -> bytes:
        kept, taken = await asyncio.to_thread(give_feedback, service.store, said, may_say(service, said.verdict, at))
        if taken == "new":
            await place(service, kept.lead_id)
        return msgspec.json.encode(FeedbackAnswer.of(kept))

    return await once(service, asked_once(request, caller, body), work, lead_id=lead_id)


@router.post("/v1/leads/{lead_id}/override", summary="Decide instead of the model", **operation(
    takes="OverrideIn", example=OVERRIDE, gives="OverrideAnswer", errors=_ERRORS, headers=("Idempotency-Key",)
))  # fmt: skip
async def post_override(request: Request, lead_id: str) -> Response:
    """A person's decision holds for this lead, with author and reason, until it is lifted, replaced or expires."""
    at = now()
    service, caller = admit(request, "policy")
    body = await read_body(request, service.settings.body_bytes)
    given = decode(_override, body)
    ends = None if given.expires_at is None else microseconds(given.expires_at)
    if ends is not None and ends <= at:
        raise Unprocessable("`expires_at` has passed: name a time to come, or leave it out.")
    said = Override("", lead_id, given.decision, given.author, given.reason, at, ends)

    async def work() -> bytes:
        kept, _ = await asyncio.to_thread(override, service.store, said)
        await _apply(service, kept.lead_id)
        return msgspec.json.encode(_told(kept))

    return await once(service, asked_once(request, caller, body), work, lead_id=lead_id)


@router.delete("/v1/leads/{lead_id}/override", summary="Let the model decide again", **operation(
    gives="OverrideAnswer", errors=(401, 403, 404, 422, 503)
))  # fmt: skip
async def lift_override(request: Request, lead_id: str) -> Response:
    """Lifts the override that holds; `?author=` says who, by default the key's prefix."""
    service, caller = admit(request, "policy")
    author = request.query_params.get("author", "")[:200] or caller.name
    ended = await asyncio.to_thread(lambda: lift(service.store, lead_id, at=now(), author=author))
    await _apply(service, ended.lead_id)
    return Response(msgspec.json.encode(_told(ended)), media_type="application/json")


async def _apply(service: Service, lead_id: str) -> None:
    """The next look at the lead shows it; without a model it waits to be scored."""
    if service.models.loaded is None:
        return
    found = await asyncio.to_thread(service.crm.standing, lead_id)
    await score_leads(service, [lead_id], whole=True)
    if found is not None and found[2]:  # it need not be scored a second time
        await asyncio.to_thread(service.crm.settle_stale, {found[0]: found[2]})


def _told(kept: Override) -> OverrideAnswer:
    given, ends, lifted = (None if one is None else instant(one) for one in (kept.given_at, kept.expires_at, kept.lifted_at))
    assert given is not None
    return OverrideAnswer(kept.override_id, kept.lead_id, kept.decision, kept.author, kept.reason, given, ends, lifted, kept.lifted_by)
