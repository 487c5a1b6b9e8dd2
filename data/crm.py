"""What a CRM sends, kept by its natural keys: sending anything twice changes nothing, and the order of arrival does not matter.

In: rows as plain dataclasses, instants in microseconds since 1970 UTC. Out: for each row whether it was new, and for leads
what was known of them at an instant. `recorded_at` is when we heard of a row, unless an import declares otherwise: what was
recorded at or after an instant is not known at it. Every write marks the lead as stale, so that it is scored again.

Rows go in and come out as JSON in one statement each, which both databases unpack themselves: thousands of small statements
would cost more than the work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from threading import Lock
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.accounts import account_of
from data.quick import Quick
from data.schema import activities, lead_changes, leads, outcomes, stage_changes, stale, standings
from data.store import Store

__all__ = ["ActivityRow", "Crm", "Held", "LeadPut", "OutcomeRow", "Queue", "StageRow", "Standing", "Taken"]

Taken = Literal["new", "known"]
"""Whether a row was new, or held already."""
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


@dataclass(frozen=True)
class Queue:
    """Which leads are wanted, in which order, after which one."""

    decisions: tuple[str, ...] = ()
    sort: Literal["probability", "expected_value", "since", "as_of"] = "probability"
    falling: bool = True
    at_least: float | None = None
    after: tuple[float, str] | None = None
    """Sort value and id of the last lead of the page before."""
    limit: int = 50


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


class Crm:
    """The leads of an installation."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._quick = store.quick()
        self._reading = Lock()

    # --------------------------------------------------------------------------------------------- what comes in

    def put_leads(self, rows: Sequence[LeadPut]) -> list[Taken]:
        """Enters field values; `known` where nothing changed by them."""
        with self.store.writing() as connection:
            rows = [self._moved(row, into) for row, into in zip(rows, _survivors(connection, [row.lead_id for row in rows]), strict=True)]
            wanted = {row.lead_id for row in rows}
            _hear_of(connection, dict(_first_heard(rows)))
            histories = _histories(_Reader(connection), wanted)
            answers: list[Taken] = []
            changes: list[_Change] = []
            for row in rows:
                history = histories.setdefault(row.lead_id, {})
                fresh = [name for name, value in row.values.items() if _differs(history.get(name), row.changed_at, value)]
                for name in fresh:
                    text = msgspec.json.encode(row.values[name]).decode()
                    history.setdefault(name, []).append((row.changed_at, text))
                    changes.append(_Change(row.lead_id, name, row.changed_at, text, row.recorded_at))
                answers.append("new" if fresh else "known")
            touched = {row.lead_id: row.recorded_at for row, answer in zip(rows, answers, strict=True) if answer == "new"}
            _add(connection, lead_changes, changes)
            _set_current(connection, {one: histories[one] for one in touched})
            _mark_stale(connection, touched)
        return answers

    def add_activities(self, rows: Sequence[ActivityRow]) -> list[Taken]:
        """Enters activities; an `activity_id` that the lead already has is `known`, and the first one heard of stays."""
        return self._add(activities, [row if row.activity_id else _named(row) for row in rows], ("lead_id", "activity_id"))

    def add_stage_changes(self, rows: Sequence[StageRow]) -> list[Taken]:
        return self._add(stage_changes, rows, ("lead_id", "entered_at", "stage"))

    def add_outcomes(self, rows: Sequence[OutcomeRow]) -> list[Taken]:
        return self._add(outcomes, rows, ("lead_id", "converted_at", "kind"))

    def _add(self, table: sa.Table, rows: Sequence[Happened], key: tuple[str, ...]) -> list[Taken]:
        with self.store.writing() as connection:
            survivors = _survivors(connection, [row.lead_id for row in rows])
            rows = [
                row if row.lead_id == into else msgspec.structs.replace(row, lead_id=into)
                for row, into in zip(rows, survivors, strict=True)
            ]
            added = _add(connection, table, rows)
            touched: dict[str, int] = {}
            answers: list[Taken] = []
            name = attrgetter(*key)
            for row in rows:
                one = name(row)
                answers.append("new" if one in added else "known")
                if one in added:
                    added.discard(one)  # its double in the same order is known already
                    touched[row.lead_id] = max(row.recorded_at, touched.get(row.lead_id, 0))
            _hear_of(connection, touched)
            _mark_stale(connection, touched)
        return answers

    @staticmethod
    def _moved(row: LeadPut, into: str) -> LeadPut:
        return row if row.lead_id == into else LeadPut(into, row.values, row.changed_at, row.recorded_at)

    # --------------------------------------------------------------------------------------------- what is known

    def held(self, lead_ids: Sequence[str], as_of: int, *, context: bool = True) -> list[Held | None]:
        """What was known of each lead at `as_of`, its account's context included; None for a lead never heard of by then."""
        with self._reading, self._quick.snapshot():
            read = _Reader(self._quick, sqlite=self.store.is_sqlite)
            survivors = _survivors(read, lead_ids)
            known = {lead_id: account for lead_id, account, heard in read("accounts", _json(survivors)) if heard < as_of}
            histories = _histories(read, known, as_of)
            did = read.activities(known, as_of)
            accounts = {account for account in known.values() if account is not None} if context else set[str]()
            members = {account: [one for (one,) in read("members", account, COLLEAGUES)] for account in accounts}
            theirs = {account: read.activities(of, as_of, COLLEAGUES_ACTIVITIES) for account, of in members.items()}
        answers: list[Held | None] = []
        for one in survivors:
            if one not in known:
                answers.append(None)
                continue
            account = known[one]
            attributes = {name: msgspec.json.decode(values[-1][1]) for name, values in histories.get(one, {}).items()}
            colleagues: list[ActivityRow] | None = None
            cut = False
            if account in theirs:
                colleagues = [row for lead_id, rows in theirs[account].items() if lead_id != one for row in rows]
                cut = len(members[account]) >= COLLEAGUES or sum(map(len, theirs[account].values())) >= COLLEAGUES_ACTIVITIES
            attributes = {name: value for name, value in attributes.items() if value is not None}
            answers.append(Held(one, account, attributes, did.get(one, []), colleagues, cut))
        return answers

    def newest(self, lead_ids: Sequence[str]) -> int:
        """The last instant at which anything of these leads was recorded or looked at; later than now where the clock was set back."""
        with self.store.mapped(), self.store.reading() as connection:
            read = _Reader(connection)
            names = _json(_survivors(connection, lead_ids))
            return max(int(found) for table in _DATED for ((found,),) in [read(f"newest {table}", names)])

    # --------------------------------------------------------------------------------------------- what waits to be scored

    def claim_stale(self, limit: int, now: int, lease: int) -> list[tuple[str, int]]:
        """Up to `limit` leads that have waited longest, with how often each changed; nobody else gets them before `now + lease`."""
        # A lease that ends later than one given now could was given before the clock was set back.
        free = sa.or_(stale.c.claimed_until.is_(None), stale.c.claimed_until <= now, stale.c.claimed_until > now + lease)
        oldest = sa.select(stale.c.lead_id).where(free).order_by(stale.c.since).limit(limit)
        if not self.store.is_sqlite:
            oldest = oldest.with_for_update(skip_locked=True)
        claim = sa.update(stale).where(stale.c.lead_id.in_(oldest.scalar_subquery())).values(claimed_until=now + lease)
        with self.store.writing() as connection:
            return [(row.lead_id, row.changed) for row in connection.execute(claim.returning(stale.c.lead_id, stale.c.changed))]

    def settle_stale(self, done: Mapping[str, int]) -> None:
        """Leads that were scored, with how often each had changed when it was claimed: one that changed since waits again."""
        with self.store.writing() as connection:
            for lead_id, changed in done.items():
                settled = sa.delete(stale).where(stale.c.lead_id == lead_id, stale.c.changed == changed)
                if connection.execute(settled).rowcount == 0:
                    connection.execute(sa.update(stale).where(stale.c.lead_id == lead_id).values(claimed_until=None))

    # --------------------------------------------------------------------------------------------- where leads stand

    def stand(self, rows: Sequence[Standing]) -> None:
        """Keeps where leads stand now. The decision's date and ledger entry stay while the decision does.

        A row without a ledger entry whose lead did not stand so before names the entry that was made then: by a score that
        was sent as a body, or just before a process was killed.
        """
        if not rows:
            return
        fields = Standing.__struct_fields__
        kept = {"since", "decision_id"}
        same = "standings.decision = excluded.decision"
        set_ = ", ".join(
            f"{name} = CASE WHEN {same} AND excluded.decision_id = '' THEN standings.{name} ELSE excluded.{name} END"
            if name in kept
            else f"{name} = excluded.{name}"
            for name in fields
            if name != "lead_id"
        )
        newer = "standings.as_of <= excluded.as_of"
        with self.store.writing() as connection:
            statement = _insert(standings, fields, connection.dialect.name == "sqlite", f"UPDATE SET {set_} WHERE {newer}")
            connection.exec_driver_sql(statement, (msgspec.json.encode(rows).decode(),))
            unentered = [row.lead_id for row in rows if not row.decision_id]
            if unentered:
                _Reader(connection).run("name_entries", _json(unentered))

    def queue(self, wanted: Queue) -> list[Standing]:
        """A page of leads in the order asked for."""
        column = standings.c[wanted.sort]
        at = sa.func.coalesce(column, _NOTHING) if wanted.sort == "expected_value" else column
        chosen = sa.select(*(standings.c[name] for name in Standing.__struct_fields__))
        if wanted.decisions:
            chosen = chosen.where(standings.c.decision.in_(wanted.decisions))
        if wanted.at_least is not None:
            chosen = chosen.where(standings.c.probability >= wanted.at_least)
        if wanted.after is not None:
            value, lead_id = wanted.after
            beyond = at < value if wanted.falling else at > value
            chosen = chosen.where(sa.or_(beyond, sa.and_(at == value, standings.c.lead_id > lead_id)))
        ordered = chosen.order_by(at.desc() if wanted.falling else at.asc(), standings.c.lead_id).limit(wanted.limit)
        with self.store.mapped(), self.store.reading() as connection:
            return [Standing(*row) for row in connection.execute(ordered)]

    def standing(self, lead_id: str) -> tuple[str, Standing | None, int] | None:
        """The lead (or the one that it was merged into), where it stands, and how often it changed since; None if unknown."""
        with self.store.mapped(), self.store.reading() as connection:
            (one,) = _survivors(connection, [lead_id])
            if connection.execute(sa.select(leads.c.lead_id).where(leads.c.lead_id == one)).first() is None:
                return None
            chosen = sa.select(*(standings.c[name] for name in Standing.__struct_fields__)).where(standings.c.lead_id == one)
            row = connection.execute(chosen).first()
            changed = connection.execute(sa.select(stale.c.changed).where(stale.c.lead_id == one)).scalar()
        return one, None if row is None else Standing(*row), changed or 0

    def waiting(self) -> tuple[int, int | None]:
        """How many leads wait to be scored, and since when the first of them."""
        with self.store.mapped(), self.store.reading() as connection:
            count, since = connection.execute(sa.select(sa.func.count(), sa.func.min(stale.c.since))).one()
        return count, since


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
    """The activity with an id made of what it says, whenever it was recorded."""
    digest = hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(row, recorded_at=0))).hexdigest()[:32]
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
    changed: int = 1


