"""What a CRM sends, kept by its natural keys: sending anything twice changes nothing, and the order of arrival does not matter.

In: rows as plain dataclasses, instants in microseconds since 1970 UTC. Out: for each row whether it was new, and for leads
what was known of them at an instant. `recorded_at` is when we heard of a row, unless an import declares otherwise: what was
recorded at or after an instant is not known at it. Every write marks the lead as stale, so that it is scored again.

Rows go in and come out as JSON in one statement each, which both databases unpack themselves: thousands of small statements
would cost more than the work. On PostgreSQL a transaction that writes of leads shares a lock with others of its kind, and a merge
or an erasure holds it alone: no row can come in for a lead that is just ceasing to be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from threading import Lock
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.accounts import account_of
from data.erased import erased_at
from data.quick import Quick
from data.schema import activities, lead_changes, leads, outcomes, stage_changes, stale, standings
from data.store import Store, now

__all__ = [
    "ActivityRow",
    "Crm",
    "Held",
    "LeadPut",
    "OutcomeRow",
    "Override",
    "Placing",
    "Queue",
    "Reader",
    "StageRow",
    "Standing",
    "Taken",
    "as_json",
    "hear_of",
    "histories_of",
    "instant_in",
    "keep_standings",
    "mark_stale",
    "set_current",
    "stand_within",
    "survivors",
]

Taken = Literal["new", "known", "erased"]
"""Whether a row was new, or held already, or tells of a time before its lead was erased: then it is not kept."""
COLLEAGUES = 200
"""Of an account, how many leads at most are looked at as colleagues, and how many activities of theirs."""
COLLEAGUES_ACTIVITIES = 5_000
Json = str
History = list[tuple[int, Json]]
"""The dated values of a field, as JSON, in order of time."""


@dataclass(frozen=True)
class LeadPut:
    """Values of a lead's fields since an instant; a field that is not named stays as it was, None clears it."""

    lead_id: str
    values: Mapping[str, Any]
    changed_at: int
    recorded_at: int


class ActivityRow(msgspec.Struct, frozen=True, array_like=True):
    """Something a lead did, or that was done to it."""

    lead_id: str
    occurred_at: int
    recorded_at: int
    type: str
    activity_id: str = ""
    """Empty: made from the rest, so that the same event sent twice is one."""
    channel: str | None = None
    url: str | None = None
    content: str | None = None
    campaign: str | None = None
    duration_seconds: float | None = None
    value: str | None = None
    user_agent: str | None = None
    automated: int | None = None


class StageRow(msgspec.Struct, frozen=True, array_like=True):
    """An entry of the lead's pipeline history."""

    lead_id: str
    entered_at: int
    stage: str
    recorded_at: int
    owner: str | None = None
    amount: float | None = None
    reason: str | None = None


class OutcomeRow(msgspec.Struct, frozen=True, array_like=True):
    """A conversion, or a loss."""

    lead_id: str
    converted_at: int
    recorded_at: int
    kind: str = "won"
    amount: float | None = None


class Override(msgspec.Struct, frozen=True, array_like=True):
    """What a person decided about a lead, whatever the model says; null `lifted_at`: it holds until it expires, if it does."""

    override_id: str
    lead_id: str
    decision: str
    author: str
    reason: str
    given_at: int
    expires_at: int | None = None
    lifted_at: int | None = None
    lifted_by: str | None = None


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """Where a lead stands."""

    lead_id: str
    decision: str
    since: int
    decision_id: str
    """The ledger's entry that says why; empty when it is written: none was made this time, the one before still holds."""
    probability: float
    probability_low: float
    probability_high: float
    score: float | None
    grade: str | None
    expected_value: float | None
    as_of: int
    model_version: str
    policy_version: str
    answer: Json
    state: str = "new"
    state_since: int | None = None
    owner: str | None = None
    handed_at: int | None = None
    """When it was handed to sales last, if that holds, until when somebody was to take care of it, and when somebody did."""
    due_at: int | None = None
    touched_at: int | None = None
    wakes_at: int | None = None
    """When it is to be looked at again though nothing happens."""


@dataclass(frozen=True)
class Queue:
    """Which leads are wanted, in which order, after which one."""

    decisions: tuple[str, ...] = ()
    sort: Literal["probability", "expected_value", "since", "as_of", "due_at"] = "probability"
    falling: bool = True
    at_least: float | None = None
    states: tuple[str, ...] = ()
    clocks: tuple[str, ...] = ()
    """How the hand-over stands (`running`, `met`, `late`, `breached`) at `now`."""
    owner: str | None = None
    now: int = 0
    after: tuple[float, str] | None = None
    """Sort value and id of the last lead of the page before."""
    limit: int = 50


