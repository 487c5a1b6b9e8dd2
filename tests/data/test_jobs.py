"""Jobs are cut into chunks that each lead is in once, whoever is killed in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from data import jobs as module
from data.crm import Crm, LeadPut, Standing
from data.jobs import CHUNK, Chunk, Jobs, Selection, Worker
from data.schema import job_chunks
from data.schema import jobs as job_table
from data.store import Store, now

LEASE = 1_000_000


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    store = Store.open(tmp_path, database)
    yield store
    store.close()


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2 * CHUNK)


def know(store: Store, count: int, account: str = "") -> list[str]:
    names = [f"{account}{i:05d}" for i in range(count)]
    values = {"company_domain": account} if account else {"country": "ES"}
    Crm(store).put_leads([LeadPut(name, values, 1, 1) for name in names])
    return names


def stand(store: Store, names: list[str], decision: str, as_of: int) -> None:
    Crm(store).stand([Standing(one, decision, 1, "d", 0.1, 0.0, 0.2, 1.0, "D", None, as_of, "m", "1", "{}") for one in names])


def cut(jobs: Jobs, worker: str = "w", at: int = 10) -> None:
    while jobs.cut(worker, at, LEASE):
        pass


def take_all(jobs: Jobs, worker: str = "w", at: int = 10) -> list[Chunk]:
    chunks = []
    while (chunk := jobs.claim(worker, at, LEASE)) is not None:
        chunks.append(chunk)
    return chunks


class TestAsking:
    def test_what_does_not_exist_is_none(self, jobs: Jobs) -> None:
        assert jobs.get("job_x") is None
        assert jobs.cancel("job_x") is None
        assert jobs.claim("w", 1, LEASE) is None
        assert not jobs.cut("w", 1, LEASE)

    def test_the_same_id_is_the_same_job(self, jobs: Jobs) -> None:
        first, made = jobs.create("rescore", Selection(), author="ana", job_id="nightly")
        again, made_again = jobs.create("decay", Selection(("mql",)), author="bea", job_id="nightly")
        assert (made, made_again, again) == (True, False, first)

    def test_the_newest_come_first(self, jobs: Jobs) -> None:
        names = [jobs.create("rescore", Selection(), author="ana")[0].job_id for _ in range(3)]
        assert [one.job_id for one in jobs.newest()] == names[::-1]
        assert len(jobs.newest(limit=2)) == 2


class TestWhichLeads:
    def test_a_job_about_nobody_is_done_at_once(self, jobs: Jobs) -> None:
        job, _ = jobs.create("rescore", Selection(("sql",)), author="ana")
        cut(jobs)
        found = jobs.get(job.job_id)
        assert found is not None
        assert (found.state, found.total, jobs.any_under_way()) == ("done", 0, False)

    def test_every_lead_is_in_one_chunk(self, store: Store, jobs: Jobs) -> None:
        names = know(store, 1_500)
        job, _ = jobs.create("rescore", Selection(), author="ana")
        cut(jobs)
        chunks = take_all(jobs)
        assert sorted(one for chunk in chunks for one in chunk.lead_ids) == names
        assert max(len(chunk.lead_ids) for chunk in chunks) <= CHUNK
        assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
        found = jobs.get(job.job_id)
        assert found is not None
        assert (found.total, found.state) == (1_500, "running")

    def test_filters_filter_together(self, store: Store, jobs: Jobs) -> None:
        acme, other = know(store, 20, "acme.example"), know(store, 20, "other.example")
        stand(store, acme[:10] + other[:10], "mql", 5)
        stand(store, acme[10:], "nurture", 50)
        for selection, expected in (
            (Selection(account="acme.example"), acme),
            (Selection(("mql",)), acme[:10] + other[:10]),
            (Selection(("mql",), "acme.example"), acme[:10]),
            (Selection(as_of_before=50), acme[:10] + other[:10]),
            (Selection(("nurture",), as_of_before=51), acme[10:]),
        ):
            jobs.create("rescore", selection, author="ana")
            cut(jobs)
            assert sorted(one for chunk in take_all(jobs) for one in chunk.lead_ids) == expected

    def test_who_cuts_and_dies_is_followed_by_another(self, store: Store, jobs: Jobs) -> None:
        names = know(store, 1_500)
        jobs.create("rescore", Selection(), author="ana")
        assert jobs.cut("dead", 10, LEASE)
        assert not jobs.cut("other", 10 + LEASE - 1, LEASE)
        cut(jobs, "other", 10 + LEASE)
        assert sorted(one for chunk in take_all(jobs, at=10 + LEASE) for one in chunk.lead_ids) == names


class TestChunks:
    @pytest.fixture
    def job_id(self, store: Store, jobs: Jobs) -> str:
        know(store, CHUNK + 10)
        job, _ = jobs.create("rescore", Selection(), author="ana")
        cut(jobs)
        return job.job_id

    def test_a_chunk_whose_worker_died_is_given_away_and_counted_once(self, jobs: Jobs, job_id: str) -> None:
        chunk = jobs.claim("dead", 10, LEASE)
        assert chunk is not None
        (other,) = take_all(jobs, "alive", 10)
        again = jobs.claim("alive", 10 + LEASE, LEASE)
        assert again is not None
        assert (again.number, again.attempts) == (chunk.number, 2)
        assert not jobs.renew(chunk, "dead", 10 + 9 * LEASE)
        assert not jobs.finish(chunk, "dead", {}, 20)
        assert jobs.finish(again, "alive", {"bad-size": 3}, 20)
        assert jobs.finish(other, "alive", {"bad-size": 1, "lead-unknown": 1}, 30)
        found = jobs.get(job_id)
        assert found is not None
        assert (found.state, found.total, found.done, found.failed) == ("done", CHUNK + 10, CHUNK + 5, 5)
        assert found.reasons == {"bad-size": 4, "lead-unknown": 1}
        assert found.finished_at == 30

    def test_who_renews_keeps_it(self, jobs: Jobs, job_id: str) -> None:
        chunk = jobs.claim("w", 10, LEASE)
        assert chunk is not None
        assert jobs.renew(chunk, "w", 10 + 5 * LEASE)
        assert [one.number for one in take_all(jobs, "x", 10 + 2 * LEASE)] == [1]

    def test_one_that_kills_every_worker_is_known_as_such(self, jobs: Jobs, job_id: str) -> None:
        for begun in range(1, 7):
            chunk = jobs.claim("w", begun * 2 * LEASE, LEASE)
            assert chunk is not None
            assert (chunk.number, chunk.attempts, chunk.hopeless) == (0, begun, begun > 5)

    def test_one_that_is_given_back_was_not_begun(self, jobs: Jobs, job_id: str) -> None:
        for _ in range(10):
            chunk = jobs.claim("w", 10, LEASE)
            assert chunk is not None
            assert (chunk.number, chunk.hopeless) == (0, False)
            jobs.release(chunk, "w", 10)

    def test_cancelled_between_chunks(self, jobs: Jobs, job_id: str) -> None:
        chunk = jobs.claim("w", 10, LEASE)
        assert chunk is not None
        asked = jobs.cancel(job_id)
        assert asked is not None
        # The instants of this test lie in 1970: to `cancel` every lease has ended, and it takes all that is left.
        assert asked.cancel_asked
        assert jobs.claim("other", 10, LEASE) is None
        found = jobs.get(job_id)
        assert found is not None
        assert (found.state, found.done) == ("cancelled", 0)

    def test_what_is_under_way_when_it_is_cancelled_is_finished_and_counted(self, jobs: Jobs, job_id: str) -> None:
        chunk = jobs.claim("w", now(), 60_000_000)
        assert chunk is not None
        asked = jobs.cancel(job_id)
        assert asked is not None
        assert (asked.state, asked.cancel_asked) == ("running", True)
        assert jobs.finish(chunk, "w", {}, now())
        found = jobs.get(job_id)
        assert found is not None
        assert (found.state, found.done, found.total) == ("cancelled", CHUNK, CHUNK + 10)

    @pytest.mark.parametrize("how", ["stops", "dies"])
    def test_it_ends_with_its_last_worker_though_other_jobs_go_on(self, store: Store, jobs: Jobs, job_id: str, how: str) -> None:
        at = now()
        chunk = jobs.claim("w", at, 60_000_000)
        assert chunk is not None
        jobs.create("rescore", Selection(), author="marc", job_id="another")
        cut(jobs, at=at)
        jobs.cancel(job_id)
        if how == "stops":
            jobs.release(chunk, "w", at + 2_000_000)
        going_on = jobs.claim("other", at + (0 if how == "stops" else 60_000_001), LEASE)
        found = jobs.get(job_id)
        assert going_on is not None
        assert found is not None
        assert (going_on.job_id, found.state, found.done) == ("another", "cancelled", 0)

    def test_one_that_is_over_stays_as_it_is(self, jobs: Jobs, job_id: str) -> None:
        for chunk in take_all(jobs):
            jobs.finish(chunk, "w", {"bad": len(chunk.lead_ids)}, 11)
        asked = jobs.cancel(job_id)
        assert asked is not None
        assert (asked.state, asked.cancel_asked) == ("failed", False)

    def test_one_that_is_over_names_no_lead_any_more(self, store: Store, jobs: Jobs, job_id: str) -> None:
        cut(jobs)
        for chunk in take_all(jobs):
            assert jobs.finish(chunk, "w", {}, 20)
        with store.reading() as connection:
            assert connection.execute(sa.select(job_table.c.state, job_table.c.checkpoint)).all() == [("done", None)]
            assert connection.execute(sa.select(job_chunks)).all() == []

    def test_workers_never_hold_the_same_chunk(self, store: Store, jobs: Jobs, job_id: str) -> None:
        know(store, 10 * CHUNK)
        jobs.create("rescore", Selection(), author="ana")
        cut(jobs)
        held: list[Chunk] = []

        def take(worker: str) -> None:
            mine = Jobs(store)
            while (chunk := mine.claim(worker, 10, LEASE)) is not None:
                held.append(chunk)

        threads = [threading.Thread(target=take, args=(f"w{i}",)) for i in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        assert len(held) == 12
        assert len({(one.job_id, one.number) for one in held}) == 12


def test_a_worker_that_gives_no_sign_is_gone(jobs: Jobs) -> None:
    at = now()
    jobs.seen(Worker("old", "a:1", at - 10, at - 90_000_000))
    jobs.seen(Worker("new", "b:2", at - 5, at - 5))
    jobs.seen(Worker("new", "b:2", at - 5, at))
    assert jobs.workers() == [Worker("new", "b:2", at - 5, at)]
    jobs.gone("new")
    assert jobs.workers() == []
