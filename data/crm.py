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
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.accounts import account_of
from data.schema import activities, lead_changes, leads, merges, outcomes, stage_changes, stale
from data.store import Store

__all__ = ["ActivityRow", "Crm", "Held", "LeadPut", "OutcomeRow", "StageRow", "Taken"]

Taken = Literal["new", "known"]
"""Whether a row was new, or held already."""
COLLEAGUES = 200
"""Of an account, how many leads at most are looked at as colleagues, and how many activities of theirs."""
COLLEAGUES_ACTIVITIES = 5_000
Json = str


@dataclass(frozen=True)
class LeadPut:
    """Values of a lead's fields since an instant; a field that is not named stays as it was, None clears it."""

    lead_id: str
    values: Mapping[str, Any]
    changed_at: int
    recorded_at: int


@dataclass(frozen=True)
class ActivityRow:
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
    automated: int | None = None


@dataclass(frozen=True)
class StageRow:
    """An entry of the lead's pipeline history."""

    lead_id: str
    entered_at: int
    stage: str
    recorded_at: int
    owner: str | None = None
    amount: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class OutcomeRow:
    """A conversion, or a loss."""

    lead_id: str
    converted_at: int
    recorded_at: int
    kind: str = "won"
    amount: float | None = None


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

    # --------------------------------------------------------------------------------------------- what comes in

    def put_leads(self, rows: Sequence[LeadPut]) -> list[Taken]:
        """Enters field values; `known` where nothing changed by them."""
        with self.store.writing() as connection:
            rows = [self._moved(row, into) for row, into in zip(rows, _survivors(connection, [row.lead_id for row in rows]), strict=True)]
            wanted = {row.lead_id for row in rows}
            _add(connection, leads, [{"lead_id": one, "recorded_at": at, "attributes": "{}"} for one, at in _first_heard(rows)])
            histories = _histories(connection, wanted)
            answers: list[Taken] = []
            changes: list[dict[str, Any]] = []
            for row in rows:
                history = histories.setdefault(row.lead_id, {})
                fresh = [name for name, value in row.values.items() if _differs(history.get(name), row.changed_at, value)]
                for name in fresh:
                    text = msgspec.json.encode(row.values[name]).decode()
                    history.setdefault(name, []).append((row.changed_at, text))
                    changes.append(
                        {
                            "lead_id": row.lead_id,
                            "field": name,
                            "changed_at": row.changed_at,
                            "value": text,
                            "recorded_at": row.recorded_at,
                        }
                    )
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

    def _add(self, table: sa.Table, rows: Sequence[ActivityRow | StageRow | OutcomeRow], key: tuple[str, ...]) -> list[Taken]:
        with self.store.writing() as connection:
            survivors = _survivors(connection, [row.lead_id for row in rows])
            given = [asdict(row) | {"lead_id": into} for row, into in zip(rows, survivors, strict=True)]
            added = _add(connection, table, given)
            touched: dict[str, int] = {}
            answers: list[Taken] = []
            for one in given:
                name = tuple(one[part] for part in key)
                answers.append("new" if name in added else "known")
                if name in added:
                    added.discard(name)  # its double in the same order is known already
                    touched[one["lead_id"]] = max(one["recorded_at"], touched.get(one["lead_id"], 0))
            _add(connection, leads, [{"lead_id": one, "recorded_at": at, "attributes": "{}"} for one, at in touched.items()])
            _mark_stale(connection, touched)
        return answers

    @staticmethod
    def _moved(row: LeadPut, into: str) -> LeadPut:
        return row if row.lead_id == into else LeadPut(into, row.values, row.changed_at, row.recorded_at)

    # --------------------------------------------------------------------------------------------- what is known

    def held(self, lead_ids: Sequence[str], as_of: int, *, context: bool = True) -> list[Held | None]:
        """What was known of each lead at `as_of`, its account's context included; None for a lead never heard of by then."""
        with self.store.mapped(), self.store.reading() as connection:
            survivors = _survivors(connection, lead_ids)
            wanted = set(survivors)
            known = {
                row.lead_id: row.account
                for row in connection.execute(
                    sa.select(leads.c.lead_id, leads.c.account).where(leads.c.lead_id.in_(wanted), leads.c.recorded_at < as_of)
                )
            }
            histories = _histories(connection, known, as_of)
            did = _activities_of(connection, known, as_of)
            accounts = {account for account in known.values() if account is not None} if context else set()
            members = {account: _members(connection, account) for account in accounts}
            theirs = {account: _colleagues(connection, of, as_of) for account, of in members.items()}
        answers: list[Held | None] = []
        for one in survivors:
            if one not in known:
                answers.append(None)
                continue
            account = known[one]
            others = theirs.get(account) if account is not None else None
            attributes = {name: msgspec.json.decode(values[-1][1]) for name, values in histories.get(one, {}).items()}
            answers.append(
                Held(
                    one,
                    account,
                    {name: value for name, value in attributes.items() if value is not None},
                    did.get(one, []),
                    None if others is None else [row for row in others if row.lead_id != one],
                    others is not None
                    and account is not None
                    and (len(members[account]) >= COLLEAGUES or len(others) >= COLLEAGUES_ACTIVITIES),
                )
            )
        return answers

    # --------------------------------------------------------------------------------------------- what waits to be scored

    def claim_stale(self, limit: int, now: int, lease: int) -> list[tuple[str, int]]:
        """Up to `limit` leads that have waited longest, with how often each changed; nobody else gets them before `now + lease`."""
        free = sa.or_(stale.c.claimed_until.is_(None), stale.c.claimed_until <= now)
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
    said = [getattr(row, one.name) for one in fields(row) if one.name not in ("activity_id", "recorded_at")]
    digest = hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:32]
    return ActivityRow(**(asdict(row) | {"activity_id": f"={digest}"}))


