"""A request's body as bytes, never more of it than is allowed, and an answer's body as JSON."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serving.problems import BodyIncomplete, BodyTooLarge

__all__ = ["json_answer", "read_body"]


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; raises BodyTooLarge before the excess is read, or believed, and BodyIncomplete."""
    declared = request.headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(limit=limit)
    first = await request.receive()
    if first["type"] == "http.request" and not first.get("more_body", False):  # nearly always: one message
        body: bytes = first.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge(limit=limit)
        return body
    whole, message = bytearray(), first
    while message["type"] == "http.request":
        whole += message.get("body", b"")
        if len(whole) > limit:
            raise BodyTooLarge(limit=limit)
        if not message.get("more_body", False):
            return bytes(whole)
        message = await request.receive()
    raise BodyIncomplete  # the caller has gone, or was too slow: half a body is never taken for a whole one


def json_answer(content: bytes | msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON, from its bytes or from what they say."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(body, status, headers, media_type="application/json")
