from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.settings import Settings


class TestAKeylessServiceOfThisMachine:
    @pytest.mark.parametrize("host", ["tamiz.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "10.0.0.8:8000", ""])
    def test_does_not_answer_to_another_name(self, client: Any, host: str) -> None:
        answer = client.get("/v1/model", headers={"Host": host})
        assert (answer.status_code, answer.json()["code"]) == (403, "host-refused")

    @pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "127.0.0.2"])
    def test_answers_to_its_own_names(self, client: Any, host: str) -> None:
        assert client.get("/v1/model", headers={"Host": host}).status_code == 200

    def test_takes_no_orders_from_a_page_elsewhere(self, client: Any, lead: Any) -> None:
        assert client.post("/v1/score", json=lead, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post("/v1/score", json=lead, headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200

    def test_does_not_answer_on_an_address_beyond_this_machine(self, home: Path) -> None:
        with TestClient(create_app(Settings(home, auth="dev")), base_url="http://10.0.0.8") as client:
            assert client.get("/livez", headers={"Host": "localhost"}).status_code == 403


class TestEveryAnswer:
    def test_has_an_id_of_its_own(self, client: Any) -> None:
        assert client.get("/livez").headers["x-request-id"] != client.get("/livez").headers["x-request-id"]

    def test_takes_the_callers_id_over_unless_it_could_do_harm(self, client: Any) -> None:
        assert client.get("/livez", headers={"X-Request-ID": "crm-7"}).headers["x-request-id"] == "crm-7"
        for harmful in ("a b", "x" * 65, '"><script>', "-\t-"):
            assert client.get("/livez", headers={"X-Request-ID": harmful}).headers["x-request-id"] != harmful

    @pytest.mark.parametrize("path", ["/livez", "/", "/nothing", "/v1/model"])
    def test_carries_the_security_headers(self, client: Any, path: str) -> None:
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"

    def test_that_there_is_nothing_is_a_problem_too(self, client: Any) -> None:
        answer = client.get("/v1/nothing")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.json()["request_id"]

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/nothing", 404),
            ("PUT", "/static/nothing.css", 405),
            ("GET", "/static/nothing.css", 404),
            ("DELETE", "/v1/policy", 405),
            ("TRACE", "/v1/score", 405),
            ("BREW", "/livez", 405),
            ("OPTIONS", "/v1/score", 405),
            ("HEAD", "/v1/leads", 405),
            ("POST", "/openapi.json", 405),
            ("GET", "/v1/leads/a%2Fb/decision", 404),
            ("GET", "/v1/leads/%00/decision", 422),
            ("GET", "/v1/leads/%ff/decision", 404),
            ("GET", "/v1/score/", 404),
        ],
    )
    def test_is_a_problem_whatever_the_framework_would_say(self, client: Any, method: str, path: str, status: int) -> None:
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        if method != "HEAD":
            assert (answer.json()["status"], answer.json()["request_id"]) == (status, answer.headers["x-request-id"])
        if status == 405:
            assert method not in answer.headers["allow"].split(", ")

    def test_that_a_method_is_none_names_those_that_are(self, client: Any) -> None:
        assert client.delete("/v1/policy").headers["allow"] == "GET, PUT"
