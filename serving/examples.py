"""Requests that work when pasted: shown in the OpenAPI document, scored once by a model before it takes over."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["LEAD", "POLICY", "SCORE_REQUEST"]

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

POLICY: dict[str, Any] = {
    "policy": {"format": 1, "mql": {"enter": 0.2, "exit": 0.18}, "sql": {"enter": 0.5, "exit": 0.45, "bant_met": 0, "bant_required": []}},
    "author": "marketing",
    "note": "Fill the sales team's week after the trade fair.",
}
"""A policy to publish."""