Placing = Callable[["Reader", Sequence[Standing]], Sequence[Standing]]
"""Says of leads where they are on their way, from what a transaction reads."""
Happened = TypeVar("Happened", ActivityRow, StageRow, OutcomeRow)


@dataclass(frozen=True)
class Held:
    """What was known of a lead at an instant."""

    lead_id: str
    account: str | None
    attributes: dict[str, Any]
    activities: list[ActivityRow] = field(default_factory=list)
    colleagues: list[ActivityRow] | None = None
    """Activities of other leads of its account; None for a lead without one."""
    cut: bool = False
    """Whether the account was too large to be looked at whole."""
    merged: list[str] = field(default_factory=list)
    """Leads that became this one."""
    override: Override | None = None
    """What a person decided, if that still holds."""
    rejected_at: int | None = None
    """When sales rejected it, if that is what it said last."""


class Crm:
    """The leads of an installation."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._quick = store.quick()
        self._reading = Lock()

    # --------------------------------------------------------------------------------------------- what comes in

    def put_leads(self, rows: Sequence[LeadPut]) -> list[Taken]:
        """Enters field values; `known` where nothing changed by them."""
        with self.store.writing_of_leads() as connection:
            into = survivors(connection, [row.lead_id for row in rows])
            over = _past(connection, [(row.lead_id, row.changed_at) for row in rows], into)
            rows = [replace(row, lead_id=one) for row, one in zip(rows, into, strict=True)]
            every, rows = rows, [row for row, past in zip(rows, over, strict=True) if not past]
            wanted = {row.lead_id for row in rows}
            hear_of(connection, dict(_first_heard(rows)))
            histories = histories_of(Reader(connection), wanted)
            answers: list[Taken] = []
            changes: list[_Change] = []
            for row, past in zip(every, over, strict=True):
                if past:
                    answers.append("erased")
                    continue
                history = histories.setdefault(row.lead_id, {})
                fresh = [name for name, value in row.values.items() if _differs(history.get(name), row.changed_at, value)]
                for name in fresh:
                    text = msgspec.json.encode(row.values[name]).decode()
                    history.setdefault(name, []).append((row.changed_at, text))
                    changes.append(_Change(row.lead_id, name, row.changed_at, text, row.recorded_at))
                answers.append("new" if fresh else "known")
            touched = {row.lead_id for row, answer in zip(every, answers, strict=True) if answer == "new"}
            _add(connection, lead_changes, changes)
            set_current(connection, {one: histories[one] for one in touched})
            mark_stale(connection, dict.fromkeys(touched, now()))
        return answers

    def add_activities(self, rows: Sequence[ActivityRow]) -> list[Taken]:
        """Enters activities; an `activity_id` that the lead already has is `known`, and the first one heard of stays."""
        return self._add(activities, [row if row.activity_id else _named(row) for row in rows], ("lead_id", "activity_id"))

    def add_stage_changes(self, rows: Sequence[StageRow]) -> list[Taken]:
        return self._add(stage_changes, rows, ("lead_id", "entered_at", "stage"))

    def add_outcomes(self, rows: Sequence[OutcomeRow]) -> list[Taken]:
        return self._add(outcomes, rows, ("lead_id", "converted_at", "kind"))

    def _add(self, table: sa.Table, rows: Sequence[Happened], key: tuple[str, ...]) -> list[Taken]:
        with self.store.writing_of_leads() as connection:
            survived, happened = survivors(connection, [row.lead_id for row in rows]), attrgetter(_HAPPENED[table.name])
            over = _past(connection, [(row.lead_id, happened(row)) for row in rows], survived)
            rows = [
                row if row.lead_id == into else msgspec.structs.replace(row, lead_id=into) for row, into in zip(rows, survived, strict=True)
            ]
            added = _add(connection, table, [row for row, past in zip(rows, over, strict=True) if not past])
            touched: dict[str, int] = {}
            answers: list[Taken] = []
            name = attrgetter(*key)
            for row, past in zip(rows, over, strict=True):
                one = name(row)
                if past:
                    answers.append("erased")
                    continue
                answers.append("new" if one in added else "known")
                if one in added:
                    added.discard(one)  # its double in the same order is known already
                    touched[row.lead_id] = max(row.recorded_at, touched.get(row.lead_id, 0))
            hear_of(connection, touched)
            # Since now, and not since it was recorded: what is imported from before has not waited yet, and passes nobody by.
            mark_stale(connection, dict.fromkeys(touched, now()))
        return answers

    # --------------------------------------------------------------------------------------------- what is known

    def held(self, lead_ids: Sequence[str], as_of: int, *, context: bool = True) -> list[Held | None]:
        """What was known of each lead at `as_of`, its account's context included; None for a lead never heard of by then."""
        with self._reading:
            found, members, theirs = self._look(lead_ids, as_of, COLLEAGUES if context else 0)
        for asked, one in found.items():
            if one.account in theirs:
                did = theirs[one.account]
                colleagues = [row for lead_id, rows in did.items() if lead_id != one.lead_id for row in rows]
                cut = len(members[one.account]) >= COLLEAGUES or sum(map(len, did.values())) >= COLLEAGUES_ACTIVITIES
                found[asked] = replace(one, colleagues=colleagues, cut=cut)
        return [found.get(one) for one in lead_ids]

    def _look(
        self, lead_ids: Sequence[str], as_of: int, colleagues: int
    ) -> tuple[dict[str, Held], dict[str, list[str]], dict[str, dict[str, list[ActivityRow]]]]:
        """Leads by the names that were asked for, the members of their accounts, and what those did where they are several."""
        read = Reader(self._quick, sqlite=self.store.is_sqlite)
        if len(lead_ids) < 2 or not colleagues:  # a query sees one state by itself, and most have their account to themselves
            found, members = read.held(lead_ids, as_of, colleagues)
            if all(len(of) < 2 for of in members.values()):
                return found, members, {account: {} for account in members}
        with self._quick.snapshot():
            found, members = read.held(lead_ids, as_of, colleagues)
            theirs = {account: read.activities(of, as_of, COLLEAGUES_ACTIVITIES) if len(of) > 1 else {} for account, of in members.items()}
        return found, members, theirs

    def newest(self, lead_ids: Sequence[str]) -> int:
        """The last instant at which anything of these leads was recorded or looked at; later than now where the clock was set back."""
        with self.store.mapped(), self.store.reading() as connection:
            read = Reader(connection)
            names = as_json(survivors(connection, lead_ids))
            return max(int(found) for table in _DATED for ((found,),) in [read(f"newest {table}", names)])

    # --------------------------------------------------------------------------------------------- what waits to be scored

    def claim_stale(self, limit: int, now: int, lease: int) -> list[tuple[str, int]]:
        """Up to `limit` leads that have waited longest, with the mark of each one's last change; nobody else gets them before
        `now + lease`."""
        # A lease that ends later than one given now could was given before the clock was set back.
        free = sa.or_(stale.c.claimed_until.is_(None), stale.c.claimed_until <= now, stale.c.claimed_until > now + lease)
        oldest = sa.select(stale.c.lead_id).where(free).order_by(stale.c.since).limit(limit)
        # Most of the time nothing waits, and whoever only looks must not keep the ledger from its write lock: SQLite's
        # writers wait for each other in steps of up to a tenth of a second.
        with self.store.reading() as connection:
            if connection.execute(oldest.limit(1)).first() is None:
                return []
        if not self.store.is_sqlite:
            oldest = oldest.with_for_update(skip_locked=True)
        claim = sa.update(stale).where(stale.c.lead_id.in_(oldest.scalar_subquery())).values(claimed_until=now + lease)
        with self.store.writing() as connection:
            return [(row.lead_id, row.changed) for row in connection.execute(claim.returning(stale.c.lead_id, stale.c.changed))]

    def settle_stale(self, done: Mapping[str, int]) -> None:
        """Leads that were scored, with the mark that each had before it was looked at: one that changed since waits again."""
        with self.store.writing() as connection:
            for lead_id, changed in sorted(done.items()):
                settled = sa.delete(stale).where(stale.c.lead_id == lead_id, stale.c.changed == changed)
                if connection.execute(settled).rowcount == 0:
                    connection.execute(sa.update(stale).where(stale.c.lead_id == lead_id).values(claimed_until=None))

    # --------------------------------------------------------------------------------------------- where leads stand

    def stand(self, rows: Sequence[Standing], place: Placing | None = None) -> None:
        """Keeps where leads stand now, as `keep_standings` does, in a transaction of its own."""
        if rows:
            with self.store.writing_of_leads(deciding=[row.lead_id for row in rows]) as connection:
                keep_standings(Reader(connection), rows, place)

    def queue(self, wanted: Queue) -> list[Standing]:
        """A page of leads in the order asked for."""
        column = standings.c[wanted.sort]
        at = sa.func.coalesce(column, _NOTHING) if wanted.sort == "expected_value" else column
        chosen = sa.select(*(standings.c[name] for name in Standing.__struct_fields__))
        if wanted.decisions:
            chosen = chosen.where(standings.c.decision.in_(wanted.decisions))
        if wanted.at_least is not None:
            chosen = chosen.where(standings.c.probability >= wanted.at_least)
        if wanted.states:
            chosen = chosen.where(standings.c.state.in_(wanted.states))
        if wanted.clocks:
            chosen = chosen.where(sa.or_(*(_clock(one, wanted.now) for one in wanted.clocks)))
        if wanted.owner is not None:
            chosen = chosen.where(standings.c.owner == wanted.owner)
        if wanted.sort == "due_at":
            chosen = chosen.where(standings.c.due_at.is_not(None))
        if wanted.after is not None:
            value, lead_id = wanted.after
            beyond = at < value if wanted.falling else at > value
            chosen = chosen.where(sa.or_(beyond, sa.and_(at == value, standings.c.lead_id > lead_id)))
        ordered = chosen.order_by(at.desc() if wanted.falling else at.asc(), standings.c.lead_id).limit(wanted.limit)
        with self.store.mapped(), self.store.reading() as connection:
            return [Standing(*row) for row in connection.execute(ordered)]

    def place(self, lead_id: str, place: Placing) -> None:
        """Keeps where a lead is on its way, as `stand` does, and leaves its figures as they are; one that stands nowhere stays so."""
        with self.store.writing_of_leads(deciding=[lead_id]) as connection:
            row = _stands(connection, lead_id)
            if row is not None:
                (placed,) = place(Reader(connection), [row])
                values = {name: getattr(placed, name) for name in _ON_ITS_WAY}
                connection.execute(sa.update(standings).where(standings.c.lead_id == lead_id).values(values))

    def wake(self, at: int) -> int:
        """Has those leads looked at again whose time has come though nothing happened; how many."""
        over = standings.c.wakes_at <= at
        with self.store.mapped(), self.store.reading() as connection:
            if connection.execute(sa.select(standings.c.lead_id).where(over).limit(1)).first() is None:
                return 0
        with self.store.writing_of_leads() as connection:
            woken = sa.update(standings).where(over).values(wakes_at=None).returning(standings.c.lead_id)
            leads_ = list(connection.execute(woken).scalars())
            mark_stale(connection, dict.fromkeys(leads_, at))
        return len(leads_)

    def hand_offs(self, since: int, now: int) -> list[tuple[str | None, str, int, int]]:
        """Of leads handed over since an instant and of those that still wait: owner, clock, how many, and the earliest due time."""
        told = sa.case(*((_clock(one, now), one) for one in ("running", "breached", "met")), else_="late").label("told")
        waits = sa.and_(standings.c.touched_at.is_(None), standings.c.due_at.is_not(None))
        open_ = sa.or_(waits, standings.c.handed_at >= since)
        # PostgreSQL does not see that two expressions with parameters are one: they get a name before they are grouped.
        each = sa.select(standings.c.owner, told, standings.c.due_at).where(standings.c.due_at.is_not(None), open_).subquery()
        chosen = sa.select(each.c.owner, each.c.told, sa.func.count(), sa.func.min(each.c.due_at)).group_by(each.c.owner, each.c.told)
        with self.store.mapped(), self.store.reading() as connection:
            return [(row[0], row[1], row[2], row[3]) for row in connection.execute(chosen)]

    def breached(self, now: int) -> int:
        """How many leads wait for sales beyond what was promised."""
        with self.store.mapped(), self.store.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(standings).where(_clock("breached", now))).scalar_one()

    def standing(self, lead_id: str) -> tuple[str, Standing | None, int] | None:
        """The lead (or the one that it was merged into), where it stands, and the mark of its last change, 0 if it was scored since;
        None if unknown."""
        with self.store.mapped(), self.store.reading() as connection:
            (one,) = survivors(connection, [lead_id])
            if connection.execute(sa.select(leads.c.lead_id).where(leads.c.lead_id == one)).first() is None:
                return None
            # The mark first: of a lead that is scored between the two looks one sees too much work, and not too old a standing.
            changed = connection.execute(sa.select(stale.c.changed).where(stale.c.lead_id == one)).scalar()
            return one, _stands(connection, one), changed or 0

    def waiting(self) -> tuple[int, int | None]:
        """How many leads wait to be scored, and since when the first of them."""
        with self.store.mapped(), self.store.reading() as connection:
            count, since = connection.execute(sa.select(sa.func.count(), sa.func.min(stale.c.since))).one()
        return count, since


