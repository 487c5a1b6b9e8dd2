"""What goes past the framework is found where the framework would find it, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("lead_id", ["ana", "ana score", "score", "ñ-{lead_id}", "a%2Eb"])
def test_a_lead_is_scored_by_whatever_name_it_has(client: Any, lead_id: str) -> None:
    address = f"/v1/leads/{lead_id}"
    assert client.put(address, json={"email": "ana@acme.example"}).status_code == 200
    answer = client.post(f"{address}/score")
    assert answer.status_code == 200
    assert answer.json()["lead_id"] == client.get(address).json()["lead_id"]
    assert 'route="/v1/leads/{lead_id}/score"' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/leads//score", 404),
        ("POST", "/v1/leads/a/b/score", 404),
        ("POST", "/v1/leads/a%2Fb/score", 404),
        ("POST", "/v1/leads/nobody/score", 404),
        ("GET", "/v1/leads/ana/score", 405),
        ("POST", "/v1/leads/score", 405),
    ],
)
def test_what_is_not_there_is_not_found(client: Any, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
