"""`/v1/jobs`: scoring many leads again, by workers; asked for, followed and cancelled here."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.errors import BadUsage
from data.jobs import Job, Jobs
from data.store import now
from serving.body import json_answer, read_body
from serving.examples import JOB
from serving.jobs import selection_of
from serving.openapi import operation
from serving.problems import IdempotencyMismatch
from serving.schemas import decode, instant
from serving.service import admit
from serving.work_schemas import JobAnswer, JobPage, JobRequest, WorkerSeen

__all__ = ["router"]

router = APIRouter(tags=["jobs"])
LISTED = 50
_request = msgspec.json.Decoder(JobRequest)


class JobUnknown(BadUsage, status=404):
    """There is no job {job_id!r}: `GET /v1/jobs` lists the newest."""


@router.post("/v1/jobs", summary="Score many leads again", **operation(
    takes="JobRequest", example=JOB, gives="JobAnswer", done=202, errors=(400, 401, 403, 413, 422, 503), headers=("Idempotency-Key",)
))  # fmt: skip
async def create(request: Request) -> Response:
    """Creates a job and answers at once; workers do it. The same Idempotency-Key is the same job."""
    service, caller = admit(request, "policy", "score")
    wanted = decode(_request, await read_body(request, service.settings.body_bytes))
    selection = selection_of(wanted, now())
    key = request.headers.get("idempotency-key")
    job_id = f"job_{hashlib.sha256(f'{caller.name} {key}'.encode()).hexdigest()[:24]}" if key else None
    job, _ = await asyncio.to_thread(Jobs(service.store).create, wanted.kind, selection, author=caller.name, job_id=job_id)
    same = (job.kind, job.selection.decisions, job.selection.account) == (wanted.kind, selection.decisions, selection.account)
    if not same:
        raise IdempotencyMismatch
    return _answer(job, 202, {"Location": f"/v1/jobs/{job.job_id}"})


@router.get("/v1/jobs", summary="The newest jobs", **operation(gives="JobPage", errors=(401, 403, 503)))
async def newest(request: Request) -> Response:
    """Newest first, and the workers that were seen within the last minute."""
    service, _ = admit(request, "read")
    jobs = Jobs(service.store)
    listed, workers = await asyncio.to_thread(jobs.newest, LISTED), await asyncio.to_thread(jobs.workers)
    seen = [WorkerSeen(one.worker_id, one.place, instant(one.started_at), instant(one.seen_at)) for one in workers]
    return json_answer(msgspec.json.encode(JobPage([JobAnswer.of(job) for job in listed], seen)))


@router.get("/v1/jobs/{job_id}", summary="A job's progress", **operation(gives="JobAnswer", errors=(401, 403, 404, 422, 503)))
async def one(request: Request, job_id: str) -> Response:
    """How far it is, and which leads failed for which reason."""
    service, _ = admit(request, "read", "policy", "score")
    return _answer(_known(await asyncio.to_thread(Jobs(service.store).get, job_id), job_id))


@router.post("/v1/jobs/{job_id}/cancel", summary="Cancel a job", **operation(gives="JobAnswer", errors=(401, 403, 404, 422, 503)))
async def cancel(request: Request, job_id: str) -> Response:
    """Begins no more of it; what was done stays. A job that is over stays as it is."""
    service, _ = admit(request, "policy", "score")
    return _answer(_known(await asyncio.to_thread(Jobs(service.store).cancel, job_id), job_id))


def _known(job: Job | None, job_id: str) -> Job:
    if job is None:
        raise JobUnknown(job_id=job_id)
    return job


def _answer(job: Job, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(JobAnswer.of(job)), status, headers, "application/json")