def _stands(connection: Connection, lead_id: str) -> Standing | None:
    chosen = sa.select(*(standings.c[name] for name in Standing.__struct_fields__)).where(standings.c.lead_id == lead_id)
    row = connection.execute(chosen).first()
    return None if row is None else Standing(*row)


def _clock(name: str, now: int) -> sa.ColumnElement[bool]:
    """Which hand-overs stand so at an instant; `models/lifecycle.py` says the same of one."""
    due, touched = standings.c.due_at, standings.c.touched_at
    handed = standings.c.handed_at > 0  # whoever was never handed over is not in the index, and not looked at
    return {
        "running": sa.and_(touched.is_(None), due > now),
        "breached": sa.and_(touched.is_(None), due <= now),
        "met": sa.and_(handed, touched <= due),
        "late": sa.and_(handed, touched > due),
    }[name]


def _held(
    lead_id: str, account: str | None, changes: Json, did: Json | None, merged: Json | None, override: Json | None, rejected_at: int | None
) -> Held:
    newest: dict[str, tuple[int, Json]] = {}
    for name, at, text in _read_changes(changes) if changes else ():
        if name not in newest or at > newest[name][0]:
            newest[name] = at, text
    attributes = {name: msgspec.json.decode(text) for name, (_, text) in newest.items() if text != "null"}
    return Held(
        lead_id,
        account,
        attributes,
        _read_activities(did) if did else [],
        merged=sorted(msgspec.json.decode(merged)) if merged else [],
        override=_read_override(override) if override else None,
        rejected_at=rejected_at,
    )


