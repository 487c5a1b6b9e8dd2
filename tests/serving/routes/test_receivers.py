"""What other systems push is answered at once, understood soon after, and never lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.examples import PUSHED, RECEIVER
from serving.settings import Settings


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/receivers"),
        ("GET", "/v1/receivers"),
        ("PUT", "/v1/receivers/x"),
        ("DELETE", "/v1/receivers/x"),
        ("GET", "/v1/receivers/x/messages"),
        ("POST", "/v1/receivers/x/retry"),
    ],
)
class TestAny:
    def test_a_stranger_is_refused(self, guarded: TestClient, key_for: Callable[..., dict[str, str]], method: str, path: str) -> None:
        assert guarded.request(method, path).status_code == 401
        assert guarded.request(method, path, headers=key_for("score", "ingest", "read", "policy")).status_code == 403

    def test_one_that_does_not_exist_is_a_404(self, client: TestClient, method: str, path: str) -> None:
        if "x" in path.split("/"):
            assert client.request(method, path, json=RECEIVER if method == "PUT" else None).status_code == 404


def register(client: TestClient, **wanted: Any) -> tuple[str, str]:
    made = client.post("/v1/receivers", json=wanted or RECEIVER)
    assert made.status_code == 201, made.text
    return made.json()["receiver"]["receiver_id"], made.json()["path"]


def wait(client: TestClient, receiver_id: str, state: str, count: int = 1) -> list[dict[str, Any]]:
    end = time.monotonic() + 20
    while True:
        listed: list[dict[str, Any]] = client.get(f"/v1/receivers/{receiver_id}/messages?state={state}").json()["messages"]
        if len(listed) >= count or time.monotonic() > end:
            return listed
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "either `mapping` or `preset`"),
        (RECEIVER | {"preset": "odoo"}, "either `mapping` or `preset`"),
        ({"preset": "sap"}, "sap"),
        ({"mapping": {"rules": []}}, "rules"),
    ],
)
def test_what_cannot_be_registered_is_named(client: TestClient, body: dict[str, Any], says: str) -> None:
    answer = client.post("/v1/receivers", json=body)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


class TestPushing:
    def test_an_address_that_is_nobody_s_is_a_404_that_repeats_nothing(self, client: TestClient) -> None:
        answer = client.post("/v1/hooks/guessed-secret", json=PUSHED)
        assert answer.status_code == 404
        assert "guessed" not in answer.text

    def test_no_key_is_asked_for_and_none_but_the_address_is_needed(
        self, guarded: TestClient, key_for: Callable[..., dict[str, str]]
    ) -> None:
        path = guarded.post("/v1/receivers", json=RECEIVER, headers=key_for("admin")).json()["path"]
        assert guarded.post(path, json=PUSHED).status_code == 202

    def test_a_body_that_is_too_large_is_refused(self, client: TestClient) -> None:
        _, path = register(client)
        assert client.post(path, content=b" " * (2 << 20)).status_code == 413

    def test_it_becomes_a_lead_that_is_scored(self, client: TestClient) -> None:
        receiver_id, path = register(client)
        assert client.post(path, json=PUSHED).json() == {"known": False}
        assert client.post(path, json=PUSHED).json() == {"known": True}
        (taken,) = wait(client, receiver_id, "taken")
        assert (taken["error"], taken["body"]) == (None, "")
        decided = client.get("/v1/leads/L-2041/decision").json()
        assert "Head of Supply Chain" in str(decided["bant"])

    def test_what_cannot_be_read_is_kept_and_read_by_a_better_mapping(self, client: TestClient) -> None:
        receiver_id, path = register(client)
        assert client.post(path, content=b'{"contact": {"id": "ana", "mail": "a@acme.example"}, "at": "soon"}').status_code == 202
        assert client.post(path, content=b"\x00\x01").status_code == 202
        failed = wait(client, receiver_id, "failed", 2)
        assert any("is no time" in one["error"] and '"soon"' in one["body"] for one in failed)
        assert any("neither JSON nor a form" in one["error"] for one in failed)
        assert client.get("/v1/receivers").json()["receivers"][0]["failed"] == 2
        better = {"mapping": {"rules": [{"lead": {"lead_id": "$.contact.id", "values": {"email": "$.contact.mail"}}}]}}
        assert client.put(f"/v1/receivers/{receiver_id}", json=better).status_code == 200
        assert client.post(f"/v1/receivers/{receiver_id}/retry").json() == {"retried": 2}
        assert len(wait(client, receiver_id, "taken")) == 1
        assert client.get("/v1/leads/ana/decision").status_code == 200

    def test_what_no_rule_speaks_of_says_so(self, client: TestClient) -> None:
        receiver_id, path = register(client, preset="hubspot")
        client.post(path, json=[{"subscriptionType": "deal.creation", "objectId": 1}])
        (taken,) = wait(client, receiver_id, "taken")
        assert "No rule" in taken["error"]

    def test_a_receiver_that_was_revoked_takes_nothing(self, client: TestClient) -> None:
        receiver_id, path = register(client)
        assert client.delete(f"/v1/receivers/{receiver_id}").status_code == 204
        assert client.post(path, json=PUSHED).status_code == 404
        assert client.get("/v1/receivers").json() == {"receivers": []}


def test_on_either_database(home: Any, database: str) -> None:
    settings = Settings(home, database, auth="dev")
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        receiver_id, path = register(client, preset="odoo")
        client.post(path, json={"_model": "crm.lead", "_id": 7, "function": "CFO", "write_date": "2026-06-01 09:00:00"})
        assert len(wait(client, receiver_id, "taken")) == 1
        assert client.get("/v1/leads/7/decision").status_code == 200
