"""Decisions arrive at whoever asked for them: signed, at least once, in order, and after any pause."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from data.crm import LeadPut
from data.outbox import Endpoint, Filters, Message, Outbox
from data.store import now
from serving import delivery as module
from serving.delivery import Delivery, new_endpoint
from serving.rescoring import score_leads
from serving.running import running
from serving.service import Service
from serving.settings import Settings
from tests.receiver import Got, Receiver, receiving

ALLOW = ("127.0.0.1",)
Story = Callable[[Service, Endpoint], Awaitable[None]]
Tell = Callable[[Story], None]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def tell(home: Path, database: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """Runs a story in an installation with the receiver as its endpoint, where waiting takes no time."""
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.002)
    monkeypatch.setattr(module, "LONGEST_REST", 0.002)

    def run(story: Story) -> None:
        async def told() -> None:
            async with running(Settings(home, database, auth="dev", worker="beside", webhook_allow=ALLOW)) as service:
                endpoint = new_endpoint(receiver.url, Filters(), note="", author="ana", allow=ALLOW)
                Outbox(service.store).add(endpoint)
                await story(service, endpoint)

        asyncio.run(told())

    return run


async def decide(service: Service, lead_id: str, title: str) -> None:
    service.crm.put_leads([LeadPut(lead_id, {"job_title": title, "email": "ana@acme.example"}, now(), now())])
    await score_leads(service, [lead_id])


def announce(service: Service, *decisions: tuple[str, str]) -> None:
    """Messages as the outbox would be filled with: of a lead, what it became."""
    from data.schema import outbox

    endpoint = Outbox(service.store).endpoints()[0].endpoint_id
    with service.store.writing() as connection:
        for number, (lead_id, decision) in enumerate(decisions):
            values = {"lead_id": lead_id, "body": json.dumps({"data": {"lead_id": lead_id, "decision": decision}}).encode()}
            times = {"created_at": now(), "due_at": now(), "attempts": 0}
            name = {"message_id": f"msg_{number}", "endpoint_id": endpoint, "state": "waiting"}
            connection.execute(outbox.insert().values(values | times | name))


async def deliver(service: Service, *, until: Callable[[], bool], seconds: float = 20.0) -> None:
    delivery = Delivery(service)
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        await delivery.finish()
        await asyncio.sleep(0.005)


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)


def states(service: Service) -> dict[str, int]:
    (found,) = Outbox(service.store).counts().values()
    return found


def test_a_decision_arrives_signed_and_whole(tell: Tell, receiver: Receiver) -> None:
    async def story(service: Service, endpoint: Endpoint) -> None:
        await decide(service, "ana", "CFO")
        await module.fill(service)
        await deliver(service, until=lambda: states(service).get("delivered") == 1)
        (got,) = receiver.got
        verified: dict[str, Any] = Webhook(endpoint.secret).verify(got.body, got.headers)
        _, standing, _ = service.crm.standing("ana") or (None, None, None)
        assert standing is not None
        assert verified["type"] == "decision.made"
        assert verified["data"]["receipt"]["decision_id"] == standing.decision_id
        assert verified["data"] == json.loads(service.store.decision(standing.decision_id)["answer"])  # type: ignore[index]  # it is there
        with pytest.raises(Exception, match="signature"):
            Webhook("whsec_" + "A" * 40).verify(got.body, got.headers)

    tell(story)


def test_a_receiver_that_was_down_gets_everything_in_order_when_it_is_up(tell: Tell, receiver: Receiver) -> None:
    down = [True]
    receiver.answer = lambda got: (503, {}) if down[0] else (200, {})
    wanted = [(f"lead-{i % 5}", str(i // 5)) for i in range(40)]

    async def story(service: Service, endpoint: Endpoint) -> None:
        announce(service, *wanted)
        await deliver(service, until=lambda: len(receiver.got) >= 3)
        assert states(service) == {"waiting": 40}
        down[0] = False
        await deliver(service, until=lambda: states(service).get("delivered") == 40)

    tell(story)
    taken = [(one.json["data"]["lead_id"], one.json["data"]["decision"]) for one in receiver.taken]
    for lead in {lead for lead, _ in wanted}:
        assert [decision for one, decision in taken if one == lead] == [decision for one, decision in wanted if one == lead]
    assert len(taken) == len({one.message_id for one in receiver.taken}) == 40


def test_one_message_that_is_never_taken_is_given_up_and_delivered_later(tell: Tell, receiver: Receiver) -> None:
    picky = [True]

    def answer(got: Got) -> tuple[int, dict[str, str]]:
        return (400 if picky[0] and got.json["data"]["decision"] == "bad" else 200), {}

    receiver.answer = answer

    async def story(service: Service, endpoint: Endpoint) -> None:
        announce(service, ("ana", "bad"), ("ana", "good"), ("bea", "good"))
        await deliver(service, until=lambda: states(service) == {"dead": 1, "delivered": 2})
        outbox = Outbox(service.store)
        (dead,) = outbox.messages(endpoint.endpoint_id, "dead")
        assert (dead.attempts, dead.last_error) == (module.ATTEMPTS, "answered 400")
        picky[0] = False
        assert outbox.replay(endpoint.endpoint_id) == 1
        await deliver(service, until=lambda: states(service) == {"delivered": 3})

    tell(story)


def test_one_that_says_it_is_gone_is_left_alone(tell: Tell, receiver: Receiver) -> None:
    receiver.answer = lambda got: (410, {})

    async def story(service: Service, endpoint: Endpoint) -> None:
        announce(service, ("ana", "mql"), ("ana", "sql"))
        await deliver(service, until=lambda: bool(Outbox(service.store).endpoints()[0].disabled_at))
        await Delivery(service).finish()
        assert len(receiver.got) == 1
        assert states(service) == {"waiting": 2}

    tell(story)


def test_one_that_is_down_delays_nobody_else(tell: Tell, receiver: Receiver) -> None:
    async def story(service: Service, endpoint: Endpoint) -> None:
        outbox = Outbox(service.store)
        with receiving() as slow:
            slow.answer = lambda got: (time.sleep(3), (500, {}))[1]  # type: ignore[func-returns-value]  # it sleeps, then answers
            outbox.add(new_endpoint(slow.url, Filters(), note="", author="ana", allow=ALLOW))
            await decide(service, "ana", "CFO")
            await module.fill(service)
            delivery = Delivery(service)
            await delivery.begin()
            await asyncio.to_thread(wait_until, lambda: bool(receiver.taken), 2.5)
            assert len(receiver.taken) == 1
            assert slow.taken == []
            await delivery.close()

    tell(story)


def test_what_was_on_its_way_when_a_worker_was_killed_arrives_again(tell: Tell, receiver: Receiver) -> None:
    async def story(service: Service, endpoint: Endpoint) -> None:
        announce(service, ("ana", "mql"))
        outbox = Outbox(service.store)
        held: list[Message] = outbox.claim(endpoint.endpoint_id, 8, now(), 50_000)  # sent, and killed before it was noted
        assert len(held) == 1
        await deliver(service, until=lambda: states(service) == {"delivered": 1})

    tell(story)
    assert [one.message_id for one in receiver.got] == ["msg_0"]
