"""The OpenAPI 3.1 document: the schemas of what is really decoded and encoded, with every error listed.

The scoring path reads and writes bytes by itself, so FastAPI cannot see its types; each route says them with
`operation(...)`, and `describe` adds the schemas behind the names.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from models.decision import Decision
from serving import lead_schemas, problems, work_schemas
from serving.policy_schemas import PolicyAnswer, PolicyHistory, PreviewAnswer, PreviewRequest, PublishRequest, RollbackRequest
from serving.problems import Problem
from serving.schemas import BatchAnswer, BatchRequest, ModelAnswer, ScoreRequest

__all__ = ["describe", "operation"]

_LEADS = tuple(getattr(lead_schemas, name) for name in lead_schemas.__all__)
_WORK = tuple(getattr(work_schemas, name) for name in work_schemas.__all__)
_STRUCTS: tuple[type, ...] = (ScoreRequest, Decision, BatchRequest, BatchAnswer, ModelAnswer, Problem, *_LEADS, *_WORK)
_MODELS: tuple[type[BaseModel], ...] = (PublishRequest, RollbackRequest, PreviewRequest, PolicyAnswer, PolicyHistory, PreviewAnswer)
_WHEN = {
    400: "The body is not JSON.",
    401: "No key, or a wrong, revoked or expired one.",
    403: "The key lacks the scope.",
    404: "There is no such thing.",
    412: "Somebody else published meanwhile; the answer shows what is in force and how it differs.",
    413: "The body, or the batch, is larger than allowed.",
    422: "The request is JSON, but not one that can be carried out; it says where.",
    428: "`If-Match` is missing.",
    500: "Something went wrong inside.",
    503: "No model serves yet, or the ledger cannot be written: nothing was kept, send it again.",
}


def operation(
    *,
    takes: str | None = None,
    example: object = None,
    gives: str | None = None,
    errors: tuple[int, ...] = (),
    headers: tuple[str, ...] = (),
    query: tuple[str, ...] = (),
    done: int = 200,
) -> dict[str, Any]:
    """Keyword arguments of a route: its request and answer by schema name, its errors, and its headers."""
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": _WHEN[status], "content": {problems.MEDIA_TYPE: {"schema": _ref("Problem")}}} for status in (*errors, 500)
    }
    says = {200: "Done.", 201: "Made.", 202: "Kept; the rest is done soon."}[done]
    responses[done] = {"description": says, "content": {"application/json": {"schema": _ref(gives) if gives else {}}}}
    extra: dict[str, Any] = {}
    if takes:
        content: dict[str, Any] = {"schema": _ref(takes)}
        if example is not None:
            content["examples"] = {"works as it stands": {"value": example}}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    if headers or query:
        named = [("header", name) for name in headers] + [("query", name) for name in query]
        extra["parameters"] = [{"name": name, "in": place, "required": False, "schema": {"type": "string"}} for place, name in named]
    return {"status_code": done, "responses": responses, "openapi_extra": extra, "response_model": None}


def describe(app: FastAPI) -> None:
    """Gives the application its document, made once, when first asked for."""

    def document() -> dict[str, Any]:
        made: dict[str, Any] | None = app.openapi_schema
        if made is None:
            made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            parts = made.setdefault("components", {})
            parts.setdefault("schemas", {}).update(_schemas())
            parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "prefix.secret"}}
            made["security"] = [{"key": []}]
            app.openapi_schema = made
        return made

    app.openapi = document  # type: ignore[method-assign]  # how FastAPI documents replacing it


def _schemas() -> dict[str, Any]:
    _, structs = msgspec.json.schema_components(_STRUCTS, ref_template="#/components/schemas/{name}")
    # msgspec keeps an item's bytes undecoded, so it cannot say that each is a request.
    structs["BatchRequest"]["properties"]["items"] = {"type": "array", "maxItems": 1000, "items": _ref("ScoreRequest")}
    _, models = models_json_schema([(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}")
    components: dict[str, Any] = structs | models.get("$defs", {})
    return components


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
