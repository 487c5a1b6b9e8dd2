"""The outermost layer: what holds for every request, whatever its route.

It names the request (`X-Request-ID`, taken over when it is harmless), sets the security headers, refuses strangers in
`dev` mode (another Host, another origin, a listening address beyond this machine), passes a W3C `traceparent` on to log and
answer, counts and times, logs what failed or was slow, and turns what
nobody caught into a bare 500 whose cause is only in the log. Plain ASGI: every microsecond here is on every score.
"""

from __future__ import annotations

import logging
import os
import re
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.logs import REQUEST
from serving.problems import HostRefused, NotAnAddress, ProblemResponse, problem_of, problem_response
from serving.security import is_loopback, names_this_machine

if TYPE_CHECKING:
    from serving.metrics import Metrics

__all__ = ["METHODS", "Edge"]

_log = logging.getLogger("tamiz.requests")
_TRACE = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_HARMLESS = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"})
SLOW = 1.0

_CONTENT_POLICY = (
    b"default-src 'self'; script-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", _CONTENT_POLICY),
)


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, dev: bool, log_all: bool = False) -> None:
        self.app = app
        self._dev = dev
        self._log_all = log_all
        self._process = os.urandom(6).hex()
        self._count = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = perf_counter()
        given = trace = b""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value
            elif name == b"traceparent" and _TRACE.fullmatch(value):
                trace = value
        request_id = given if given and _HARMLESS.fullmatch(given) else f"{self._process}-{next(self._count):x}".encode()
        named = scope["request_id"] = request_id.decode()
        REQUEST.set((named, trace[3:35].decode() if trace else None))
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                headers.append((b"x-request-id", request_id))
                if trace:
                    headers.append((b"traceparent", trace))
                headers.extend(_HEADERS)
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # what no database can look for
                await ProblemResponse(problem_of(NotAnAddress(), named))(scope, receive, answer)
            elif self._dev and _is_stranger(scope):
                await ProblemResponse(problem_of(HostRefused(), named))(scope, receive, answer)
            else:
                await self.app(scope, receive, answer)
        except Exception:  # noqa: BLE001 - the last resort: nothing of what went wrong leaves the process but in the log
            _log.exception("a request failed")
            if status == 0:
                sorry = "Something went wrong inside. The log of the service says what, under this request's id."
                await problem_response(500, sorry, request_id=scope["request_id"])(scope, receive, answer)
        finally:
            self._note(scope, status, perf_counter() - begun)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        metrics: Metrics | None = getattr(scope["app"].state, "metrics", None) if "app" in scope else None
        if metrics is not None:
            metrics.request(scope["method"] if scope["method"] in METHODS else "OTHER", route, status, seconds)
        bad = seconds > SLOW or status >= 500
        if bad or self._log_all:
            told = {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 4)}
            _log.log(logging.WARNING if bad else logging.INFO, "request", extra={"fields": told})


def _is_stranger(scope: Scope) -> bool:
    """Whether a keyless service of this machine is being reached from elsewhere, or by a page from elsewhere."""
    server = scope.get("server")
    if server is not None and not is_loopback(server[0]):
        return True
    host, origin = "", None
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1")
        elif name == b"origin":
            origin = value.decode("latin-1")
    if not names_this_machine(host):
        return True
    return scope["method"] not in _SAFE and origin is not None and origin.rpartition("//")[2] != host
