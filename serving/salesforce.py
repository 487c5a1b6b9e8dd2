"""`/openapi-salesforce.json`: the part of the contract that Salesforce External Services can import, as OpenAPI 3.0.3.

That importer takes JSON only, wants a name for each operation and each object, and knows no union, no null type, no free
map and no value that is now a text and now a number. So this says less than `/openapi.json`: flat objects of texts,
numbers, booleans and instants. What an answer holds beyond them stays in the answer; Salesforce leaves it unread.
"""

from __future__ import annotations

from typing import Any, get_args

from models.decision import Grade, Outcome
from serving.examples import ACTIVITY, ATTRIBUTES, OUTCOME, STAGE_CHANGE

__all__ = ["for_salesforce"]

_TEXT = {"type": "string"}
_INSTANT = {"type": "string", "format": "date-time"}
_NUMBER = {"type": "number", "format": "double"}
_WHOLE = {"type": "integer", "format": "int32"}
_FLAG = {"type": "boolean"}
_SHAPES: dict[type, dict[str, Any]] = {bool: _FLAG, int: _NUMBER, float: _NUMBER, str: _TEXT}


def for_salesforce() -> dict[str, Any]:
    """The document, which depends on nothing but this version of Tamiz."""
    lead = {"name": "lead_id", "in": "path", "required": True, "schema": _TEXT, "description": "The Salesforce id."}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Tamiz", "version": "1", "description": "Scores sales leads. Keys: Authorization: Bearer <key>."},
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/leads/{lead_id}": {
                "put": _operation("keepLead", "Keep a lead's attributes", [lead], "LeadFields", "Kept"),
            },
            "/v1/leads/{lead_id}/score": {"post": _operation("scoreLead", "Score a lead as of now", [lead], None, "LeadDecision")},
            "/v1/leads/{lead_id}/decision": {"get": _operation("getDecision", "The decision that holds", [lead], None, "LeadDecision")},
            "/v1/activities": {"post": _operation("addActivity", "Keep an activity", [], "LeadActivity", "Counts")},
            "/v1/stage-changes": {"post": _operation("addStageChange", "Keep a stage change", [], "LeadStageChange", "Counts")},
            "/v1/outcomes": {"post": _operation("addOutcome", "Keep a conversion or a loss", [], "LeadOutcome", "Counts")},
        },
        "components": {
            "schemas": {
                "LeadFields": _flat(_typed(ATTRIBUTES)),
                "LeadActivity": _flat(
                    _typed(ACTIVITY) | {"value": _TEXT, "content": _TEXT, "campaign": _TEXT}, "lead_id", "type", "occurred_at"
                ),
                "LeadStageChange": _flat(_typed(STAGE_CHANGE) | {"amount": _NUMBER, "reason": _TEXT}, "lead_id", "stage", "entered_at"),
                "LeadOutcome": _flat(_typed(OUTCOME) | {"kind": _TEXT}, "lead_id", "converted_at"),
                "Kept": _flat({"status": _WHOLE}),
                "Counts": _flat(dict.fromkeys(("received", "new", "known", "failed"), _WHOLE)),
                "LeadDecision": _flat(_DECISION),
                "ProblemDetails": _flat(dict.fromkeys(("type", "title", "code", "detail", "request_id"), _TEXT) | {"status": _WHOLE}),
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


_DECISION: dict[str, Any] = {
    "lead_id": _TEXT,
    "as_of": _INSTANT,
    "probability": _NUMBER,
    "probability_low": _NUMBER,
    "probability_high": _NUMBER,
    "horizon_days": _WHOLE,
    "score": _NUMBER,
    "grade": {"type": "string", "enum": list(get_args(Grade))},
    "decision": {"type": "string", "enum": list(get_args(Outcome))},
    "previous_decision": _TEXT,
    "changed": _FLAG,
    "fit": _NUMBER,
    "engagement": _NUMBER,
    "missing": {"type": "array", "items": _TEXT},
}


def _operation(name: str, summary: str, parameters: list[dict[str, Any]], takes: str | None, gives: str) -> dict[str, Any]:
    made: dict[str, Any] = {"operationId": name, "summary": summary, "parameters": parameters}
    if takes:
        made["requestBody"] = {"required": True, "content": _json(takes)}
    problem = {"description": "It says what was wrong and what to do.", "content": _json("ProblemDetails")}
    return made | {"responses": {"200": {"description": "Done.", "content": _json(gives)}, "default": problem}}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _flat(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties} | ({"required": list(required)} if required else {})


def _typed(example: dict[str, Any]) -> dict[str, Any]:
    """Each field of an example with the type that it has there; `…_at` is an instant."""
    return {name: _INSTANT if name.endswith("_at") else _SHAPES[type(value)] for name, value in example.items()}
