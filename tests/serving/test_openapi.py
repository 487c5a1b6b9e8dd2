from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import tamiz

DOCS = Path(__file__).parents[2] / "docs"

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
                    assert list(response["content"]) == ["application/problem+json"], (method, path, status)
                    assert response["content"]["application/problem+json"]["schema"] == PROBLEM, (method, path, status)
                    shown = response["content"]["application/problem+json"].get("example")
                    assert shown is None or shown["status"] == int(status), (method, path, status)
            if path.startswith("/v1/") and path != "/v1/hooks/{secret}":  # whose address is its key
                assert {"401", "403", "429", "500"} <= set(operation["responses"]), (method, path)
            if "requestBody" in operation:
                assert {"400", "408", "413", "422"} <= set(operation["responses"]), (method, path)


def test_every_operation_has_a_name_of_its_own(contract: Any) -> None:
    names = [operation["operationId"] for operations in contract["paths"].values() for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z_]*", name)] == []


def test_every_request_is_shown_and_every_parameter_explained(contract: Any) -> None:
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert "examples" in content or content["schema"].get("description"), (method, path)
            for parameter in operation.get("parameters", ()):
                assert parameter.get("description"), (method, path, parameter["name"])


@pytest.mark.parametrize(("file", "words"), [("openapi.json", []), ("openapi-salesforce.json", ["--salesforce"])])
def test_the_contract_in_the_documents_is_this_one(file: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tamiz.main(["openapi", *words])
    assert ended.value.code == 0
    assert (DOCS / file).read_text(encoding="utf-8") == capsys.readouterr().out, "it has changed: `make docs` writes it again"


def test_what_is_served_is_what_is_committed(client: Any) -> None:
    assert client.get("/openapi.json").json() == json.loads((DOCS / "openapi.json").read_text(encoding="utf-8"))
    assert client.get("/openapi-salesforce.json").json() == json.loads((DOCS / "openapi-salesforce.json").read_text(encoding="utf-8"))


def test_the_decision_is_described_field_by_field(contract: Any) -> None:
    decision = contract["components"]["schemas"]["Decision"]
    added = {"expected_value", "by_day"}  # after the contract was written: with a default, so that older ledger entries are still read
    assert set(decision["required"]) | added >= set(decision["properties"])
    assert {"lead_id", "probability_low", "bant", "receipt"} <= set(decision["properties"])


def test_the_examples_work_when_pasted(client: Any, contract: Any) -> None:
    tried = 0
    made = client.post("/v1/webhooks", json={"url": "https://crm.ejemplo.example/"}).json()["webhook"]["webhook_id"]
    receiver = client.post("/v1/receivers", json={"preset": "hubspot"}).json()
    named = {"lead_id": "ana", "webhook_id": made, "receiver_id": receiver["receiver"]["receiver_id"]}
    named["secret"] = receiver["path"].rpartition("/")[2]
    for path, operations in contract["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for example in content.get("examples", {}).values():
                if path.endswith("/feedback"):
                    client.post("/v1/leads/ana/score")  # sales says something about what was decided
                if path == "/v1/policy/rollback":
                    other = {"mql": {"enter": 0.1, "exit": 0.1}, "sql": {"enter": 0.9, "exit": 0.9}}
                    client.put("/v1/policy", json={"policy": other}, headers={"If-Match": "*"})
                answer = client.request(method, path.format_map(named), json=example["value"], headers={"If-Match": "*"})
                assert answer.status_code < 300, (path, answer.text)
                tried += 1
    assert tried == 20
