from __future__ import annotations

import json
from typing import Any

import pytest

PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture
def contract(client: Any) -> Any:
    return client.get("/openapi.json").json()


def test_every_reference_leads_somewhere(contract: Any) -> None:
    known = contract["components"]["schemas"]
    text = json.dumps(contract)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(known)
    assert contract["openapi"].startswith("3.1")


def test_every_operation_lists_its_errors_as_problems(contract: Any) -> None:
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert response["content"] == {"application/problem+json": {"schema": PROBLEM}}, (method, path, status)
            if path.startswith("/v1/"):
                assert {"401", "403", "500"} <= set(operation["responses"]), (method, path)


def test_the_decision_is_described_field_by_field(contract: Any) -> None:
    decision = contract["components"]["schemas"]["Decision"]
    assert set(decision["required"]) == set(decision["properties"])
    assert {"lead_id", "probability_low", "bant", "receipt"} <= set(decision["properties"])


def test_the_examples_work_when_pasted(client: Any, contract: Any) -> None:
    tried = 0
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for example in content.get("examples", {}).values():
                if path == "/v1/policy/rollback":
                    other = {"mql": {"enter": 0.1, "exit": 0.1}, "sql": {"enter": 0.9, "exit": 0.9}}
                    client.put("/v1/policy", json={"policy": other}, headers={"If-Match": "*"})
                answer = client.request(method, path, json=example["value"], headers={"If-Match": "*"})
                assert answer.status_code < 300, (path, answer.text)
                tried += 1
    assert tried == 10
