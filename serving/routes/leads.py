"""`/v1/leads`: the ranked queue, what is held of one lead, where it stands, and how it came to stand there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast, get_args

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.crm import Queue, Standing
from data.errors import TamizError
from data.lead_cards import attributes_of, last_feedback
from data.reviews import Feedback, LeadNotKnown
from data.store import now
from features.bant import DIMENSIONS
from models.decision import Outcome
from models.lifecycle import CLOCKS, STATES, State
from serving.body import json_answer, read_body
from serving.decider import Stood
from serving.lead_schemas import SORTS, DecisionPage, FeedbackAnswer, LeadAnswer, QueueItem, QueuePage
from serving.lifecycles import look, sla_of
from serving.once import asked_once, once
from serving.openapi import operation
from serving.pages import cursor_at, limit_of, place_of
from serving.problems import Unprocessable
from serving.rescoring import score_leads
from serving.schemas import decode, instant, microseconds
from serving.service import Service, admit
from serving.tables import csv_answer, wants_csv
from serving.timeline import timeline

__all__ = ["router"]

router = APIRouter(tags=["leads"])
_DECISIONS = get_args(Outcome)
_PLAIN = (
    "lead_id", "decision", "state", "since", "probability", "probability_low", "probability_high", "score", "grade", "expected_value",
    "owner", "as_of", "model_version", "policy_version",
)  # fmt: skip
_WHO = ("name", "job_title", "company", "email", "country")
_QUEUE = (*_PLAIN, *_WHO, *DIMENSIONS, "reasons", "verdict", "verdict_reason")
"""Columns of the queue as a table."""
_DECIDED = ("decision", "previous_decision", "probability", "probability_low", "probability_high", "score", "grade", "as_of", "rules")
_RECEIPT = ("decision_id", "scored_at", "model_version", "policy_version", "feature_set", "input_hash")


@router.get("/v1/leads", summary="The ranked queue", **operation(
    gives="QueuePage", errors=(401, 403, 422, 503),
    query=("decision", "state", "sla", "owner", "sort", "min_probability", "limit", "cursor", "format"),
))  # fmt: skip
async def queue(request: Request) -> Response:
    """Leads by `sort` (`-probability` by default), filtered by `decision`, `state`, `sla` (several by commas) and `owner`, in pages."""
    service, _ = admit(request, "read")
    at = now()
    wanted, csv = _wanted(request, at), wants_csv(request)
    rows = await asyncio.to_thread(service.crm.queue, wanted)
    following = None
    if len(rows) == wanted.limit:
        value = getattr(rows[-1], wanted.sort)
        following = cursor_at(-1.0 if value is None else value, rows[-1].lead_id)
    names = [row.lead_id for row in rows]
    who = await asyncio.to_thread(attributes_of, service.store, names)
    said = await asyncio.to_thread(last_feedback, service.store, names)
    items = [_item(row, who.get(row.lead_id, {}), said.get(row.lead_id), at) for row in rows]
    if not csv:
        return json_answer(msgspec.json.encode(QueuePage(items, following)))
    table = csv_answer("leads", _QUEUE, [_line(one) for one in items])
    if following is not None:
        table.headers["Link"] = f'<{request.url.include_query_params(cursor=following)}>; rel="next"'
    return table


@router.get("/v1/leads/{lead_id}", summary="What is held of a lead", **operation(
    gives="LeadAnswer", errors=(401, 403, 404, 422, 503), query=("limit",)
))  # fmt: skip
async def lead(request: Request, lead_id: str) -> Response:
    """Its attributes, where it stands, and its newest activities, each with whether a machine did it."""
    service, _ = admit(request, "read")
    limit = limit_of(request)
    one, standing, changed = await _standing(service, lead_id)
    if (changed or standing is None) and service.models.loaded is not None:
        await score_leads(service, [one])
        one, standing, _ = await _standing(service, one)
    (held,) = await asyncio.to_thread(lambda: service.crm.held([one], now(), context=False))
    if held is None:
        raise LeadNotKnown(lead_id=lead_id)
    since = None if standing is None else instant(standing.since)
    told = None if standing is None else msgspec.Raw(standing.answer.encode())
    said = (await asyncio.to_thread(last_feedback, service.store, [one])).get(one)
    did = await asyncio.to_thread(timeline, held.activities, limit)
    told_of = None if said is None else FeedbackAnswer.of(said)
    seen = (await look(service, [one], at := now()))[one]
    answer = LeadAnswer(
        one,
        held.account,
        held.attributes,
        since,
        told,  # type: ignore[arg-type]  # the bytes that were answered, whatever fields a version since has added
        told_of,
        did,
        len(held.activities),
        seen.told(at),
    )
    return json_answer(msgspec.json.encode(answer))


@router.get("/v1/leads/{lead_id}/decision", summary="A lead's latest decision", **operation(
    gives="CurrentDecision", errors=(401, 403, 404, 422, 503)
))  # fmt: skip
async def decision(request: Request, lead_id: str) -> Response:
    """The newest decision in the ledger, and where the lead is since; one that has changed since it was made is scored first."""
    service, _ = admit(request, "read", "score")
    one, standing, changed = await _standing(service, lead_id)
    rows = await asyncio.to_thread(service.store.decisions_of, one, None, 1)
    made = decode(_made, rows[0][1]) if rows else None
    current = made is not None and not changed and (standing is None or microseconds(made.as_of) >= standing.as_of)
    if rows and (current or service.models.loaded is None):
        return json_answer(await _with_lifecycle(service, one, rows[0][1]))
    answer = await _scored(service, one, whole=changed > 0)
    if changed:  # it need not be scored a second time
        await asyncio.to_thread(service.crm.settle_stale, {one: changed})
    return json_answer(await _with_lifecycle(service, one, answer))


@router.post(
    "/v1/leads/{lead_id}/score",
    summary="Score a lead by id",
    **operation(gives="Decision", errors=(400, 401, 403, 404, 413, 422, 503), headers=("Idempotency-Key",)),
)
async def score_by_id(request: Request, lead_id: str) -> Response:
    """Scores a lead as of now from what the store holds of it and of its account, and enters that into the ledger."""
    service, caller = admit(request, "score")
    asked = asked_once(request, caller, await read_body(request, service.settings.body_bytes))
    idempotency = None if asked is None else (asked.name, asked.request_hash)
    return await once(service, asked, lambda: _scored(service, lead_id, idempotency))


@router.get("/v1/leads/{lead_id}/decisions", summary="A lead's decisions", **operation(
    gives="DecisionPage", errors=(401, 403, 404, 422, 503), query=("limit", "cursor", "format")
))  # fmt: skip
async def decisions(request: Request, lead_id: str) -> Response:
    """Every decision on a lead in the ledger, newest first."""
    service, _ = admit(request, "read")
    csv = wants_csv(request)
    one, _, _ = await _standing(service, lead_id)
    limit, after = limit_of(request), place_of(request, int)
    before = after[0] if after else None
    rows = await asyncio.to_thread(service.store.decisions_of, one, before, limit)
    following = cursor_at(rows[-1][0]) if len(rows) == limit else None
    if csv:
        told = [msgspec.json.decode(answer) for _, answer in rows]
        cells = [
            [one, *(decision.get(name) for name in _DECIDED), *(decision["receipt"].get(name) for name in _RECEIPT)] for decision in told
        ]
        return csv_answer("decisions", ("lead_id", *_DECIDED, *_RECEIPT), cells)
    listed: Any = [msgspec.Raw(answer) for _, answer in rows]  # as they were answered, whatever fields a version since has added
    return json_answer(msgspec.json.encode(DecisionPage(one, listed, following)))


def _line(one: QueueItem) -> list[object]:
    """A lead of the queue as a row; its reasons as sentences."""
    said = (one.feedback.verdict, one.feedback.reason) if one.feedback else (None, None)
    bant = [one.bant.get(name, {}).get("status") for name in DIMENSIONS]
    reasons = " ".join(str(reason.get("sentence", "")) for reason in one.reasons[:3])
    return [*(getattr(one, name) for name in _PLAIN), *(one.lead.get(name) for name in _WHO), *bant, reasons, *said]


async def _standing(service: Service, lead_id: str) -> tuple[str, Standing | None, int]:
    """The lead as it is called now, where it stands, and the mark of a change since."""
    found = await asyncio.to_thread(service.crm.standing, lead_id)
    if found is None:
        raise LeadNotKnown(lead_id=lead_id)
    return found


async def _with_lifecycle(service: Service, lead_id: str, answer: bytes) -> bytes:
    """What was answered, whatever fields a version since has added, and where the lead is by now."""
    seen = await look(service, [lead_id], at := now())
    return answer.rstrip()[:-1] + b',"lifecycle":' + msgspec.json.encode(seen[lead_id].told(at)) + b"}"


async def _scored(service: Service, lead_id: str, idempotency: tuple[str, str] | None = None, *, whole: bool = False) -> bytes:
    (stood,) = await score_leads(service, [lead_id], always=True, whole=whole, idempotency=idempotency)
    if stood is None:
        raise LeadNotKnown(lead_id=lead_id)
    if isinstance(stood, TamizError):
        raise stood
    assert isinstance(stood, Stood)
    return stood.answer


def _wanted(request: Request, at: int) -> Queue:
    given = request.query_params
    asked, states, clocks = (
        _several(request, name, known) for name, known in (("decision", _DECISIONS), ("state", STATES), ("sla", CLOCKS))
    )
    sort = given.get("sort", "-probability")
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise Unprocessable(f"Leads are not sorted by {name!r}: there are {', '.join(SORTS)}, each with - in front for the largest first.")
    least: float | None = None
    if "min_probability" in given:
        try:
            least = float(given["min_probability"])
        except ValueError:
            least = float("nan")
        if not 0 <= least <= 1:
            raise Unprocessable("`min_probability` is a number between 0 and 1.")
    after = place_of(request, (int, float), str)
    beyond = (float(after[0]), after[1]) if after else None
    owner = given.get("owner") or None
    if owner is not None and "\0" in owner:
        raise Unprocessable("An owner's name may not hold the character U+0000.")
    return Queue(asked, name, sort.startswith("-"), least, states, clocks, owner, at, beyond, limit_of(request))  # type: ignore[arg-type]  # checked above


def _several(request: Request, name: str, known: Sequence[str]) -> tuple[str, ...]:
    asked = tuple(one for one in request.query_params.get(name, "").split(",") if one)
    for one in asked:
        if one not in known:
            raise Unprocessable(f"There is no {name} {one!r}: there are {', '.join(known)}.")
    return asked


_answer = msgspec.json.Decoder(dict[str, Any])


class _Made(msgspec.Struct):
    """Of a decision in the ledger, by whichever version it was made, as of when it was made."""

    as_of: datetime


_made = msgspec.json.Decoder(_Made)


def _item(row: Standing, who: dict[str, Any], said: Feedback | None, at: int) -> QueueItem:
    told = decode(_answer, row.answer.encode())
    state, since = cast("State", row.state), None if row.state_since is None else instant(row.state_since)
    return QueueItem(
        row.lead_id, row.decision, instant(row.since), row.decision_id, row.probability, row.probability_low, row.probability_high,
        row.score, row.grade, row.expected_value, instant(row.as_of), row.model_version, row.policy_version, told["reasons"], told["bant"],
        told.get("override"), who, None if said is None else FeedbackAnswer.of(said), state, since, row.owner,
        sla_of(row.handed_at, row.due_at, row.touched_at, at),
    )  # fmt: skip
