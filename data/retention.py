"""What may go: the content of old decisions, and bundles that nothing names any more.

In: a store, the folder of bundles and an instant. Out: what is older and not needed, and, if asked for, its removal. Of a decision
the input and the answer go and the bare row stays: what was decided on whom, when, by which model and policy, and the hash of
the input. Kept whole is the newest decision on each lead. Answers that were kept for a repeated call go too. A bundle goes
when no decision could be computed again with it, it serves no more, and the registry gave it, so that it can be had again.
Instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.audit import note
from data.errors import TamizError
from data.schema import decisions, replies
from data.store import Store, now

__all__ = ["Old", "find_old", "prune"]

_AT_ONCE = 500
_POINTERS = ("champion.json", "served.json")


class BundleStays(TamizError):
    """{folder} could not be removed ({cause}): see to its permissions and prune again; nothing else depends on it."""


@dataclass(frozen=True)
class Old:
    """What may go."""

    decisions: int
    """Whose content may go."""
    content: int
    """Bytes of that content."""
    bundles: tuple[Path, ...]


def find_old(store: Store, bundles: Path, before: int) -> Old:
    """What is from before an instant and not needed."""
    size = sa.func.coalesce(sa.func.sum(sa.func.length(decisions.c.input) + sa.func.length(decisions.c.answer)), 0)
    with store.mapped(), store.reading() as connection:
        count, content = connection.execute(sa.select(sa.func.count(), size).where(*_thinnable(before))).one()
        return Old(int(count), int(content), tuple(_unneeded(connection, bundles, before)))


def prune(store: Store, bundles: Path, before: int, *, author: str, progress: Callable[[int], None] | None = None) -> Old:
    """Removes what `find_old` finds, a few hundred decisions at a time, so that nobody waits for it. Raises BundleStays."""
    thinned = content = 0
    of_content = sa.func.length(decisions.c.input) + sa.func.length(decisions.c.answer)
    wanted = sa.select(decisions.c.sequence, of_content).where(*_thinnable(before)).order_by(decisions.c.sequence).limit(_AT_ONCE)
    bare = {"input": b"", "answer": b"", "idempotency_key": None, "request_hash": None}
    with store.mapped():
        while True:
            with store.writing() as connection:
                found = connection.execute(wanted).all()
                places = [place for place, _ in found]
                connection.execute(sa.update(decisions).where(decisions.c.sequence.in_(places)).values(**bare, erased_at=now()))
            if not found:
                break
            thinned += len(found)
            content += sum(size for _, size in found)
            if progress is not None:
                progress(thinned)
        with store.writing() as connection:
            connection.execute(sa.delete(replies).where(replies.c.kept_at < before))
            gone = tuple(_unneeded(connection, bundles, before))
            if thinned or gone:
                told = {"decisions": thinned, "bundles": [folder.name for folder in gone]}
                note(connection, author, "ledger.pruned", datetime.fromtimestamp(before // 1_000_000, UTC).date(), **told)
    for folder in gone:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise BundleStays(folder=folder, cause=error.strerror) from error
    return Old(thinned, content, gone)


def _thinnable(before: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Old decisions that have their content still and that a newer one on the same lead follows."""
    later = decisions.alias("later")
    follows = sa.exists().where(later.c.lead_id == decisions.c.lead_id, later.c.sequence > decisions.c.sequence)
    return decisions.c.scored_at < before, decisions.c.input != b"", follows


def _unneeded(connection: Connection, bundles: Path, before: int) -> Iterator[Path]:
    """Folders of bundles that came from the registry before an instant, and that nothing names."""
    used = {
        str(version) for (version,) in connection.execute(sa.select(decisions.c.model_version).where(decisions.c.input != b"").distinct())
    }
    named = {_bundle_named(bundles / pointer) for pointer in _POINTERS}
    for manifest in sorted(bundles.glob("v*-*/manifest.json")):
        folder = manifest.parent
        if folder.name in named or manifest.stat().st_mtime_ns // 1000 >= before:
            continue
        if str(json.loads(manifest.read_bytes()).get("model_version")) not in used:
            yield folder


def _bundle_named(pointer: Path) -> str | None:
    try:
        return Path(str(json.loads(pointer.read_bytes())["bundle"])).name
    except (OSError, ValueError, KeyError, TypeError):
        return None
