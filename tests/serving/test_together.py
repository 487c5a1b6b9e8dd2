"""Many callers at once: doubles collapse, company changes no bit of a score, one's error is nobody else's, a swap fails nobody."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.store import Store
from models.scoring import score_requests
from serving.app import create_app
from serving.examples import LEAD
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


async def together(client: httpx.AsyncClient, bodies: Sequence[Any]) -> list[httpx.Response]:
    return await asyncio.gather(*(client.post("/v1/score", json=body) for body in bodies))


def crowd(size: int) -> list[dict[str, Any]]:
    """Leads that differ in what is known of them, in what they did, and in how reasons are asked for."""
    return [
        {
            "lead": {name: value for at, (name, value) in enumerate(LEAD["lead"].items()) if at == 0 or (n >> at % 5) & 1}
            | {"lead_id": f"l{n}", "employees": 7 * n},
            "activities": LEAD["activities"][: n % 7],
            "as_of": "2026-10-21T09:00:00Z",
            "explain": ("path", "none", "shap")[n // 20],
        }
        for n in range(size)
    ]


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many were scored in one go, each time."""
    seen: list[int] = []

    def counted(bundle: Any, requests: Any, policy: Any, **more: Any) -> Any:
        seen.append(len(requests))
        return score_requests(bundle, requests, policy, **more)

    monkeypatch.setattr("serving.decider.score_requests", counted)
    return seen


def test_company_changes_no_bit_of_a_decision(home: Path, tmp_path: Path, sizes: list[int]) -> None:
    bodies, decisions = crowd(40), []

    async def all_at_once(client: httpx.AsyncClient) -> None:
        decisions.append([answer.json() for answer in await together(client, bodies)])

    async def one_by_one(client: httpx.AsyncClient) -> None:
        decisions.append([(await client.post("/v1/score", json=body)).json() for body in bodies])

    other = tmp_path / "other"
    shutil.copytree(home / "bundles", other / "bundles", symlinks=True)
    run(home, all_at_once)
    assert max(sizes) >= 10, "they were not scored together"
    sizes.clear()
    run(other, one_by_one)
    assert set(sizes) == {1}
    for crowded, alone in zip(*decisions, strict=True):
        for one in (crowded, alone):
            del one["receipt"]["decision_id"], one["receipt"]["scored_at"]
        assert crowded == alone
    assert len({one["probability"] for one in decisions[0]}) > 10


def test_the_same_lead_many_times_at_once_has_one_history(home: Path, sizes: list[int]) -> None:
    keen = LEAD | {"as_of": "2026-10-21T09:00:00Z"}
    cold = {"lead": {"lead_id": LEAD["lead"]["lead_id"]}, "as_of": "2026-10-21T09:00:00Z"}

    async def story(client: httpx.AsyncClient) -> None:
        answers = await together(client, [cold if n % 3 else keen for n in range(90)])
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.json()["changed"] for answer in answers} == {True, False}

    run(home, story)
    assert max(sizes) > 1
    with Store.open(home).reading() as connection:
        rows = connection.exec_driver_sql("SELECT previous_decision, decision FROM decisions ORDER BY sequence").fetchall()
    assert [row[0] for row in rows] == [None, *(row[1] for row in rows[:-1])]
    assert len({row[1] for row in rows}) > 1


def test_what_is_wrong_with_one_spoils_no_other(home: Path, sizes: list[int]) -> None:
    wrong: dict[int, dict[str, Any]] = {
        3: {"lead": {"lead_id": "l3", "created_at": "soon"}},
        7: {"lead": {}},
        11: {"lead": {"lead_id": "l11"}, "as_of": "0001-01-01T00:00:00+14:00"},
        15: {"lead": {"lead_id": "l15"}, "leed": 1},
    }

    async def story(client: httpx.AsyncClient) -> None:
        answers = await together(client, [wrong.get(n, body) for n, body in enumerate(crowd(20))])
        assert [answer.status_code for answer in answers] == [422 if n in wrong else 200 for n in range(20)]

    run(home, story)
    assert max(sizes) > 1
    with Store.open(home).reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar_one() == 16


def test_a_bug_that_one_lead_meets_is_not_the_others(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbles(bundle: Any, requests: Any, policy: Any, **more: Any) -> Any:
        if any(one.lead["lead_id"] == "l5" for one in requests):
            raise ZeroDivisionError
        return score_requests(bundle, requests, policy, **more)

    monkeypatch.setattr("serving.decider.score_requests", stumbles)

    async def story(client: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(client.post("/v1/score", json=body) for body in crowd(20)), return_exceptions=True)
        assert [getattr(answer, "status_code", 500) for answer in answers] == [500 if n == 5 else 200 for n in range(20)]

    run(home, story)


def test_a_full_disk_fails_all_that_waited_and_half_writes_none(home: Path) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        transport: Any = client._transport
        ledger = transport.app.state.service.ledger
        connection = ledger.here.connection
        bodies = crowd(40)
        for one in ledger.connections:
            one.connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
        refused = [answer for answer in await together(client, bodies) if answer.status_code != 200]
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "store-unavailable")}
        for one in ledger.connections:
            one.connection.execute("PRAGMA max_page_count = 1000000")
        kept = connection.execute("SELECT lead_id FROM decisions").fetchall()
        assert len(kept) == 40 - len(refused)
        again = [answer.json() for answer in await together(client, bodies)]
        remembered = [answer["lead_id"] for answer in again if answer["previous_decision"] is not None]
        assert sorted(remembered) == sorted(lead_id for (lead_id,) in kept)
        assert len(refused) > 20

    run(home, story)