_ACTIVITY = ", ".join(ActivityRow.__struct_fields__)
_DATED = {"leads": "recorded_at", "lead_changes": "recorded_at", "activities": "recorded_at", "standings": "as_of"}
_QUERIES = {
    **{f"newest {table}": f"SELECT COALESCE(MAX({at}), 0) FROM {table} WHERE lead_id {{among}}" for table, at in _DATED.items()},
    "merged": "SELECT merged, lead_id FROM merges WHERE merged {among}",
    "accounts": "SELECT lead_id, account, recorded_at FROM leads WHERE lead_id {among}",
    "members": "SELECT lead_id FROM leads WHERE account = {0} ORDER BY changed_at DESC, lead_id LIMIT {0}",
    "changes": "SELECT lead_id, field, changed_at, value FROM lead_changes WHERE lead_id {among}"
    " AND changed_at < {0} AND recorded_at < {0}",
    "activities": f"SELECT {_ACTIVITY} FROM activities WHERE lead_id {{among}} AND occurred_at < {{0}} AND recorded_at < {{0}}"
    " ORDER BY occurred_at DESC, lead_id, activity_id LIMIT {0}",
    "name_entries": "UPDATE standings SET (decision_id, since) = (SELECT decision_id, scored_at FROM decisions"
    " WHERE decisions.lead_id = standings.lead_id ORDER BY sequence DESC LIMIT 1) WHERE decision_id = '' AND lead_id {among}",
}
_EVER = 2**63 - 1
_NOTHING = -1.0
"""Where a lead without an expected value stands among those with one."""


