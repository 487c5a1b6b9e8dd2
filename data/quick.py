"""The few statements of the scoring path, compiled once and run on the driver's own connection: microseconds each.

In and out: plain values. Not for two threads at once. Raises StoreUnavailable, RowRefused, Overtaken; after a failure of the
connection the next statement opens a new one. Each connection keeps what it has read until another one writes, so what reads
and writes for the same requests shares one.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
import sqlalchemy as sa

from data.errors import DependencyFailed
from data.schema import api_keys, decisions, policies
from data.store import RowRefused, Store, StoreUnavailable, cause_of, locks_of, refused

__all__ = ["COLUMNS", "Overtaken", "Quick", "StoreBusy"]

_LATER = ("sequence", "erased_at")
COLUMNS: tuple[str, ...] = tuple(one.name for one in decisions.columns if one.name not in _LATER)
"""Of a row that enters the ledger, in order."""
_ID, _LEAD, _DECISION, _BEFORE, _ORIGIN = (
    COLUMNS.index(name) for name in ("decision_id", "lead_id", "decision", "previous_decision", "origin")
)
LONG_LOG = 4_000
"""Pages: 16 MB."""


class Overtaken(DependencyFailed, status=409):
    """Another process keeps deciding on the same lead at the same moment: send it again."""


class StoreBusy(StoreUnavailable):
    """The store at {place} is being written to by somebody else ({cause}): nothing of this was kept. Try again."""


class Quick:
    """A connection of the scoring path."""

    def __init__(self, store: Store, *, waits: bool = True) -> None:
        self.place = store.place
        self.is_sqlite = store.is_sqlite
        self._store = store
        self._waits = waits
        dialect = store.engine.dialect

        def sql(statement: sa.ClauseElement) -> str:
            return str(statement.compile(dialect=dialect))

        key = sa.select(api_keys.c.sha256, api_keys.c.scopes, api_keys.c.expires_at, api_keys.c.revoked_at, api_keys.c.rate)
        self._key = sql(key.where(api_keys.c.prefix == sa.bindparam("prefix")))
        self._policy = sql(sa.select(sa.func.max(policies.c.version)))
        listed = "json_each(?) AS one" if store.is_sqlite else "json_array_elements_text(CAST(%s AS json)) AS one(value)"
        latest = "SELECT decision FROM decisions WHERE lead_id = one.value ORDER BY sequence DESC LIMIT 1"
        self._latest = f"SELECT one.value, ({latest}) FROM {listed}"
        entered = sa.or_(decisions.c.previous_decision.is_(None), decisions.c.previous_decision != decisions.c.decision)
        of_lead = sa.select(decisions.c.scored_at).where(decisions.c.lead_id == sa.bindparam("lead_id"), entered)
        self._since = sql(of_lead.order_by(decisions.c.sequence.desc())) + " LIMIT 1"
        counted = sa.select(sa.func.count()).where(entered, decisions.c.decision == sa.bindparam("queue"))
        self._entered = sql(counted.where(decisions.c.scored_at >= sa.bindparam("since")))
        among = "SELECT one.value FROM " + listed
        self._answered = f"SELECT idempotency_key, request_hash, answer FROM decisions WHERE idempotency_key IN ({among})"
        one = sql(decisions.insert().values({name: sa.bindparam(name) for name in COLUMNS}))
        into, _, values = one.partition(" VALUES ")
        values = values.partition(" RETURNING ")[0]
        # Many rows in one statement: each statement gives the interpreter lock away and has to wait to get it back.
        self._inserts = [(size, f"{into} VALUES {', '.join([values] * size)}") for size in (64, 32, 16, 4, 1)]
        self._announce = f"INSERT INTO announcements (decision_id) SELECT one.value FROM {listed}"
        self._connection: Any = None
        self._prepared: dict[str, tuple[str, Any, Any, Any]] = {}
        """With PostgreSQL, by statement what the driver knows of it on this connection."""
        self._connect()

    @property
    def connection(self) -> Any:  # noqa: ANN401 - the driver's own, of either database
        return self._connection

    def key(self, prefix: str) -> tuple[str, str, int | None, int | None, int | None] | None:
        """SHA-256, scopes, expiry, end and rate of a key."""
        found = self._one(self._key, prefix)
        return None if found is None else tuple(found)

    def policy_version(self) -> int | None:
        """The newest published version."""
        row = self._one(self._policy)
        return row[0] if row else None

    def latest_decisions(self, lead_ids: Collection[str]) -> dict[str, str]:
        """What was decided last about each of these leads that was ever decided about."""
        rows = self._asked(self._latest, _listed(lead_ids)).fetchall()
        return {lead_id: decision for lead_id, decision in rows if decision is not None}

    def decided_since(self, lead_id: str) -> int | None:
        """Since when the latest decision about a lead has stood."""
        row = self._one(self._since, lead_id)
        return row[0] if row else None

    def entered(self, queue: str, since: int) -> int:
        """How many leads have entered a queue since an instant."""
        row = self._one(self._entered, queue, since)
        count: int = row[0]
        return count

    def answered(self, idempotency_keys: Collection[str]) -> dict[str, tuple[str, bytes]]:
        """By key the hash of the request that it came with first, and its answer; of those that were answered."""
        rows = self._asked(self._answered, _listed(idempotency_keys)).fetchall()
        return {key: (request_hash, bytes(answer)) for key, request_hash, answer in rows}

    def append(self, rows: Sequence[tuple[Any, ...]], also: Collection[Callable[[Quick], None]] = ()) -> None:
        """Enters decisions (values in the order of `COLUMNS`) in one durable transaction: all of them or none, with what `also` writes.

        Each was made on top of what had been decided before; where another process has decided since, it is Overtaken. What a
        lead of the store crossed to is announced in the same transaction, for `data/outbox.py` to pass on.
        """
        crossed = [row[_ID] for row in rows if row[_ORIGIN] is not None and row[_DECISION] != row[_BEFORE]]
        before: dict[str, str | None] = {}
        for row in rows:
            before.setdefault(row[_LEAD], row[_BEFORE])
        try:
            self._begin(before, of_leads=bool(also))
            try:
                found = dict(self._run(self._latest, (_listed(before),)).fetchall())
                if found != before:
                    raise Overtaken
                place = 0
                for size, insert in self._inserts:
                    while len(rows) - place >= size:
                        self._run(insert, list(chain.from_iterable(rows[place : place + size])))
                        place += size
                if crossed:
                    self._run(self._announce, (_listed(crossed),))
                for write in also:
                    write(self)
                self._run("COMMIT", ())
            except Exception:
                self._undo()
                raise
        except Exception as error:
            raise self._told(error) from error

    def read(self, statement: str, *values: object) -> list[Any]:
        """What a query in the database's own words finds."""
        try:
            found: list[Any] = self._run(statement, values).fetchall()
        except Exception as error:
            raise self._told(error) from error
        return found

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Queries that see one state of the database, whoever writes meanwhile."""
        for last in (False, True):
            try:
                self._run("BEGIN" if self.is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ())
                break
            except Exception as error:
                if last or self.is_sqlite or not self._is_lost(error):
                    raise self._told(error) from error
                self.close()  # a server that was restarted meanwhile: the next statement connects anew
        try:
            yield
        finally:
            self._undo()

    def shorten_log(self) -> None:
        """Copies home what SQLite's write-ahead log holds, beside whoever reads and writes, and has it begin anew when it is long.

        Whoever commits would otherwise have to, once in a while, for tens of milliseconds. To begin anew nobody may write or read
        at that moment, so as much as possible is copied before; one that does not wait gives up and is asked again later.
        """
        for mode in ("PASSIVE", "PASSIVE", "RESTART"):
            try:
                _, held, _ = self._run(f"PRAGMA wal_checkpoint({mode})", ()).fetchone()
            except sqlite3.Error as error:
                raise self._told(error) from error
            if held < LONG_LOG:
                return

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _undo(self) -> None:
        if self.is_sqlite and not self._connection.in_transaction:
            return
        with contextlib.suppress(Exception):  # a lost connection has undone it already
            self._run("ROLLBACK", ())

    def _begin(self, leads: Collection[str], *, of_leads: bool) -> None:
        """A transaction within which nobody else decides on these leads, nor makes leads cease to be if it writes of them."""
        if self.is_sqlite:
            self._run("BEGIN IMMEDIATE", ())
            return
        self._run(f"BEGIN; {locks_of(leads, of_leads='shared' if of_leads else 'no')}", ())

    def _one(self, statement: str, *values: object) -> Any:  # noqa: ANN401 - each caller knows what its statement selects
        return self._asked(statement, *values).fetchone()

    def _asked(self, statement: str, *values: object) -> Any:  # noqa: ANN401 - the driver's cursor
        try:
            return self._run(statement, values)
        except Exception as error:
            if self.is_sqlite or (self._connection is not None and not self._is_lost(error)):
                raise self._told(error) from error
        try:  # a server that was restarted meanwhile: what only reads may be asked again
            self._connect()
            return self._run(statement, values)
        except Exception as error:
            raise self._told(error) from error

    def _run(self, statement: str, values: Sequence[object]) -> Any:  # noqa: ANN401 - the driver's cursor
        if self.is_sqlite:
            return self._connection.execute(statement, values)
        if self._connection is None:
            self._connect()
        if values or statement.startswith("SELECT"):
            return _Found(self._run_prepared(statement, values))
        cursor = self._connection.cursor()
        cursor.execute(statement)
        return cursor

    def _run_prepared(self, statement: str, values: Sequence[object]) -> list[Any]:
        """Rows of a statement that the server has read before: one message there and back, where the driver's cursor takes three and
        reads the statement letter by letter each time."""
        from pg8000.converters import make_params  # type: ignore[import-untyped]  # the driver declares no types

        connection = self._connection
        try:
            known = self._prepared.pop(statement, None)
            if known is None:
                first, *others = statement.split("%s")
                numbered = first + "".join(f"${place}{part}" for place, part in enumerate(others, 1))
                known = (numbered, *connection.prepare_statement(numbered, ()))
            numbered, name, columns, readers = known
            found = connection.execute_named(name, make_params(connection.py_types, values), columns, readers, numbered)
        except AttributeError as error:
            if connection._sock is None:  # noqa: SLF001 - how the driver's own cursor tells
                raise ConnectionResetError("the connection is closed") from error
            raise
        self._prepared[statement] = known  # one that failed is read anew
        return list(found.rows or ())

    def _connect(self) -> None:
        """A connection of our own, outside the pool and without transactions that begin by themselves."""
        self.close()
        self._prepared = {}
        with self._store.mapped():
            pooled = self._store.engine.raw_connection()
            self._connection = pooled.driver_connection
            pooled.detach()
        if self.is_sqlite and not self._waits:
            self._connection.execute("PRAGMA busy_timeout = 0")
        if not self.is_sqlite:
            self._connection.rollback()  # the pool has looked whether it lives
            self._connection.autocommit = True

    @staticmethod
    def _is_lost(error: BaseException) -> bool:
        """Whether the connection itself failed, rather than what was asked over it."""
        return isinstance(error, OSError) or type(error).__name__ == "InterfaceError"

    def _told(self, error: BaseException) -> Exception:
        """The error in our own terms."""
        if isinstance(error, (StoreUnavailable, RowRefused, Overtaken)):
            return error
        if isinstance(error, sqlite3.IntegrityError) or refused(error):
            return RowRefused(cause=cause_of(error))
        if isinstance(error, sqlite3.ProgrammingError) or (not isinstance(error, (sqlite3.Error, OSError)) and self.is_sqlite):
            raise error
        if not self.is_sqlite and self._is_lost(error):
            self.close()
        busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        return (StoreBusy if busy else StoreUnavailable)(place=self.place, cause=cause_of(error))


class _Found(list[Any]):
    """Rows as a cursor gives them."""

    def fetchall(self) -> list[Any]:
        return self

    def fetchone(self) -> Any:  # noqa: ANN401 - each caller knows what its statement selects
        return self[0] if self else None


def _listed(values: Collection[str]) -> str:
    """As one parameter of a statement."""
    return msgspec.json.encode([*values]).decode()
