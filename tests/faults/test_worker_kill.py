"""Workers killed without warning in the middle of a job: no lead is left out, none is counted or decided twice, and everybody who
asked for decisions gets them all. A service killed after it took what was pushed has it when it comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data.crm import Crm, LeadPut
from data.hooks import Hooks
from data.jobs import CHUNK, Job, Jobs, Selection
from data.outbox import Filters, Outbox
from data.schema import decisions, job_chunks, outbox, stale, standings
from data.store import Store, now
from serving.delivery import new_endpoint
from serving.mapping import preset
from serving.receivers import new_receiver
from tests.receiver import receiving
from tests.serving.conftest import make_bundle, point
from tests.trained import environment

ROOT = Path(__file__).resolve().parents[2]
LEADS = 3 * CHUNK + 10
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_bundle(tmp_path / "bundles" / "it", version="1", hope=0.0)
    point(tmp_path, "it")
    return tmp_path


@pytest.fixture
def store(home: Path, database: str) -> Iterator[Store]:
    store = Store.open(home, database)
    yield store
    store.close()


@pytest.fixture
def start(home: Path, database: str) -> Iterator[Start]:
    """Starts `tamiz worker` in a process of its own."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*words: str) -> subprocess.Popen[bytes]:
        settings = environment(home, TAMIZ_DATABASE_URL=database, TAMIZ_WEBHOOK_ALLOW="127.0.0.1", TAMIZ_AUTH="dev")
        command = [sys.executable, "-m", "tamiz", *(words or ("worker",))]
        one = subprocess.Popen(command, env=settings, cwd=ROOT, stderr=subprocess.DEVNULL)
        running.append(one)
        return one

    yield begin
    for one in running:
        one.kill()
        one.wait()


def wait(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def all_of(store: Store, wanted: sa.Select[Any]) -> list[Any]:
    with store.reading() as connection:
        return list(connection.execute(wanted))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_job_survives_its_workers(store: Store, start: Start) -> None:
    names = [f"lead-{i:04d}" for i in range(LEADS)]
    Crm(store).put_leads([LeadPut(name, {"job_title": "CFO", "email": f"x@{name}.example"}, 1, 1) for name in names])
    with store.writing() as connection:
        connection.execute(sa.delete(stale))  # only the job scores them
    jobs = Jobs(store)
    asked, _ = jobs.create("rescore", Selection(), author="ana")

    def job() -> Job:
        found = jobs.get(asked.job_id)
        assert found is not None
        return found

    with receiving() as receiver:
        endpoint = new_endpoint(receiver.url, Filters(), note="", author="ana", allow=("127.0.0.1",))
        Outbox(store).add(endpoint)
        killed = 0
        while killed < 2 and not job().over:
            victim, other = start(), start()
            wait(lambda: job().over or _held(store))
            for one in (victim, other):
                one.send_signal(signal.SIGKILL)
                assert one.wait(10) == -signal.SIGKILL
            killed += 1
            with store.writing() as connection:  # half a minute later
                connection.execute(sa.update(job_chunks).values(leased_by=None, lease_until=now() - 1))
                connection.execute(sa.update(outbox).where(outbox.c.state == "waiting").values(leased_until=now() - 1, due_at=now()))
        start()
        start()
        wait(lambda: job().over)
        wait(lambda: {one.json["data"]["lead_id"] for one in receiver.taken} == set(names))
        wait(lambda: Outbox(store).counts() == {endpoint.endpoint_id: {"delivered": LEADS}})
        sent = {one.json["data"]["receipt"]["decision_id"]: one.message_id for one in receiver.taken}

    found = job()
    assert (found.state, found.total, found.done, found.failed) == ("done", LEADS, LEADS, 0)
    entered = all_of(store, sa.select(decisions.c.decision_id, decisions.c.lead_id))
    first = {one.lead_id: one.decision_id for one in reversed(entered)}
    assert set(first) == set(names)
    assert max(Counter(one.lead_id for one in entered).values()) == 1
    assert {one.lead_id: one.decision_id for one in all_of(store, sa.select(standings.c.lead_id, standings.c.decision_id))} == first
    assert set(sent) == set(first.values())
    assert len(set(sent.values())) == LEADS


def _held(store: Store) -> bool:
    return bool(all_of(store, sa.select(job_chunks.c.number).where(job_chunks.c.leased_by.is_not(None))))


@pytest.mark.slow
def test_what_was_pushed_is_read_by_whoever_comes_after(store: Store, start: Start) -> None:
    """Kept, and the process gone before anybody looked at it: `tamiz worker --once` is the next."""
    _, receiver = new_receiver(preset("odoo"), note="", author="ana")
    hooks = Hooks(store)
    hooks.add(receiver)
    assert hooks.receive(receiver.hook_id, b'{"_model": "crm.lead", "_id": 7, "function": "CFO"}', now(), within=0)
    held = hooks.claim(1, now() - 1, 1) or hooks.claim(1, now(), 1)  # a worker that took it and was killed
    assert len(held) == 1
    assert start("worker", "--once").wait(60) == 0
    assert [one.state for one in hooks.received(receiver.hook_id)] == ["taken"]
    assert Crm(store).standing("7") is not None
