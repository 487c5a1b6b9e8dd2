"""Killed without warning while many ask: what was answered is kept, and the next start goes on from there."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data.schema import activities, leads
from data.store import Store
from serving.examples import LEAD
from tests.service import Service, ask, callers, wait_until

CALLERS = 16


class Scoring:
    """What was answered, to the byte; five leads take turns."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def __call__(self, connection: http.client.HTTPConnection, caller: int, turn: int) -> None:
        status, content = ask(connection, "POST", "/v1/score", LEAD | {"lead": LEAD["lead"] | {"lead_id": f"l{caller % 5}"}})
        assert status == 200, content
        self.answers.append(content)


class Pushing:
    """Activities that were acknowledged: each caller sends its own lead's in orders of twenty, and every order twice."""

    def __init__(self) -> None:
        self.acknowledged: set[tuple[str, str]] = set()

    def __call__(self, connection: http.client.HTTPConnection, caller: int, turn: int) -> None:
        names = [f"a{turn // 2}-{n}" for n in range(20)]
        rows = [activity(f"l{caller}", name) for name in names]
        status, content = ask(connection, "POST", "/v1/activities", rows)
        assert status == 200, content
        assert all(row["status"] in (200, 201) for row in json.loads(content)["rows"])
        self.acknowledged |= {(f"l{caller}", name) for name in names}


def activity(lead_id: str, name: str) -> dict[str, str]:
    return {"lead_id": lead_id, "activity_id": name, "type": "page_view", "occurred_at": "2026-10-05T08:12:31Z", "url": "/pricing"}


def ledger(home: Path) -> tuple[str, dict[str, bytes], list[tuple[str, str | None, str]]]:
    """Whether the file is whole, every decision's answer, and every lead's history in order."""
    store = Store.open(home)
    try:
        with store.reading() as connection:
            whole = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
            columns = "decision_id, answer, lead_id, previous_decision, decision"
            rows: list[Any] = list(connection.exec_driver_sql(f"SELECT {columns} FROM decisions ORDER BY sequence"))
    finally:
        store.close()
    return whole, {row[0]: row[1] for row in rows}, [(row[2], row[3], row[4]) for row in rows]


def missing(kept: dict[str, bytes], answered: list[bytes]) -> list[bytes]:
    return [answer for answer in answered if kept.get(json.loads(answer)["receipt"]["decision_id"]) != answer]


def test_killed_under_load_every_answer_is_in_the_ledger_and_the_next_start_goes_on(home: Path, start: Any) -> None:
    answered: list[bytes] = []
    for _ in range(2):
        service: Service = start()
        scoring = Scoring()
        with callers(service.port, CALLERS, scoring):
            wait_until(lambda: len(scoring.answers) >= 400, 40)  # noqa: B023 - waited for here
            service.kill()
        answered += scoring.answers

    whole, kept, history = ledger(home)
    assert whole == "ok"
    assert missing(kept, answered) == []
    assert len(kept) <= len(answered) + 2 * CALLERS, "at most what was under way is there without its answer having arrived"
    latest: dict[str, str] = {}
    for lead_id, previous, decision in history:
        assert previous == latest.get(lead_id)
        latest[lead_id] = decision

    status, again = start().ask("POST", "/v1/score", LEAD | {"lead": {"lead_id": "l0"}})
    assert (status, again["previous_decision"]) == (200, latest["l0"])


def test_killed_while_activities_arrive_all_that_were_acknowledged_are_kept_once_and_scored(home: Path, start: Any, database: str) -> None:
    service: Service = start(TAMIZ_DATABASE_URL=database)
    pushing = Pushing()
    with callers(service.port, CALLERS, pushing):
        wait_until(lambda: len(pushing.acknowledged) >= 2_000, 40)
        service.kill()

    store = Store.open(home, database)
    try:
        with store.reading() as connection:
            kept = Counter(
                (row.lead_id, row.activity_id) for row in connection.execute(sa.select(activities.c.lead_id, activities.c.activity_id))
            )
            known = {row.lead_id for row in connection.execute(sa.select(leads.c.lead_id))}
    finally:
        store.close()
    assert pushing.acknowledged - kept.keys() == set()
    assert set(kept.values()) == {1}
    assert {lead_id for lead_id, _ in kept} == known

    again: Service = start(TAMIZ_DATABASE_URL=database)
    wait_until(lambda: len(again.ask("GET", "/v1/leads?limit=100")[1]["leads"]) == len(known), 60, "a lead that changed was never scored")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the workers in /proc")
def test_a_killed_worker_is_replaced_and_nothing_answered_is_lost(home: Path, start: Any) -> None:
    service: Service = start("--workers", "2")
    scoring = Scoring()
    workers = answering(service)
    with callers(service.port, CALLERS, scoring, again=True):
        wait_until(lambda: len(scoring.answers) >= 300, 40)
        os.kill(workers[0], signal.SIGKILL)
        before = len(scoring.answers)
        wait_until(lambda: len(scoring.answers) >= before + 100, 40, "nobody answered any more")
    wait_until(lambda: len(answering(service)) == 2 and workers[0] not in answering(service), 20, "nobody took its place")
    whole, kept, _ = ledger(home)
    assert (whole, missing(kept, scoring.answers)) == ("ok", [])


def answering(service: Service) -> list[int]:
    """The processes that listen beside the one that was started."""
    parent = service.process.pid
    children = [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return [one for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
