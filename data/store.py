"""What an installation keeps: policies, API keys, and the ledger of decisions.

One SQLite file, `TAMIZ_HOME/tamiz.db`, in WAL mode with `synchronous=FULL`: what was committed survives a power cut.
Writers begin with BEGIN IMMEDIATE and wait for each other (`busy_timeout`); readers never wait. Instants are integers,
microseconds since 1970 UTC; null means "never" or "none". Nothing here interprets a policy.

`Store` is SQLAlchemy Core, for whatever may take a millisecond. The scoring path may not: `Quick` runs the same
statements, compiled once, on the driver's own connection. Statements and schema are written for any database that
SQLAlchemy knows; only `_sqlite` knows that there are pragmas.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from types import EllipsisType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from data.errors import BadUsage, DependencyFailed, TamizError

__all__ = [
    "SCHEMA_VERSION",
    "ApiKey",
    "NothingBefore",
    "PolicyRow",
    "PolicyUnknown",
    "Quick",
    "Store",
    "StoreNewer",
    "StoreUnavailable",
    "VersionConflict",
    "api_keys",
    "decisions",
    "metadata",
    "now",
    "policies",
    "runtimes",
]

SCHEMA_VERSION = "0002"
"""The newest revision in data/migrations/versions; a test holds the two together."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_Instant = sa.BigInteger
_Sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("restores", sa.Integer),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("prefix", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("expires_at", _Instant),
    sa.Column("revoked_at", _Instant),
    sa.Column("last_used_at", _Instant),
)

