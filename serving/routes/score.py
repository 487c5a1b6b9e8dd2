"""`POST /v1/score` and `POST /v1/score/batch`: raw lead in, decision out, in the ledger before it is answered.

Written for speed: the body's bytes are decoded and validated in one pass, scored on the event loop (a thread would cost
more than the score), and the answer's bytes are those that the ledger keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.errors import TamizError
from data.store import now
from models.decision import Decision
from models.request import ScoreRequest
from serving.body import json_answer, read_body
from serving.decider import Made
from serving.examples import LEAD
from serving.once import Asked, asked_once, once, replayed
from serving.openapi import operation
from serving.problems import BatchTooLong, IdempotencyMismatch, problem_of
from serving.schemas import BatchAnswer, BatchItem, read_batch, read_item, read_score
from serving.service import Service, admit

__all__ = ["router"]

router = APIRouter(tags=["score"])
CHUNK = 96
"""Items of a batch that are scored before others have their turn: about ten milliseconds."""


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
    takes="BatchRequest", example={"items": [LEAD]}, gives="BatchAnswer", errors=(400, 401, 403, 413, 422, 503),
    headers=("Idempotency-Key",),
))  # fmt: skip
async def score_batch(request: Request) -> Response:
    """Scores several leads; each is answered on its own, in the order asked, and one bad item does not spoil the rest.

    Sent again with the same Idempotency-Key, items that were scored before are answered as they were, and only the others are scored.
    """
    received = now()
    service, caller = admit(request, "score")
    body = await read_body(request, service.settings.batch_bytes)
    wanted = read_batch(body).items
    if len(wanted) > service.settings.batch_items:
        raise BatchTooLong(items=len(wanted), limit=service.settings.batch_items)
    service.models.current()  # without a model it is the whole call that fails
    asked = asked_once(request, caller, body)
    if asked is None:
        return _batch_answer(await _batch(service, wanted, received))
    async with service.once(asked.name):
        return await _batch_once(service, wanted, received, asked)


async def _batch_once(service: Service, wanted: list[msgspec.Raw], received: int, asked: Asked) -> Response:
    """The ledger remembers each item under the call's key and the item's place."""
    keys = [f"{asked.name}\x1f{place}" for place in range(len(wanted))]  # no header can hold that character
    kept = service.ledger.answered(keys)
    if any(request_hash != asked.request_hash for request_hash, _ in kept.values()):
        raise IdempotencyMismatch
    missing = [place for place, key in enumerate(keys) if key not in kept]
    fresh = await _batch(service, [wanted[place] for place in missing], received, [(keys[place], asked.request_hash) for place in missing])
    items = [BatchItem(200, answer=_as_answered(kept[key][1])) if key in kept else None for key in keys]
    for place, item in zip(missing, fresh, strict=True):
        items[place] = item
    again = bool(kept) and all(item.problem is not None for item in fresh)
    return _batch_answer([item for item in items if item is not None], again=again)


def _batch_answer(items: list[BatchItem], *, again: bool = False) -> Response:
    scored = sum(item.problem is None for item in items)
    answer = msgspec.json.encode(BatchAnswer(scored, len(items) - scored, items))
    return replayed(answer) if again else json_answer(answer)


async def _batch(
    service: Service, wanted: Sequence[msgspec.Raw], received: int, idempotency: Sequence[tuple[str, str]] | None = None
) -> list[BatchItem]:
    chunks: list[asyncio.Task[list[BatchItem]]] = []
    for begin in range(0, len(wanted), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        work = _chunk(service, wanted[chunk], received, idempotency[chunk] if idempotency else None)
        # Scored as soon as others have had their turn; while it is written, the next one is.
        chunks.append(asyncio.create_task(work))
        await asyncio.sleep(0)
    # All of them, whatever becomes of one: none may still be written when the call is sent again under its key.
    written = await asyncio.gather(*chunks, return_exceptions=True)
    items: list[BatchItem] = []
    for one in written:
        if isinstance(one, BaseException):
            raise one
        items += one
    return items


async def _chunk(
    service: Service, raw: Sequence[msgspec.Raw], received: int, idempotency: Sequence[tuple[str, str]] | None
) -> list[BatchItem]:
    items: list[BatchItem | None] = [None] * len(raw)
    places: list[int] = []
    requests: list[ScoreRequest] = []
    for place, one in enumerate(raw):
        try:
            requests.append(read_item(one))
            places.append(place)
        except TamizError as error:
            items[place] = _problem_item(error)
    keys = [idempotency[place] for place in places] if idempotency else None
    for place, made in zip(places, await service.decider.many(requests, received, keys), strict=True):
        if isinstance(made, Made):
            service.metrics.decision(made.decision.decision, made.decision.receipt.model_version)
            items[place] = BatchItem(200, answer=_as_answered(made.answer))
        else:
            items[place] = _problem_item(made)
    return [item for item in items if item is not None]


def _as_answered(answer: bytes) -> Decision:
    """A decision that is encoded already, to be put as it is among others."""
    return cast("Decision", msgspec.Raw(answer))


def _problem_item(error: TamizError) -> BatchItem:
    return BatchItem(error.status, problem=problem_of(error))
