"""Jobs over many leads: cut into chunks, each done by one worker at a time, and gone on with after any of them was killed.

In: which leads a job is about. Out: chunks of lead ids to whoever asks for work, and what became of them. Each chunk is leased;
whoever does not renew his lease is taken for dead, and somebody else gets the chunk. A chunk is deleted in the transaction
that counts it, so that no lead is counted twice however often a chunk was begun. Instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.schema import job_chunks, jobs, leads, merges, standings, workers
from data.store import Store, now

__all__ = ["CHUNK", "Chunk", "Job", "JobKind", "JobState", "Jobs", "Selection", "Worker"]

JobKind = Literal["rescore", "decay"]
JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
CHUNK = 256
"""Leads that are done between two looks at whether the job is still wanted."""
PAGE = 5_000
"""Leads that are cut into chunks in one transaction."""
ATTEMPTS = 5
"""How often a chunk is begun before its leads count as failed: something about it kills workers."""
UNDER_WAY = ("waiting", "running")
SEEN = 60_000_000
"""A worker that has not been heard of for so long is gone."""


class Selection(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which leads a job is about: all of them, or those of which all of this is true."""

    decisions: tuple[str, ...] = ()
    account: str | None = None
    as_of_before: int | None = None
    """Only leads whose score is from before this instant."""


@dataclass(frozen=True)
class Job:
    """A job as it stands."""

    job_id: str
    kind: JobKind
    state: JobState
    selection: Selection
    author: str
    created_at: int
    started_at: int | None
    finished_at: int | None
    total: int | None
    """How many leads it is about; None while they are still being counted."""
    done: int
    failed: int
    reasons: dict[str, int]
    cancel_asked: bool

    @property
    def over(self) -> bool:
        return self.state not in UNDER_WAY


@dataclass(frozen=True)
class Chunk:
    """Leads of a job that this worker holds."""

    job_id: str
    number: int
    lead_ids: list[str]
    attempts: int
    """How often it was begun, this time included."""

    @property
    def hopeless(self) -> bool:
        return self.attempts > ATTEMPTS


@dataclass(frozen=True)
class Worker:
    """Someone who does jobs."""

    worker_id: str
    place: str
    started_at: int
    seen_at: int


class _Cut(msgspec.Struct, frozen=True):
    """How far a job has been cut into chunks."""

    after: str = ""
    chunks: int = 0
    leads: int = 0


