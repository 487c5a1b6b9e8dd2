"""A copy of an installation's SQLite file, made while others write.

In: a store and the file to write. Out: one file that opens as `tamiz.db`, whole and of one instant; it appears under its name when it
is complete and on the disk. Raises NotAFile for PostgreSQL, which brings its own tools, and StoreUnavailable.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from data.errors import BadUsage
from data.store import Store, StoreUnavailable

__all__ = ["NotAFile", "back_up"]


class NotAFile(BadUsage):
    """This installation keeps its leads and decisions in PostgreSQL: back it up with `pg_dump --format=custom`."""


def back_up(store: Store, to: Path) -> int:
    """Copies the database to `to`, replacing what is there; how many bytes that are."""
    if not store.is_sqlite:
        raise NotAFile
    building = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        _copy(store.place, building)
        with building.open("rb+") as file:
            os.fsync(file.fileno())
        building.replace(to)
    except (OSError, sqlite3.Error) as error:
        building.unlink(missing_ok=True)
        raise StoreUnavailable(place=to, cause=error) from None
    return to.stat().st_size


def _copy(place: str, to: Path) -> None:
    with closing(sqlite3.connect(place)) as source, closing(sqlite3.connect(to)) as target:
        # In one go: a copy in steps begins again whenever somebody else writes in between.
        source.backup(target, pages=-1)
        if (found := target.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged: {found}")
