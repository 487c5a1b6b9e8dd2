"""Endpoints are registered, tried out, and given what they missed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from standardwebhooks import Webhook

from data.outbox import Outbox
from data.store import Store, now
from serving.app import create_app
from serving.settings import Settings
from tests.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def allowing(home: Path, database: str) -> Iterator[TestClient]:
    """A service that may call this machine."""
    settings = Settings(home, database, auth="dev", webhook_allow=("127.0.0.1",))
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield client


def register(client: TestClient, url: str, **wanted: Any) -> tuple[str, str]:
    made = client.post("/v1/webhooks", json={"url": url} | wanted)
    assert made.status_code == 201, made.text
    return made.json()["webhook"]["webhook_id"], made.json()["secret"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/webhooks"),
        ("GET", "/v1/webhooks"),
        ("PUT", "/v1/webhooks/x"),
        ("DELETE", "/v1/webhooks/x"),
        ("POST", "/v1/webhooks/x/test"),
        ("GET", "/v1/webhooks/x/messages"),
        ("POST", "/v1/webhooks/x/replay"),
    ],
)
class TestAny:
    def test_a_stranger_is_refused(self, guarded: TestClient, key_for: Callable[..., dict[str, str]], method: str, path: str) -> None:
        assert guarded.request(method, path).status_code == 401
        assert guarded.request(method, path, headers=key_for("score", "ingest", "read", "policy")).status_code == 403

    def test_one_that_does_not_exist_is_a_404(self, client: TestClient, method: str, path: str) -> None:
        if "x" in path.split("/"):
            assert client.request(method, path, json={"url": "https://a.example/"} if method == "PUT" else {}).status_code == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "url"),
        ({"url": "http://crm.example/"}, "not https"),
        ({"url": "https://localhost:8000/"}, None),
        ({"url": "https://169.254.169.254/"}, "not a public address"),
        ({"url": "https://crm.example/", "decision": ["maybe"]}, "maybe"),
        ({"url": "https://crm.example/", "min_grade": "E"}, "'E'"),
        ({"url": "https://crm.example/", "secret": "mine"}, "the keys here are url"),
    ],
)
def test_what_cannot_be_registered_is_named(client: TestClient, body: dict[str, Any], says: str | None) -> None:
    answer = client.post("/v1/webhooks", json=body)
    if says is None:  # what a name means is looked up when it is called
        made = client.post(f"/v1/webhooks/{answer.json()['webhook']['webhook_id']}/test").json()
        assert (made["delivered"], "not a public address" in made["error"]) == (False, True)
        return
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


def test_the_secret_is_shown_once_and_verifies(allowing: TestClient, receiver: Receiver) -> None:
    webhook_id, secret = register(allowing, receiver.url)
    tried = allowing.post(f"/v1/webhooks/{webhook_id}/test").json()
    assert (tried["delivered"], tried["status"]) == (True, 200)
    assert Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)["type"] == "test"
    assert secret not in allowing.get("/v1/webhooks").text


def test_the_button_says_what_went_wrong(allowing: TestClient, receiver: Receiver) -> None:
    webhook_id, _ = register(allowing, receiver.url)
    receiver.answer = lambda got: (404, {})
    tried = allowing.post(f"/v1/webhooks/{webhook_id}/test").json()
    assert (tried["delivered"], tried["status"], tried["error"]) == (False, 404, "answered 404")


def test_from_a_lead_to_the_receiver(allowing: TestClient, receiver: Receiver) -> None:
    register(allowing, receiver.url)
    allowing.put("/v1/leads/ana", json={"job_title": "CFO", "email": "ana@acme.example"})
    end = time.monotonic() + 30
    while not receiver.taken and time.monotonic() < end:
        time.sleep(0.05)
    (got,) = receiver.taken
    held = allowing.get("/v1/leads/ana/decision").json()
    assert held.pop("lifecycle")["state"] == got.json["data"]["decision"]
    assert got.json["data"] == held


def test_what_was_given_up_is_listed_and_replayed(allowing: TestClient, receiver: Receiver, home: Path, database: str) -> None:
    webhook_id, _ = register(allowing, receiver.url)
    receiver.answer = lambda got: (500, {})
    allowing.put("/v1/leads/ana", json={"job_title": "CFO"})
    end = time.monotonic() + 30
    while not receiver.got and time.monotonic() < end:
        time.sleep(0.05)
    store = Store.open(home, database)
    outbox = Outbox(store)
    waiting = outbox.messages(webhook_id, "waiting")
    while not waiting[0].attempts and time.monotonic() < end:
        time.sleep(0.05)
        waiting = outbox.messages(webhook_id, "waiting")
    (held,) = outbox.claim(webhook_id, 1, now() + 3_600_000_000, 60_000_000)
    outbox.failed(held, "answered 500", again_at=None)
    store.close()

    assert allowing.get(f"/v1/webhooks/{webhook_id}/messages?state=nowhere").status_code == 422
    assert allowing.get(f"/v1/webhooks/{webhook_id}/messages?cursor=-1").status_code == 422
    page = allowing.get(f"/v1/webhooks/{webhook_id}/messages?state=dead").json()
    assert [(one["lead_id"], one["last_error"]) for one in page["messages"]] == [("ana", "answered 500")]
    assert allowing.get("/v1/webhooks").json()["webhooks"][0]["dead"] == 1
    receiver.answer = lambda got: (200, {})
    assert allowing.post(f"/v1/webhooks/{webhook_id}/replay", json={"message_ids": ["msg_x"]}).json() == {"replayed": 0}
    assert allowing.post(f"/v1/webhooks/{webhook_id}/replay").json() == {"replayed": 1}
    assert allowing.get(f"/v1/webhooks/{webhook_id}/messages?state=dead").json()["messages"] == []


def test_an_endpoint_is_changed_switched_off_and_removed(allowing: TestClient, receiver: Receiver) -> None:
    webhook_id, _ = register(allowing, receiver.url, decision=["mql"], note="CRM")
    path = f"/v1/webhooks/{webhook_id}"
    assert allowing.put(path, json={"url": "http://elsewhere.example/"}).status_code == 422
    changed = allowing.put(path, json={"url": receiver.url, "min_grade": "B", "enabled": False}).json()
    assert (changed["decision"], changed["min_grade"], changed["disabled_at"] is None) == ([], "B", False)
    assert allowing.put(path, json={"url": receiver.url}).json()["disabled_at"] is None
    assert allowing.delete(path).status_code == 204
    assert allowing.get("/v1/webhooks").json() == {"webhooks": []}
