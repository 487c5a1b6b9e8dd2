"""What callers send to be kept and read about leads, as msgspec structs; an activity is that of `serving/schemas.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from data.reviews import Feedback
from models.decision import Decision
from models.lifecycle import State
from models.request import Activity, Id, Text
from serving.problems import Problem
from serving.schemas import instant

__all__ = [
    "Activities",
    "CourseAnswer",
    "CoursePoint",
    "CurrentDecision",
    "DecisionPage",
    "ErasureAnswer",
    "FeedbackAnswer",
    "FeedbackIn",
    "HandOffs",
    "IngestAnswer",
    "IngestRow",
    "KeptActivity",
    "LeadAnswer",
    "LeadAttributes",
    "Lifecycle",
    "MergeAnswer",
    "MergeIn",
    "MoveAnswer",
    "OutcomeIn",
    "Outcomes",
    "OverrideAnswer",
    "OverrideIn",
    "OwnerHandOffs",
    "QueueItem",
    "QueuePage",
    "Sla",
    "StageChange",
    "StageChanges",
    "WhatIf",
    "WhatIfAnswer",
]


SORTS = ("probability", "expected_value", "since", "as_of", "due_at")
"""What the queue can be sorted by."""
Thing = Literal["call", "meeting", "demo_request", "answer"]


class Sla(msgspec.Struct):
    """How a hand-over to sales stands."""

    status: Literal["running", "met", "late", "breached"] | None
    """`met` and `late`: somebody took care, in time or not; `breached`: nobody has, beyond the time promised. Null: none was."""
    handed_at: datetime
    due_at: datetime | None
    touched_at: datetime | None
    """When somebody first took care."""


class MoveAnswer(msgspec.Struct):
    """A lead went from one state to another."""

    at: datetime
    before: str
    state: str
    actor: Literal["policy", "sales", "crm"]
    reason: str | None
    """Why sales rejected it, or why the deal was lost."""
    by: str | None


class Lifecycle(msgspec.Struct):
    """Where a lead is on its way to a customer, and how it came there."""

    state: State
    since: datetime | None
    owner: str | None
    """Whose it is, as the CRM says."""
    sla: Sla | None
    """Null where it was never handed to sales, or was taken back before anybody took care."""
    moves: list[MoveAnswer]
    """Every move, oldest first."""


class CurrentDecision(Decision, kw_only=True):
    """The newest decision, with where the lead is since."""

    lifecycle: Lifecycle


class OwnerHandOffs(msgspec.Struct):
    """Hand-overs of one owner's leads; `breached` ones wait beyond the time promised, `late` ones were taken care of after it."""

    owner: str | None
    running: int = 0
    breached: int = 0
    met: int = 0
    late: int = 0


class HandOffs(msgspec.Struct):
    """How hand-overs to sales stand: those that wait, and of those of the last days the ones that somebody took care of."""

    days: int
    running: int
    breached: int
    met: int
    late: int
    in_time: float | None
    """Of those whose time is over or that were taken care of, the share that was in time."""
    oldest_due_at: datetime | None
    """When the one that has waited longest was due."""
    by_owner: list[OwnerHandOffs]


