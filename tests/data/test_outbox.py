"""Every decision that is announced becomes one message for each endpoint that wants it, in order for each lead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.outbox import Endpoint, Filters, Message, Outbox
from data.quick import COLUMNS
from data.store import Store, now

LEASE = 60_000_000


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    store = Store.open(tmp_path, database)
    store.note_runtime("r1", {})
    yield store
    store.close()


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return Outbox(store)


@pytest.fixture
def decide(store: Store) -> Callable[..., None]:
    """Enters decisions as the ledger does."""
    quick = store.quick()
    count = 0

    def enter(*wanted: tuple[str, str | None, str], origin: str | None = "store", grade: str = "C") -> None:
        nonlocal count
        rows = []
        for lead_id, previous, decision in wanted:
            count += 1
            values = dict.fromkeys(COLUMNS) | {
                "decision_id": f"d{count}", "lead_id": lead_id, "scored_at": 1_000_000, "as_of": 1, "decision": decision,
                "previous_decision": previous, "probability": 0.3, "model_version": "m", "policy_version": "1", "feature_set": "f",
                "input_hash": "h", "input": b"{}", "answer": json.dumps({"lead_id": lead_id, "grade": grade}).encode(), "runtime": "r1",
                "origin": origin,
            }  # fmt: skip
            rows.append(tuple(values[name] for name in COLUMNS))
        quick.append(rows)

    return enter


def endpoint(name: str = "crm", filters: Filters = Filters()) -> Endpoint:  # noqa: B008 - a frozen value
    return Endpoint(f"we_{name}", "https://crm.example/", "whsec_AAAA", filters, "", "ana", 1)


def take(outbox: Outbox, name: str = "crm", at: int | None = None) -> list[Message]:
    return outbox.claim(f"we_{name}", 100, at or now(), LEASE)


def told(messages: list[Message]) -> list[str]:
    return [one.message_id.split("_")[1] for one in messages]


class TestFilling:
    def test_without_endpoints_nothing_is_kept(self, outbox: Outbox, decide: Callable[..., None]) -> None:
        decide(("ana", None, "mql"))
        assert not outbox.fill()
        outbox.add(endpoint())
        outbox.fill()
        assert take(outbox) == [], "what was decided before somebody asked for it is not sent"

    def test_only_what_crossed_and_comes_from_the_store_is_told(self, outbox: Outbox, decide: Callable[..., None]) -> None:
        outbox.add(endpoint())
        decide(("ana", None, "nurture"), ("ana", "nurture", "nurture"), ("ana", "nurture", "mql"))
        decide(("bea", None, "mql"), origin=None)
        outbox.fill()
        made = outbox.messages("we_crm")
        assert sorted(told(made)) == ["d1", "d3"]
        first, second = (json.loads(one.body) for one in reversed(made))
        assert (first["type"], second["type"]) == ("decision.made", "decision.changed")
        assert first["timestamp"] == "1970-01-01T00:00:01Z"
        assert first["data"]["lead_id"] == "ana"

    def test_the_same_crossing_entered_by_two_processes_is_told_once(self, outbox: Outbox, decide: Callable[..., None]) -> None:
        outbox.add(endpoint())
        decide(("ana", None, "nurture"))
        decide(("ana", "nurture", "mql"), ("ana", "nurture", "mql"))
        outbox.fill()
        assert sorted(told(outbox.messages("we_crm"))) == ["d1", "d2"]

    def test_each_endpoint_gets_what_it_asked_for(self, outbox: Outbox, decide: Callable[..., None]) -> None:
        outbox.add(endpoint("all"))
        outbox.add(endpoint("mql", Filters(("mql",))))
        outbox.add(endpoint("good", Filters(min_grade="B")))
        outbox.add(endpoint("off"))
        outbox.change("we_off", url="https://x.example/", filters=Filters(), note="", enabled=False)
        decide(("ana", None, "nurture"), ("ana", "nurture", "mql"), ("ana", "mql", "nurture"))
        decide(("bea", None, "sql"), grade="A")
        outbox.fill()
        made = {one: sorted(told(outbox.messages(f"we_{one}"))) for one in ("all", "mql", "good", "off")}
        assert made == {"all": ["d1", "d2", "d3", "d4"], "mql": ["d2", "d3"], "good": ["d4"], "off": []}

    def test_of_an_erased_lead_nothing_is_told(self, store: Store, outbox: Outbox, decide: Callable[..., None]) -> None:
        outbox.add(endpoint())
        decide(("ana", None, "mql"), ("bea", None, "mql"), ("eva", None, "mql"))
        with store.writing() as connection:
            connection.exec_driver_sql("UPDATE decisions SET erased_at = 5 WHERE lead_id = 'ana'")
            connection.exec_driver_sql("DELETE FROM decisions WHERE lead_id = 'bea'")
        outbox.fill()
        assert [one.lead_id for one in outbox.messages("we_crm")] == ["eva"]

    def test_more_than_fits_into_one_go_is_told_in_order(self, outbox: Outbox, decide: Callable[..., None]) -> None:
        outbox.add(endpoint())
        decide(*((f"lead-{i}", None, "mql") for i in range(1_100)))
        while outbox.fill():
            pass
        made = outbox.messages("we_crm", limit=2_000)
        assert [int(one[1:]) for one in told(made)] == list(range(1_100, 0, -1))

    def test_a_decision_that_is_not_kept_is_not_announced(self, store: Store, outbox: Outbox, decide: Callable[..., None]) -> None:
        outbox.add(endpoint())
        with pytest.raises(Exception, match="contradicts"):
            decide(("ana", None, "mql"), ("ana", None, None))  # type: ignore[arg-type]  # a row that the store refuses
        outbox.fill()
        assert outbox.messages("we_crm") == []


class TestOrder:
    @pytest.fixture
    def filled(self, outbox: Outbox, decide: Callable[..., None]) -> Outbox:
        outbox.add(endpoint())
        decide(("ana", None, "nurture"), ("ana", "nurture", "mql"), ("bea", None, "mql"), ("ana", "mql", "sql"))
        outbox.fill()
        return outbox

    def test_of_a_lead_only_the_first_that_waits_is_given_out(self, filled: Outbox) -> None:
        held = take(filled)
        assert told(held) == ["d1", "d3"]
        assert take(filled) == []
        filled.delivered(held[0], now())
        assert told(take(filled)) == ["d2"]

    def test_one_that_failed_keeps_the_later_ones_back_until_it_is_given_up(self, filled: Outbox) -> None:
        first, _ = take(filled)
        filled.failed(first, "no", again_at=now() + LEASE)
        assert take(filled) == []
        (again,) = (one for one in take(filled, at=now() + LEASE) if one.lead_id == "ana")
        assert (again.message_id, again.attempts, again.last_error) == (first.message_id, 1, "no")
        filled.failed(again, "never", again_at=None)
        assert told(take(filled)) == ["d2"]

    def test_one_whose_worker_died_is_given_out_again(self, filled: Outbox) -> None:
        dead = take(filled)
        again = take(filled, at=now() + LEASE + 1)
        assert told(again) == told(dead)
        filled.failed(dead[0], "too late to say so", again_at=None)
        filled.delivered(again[0], now())
        assert {one.message_id: one.state for one in filled.messages("we_crm")}[again[0].message_id] == "delivered"

    def test_what_arrived_is_not_kept(self, filled: Outbox) -> None:
        first, _ = take(filled)
        filled.delivered(first, 10)
        assert filled.messages("we_crm", "delivered")[0].body == b""
        filled.forget_old(now())
        assert filled.messages("we_crm", "delivered") == []
        assert len(filled.messages("we_crm", "waiting")) == 3

    def test_what_was_given_up_is_delivered_when_asked_for(self, filled: Outbox) -> None:
        for one in take(filled):
            filled.failed(one, "no", again_at=None)
        assert filled.counts() == {"we_crm": {"dead": 2, "waiting": 2}}
        assert filled.replay("we_crm", ["msg_d3_we_crm"]) == 1
        assert filled.replay("we_crm") == 1
        assert filled.replay("we_crm") == 0
        assert sorted(told(take(filled))) == ["d1", "d3"]

    def test_one_that_is_off_is_not_due_and_loses_nothing(self, filled: Outbox) -> None:
        assert filled.due(now()) == {"we_crm"}
        filled.disable("we_crm")
        assert filled.due(now()) == set()
        filled.change("we_crm", url="https://new.example/", filters=Filters(), note="n", enabled=True)
        assert filled.due(now()) == {"we_crm"}

    def test_one_that_is_removed_leaves_nothing(self, filled: Outbox) -> None:
        assert filled.remove("we_crm")
        assert not filled.remove("we_crm")
        assert (filled.messages("we_crm"), filled.endpoints()) == ([], [])