class Jobs:
    """The jobs of an installation."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # ---------------------------------------------------------------------------------------------- those who want work done

    def create(self, kind: JobKind, selection: Selection, *, author: str, job_id: str | None = None) -> tuple[Job, bool]:
        """A new job, and True; or the one that has this id already, and False."""
        one = job_id or f"job_{secrets.token_hex(12)}"
        row = {
            "job_id": one, "kind": kind, "state": "waiting", "spec": _json(selection), "author": author, "created_at": now(),
            "done": 0, "failed": 0, "reasons": "{}", "cancel_asked": 0,
        }  # fmt: skip
        with self.store.alone() as connection:
            found = _job(connection, one)
            if found is not None:
                return found, False
            connection.execute(jobs.insert().values(row))
            made = _job(connection, one)
        assert made is not None
        return made, True

    def get(self, job_id: str) -> Job | None:
        with self.store.mapped(), self.store.reading() as connection:
            return _job(connection, job_id)

    def newest(self, limit: int = 50) -> list[Job]:
        """The newest jobs, newest first."""
        with self.store.mapped(), self.store.reading() as connection:
            rows = connection.execute(sa.select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.job_id).limit(limit)).mappings()
            return [_of(row) for row in rows]

    def cancel(self, job_id: str) -> Job | None:
        """Asks for an end: nobody begins another chunk of it, and those under way are finished. None where there is no such job."""
        with self.store.writing() as connection:
            if _job(connection, job_id, lock=True) is None:
                return None
            asked = sa.update(jobs).where(jobs.c.job_id == job_id, jobs.c.state.in_(UNDER_WAY)).values(cancel_asked=1)
            if connection.execute(asked).rowcount:
                _close(connection, job_id, now())
            return _job(connection, job_id)

    def workers(self) -> list[Worker]:
        """Those who were seen of late, the longest-serving first."""
        alive = sa.select(workers).where(workers.c.seen_at > now() - SEEN).order_by(workers.c.started_at)
        with self.store.mapped(), self.store.reading() as connection:
            return [Worker(**row) for row in connection.execute(alive).mappings()]

    # ------------------------------------------------------------------------------------------------------- those who do it

    def any_under_way(self) -> bool:
        """Whether there is anything to do: a look that locks nothing."""
        with self.store.mapped(), self.store.reading() as connection:
            return connection.execute(sa.select(jobs.c.job_id).where(jobs.c.state.in_(UNDER_WAY)).limit(1)).first() is not None

    def cut(self, worker: str, at: int, lease: int) -> bool:
        """Cuts the next leads of the oldest job that is not wholly cut into chunks; False where there is none for us."""
        free = sa.or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= at, jobs.c.leased_by == worker)
        wanted = sa.select(jobs).where(jobs.c.state.in_(UNDER_WAY), jobs.c.total.is_(None), free).order_by(jobs.c.created_at).limit(1)
        with self.store.writing() as connection:
            row = connection.execute(wanted.with_for_update(skip_locked=True)).mappings().first()
            if row is None:
                return False
            cut = msgspec.json.decode(row["checkpoint"] or "{}", type=_Cut)
            found = _leads_after(connection, msgspec.json.decode(row["spec"], type=Selection), cut.after)
            parts = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)]
            if parts:
                values = [
                    {"job_id": row["job_id"], "number": cut.chunks + number, "leads": _json(part), "attempts": 0}
                    for number, part in enumerate(parts)
                ]
                connection.execute(job_chunks.insert(), values)
                cut = _Cut(found[-1], cut.chunks + len(parts), cut.leads + len(found))
            whole = len(found) < PAGE
            connection.execute(
                sa.update(jobs)
                .where(jobs.c.job_id == row["job_id"])
                .values(
                    state="running",
                    started_at=row["started_at"] or at,
                    checkpoint=_json(cut),
                    leased_by=None if whole else worker,
                    lease_until=None if whole else at + lease,
                    total=cut.leads if whole else None,
                )
            )
            if whole:
                _close(connection, row["job_id"], at)
        return True

    def claim(self, worker: str, at: int, lease: int) -> Chunk | None:
        """A chunk that nobody else gets before `at + lease`; None where nothing is left to begin."""
        free = sa.or_(job_chunks.c.lease_until.is_(None), job_chunks.c.lease_until <= at)
        wanted = (
            sa.select(job_chunks)
            .join(jobs, jobs.c.job_id == job_chunks.c.job_id)
            .where(free, jobs.c.cancel_asked == 0, jobs.c.state.in_(UNDER_WAY))
            .order_by(jobs.c.created_at, job_chunks.c.job_id, job_chunks.c.number)
            .limit(1)
            .with_for_update(skip_locked=True, of=job_chunks)
        )
        with self.store.writing() as connection:
            self._close_cancelled(connection, at)
            row = connection.execute(wanted).mappings().first()
            if row is None:
                return None
            taken = sa.update(job_chunks).where(_is(row["job_id"], row["number"]))
            connection.execute(taken.values(leased_by=worker, lease_until=at + lease, attempts=row["attempts"] + 1))
        return Chunk(row["job_id"], row["number"], msgspec.json.decode(row["leads"], type=list[str]), row["attempts"] + 1)

    def renew(self, chunk: Chunk, worker: str, until: int) -> bool:
        """Holds a chunk longer; False where it has been given to somebody else."""
        held = sa.update(job_chunks).where(_is(chunk.job_id, chunk.number), job_chunks.c.leased_by == worker)
        with self.store.writing() as connection:
            return connection.execute(held.values(lease_until=until)).rowcount == 1

    def release(self, chunk: Chunk, worker: str, until: int) -> None:
        """Gives a chunk back undone, for anybody to begin again at `until`; it does not count as begun. A job that was to end has
        ended with it."""
        held = sa.update(job_chunks).where(_is(chunk.job_id, chunk.number), job_chunks.c.leased_by == worker)
        with self.store.writing() as connection:
            # Whoever needs both takes the job before its chunks: two in different orders would wait for each other.
            job = _job(connection, chunk.job_id, lock=True)
            assert job is not None
            connection.execute(held.values(leased_by=None, lease_until=until, attempts=chunk.attempts - 1))
            if job.cancel_asked:
                _close(connection, chunk.job_id, now())

    def finish(self, chunk: Chunk, worker: str, failures: Mapping[str, int], at: int) -> bool:
        """Counts a chunk as done, but for the leads that failed, by reason; False where somebody else has it meanwhile."""
        gone = sa.delete(job_chunks).where(_is(chunk.job_id, chunk.number), job_chunks.c.leased_by == worker)
        with self.store.writing() as connection:
            job = _job(connection, chunk.job_id, lock=True)
            if job is None or connection.execute(gone).rowcount == 0:
                return False
            failed = sum(failures.values())
            connection.execute(
                sa.update(jobs)
                .where(jobs.c.job_id == chunk.job_id)
                .values(
                    done=job.done + len(chunk.lead_ids) - failed,
                    failed=job.failed + failed,
                    reasons=_json(dict(Counter(job.reasons) + Counter(failures))),
                )
            )
            _close(connection, chunk.job_id, at)
        return True

    def seen(self, worker: Worker) -> None:
        """A sign of life; those who gave none for a day are forgotten."""
        with self.store.alone() as connection:
            connection.execute(sa.delete(workers).where(workers.c.seen_at < worker.seen_at - 86_400_000_000))
            noted = sa.update(workers).where(workers.c.worker_id == worker.worker_id).values(seen_at=worker.seen_at)
            if connection.execute(noted).rowcount == 0:
                values = {"worker_id": worker.worker_id, "place": worker.place}
                connection.execute(workers.insert().values(started_at=worker.started_at, seen_at=worker.seen_at, **values))

    def gone(self, worker_id: str) -> None:
        """A worker that ends as it should."""
        with self.store.writing() as connection:
            connection.execute(sa.delete(workers).where(workers.c.worker_id == worker_id))

    @staticmethod
    def _close_cancelled(connection: Connection, at: int) -> None:
        """Jobs that were to end and whose last worker died: their chunks are free when his lease ends."""
        wanted = sa.select(jobs.c.job_id).where(jobs.c.cancel_asked == 1, jobs.c.state.in_(UNDER_WAY))
        for job_id in connection.execute(wanted).scalars().all():
            _close(connection, job_id, at)


def _close(connection: Connection, job_id: str, at: int) -> None:
    """Ends a job with nothing left to do; of one that is to be cancelled, what nobody has begun is not left to do."""
    job = _job(connection, job_id, lock=True)
    assert job is not None
    if job.over:
        return
    if job.cancel_asked:
        free = sa.or_(job_chunks.c.leased_by.is_(None), job_chunks.c.lease_until <= at)
        connection.execute(sa.delete(job_chunks).where(job_chunks.c.job_id == job_id, free))
    elif job.total is None:
        return
    if connection.execute(sa.select(job_chunks.c.number).where(job_chunks.c.job_id == job_id).limit(1)).first() is not None:
        return
    state: JobState = "cancelled" if job.done + job.failed != job.total else "failed" if job.failed and not job.done else "done"
    # Where it was cut last names a lead, who may be erased one day.
    connection.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(state=state, finished_at=at, checkpoint=None))


def _leads_after(connection: Connection, wanted: Selection, after: str) -> list[str]:
    """The next page of the leads that a job is about; one that was merged into another is not a lead any more."""
    merged = sa.exists().where(merges.c.merged == leads.c.lead_id)
    chosen = sa.select(leads.c.lead_id).where(leads.c.lead_id > after, ~merged).order_by(leads.c.lead_id).limit(PAGE)
    if wanted.account is not None:
        chosen = chosen.where(leads.c.account == wanted.account)
    if wanted.decisions or wanted.as_of_before is not None:
        chosen = chosen.join(standings, standings.c.lead_id == leads.c.lead_id)
    if wanted.decisions:
        chosen = chosen.where(standings.c.decision.in_(wanted.decisions))
    if wanted.as_of_before is not None:
        chosen = chosen.where(standings.c.as_of < wanted.as_of_before)
    return list(connection.execute(chosen).scalars())


def _job(connection: Connection, job_id: str, *, lock: bool = False) -> Job | None:
    wanted = sa.select(jobs).where(jobs.c.job_id == job_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().first()
    return None if row is None else _of(row)


def _of(row: Mapping[Any, Any]) -> Job:
    return Job(
        job_id=row["job_id"],
        kind=row["kind"],
        state=row["state"],
        selection=msgspec.json.decode(row["spec"], type=Selection),
        author=row["author"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        total=row["total"],
        done=row["done"],
        failed=row["failed"],
        reasons=msgspec.json.decode(row["reasons"], type=dict[str, int]),
        cancel_asked=bool(row["cancel_asked"]),
    )


def _is(job_id: str, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(job_chunks.c.job_id == job_id, job_chunks.c.number == number)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
