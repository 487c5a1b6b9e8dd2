"""A connection that waits for a caller only so long: ten seconds for a request's head, a minute for its body.

In: what uvicorn's own protocol takes. Out: the same, but who sends a byte a second is answered 408 and let go, and what is
no HTTP is answered in the one shape of errors. A whole request in one piece, as nearly all are, costs no timer, and an
answer's head leaves together with the first of its body: each write is a system call that wakes the caller.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.problems import MEDIA_TYPE, ProblemResponse, problem_response

__all__ = ["Connection"]


class Connection(HttpToolsProtocol):
    """One caller."""

    head_seconds = 10.0
    """From connecting, or from the first byte of a later request, to the end of its headers."""
    body_seconds = 60.0
    _timer: asyncio.TimerHandle | None = None
    _waits_for: str | None = None
    _whole = True
    _head = True
    """Whether the request under way, or the first one, still lacks its headers."""
    _heard = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", _InOnePiece(transport, self))
        self._wait_for("head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._whole, self._head, self._heard = False, True, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._whole = True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._whole:
            if self._waits_for is not None:
                self._wait_for(None)
            return
        pending = "head" if self._head else "body"
        if pending != self._waits_for:
            self._wait_for(pending)

    def send_400_response(self, msg: str) -> None:
        self._refuse(problem_response(400, "This is no HTTP request that can be read."))

    def _wait_for(self, what: str | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waits_for = what
        if what is not None:
            self._timer = self.loop.call_later(self.head_seconds if what == "head" else self.body_seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self.transport.is_closing():
            return
        cycle = self.cycle if self._waits_for == "body" else None
        if not self._heard or (cycle is not None and cycle.response_started):
            self.transport.close()  # who said nothing, or has been answered already, is told nothing
            return
        if cycle is not None:
            cycle.disconnected = True  # whoever reads the body hears that no more of it comes
            cycle.message_event.set()
        seconds = self.head_seconds if cycle is None else self.body_seconds
        what = "headers" if cycle is None else "body"
        self._refuse(problem_response(408, f"The {what} did not come within {seconds:g} seconds: send it again, faster."))

    def _refuse(self, answer: ProblemResponse) -> None:
        """Says it and hangs up; no application stands behind this."""
        body = bytes(answer.body)
        head = f"HTTP/1.1 {answer.status_code} {msgspec.json.decode(body)['title']}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        self.transport.close()


class _InOnePiece:
    """A transport that keeps an answer's head until its body begins, which uvicorn always says, even of an empty one."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection
        self._begun: object = None
        """The last exchange whose head has been written."""
        self._head = b""

    def write(self, data: bytes) -> None:
        cycle = self._connection.cycle
        if self._head:
            data, self._head = self._head + data, b""
        elif cycle is not self._begun and getattr(cycle, "response_started", False):  # there is none before the first request
            self._begun, self._head = cycle, data
            return
        self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a transport has
        return getattr(self._transport, name)