class StageChange(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An entry of a lead's pipeline history."""

    lead_id: Id
    stage: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    entered_at: datetime
    recorded_at: datetime | None = None
    owner: Text | None = None
    amount: float | None = None
    reason: Text | None = None


class OutcomeIn(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A conversion, or a loss."""

    lead_id: Id
    converted_at: datetime
    recorded_at: datetime | None = None
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "won"
    amount: float | None = None


class IngestRow(msgspec.Struct, omit_defaults=True):
    """One row's answer, in the order sent: 201 where it was new, 200 where it was known already."""

    status: int
    problem: Problem | None = None


class IngestAnswer(msgspec.Struct):
    """What became of the rows."""

    received: int
    new: int
    known: int
    failed: int
    rows: list[IngestRow]


class LeadAttributes(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A lead's attributes under `lead`, and since when they hold; attributes by themselves hold since now."""

    lead: dict[str, str | float | bool | None]
    changed_at: datetime | None = None


class Activities(msgspec.Struct, forbid_unknown_fields=True):
    """Up to 5,000 activities; a bare list will do, and so will NDJSON."""

    activities: list[Activity]


class StageChanges(msgspec.Struct, forbid_unknown_fields=True):
    """The same of stage changes."""

    stage_changes: list[StageChange]


class Outcomes(msgspec.Struct, forbid_unknown_fields=True):
    """The same of outcomes."""

    outcomes: list[OutcomeIn]


class FeedbackIn(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Whether sales takes a lead as it was decided, and why."""

    verdict: Literal["accepted", "rejected"]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    """A code of the caller's own, such as `wrong_person` or `no_budget`."""
    note: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None
    decision_id: Id | None = None
    """Of which decision; default: the one that holds."""
    author: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """Who says so; default: the key's prefix."""
    feedback_id: Id | None = None
    """The caller's own name for it; absent, made of what it says."""


class FeedbackAnswer(msgspec.Struct):
    """Feedback as it is kept; 201 the first time, 200 when it was known."""

    feedback_id: str
    lead_id: str
    decision_id: str | None
    verdict: str
    reason: str | None
    note: str | None
    author: str
    given_at: datetime

    @classmethod
    def of(cls, kept: Feedback) -> FeedbackAnswer:
        """The same, as it is answered."""
        return cls(
            kept.feedback_id, kept.lead_id, kept.decision_id, kept.verdict, kept.reason, kept.note, kept.author, instant(kept.given_at)
        )


class OverrideIn(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a person decides instead of the model."""

    decision: Literal["disqualified", "nurture", "mql", "sql"]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    author: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    expires_at: datetime | None = None
    """Default: it holds until it is lifted."""


class OverrideAnswer(msgspec.Struct):
    """An override as it is kept."""

    override_id: str
    lead_id: str
    decision: str
    author: str
    reason: str
    given_at: datetime
    expires_at: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None


class MergeIn(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The other record of the same person, which becomes part of the lead in the address."""

    merged: Id
    author: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


class MergeAnswer(msgspec.Struct):
    """What became of two leads that are one now."""

    merge_id: str
    lead_id: str
    """The lead that stays: that of the address, or the one that it was merged into."""
    merged: str
    merged_at: datetime
    author: str
    moved: dict[str, int]
    """Rows that the lead has gained, by table."""
    known: bool
    """Whether they were one already."""


class ErasureAnswer(msgspec.Struct):
    """The proof that a lead was erased."""

    erasure_id: str
    lead_id: str
    erased_at: datetime
    author: str
    removed: dict[str, int]
    known: bool
    """Whether it had been erased before and nothing had come since: then this is the proof of that."""


class QueueItem(msgspec.Struct):
    """A lead of the queue, with its whole decision under `answer`."""

    lead_id: str
    decision: str
    since: datetime
    decision_id: str
    probability: float
    probability_low: float
    probability_high: float
    score: float | None
    grade: str | None
    expected_value: float | None
    as_of: datetime
    model_version: str
    policy_version: str
    reasons: list[dict[str, Any]]
    bant: dict[str, Any]
    override: dict[str, Any] | None
    """What a person decided, if that holds."""
    lead: dict[str, Any]
    """The lead's attributes as they are now."""
    feedback: FeedbackAnswer | None
    """What sales said last."""
    state: State
    state_since: datetime | None
    owner: str | None
    sla: Sla | None


class QueuePage(msgspec.Struct):
    """A page of the queue; `next` is the cursor of the one after it, null at the end."""

    leads: list[QueueItem]
    next: str | None


class CoursePoint(msgspec.Struct):
    """What the model says of a lead as of an instant."""

    as_of: datetime
    probability: float
    probability_low: float
    probability_high: float


class CourseAnswer(msgspec.Struct):
    """A lead's score over time, as one model has it, oldest first."""

    lead_id: str
    model_version: str
    points: list[CoursePoint]


class WhatIf(msgspec.Struct):
    """What leads come to whose story is this one's and one thing more."""

    thing: Thing
    """A call that was taken, a meeting, a demo asked for, or an answer."""
    dimension: str | None
    """Of an answer, what it settles."""
    value: str | None
    """Of an answer, what was said, as an example."""
    probability: float
    probability_low: float
    probability_high: float
    score: float | None
    grade: str | None
    decision: str
    """By the policy in force, without capacity, cool-down and chance."""


class WhatIfAnswer(msgspec.Struct):
    """A lead as it is, and with one thing more each, the highest probability first."""

    lead_id: str
    as_of: datetime
    model_version: str
    horizon_days: int | None
    probability: float
    what_if: list[WhatIf]


class DecisionPage(msgspec.Struct):
    """A lead's decisions, newest first."""

    lead_id: str
    decisions: list[Decision]
    next: str | None


class KeptActivity(msgspec.Struct):
    """An activity as it is held."""

    activity_id: str
    type: str
    occurred_at: datetime
    recorded_at: datetime
    channel: str | None
    url: str | None
    content: str | None
    campaign: str | None
    duration_seconds: float | None
    value: str | None
    machine: bool
    """Whether a machine did it, as it was declared or as the model judges."""


class LeadAnswer(msgspec.Struct):
    """What is held of a lead, and where it stands."""

    lead_id: str
    account: str | None
    lead: dict[str, Any]
    """Its attributes as they are now."""
    since: datetime | None
    """Since when the decision has been what it is; null where no model has scored the lead yet, as is `decision`."""
    decision: Decision | None
    """The newest figures. Where they changed no decision they are not in the ledger: its latest entry may have others."""
    feedback: FeedbackAnswer | None
    """What sales said last."""
    activities: list[KeptActivity]
    """The newest, as many as `limit` says."""
    activities_total: int
    lifecycle: Lifecycle
