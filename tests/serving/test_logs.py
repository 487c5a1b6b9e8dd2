from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.store import Store
from serving.app import create_app
from serving.ledger import Ledger
from serving.logs import JsonLines, TextLines
from serving.security import new_key
from serving.settings import Settings
from tests.serving.conftest import TestClient

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Kept(logging.Handler):
    """Every line of the log as it would be written."""

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(lines)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "httpx":  # that is the caller's own
            self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[Kept]:
    kept, root = Kept(JsonLines()), logging.getLogger()
    before = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(kept)
    root.setLevel(before)


def test_no_key_and_nothing_of_a_lead_is_in_the_log(home: Path, log: Kept, lead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key, stored = new_key(["admin"])
    store = Store.open(home)
    store.add_key(stored)
    store.close()
    bearer = {"Authorization": f"Bearer {key}"}
    attributes = {name: value for name, value in lead["lead"].items() if name != "lead_id"} | {"phone": "+34 600 123 456"}
    app = create_app(Settings(home, log_requests="all"))
    with TestClient(app, base_url="http://tamiz.example", raise_server_exceptions=False) as client:
        client.post("/v1/score", json=lead, headers=bearer)
        client.post("/v1/score", json=lead, headers={"Authorization": f"Bearer {stored.prefix}.wrong-secret"})
        client.post("/v1/score", content=json.dumps(lead).encode()[:-3], headers=bearer)
        client.post("/v1/score", json=lead | {"marta@ejemplo.example": 1}, headers=bearer)
        client.put("/v1/leads/marta@ejemplo.example", json=attributes, headers=bearer)
        client.put("/v1/leads/marta@ejemplo.example", json={"email": {"marta": "marta.soler"}}, headers=bearer)
        client.post("/v1/activities", json=[{"lead_id": "marta@ejemplo.example", "type": "marta.soler"}], headers=bearer)
        client.get(f"/v1/leads?cursor={key}&decision=marta@ejemplo.example", headers=bearer)
        client.get("/v1/leads/marta@ejemplo.example/decision", headers=bearer)

        def broken(*_: object) -> None:
            raise ValueError("could not convert marta.soler@ejemplo-envases.example with " + key)

        monkeypatch.setattr(Ledger, "enter", broken)
        assert client.post("/v1/score", json=lead, headers=bearer).status_code == 500
    text = "\n".join(log.lines)
    assert '"route": "/v1/leads/{lead_id}"' in text
    assert '"error": "ValueError"' in text
    assert "test_logs.py" in text
    for secret in (key.partition(".")[2], "wrong-secret", "marta", "600 123", "Supply Chain", "Envases", stored.sha256):
        assert secret not in text, secret


class TestALine:
    def test_says_which_request_and_which_trace_it_belongs_to(self, home: Path, log: Kept) -> None:
        with TestClient(create_app(Settings(home, auth="dev", log_requests="all")), base_url="http://127.0.0.1:8000") as client:
            answer = client.get("/v1/model", headers={"X-Request-ID": "crm-7", "traceparent": TRACE})
        assert answer.headers["traceparent"] == TRACE
        (told,) = (json.loads(line) for line in log.lines if '"tamiz.requests"' in line)
        assert (told["request_id"], told["trace_id"]) == ("crm-7", TRACE.split("-")[1])
        assert (told["method"], told["route"], told["status"], told["level"]) == ("GET", "/v1/model", 200, "info")
        assert told["at"].endswith("Z")
        assert told["seconds"] >= 0

    @pytest.mark.parametrize("trace", ["", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", TRACE + "-x", TRACE.upper(), TRACE[:-1], "'; drop"])
    def test_of_a_trace_that_is_none_nothing_goes_on(self, client: Any, trace: str) -> None:
        assert "traceparent" not in client.get("/livez", headers={"traceparent": trace}).headers

    def test_is_written_only_of_what_was_slow_or_failed_unless_all_are_asked_for(self, client: Any, log: Kept, monkeypatch: Any) -> None:
        client.get("/livez")
        assert [line for line in log.lines if '"tamiz.requests"' in line] == []
        monkeypatch.setattr("serving.edge.SLOW", 0.0)
        client.get("/livez")
        (told,) = (json.loads(line) for line in log.lines if '"tamiz.requests"' in line)
        assert (told["level"], told["route"]) == ("warning", "/livez")

    def test_reads_well_on_a_terminal(self) -> None:
        record = logging.LogRecord("tamiz.requests", logging.WARNING, "", 1, "request", (), None)
        record.fields = {"route": "/v1/score", "seconds": 1.5}
        assert TextLines().format(record) == "WARNING tamiz.requests request route=/v1/score seconds=1.5"

    def test_quotes_an_error_only_where_that_was_asked_for(self) -> None:
        try:
            raise ValueError("marta")
        except ValueError as error:
            record = logging.LogRecord("tamiz", logging.ERROR, "", 1, "it failed", (), (ValueError, error, error.__traceback__))
        assert "marta" not in JsonLines().format(record)
        assert "ValueError: marta" in JsonLines(words=True).format(record)
        assert "marta" not in TextLines().format(record)
