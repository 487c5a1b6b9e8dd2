"""The OpenAPI 3.1 document: the schemas of what is really decoded and encoded, with every error listed and shown.

The scoring path reads and writes bytes by itself, so FastAPI cannot see its types; each route says them with
`operation(...)`, and `describe` adds the schemas behind the names. `docs/openapi.json` is this document as it stands.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from data.errors import TamizError
from data.store import PolicyUnknown, RowRefused
from models.decision import Decision
from models.request import ScoreRequest
from serving import audit_schemas, lead_schemas, model_schemas, problems, work_schemas
from serving.limits import TooManyRequests
from serving.monitor_report import MonitorAnswer
from serving.pages import MOST
from serving.pipeline_report import ForecastAnswer, PipelineAnswer
from serving.policy_schemas import PolicyAnswer, PolicyHistory, PreviewAnswer, PreviewRequest, PublishRequest, RollbackRequest
from serving.problems import Problem
from serving.schemas import BatchAnswer, BatchRequest, ModelAnswer

__all__ = ["describe", "operation", "operation_id"]

_TOO_MANY = TooManyRequests(who="This API key", rate=600, seconds=3)

_KEPT = tuple(getattr(module, name) for module in (lead_schemas, work_schemas, audit_schemas, model_schemas) for name in module.__all__)
_STRUCTS: tuple[type, ...] = (
    ScoreRequest,
    Decision,
    BatchRequest,
    BatchAnswer,
    ModelAnswer,
    Problem,
    PipelineAnswer,
    ForecastAnswer,
    MonitorAnswer,
    *_KEPT,
)
_MODELS: tuple[type[BaseModel], ...] = (PublishRequest, RollbackRequest, PreviewRequest, PolicyAnswer, PolicyHistory, PreviewAnswer)
_WHEN: dict[int, tuple[str, TamizError | None]] = {
    400: ("The body is not JSON.", problems.MalformedJson("trailing characters (byte 41)")),
    401: ("No key, or a wrong, revoked or expired one.", problems.KeyMissing(scope="score")),
    403: ("The key lacks the scope.", problems.ScopeMissing(scope="score")),
    404: ("There is no such thing.", PolicyUnknown(version=7)),
    408: ("The body did not come in time, or not whole.", problems.BodyIncomplete()),
    409: ("It contradicts what is kept, or another process is at it: read, and send it again.", RowRefused(cause="known already")),
    410: ("The lead was erased after the instant that this tells of.", None),
    412: ("Somebody else published meanwhile; the answer shows what is in force and how it differs.", None),
    413: ("The body, or the batch, is larger than allowed.", problems.BodyTooLarge(limit=1 << 20)),
    422: (
        "The request is JSON, but not one that can be carried out; it says where.",
        problems.Unprocessable("Expected `str`, got `int` - at `$.as_of`"),
    ),
    428: ("`If-Match` is missing.", problems.PreconditionRequired()),
    429: (
        "The key has asked as often as it may in a minute; `Retry-After` says when to come again.",
        _TOO_MANY,
    ),
    500: ("Something went wrong inside.", None),
    503: ("No model serves yet, or the ledger cannot be written: nothing was kept, send it again.", problems.ModelNotReady()),
}
_PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Idempotency-Key": ("The same key and body are answered by the same bytes.", {"type": "string", "minLength": 1, "maxLength": 255}),
    "If-Match": ("The ETag of what is being changed, or `*`.", {"type": "string"}),
    "limit": ("How many at most.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 50}),
    "cursor": ("`next` of the page before.", {"type": "string"}),
    "min_probability": ("Those at least as likely.", {"type": "number", "minimum": 0, "maximum": 1}),
    "decision": ("One or several, by commas.", {"type": "string", "examples": ["mql,sql"]}),
    "sort": (
        "What comes first; with `-` the largest.",
        {"type": "string", "default": "-probability", "enum": [f"{sign}{name}" for name in lead_schemas.SORTS for sign in ("", "-")]},
    ),
    "action": ("One or several, by commas; `key` is all that concerns keys.", {"type": "string", "examples": ["key.revoked,policy"]}),
    "subject": ("A key's prefix, or a version of a policy or model.", {"type": "string"}),
    "column": ("A column that leads are told apart by; with `value`.", {"type": "string"}),
    "value": ("The curves of the leads whose `column` has it; may be repeated.", {"type": "string"}),
    "import": ("Rows from before: each counts as recorded when it says so.", {"type": "boolean", "default": False}),
    "days": ("Length of the period, which is compared with the one before it.", {"type": "integer", "default": 90}),
    "weeks": ("How many weeks ahead.", {"type": "integer", "default": 13}),
    "format": ("`csv` for a table; so does `Accept: text/csv`.", {"type": "string", "enum": ["json", "csv"], "default": "json"}),
    "table": ("Which of the answer's tables, in CSV.", {"type": "string"}),
    "of": ("Of which model.", {"type": "string", "enum": ["champion", "challenger"], "default": "champion"}),
    "job_id": ("The id that creating the job gave.", {"type": "string"}),
    "webhook_id": ("The id that registering the endpoint gave.", {"type": "string"}),
    "receiver_id": ("The id that registering the receiver gave.", {"type": "string"}),
    "secret": ("The end of the address that registering the receiver gave.", {"type": "string"}),
    "state": ("Only those in this state; of leads one or several, by commas.", {"type": "string", "examples": ["dead", "mql,accepted"]}),
    "sla": ("How the hand-over stands: one or several, by commas.", {"type": "string", "examples": ["breached", "running,breached"]}),
    "owner": ("Whose leads, as the CRM says.", {"type": "string"}),
    "since_days": ("How far to look back.", {"type": "integer", "minimum": 1, "maximum": 365, "default": 28}),
    "points": ("How many instants at most.", {"type": "integer", "minimum": 2, "maximum": 60, "default": 24}),
    "lead_id": ("The CRM's own id of the lead.", {"type": "string", "minLength": 1, "maxLength": 200}),
}
"""What a parameter means, wherever it stands."""
_DONE = {200: "Done.", 201: "Made.", 202: "Kept; the rest is done soon.", 204: "Done; there is nothing to say."}


def operation(
    *,
    takes: str | None = None,
    example: object = None,
    gives: str | None = None,
    errors: tuple[int, ...] = (),
    headers: tuple[str, ...] = (),
    query: tuple[str, ...] = (),
    done: int = 200,
    media: str = "application/json",
    lines: str | None = None,
    tagged: bool = False,
) -> dict[str, Any]:
    """Keyword arguments of a route: its request and answer by schema name, its errors, and its headers.

    `lines` names the schema of a row where NDJSON will do, too; `tagged`: the answer has an ETag; `media`: it is no JSON. An answer
    whose `format` can be asked for is to be had as CSV, too.
    """
    listed = {*errors, 500} | ({429} if 401 in errors else set()) | ({408} if takes else set())
    responses: dict[int | str, dict[str, Any]] = {status: _problem(status) for status in sorted(listed)}
    responses[done] = {"description": _DONE[done]}
    if done != 204:
        responses[done]["content"] = {media: {"schema": _ref(gives) if gives else {}}}
    if "format" in query:
        responses[done]["content"]["text/csv"] = {"schema": {"type": "string"}}
    if tagged:
        responses[done]["headers"] = {"ETag": {"description": "For `If-Match`.", "schema": {"type": "string"}}}
    extra: dict[str, Any] = {"security": [{"key": []}] if 401 in errors else []}
    if takes:
        content: dict[str, Any] = {"schema": _ref(takes)}
        if example is not None:
            content["examples"] = {"works as it stands": {"value": example}}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
        if lines:
            extra["requestBody"]["content"]["application/x-ndjson"] = {"schema": {"type": "string", "description": f"A `{lines}` a line."}}
    if headers or query:
        named = [("header", name) for name in headers] + [("query", name) for name in query]
        extra["parameters"] = [{"name": name, "in": place, "required": False} | _meaning(name) for place, name in named]
    return {"status_code": done, "responses": responses, "openapi_extra": extra, "response_model": None}


def operation_id(route: APIRoute) -> str:
    """A name that generated clients can live with: `leads_decision`, `score_batch`."""
    noun = str(route.tags[0]) if route.tags else ""
    return route.name if not noun or route.name == noun or route.name.startswith(f"{noun}_") else f"{noun}_{route.name}"


def describe(app: FastAPI) -> None:
    """Gives the application its document, made once, when first asked for."""

    def document() -> dict[str, Any]:
        made: dict[str, Any] | None = app.openapi_schema
        if made is None:
            made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            parts = made.setdefault("components", {})
            parts["schemas"] = _schemas()  # the framework's own shape of an error is never used
            parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "prefix.secret"}}
            for operations in made["paths"].values():
                for one in operations.values():
                    _finish(one)
            app.openapi_schema = made
        return made

    app.openapi = document  # type: ignore[method-assign]  # how FastAPI documents replacing it


def _finish(one: dict[str, Any]) -> None:
    """Says what the parameters of the path mean, and shows only errors that this service gives."""
    for parameter in one.get("parameters", ()):
        if parameter["in"] == "path":
            parameter |= _meaning(parameter["name"])
    framework = one["responses"].get("422", {}).get("content", {}).get("application/json")
    if framework is not None:
        one["responses"]["422"] = _problem(422)


def _problem(status: int) -> dict[str, Any]:
    said, error = _WHEN[status]
    content: dict[str, Any] = {"schema": _ref("Problem")}
    if error is not None:
        content["example"] = msgspec.to_builtins(problems.problem_of(error, "a07d4ce79b59-1"))
    response: dict[str, Any] = {"description": said, "content": {problems.MEDIA_TYPE: content}}
    if status in (429, 503):
        response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return response


def _meaning(name: str) -> dict[str, Any]:
    said, schema = _PARAMETERS.get(name, ("", {"type": "string"}))
    return {"schema": copy.deepcopy(schema)} | ({"description": said} if said else {})


def _schemas() -> dict[str, Any]:
    _, structs = msgspec.json.schema_components(_STRUCTS, ref_template="#/components/schemas/{name}")
    # msgspec keeps an item's bytes undecoded, so it cannot say that each is a request.
    structs["BatchRequest"]["properties"]["items"] = {"type": "array", "maxItems": 1000, "items": _ref("ScoreRequest")}
    structs["Decision"]["required"] = list(structs["Decision"]["properties"])  # defaults are written, too
    _, models = models_json_schema([(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}")
    components: dict[str, Any] = structs | models.get("$defs", {})
    return components


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
