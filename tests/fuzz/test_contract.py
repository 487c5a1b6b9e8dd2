"""The whole contract against the running application: whatever a caller sends, no 5xx and no answer that the contract does not describe."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.app import create_app
from serving.examples import LEAD, POLICY
from serving.settings import Settings

with warnings.catch_warnings():  # the test client would rather have a package that is not installed
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

HOST = "http://127.0.0.1:8000"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8"))
CONTRACT = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods]
FEW = 12
MANY = 200


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that holds something of everything."""
    yield from started(tmp_path_factory.mktemp("fuzz"), "")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The same on each database."""
    home = tmp_path_factory.mktemp("fuzz")
    if request.param == "sqlite":
        yield from started(home, "")
        return
    with request.getfixturevalue("postgres").database() as url:
        yield from started(home, url)


def started(home: Path, database: str) -> Iterator[TestClient]:
    from tests.serving.conftest import make_bundle, point

    (home / "bundles").mkdir()
    make_bundle(home / "bundles" / "first", version="1", hope=0.0)
    point(home, "first")
    with TestClient(create_app(Settings(home, database, auth="dev")), base_url=HOST) as client:
        client.put("/v1/leads/L-2041", json=LEAD["lead"])
        client.post("/v1/activities", json=[one | {"lead_id": "L-2041"} for one in LEAD["activities"]])
        client.post("/v1/leads/L-2041/score")
        client.put("/v1/policy", json=POLICY, headers={"If-Match": "*"})
        yield client


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_that_fits_the_contract_or_hurts_it_is_answered_outside_of_it(service: TestClient, operation: str) -> None:
    hurl(service, operation, FEW)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_with_much_more_on_either_database(either: TestClient, operation: str) -> None:
    hurl(either, operation, MANY)


def hurl(service: TestClient, operation: str, examples: int) -> None:
    """Requests as the contract allows them, and requests broken in one place, half and half."""
    method, _, path = operation.partition(" ")
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    for mode in modes:
        try:
            strategy = CONTRACT[path][method].as_strategy(generation_mode=mode)
            tried(service, strategy, max(examples // 2, 1))
        except Unsatisfiable:  # a call without parameters: nothing about it can be broken
            assert mode is schemathesis.GenerationMode.NEGATIVE


def tried(service: TestClient, strategy: Any, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def one(case: schemathesis.Case) -> None:
        sent = requests.Request(**case.as_transport_kwargs(base_url=HOST)).prepare()
        # Whoever invents a key is a 401, and sees nothing of the rest: here nobody has one.
        told = ((name, value.encode("latin-1") if isinstance(value, str) else value) for name, value in sent.headers.items())
        headers = [(name.encode(), value) for name, value in told if name.lower() not in ("content-length", "authorization")]
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body
        answer = service.request(str(sent.method), str(sent.url), content=body, headers=headers)  # type: ignore[arg-type]  # bytes will do
        case.validate_response(schemathesis.Response.from_any(answer), checks=CHECKS)

    one()
