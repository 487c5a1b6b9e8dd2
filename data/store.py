"""The database of an installation: opening it, its transactions, its policies, keys and single decisions.

By default one SQLite file, `TAMIZ_HOME/tamiz.db`, in WAL mode with `synchronous=FULL`: what was committed survives a power
cut. Writers begin with BEGIN IMMEDIATE and wait for each other (`busy_timeout`); readers never wait. With
`TAMIZ_DATABASE_URL` a PostgreSQL database instead. Instants are integers, microseconds since 1970 UTC. Nothing here
interprets a policy.

`Store` is SQLAlchemy Core, for whatever may take a millisecond; the scoring path has `data/quick.py`. Tables stand in
`data/schema.py`; what is known about leads is in `data/crm.py`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from data.audit import note as audited
from data.errors import BadUsage, DependencyFailed, TamizError
from data.schema import SCHEMA_VERSION, api_keys, decisions, merges, metadata, policies, runtimes

if TYPE_CHECKING:
    from data.quick import Quick

__all__ = [
    "ApiKey",
    "BadDatabaseUrl",
    "NothingBefore",
    "PolicyRow",
    "PolicyUnknown",
    "RowRefused",
    "Store",
    "StoreNewer",
    "StoreUnavailable",
    "VersionConflict",
    "locks_of",
    "now",
]

_SCHEMA_LOCK = 7_264_901
"""Of PostgreSQL's advisory locks, the one that whoever changes the schema or the policy holds."""

_LEADS_LOCK = 7_264_902
"""Likewise: whoever writes of leads shares it, and whoever merges or erases them holds it alone."""

_DECIDING_LOCK = 7_264_903
"""First half of those that whoever decides on leads holds, or works out where they stand; the second is one of so many parts."""
_PARTS = 256


class StoreUnavailable(DependencyFailed):
    """The store at {place} did not take it ({cause}): nothing of this was kept.
    Free some disk space, end whatever locks the file, or restore it from a backup; then try again."""


class RowRefused(DependencyFailed, status=409):
    """The store refused a row that contradicts what it holds ({cause}): nothing of this was kept."""


class BadDatabaseUrl(BadUsage):
    """TAMIZ_DATABASE_URL is not an address that Tamiz can use: {why}. It looks like postgresql://user:password@host:5432/tamiz"""


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
    rate: int | None = None
    """Requests a minute; None: as many as come."""
    replaces: str | None = None
    """The key that this one was made to take over from."""


