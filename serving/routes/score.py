"""`POST /v1/score` and `POST /v1/score/batch`: raw lead in, decision out, in the ledger before it is answered.

Written for speed: the body's bytes are decoded and validated in one pass, scored on the event loop (a thread would cost
more than the score), and the answer's bytes are those that the ledger keeps.
"""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.errors import TamizError
from data.store import now
from models.decision import Decision
from models.request import ScoreRequest
from serving.body import json_answer, read_body
from serving.examples import LEAD
from serving.once import asked_once, once
from serving.openapi import operation
from serving.problems import BatchTooLong, problem_of
from serving.schemas import BatchAnswer, BatchItem, read_batch, read_item, read_score
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
    asked = asked_once(request, caller, body)

    async def work() -> bytes:
        idempotency = None if asked is None else (asked.name, asked.request_hash)
        answer, decision = await service.decider.one(read_score(body), received, idempotency)
        service.metrics.decision(decision.decision, decision.receipt.model_version)
        return answer

    return json_answer(await work()) if asked is None else await once(service, asked, work)


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
    return json_answer(msgspec.json.encode(BatchAnswer(scored, len(items) - scored, items)))


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


def _problem_item(error: TamizError) -> BatchItem:
    return BatchItem(error.status, problem=problem_of(error))
