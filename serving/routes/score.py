"""`POST /v1/score` and `POST /v1/score/batch`: raw lead in, decision out, in the ledger before it is answered.

Written for speed: the body's bytes are decoded and validated in one pass, scored on the event loop (a thread would cost
more than the score), and the answer's bytes are those that the ledger keeps.
"""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.errors import TamizError
from data.store import now
from models.decision import Decision
from serving.body import read_body
from serving.examples import LEAD
from serving.ledger import AlreadyAnswered
from serving.openapi import operation
from serving.problems import BatchTooLong, IdempotencyMismatch, Unprocessable, problem_of
from serving.schemas import BatchAnswer, BatchItem, ScoreRequest, read_batch, read_item, read_score
from serving.security import Caller
from serving.service import Service, admit

__all__ = ["router"]

router = APIRouter(tags=["score"])
CHUNK = 50
"""Items of a batch that are scored before others have their turn."""


@router.post("/v1/score", summary="Score one lead", **operation(
    takes="ScoreRequest", example=LEAD, gives="Decision", errors=(400, 401, 403, 413, 422, 503), headers=("Idempotency-Key",)
))  # fmt: skip
async def score(request: Request) -> Response:
    """Scores a lead from its attributes and activities. Nothing is stored but the ledger entry."""
    received = now()
    service, caller = admit(request, "score")
    body = await read_body(request, service.settings.body_bytes)
    key = request.headers.get("idempotency-key")
    if key is not None:
        return await _once(service, caller, key, body, received)
    answer, decision = await service.decider.one(read_score(body), received)
    service.metrics.decision(decision.decision, decision.receipt.model_version)
    return _json(answer)


@router.post("/v1/score/batch", summary="Score up to 1,000 leads", **operation(
    takes="BatchRequest", example={"items": [LEAD]}, gives="BatchAnswer", errors=(400, 401, 403, 413, 422, 503)
))  # fmt: skip
async def score_batch(request: Request) -> Response:
    """Scores several leads; each is answered on its own, in the order asked, and one bad item does not spoil the rest."""
    received = now()
    service, _ = admit(request, "score")
    wanted = read_batch(await read_body(request, service.settings.batch_bytes)).items
    if len(wanted) > service.settings.batch_items:
        raise BatchTooLong(items=len(wanted), limit=service.settings.batch_items)
    service.models.current()  # without a model it is the whole call that fails
    items: list[BatchItem] = []
    for begin in range(0, len(wanted), CHUNK):
        items += await _chunk(service, wanted[begin : begin + CHUNK], received)
        await asyncio.sleep(0)
    scored = sum(item.problem is None for item in items)
    return _json(msgspec.json.encode(BatchAnswer(scored, len(items) - scored, items)))


async def _chunk(service: Service, raw: list[msgspec.Raw], received: int) -> list[BatchItem]:
    items: list[BatchItem | None] = [None] * len(raw)
    places: list[int] = []
    requests: list[ScoreRequest] = []
    for place, one in enumerate(raw):
        try:
            requests.append(read_item(one))
            places.append(place)
        except TamizError as error:
            items[place] = _problem_item(error)
    for place, answer in zip(places, await service.decider.many(requests, received), strict=True):
        if isinstance(answer, Decision):
            service.metrics.decision(answer.decision, answer.receipt.model_version)
            items[place] = BatchItem(200, answer=answer)
        else:
            items[place] = _problem_item(answer)
    return [item for item in items if item is not None]


async def _once(service: Service, caller: Caller, key: str, body: bytes, received: int) -> Response:
    """The same key and body are answered by the same bytes, however often and however close together they come."""
    if not 0 < len(key) <= 255:
        raise Unprocessable("An Idempotency-Key has 1 to 255 characters.")
    name, request_hash = f"{caller.name}:{key}", hashlib.sha256(body).hexdigest()
    async with service.once(name):
        kept = _kept(service, name, request_hash)
        if kept is not None:
            return kept
        try:
            answer, decision = await service.decider.one(read_score(body), received, (name, request_hash))
        except AlreadyAnswered:  # another process was faster
            kept = _kept(service, name, request_hash)
            if kept is None:
                raise
            return kept
    service.metrics.decision(decision.decision, decision.receipt.model_version)
    return _json(answer)


def _kept(service: Service, name: str, request_hash: str) -> Response | None:
    kept = service.ledger.answered(name)
    if kept is None:
        return None
    if kept[0] != request_hash:
        raise IdempotencyMismatch
    answer = _json(kept[1])
    answer.headers["Idempotent-Replay"] = "true"
    return answer


def _problem_item(error: TamizError) -> BatchItem:
    return BatchItem(error.status, problem=problem_of(error))


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
