"""Golden leads: synthetic people that a bundle is proved with. None of them exists.

In: the encoder of a model. Out: a handful of requests, as plain JSON, that reach its inputs: nothing known, everything
known, the first and the last category, values never seen, and (where the model reads activities) silence, a burst, machines
and a colleague. The same model gives the same leads the same figures, so a bundle that does not is damaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from data.contracts import LEADS
from models.encoder import Encoder
from models.scoring import LeadRequest

__all__ = ["invent", "read_golden"]

_AS_OF = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
_TEXTS = {
    "email": ("ana@acme.example", "info@gmail.com"),
    "job_title": ("Directora de Operaciones", "junior analyst"),
    "company": ("Acme Logística S.L.", "Acme"),
    "company_domain": ("acme.example", "acme.example"),
    "phone": ("+34 961 000 000", "+1 555 0100"),
}
_VISITS = ("/pricing", "/precios", "/docs/api", "/integrations/erp", "/blog/a", "/demo", "/comparison/x", "/")


def read_golden(leads: Sequence[dict[str, Any]]) -> list[LeadRequest]:
    """The requests of golden leads, without what is expected of them."""
    return [
        msgspec.convert({name: value for name, value in lead.items() if name != "expected"}, LeadRequest, strict=False) for lead in leads
    ]


def invent(encoder: Encoder, *, reads_activities: bool) -> list[dict[str, Any]]:
    """Golden leads for a model with these inputs."""
    leads = [_lead(encoder, variant) for variant in range(5)]
    if reads_activities:
        for variant, lead in enumerate(leads):
            lead["activities"] = _activities(variant, encoder.feature_set.activity_types)
            if variant in (2, 4):
                lead["account_activities"] = [dict(one, lead_id="golden-colleague") for one in _activities(variant + 1, ())]
    return leads


def _lead(encoder: Encoder, variant: int) -> dict[str, Any]:
    """Variant 0 knows nothing, 1 and 2 know everything, 3 has unheard-of categories, 4 only some of it."""
    lead: dict[str, Any] = {"lead_id": f"golden-{variant}"}
    if variant:
        known: dict[str, object] = {name: texts[variant % 2] for name, texts in _TEXTS.items()}
        known |= {"created_at": (_AS_OF - timedelta(days=7 * variant, hours=5)).isoformat()}
        known |= {"employees": 40.0 * variant**3, "annual_revenue": 2.5e6 * variant**4}
        categories = {one.name: one.categories for one in encoder.inputs if one.kind == "category"}
        for at, attribute in enumerate(encoder.feature_set.attributes):
            if attribute.kind == "boolean":
                known[attribute.name] = bool((variant + at) % 2)
            elif attribute.kind == "number":
                known[attribute.name] = (-1.0) ** at * (variant * 7.5) ** (1 + at % 3)
            else:
                values = categories.get(attribute.name) or ("?",)
                known[attribute.name] = "never seen" if variant == 3 else values[-1 if variant == 2 else (variant + at) % len(values)]
        lead |= {name: value for at, (name, value) in enumerate(known.items()) if variant != 4 or at % 2 == 0}
    assert all(LEADS.columns.get(name) != "time" or isinstance(value, str) for name, value in lead.items())
    return {"lead": lead, "as_of": _AS_OF.isoformat()}


def _activities(variant: int, own_types: Sequence[str]) -> list[dict[str, Any]]:
    """From silence (variant 0) to much; some late, some by machines."""
    rows: list[dict[str, Any]] = []
    for i in range(6 * variant):
        when = _AS_OF - timedelta(hours=1 + (i * 37) % (90 + 400 * variant), minutes=i)
        rows.append({"type": "page_view", "occurred_at": when.isoformat(), "channel": "web", "url": _VISITS[i % len(_VISITS)]})
    if variant > 1:
        sent = _AS_OF - timedelta(days=3)
        rows += [
            {"type": "email_delivered", "occurred_at": sent.isoformat(), "channel": "email", "campaign": "golden"},
            {"type": "email_open", "occurred_at": (sent + timedelta(seconds=1)).isoformat(), "channel": "email", "campaign": "golden"},
            {"type": "email_click", "occurred_at": (sent + timedelta(hours=3)).isoformat(), "channel": "email", "campaign": "golden"},
            {"type": "answer", "occurred_at": sent.isoformat(), "content": "budget", "value": "approved"},
            {"type": "answer", "occurred_at": sent.isoformat(), "content": "timeline", "value": "next quarter"},
        ]
    if variant > 2:
        rows += [
            {"type": "demo_request", "occurred_at": (_AS_OF - timedelta(days=1)).isoformat(), "channel": "web", "url": "/demo"},
            {"type": "webinar_attended", "occurred_at": (_AS_OF - timedelta(days=20)).isoformat(), "channel": "web"},
            {
                "type": "call",
                "occurred_at": (_AS_OF - timedelta(days=2)).isoformat(),
                "recorded_at": (_AS_OF - timedelta(hours=1)).isoformat(),
            },
        ]
    rows += [{"type": name, "occurred_at": (_AS_OF - timedelta(days=1 + i)).isoformat()} for i, name in enumerate(own_types[: 3 * variant])]
    return rows
