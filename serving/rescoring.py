"""Leads that changed are scored again: soon, once for any number of changes, and a bounded number at a time.

In: the store's list of stale leads, which every write of a lead puts it on. Out: where each lead stands now; the ledger gets
a decision when it is the lead's first or another one than before. Whoever claims a lead holds it for a while: of several
processes one scores it, and when that one dies another does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from data.crm import Held, Standing
from data.errors import TamizError
from data.reviews import expire
from data.store import now
from serving.decider import Stood
from serving.lifecycles import stand, standing_of
from serving.schemas import microseconds

if TYPE_CHECKING:
    from serving.ledger import Also
    from serving.service import Service

__all__ = ["expire_overrides", "rescore_some", "score_leads"]

TOGETHER = 64
LEASE = 10_000_000
"""How long the leads of a process that died wait; one that outlives its lease is only scored twice."""


async def rescore_some(service: Service) -> bool:
    """Scores some of those that wait; whether there may be more. What was begun is finished before it lets itself be cancelled."""
    work = asyncio.ensure_future(_some(service))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])  # a thread that still reads would find the store closed
        raise


async def score_leads(
    service: Service, lead_ids: Sequence[str], *, always: bool = False, whole: bool = False, idempotency: tuple[str, str] | None = None
) -> list[Stood | TamizError | None]:
    """Scores leads from the store as of now and keeps where they stand; None for one that the store does not know.

    `whole`: they are settled afterwards, so that nothing may be missed that the store holds, whatever the clocks of those who wrote said.
    """
    held = await asyncio.to_thread(service.crm.held, lead_ids, at := await _present(service, lead_ids) if whole else now())
    if None in held and (later := await _present(service, lead_ids)) > at:  # heard of before the clock was set back
        held = await asyncio.to_thread(service.crm.held, lead_ids, at := later)
    return await _score(service, held, at, always=always, idempotency=idempotency)


async def _some(service: Service) -> bool:
    if service.models.loaded is None:
        return False
    claimed = dict(await asyncio.to_thread(service.crm.claim_stale, TOGETHER, now(), LEASE))
    if claimed:
        # Whoever is settled here has to have been seen whole, whatever the clocks of those who wrote said.
        at = await _present(service, list(claimed))
        await _score(service, await asyncio.to_thread(service.crm.held, list(claimed), at), at)
        # One that could not be scored will not be by trying again: it waits for its next change.
        await asyncio.to_thread(service.crm.settle_stale, claimed)
    return len(claimed) == TOGETHER


async def expire_overrides(service: Service) -> bool:
    """Ends what people decided for a while, when that is over; never is there more to do at once."""
    await asyncio.to_thread(expire, service.store, now())
    return False


async def _score(
    service: Service, held: Sequence[Held | None], at: int, *, always: bool = False, idempotency: tuple[str, str] | None = None
) -> list[Stood | TamizError | None]:
    known = [one for one in held if one is not None]

    def stand_so(entered: Sequence[Stood]) -> Also:
        return standing_of(service, [_standing(one) for one in entered])

    stood = iter(await service.decider.of_store(known, at, stand=stand_so, always=always, idempotency=idempotency))
    answers = [None if one is None else next(stood) for one in held]
    again = [_standing(one) for one in answers if isinstance(one, Stood) and not one.entered]
    # What was not entered was the decision before again, which may be on its way to the disk: where the lead is follows from it.
    await service.ledger.settled([one.lead_id for one in again])
    await stand(service, again)
    for one in answers:
        if isinstance(one, Stood) and one.entered:
            service.metrics.decision(one.decision.decision, one.decision.receipt.model_version)
    return answers


async def _present(service: Service, lead_ids: Sequence[str]) -> int:
    """Now, or just after the newest that the store holds of these leads: a clock may have been set back, or run behind another's."""
    newest = await asyncio.to_thread(service.crm.newest, lead_ids)
    return max(now(), newest + 1)


def _standing(stood: Stood) -> Standing:
    one, receipt = stood.decision, stood.decision.receipt
    assert receipt.scored_at is not None
    assert receipt.decision_id is not None
    assert receipt.policy_version is not None
    return Standing(
        lead_id=one.lead_id,
        decision=one.decision,
        since=microseconds(receipt.scored_at),
        decision_id=receipt.decision_id if stood.entered else "",
        probability=one.probability,
        probability_low=one.probability_low,
        probability_high=one.probability_high,
        score=one.score,
        grade=one.grade,
        expected_value=one.expected_value,
        as_of=microseconds(one.as_of),
        model_version=receipt.model_version,
        policy_version=receipt.policy_version,
        answer=stood.answer.decode(),
    )
