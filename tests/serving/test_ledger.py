from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from data.quick import COLUMNS
from data.store import Store, StoreUnavailable
from serving.ledger import AT_ONCE, AlreadyAnswered, Ledger, LedgerClosed, Row


def row(number: int, lead_id: str = "ana", decision: str = "mql", key: str | None = None, previous: str | None = None) -> Row:
    values = dict.fromkeys(COLUMNS) | {
        "decision_id": f"d{number}", "lead_id": lead_id, "scored_at": 2, "as_of": 1, "decision": decision, "previous_decision": previous,
        "probability": 0.3, "model_version": "m1", "policy_version": "1", "feature_set": "f1", "input_hash": "h1", "input": b"x" * 2_000,
        "answer": b"{}", "runtime": "r1", "idempotency_key": key, "request_hash": "hash" if key else None,
    }  # fmt: skip
    return tuple(values.values())


def run(tmp_path: Path, story: Callable[[Ledger, Store], Awaitable[None]]) -> None:
    async def told() -> None:
        store = Store.open(tmp_path)
        store.note_runtime("r1", {})
        ledger = Ledger(store)
        ledger.start()
        try:
            await story(ledger, store)
        finally:
            await ledger.close()
            store.close()

    asyncio.run(told())


def fill(ledger: Ledger) -> None:
    pages = ledger.here.connection.execute("PRAGMA page_count").fetchone()[0]
    limit(ledger, pages)


def limit(ledger: Ledger, pages: int = 1_000_000) -> None:
    for one in ledger.connections:
        one.connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_fails_the_requests_leaves_nothing_and_later_ones_recover(tmp_path: Path) -> None:
    async def story(ledger: Ledger, store: Store) -> None:
        fill(ledger)
        entered = [ledger.enter([row(number, f"l{number}")], {f"l{number}": "mql"}) for number in range(50)]
        answers = await asyncio.gather(*entered, return_exceptions=True)
        refused = [number for number, answer in enumerate(answers) if isinstance(answer, StoreUnavailable)]
        assert refused, "fifty rows of two kilobytes fit into no free page"
        assert all(store.decision(f"d{number}") is None for number in refused)
        assert all(store.decision(f"d{number}") is not None for number in set(range(50)) - set(refused))
        limit(ledger)
        await ledger.enter([row(99)], {"ana": "mql"})
        assert store.decision("d99") is not None

    run(tmp_path, story)


def test_a_full_disk_is_a_503_and_the_next_request_is_answered(client: Any, lead: Any) -> None:
    ledger: Ledger = client.app.state.service.ledger
    fill(ledger)
    answers = [client.post("/v1/score", json=lead | {"lead": {"lead_id": f"l{n}"}}) for n in range(40)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "store-unavailable")}
    limit(ledger)
    assert client.post("/v1/score", json=lead).status_code == 200
    assert f"tamiz_ledger_failures_total {float(len(refused))}" in client.get("/metrics").text


def test_what_was_decided_on_top_of_a_failed_decision_fails_with_it(tmp_path: Path) -> None:
    async def story(ledger: Ledger, store: Store) -> None:
        first = ledger.enter([row(1), row(1)], {"ana": "mql"})
        second = ledger.enter([row(2, decision="sql", previous="mql")], {"ana": "sql"})
        other = ledger.enter([row(3, "bea")], {"bea": "mql"})
        answers = await asyncio.gather(first, second, other, return_exceptions=True)
        assert isinstance(answers[0], AlreadyAnswered)
        assert isinstance(answers[1], AlreadyAnswered)
        assert answers[2] is None
        assert store.decision("d2") is None
        assert store.decision("d3") is not None
        assert ledger.latest(["ana"]) == {}

    run(tmp_path, story)


def test_a_decision_on_its_way_is_already_the_latest(tmp_path: Path) -> None:
    async def story(ledger: Ledger, _: Store) -> None:
        await ledger.enter([row(1, decision="mql")], {"ana": "mql"})
        underway = ledger.enter([row(2, decision="sql", previous="mql")], {"ana": "sql"})
        assert ledger.latest(["ana", "bea"]) == {"ana": "sql"}
        await underway
        assert ledger.latest(["ana", "bea"]) == {"ana": "sql"}
        assert ledger._underway == {}

    run(tmp_path, story)


def test_an_idempotency_key_is_entered_once_even_by_two_processes(tmp_path: Path) -> None:
    async def story(ledger: Ledger, store: Store) -> None:
        other = Ledger(store)
        other.start()
        entered = [one.enter([row(n, f"l{n}", key="local:k")], {}) for n, one in enumerate((ledger, other))]
        answers = await asyncio.gather(*entered, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyAnswered", "NoneType"]
        await other.close()

    run(tmp_path, story)


def test_requests_that_wait_together_share_a_transaction(tmp_path: Path) -> None:
    async def story(ledger: Ledger, _: Store) -> None:
        await asyncio.gather(*(ledger.enter([row(number, f"l{number}")], {}) for number in range(200)))
        assert ledger.entered == 200
        assert ledger.groups < 100

    run(tmp_path, story)


def test_many_rows_keep_nobody_waiting_and_are_written_in_their_order(tmp_path: Path) -> None:
    async def story(ledger: Ledger, store: Store) -> None:
        many = ledger.enter([row(number, f"l{number}") for number in range(AT_ONCE + 1)], {"l0": "mql"})
        one = ledger.enter([row(1_000, "l0", "sql", previous="mql")], {"l0": "sql"})
        await asyncio.sleep(0)
        assert ledger.latest(["l0"]) == {"l0": "sql"}
        await asyncio.gather(many, one)
        assert ledger.entered == AT_ONCE + 2
        held = store.decision("d1000")
        assert held is not None
        assert held["sequence"] > AT_ONCE

    run(tmp_path, story)


def test_a_lock_held_by_another_is_waited_for(tmp_path: Path) -> None:
    async def story(ledger: Ledger, store: Store) -> None:
        other = store.quick()
        other.connection.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, lambda: other.connection.execute("ROLLBACK"))
        release.start()
        await ledger.enter([row(1)], {"ana": "mql"})
        assert store.decision("d1") is not None
        other.close()

    run(tmp_path, story)


def test_stopping_writes_what_is_queued_and_takes_no_more(tmp_path: Path) -> None:
    async def story(ledger: Ledger, store: Store) -> None:
        waiting = [ledger.enter([row(number, f"l{number}")], {}) for number in range(20)]
        await ledger.close()
        assert [await one for one in waiting] == [None] * 20
        with pytest.raises(LedgerClosed):
            ledger.enter([row(99)], {})
        assert store.decision("d19") is not None

    run(tmp_path, story)
