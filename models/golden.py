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

from models.encoder import Encoder
from models.request import ScoreRequest

__all__ = ["invent", "read_golden"]

_AS_OF = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
_TEXTS = {
    "email": ("", "ana@acme.example", "info@mailinator.com", "ana@upm.es", "compras@madrid.es"),
    "company": ("", "Acme Logística S.L.", "Acme", "Contoso GmbH", "Acme"),
    "company_domain": ("", "acme.example", "acme.example", "acme.example", "acme.example"),
    "phone": ("", "+34 961 000 000", "+1 555 0100", "+44 20 7946 0958", "12"),
    "country": ("", "España", "US", "Chile", "Nowhere"),
    "industry": ("", "Transport", "Software", "?!x", "Banca"),
}
_TITLES = ("", "Directora Comercial", "junior software engineer", "CEO", "Jefe de compras")
_VISITS = (
    "/pricing",
    "/precios",
    "/docs/start",
    "/integrations/erp",
    "/blog/a",
    "/demo",
    "/comparison/x",
    "/careers",
    "/legal",
    "/customers",
    "/",
)
_ANSWERS = (
    ("approved", "I decide", "must replace our tool", "this month"),
    ("no", "no", "none", "not planned"),
    ("partly", "with my boss", "maybe", "next year"),
)


def read_golden(leads: Sequence[dict[str, Any]]) -> list[ScoreRequest]:
    """The requests of golden leads, without what is expected of them."""
    return [
        msgspec.convert({name: value for name, value in lead.items() if name != "expected"}, ScoreRequest, strict=False) for lead in leads
    ]


def invent(encoder: Encoder, *, reads_activities: bool) -> list[dict[str, Any]]:
    """Golden leads for a model with these inputs."""
    leads = [_lead(encoder, variant) for variant in range(5)]
    if reads_activities:
        for variant, lead in enumerate(leads):
            lead["activities"] = _activities(variant, encoder.feature_set.activity_types)
            if variant in (2, 4):
                told = _activities(variant + 1, ())
                lead["account_activities"] = [dict(one, lead_id=f"golden-colleague-{i % (variant // 2)}") for i, one in enumerate(told)]
    return leads


def _lead(encoder: Encoder, variant: int) -> dict[str, Any]:
    """Variant 0 knows nothing, 1 and 2 know everything, 3 has unheard-of categories, 4 only some of it."""
    lead: dict[str, Any] = {"lead_id": f"golden-{variant}"}
    if variant:
        known: dict[str, object] = {name: texts[variant] for name, texts in _TEXTS.items()}
        known |= {"created_at": (_AS_OF - timedelta(days=7 * variant, hours=5)).isoformat()}
        known |= {"job_title": _TITLES[variant], "employees": 40.0 * variant**3, "annual_revenue": 2.5e6 * variant**4}
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
    return {"lead": lead, "as_of": _AS_OF.isoformat()}


def _activities(variant: int, own_types: Sequence[str]) -> list[dict[str, Any]]:
    """From silence (variant 0) to much; by people and machines, some long ago, some recorded late."""
    if not variant:
        return []
    last = _AS_OF - timedelta(hours=7 * variant)  # how long ago differs by variant, so that recency is reached too
    rows: list[dict[str, Any]] = []

    def did(what: str, ago: timedelta, channel: str = "web", **more: str | bool) -> None:
        rows.append({"type": what, "occurred_at": (last - ago).isoformat(), "channel": channel, **more})

    for i in range(8 * variant):
        did("page_view", timedelta(hours=(i * 37) % (60 + 200 * variant), minutes=i), url=_VISITS[i % len(_VISITS)])
    if variant == 2:  # back after silence
        rows = [row for row in rows if row["occurred_at"] >= (last - timedelta(days=1)).isoformat()]
        did("page_view", timedelta(days=50), url="/")
    sent = timedelta(days=3 + variant)
    for mail in range(variant):
        did("email_delivered", sent + timedelta(days=mail), "email", campaign=f"golden {mail}")
    if variant > 1:
        did("email_open", sent - timedelta(seconds=1), "email", campaign="golden 0", automated=True)
        did("email_click", sent - timedelta(seconds=1), "email", campaign="golden 0", automated=True)
        for hours in range(variant):
            did("email_open", sent - timedelta(hours=3 + hours), "email", campaign="golden 0")
        did("email_click", sent - timedelta(hours=4), "email", campaign="golden 0")
        for field, value in zip(("budget", "authority", "need", "timeline"), _ANSWERS[variant % 3], strict=True):
            did("answer", sent, "web", content=field, value=value)
    if variant > 2:
        for what in ("form_submit", "webinar_attended", "meeting", "email_reply", "demo_request", "trial_start"):
            did(what, timedelta(days=variant))
        did("form_submit", timedelta(days=variant, hours=1), content="newsletter")
        did("form_submit", timedelta(days=variant, hours=1), content="ebook")
        did("call", timedelta(days=2), "phone", recorded_at=(_AS_OF - timedelta(hours=1)).isoformat())
        for days in range(variant - 2):
            did("call", timedelta(days=4 + days), "phone", value="no answer")
    if variant > 3:
        did("email_unsubscribe", timedelta(hours=2), "email")
    for i, name in enumerate(own_types):
        did(name, timedelta(days=i % 5 + 2 * variant))
    return rows
