"""What somebody else names as an address reaches nothing that is only ours."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from serving.outside import AddressRefused, Reply, check, post
from tests.receiver import receiving

ALLOWED = ("127.0.0.1", "localhost")


def call(url: str, allow: tuple[str, ...] = ALLOWED, seconds: float = 10.0) -> Reply:
    return asyncio.run(post(url, b"{}", {"X-One": "1"}, allow, seconds))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https://ana:secret@example.com/",
        "https://example.com/#part",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://0.0.0.0/",
        "https://example.com:99999/",
        "https://example.com/ HTTP/1.1\r\nX: y",
        "https://exämple.com/",
    ],
)
def test_what_may_not_be_called_is_refused_before_it_is_kept(url: str) -> None:
    with pytest.raises(AddressRefused):
        check(url)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.1.1", "::1", "fd00::1", "169.254.169.254", "64:ff9b::7f00:1"])
def test_a_name_that_means_something_private_is_not_called(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolve_to(monkeypatch, ["93.184.215.14", address])
    reply = call("https://innocent.example/", ())
    assert reply.status is None
    assert f"{address} is not a public address" in reply.told


def test_the_address_that_was_checked_is_the_one_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    async def connect(host: str, *_: object, **__: object) -> Any:
        called.append(host)
        raise OSError("not today")

    resolve_to(monkeypatch, ["93.184.215.14"])
    monkeypatch.setattr(asyncio, "open_connection", connect)
    assert "not today" in call("https://innocent.example/", ()).told
    assert called == ["93.184.215.14"]


def test_what_is_allowed_by_name_is_called() -> None:
    with receiving() as receiver:
        reply = call(receiver.url)
        assert (reply.status, reply.good, receiver.got[0].headers["x-one"]) == (200, True, "1")
        port = receiver.url.rsplit(":", 1)[1].partition("/")[0]
        assert call(receiver.url, (f"127.0.0.1:{port}",)).good
        assert "TAMIZ_WEBHOOK_ALLOW" in call(receiver.url, ("127.0.0.1:1",)).told


def test_a_redirect_is_not_followed() -> None:
    with receiving() as receiver:
        receiver.answer = lambda got: (302, {"Location": receiver.url + "/elsewhere"})
        assert (call(receiver.url).told, len(receiver.got)) == ("answered 302", 1)


def test_when_to_come_again_is_heard() -> None:
    with receiving() as receiver:
        receiver.answer = lambda got: (503, {"Retry-After": "120"})
        assert call(receiver.url).retry_after == 120


def test_nobody_there_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "ConnectionRefused" in call(f"http://127.0.0.1:{port}/").told


@pytest.fixture
def speaking() -> Iterator[Callable[..., str]]:
    """A server that says these bytes, and then others for ever, whatever it is asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    ending = threading.Event()

    def begin(said: bytes, then: bytes = b"") -> str:
        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                try:
                    connection.sendall(said)
                    while then and not ending.wait(0.0001):
                        connection.sendall(then * 100)
                except OSError:
                    return
                ending.wait(0 if said else 10)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield begin
    ending.set()
    listener.close()


def test_one_that_never_answers_is_given_up(speaking: Callable[..., str]) -> None:
    assert "no answer within" in call(speaking(b""), seconds=0.3).told


def test_one_that_speaks_without_end_is_given_up(speaking: Callable[..., str]) -> None:
    assert "longer than" in call(speaking(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n")).told


def test_one_that_speaks_something_else_is_told(speaking: Callable[..., str]) -> None:
    assert "Http" in call(speaking(b"SSH-2.0-OpenSSH_9.6\r\n")).told


def test_a_provisional_answer_is_not_the_answer(speaking: Callable[..., str]) -> None:
    assert call(speaking(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")).status == 204


def resolve_to(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in addresses]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
