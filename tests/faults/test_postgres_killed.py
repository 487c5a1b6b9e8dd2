"""PostgreSQL is killed without warning under load: what was acknowledged is there, and the service goes on by itself."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data.schema import activities, decisions
from data.store import Store
from serving.examples import LEAD
from tests.postgres import Server
from tests.service import Service, ask, callers, wait_until


@pytest.fixture
def own_server() -> Iterator[Server]:
    server = Server(durable=True)
    yield server
    server.stop()


class Working:
    """Scores by body and pushes activities in turns; remembers what was acknowledged and how the rest was answered."""

    def __init__(self) -> None:
        self.decided: set[str] = set()
        self.pushed: set[tuple[str, str]] = set()
        self.answers: Counter[int] = Counter()

    def __call__(self, connection: http.client.HTTPConnection, caller: int, turn: int) -> None:
        if turn % 2:
            row = {"lead_id": f"l{caller}", "activity_id": f"a{turn}", "type": "page_view", "occurred_at": "2026-10-05T08:12:31Z"}
            status, content = ask(connection, "POST", "/v1/activities", [row])
            if status == 200:
                self.pushed.add((f"l{caller}", f"a{turn}"))
        else:
            status, content = ask(connection, "POST", "/v1/score", LEAD)
            if status == 200:
                self.decided.add(json.loads(content)["receipt"]["decision_id"])
        self.answers[status] += 1
        assert status in (200, 503), content
        assert status == 200 or json.loads(content)["detail"]


@pytest.mark.slow
def test_nothing_that_was_acknowledged_is_lost_and_the_service_recovers(own_server: Server, home: Path, start: Any) -> None:
    with own_server.database() as url:
        service: Service = start(TAMIZ_DATABASE_URL=url)
        working = Working()
        with callers(service.port, 16, working) as broken:
            for _ in range(2):
                whole = len(working.decided) + len(working.pushed)
                wait_until(lambda: len(working.decided) + len(working.pushed) > whole + 200, 60, "it did not go on")  # noqa: B023 - waited for here
                refused = working.answers[503]
                own_server.kill()
                wait_until(lambda: working.answers[503] > refused, 30, "nobody was told")  # noqa: B023 - waited for here
                assert service.ask("GET", "/livez")[0] == 200
                assert service.ask("GET", "/readyz")[0] == 503
                own_server.revive()
            whole = len(working.decided) + len(working.pushed)
            wait_until(lambda: len(working.decided) + len(working.pushed) > whole + 100, 60, "it did not go on")
        assert broken == []
        assert service.ask("GET", "/readyz")[0] == 200

        store = Store.open(home, url)
        try:
            with store.reading() as connection:
                kept = set(connection.execute(sa.select(decisions.c.decision_id)).scalars())
                held = {
                    (row.lead_id, row.activity_id) for row in connection.execute(sa.select(activities.c.lead_id, activities.c.activity_id))
                }
        finally:
            store.close()
    assert working.decided - kept == set()
    assert working.pushed - held == set()