def _past(connection: Connection, told: Sequence[tuple[str, int]], survived: Sequence[str]) -> list[bool]:
    """Of rows (a lead and an instant of it, and the lead that it is now) whether they tell of a time before it was erased."""
    gone = erased_at(connection, {*survived, *(lead_id for lead_id, _ in told)})
    if not gone:
        return [False] * len(told)
    return [at < max(gone.get(lead_id, 0), gone.get(into, 0)) for (lead_id, at), into in zip(told, survived, strict=True)]


def _differs(history: list[tuple[int, Json]] | None, at: int, value: object) -> bool:
    """Whether a value at an instant says anything that the field's history, in order of time, does not say already."""
    text = msgspec.json.encode(value).decode()
    before: Json | None = None
    for instant, said in history or []:
        if instant == at:
            return False  # the first that was said of an instant stays
        if instant < at:
            before = said
    return before != text if before is not None else value is not None


def _named(row: ActivityRow) -> ActivityRow:
    """The activity with an id made of what it says, whoever's it is (leads may be merged) and whenever it was recorded."""
    digest = hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(row, recorded_at=0, lead_id=""))).hexdigest()[:32]
    return msgspec.structs.replace(row, activity_id=f"={digest}")


def _first_heard(rows: Iterable[LeadPut]) -> Iterator[tuple[str, int]]:
    heard: dict[str, int] = {}
    for row in rows:
        heard[row.lead_id] = min(row.recorded_at, heard.get(row.lead_id, row.recorded_at))
    yield from heard.items()


