"""Jobs, webhooks and receivers as callers send and read them, as msgspec structs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from data.jobs import Job, JobKind, JobState
from data.outbox import Endpoint, Message, MessageState
from models.decision import Grade, Outcome
from serving.schemas import Text, instant

__all__ = [
    "JobAnswer",
    "JobPage",
    "JobRequest",
    "MessagePage",
    "MessageSent",
    "ReplayAnswer",
    "ReplayRequest",
    "TestAnswer",
    "WebhookAnswer",
    "WebhookChange",
    "WebhookMade",
    "WebhookPage",
    "WebhookRequest",
    "WorkerSeen",
]


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


class WebhookRequest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Where decisions are to be sent, and which."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    decision: list[Outcome] = []
    """Only those to or from one of these."""
    min_grade: Grade | None = None
    """Only those of leads with this grade or a better one."""
    note: Text = ""


class WebhookChange(WebhookRequest, forbid_unknown_fields=True, omit_defaults=True):
    """The same, for an endpoint that exists; what waits for one that is off waits on."""

    enabled: bool = True


class WebhookAnswer(msgspec.Struct):
    """An endpoint, and how many messages to it are in which state."""

    webhook_id: str
    url: str
    decision: list[str]
    min_grade: str | None
    note: str
    author: str
    created_at: datetime
    disabled_at: datetime | None
    waiting: int
    delivered: int
    """In the last week."""
    dead: int

    @classmethod
    def of(cls, one: Endpoint, counts: Mapping[str, int]) -> WebhookAnswer:
        return cls(
            one.endpoint_id, one.url, list(one.filters.decisions), one.filters.min_grade, one.note, one.author, instant(one.created_at),
            _when(one.disabled_at), counts.get("waiting", 0), counts.get("delivered", 0), counts.get("dead", 0),
        )  # fmt: skip


class WebhookMade(msgspec.Struct):
    """A new endpoint, and the secret that verifies what it gets: it is not shown again."""

    webhook: WebhookAnswer
    secret: str


class WebhookPage(msgspec.Struct):
    """All endpoints, oldest first."""

    webhooks: list[WebhookAnswer]


class TestAnswer(msgspec.Struct):
    """How an endpoint answered a message that means nothing."""

    delivered: bool
    status: int | None
    error: str | None
    seconds: float


class MessageSent(msgspec.Struct):
    """A message on its way, or at an end of it."""

    message_id: str
    lead_id: str
    state: MessageState
    created_at: datetime
    due_at: datetime
    attempts: int
    delivered_at: datetime | None
    last_error: str | None

    @classmethod
    def of(cls, one: Message) -> MessageSent:
        return cls(
            one.message_id, one.lead_id, one.state, instant(one.created_at), instant(one.due_at), one.attempts, _when(one.delivered_at),
            one.last_error,
        )  # fmt: skip


class MessagePage(msgspec.Struct):
    """Messages, newest first; `next` is the cursor of the page after it, null at the end."""

    messages: list[MessageSent]
    next: str | None


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which messages that were given up are to be delivered after all; without a list, all of them."""

    message_ids: Annotated[list[Text], msgspec.Meta(max_length=1_000)] | None = None


class ReplayAnswer(msgspec.Struct):
    """How many will be."""

    replayed: int


def _when(at: int | None) -> datetime | None:
    return None if at is None else instant(at)
