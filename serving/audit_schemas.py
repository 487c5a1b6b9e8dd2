"""What `GET /v1/audit` answers, as msgspec structs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

__all__ = ["AuditItem", "AuditPage"]


class AuditItem(msgspec.Struct):
    """A change of a policy, a key or a model; `actor` is the key's prefix, `local`, or the user of the shell."""

    sequence: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditPage(msgspec.Struct):
    """Changes, newest first; `next` is the cursor of the page after it, null at the end."""

    entries: list[AuditItem]
    next: str | None
