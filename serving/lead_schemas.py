"""What callers send to be kept and read about leads, as msgspec structs; an activity is that of `serving/schemas.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from models.decision import Decision
from serving.problems import Problem
from serving.schemas import Activity, Id, Text

__all__ = [
    "Activities",
    "DecisionPage",
    "IngestAnswer",
    "IngestRow",
    "LeadAttributes",
    "OutcomeIn",
    "Outcomes",
    "QueueItem",
    "QueuePage",
    "StageChange",
    "StageChanges",
]


SORTS = ("probability", "expected_value", "since", "as_of")
"""What the queue can be sorted by."""


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


class QueuePage(msgspec.Struct):
    """A page of the queue; `next` is the cursor of the one after it, null at the end."""

    leads: list[QueueItem]
    next: str | None


class DecisionPage(msgspec.Struct):
    """A lead's decisions, newest first."""

    lead_id: str
    decisions: list[Decision]
    next: str | None