class Store:
    """The database of one installation."""

    def __init__(self, url: str | sa.URL, place: str) -> None:
        self.place = place
        self._quick: list[Quick] = []
        if isinstance(url, sa.URL) or url.startswith("sqlite"):
            # Opening a connection and reading the schema anew takes a quarter of a millisecond.
            self.engine = sa.create_engine(url, max_overflow=-1, connect_args={"check_same_thread": False})
            _sqlite(self.engine)
        else:
            self.engine = _postgresql(url)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @classmethod
    def open(cls, home: Path, url: str = "", *, migrate: bool = True) -> Store:
        """The store of this TAMIZ_HOME, or the database at `url`; created or migrated to the current schema first.

        Raises BadDatabaseUrl, StoreUnavailable, StoreNewer.
        """
        if url:
            store = cls(url, sa.engine.make_url(url).render_as_string(hide_password=True) if "://" in url else url)
        else:
            try:
                home.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreUnavailable(place=home, cause=error.strerror) from None
            path = (home / "tamiz.db").resolve()
            try:
                if not path.exists():
                    path.touch()
            except OSError as error:
                raise StoreUnavailable(place=path, cause=error.strerror) from None
            # A file that is taken away while the store is open is missed, not made anew without its rows.
            store = cls(sa.URL.create("sqlite", database=path.as_uri(), query={"mode": "rw", "uri": "true"}), str(path))
        if migrate:
            store.migrate()
        return store

    def migrate(self) -> str | None:
        """Brings the schema up to date; the revision it came from, or None where nothing was to do."""
        with self.mapped():
            found = self.schema_version()
            if found == SCHEMA_VERSION:
                return None
            if found is None:
                with self.alone() as connection:
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
        with self.mapped(), self.reading() as connection:
            return _version_in(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot that takes no write lock."""
        with self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, holding the write lock from its first statement."""
        with self.mapped(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """One transaction beside which no other of its kind runs: for what is read, judged and then written."""
        with self.writing() as connection:
            if not self.is_sqlite:  # there any writer is alone
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
            yield connection

    @contextmanager
    def writing_of_leads(self, *, alone: bool = False, deciding: Collection[str] = ()) -> Iterator[Connection]:
        """One transaction that writes what belongs to leads; `alone`: while no other does, for what makes leads cease to be.

        `deciding`: leads of which nobody else decides, or says where they stand, meanwhile.
        """
        with self.writing() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql(locks_of(deciding, of_leads="alone" if alone else "shared"))
            yield connection

    def publish(
        self, policy_json: str, *, author: str, note: str, expected: int | EllipsisType | None = ..., actor: str | None = None
    ) -> PolicyRow:
        """Appends a policy version; with `expected`, only if that one (None: none yet) is still the newest.

        What says the same as the newest version is not published again: the answer is then that version. `actor` is who really
        asked, whoever `author` says it was.
        """
        with self.alone() as connection:
            return _append(connection, _newest(connection, expected), policy_json, author=author, note=note, actor=actor)

    def policy(self, version: int | None = None) -> PolicyRow | None:
        """This version of the policy, or the newest; None where there is none."""
        with self.mapped(), self.reading() as connection:
            return _policy(connection, version)

    def policy_history(self, limit: int = 200) -> list[PolicyRow]:
        """The newest versions, newest first."""
        with self.mapped(), self.reading() as connection:
            rows = connection.execute(sa.select(policies).order_by(policies.c.version.desc()).limit(limit)).mappings().all()
        return [PolicyRow(**row) for row in rows]

    def roll_back(
        self, to: int | None, *, author: str, note: str = "", expected: int | EllipsisType | None = ..., actor: str | None = None
    ) -> PolicyRow:
        """Publishes an older version again as a new one: `to`, or else the one before the content now in force.

        Going back twice goes back two steps: what was left by going back is not returned to. Raises NothingBefore.
        """
        with self.alone() as connection:
            newest = _newest(connection, expected)
            old = _before(connection, newest) if to is None else _policy(connection, to)
            if old is None:
                raise PolicyUnknown(version=to)
            note = note or f"Back to version {old.content}."
            return _append(connection, newest, old.json, author=author, note=note, restores=old.content, actor=actor)

    def add_key(self, key: ApiKey, *, actor: str = "local") -> None:
        with self.writing() as connection:
            _add_key(connection, key)
            audited(connection, actor, "key.created", key.prefix, scopes=sorted(key.scopes), expires_at=key.expires_at, rate=key.rate)

    def keys(self) -> list[ApiKey]:
        """Every key ever made, oldest first."""
        with self.mapped(), self.reading() as connection:
            rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at)).mappings().all()
        return [ApiKey(**(dict(row) | {"scopes": frozenset(row["scopes"].split())})) for row in rows]

    def revoke_key(self, prefix: str, *, actor: str = "local") -> bool:
        """Ends a key; False where there is no such key in force."""
        ended = api_keys.update().where(api_keys.c.prefix == prefix, api_keys.c.revoked_at.is_(None)).values(revoked_at=now())
        with self.writing() as connection:
            done = connection.execute(ended).rowcount == 1
            if done:
                audited(connection, actor, "key.revoked", prefix)
        return done

    def replace_key(self, prefix: str, successor: ApiKey, *, ends_at: int, actor: str = "local") -> bool:
        """Adds the key that takes over, and ends the old one at `ends_at` if it would last longer; False where it is not in force."""
        in_force = sa.and_(
            api_keys.c.prefix == prefix,
            api_keys.c.revoked_at.is_(None),
            sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now()),
        )
        with self.alone() as connection:
            old = connection.execute(sa.select(api_keys.c.expires_at).where(in_force)).first()
            if old is None:
                return False
            last = ends_at if old.expires_at is None else min(ends_at, old.expires_at)
            connection.execute(api_keys.update().where(in_force).values(expires_at=last))
            _add_key(connection, successor)
            audited(connection, actor, "key.rotated", prefix, successor=successor.prefix, ends_at=last, expires_at=successor.expires_at)
        return True

    def keys_used(self, instants: Mapping[str, int]) -> None:
        """Notes when keys were last used."""
        with self.writing() as connection:
            for prefix, instant in instants.items():
                connection.execute(api_keys.update().where(api_keys.c.prefix == prefix).values(last_used_at=instant))

    def note_runtime(self, fingerprint: str, versions: Mapping[str, str]) -> None:
        """Keeps the library versions that decisions refer to by fingerprint."""
        with self.alone() as connection:
            known = connection.execute(sa.select(runtimes.c.fingerprint).where(runtimes.c.fingerprint == fingerprint)).first()
            if known is None:
                connection.execute(runtimes.insert().values(fingerprint=fingerprint, versions=json.dumps(dict(versions), sort_keys=True)))

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """The whole ledger entry of a decision."""
        with self.mapped(), self.reading() as connection:
            row = connection.execute(sa.select(decisions).where(decisions.c.decision_id == decision_id)).mappings().first()
        return dict(row) if row else None

    def decisions_of(self, lead_id: str, before: int | None = None, limit: int = 50) -> list[tuple[int, bytes]]:
        """The ledger's answers on a lead and what was merged into it, newest first, each with its place; those before a place only.

        Left out are those whose content was pruned.
        """
        with self.mapped(), self.reading() as connection:
            # Named one by one: told of a subquery, PostgreSQL would look through the whole ledger from its end.
            whose = [lead_id, *connection.execute(sa.select(merges.c.merged).where(merges.c.lead_id == lead_id)).scalars()]
            wanted = sa.select(decisions.c.sequence, decisions.c.answer).where(decisions.c.lead_id.in_(whose), decisions.c.answer != b"")
            if before is not None:
                wanted = wanted.where(decisions.c.sequence < before)
            rows = connection.execute(wanted.order_by(decisions.c.sequence.desc()).limit(limit))
            return [(row.sequence, bytes(row.answer)) for row in rows]

    def quick(self, *, waits: bool = True) -> Quick:
        """A connection of its own for the scoring path; close it when done. One that does not wait is StoreBusy while another writes."""
        from data.quick import Quick

        quick = Quick(self, waits=waits)
        self._quick.append(quick)
        return quick

    def close(self) -> None:
        """Closes every connection, those of the scoring path included."""
        while self._quick:
            self._quick.pop().close()
        self.engine.dispose()

    @contextmanager
    def mapped(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.IntegrityError as error:
            raise RowRefused(cause=error.orig) from error
        except sa.exc.DBAPIError as error:
            if not self.is_sqlite and refused(error.orig):
                raise RowRefused(cause=cause_of(error.orig)) from error
            if isinstance(error, sa.exc.ProgrammingError) and self.is_sqlite:
                raise
            raise StoreUnavailable(place=self.place, cause=cause_of(error.orig)) from error
        except OSError as error:
            if self.is_sqlite:
                raise
            # pg8000 lets through what its socket says of a server that has just died.
            raise StoreUnavailable(place=self.place, cause=error.strerror or error) from error


def locks_of(deciding: Collection[str], *, of_leads: Literal["no", "shared", "alone"] = "no") -> str:
    """PostgreSQL's statement that takes the locks of a transaction, always in the same order, or two would wait for each other.

    What a later statement of the transaction reads is what those who held them before have written.
    """
    parts = sorted({crc32(lead_id.encode("utf-8", "surrogatepass")) % _PARTS for lead_id in deciding})
    locks = [f"pg_advisory_xact_lock({_DECIDING_LOCK}, {part})" for part in parts]
    if of_leads != "no":
        locks.append(f"pg_advisory_xact_lock{'' if of_leads == 'alone' else '_shared'}({_LEADS_LOCK})")
    return f"SELECT {', '.join(locks)}"


def refused(error: BaseException | None) -> bool:
    """Whether PostgreSQL reports that a row breaks a rule of the schema (SQLSTATE class 23)."""
    told = error.args[0] if error is not None and error.args else None
    return isinstance(told, dict) and str(told.get("C", "")).startswith("23")


def cause_of(error: BaseException | None) -> str:
    """What a driver's error says; pg8000 tells it in a dictionary."""
    told = error.args[0] if error is not None and error.args else error
    return str(told.get("M", told)) if isinstance(told, dict) else str(told)


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
    connection: Connection,
    newest: PolicyRow | None,
    text: str,
    *,
    author: str,
    note: str,
    actor: str | None,
    restores: int | None = None,
) -> PolicyRow:
    if newest is not None and _same(newest.json, text):
        return newest
    row = PolicyRow(newest.version + 1 if newest else 1, text, author, note, now(), restores)
    connection.execute(policies.insert().values(asdict(row)))
    action = "policy.published" if restores is None else "policy.rolled-back"
    audited(connection, actor or author, action, row.version, author=author, note=note, restores=restores)
    return row


