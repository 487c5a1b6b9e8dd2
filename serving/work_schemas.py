"""Jobs, webhooks and receivers as callers send and read them, as msgspec structs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from data.jobs import Job, JobKind, JobState
from models.decision import Outcome
from serving.schemas import Text, instant

__all__ = ["JobAnswer", "JobPage", "JobRequest", "WorkerSeen"]


class JobRequest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which leads to score again: `rescore` all that the filters leave, `decay` those whose score has grown old."""

    kind: JobKind
    decision: list[Outcome] = []
    """Only leads that stand so."""
    account: Text | None = None
    """Only leads of the account with this domain."""
    older_than_hours: Annotated[float, msgspec.Meta(ge=0, le=100_000)] | None = None
    """Only leads whose score is older; for `decay` 20 unless it is said."""


class JobAnswer(msgspec.Struct):
    """A job as it stands."""

    job_id: str
    kind: JobKind
    state: JobState
    author: str
    decision: list[str]
    account: str | None
    scored_before: datetime | None
    """It is about leads whose score is from before this instant."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    total: int | None
    """Leads it is about; null while they are being counted."""
    done: int
    failed: int
    reasons: dict[str, int]
    """How many leads failed for which reason, by the code of the problem."""
    cancel_asked: bool

    @classmethod
    def of(cls, job: Job) -> JobAnswer:
        wanted = job.selection
        return cls(
            job.job_id, job.kind, job.state, job.author, list(wanted.decisions), wanted.account, _when(wanted.as_of_before),
            instant(job.created_at), _when(job.started_at), _when(job.finished_at), job.total, job.done, job.failed, job.reasons,
            job.cancel_asked,
        )  # fmt: skip


class WorkerSeen(msgspec.Struct):
    """A process that does jobs, seen within the last minute."""

    worker_id: str
    place: str
    started_at: datetime
    seen_at: datetime


class JobPage(msgspec.Struct):
    """The newest jobs, newest first, and who is there to do them."""

    jobs: list[JobAnswer]
    workers: list[WorkerSeen]


def _when(at: int | None) -> datetime | None:
    return None if at is None else instant(at)
