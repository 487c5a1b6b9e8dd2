"""Where leads are on their way to a customer, and how their hand-over to sales stands: worked out from the store's rows.

In: names of leads and an instant. Out: of each a `Seen`: its course, when sales promised to have taken care, and whose it is. A
hand-over is due by the policy that made it; what stages mean, and for how long a rejected lead rests, is the policy in force's.
What no rows speak of is `new`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.engine import Connection

from data.courses import Happened, happened, happened_to
from data.crm import Placing, Reader, Standing, stand_within
from data.errors import BadUsage
from data.store import now
from models.lifecycle import Clock, Course, Event, HandedOver, clock, course, refused
from models.qualification import HandOff, Policy, Stages
from serving.lead_schemas import Lifecycle, MoveAnswer, Sla
from serving.schemas import instant

if TYPE_CHECKING:
    from serving.ledger import Also
    from serving.service import Service

__all__ = ["MoveRefused", "Seen", "look", "may_say", "place", "sla_of", "stand", "standing_of", "wake"]

_DAY = 86_400_000_000
_NO_PROMISE: tuple[str, ...] = HandOff.model_fields["touches"].default


class MoveRefused(BadUsage, status=409):
    """Lead {lead_id} cannot be {verdict}: {why}."""


@dataclass(frozen=True)
class Seen:
    """A lead on its way, as it was looked at."""

    course: Course
    due_at: int | None = None
    owner: str | None = None

    def told(self, now: int) -> Lifecycle:
        """The same, as it is answered."""
        way = self.course
        handed, touched = (None, None) if way.handed is None else (way.handed.at, way.handed.touched_at)
        since = None if way.since is None else instant(way.since)
        moves = [MoveAnswer(instant(one.at), one.before, one.state, one.actor, one.reason or None, one.by or None) for one in way.moves]
        return Lifecycle(way.state, since, self.owner, sla_of(handed, self.due_at, touched, now), moves)


async def look(service: Service, lead_ids: Collection[str], now: int) -> dict[str, Seen]:
    """Each of these leads as it is at an instant."""
    return await asyncio.to_thread(_look, service, _in_force(service), lead_ids, now)


async def stand(service: Service, rows: Sequence[Standing]) -> None:
    """Keeps where leads stand, with where they are on their way."""
    if rows:
        await asyncio.to_thread(service.crm.stand, rows, _placing(service, _decided_by(service, rows)))


def standing_of(service: Service, rows: Sequence[Standing]) -> Also:
    """The same, within the transaction that enters the decisions."""
    place = _placing(service, _decided_by(service, rows))
    return partial(stand_within, sqlite=service.store.is_sqlite, rows=rows, place=place)


async def place(service: Service, lead_id: str) -> None:
    """Keeps where a lead is on its way by now: the next look at the queue shows it, before the lead is scored again."""
    await asyncio.to_thread(service.crm.place, lead_id, _placing(service, _in_force(service)))


def _decided_by(service: Service, rows: Sequence[Standing]) -> Policy | None:
    # Rows that are kept together were decided together: by the policy that each of them names.
    named = service.policies.named(rows[0].policy_version)
    if named is None and (loaded := service.models.loaded) is not None:
        return loaded.default_policy
    return named


def _placing(service: Service, policy: Policy | None) -> Placing:
    def place(read: Reader, rows: Sequence[Standing]) -> list[Standing]:
        found = happened_to(read, [row.lead_id for row in rows], _touches(policy))
        at = now()  # after what was read: none of it lies in the future
        return [_placed(row, _seen(service, found[row.lead_id], policy, at)) for row in rows]

    return place


def may_say(service: Service, verdict: str, now: int) -> Callable[[Connection, str], None]:
    """Raises MoveRefused where sales may not say this of a lead as the store holds it."""
    policy = _in_force(service)

    def allow(connection: Connection, lead_id: str) -> None:
        one = happened_to(Reader(connection), [lead_id], ())[lead_id]
        why = refused(_seen(service, one, policy, now).course.state, verdict)
        if why is not None:
            raise MoveRefused(lead_id=lead_id, verdict=verdict, why=why)

    return allow


def _placed(row: Standing, seen: Seen) -> Standing:
    """Where a lead stands, with where it is on its way."""
    way, handed = seen.course, seen.course.handed
    return msgspec.structs.replace(
        row,
        state=way.state,
        state_since=way.since,
        owner=seen.owner,
        handed_at=None if handed is None else handed.at,
        due_at=seen.due_at,
        touched_at=None if handed is None else handed.touched_at,
        wakes_at=way.wakes_at,
    )


def sla_of(handed_at: int | None, due_at: int | None, touched_at: int | None, now: int) -> Sla | None:
    """How a hand-over stands, as it is answered; None where none holds."""
    if handed_at is None:
        return None
    due, touched = (None if one is None else instant(one) for one in (due_at, touched_at))
    return Sla(_clock(handed_at, due_at, touched_at, now), instant(handed_at), due, touched)


async def wake(service: Service, now: int) -> bool:
    """Has leads looked at again whose rest is over; never is there more to do at once."""
    await asyncio.to_thread(service.crm.wake, now)
    return False


def _clock(handed_at: int, due_at: int | None, touched_at: int | None, now: int) -> Clock | None:
    return clock(HandedOver(handed_at, "", touched_at), due_at, now)


def _in_force(service: Service) -> Policy | None:
    in_force = service.policies.in_force(service.models.loaded)
    return None if in_force is None else in_force.policy


def _look(service: Service, policy: Policy | None, lead_ids: Collection[str], now: int) -> dict[str, Seen]:
    found = happened(service.store, lead_ids, _touches(policy))
    return {lead_id: _seen(service, one, policy, now) for lead_id, one in found.items()}


def _touches(policy: Policy | None) -> Sequence[str]:
    return _NO_PROMISE if policy is None or policy.hand_off is None else policy.hand_off.touches


def _seen(service: Service, one: Happened, policy: Policy | None, now: int) -> Seen:
    rest = None if policy is None or policy.recycle_days is None else round(policy.recycle_days * _DAY)
    way = course(_events(one, Stages() if policy is None else policy.stages), now, rest=rest)
    made_by = None if way.handed is None else service.policies.named(way.handed.policy)
    due = None if way.handed is None or made_by is None or made_by.hand_off is None else made_by.hand_off.due(way.handed.at)
    owned = [(at, owner) for at, _, _, owner in one.stages if owner and at <= now]
    return Seen(way, due, max(owned)[1] if owned else one.owner)


def _events(one: Happened, stages: Stages) -> Iterator[Event]:
    for at, decision, before, policy, back in one.decisions:
        yield Event(at, "decision", decision, before=before or "", taken_back=back or "", policy=policy)
    for at, verdict, reason, author in one.verdicts:
        yield Event(at, "verdict", verdict, reason or "", by=author)
    for at, stage, reason, owner in one.stages:
        meaning = stages.meaning(stage)
        if meaning is not None:
            yield Event(at, "crm", meaning, reason or "", by=owner or "")
    for at, kind in one.outcomes:
        yield Event(at, "crm", "lost" if kind == "lost" else "won")
    for at, kind in one.touches:
        yield Event(at, "touch", kind)