# ------------------------------------------------------------------------------------------------- statements


class _Change(msgspec.Struct, frozen=True, array_like=True):
    lead_id: str
    field: str
    changed_at: int
    value: Json
    recorded_at: int


class _Heard(msgspec.Struct, frozen=True, array_like=True):
    lead_id: str
    recorded_at: int
    attributes: Json = "{}"


class _Stale(msgspec.Struct, frozen=True, array_like=True):
    lead_id: str
    since: int
    changed: int


_ACTIVITY = ", ".join(ActivityRow.__struct_fields__)
_DATED = {"leads": "recorded_at", "lead_changes": "recorded_at", "activities": "recorded_at", "standings": "as_of"}
_OVERRIDE = ", ".join(Override.__struct_fields__)
_ON_ITS_WAY = ("state", "state_since", "owner", "handed_at", "due_at", "touched_at", "wakes_at")
_QUERIES = {
    **{f"newest {table}": f"SELECT COALESCE(MAX({at}), 0) FROM {table} WHERE lead_id {{among}}" for table, at in _DATED.items()},
    "merged": "SELECT merged, lead_id FROM merges WHERE merged {among}",
    "held": "SELECT asked.value,"
    " (SELECT {array}(lead_id){text} FROM"
    " (SELECT m.lead_id FROM leads m WHERE m.account = l.account ORDER BY changed_at DESC, lead_id LIMIT {0}) AS member),"
    " l.lead_id, l.account,"
    " (SELECT {array}({each}(field, changed_at, value)){text} FROM lead_changes c"
    " WHERE c.lead_id = l.lead_id AND changed_at < {0} AND recorded_at < {0}),"
    f" (SELECT {{array}}({{each}}({_ACTIVITY})){{text}} FROM (SELECT * FROM activities a"
    " WHERE a.lead_id = l.lead_id AND occurred_at < {0} AND recorded_at < {0} ORDER BY occurred_at DESC, activity_id) AS did),"
    " (SELECT {array}(merged){text} FROM merges m WHERE m.lead_id = l.lead_id AND merged_at < {0}),"
    f" (SELECT {{each}}({_OVERRIDE}){{text}} FROM overrides o WHERE o.lead_id = l.lead_id AND given_at < {{0}}"
    " AND (lifted_at IS NULL OR lifted_at > {0}) AND (expires_at IS NULL OR expires_at > {0}) ORDER BY given_at DESC LIMIT 1),"
    " (SELECT CASE WHEN verdict = 'rejected' THEN given_at END FROM feedback f WHERE f.lead_id = l.lead_id AND given_at < {0}"
    " ORDER BY given_at DESC, feedback_id DESC LIMIT 1)"
    " FROM {asked} JOIN leads l ON l.lead_id = COALESCE((SELECT m.lead_id FROM merges m WHERE m.merged = asked.value), asked.value)"
    " WHERE l.recorded_at < {0}",
    "changes": "SELECT lead_id, field, changed_at, value FROM lead_changes WHERE lead_id {among}"
    " AND changed_at < {0} AND recorded_at < {0}",
    "activities": f"SELECT {_ACTIVITY} FROM activities WHERE lead_id {{among}} AND occurred_at < {{0}} AND recorded_at < {{0}}"
    " ORDER BY occurred_at DESC, lead_id, activity_id LIMIT {0}",
    "course": "SELECT asked.value,"
    " (SELECT {array}({each}(scored_at, decision, previous_decision, policy_version, taken_back)){text} FROM decisions d"
    " WHERE d.lead_id = asked.value AND (previous_decision IS NULL OR previous_decision <> decision)),"
    " (SELECT {array}({each}(given_at, verdict, reason, author)){text} FROM feedback f WHERE f.lead_id = asked.value),"
    " (SELECT {array}({each}(entered_at, stage, reason, owner)){text} FROM stage_changes s WHERE s.lead_id = asked.value),"
    " (SELECT {array}({each}(converted_at, kind)){text} FROM outcomes o WHERE o.lead_id = asked.value),"
    " (SELECT {array}({each}(occurred_at, type)){text} FROM activities a WHERE a.lead_id = asked.value AND type {among}),"
    " (SELECT {attributes} ->> 'owner' FROM leads l WHERE l.lead_id = asked.value)"
    " FROM {asked}",
    "name_entries": "UPDATE standings SET (decision_id, since) = (SELECT decision_id, scored_at FROM decisions"
    " WHERE decisions.lead_id = standings.lead_id ORDER BY sequence DESC LIMIT 1) WHERE decision_id = '' AND lead_id {among}",
}
_EVER = 2**63 - 1
_HAPPENED = {"activities": "occurred_at", "stage_changes": "entered_at", "outcomes": "converted_at"}
_NOTHING = -1.0
"""Where a lead without an expected value stands among those with one."""