def _add_key(connection: Connection, key: ApiKey) -> None:
    connection.execute(api_keys.insert().values(asdict(key) | {"scopes": " ".join(sorted(key.scopes))}))


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


def _sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver shall not begin transactions by itself
        connection.execute("PRAGMA busy_timeout = 5000")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is erased is gone from the file, too
        # 64 MB. A service copies pages home before that, beside its requests (`Quick.shorten_log`).
        connection.execute("PRAGMA wal_autocheckpoint = 16000")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reading") else "BEGIN IMMEDIATE")


def _postgresql(url: str) -> Engine:
    """By pg8000, whatever driver the address names; `host` and `sslmode` may stand in its query as libpq allows."""
    try:
        address = sa.engine.make_url(url)
    except sa.exc.ArgumentError:
        raise BadDatabaseUrl(why="it does not read as one") from None
    if address.get_backend_name() not in ("postgresql", "postgres"):
        raise BadDatabaseUrl(why=f"{address.get_backend_name()} is not a database that Tamiz knows, SQLite and PostgreSQL are")
    query, arguments = dict(address.query), dict[str, Any]()
    host = query.pop("host", None)
    if isinstance(host, str):
        if host.startswith("/"):
            arguments["unix_sock"] = f"{host}/.s.PGSQL.{address.port or 5432}"
        else:
            address = address.set(host=host)
    mode = query.pop("sslmode", "prefer")
    if mode in ("require", "verify-ca", "verify-full"):
        import ssl

        context = ssl.create_default_context()
        if mode == "require":  # encrypted, whoever it is: what libpq means by it
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        arguments["ssl_context"] = context
    if query:
        raise BadDatabaseUrl(why=f"`{next(iter(query))}` in its query is not understood, only host and sslmode are")
    address = address.set(drivername="postgresql+pg8000", query={}, username=address.username or "postgres")
    return sa.create_engine(address, connect_args=arguments, pool_pre_ping=True)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switches the file to a write-ahead log, once in its life. Others who do so at this moment are waited for: SQLite itself would not."""
    until = time.monotonic() + 5.0
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


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
