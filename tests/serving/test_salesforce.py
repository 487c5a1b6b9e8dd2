from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from serving.examples import ACTIVITY, ATTRIBUTES, OUTCOME, STAGE_CHANGE

BODIES = {"keepLead": ATTRIBUTES, "addActivity": ACTIVITY | {"value": "3"}, "addStageChange": STAGE_CHANGE, "addOutcome": OUTCOME}
PLAIN = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


@pytest.fixture
def contract(client: Any) -> Any:
    return client.get("/openapi-salesforce.json").json()


def operations(contract: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def everything_in(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        yield document
        for value in document.values():
            yield from everything_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from everything_in(value)


def test_it_is_of_the_version_that_the_importer_reads(contract: Any) -> None:
    assert contract["openapi"] == "3.0.3"


def test_it_uses_nothing_that_the_importer_refuses(contract: Any) -> None:
    refused = {"anyOf", "oneOf", "allOf", "not", "nullable", "const", "additionalProperties", "patternProperties", "discriminator", "$defs"}
    for part in everything_in(contract):
        assert refused.isdisjoint(part), part
        assert part.get("type") != "null"
        assert not isinstance(part.get("type"), list), part


def test_objects_are_flat_and_have_names(contract: Any) -> None:
    for name, schema in contract["components"]["schemas"].items():
        assert schema["type"] == "object", name
        assert schema["properties"], name
        assert set(schema.get("required", ())) <= set(schema["properties"]), name
        for field, shape in schema["properties"].items():
            inner = shape["items"] if shape["type"] == "array" else shape
            assert inner["type"] in PLAIN, (name, field)
    for _, path, operation in operations(contract):
        contents = [operation.get("requestBody"), *operation["responses"].values()]
        for content in (one["content"] for one in contents if one):
            assert list(content) == ["application/json"], path
            assert content["application/json"]["schema"]["$ref"].rpartition("/")[2] in contract["components"]["schemas"], path


def test_every_operation_has_a_short_name_of_its_own(contract: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(contract)]
    assert len(set(names)) == len(names)
    assert all(name.isalpha() and len(name) <= 40 for name in names)


def test_each_operation_is_one_of_the_whole_contract(client: Any, contract: Any) -> None:
    whole = client.get("/openapi.json").json()["paths"]
    assert [path for method, path, _ in operations(contract) if method not in whole.get(path, {})] == []


def test_each_operation_does_what_it_says_with_the_types_that_it_says(client: Any, contract: Any) -> None:
    for method, path, operation in sorted(operations(contract), key=lambda one: one[0] != "put"):
        body = BODIES.get(operation["operationId"])
        answer = client.request(method, path.replace("{lead_id}", "L-2041"), json=body)
        assert answer.status_code == 200, (path, answer.text)
        name = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for field, shape in contract["components"]["schemas"][name]["properties"].items():
            value = answer.json()[field]
            assert value is None or shape["type"] == "array" or isinstance(value, PLAIN[shape["type"]]), (path, field, value)
        assert answer.json().get("failed", 0) == 0, answer.text


def test_every_field_that_it_names_is_taken(client: Any, contract: Any) -> None:
    values = {"string": "x", "number": 1.5, "integer": 1, "boolean": True}
    for name, path in (("LeadActivity", "/v1/activities"), ("LeadStageChange", "/v1/stage-changes"), ("LeadOutcome", "/v1/outcomes")):
        shapes = contract["components"]["schemas"][name]["properties"]
        body = {
            field: "2026-06-01T09:00:00Z" if "format" in shape and "date" in shape["format"] else values[shape["type"]]
            for field, shape in shapes.items()
        }
        answer = client.post(path, json=body).json()
        assert (answer["new"], answer["failed"]) == (1, 0), answer