def _first_heard(rows: Iterable[LeadPut]) -> Iterator[tuple[str, int]]:
    heard: dict[str, int] = {}
    for row in rows:
        heard[row.lead_id] = min(row.recorded_at, heard.get(row.lead_id, row.recorded_at))
    yield from heard.items()


# ------------------------------------------------------------------------------------------------- statements


def _survivors(connection: Connection, lead_ids: Sequence[str]) -> list[str]:
    """Each lead, or the one that it was merged into, however many merges ago."""
    into = dict.fromkeys(lead_ids, "")
    open_ = {one: one for one in into}
    while open_:
        found: dict[str, str] = {}
        for part in _chunks(list(set(open_.values()))):
            merged = connection.execute(sa.select(merges.c.merged, merges.c.lead_id).where(merges.c.merged.in_(part)))
            found |= {row.merged: row.lead_id for row in merged}
        into |= {one: now for one, now in open_.items() if now not in found}
        open_ = {one: found[now] for one, now in open_.items() if now in found}
    return [into[one] for one in lead_ids]


def _add(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """Enters rows whose primary key is not there yet; the keys of those that were entered."""
    if not rows:
        return set()
    names = tuple(rows[0])
    statement = _insert(table, names, connection.dialect.name == "sqlite")
    text = msgspec.json.encode([[row[name] for name in names] for row in rows]).decode()
    return {tuple(row) for row in connection.execute(sa.text(statement), {"rows": text})}


@lru_cache(maxsize=64)
def _insert(table: sa.Table, names: tuple[str, ...], sqlite: bool) -> str:
    into = f"INSERT INTO {table.name} ({', '.join(names)})"
    key = ", ".join(column.name for column in table.primary_key)
    if sqlite:
        values = ", ".join(f"value ->> {place}" for place in range(len(names)))
        return f"{into} SELECT {values} FROM json_each(:rows) WHERE true ON CONFLICT DO NOTHING RETURNING {key}"
    kinds = {"BIGINT": "bigint", "INTEGER": "integer", "DOUBLE": "double precision"}
    values = ", ".join(f"(one ->> {place})::{kinds.get(str(table.c[name].type), 'text')}" for place, name in enumerate(names))
    source = "json_array_elements(CAST(:rows AS json)) AS one"
    return f"{into} SELECT {values} FROM {source} ON CONFLICT DO NOTHING RETURNING {key}".replace("::", "\\:\\:")


def _rows(connection: Connection, select: sa.Select[Any], kind: Any) -> list[Any]:  # noqa: ANN401 - a tuple of what is selected
    """What a query finds, as one JSON text that the database makes and msgspec reads: either is faster than row by row."""
    found = select.subquery("found")
    chosen = list(found.c)
    if connection.dialect.name == "sqlite":
        query = sa.select(sa.func.json_group_array(sa.func.json_array(*chosen)))
    else:
        query = sa.select(sa.cast(sa.func.json_agg(sa.func.json_build_array(*chosen)), sa.Text))
    text = connection.execute(query).scalar()
    return msgspec.json.decode(text, type=list[kind], strict=False) if text else []


def _histories(connection: Connection, lead_ids: Collection[str], as_of: int | None = None) -> dict[str, dict[str, list[tuple[int, Json]]]]:
    """Of each lead and field the dated values in order of time, as JSON; with `as_of` only what was known then."""
    found: dict[str, dict[str, list[tuple[int, Json]]]] = {}
    for part in _chunks(list(lead_ids)):
        wanted = sa.select(lead_changes.c.lead_id, lead_changes.c.field, lead_changes.c.changed_at, lead_changes.c.value)
        wanted = wanted.where(lead_changes.c.lead_id.in_(part))
        if as_of is not None:
            wanted = wanted.where(lead_changes.c.changed_at < as_of, lead_changes.c.recorded_at < as_of)
        for lead_id, name, at, text in _rows(connection, wanted, tuple[str, str, int, str]):
            found.setdefault(lead_id, {}).setdefault(name, []).append((at, text))
    for names in found.values():
        for values in names.values():
            values.sort()
    return found


def _set_current(connection: Connection, histories: Mapping[str, Mapping[str, list[tuple[int, Json]]]]) -> None:
    """Folds the dated values of leads into their current state."""
    states = []
    for lead_id, names in histories.items():
        newest = {name: max(values) for name, values in names.items()}
        current = {name: msgspec.json.decode(text) for name, (_, text) in newest.items() if text != "null"}
        states.append(
            {
                "one": lead_id,
                "account": account_of(_text(current.get("company_domain")), _text(current.get("email"))),
                "changed_at": max((at for at, _ in newest.values()), default=None),
                "attributes": msgspec.json.encode(current).decode(),
            }
        )
    if states:
        update = sa.update(leads).where(leads.c.lead_id == sa.bindparam("one"))
        connection.execute(
            update.values(account=sa.bindparam("account"), changed_at=sa.bindparam("changed_at"), attributes=sa.bindparam("attributes")),
            states,
        )


def _mark_stale(connection: Connection, touched: Mapping[str, int]) -> None:
    if not touched:
        return
    rows = msgspec.json.encode([[one, at, 1] for one, at in touched.items()]).decode()
    insert = _insert(stale, ("lead_id", "since", "changed"), connection.dialect.name == "sqlite")
    again = "ON CONFLICT (lead_id) DO UPDATE SET changed = stale.changed + 1"
    connection.execute(sa.text(insert.replace("ON CONFLICT DO NOTHING", again)), {"rows": rows})


_WHAT = [activities.c[one.name] for one in fields(ActivityRow)]


def _activities_of(connection: Connection, lead_ids: Collection[str], as_of: int, most: int | None = None) -> dict[str, list[ActivityRow]]:
    found: dict[str, list[ActivityRow]] = {}
    for part in _chunks(list(lead_ids)):
        wanted = sa.select(*_WHAT).where(activities.c.lead_id.in_(part), activities.c.occurred_at < as_of, activities.c.recorded_at < as_of)
        if most is not None:
            wanted = wanted.order_by(activities.c.occurred_at.desc(), activities.c.lead_id, activities.c.activity_id).limit(most)
        for values in _rows(connection, wanted, _AsRead):
            found.setdefault(values[0], []).append(ActivityRow(*values))
    return found


_AsRead = tuple[
    str, int, int, str, str, str | None, str | None, str | None, str | None, float | None, str | None, int | None
]  # the fields of ActivityRow


def _members(connection: Connection, account: str) -> list[str]:
    """The leads of an account, those heard of last first, no more than are looked at."""
    of = sa.select(leads.c.lead_id).where(leads.c.account == account).order_by(leads.c.changed_at.desc(), leads.c.lead_id)
    return list(connection.execute(of.limit(COLLEAGUES)).scalars())


def _colleagues(connection: Connection, lead_ids: Sequence[str], as_of: int) -> list[ActivityRow]:
    """The newest activities of an account's leads."""
    of = _activities_of(connection, lead_ids, as_of, COLLEAGUES_ACTIVITIES)
    return [row for rows in of.values() for row in rows]


def _chunks(values: list[str], size: int = 500) -> Iterator[list[str]]:
    """SQLite takes so many parameters in a statement, and no more."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