class Reader:
    """The queries of this file on a connection of either kind; lists of names go in as one JSON text."""

    def __init__(self, on: Quick | Connection, *, sqlite: bool | None = None) -> None:
        self._on = on
        self._sqlite = sqlite if sqlite is not None else isinstance(on, Connection) and on.dialect.name == "sqlite"

    def __call__(self, query: str, *values: object) -> list[Any]:
        sql = _query(query, self._sqlite)
        return self._on.read(sql, *values) if isinstance(self._on, Quick) else list(self._on.exec_driver_sql(sql, values))

    def run(self, statement: str, *values: object) -> None:
        """A statement that gives no rows."""
        sql = _query(statement, self._sqlite)
        if isinstance(self._on, Quick):
            self._on.read(sql, *values)
        else:
            self._on.exec_driver_sql(sql, values)

    def held(self, lead_ids: Collection[str], as_of: int, colleagues: int) -> tuple[dict[str, Held], dict[str, list[str]]]:
        """By the names that were asked for what was known at `as_of`, and by account up to so many of its members."""
        found: dict[str, Held] = {}
        members: dict[str, list[str]] = {}
        for asked, members_, *row in self("held", colleagues, *[as_of] * 9, as_json(dict.fromkeys(lead_ids)), as_of):
            one = found[asked] = _held(*row)
            if one.account is not None and members_:
                members[one.account] = _read_names(members_)
        return found, members

    def activities(self, lead_ids: Collection[str], as_of: int, most: int = _EVER) -> dict[str, list[ActivityRow]]:
        """Of each lead what was known at `as_of`, the newest `most` of all of them, newest first."""
        found: dict[str, list[ActivityRow]] = {}
        for ((text,),) in [self("activities", as_json(lead_ids), as_of, as_of, most)]:
            for row in _read_activities(text) if text else ():
                found.setdefault(row.lead_id, []).append(row)
        return found


