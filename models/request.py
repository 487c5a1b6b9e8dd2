"""What is asked of scoring: one lead, what it did, and the instant at which to look.

msgspec structs, decoded and checked in one pass over a body's bytes; golden leads and notebooks build the same. Times are
RFC 3339; one without an offset is UTC. Null and absent are the same. An unknown key of the envelope or of an activity is
refused by name; inside `lead` anything goes, and what no signal reads is listed in the answer's `missing`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

__all__ = ["TEXT", "Activity", "Id", "ScoreRequest", "Text"]

TEXT = 10_000
"""Characters of a text."""
Text = Annotated[str, msgspec.Meta(max_length=TEXT)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Activity(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Something a lead did, or that was done to it, at an instant."""

    type: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    occurred_at: datetime
    activity_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    recorded_at: datetime | None = None
    """When it became known; absent, when it occurred."""
    channel: Text | None = None
    url: Text | None = None
    content: Text | None = None
    campaign: Text | None = None
    duration_seconds: float | None = None
    value: Text | float | None = None
    automated: bool | None = None
    """Whether a machine did it; absent, Tamiz judges."""
    user_agent: Text | None = None
    """What the browser or mail program said of itself: it helps to judge that."""
    lead_id: Id | None = None
    """Whose it is: only within `account_activities`."""


class ScoreRequest(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One lead to score: its attributes, what it did, and the instant at which to look."""

    lead: dict[str, Any]
    activities: list[Activity] = []
    account_activities: list[Activity] | None = None
    """What colleagues at the same company did; absent, nothing is known of them."""
    as_of: datetime | None = None
    """Default: when the request was received, to the microsecond."""
    explain: Literal["path", "shap", "none"] = "path"
    """How reasons are found: along the trees' paths, by exact TreeSHAP (slow), or not at all."""
