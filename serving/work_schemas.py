"""Jobs, webhooks and receivers as callers send and read them, as msgspec structs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from data.hooks import Hook, Received, ReceivedState
from data.jobs import Job, JobKind, JobState
from data.outbox import Endpoint, Message, MessageState
from models.decision import Grade, Outcome
from models.request import Text
from serving.schemas import instant

__all__ = [
    "JobAnswer",
    "JobPage",
    "JobRequest",
    "MessagePage",
    "MessageSent",
    "Pushed",
    "ReceivedItem",
    "ReceivedPage",
    "ReceiverAnswer",
    "ReceiverMade",
    "ReceiverPage",
    "ReceiverRequest",
    "ReplayAnswer",
    "ReplayRequest",
    "RetryAnswer",
    "Taken",
    "TestAnswer",
    "WebhookAnswer",
    "WebhookChange",
    "WebhookMade",
    "WebhookPage",
    "WebhookRequest",
    "WorkerSeen",
]

SHOWN = 4_000


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


class ReceiverRequest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How what is pushed to a receiver is to be read: by a mapping of one's own, or by one that is shipped."""

    mapping: dict[str, Any] | None = None
    preset: Literal["hubspot", "odoo", "salesforce"] | None = None
    note: Text = ""


class ReceiverAnswer(msgspec.Struct):
    """A receiver, and how much of what it took is in which state."""

    receiver_id: str
    note: str
    author: str
    created_at: datetime
    mapping: dict[str, Any]
    waiting: int
    taken: int
    """In the last week."""
    failed: int

    @classmethod
    def of(cls, one: Hook, counts: Mapping[str, int]) -> ReceiverAnswer:
        mapping = msgspec.json.decode(one.mapping, type=dict[str, Any])
        held = (counts.get("waiting", 0), counts.get("taken", 0), counts.get("failed", 0))
        return cls(one.hook_id, one.note, one.author, instant(one.created_at), mapping, *held)


class ReceiverMade(msgspec.Struct):
    """A new receiver, and the address to push to: whoever knows it may push, and it is not shown again."""

    receiver: ReceiverAnswer
    path: str


class ReceiverPage(msgspec.Struct):
    """All receivers in force, oldest first."""

    receivers: list[ReceiverAnswer]


class Pushed(msgspec.Struct):
    """Whatever another system sends, as JSON or as a form: the receiver's mapping says how it is read."""


class Taken(msgspec.Struct):
    """What was pushed is kept, or was a moment ago."""

    known: bool
    """Whether it had come already, and is not looked at again."""


class ReceivedItem(msgspec.Struct):
    """Something that was pushed to a receiver."""

    digest: str
    state: ReceivedState
    received_at: datetime
    taken_at: datetime | None
    attempts: int
    error: str | None
    body: str
    """As it came, its beginning; empty once it was understood."""

    @classmethod
    def of(cls, one: Received) -> ReceivedItem:
        shown = one.body[:SHOWN].decode(errors="replace")
        return cls(one.digest, one.state, instant(one.received_at), _when(one.taken_at), one.attempts, one.error, shown)


class ReceivedPage(msgspec.Struct):
    """What a receiver took, newest first; `next` is the cursor of the page after it, null at the end."""

    messages: list[ReceivedItem]
    next: str | None


class RetryAnswer(msgspec.Struct):
    """How many are tried again."""

    retried: int


def _when(at: int | None) -> datetime | None:
    return None if at is None else instant(at)
