"""Callers who take their time, on real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from serving.app import create_app
from serving.connections import Connection
from serving.settings import Settings

DRIPPING = 40


class Hurried(Connection):
    """The same with deadlines that a test can wait for."""

    head_seconds = 0.6
    body_seconds = 0.6


@pytest.fixture
def address(home: Path) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(Settings(home, auth="dev"))
    server = uvicorn.Server(uvicorn.Config(app, http=Hurried, ws="none", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(20)
    listener.close()


def said(connection: socket.socket) -> bytes:
    """Everything until the service hangs up."""
    connection.settimeout(10)
    told = b""
    try:
        while chunk := connection.recv(65_536):
            told += chunk
    except ConnectionResetError:
        pass
    return told


def dripping(address: tuple[str, int], text: bytes) -> bytes:
    """What a caller hears who sends one byte now and then."""
    with socket.create_connection(address) as connection:
        connection.settimeout(0.05)
        for byte in text:
            try:
                connection.sendall(bytes([byte]))
                told = connection.recv(65_536)
                return told + said(connection)
            except TimeoutError:
                continue
            except OSError:
                return b""
        return said(connection)


def score_head(address: tuple[str, int], length: int) -> bytes:
    return f"POST /v1/score HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nContent-Length: {length}\r\n\r\n".encode()


class TestTooSlow:
    def test_headers_byte_by_byte_are_answered_408(self, address: tuple[str, int]) -> None:
        told = dripping(address, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 200)
        assert told.startswith(b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json")
        problem = json.loads(told.partition(b"\r\n\r\n")[2])
        assert (problem["status"], problem["code"]) == (408, "request-timeout")
        assert "headers did not come" in problem["detail"]

    def test_a_body_byte_by_byte_is_answered_408_and_nothing_of_it_is_kept(self, address: tuple[str, int]) -> None:
        row = b'{"lead_id": "ana", "type": "page_view", "occurred_at": "2026-06-01T09:00:00Z"}\n'
        head = score_head(address, 5_000).replace(b"/v1/score", b"/v1/activities")
        with socket.create_connection(address) as connection:
            connection.sendall(head.replace(b"\r\n\r\n", b"\r\nContent-Type: application/x-ndjson\r\n\r\n") + row)
            told = said(connection)
        assert told.startswith(b"HTTP/1.1 408")
        assert b"body did not come" in told
        assert fetched(address, "GET", "/v1/leads/ana/decision")[0] == 404

    def test_who_says_nothing_is_let_go_without_a_word(self, address: tuple[str, int]) -> None:
        with socket.create_connection(address) as connection:
            assert said(connection) == b""

    def test_what_is_left_of_a_body_that_was_refused_is_not_waited_for(self, address: tuple[str, int]) -> None:
        with socket.create_connection(address) as connection:
            connection.sendall(score_head(address, 50_000_000) + b"{")
            told = said(connection)
        assert told.startswith(b"HTTP/1.1 413")

    def test_half_a_second_request_on_a_connection_is_not_waited_for(self, address: tuple[str, int]) -> None:
        whole = f"GET /livez HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n\r\n".encode()
        with socket.create_connection(address) as connection:
            connection.sendall(whole + whole[:20])
            told = said(connection)
        assert told.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408" in told


def test_what_is_no_http_is_a_problem_too(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        told = said(connection)
    assert told.startswith(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json")
    assert json.loads(told.partition(b"\r\n\r\n")[2])["status"] == 400


def test_a_connection_may_go_on_for_longer_than_a_deadline(address: tuple[str, int], lead: Any) -> None:
    connection = http.client.HTTPConnection(*address)
    for _ in range(3):
        connection.request("POST", "/v1/score", json.dumps(lead))
        assert connection.getresponse().read()
        time.sleep(0.4)
    connection.close()


def test_scores_are_given_while_many_drip(address: tuple[str, int], lead: Any) -> None:
    told: list[bytes] = []
    slow = score_head(address, 10_000) + b'{"lead": {"lead_id": "slow"' + b" " * 100
    crowd = [threading.Thread(target=lambda: told.append(dripping(address, slow[-60:]))) for _ in range(DRIPPING // 2)]
    crowd += [threading.Thread(target=lambda: told.append(dripping(address, slow[:60]))) for _ in range(DRIPPING // 2)]
    for one in crowd:
        one.start()
    statuses = [fetched(address, "POST", "/v1/score", lead)[0] for _ in range(20)]
    for one in crowd:
        one.join()
    assert statuses == [200] * 20
    assert len(told) == DRIPPING
    assert not any(b" 200 " in answer for answer in told)


def fetched(address: tuple[str, int], method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
