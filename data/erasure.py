"""A lead is erased, with proof: nothing personal of it stays, and a tombstone says when that was done and by whom.

In: a lead's id. Out: what was removed, by table. Gone are the lead, its changes, activities, stages and outcomes, where it stood,
what people said of it, what was answered about it, messages about it in both directions, and of its decisions the input and the
answer; their bare rows stay in the ledger under the tombstone's name. Where decisions on colleagues were made from its activities,
those are taken out of their inputs. What was merged into it is erased with it.

Rows that come later and tell of a time before are not kept (`data/crm.py`); what happens afterwards begins a new story.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.crm import survivors
from data.erased import TOMBSTONE, digester
from data.errors import BadUsage
from data.schema import (
    activities,
    decisions,
    erasures,
    feedback,
    inbox,
    lead_changes,
    leads,
    merges,
    outbox,
    outcomes,
    overrides,
    replies,
    stage_changes,
    stale,
    standings,
)
from data.store import Store

__all__ = ["Erasure", "NothingHeld", "erase", "erase_stragglers"]

_OF_A_LEAD = (lead_changes, activities, stage_changes, outcomes, standings, stale, feedback, overrides, replies, outbox, merges, leads)
_NOTHING = b""
_canonical = msgspec.json.Encoder(order="deterministic")


class NothingHeld(BadUsage, status=404):
    """Nothing is held on a lead {lead_id!r}, and none of that name was erased."""


@dataclass(frozen=True)
class Erasure:
    """A lead that was erased."""

    erasure_id: str
    lead_id: str
    erased_at: int
    author: str
    removed: dict[str, int]
    """Rows, by table; of `decisions` those whose content is gone, of `inputs` those of colleagues that were cut."""
    known: bool = False
    """Whether it had been erased before, and nothing had come since."""


def erase(store: Store, lead_id: str, *, at: int, author: str) -> Erasure:
    """Erases a lead and all that was merged into it. Raises NothingHeld."""
    with store.mapped(), store.reading() as connection:
        family = _family(connection, lead_id)
        # Looking through the ledger takes a while: what is there by now is found before anybody has to wait.
        upto, mentioned = _mentions(connection, family, 0)
    with store.writing_of_leads(alone=True) as connection:
        family = _family(connection, lead_id)
        digest = digester(connection)
        places = mentioned + _mentions(connection, family, upto)[1]
        removed = {"decisions": _erase_decisions(connection, family, digest, at), "inputs": _cut_inputs(connection, places, family, at)}
        removed["inbox"] = _erase_messages(connection, [*family, *_addresses(connection, family)])
        removed |= {table.name: connection.execute(sa.delete(table).where(table.c.lead_id.in_(family))).rowcount for table in _OF_A_LEAD}
        if not any(removed.values()):
            return _before(connection, lead_id, digest)
        done = Erasure(str(uuid.uuid4()), lead_id, at, author, removed)
        for one in family:
            # Who is asked after under any of its names finds the same proof.
            name = done.erasure_id if one == family[0] else str(uuid.uuid4())
            told = {"erasure_id": name, "lead_digest": digest(one), "erased_at": at, "author": author, "removed": json.dumps(removed)}
            connection.execute(erasures.insert().values(told))
    _wipe_log(store)
    return done


def erase_stragglers(store: Store, lead_ids: Sequence[str], before: int) -> int:
    """Decisions that were under way while their leads were being erased; how many there were."""
    with store.writing_of_leads(alone=True) as connection:
        return _erase_decisions(connection, lead_ids, digester(connection), before, scored_before=before)


def _family(connection: Connection, lead_id: str) -> list[str]:
    (one,) = survivors(connection, [lead_id])
    return [one, *connection.execute(sa.select(merges.c.merged).where(merges.c.lead_id == one)).scalars()]


def _erase_decisions(
    connection: Connection, family: Sequence[str], digest: Callable[[str], str], at: int, *, scored_before: int | None = None
) -> int:
    """The ledger's rows stay: what was decided when, by which model and policy, of somebody whom they no longer name."""
    count = 0
    for one in family:
        bare = sa.update(decisions).where(decisions.c.lead_id == one)
        if scored_before is not None:
            bare = bare.where(decisions.c.as_of <= scored_before)
        gone: dict[str, Any] = {"lead_id": f"{TOMBSTONE}{digest(one)}", "input": _NOTHING, "answer": _NOTHING, "input_hash": ""}
        count += connection.execute(bare.values(**gone, idempotency_key=None, request_hash=None, erased_at=at)).rowcount
    return count