class _Reader:
    """The queries of this file on a connection of either kind; lists of names go in as one JSON text."""

    def __init__(self, on: Quick | Connection, *, sqlite: bool | None = None) -> None:
        self._on = on
        self._sqlite = sqlite if sqlite is not None else isinstance(on, Connection) and on.dialect.name == "sqlite"

    def __call__(self, query: str, *values: object) -> list[Any]:
        sql = _query(query, self._sqlite)
        return self._on.read(sql, *values) if isinstance(self._on, Quick) else list(self._on.exec_driver_sql(sql, values))

    def run(self, statement: str, *values: object) -> None:
        """A statement that gives no rows."""
        assert isinstance(self._on, Connection)
        self._on.exec_driver_sql(_query(statement, self._sqlite), values)

    def activities(self, lead_ids: Collection[str], as_of: int, most: int = _EVER) -> dict[str, list[ActivityRow]]:
        """Of each lead what was known at `as_of`, the newest `most` of all of them, newest first."""
        found: dict[str, list[ActivityRow]] = {}
        for ((text,),) in [self("activities", _json(lead_ids), as_of, as_of, most)]:
            for row in _read_activities(text) if text else ():
                found.setdefault(row.lead_id, []).append(row)
        return found


_read_activities = msgspec.json.Decoder(list[ActivityRow], strict=False).decode


