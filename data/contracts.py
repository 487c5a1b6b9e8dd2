"""The tables that Tamiz understands: their columns, what is required, and what each column holds.

Pure declarations without pandas, because the service reads them too. Any other column of `leads` is an
attribute: numeric or categorical by its values. Times are UTC, to the microsecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ACTIVITIES",
    "DECISIONS",
    "EARLIEST",
    "FEEDBACK",
    "LEADS",
    "LEAD_CHANGES",
    "NOT_ATTRIBUTES",
    "OUTCOMES",
    "STAGE_CHANGES",
    "TABLES",
    "ColumnKind",
    "TableContract",
]

ColumnKind = Literal["id", "text", "number", "time", "boolean"]


@dataclass(frozen=True)
class TableContract:
    """One table: its required and its known optional columns, each with what it holds."""

    name: str
    required: dict[str, ColumnKind]
    optional: dict[str, ColumnKind]
    open: bool = False
    """Whether unknown columns are kept (as attributes) or ignored with a notice."""

    @property
    def columns(self) -> dict[str, ColumnKind]:
        return self.required | self.optional


LEADS = TableContract(
    "leads",
    required={"lead_id": "id"},
    optional={
        "created_at": "time",
        "email": "text",
        "job_title": "text",
        "company": "text",
        "company_domain": "text",
        "industry": "text",
        "employees": "number",
        "annual_revenue": "number",
        "country": "text",
        "region": "text",
        "city": "text",
        "phone": "text",
        "source": "text",
        "medium": "text",
        "campaign": "text",
        "language": "text",
        "consent": "boolean",
    },
    open=True,
)

LEAD_CHANGES = TableContract(
    "lead_changes",
    required={"lead_id": "id", "field": "text", "value": "text", "changed_at": "time"},
    optional={},
)

ACTIVITIES = TableContract(
    "activities",
    required={"lead_id": "id", "occurred_at": "time", "type": "text"},
    optional={
        "activity_id": "id",
        "recorded_at": "time",
        "channel": "text",
        "url": "text",
        "content": "text",
        "campaign": "text",
        "duration_seconds": "number",
        "value": "text",
        "automated": "boolean",
        "user_agent": "text",
    },
)

STAGE_CHANGES = TableContract(
    "stage_changes",
    required={"lead_id": "id", "stage": "text", "entered_at": "time"},
    optional={"owner": "text", "amount": "number", "reason": "text"},
)

OUTCOMES = TableContract(
    "outcomes",
    required={"lead_id": "id", "converted_at": "time"},
    optional={"amount": "number", "kind": "text"},
)

DECISIONS = TableContract(
    "decisions",
    required={"lead_id": "id", "as_of": "time", "worked": "boolean"},
    optional={"propensity": "number"},
)

FEEDBACK = TableContract(
    "feedback",
    required={"lead_id": "id", "given_at": "time", "verdict": "text"},
    optional={"reason": "text"},
)

EARLIEST = "1990-01-01"
"""Before this day no time is plausible: in tables such a row is put aside, in a request it is ignored; both are said."""

TABLES = {table.name: table for table in (LEADS, LEAD_CHANGES, ACTIVITIES, STAGE_CHANGES, OUTCOMES, DECISIONS, FEEDBACK)}

NOT_ATTRIBUTES = frozenset({"lead_id", "created_at", "email", "phone", "company", "company_domain", "job_title", "consent"})
"""Known columns of `leads` that identify a person or a company, or say when: signals read them, no model takes them raw."""