_read_changes = msgspec.json.Decoder(list[tuple[str, int, str]]).decode
_read_names = msgspec.json.Decoder(list[str]).decode
_read_override = msgspec.json.Decoder(Override).decode
_read_activities = msgspec.json.Decoder(list[ActivityRow], strict=False).decode


@lru_cache(maxsize=64)
def _query(name: str, sqlite: bool) -> str:
    """The query in the words of one database. Activities come as one JSON text, which is made and read faster than rows."""
    if name == "stand":
        return _standing_statement(sqlite)
    if name == "stale":
        most = "max" if sqlite else "greatest"
        again = f"UPDATE SET changed = {most}(stale.changed + 1, excluded.changed)"
        return _insert(stale, _Stale.__struct_fields__, sqlite, again)
    # PostgreSQL would join with a list of unknown length; an array it looks up in the index.
    among = "IN (SELECT value FROM json_each(?))" if sqlite else "= ANY (ARRAY(SELECT json_array_elements_text(CAST(%s AS json))))"
    array, each = ("json_group_array", "json_array") if sqlite else ("json_agg", "json_build_array")
    asked = "json_each(?) AS asked" if sqlite else "json_array_elements_text(CAST(%s AS json)) AS asked(value)"
    words = {"among": among, "array": array, "each": each, "asked": asked, "text": "" if sqlite else "::text"}
    words["attributes"] = "attributes" if sqlite else "CAST(attributes AS json)"
    sql = _QUERIES[name].format("?" if sqlite else "%s", **words)
    if name == "activities":
        sql = f"SELECT {array}({each}({_ACTIVITY})){'' if sqlite else '::text'} FROM ({sql}) AS found"
    return sql


def keep_standings(on: Reader, rows: Sequence[Standing], place: Placing | None = None) -> None:
    """Writes where leads stand now, in a transaction beside which nobody else decides on them.

    The decision's date and ledger entry stay while the decision does. A row without a ledger entry whose lead did not stand so
    before names the entry that was made then: by a score that was sent as a body, or just before a process was killed. `place`
    says where each is on its way, from what the transaction reads by now: that is always kept. Figures are kept unless those that
    are there were computed as of a later time; where the ledger's entry then says another decision, the lead is scored again.
    """
    rows = rows if place is None else place(on, rows)
    decided = dict(on("stand", msgspec.json.encode(sorted(rows, key=attrgetter("lead_id"))).decode()))
    unentered = [row.lead_id for row in rows if not row.decision_id]
    if unentered:
        on.run("name_entries", as_json(unentered))
    overtaken = [row.lead_id for row in rows if row.decision_id and decided.get(row.lead_id, row.decision) != row.decision]
    if overtaken:
        _mark(on, dict.fromkeys(overtaken, now()))


def stand_within(on: Quick, sqlite: bool, rows: Sequence[Standing], place: Placing) -> None:
    """The same in the transaction that enters the decisions."""
    keep_standings(Reader(on, sqlite=sqlite), rows, place)


def _standing_statement(sqlite: bool) -> str:
    older, same = "standings.as_of > excluded.as_of", "standings.decision = excluded.decision AND excluded.decision_id = ''"

    def kept(name: str) -> str:
        if name in _ON_ITS_WAY:
            return f"excluded.{name}"
        stays = f"{older} OR ({same})" if name in ("since", "decision_id") else older
        return f"CASE WHEN {stays} THEN standings.{name} ELSE excluded.{name} END"

    fields = Standing.__struct_fields__
    set_ = ", ".join(f"{name} = {kept(name)}" for name in fields if name != "lead_id")
    # One that was merged or erased while it was being scored stands nowhere.
    there = "EXISTS (SELECT 1 FROM leads WHERE leads.lead_id = {0})"
    return _insert(standings, fields, sqlite, f"UPDATE SET {set_}", there, "lead_id, decision")