@lru_cache(maxsize=64)
def _query(name: str, sqlite: bool) -> str:
    """The query in the words of one database. Activities come as one JSON text, which is made and read faster than rows."""
    # PostgreSQL would join with a list of unknown length; an array it looks up in the index.
    among = "IN (SELECT value FROM json_each(?))" if sqlite else "= ANY (ARRAY(SELECT json_array_elements_text(CAST(%s AS json))))"
    sql = _QUERIES[name].format("?" if sqlite else "%s", among=among)
    if name == "activities":
        array, each = ("json_group_array", "json_array") if sqlite else ("json_agg", "json_build_array")
        sql = f"SELECT {array}({each}({_ACTIVITY})){'' if sqlite else '::text'} FROM ({sql}) AS found"
    return sql


def _json(values: Collection[str]) -> Json:
    return msgspec.json.encode(list(values)).decode()


def _survivors(on: Connection | _Reader, lead_ids: Sequence[str]) -> list[str]:
    """Each lead, or the one that it was merged into, however many merges ago."""
    read = on if isinstance(on, _Reader) else _Reader(on)
    into: dict[str, str] = {}
    open_ = {one: one for one in lead_ids}
    while open_:
        found = dict(read("merged", _json(set(open_.values()))))
        into |= {one: now for one, now in open_.items() if now not in found}
        open_ = {one: found[now] for one, now in open_.items() if now in found}
    return [into[one] for one in lead_ids]


