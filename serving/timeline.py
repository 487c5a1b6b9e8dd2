"""What a lead did, as people read it: newest first, and machines told apart as the model tells them.

In: activities as the store holds them, of one lead. Out: the same for an answer; None is what was not given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.crm import ActivityRow
from features.history import ActivityLog, TextColumn
from features.machines import machine_activity
from serving.lead_schemas import KeptActivity
from serving.schemas import instant

__all__ = ["timeline"]


def timeline(rows: Sequence[ActivityRow], most: int) -> list[KeptActivity]:
    """The newest `most` of them; whether a machine made one may rest on any that came before it."""
    ordered = sorted(rows, key=lambda row: (row.occurred_at, row.activity_id))
    made_by_machine = _machines(ordered)
    newest = list(zip(ordered, made_by_machine, strict=True))[::-1][:most]
    return [
        KeptActivity(
            row.activity_id, row.type, instant(row.occurred_at), instant(row.recorded_at), row.channel, row.url, row.content, row.campaign,
            row.duration_seconds, row.value, machine,
        )
        for row, machine in newest
    ]  # fmt: skip


def _machines(ordered: Sequence[ActivityRow]) -> list[bool]:
    if not ordered:
        return []
    fleeting = [row.duration_seconds == 0.0 for row in ordered]
    log = ActivityLog.build(
        1,
        np.zeros(len(ordered), dtype=np.int64),
        np.array([row.occurred_at for row in ordered], dtype=np.int64),
        recorded=np.array([row.recorded_at for row in ordered], dtype=np.int64),
        automated=np.array([bool(row.automated) for row in ordered], dtype=np.bool_),
        fleeting=np.array(fleeting, dtype=np.bool_) if any(fleeting) else None,
        **TextColumn.many(
            {
                "type": [row.type for row in ordered],
                "url": [row.url for row in ordered],
                "agent": [row.user_agent for row in ordered],
            }
        ),
    )
    flags: list[bool] = machine_activity(log).tolist()
    return flags