def as_json(values: Collection[str]) -> Json:
    return msgspec.json.encode(list(values)).decode()


def survivors(on: Connection | Reader, lead_ids: Sequence[str]) -> list[str]:
    """Each lead, or the one that it was merged into: one step, because a merge takes along what was merged before."""
    read = on if isinstance(on, Reader) else Reader(on)
    into = dict(read("merged", as_json(set(lead_ids))))
    return [into.get(one, one) for one in lead_ids]


def histories_of(read: Reader, lead_ids: Collection[str], as_of: int = _EVER) -> dict[str, dict[str, History]]:
    """Of each lead and field what was known of its values at an instant."""
    found: dict[str, dict[str, History]] = {}
    for lead_id, name, at, text in read("changes", as_json(lead_ids), as_of, as_of):
        found.setdefault(lead_id, {}).setdefault(name, []).append((at, text))
    for names in found.values():
        for values in names.values():
            values.sort()
    return found


def _add(connection: Connection, table: sa.Table, rows: Sequence[msgspec.Struct]) -> set[tuple[Any, ...]]:
    """Enters rows whose primary key is not there yet; the keys of those that were entered.

    Whoever writes several rows of a table does so in the order of its key: two who wait for each other's would wait for ever.
    """
    if not rows:
        return set()
    rows = sorted(rows, key=attrgetter(*(column.name for column in table.primary_key)))
    statement = _insert(table, rows[0].__struct_fields__, connection.dialect.name == "sqlite")
    return {tuple(row) for row in connection.exec_driver_sql(statement, (msgspec.json.encode(rows).decode(),))}


@lru_cache(maxsize=64)
def _insert(table: sa.Table, names: tuple[str, ...], sqlite: bool, otherwise: str = "NOTHING", where: str = "true", gives: str = "") -> str:
    into = f"INSERT INTO {table.name} ({', '.join(names)})"
    key = ", ".join(column.name for column in table.primary_key)
    if sqlite:
        values = ", ".join(f"value ->> {place}" for place in range(len(names)))
        source = f"json_each(?) WHERE {where.format('value ->> 0')}"
    else:
        kinds = {"BIGINT": "bigint", "INTEGER": "integer", "DOUBLE": "double precision"}
        values = ", ".join(f"(one ->> {place})::{kinds.get(str(table.c[name].type), 'text')}" for place, name in enumerate(names))
        source = f"json_array_elements(CAST(%s AS json)) AS one WHERE {where.format('one ->> 0')}"
    return f"{into} SELECT {values} FROM {source} ON CONFLICT ({key}) DO {otherwise} RETURNING {gives or key}"


def hear_of(connection: Connection, heard: Mapping[str, int]) -> None:
    """Leads that are not known yet are from now on, since whatever may come of them in whatever order."""
    _add(connection, leads, [_Heard(lead_id, at) for lead_id, at in heard.items()])


def mark_stale(connection: Connection, touched: Mapping[str, int]) -> None:
    """Leads wait to be scored from now on, those that wait already since they do."""
    if touched:
        _mark(Reader(connection), touched)


def _mark(on: Reader, touched: Mapping[str, int]) -> None:
    # Every change has a mark of its own. A count that began anew would be that of a change which somebody is just scoring: he would
    # settle this one, which he has not seen.
    mark = now()
    on("stale", msgspec.json.encode([_Stale(one, at, mark) for one, at in sorted(touched.items())]).decode())


def set_current(connection: Connection, histories: Mapping[str, Mapping[str, History]]) -> None:
    """Folds the dated values of leads into their current state."""
    states = []
    for lead_id, names in sorted(histories.items()):
        newest = {name: max(values) for name, values in names.items()}
        current = {name: msgspec.json.decode(text) for name, (_, text) in newest.items() if text != "null"}
        states.append(
            {
                "one": lead_id,
                "account": account_of(_text(current.get("company_domain")), _text(current.get("email"))),
                "created_at": instant_in(current.get("created_at")),
                "changed_at": max((at for at, _ in newest.values()), default=None),
                "attributes": msgspec.json.encode(current).decode(),
            }
        )
    if states:
        set_: dict[str, Any] = {name: sa.bindparam(name) for name in ("account", "created_at", "changed_at", "attributes")}
        connection.execute(sa.update(leads).where(leads.c.lead_id == sa.bindparam("one")).values(set_), states)


def instant_in(value: object) -> int | None:
    """Microseconds of a time as JSON holds it; None for what is none."""
    try:
        when = msgspec.convert(value, datetime, strict=False)
    except msgspec.ValidationError:
        return None
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
