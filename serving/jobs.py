"""Jobs are done chunk by chunk: scored from the store like any lead, with a sign of life while it lasts.

In: the store's jobs. Out: leads that stand anew, and jobs that count them. Leads that cannot be scored are counted by the code
of their error. A chunk that was begun and not finished, because its worker was killed, is begun again by another: scoring a
lead again enters nothing into the ledger unless its decision has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator
from time import perf_counter
from typing import TYPE_CHECKING

from data.accounts import account_of
from data.errors import BadData, TamizError
from data.jobs import Chunk, Jobs, Selection
from data.store import now
from serving.decider import Stood
from serving.rescoring import TOGETHER, score_leads

if TYPE_CHECKING:
    from serving.service import Service
    from serving.work_schemas import JobRequest

__all__ = ["DECAY_HOURS", "BadAccount", "decay", "do_jobs", "selection_of"]

LEASE = 30_000_000
HEARTBEAT_SECONDS = 10.0
AGAIN = 2_000_000
DECAY_HOURS = 20.0
"""A nightly run makes again what is older: a day, less the time that a run may take."""
_HOUR = 3_600_000_000
_log = logging.getLogger("tamiz.jobs")


class BadAccount(BadData):
    """{account!r} is no account: an account is a company's domain, such as acme.example."""


def decay(older_than_hours: float, at: int) -> Selection:
    """The leads whose score is from more than so many hours before an instant."""
    return Selection(as_of_before=at - round(older_than_hours * _HOUR))


def selection_of(wanted: JobRequest, at: int) -> Selection:
    """Which leads a request means, asked at an instant."""
    account = None
    if wanted.account is not None and (account := account_of(wanted.account, None)) is None:
        raise BadAccount(account=wanted.account)
    hours = DECAY_HOURS if wanted.kind == "decay" and wanted.older_than_hours is None else wanted.older_than_hours
    before = None if hours is None else decay(hours, at).as_of_before
    return Selection(tuple(wanted.decision), account, before)


async def do_jobs(service: Service, worker: str, *, share: float) -> bool:
    """Does one chunk of the oldest job, and rests so that it takes `share` of the time; whether there was one."""
    jobs = Jobs(service.store)
    if service.models.loaded is None or not await asyncio.to_thread(jobs.any_under_way):
        return False
    while await asyncio.to_thread(jobs.cut, worker, now(), LEASE):
        pass
    chunk = await asyncio.to_thread(jobs.claim, worker, now(), LEASE)
    if chunk is None:
        return False
    if chunk.hopeless:
        _log.error("chunk %s of %s was begun %s times and never finished: its leads count as failed", *_named(chunk))
        await asyncio.to_thread(jobs.finish, chunk, worker, {"worker-died": len(chunk.lead_ids)}, now())
        return True
    try:
        async with _held(jobs, chunk, worker):
            failures = await _score(service, chunk, share)
    except TamizError as error:  # the store or the model is away: this is nobody's failure
        _log.warning("chunk %s of %s waits (begun %s times): %s", chunk.number, chunk.job_id, chunk.attempts, error)
        await asyncio.to_thread(jobs.release, chunk, worker, now() + AGAIN)
        return False
    except asyncio.CancelledError:
        with contextlib.suppress(TamizError):
            jobs.release(chunk, worker, now())
        raise
    await asyncio.to_thread(jobs.finish, chunk, worker, failures, now())
    return True


async def _score(service: Service, chunk: Chunk, share: float) -> Counter[str]:
    failures: Counter[str] = Counter()
    together = max(1, round(TOGETHER * share))  # who answers requests beside it lets them wait less
    for start in range(0, len(chunk.lead_ids), together):
        begun = perf_counter()
        for one in await score_leads(service, chunk.lead_ids[start : start + together]):
            if not isinstance(one, Stood):
                failures["lead-unknown" if one is None else one.code] += 1
        await asyncio.sleep((perf_counter() - begun) * (1 / share - 1))
    return failures


@contextlib.asynccontextmanager
async def _held(jobs: Jobs, chunk: Chunk, worker: str) -> AsyncIterator[None]:
    """Renews the lease as long as it takes."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(TamizError):
                await asyncio.to_thread(jobs.renew, chunk, worker, now() + LEASE)

    beating = asyncio.create_task(renew())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


def _named(chunk: Chunk) -> tuple[int, str, int]:
    return chunk.number, chunk.job_id, chunk.attempts - 1