runtimes = sa.Table(
    "runtimes",
    metadata,
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("versions", sa.Text, nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("decision_id", sa.Text, nullable=False, unique=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("scored_at", _Instant, nullable=False),
    sa.Column("as_of", _Instant, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("previous_decision", sa.Text),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
    sa.Column("feature_set", sa.Text, nullable=False),
    sa.Column("input_hash", sa.Text, nullable=False),
    sa.Column("input", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("runtime", sa.Text, sa.ForeignKey("runtimes.fingerprint", name="fk_decisions_runtime"), nullable=False),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("request_hash", sa.Text),
    # The decision rides in the index, so that the latest one of a lead is read without touching its wide row.
    sa.Index(None, "lead_id", "sequence", "decision"),
    # Only what has a key is in this index: most decisions have none, and a page saved is a page not written.
    sa.Index(
        None,
        "idempotency_key",
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)


class StoreUnavailable(DependencyFailed):
    """The store at {place} did not take it ({cause}): nothing of this was kept.
    Free some disk space, end whatever locks the file, or restore it from a backup; then try again."""


class StoreNewer(BadUsage):
    """The store at {place} has schema {found}, newer than this Tamiz, which knows {known}: install the version that wrote it."""


class VersionConflict(TamizError, status=412, exit_code=1):
    """Version {found} was published meanwhile, not {expected}: read it again, and publish on top of it."""


class PolicyUnknown(BadUsage, status=404):
    """No policy has version {version}: `tamiz policy history` lists the published ones."""


class NothingBefore(PolicyUnknown):
    """There is nothing to go back to: {why}. Publish the thresholds that you want, with `tamiz policy set FILE` or on the page."""


@dataclass(frozen=True)
class PolicyRow:
    """One published policy, as JSON."""

    version: int
    json: str
    author: str
    note: str
    created_at: int
    restores: int | None = None
    """The version whose content this one brought back; None for one that somebody wrote."""

    @property
    def content(self) -> int:
        """The version that this one's content was first published as."""
        return self.restores or self.version


@dataclass(frozen=True)
class ApiKey:
    """One key as stored: its secret is not here, only the SHA-256 of it."""

    prefix: str
    sha256: str
    scopes: frozenset[str]
    note: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None


class Store:
    """The database of one installation."""

    def __init__(self, url: str, place: str) -> None:
        self.place = place
        if url.startswith("sqlite"):
            # A connection to a file opens in microseconds; one that a pool keeps would outlive a store that nobody closed.
            self.engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"check_same_thread": False})
            _sqlite(self.engine)
        else:
            self.engine = sa.create_engine(url)

    @classmethod
    def open(cls, home: Path, *, migrate: bool = True) -> Store:
        """The store under this TAMIZ_HOME, created or migrated to the current schema first."""
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(place=home, cause=error.strerror) from None
        path = (home / "tamiz.db").resolve()
        store = cls(f"sqlite:///{path}", str(path))
        if migrate:
            store.migrate()
        return store

    def migrate(self) -> str | None:
        """Brings the schema up to date; the revision it came from, or None where nothing was to do."""
        with self._mapped():
            found = self.schema_version()
            if found == SCHEMA_VERSION:
                return None
            if found is None:
                with self.engine.begin() as connection:
                    # Another process may have been faster between the look and the lock.
                    if (found := _version_in(connection)) is None:
                        _create(connection)
                        return "empty"
            if found == SCHEMA_VERSION:
                return None
            if found > SCHEMA_VERSION:
                raise StoreNewer(place=self.place, found=found, known=SCHEMA_VERSION)
            from data.migrations.upgrade import upgrade  # Alembic costs a third of a second: only when there is work

            upgrade(self.engine)
            return found

    def schema_version(self) -> str | None:
        """The schema's revision, or None for an empty database."""
        with self._mapped(), self.reading() as connection:
            return _version_in(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot that takes no write lock."""
        with self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, holding the write lock from its first statement."""
        with self._mapped(), self.engine.begin() as connection:
            yield connection

    def publish(self, policy_json: str, *, author: str, note: str, expected: int | EllipsisType | None = ...) -> PolicyRow:
        """Appends a policy version; with `expected`, only if that one (None: none yet) is still the newest.

        What says the same as the newest version is not published again: the answer is then that version.
        """
        with self.writing() as connection:
            return _append(connection, _newest(connection, expected), policy_json, author=author, note=note)

    def policy(self, version: int | None = None) -> PolicyRow | None:
        """This version of the policy, or the newest; None where there is none."""
        with self._mapped(), self.reading() as connection:
            return _policy(connection, version)

    def policy_history(self, limit: int = 200) -> list[PolicyRow]:
        """The newest versions, newest first."""
        with self._mapped(), self.reading() as connection:
            rows = connection.execute(sa.select(policies).order_by(policies.c.version.desc()).limit(limit)).mappings().all()
        return [PolicyRow(**row) for row in rows]

    def roll_back(self, to: int | None, *, author: str, note: str = "", expected: int | EllipsisType | None = ...) -> PolicyRow:
        """Publishes an older version again as a new one: `to`, or else the one before the content now in force.

        Going back twice goes back two steps: what was left by going back is not returned to. Raises NothingBefore.
        """
        with self.writing() as connection:
            newest = _newest(connection, expected)
            old = _before(connection, newest) if to is None else _policy(connection, to)
            if old is None:
                raise PolicyUnknown(version=to)
            note = note or f"Back to version {old.content}."
            return _append(connection, newest, old.json, author=author, note=note, restores=old.content)

    def add_key(self, key: ApiKey) -> None:
        with self.writing() as connection:
            connection.execute(
                api_keys.insert().values(
                    prefix=key.prefix,
                    sha256=key.sha256,
                    scopes=" ".join(sorted(key.scopes)),
                    note=key.note,
                    created_at=key.created_at,
                    expires_at=key.expires_at,
                )
            )

    def keys(self) -> list[ApiKey]:
        """Every key ever made, oldest first."""
        with self._mapped(), self.reading() as connection:
            rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at)).mappings().all()
        return [ApiKey(**(dict(row) | {"scopes": frozenset(row["scopes"].split())})) for row in rows]

    def revoke_key(self, prefix: str) -> bool:
        """Ends a key; False where there is no such key in force."""
        ended = api_keys.update().where(api_keys.c.prefix == prefix, api_keys.c.revoked_at.is_(None)).values(revoked_at=now())
        with self.writing() as connection:
            return connection.execute(ended).rowcount == 1

    def keys_used(self, instants: Mapping[str, int]) -> None:
        """Notes when keys were last used."""
        with self.writing() as connection:
            for prefix, instant in instants.items():
                connection.execute(api_keys.update().where(api_keys.c.prefix == prefix).values(last_used_at=instant))

    def note_runtime(self, fingerprint: str, versions: Mapping[str, str]) -> None:
        """Keeps the library versions that decisions refer to by fingerprint."""
        with self.writing() as connection:
            known = connection.execute(sa.select(runtimes.c.fingerprint).where(runtimes.c.fingerprint == fingerprint)).first()
            if known is None:
                connection.execute(runtimes.insert().values(fingerprint=fingerprint, versions=json.dumps(dict(versions), sort_keys=True)))

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """The whole ledger entry of a decision."""
        with self._mapped(), self.reading() as connection:
            row = connection.execute(sa.select(decisions).where(decisions.c.decision_id == decision_id)).mappings().first()
        return dict(row) if row else None

    def quick(self) -> Quick:
        """A connection of its own for the scoring path; close it when done."""
        return Quick(self)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DatabaseError as error:
            if isinstance(error, (sa.exc.IntegrityError, sa.exc.ProgrammingError)):
                raise
            raise StoreUnavailable(place=self.place, cause=str(error.orig)) from error


class Quick:
    """The few statements of the scoring path on one driver connection, microseconds each.

    Not for two threads at once. Raises StoreUnavailable like the store; `sqlite3` is the only driver so far.
    """

    def __init__(self, store: Store) -> None:
        self.place = store.place
        self._pooled = store.engine.raw_connection()
        driver = self._pooled.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self.connection: sqlite3.Connection = driver
        dialect = store.engine.dialect

        def sql(statement: sa.ClauseElement) -> str:
            return str(statement.compile(dialect=dialect))

        key = sa.select(api_keys.c.sha256, api_keys.c.scopes, api_keys.c.expires_at, api_keys.c.revoked_at)
        self._key = sql(key.where(api_keys.c.prefix == sa.bindparam("prefix")))
        self._policy = sql(sa.select(sa.func.max(policies.c.version)))
        latest = sa.select(decisions.c.decision).where(decisions.c.lead_id == sa.bindparam("lead_id"))
        self._latest = sql(latest.order_by(decisions.c.sequence.desc()))  # only the first row is fetched
        repeated = sa.select(decisions.c.request_hash, decisions.c.answer)
        self._repeated = sql(repeated.where(decisions.c.idempotency_key == sa.bindparam("key")))
        self.columns: tuple[str, ...] = tuple(c.name for c in decisions.columns if c.name != "sequence")
        one = sql(decisions.insert().values({name: sa.bindparam(name) for name in self.columns}))
        into, _, values = one.partition(" VALUES ")
        # Many rows in one statement: each statement gives the interpreter lock away and has to wait to get it back.
        self._inserts = [(size, f"{into} VALUES {', '.join([values] * size)}") for size in (64, 16, 4, 1)]

    def key(self, prefix: str) -> tuple[str, str, int | None, int | None] | None:
        """SHA-256, scopes, expiry and end of a key."""
        found: tuple[str, str, int | None, int | None] | None = self._one(self._key, prefix)
        return found

    def policy_version(self) -> int | None:
        """The newest published version."""
        row = self._one(self._policy)
        return row[0] if row else None

    def latest_decision(self, lead_id: str) -> str | None:
        """What was decided last about a lead."""
        row = self._one(self._latest, lead_id)
        return row[0] if row else None

    def answered(self, idempotency_key: str) -> tuple[str, bytes] | None:
        """The hash of the request that this key came with first, and its answer."""
        found: tuple[str, bytes] | None = self._one(self._repeated, idempotency_key)
        return found

    def append(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Enters decisions (values in the order of `columns`) in one durable transaction: all of them or none."""
        connection = self.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            place = 0
            for size, insert in self._inserts:
                while len(rows) - place >= size:
                    connection.execute(insert, list(chain.from_iterable(rows[place : place + size])))
                    place += size
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.IntegrityError):
                raise
            raise StoreUnavailable(place=self.place, cause=str(error)) from error

    def close(self) -> None:
        self._pooled.close()

    def _one(self, statement: str, *values: object) -> Any:  # noqa: ANN401 - each caller knows what its statement selects
        try:
            return self.connection.execute(statement, values).fetchone()
        except sqlite3.DatabaseError as error:
            if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                raise
            raise StoreUnavailable(place=self.place, cause=str(error)) from error


def now() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def _policy(connection: Connection, version: int | None = None) -> PolicyRow | None:
    wanted = sa.select(policies).order_by(policies.c.version.desc()).limit(1)
    if version is not None:
        wanted = wanted.where(policies.c.version == version)
    row = connection.execute(wanted).mappings().first()
    return PolicyRow(**row) if row else None


def _newest(connection: Connection, expected: int | EllipsisType | None) -> PolicyRow | None:
    """The newest version, if it is the one that the caller builds on."""
    newest = _policy(connection)
    found = newest.version if newest else None
    if expected is not ... and found != expected:
        raise VersionConflict(found=found or "none", expected=expected or "none")
    return newest


def _before(connection: Connection, newest: PolicyRow | None) -> PolicyRow:
    """What was in force before the content that is in force now; raises NothingBefore."""
    if newest is None:
        raise NothingBefore(why="no policy has been published yet, the model's default is in force")
    place = newest.content
    while place > 1:
        old = _policy(connection, place - 1)
        assert old is not None, "versions are never deleted"
        if not _same(old.json, newest.json):
            return old
        place = old.content
    raise NothingBefore(why=f"version {newest.version} says what the first published policy said")


def _append(
    connection: Connection, newest: PolicyRow | None, text: str, *, author: str, note: str, restores: int | None = None
) -> PolicyRow:
    if newest is not None and _same(newest.json, text):
        return newest
    row = PolicyRow(newest.version + 1 if newest else 1, text, author, note, now(), restores)
    connection.execute(policies.insert().values(asdict(row)))
    return row


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


def _sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver shall not begin transactions by itself
        connection.execute("PRAGMA busy_timeout = 5000")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")  # 16 MB: pages that change often are copied home less often

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reading") else "BEGIN IMMEDIATE")


def _version_in(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def _create(connection: Connection) -> None:
    """A fresh schema in one go: the same tables that the migrations build, which a test checks."""
    metadata.create_all(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(sa.text("INSERT INTO alembic_version VALUES (:version)"), {"version": SCHEMA_VERSION})
