"""A request in the bytes that equal requests share: what its hash is taken of, and what the ledger holds of it.

In: a request and what counts of it. Out: both, each part of the request encoded once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from models.request import Activity, ScoreRequest

__all__ = ["Canonical", "Used", "canonical"]

_encode = msgspec.json.Encoder(order="deterministic").encode


class Used(NamedTuple):
    """What a decision is made from: rows that did not count leave no trace in it."""

    lead: Mapping[str, Any]
    activities: Sequence[Activity]
    account_activities: Sequence[Activity] | None
    as_of: datetime | None


class Canonical(NamedTuple):
    """Of one request."""

    hash: str
    """SHA-256 of what counts."""
    request: bytes
    """All of it."""


def canonical(request: ScoreRequest, used: Used) -> Canonical:
    """`used` are the request's own objects, or copies without what does not count."""
    lead, activities = msgspec.Raw(_encode(used.lead)), msgspec.Raw(_encode(used.activities))
    digest = hashlib.sha256(_encode((lead, activities, used.account_activities, used.as_of))).hexdigest()
    if used.activities is not request.activities:
        return Canonical(digest, _encode(request))
    # Raw is written as it stands; what would be left out by default has to stay what it is.
    written: dict[str, Any] = {"lead": lead, "activities": activities} if request.activities else {"lead": lead}
    return Canonical(digest, _encode(msgspec.structs.replace(request, **written)))
