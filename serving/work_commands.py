"""`tamiz worker` and `tamiz jobs`: the work that nobody waits for, and the jobs in it.

In: arguments and the environment; a job is created, followed and cancelled in the store, whether a service runs or not. Out:
progress on stderr; exit code 0 done, 1 a job that was cancelled or in which every lead failed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import BadUsage, GateSaidNo

if TYPE_CHECKING:
    from data.jobs import Job, Jobs
    from serving.settings import Settings

__all__ = ["jobs", "worker"]

LOOK_SECONDS = 0.5
SAY_SECONDS = 10.0


class NoSuchJob(BadUsage):
    """There is no job {job_id!r}: `tamiz jobs list` shows the newest."""


class JobNotDone(GateSaidNo):
    """{job_id} is {state}: {done:,} of {total} leads were scored, {failed:,} failed{reasons}."""


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what there is to do now, then end.")] = False,
    nightly: Annotated[
        str, typer.Option("--nightly", help="Time of day, such as 03:00, at which scores older than 20 hours are made again.")
    ] = "",
) -> None:
    """Do what nobody waits for: score changed leads again, do jobs, deliver and take webhooks.

    The service does all of this itself unless TAMIZ_WORKER=beside. Any number of workers share the work; killing one at any
    moment loses nothing. Ctrl-C ends it.

    Example:
      TAMIZ_WORKER=beside tamiz serve &
      tamiz worker --nightly 03:00
      tamiz worker --once
    """
    import asyncio
    import signal
    from dataclasses import replace

    from serving import logs
    from serving.running import running
    from serving.settings import Settings
    from serving.worker import work, work_once

    settings = Settings.from_environment()
    logs.begin(settings.log)
    if nightly:
        settings = replace(settings, nightly=_time(nightly))

    async def run() -> None:
        async with running(settings) as service:
            if once:
                await work_once(service)
                return
            task = asyncio.create_task(work(service, inside=False))
            for ending in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
            typer.echo(f"Tamiz works for {_place(settings)}; Ctrl-C ends it", err=True)
            try:
                await task
            except asyncio.CancelledError:
                typer.echo("what was begun is given back; done", err=True)

    asyncio.run(run())


jobs = typer.Typer(no_args_is_help=True, help="Score many leads again: create, follow and cancel jobs.")


@jobs.command("create")
def create(
    kind: Annotated[str, typer.Argument(help="rescore, or decay: those whose score has grown old.")],
    decision: Annotated[list[str] | None, typer.Option("--decision", help="Only leads that stand so; may be repeated.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Only leads of this domain.")] = None,
    older_than: Annotated[float | None, typer.Option("--older-than", help="Only scores older than so many hours.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end.")] = False,
) -> None:
    """Create a job and print its id; the workers do it.

    Example:
      tamiz jobs create rescore --decision mql --decision sql --wait
      tamiz jobs create decay --older-than 20 --wait
    """
    import getpass

    import msgspec

    from data.store import now
    from serving.jobs import selection_of
    from serving.schemas import decode
    from serving.work_schemas import JobRequest

    asked = {"kind": kind, "decision": decision or [], "account": account, "older_than_hours": older_than}
    wanted = decode(msgspec.json.Decoder(JobRequest), msgspec.json.encode(asked))
    with _opened() as opened:
        job, _ = opened.create(wanted.kind, selection_of(wanted, now()), author=getpass.getuser())
        typer.echo(job.job_id)
        if wait:
            _follow(opened, job.job_id)
        elif not opened.workers():
            typer.echo("No worker was seen within the last minute: `tamiz worker` is one, and so is `tamiz serve`.", err=True)


@jobs.command("list")
def list_jobs() -> None:
    """List the newest jobs, and the workers that are there to do them.

    Example:
      tamiz jobs list
    """
    with _opened() as opened:
        for job in opened.newest():
            typer.echo(f"{job.job_id:<30}  {job.kind:<8}  {_stands(job)}")
        seen = opened.workers()
    typer.echo("workers: " + (", ".join(one.place for one in seen) or "none was seen within the last minute"), err=True)


@jobs.command("watch")
def watch(job_id: Annotated[str, typer.Argument(help="As `create` printed it.")]) -> None:
    """Follow a job to its end; Ctrl-C stops looking, not the job.

    Example:
      tamiz jobs watch job_4f1d0c9b8a7e6d5c4b3a2918
    """
    with _opened() as opened:
        _follow(opened, job_id)


@jobs.command("cancel")
def cancel(job_id: Annotated[str, typer.Argument(help="As `create` printed it.")]) -> None:
    """Begin no more of a job; what was done stays.

    Example:
      tamiz jobs cancel job_4f1d0c9b8a7e6d5c4b3a2918
    """
    with _opened() as opened:
        job = opened.cancel(job_id)
    if job is None:
        raise NoSuchJob(job_id=job_id)
    typer.echo(_stands(job), err=True)


def _follow(opened: Jobs, job_id: str) -> None:
    """Shows progress until the job is over."""
    said, line = 0.0, ""
    while True:
        job = opened.get(job_id)
        if job is None:
            raise NoSuchJob(job_id=job_id)
        at = time.monotonic()
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{_bar(job)}" + ("\n" if job.over else ""))
            sys.stderr.flush()
        elif (job.over or at - said >= SAY_SECONDS) and line != (line := _stands(job)):
            typer.echo(line, err=True)
            said = at
        if job.over:
            break
        time.sleep(LOOK_SECONDS)
    if job.state != "done":
        raise JobNotDone(job_id=job_id, state=job.state, done=job.done, total=_total(job), failed=job.failed, reasons=_reasons(job))


def _bar(job: Job) -> str:
    filled = 30 * (job.done + job.failed) // max(job.total or 1, 1) if job.total is not None else 0
    return f"{job.kind} [{'#' * filled}{'.' * (30 - filled)}] {_stands(job)}    "


def _stands(job: Job) -> str:
    ending = ", to be cancelled" if job.cancel_asked and not job.over else ""
    failed = f", {job.failed:,} failed{_reasons(job)}" if job.failed else ""
    return f"{job.state}{ending}: {job.done:,} of {_total(job)} leads{failed}"


def _total(job: Job) -> str:
    return "?" if job.total is None else f"{job.total:,}"


def _reasons(job: Job) -> str:
    named = ", ".join(f"{count:,} {reason}" for reason, count in sorted(job.reasons.items(), key=lambda one: -one[1]))
    return f" ({named})" if named else ""


def _place(settings: Settings) -> str:
    return str(settings.home)


def _time(text: str) -> str:
    from serving.settings import time_of_day

    if time_of_day(text) is None:
        raise BadUsage(f"--nightly {text} is no time of day: write it as 03:00.")
    return text


@contextmanager
def _opened() -> Iterator[Jobs]:
    """The jobs of this environment's home."""
    from data.home import Home
    from data.jobs import Jobs
    from data.store import Store

    home = Home.from_environment()
    store = Store.open(home.root, home.database)
    try:
        yield Jobs(store)
    finally:
        store.close()