def _histories(read: _Reader, lead_ids: Collection[str], as_of: int = _EVER) -> dict[str, dict[str, History]]:
    """Of each lead and field what was known of its values at an instant."""
    found: dict[str, dict[str, History]] = {}
    for lead_id, name, at, text in read("changes", _json(lead_ids), as_of, as_of):
        found.setdefault(lead_id, {}).setdefault(name, []).append((at, text))
    for names in found.values():
        for values in names.values():
            values.sort()
    return found


def _add(connection: Connection, table: sa.Table, rows: Sequence[msgspec.Struct]) -> set[tuple[Any, ...]]:
    """Enters rows whose primary key is not there yet; the keys of those that were entered."""
    if not rows:
        return set()
    statement = _insert(table, rows[0].__struct_fields__, connection.dialect.name == "sqlite")
    return {tuple(row) for row in connection.exec_driver_sql(statement, (msgspec.json.encode(rows).decode(),))}


@lru_cache(maxsize=64)
def _insert(table: sa.Table, names: tuple[str, ...], sqlite: bool, otherwise: str = "NOTHING") -> str:
    into = f"INSERT INTO {table.name} ({', '.join(names)})"
    key = ", ".join(column.name for column in table.primary_key)
    if sqlite:
        values = ", ".join(f"value ->> {place}" for place in range(len(names)))
        source = "json_each(?) WHERE true"
    else:
        kinds = {"BIGINT": "bigint", "INTEGER": "integer", "DOUBLE": "double precision"}
        values = ", ".join(f"(one ->> {place})::{kinds.get(str(table.c[name].type), 'text')}" for place, name in enumerate(names))
        source = "json_array_elements(CAST(%s AS json)) AS one"
    return f"{into} SELECT {values} FROM {source} ON CONFLICT ({key}) DO {otherwise} RETURNING {key}"


def _hear_of(connection: Connection, heard: Mapping[str, int]) -> None:
    """Leads that are not known yet are from now on, since whatever may come of them in whatever order."""
    _add(connection, leads, [_Heard(lead_id, at) for lead_id, at in heard.items()])


def _mark_stale(connection: Connection, touched: Mapping[str, int]) -> None:
    if touched:
        again = "UPDATE SET changed = stale.changed + 1"
        statement = _insert(stale, _Stale.__struct_fields__, connection.dialect.name == "sqlite", again)
        connection.exec_driver_sql(statement, (msgspec.json.encode([_Stale(one, at) for one, at in touched.items()]).decode(),))


def _set_current(connection: Connection, histories: Mapping[str, Mapping[str, History]]) -> None:
    """Folds the dated values of leads into their current state."""
    states = []
    for lead_id, names in histories.items():
        newest = {name: max(values) for name, values in names.items()}
        current = {name: msgspec.json.decode(text) for name, (_, text) in newest.items() if text != "null"}
        states.append(
            {
                "one": lead_id,
                "account": account_of(_text(current.get("company_domain")), _text(current.get("email"))),
                "created_at": _instant(current.get("created_at")),
                "changed_at": max((at for at, _ in newest.values()), default=None),
                "attributes": msgspec.json.encode(current).decode(),
            }
        )
    if states:
        set_: dict[str, Any] = {name: sa.bindparam(name) for name in ("account", "created_at", "changed_at", "attributes")}
        connection.execute(sa.update(leads).where(leads.c.lead_id == sa.bindparam("one")).values(set_), states)


def _instant(value: object) -> int | None:
    """Microseconds of a time as JSON holds it; None for what is none."""
    try:
        when = msgspec.convert(value, datetime, strict=False)
    except msgspec.ValidationError:
        return None
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
