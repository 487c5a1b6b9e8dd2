"""Many callers at once: doubles collapse, a swap of the model fails nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from data.store import Store
from serving.app import create_app
from serving.settings import Settings


def run(home: Path, story: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def told() -> None:
        app = create_app(Settings(home, auth="dev", poll_seconds=0.02))
        transport = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            await story(client)

    asyncio.run(told())


def test_the_same_event_a_hundred_times_at_once_is_entered_once(home: Path, lead: Any) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        sent = [client.post("/v1/score", json=lead, headers={"Idempotency-Key": "hook-1"}) for _ in range(100)]
        answers = await asyncio.gather(*sent)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1

    run(home, story)
    with Store.open(home).reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar_one() == 1


def test_every_answer_is_in_the_ledger_and_each_builds_on_the_one_before(home: Path, lead: Any) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(client.post("/v1/score", json=lead) for _ in range(60)))
        previous = [answer.json()["previous_decision"] for answer in answers]
        assert previous.count(None) == 1

    run(home, story)
    with Store.open(home).reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*), count(DISTINCT decision_id) FROM decisions").one() == (60, 60)


def test_a_swap_under_load_fails_no_request(home: Path, lead: Any, point_at: Callable[[str], None]) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        versions: set[str] = set()

        async def caller(number: int) -> None:
            for turn in range(40):
                if number == 0 and turn in (5, 20):
                    point_at("second" if turn == 5 else "first")
                answer = await client.post("/v1/score", json=lead | {"lead": {"lead_id": f"l{number}"}})
                assert answer.status_code == 200
                versions.add(answer.json()["receipt"]["model_version"])
                await asyncio.sleep(0.005)

        await asyncio.gather(*(caller(number) for number in range(16)))
        assert versions == {"1", "2"}

    run(home, story)
