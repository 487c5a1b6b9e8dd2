"""Requests that work when pasted: shown in the OpenAPI document, scored once by a model before it takes over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data.errors import TamizError

__all__ = [
    "ACTIVITY",
    "ATTRIBUTES",
    "FEEDBACK",
    "JOB",
    "LEAD",
    "OUTCOME",
    "OVERRIDE",
    "POLICY",
    "PUSHED",
    "RECEIVER",
    "SCORE_REQUEST",
    "STAGE_CHANGE",
    "WEBHOOK",
    "lead_to_try",
]

TRIED = 4
"""Attributes that a lead to try has: enough to see something, few enough to read."""

LEAD: dict[str, Any] = {
    "lead": {
        "lead_id": "L-2041",
        "created_at": "2026-10-05T08:15:00Z",
        "email": "marta.soler@ejemplo-envases.example",
        "job_title": "Head of Supply Chain",
        "company": "Ejemplo Envases S.A.",
        "company_domain": "ejemplo-envases.example",
        "industry": "Packaging",
        "employees": 180,
        "annual_revenue": 24000000,
        "country": "ES",
        "source": "paid_search",
        "medium": "cpc",
        "language": "es",
        "consent": True,
    },
    "activities": [
        {"activity_id": "v-1", "type": "page_view", "occurred_at": "2026-10-05T08:12:31Z", "channel": "web", "url": "/pricing"},
        {
            "activity_id": "f-1",
            "type": "form_submit",
            "occurred_at": "2026-10-05T08:15:00Z",
            "channel": "web",
            "content": "whitepaper-planning",
        },
        {"activity_id": "e-1", "type": "email_click", "occurred_at": "2026-10-14T07:40:02Z", "channel": "email", "url": "/customers"},
        {"activity_id": "v-2", "type": "page_view", "occurred_at": "2026-10-14T07:41:10Z", "channel": "web", "url": "/docs/integrations"},
        {
            "activity_id": "a-1",
            "type": "answer",
            "occurred_at": "2026-10-20T10:00:00Z",
            "channel": "form",
            "content": "timeline",
            "value": "this quarter",
        },
        {"activity_id": "d-1", "type": "demo_request", "occurred_at": "2026-10-20T10:02:45Z", "channel": "web", "url": "/demo"},
    ],
    "as_of": "2026-10-21T09:00:00Z",
}
"""A lead with what it did, and the instant at which to look."""

SCORE_REQUEST = json.dumps(LEAD).encode()

ATTRIBUTES: dict[str, Any] = {name: value for name, value in LEAD["lead"].items() if name != "lead_id"}
"""A lead to keep."""

ACTIVITY: dict[str, Any] = {"lead_id": "L-2041"} | LEAD["activities"][0]
STAGE_CHANGE: dict[str, Any] = {"lead_id": "L-2041", "stage": "Demo", "entered_at": "2026-10-22T11:00:00Z", "owner": "ines"}
OUTCOME: dict[str, Any] = {"lead_id": "L-2041", "converted_at": "2026-11-12T16:30:00Z", "amount": 18000}
"""What happens to it."""

FEEDBACK: dict[str, Any] = {"verdict": "rejected", "reason": "no_budget", "note": "Frozen until spring.", "author": "ines"}
OVERRIDE: dict[str, Any] = {"decision": "sql", "author": "ines", "reason": "Met the director at the fair: they buy this quarter."}
"""What people say of a decision."""

POLICY: dict[str, Any] = {
    "policy": {"format": 1, "mql": {"enter": 0.2, "exit": 0.18}, "sql": {"enter": 0.5, "exit": 0.45, "bant_met": 0, "bant_required": []}},
    "author": "marketing",
    "note": "Fill the sales team's week after the trade fair.",
}
"""A policy to publish."""


JOB: dict[str, Any] = {"kind": "rescore", "decision": ["mql", "sql"]}
"""Leads to score again."""

WEBHOOK: dict[str, Any] = {"url": "https://crm.ejemplo.example/tamiz", "decision": ["mql", "sql"], "note": "CRM"}
"""Where decisions are to be sent."""

RECEIVER: dict[str, Any] = {
    "note": "web forms",
    "mapping": {
        "rules": [
            {
                "lead": {"lead_id": "$.contact.id", "values": {"email": "$.contact.email", "job_title": "$.contact.title"}},
                "activity": {
                    "lead_id": "$.contact.id",
                    "activity_id": "$.id",
                    "type": "form_submit",
                    "occurred_at": {"path": "$.at", "as": "time"},
                    "content": "$.form",
                },
            }
        ]
    },
}
"""How what is pushed is to be read."""

PUSHED: dict[str, Any] = {
    "id": "f-77",
    "at": "2026-10-05T08:15:00Z",
    "form": "whitepaper-planning",
    "contact": {"id": "L-2041", "email": "marta.soler@ejemplo-envases.example", "title": "Head of Supply Chain"},
}
"""Something that is pushed."""


def lead_to_try(bundles: Path) -> dict[str, Any]:
    """A small lead in the champion's own columns: those that weigh most, each with a value that training knew.

    Where there is no champion, or one that reads activities, it is a lead as any CRM has it.
    """
    lead = {"lead_id": "L-1", "job_title": "Head of Operations", "employees": 120, "country": "ES"}
    try:
        folder = bundles / Path(json.loads((bundles / "champion.json").read_bytes())["bundle"]).name
        manifest = json.loads((folder / "manifest.json").read_bytes())
        return {"lead_id": "L-1"} | _attributes(folder, manifest["importance"]) if manifest["horizon_days"] is None else lead
    except (TamizError, OSError, ValueError, KeyError, TypeError, AttributeError):  # whoever tries it is told what is wrong
        return lead


def _attributes(folder: Path, importance: dict[str, float]) -> dict[str, Any]:
    from models.encoder import Encoder

    encoder = Encoder.from_json(json.loads((folder / "encoder.json").read_bytes()))
    categories = {one.name: one.categories for one in encoder.inputs if one.kind == "category"}
    known = sorted(encoder.feature_set.attributes, key=lambda one: -importance.get(one.name, 0.0))[:TRIED]
    plain: dict[str, Any] = {"boolean": True, "number": 1}
    return {one.name: plain[one.kind] if one.kind in plain else (categories.get(one.name) or ("?",))[0] for one in known}
