"""What other systems push is understood: the inbox is read by each receiver's mapping and kept as leads and what they did.

In: the inbox. Out: the same rows that `PUT /v1/leads` and `POST /v1/activities` keep, recorded when they were received. Keeping
them twice changes nothing, so a worker that is killed in between loses and doubles nothing. What cannot be read stays in the
inbox with the reason; what can be read beside it is kept all the same.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from data.crm import ActivityRow, Crm, LeadPut, OutcomeRow, StageRow
from data.errors import BadData, BadUsage, TamizError
from data.hooks import Hook, Hooks, Received, digest_of_secret
from data.store import now
from serving.ingest import ACTIVITIES, OUTCOMES, STAGES, Kind, lead_put, read_rows
from serving.mapping import BadMapping, Mapping, Row, payload_of, preset, read_mapping, rows_of

if TYPE_CHECKING:
    from serving.service import Service
    from serving.work_schemas import ReceiverRequest

__all__ = ["Read", "mapping_of", "new_receiver", "read", "take"]

TOGETHER = 100
LEASE = 30_000_000
AGAIN = 5_000_000
TOLD = 5
"""Of the reasons why a body could not be read, how many are kept."""
_KINDS: dict[str, Kind[Any]] = {"activity": ACTIVITIES, "stage_change": STAGES, "outcome": OUTCOMES}


class Read(msgspec.Struct):
    """What a body means."""

    leads: list[LeadPut] = []
    activities: list[ActivityRow] = []
    stage_changes: list[StageRow] = []
    outcomes: list[OutcomeRow] = []
    problems: list[str] = []

    @property
    def rows(self) -> int:
        return len(self.leads) + len(self.activities) + len(self.stage_changes) + len(self.outcomes)


def new_receiver(mapping: str, *, note: str, author: str) -> tuple[str, Hook]:
    """The path of a fresh receiver, which is its secret, and what is kept of it."""
    secret = secrets.token_urlsafe(32)
    return f"/v1/hooks/{secret}", Hook(f"rc_{secrets.token_hex(8)}", digest_of_secret(secret), mapping, note, author, now())


def mapping_of(wanted: ReceiverRequest) -> str:
    """The mapping that a request names or brings, as it is kept; raises BadMapping."""
    if (wanted.mapping is None) == (wanted.preset is None):
        raise BadMapping(why="give either `mapping` or `preset`.")
    text = preset(wanted.preset) if wanted.preset is not None else msgspec.json.encode(wanted.mapping).decode()
    read_mapping(text)
    return text


def read(mapping: Mapping, body: bytes, received_at: int) -> Read:
    """What a body means by a mapping, and what of it cannot be read."""
    found = Read()
    try:
        for row in rows_of(mapping, payload_of(body)):
            if isinstance(row, Row):
                try:
                    _add(found, row, received_at)
                except (BadData, BadUsage) as error:
                    found.problems.append(f"{row.kind} of lead {row.values.get('lead_id')}: {error}")
            else:
                found.problems.append(str(row))
    except (BadData, BadUsage) as error:
        found.problems.append(str(error))
    return found


async def take(service: Service) -> bool:
    """Reads some of the inbox; whether there may be more."""
    return await asyncio.to_thread(_take, Hooks(service.store), service.crm)


def _take(hooks: Hooks, crm: Crm) -> bool:
    claimed = hooks.claim(TOGETHER, now(), LEASE)
    for one, mapping in claimed:
        try:
            _take_one(hooks, crm, one, read_mapping(mapping))
        except BadMapping as error:
            hooks.failed(one.digest, str(error), again_at=None)
        except TamizError as error:  # the store did not take it: that is no fault of what was pushed
            hooks.failed(one.digest, str(error), again_at=now() + AGAIN)
    return len(claimed) == TOGETHER


def _take_one(hooks: Hooks, crm: Crm, one: Received, mapping: Mapping) -> None:
    found = read(mapping, one.body, one.received_at)
    if found.leads:
        crm.put_leads(found.leads)
    if found.activities:
        crm.add_activities(found.activities)
    if found.stage_changes:
        crm.add_stage_changes(found.stage_changes)
    if found.outcomes:
        crm.add_outcomes(found.outcomes)
    if found.problems:
        more = f" (and {len(found.problems) - TOLD:,} more)" if len(found.problems) > TOLD else ""
        hooks.failed(one.digest, " ".join(found.problems[:TOLD]) + more, again_at=None)
    else:
        hooks.taken(one.digest, now(), None if found.rows else "No rule makes anything of it.")


def _add(found: Read, row: Row, received_at: int) -> None:
    """Reads a row as the same row of the API would be read."""
    if row.kind == "lead":
        values = {name: row.values[name] for name in ("lead", "changed_at") if row.values[name] is not None}
        found.leads.append(lead_put(row.values["lead_id"], msgspec.json.encode(values), received_at))
        return
    values = dict(row.values)
    for name in ("occurred_at", "entered_at", "converted_at"):
        if name in values and values[name] is None:
            del values[name]
    for one in read_rows(_KINDS[row.kind], msgspec.json.encode([values]), "application/json", received_at, imported=False):
        if isinstance(one, TamizError):
            raise one
        if isinstance(one, ActivityRow):
            found.activities.append(one)
        elif isinstance(one, StageRow):
            found.stage_changes.append(one)
        else:
            found.outcomes.append(one)
