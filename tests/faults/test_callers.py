"""What callers do wrong: half of a batch is bad, an event comes a hundred times, hundreds send a byte a second."""

from __future__ import annotations

import http.client
import json
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

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


def column(home: Path, name: Any, database: str = "") -> set[str]:
    store = Store.open(home, database)
    try:
        with store.reading() as connection:
            return set(connection.execute(sa.select(name)).scalars())
    finally:
        store.close()
