"""What a lead's probability was and what could become of it: the same model, asked about other instants and other stories.

In: a lead of the store. Out: its score as the model that serves would have had it at instants of its past, each from what was
known by then; and what leads come to whose story is the same but for one thing more. Neither enters the ledger, and neither says
that the thing brings it about: it says what leads like that do. A lead that is not held has no course.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from data.crm import Held, Reader, histories_of
from data.errors import TamizError
from models.decision import Decision
from models.qualification import Policy
from models.request import Activity, ScoreRequest
from models.scoring import score_requests
from serving.decider import overrule, rejected_days, request_of
from serving.lead_schemas import CoursePoint, Thing, WhatIf

if TYPE_CHECKING:
    from serving.service import Service

__all__ = ["course_of", "one_thing_more"]

TOGETHER = 8
"""Stories that are scored in one go: whoever asks for a score meanwhile waits no longer than they take."""
_MOMENT = timedelta(seconds=1)
SETTLES = {"budget": "approved", "authority": "I decide", "need": "urgent", "timeline": "this quarter"}
"""An answer that settles each dimension for the lead."""


async def course_of(service: Service, lead_id: str, now: int, points: int) -> list[CoursePoint]:
    """The lead's score at up to so many instants, oldest first: just after what it did, evenly chosen, and now."""
    (held,) = await asyncio.to_thread(service.crm.held, [lead_id], now)
    if held is None:
        return []
    instants = _chosen(held, now, points)
    attributes = await asyncio.to_thread(_attributes, service, held.lead_id, instants)
    # Activities of the future, and those that were not recorded by then, are left out by the scoring itself.
    stories = [request_of(replace(held, attributes=known), at) for known, at in zip(attributes, instants, strict=True)]
    scored = await _scored(service, stories)
    return [
        CoursePoint(one.as_of, one.probability, one.probability_low, one.probability_high) for one in scored if isinstance(one, Decision)
    ]


async def one_thing_more(service: Service, lead_id: str, now: int) -> tuple[Decision, list[WhatIf]]:
    """The lead as it is, and with one thing more, the highest probability first. Raises what keeps it from being scored."""
    (held,) = await asyncio.to_thread(service.crm.held, [lead_id], now)
    assert held is not None, "whoever asks has looked"
    plain = request_of(held, now)
    (as_it_is,) = await _scored(service, [plain], held)
    if not isinstance(as_it_is, Decision):
        raise as_it_is
    more = _things(as_it_is, plain)
    stories = [msgspec.structs.replace(plain, activities=[*plain.activities, one]) for _, _, one in more]
    scored = await _scored(service, stories, held)
    told = [
        WhatIf(name, dimension, one.value if isinstance(one.value, str) else None, then.probability, then.probability_low,
               then.probability_high, then.score, then.grade, then.decision)
        for (name, dimension, one), then in zip(more, scored, strict=True)
        if isinstance(then, Decision)
    ]  # fmt: skip
    return as_it_is, sorted(told, key=lambda one: (-one.probability, -(one.score or 0.0)))


def _attributes(service: Service, lead_id: str, instants: Sequence[int]) -> list[dict[str, Any]]:
    """The lead's attributes as they were known at each instant."""
    with service.store.mapped(), service.store.reading() as connection:
        read = Reader(connection)
        histories = [histories_of(read, [lead_id], at).get(lead_id, {}) for at in instants]
    newest = [{name: values[-1][1] for name, values in fields.items()} for fields in histories]
    return [{name: msgspec.json.decode(text) for name, text in one.items() if text != "null"} for one in newest]


def _things(now: Decision, plain: ScoreRequest) -> list[tuple[Thing, str | None, Activity]]:
    """What sales and marketing can bring about: a call taken, a demo asked for, an answer where BANT is open."""
    assert plain.as_of is not None
    at = plain.as_of - _MOMENT
    open_ = [name for name in SETTLES if getattr(now.bant, name).status != "met"]
    things: list[tuple[Thing, str | None, Activity]] = [
        ("call", None, Activity("call", at, "what-if", channel="phone", duration_seconds=600.0)),
        ("meeting", None, Activity("meeting", at, "what-if", duration_seconds=1_800.0)),
        ("demo_request", None, Activity("demo_request", at, "what-if", channel="web", url="/demo")),
    ]
    return things + [("answer", name, Activity("answer", at, "what-if", content=name, value=SETTLES[name])) for name in open_]


def _chosen(held: Held, now: int, points: int) -> list[int]:
    """Instants just after activities, evenly over them, and now."""
    moments = sorted({row.recorded_at + 1 for row in held.activities if row.recorded_at < now})
    most = points - 1
    if len(moments) > most:
        step = (len(moments) - 1) / max(most - 1, 1)
        moments = sorted({moments[round(place * step)] for place in range(most)})
    return [*moments, now]


async def _scored(service: Service, requests: Sequence[ScoreRequest], held: Held | None = None) -> list[Decision | TamizError]:
    """The answers to stories; `held`: as the policy in force decides on this lead, without chance, capacity and what was before."""
    loaded = service.models.current()
    in_force = service.policies.in_force(loaded)
    assert in_force is not None, "a model brings a policy"
    policy: Policy = in_force.policy.stateless
    scored: list[Decision | TamizError] = []
    for start in range(0, len(requests), TOGETHER):
        some = requests[start : start + TOGETHER]
        at = some[0].as_of
        assert at is not None
        rejected = {} if held is None else rejected_days([held], round(at.timestamp() * 1e6))
        scored += score_requests(loaded.bundle, some, policy, reasons=0, rejected=rejected)
        await asyncio.sleep(0)
    for one in scored:
        if held is not None and held.override is not None and isinstance(one, Decision):
            overrule(one, held.override)
    return scored