def _mentions(connection: Connection, family: Sequence[str], after: int) -> tuple[int, list[int]]:
    """How far the ledger reaches, and which entries after a place were made from what one of these did as somebody's colleague."""
    upto = connection.execute(sa.select(sa.func.coalesce(sa.func.max(decisions.c.sequence), 0))).scalar_one()
    holds = "instr(input, :name) > 0" if connection.dialect.name == "sqlite" else "position(CAST(:name AS bytea) IN input) > 0"
    wanted = sa.text(f"SELECT sequence FROM decisions WHERE sequence > :after AND lead_id <> :one AND {holds}")
    found: set[int] = set()
    for one in family:
        named = {"name": b'"lead_id":' + _canonical.encode(one), "after": after, "one": one}
        found |= set(connection.execute(wanted, named).scalars())
    return upto, sorted(found)


def _cut_inputs(connection: Connection, places: Sequence[int], family: Sequence[str], at: int) -> int:
    """Takes what these leads did out of the inputs of decisions on others; such a decision cannot be computed again."""
    cut = 0
    for place in places:
        kept = connection.execute(sa.select(decisions.c.input).where(decisions.c.sequence == place)).scalar()
        if not kept:  # one of their own, erased already
            continue
        given = msgspec.json.decode(bytes(kept))
        theirs = given.get("account_activities") or []
        given["account_activities"] = [row for row in theirs if row.get("lead_id") not in family]
        changed = sa.update(decisions).where(decisions.c.sequence == place).values(input=_canonical.encode(given), erased_at=at)
        cut += connection.execute(changed).rowcount
    return cut


def _addresses(connection: Connection, family: Sequence[str]) -> set[str]:
    """The mail addresses that were ever known of these leads: a message may name no id."""
    wanted = sa.select(lead_changes.c.value).where(lead_changes.c.lead_id.in_(family), lead_changes.c.field == "email")
    found = {msgspec.json.decode(text) for text in connection.execute(wanted).scalars() if text}
    return {one for one in found if isinstance(one, str) and one}


def _erase_messages(connection: Connection, names: Sequence[str]) -> int:
    """Empties the messages received that name one of these, if they have been read: one that waits may tell of others, too."""
    holds = "instr(body, :name) > 0" if connection.dialect.name == "sqlite" else "position(CAST(:name AS bytea) IN body) > 0"
    wanted = sa.text(f"SELECT digest, body FROM inbox WHERE due_at IS NULL AND {holds}")
    emptied: set[str] = set()
    for name in names:
        text = _canonical.encode(name)[1:-1]
        whole = re.compile(rb"(?<![\w.-])" + re.escape(text) + rb"(?![\w.-])")
        rows = connection.execute(wanted, {"name": text}).all()
        emptied |= {row.digest for row in rows if whole.search(bytes(row.body))}
    if emptied:
        connection.execute(sa.update(inbox).where(inbox.c.digest.in_(emptied)).values(body=_NOTHING))
    return len(emptied)


def _wipe_log(store: Store) -> None:
    """SQLite's log still holds the pages as they were: it is copied home and cut, unless somebody reads from it just now."""
    if store.is_sqlite:
        with store.mapped(), closing(store.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def _before(connection: Connection, lead_id: str, digest: Callable[[str], str]) -> Erasure:
    newest = sa.select(erasures).where(erasures.c.lead_digest == digest(lead_id)).order_by(erasures.c.erased_at.desc())
    row = connection.execute(newest).first()
    if row is None:
        raise NothingHeld(lead_id=lead_id)
    return Erasure(row.erasure_id, lead_id, row.erased_at, row.author, json.loads(row.removed), known=True)
