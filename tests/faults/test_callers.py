"""What callers do wrong: half of a batch is bad, an event comes a hundred times, hundreds send a byte a second."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data.schema import activities, decisions
from data.store import Store
from serving.examples import LEAD
from tests.service import Service, ask, callers, wait_until

SLOW = 300


def test_a_batch_of_a_thousand_with_five_hundred_bad_items_answers_each_in_its_place(home: Path, start: Any) -> None:
    service: Service = start()
    bad: list[Any] = [{"leads": {}}, {"lead": {}}, 7, {"lead": {"lead_id": "x"}, "as_of": "soon"}, {"lead": {"lead_id": ""}}]
    items = [LEAD | {"lead": {"lead_id": f"l{n}"}} if n % 2 else bad[n // 2 % len(bad)] for n in range(1_000)]
    status, answer = service.ask("POST", "/v1/score/batch", {"items": items})
    assert (status, answer["scored"], answer["failed"]) == (200, 500, 500)
    for n, item in enumerate(answer["items"]):
        assert item["status"] == (200 if n % 2 else 422)
        assert item["answer"]["lead_id"] == f"l{n}" if n % 2 else item["problem"]["detail"]
    told = {item["answer"]["receipt"]["decision_id"] for item in answer["items"][1::2]}
    assert told == column(home, decisions.c.decision_id)


def test_the_same_event_a_hundred_times_from_twenty_connections_is_one(home: Path, start: Any, database: str) -> None:
    service: Service = start("--workers", "2", TAMIZ_DATABASE_URL=database)
    event = {"lead_id": "ana", "activity_id": "e-1", "type": "demo_request", "occurred_at": "2026-10-05T08:12:31Z"}
    nameless = {"lead_id": "ana", "type": "page_view", "occurred_at": "2026-10-05T08:13:00Z", "url": "/pricing"}
    statuses: list[list[int]] = []

    def act(connection: http.client.HTTPConnection, caller: int, turn: int) -> None:
        if turn < 5:
            status, content = ask(connection, "POST", "/v1/activities", [event, nameless])
            assert status == 200, content
            statuses.append([row["status"] for row in json.loads(content)["rows"]])
        else:
            time.sleep(0.02)

    with callers(service.port, 20, act) as broken:
        wait_until(lambda: len(statuses) == 100, 60)
    assert broken == []
    assert [sum(one[place] == 201 for one in statuses) for place in (0, 1)] == [1, 1], "one of a hundred was the first"
    assert len(column(home, activities.c.activity_id, database)) == 2


def test_hundreds_who_send_a_byte_now_and_then_keep_nobody_else_waiting(home: Path, start: Any) -> None:
    service: Service = start()
    head = b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    with ExitStack() as open_:
        slow = [open_.enter_context(socket.create_connection(("127.0.0.1", service.port))) for _ in range(SLOW)]
        answered = 0
        for byte in range(5):
            for n, one in enumerate(slow):
                with suppress(OSError):  # a deadline may have ended it
                    one.send(b"{" if n % 2 and byte else head if n % 2 else head[byte : byte + 1])
            for _ in range(20):
                status, answer = service.ask("POST", "/v1/score", LEAD)
                assert status == 200, answer
                answered += 1
    assert answered == 100
    assert service.ask("GET", "/readyz")[0] == 200


@pytest.mark.slow
def test_who_sends_a_byte_a_second_is_let_go_while_the_others_are_answered(start: Any) -> None:
    resource = pytest.importorskip("resource")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, limit[1]), limit[1]))
    service: Service = start()
    normal = waited(service)
    with ExitStack() as open_:
        waiting = [open_.enter_context(socket.create_connection(("127.0.0.1", service.port))) for _ in range(1_000)]
        for one in waiting:
            one.send(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
            one.setblocking(False)
        meanwhile: list[float] = []
        end = time.monotonic() + 40
        while waiting:
            assert time.monotonic() < end, f"{len(waiting)} are still held"
            waiting = [one for one in waiting if holds(one)]
            meanwhile += waited(service, 40)
    sys.stdout.write(f"p99 {p99(meanwhile) * 1e3:.1f} ms meanwhile, {p99(normal) * 1e3:.1f} ms without them\n")
    assert waited(service)


def waited(service: Service, times: int = 200) -> list[float]:
    """How long each of some scores took; each has to be answered."""
    taken = []
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        for _ in range(times):
            begun = time.perf_counter()
            status, content = ask(connection, "POST", "/v1/score", LEAD)
            assert status == 200, content
            taken.append(time.perf_counter() - begun)
    return taken


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


def holds(one: socket.socket) -> bool:
    """Sends another byte of a header that never ends; whether the service still waits for it."""
    try:
        one.send(b"X")
        one.recv(100)
    except BlockingIOError:  # nothing was answered yet
        return True
    except OSError:
        return False
    return False


def column(home: Path, name: Any, database: str = "") -> set[str]:
    store = Store.open(home, database)
    try:
        with store.reading() as connection:
            return set(connection.execute(sa.select(name)).scalars())
    finally:
        store.close()
