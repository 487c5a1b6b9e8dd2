"""What nobody waits for: scoring changed leads again, jobs, webhooks out and in.

In: an installation's parts. Out: the same installation, worked through, for ever. Any number of workers share the work by
leases in the store: inside the service (`TAMIZ_WORKER=inside`), beside it (`tamiz worker`), or both. Whatever fails is logged
and tried again; killing a worker at any moment loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from data.errors import TamizError
from data.hooks import Hooks
from data.jobs import Jobs, Worker
from data.outbox import Outbox
from data.reports import DAY, Reports
from data.store import now
from serving.delivery import Delivery, fill
from serving.jobs import DECAY_HOURS, decay, do_jobs
from serving.lifecycles import wake
from serving.receivers import take
from serving.report_makers import makers
from serving.rescoring import expire_overrides, rescore_some
from serving.settings import time_of_day

if TYPE_CHECKING:
    from serving.service import Service

__all__ = ["daily_reports", "nightly_job", "work", "work_once"]

IDLE_SECONDS = 0.5
GATHER_SECONDS = 0.2
"""How long changes gather before a lead is scored, which coalesces a burst of them."""
EXPIRE_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0
FORGET_SECONDS = 3_600.0
INSIDE_SHARE = 0.5
"""Of the time, how much a job may take in a process that answers requests too."""
_log = logging.getLogger("tamiz.worker")
Do = Callable[[], Awaitable[bool]]


class _Step(NamedTuple):
    """A bounded piece of work, which says whether there may be more; where there is not it is looked again after a while."""

    name: str
    do: Do
    idle_seconds: float = IDLE_SECONDS


async def work(service: Service, *, inside: bool = True) -> None:
    """Works for ever, until it is cancelled."""
    me = Worker(f"w_{secrets.token_hex(6)}", f"{socket.gethostname()}:{os.getpid()}", now(), now())
    delivery = Delivery(service)
    tasks = [asyncio.create_task(_keep_on(step)) for step in _steps(service, me.worker_id, delivery.begin, inside=inside)]
    tasks.append(asyncio.create_task(_show_life(service, me)))
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await delivery.close()
        with contextlib.suppress(TamizError):
            Jobs(service.store).gone(me.worker_id)


async def work_once(service: Service) -> None:
    """Works until nothing is left to do now."""
    steps = _steps(service, f"w_{secrets.token_hex(6)}", Delivery(service).finish, inside=False)
    while any([await step.do() for step in steps]):
        pass


def nightly_job(service: Service, at: datetime) -> bool:
    """Creates this day's decay job once its time has come, whoever asks first; whether it was created now."""
    due = time_of_day(service.settings.nightly)
    if due is None or at.time() < due:
        return False
    _, made = Jobs(service.store).create("decay", decay(DECAY_HOURS, now()), author="nightly", job_id=f"nightly-{at:%Y-%m-%d}")
    return made


def daily_reports(service: Service, at: int) -> bool:
    """Makes one of the reports that this day has none of yet, so that nobody has to wait for its first; whether there was one to make."""
    reports = Reports(service.store)
    for name, make in makers(service).items():
        if (found := reports.newest(name)) is None or found.day < at // DAY:
            service.kept.make(name, make)
            return True
    return False


def _steps(service: Service, worker: str, deliver: Do, *, inside: bool) -> list[_Step]:
    return [
        _Step("leads that changed wait to be scored", partial(rescore_some, service), GATHER_SECONDS),
        _Step("overrides that have expired still hold", partial(expire_overrides, service), EXPIRE_SECONDS),
        _Step("leads whose rest is over still rest", lambda: wake(service, now()), EXPIRE_SECONDS),
        _Step("jobs wait", partial(do_jobs, service, worker, share=INSIDE_SHARE if inside else 1.0)),
        _Step("what was pushed to us waits", partial(take, service)),
        _Step("decisions wait to be told", partial(fill, service)),
        _Step("webhooks wait", deliver),
        _Step("what is long done was not forgotten", partial(_forget, service), FORGET_SECONDS),
    ]


async def _forget(service: Service) -> bool:
    await asyncio.to_thread(Outbox(service.store).forget_old, now())
    await asyncio.to_thread(Hooks(service.store).forget_old, now())
    return False


async def _keep_on(step: _Step) -> None:
    while True:
        try:
            worked = await step.do()
        except TamizError as error:
            _log.warning("%s: %s", step.name, error)
            worked = False
        except Exception:  # noqa: BLE001 - whatever it was, the rest has to be done all the same
            _log.exception("%s", step.name)
            worked = False
        if not worked:
            await asyncio.sleep(step.idle_seconds)


async def _show_life(service: Service, me: Worker) -> None:
    jobs = Jobs(service.store)
    while True:
        try:
            await asyncio.to_thread(jobs.seen, Worker(me.worker_id, me.place, me.started_at, now()))
            if service.settings.nightly:
                await asyncio.to_thread(nightly_job, service, datetime.now().astimezone())
            await asyncio.to_thread(daily_reports, service, now())
        except TamizError as error:
            _log.warning("no sign of life was given: %s", error)
        await asyncio.sleep(HEARTBEAT_SECONDS)
