"""Every error of the service as one shape: `application/problem+json` (RFC 9457) with a request id.

In: an error of the family, or one of the framework's own. Out: a `Problem`. `detail` is the error's message; what is
not of the family says nothing of what happened inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from data.errors import BadUsage, TamizError

__all__ = [
    "BatchTooLong",
    "BodyIncomplete",
    "BodyTooLarge",
    "HostRefused",
    "IdempotencyMismatch",
    "KeyMissing",
    "KeyWrong",
    "MalformedJson",
    "ModelNotReady",
    "ModelRefused",
    "NotAnAddress",
    "NotFinite",
    "PreconditionRequired",
    "Problem",
    "ProblemResponse",
    "ScopeMissing",
    "TokenMissing",
    "Unprocessable",
    "problem_of",
    "problem_response",
]

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}
"""Python 3.13 calls these otherwise; what the contract says does not hang on the interpreter."""


class Problem(msgspec.Struct, omit_defaults=True):
    """What went wrong, for people (`detail`) and for machines (`code`, `status`)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = None
    """Where the request is wrong, place by place."""
    published: dict[str, Any] | None = None
    """With 412: the policy now in force, and what it changes against yours."""


class ModelNotReady(TamizError, status=503, exit_code=2):
    """No model has been loaded yet: run `tamiz promote`, or wait for `tamiz pull --watch` to finish its first download."""


class ModelRefused(ModelNotReady):
    """The champion was refused, so no model serves: {cause} After `tamiz pull` or `tamiz rollback` this service goes on by itself."""


class MalformedJson(BadUsage, status=400):
    """The body is not JSON: {detail}."""


class NotFinite(BadUsage, status=422):
    """The body holds NaN or infinity at byte {place}, which JSON does not have: send null for what is not known."""


class Unprocessable(BadUsage, status=422):
    """{detail}"""


class BodyTooLarge(BadUsage, status=413):
    """The body is larger than {limit:,} bytes: send less, or several calls."""


class BodyIncomplete(BadUsage, status=408):
    """The body did not come whole, or not in time: nothing of it was kept, send it again."""


class BatchTooLong(BadUsage, status=413):
    """The batch has {items:,} items, and one call takes {limit:,}: send several calls."""


class KeyMissing(BadUsage, status=401):
    """This call needs an API key: send `Authorization: Bearer <key>`; `tamiz keys create --scope {scope}` makes one."""


class KeyWrong(BadUsage, status=401):
    """The API key is not valid: it is unknown, revoked or expired. `tamiz keys list` shows which keys are in force."""


class ScopeMissing(BadUsage, status=403):
    """The API key may not do this: it lacks the scope `{scope}`. `tamiz keys create --scope {scope}` makes one that may."""


class TokenMissing(BadUsage, status=403):
    """This call came from a browser without the token of its page (`X-CSRF-Token`): load the page again. A program sends a key instead."""


class HostRefused(BadUsage, status=403):
    """With TAMIZ_AUTH=dev only this machine is answered, under the name localhost or 127.0.0.1:
    set TAMIZ_AUTH=required and make a key with `tamiz keys create`."""


class NotAnAddress(BadUsage, status=422):
    """An address and its query may not hold the character U+0000."""


class PreconditionRequired(BadUsage, status=428):
    """Say which version you are changing: send `If-Match` with the ETag of `GET /v1/policy`,
    so that nobody's change is overwritten unseen."""


class IdempotencyMismatch(BadUsage, status=422):
    """The Idempotency-Key was used before with another body: make a new key for a new request."""


def problem_of(error: TamizError, request_id: str | None = None) -> Problem:
    """The problem that an error of the family is."""
    problem = Problem(f"urn:tamiz:problem:{error.code}", _title(error.status), error.status, error.code, str(error), request_id)
    published = error.values.get("published")
    if isinstance(published, dict):
        problem.published = published
    return problem


def problem_response(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    request_id: str | None = None,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    """A problem that is not one of the family: the framework's 404, 405 and 422, and the bare 500."""
    code = code or _title(status).lower().replace(" ", "-")
    return ProblemResponse(Problem(f"urn:tamiz:problem:{code}", _title(status), status, code, detail, request_id, errors), headers)


class ProblemResponse(Response):
    """A problem on its way out."""

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        extra = dict(headers or {})
        if problem.status == 401:
            extra.setdefault("WWW-Authenticate", "Bearer")
        if problem.status == 503:
            extra.setdefault("Retry-After", "1")
        super().__init__(msgspec.json.encode(problem), problem.status, extra)


def _title(status: int) -> str:
    try:
        return _TITLES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Error"
