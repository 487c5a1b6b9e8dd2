"""`/v1/policy`: read, preview, publish, list and roll back the thresholds.

Publishing names what it builds on (`If-Match` with the ETag that was read), so that of two marketers who publish at
once the second sees the first one's change instead of undoing it.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from data.errors import TamizError
from data.store import PolicyRow, VersionConflict
from models.qualification import Policy, diff
from serving.body import json_answer, read_body
from serving.examples import POLICY
from serving.experiments import shown
from serving.looking_ahead import look_ahead
from serving.model_store import LoadedModel
from serving.openapi import operation
from serving.policies import InForce, in_force_of
from serving.policy_schemas import PolicyAnswer, PolicyHistory, PreviewRequest, PublishRequest, RollbackRequest
from serving.policy_tables import curves_table, experiment_table, preview_table
from serving.problems import MalformedJson, PreconditionRequired
from serving.schemas import instant
from serving.service import Service, admit
from serving.tables import csv_answer, wants_csv

__all__ = ["PolicyChanged", "router"]

router = APIRouter(tags=["policy"])
_Body = TypeVar("_Body", bound=BaseModel)


class PolicyChanged(TamizError, status=412, exit_code=1):
    """The policy was changed meanwhile: version {version} is in force now. Look at what differs, and publish on top of it."""


class PolicyOfAnotherModel(TamizError, status=409, exit_code=1):
    """This policy was made for a model with other inputs ({given}…); {version} serves now. Look at what its thresholds do there, and
    publish it with that model's `feature_set`, or without."""


@router.get("/v1/policy", summary="The policy in force", **operation(gives="PolicyAnswer", tagged=True, errors=(401, 403, 503)))
async def policy(request: Request) -> Response:
    """The published policy, or the model's default before the first is published. Its ETag goes into `If-Match`."""
    service, _ = admit(request, "read", "policy")
    return _tagged(_in_force(service))


@router.put("/v1/policy", summary="Publish a policy", **operation(
    takes="PublishRequest", example=POLICY, gives="PolicyAnswer", tagged=True,
    errors=(400, 401, 403, 409, 412, 413, 422, 428, 503), headers=("If-Match",)
))  # fmt: skip
async def publish(request: Request) -> Response:
    """Publishes thresholds with an author and a note; the next score obeys. What is in force already is not published again."""
    service, caller = admit(request, "policy")
    wanted = await _body(request, service, PublishRequest)
    before = _matched(request, service, wanted.policy)
    _same_inputs(wanted.feature_set, service.models.loaded)
    author = wanted.author or caller.name
    try:
        row = await asyncio.to_thread(
            service.store.publish, wanted.policy.to_json(), author=author, note=wanted.note, expected=before.number, actor=caller.name
        )
    except VersionConflict:
        raise _changed(service, request, _in_force(service), wanted.policy) from None
    return _tagged(in_force_of(row), before.policy)


@router.post("/v1/policy/preview", summary="What a policy would do", **operation(
    takes="PreviewRequest", example={"mql": 0.2, "sql": 0.5, "by": "source", "capacity": 40, "cost_per_call": 25.0},
    gives="PreviewAnswer", errors=(400, 401, 403, 404, 409, 413, 422, 503), query=("format",),
))  # fmt: skip
async def preview(request: Request) -> Response:
    """Volume, precision, conversions and revenue with intervals, who enters and who leaves, by segment, and which threshold to take."""
    service, caller = admit(request, "read", "policy")
    csv = wants_csv(request)
    wanted = await _body(request, service, PreviewRequest)
    loaded = service.models.current()
    _same_inputs(wanted.feature_set, loaded)
    kept, before = await service.previews.of(loaded), _in_force(service)
    try:
        proposed = _proposed(wanted, before.policy)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from None
    named = caller.may("read")
    answer = await asyncio.to_thread(look_ahead, service.store, loaded, kept, before, wanted, proposed, named=named)
    return preview_table(answer) if csv else json_answer(answer.model_dump_json().encode())


@router.get("/v1/policy/curves", summary="What every threshold would do", **operation(
    errors=(401, 403, 404, 422, 503), query=("column", "value", "format")
))  # fmt: skip
async def curves(request: Request) -> Response:
    """The same for many thresholds at once, for a page that follows a slider; of one segment with `column` and `value`."""
    import msgspec

    service, _ = admit(request, "read", "policy")
    csv = wants_csv(request)
    loaded = service.models.current()
    kept = await service.previews.of(loaded)
    column, values = request.query_params.get("column"), tuple(request.query_params.getlist("value"))
    found, preview = kept.curves, kept.whole
    if column is not None and values:
        preview, found = await asyncio.to_thread(kept.part, column, values)
    if csv:
        return curves_table(found)
    about: dict[str, Any] = {"model_version": loaded.version, "feature_set": loaded.bundle.encoder.feature_set.fingerprint}
    about |= {"horizon_days": loaded.bundle.horizon_days, "columns": kept.whole.columns, "mean_amount": preview.mean_amount}
    return json_answer(msgspec.json.encode(about | found.listed()))


@router.get(
    "/v1/policy/experiment", summary="What the A/B experiment has shown", **operation(errors=(401, 403, 422, 503), query=("format",))
)
async def experiment(request: Request) -> Response:
    """Each arm's leads, who was passed on, accepted and converted, and the difference to control with its interval, or that it is
    too early."""
    import msgspec

    service, _ = admit(request, "read", "policy")
    csv = wants_csv(request)
    loaded = service.models.loaded
    horizon = None if loaded is None else loaded.bundle.horizon_days
    found = await asyncio.to_thread(shown, service.store, _in_force(service).policy, horizon)
    return experiment_table(found) if csv else json_answer(msgspec.json.encode(found))


@router.get(
    "/v1/policy/versions", summary="Published versions", **operation(gives="PolicyHistory", errors=(401, 403, 422, 503), query=("format",))
)
async def versions(request: Request) -> Response:
    """Newest first, each with its author, its note and what it changed."""
    service, _ = admit(request, "read", "policy")
    csv = wants_csv(request)
    rows = await asyncio.to_thread(service.store.policy_history)
    befores: list[PolicyRow | None] = [*rows, None][1:]
    listed = [_answer(in_force_of(row), Policy.read(before.json) if before else None) for row, before in zip(rows, befores, strict=True)]
    if csv:
        cells = [[one.version, one.published_at, one.author, one.note, one.restores, one.policy.model_dump(mode="json")] for one in listed]
        return csv_answer("policy-versions", ("version", "published_at", "author", "note", "restores", "policy"), cells)
    return json_answer(PolicyHistory(versions=listed).model_dump_json().encode())


@router.post("/v1/policy/rollback", summary="Publish an older version again", **operation(
    takes="RollbackRequest", example={}, gives="PolicyAnswer", tagged=True,
    errors=(400, 401, 403, 404, 412, 413, 422, 428, 503), headers=("If-Match",)
))  # fmt: skip
async def rollback(request: Request) -> Response:
    """Goes back to the version before, or to the one named, as a new version; going back again goes further back."""
    service, caller = admit(request, "policy")
    wanted = await _body(request, service, RollbackRequest)
    before = _matched(request, service, None)
    author = wanted.author or caller.name
    try:
        row = await asyncio.to_thread(
            service.store.roll_back, wanted.to, author=author, note=wanted.note, expected=before.number, actor=caller.name
        )
    except VersionConflict:
        raise _changed(service, request, _in_force(service), None) from None
    return _tagged(in_force_of(row), before.policy)


def _in_force(service: Service) -> InForce:
    found = service.policies.in_force(service.models.loaded)
    if found is None:
        raise service.models.absence()
    return found


def _matched(request: Request, service: Service, wanted: Policy | None) -> InForce:
    """The policy in force, if it is the one that the caller builds on."""
    given = request.headers.get("if-match")
    if given is None:
        raise PreconditionRequired
    found = _in_force(service)
    if given.strip() != "*" and found.etag not in {tag.strip() for tag in given.split(",")}:
        raise _changed(service, request, found, wanted)
    return found


def _changed(service: Service, request: Request, found: InForce, wanted: Policy | None) -> PolicyChanged:
    """What is in force now, what the others changed since the caller read it, and what the caller would change."""
    published: dict[str, Any] = {"etag": found.etag} | _answer(found).model_dump(mode="json")
    base = _built_on(service, request.headers.get("if-match", ""))
    if base is not None:
        published["their_changes"] = diff(base, found.policy)
    if wanted is not None:
        published["your_changes"] = diff(base or found.policy, wanted)
        published["differs"] = diff(found.policy, wanted)
    return PolicyChanged(version=found.version, published=published)


def _built_on(service: Service, tag: str) -> Policy | None:
    """The policy that an ETag of ours names; None for one that is not."""
    version = tag.strip().strip('"').partition("-")[0]
    if version == "default":
        loaded = service.models.loaded
        return None if loaded is None else loaded.default_policy
    if not (version.isascii() and version.isdigit() and len(version) <= 9):
        return None
    row = service.store.policy(int(version))
    if row is None or in_force_of(row).etag != tag.strip():
        return None
    return Policy.read(row.json)


async def _body(request: Request, service: Service, shape: type[_Body]) -> _Body:
    body = await read_body(request, service.settings.body_bytes)
    try:
        return shape.model_validate_json(body or b"{}")
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        if faults[0]["type"] == "json_invalid":
            raise MalformedJson(faults[0]["msg"].removeprefix("Invalid JSON: ")) from None
        raise RequestValidationError(faults) from None


def _proposed(wanted: PreviewRequest, published: Policy) -> Policy:
    """The policy that is asked about."""
    if wanted.policy is not None:
        return wanted.policy
    assert wanted.mql is not None
    assert wanted.sql is not None
    plain = Policy.at(wanted.mql, wanted.sql)
    sql = published.sql.model_copy(update={"enter": plain.sql.enter, "exit": plain.sql.exit})
    return published.model_copy(update={"mql": plain.mql, "sql": sql})


def _same_inputs(given: str | None, loaded: LoadedModel | None) -> None:
    if given is not None and loaded is not None and given != loaded.bundle.encoder.feature_set.fingerprint:
        raise PolicyOfAnotherModel(version=loaded.version, given=given[:12])


def _answer(found: InForce, before: Policy | None = None) -> PolicyAnswer:
    row = found.row
    return PolicyAnswer(
        version=found.version,
        policy=found.policy,
        author=row.author if row else None,
        note=row.note if row else None,
        published_at=instant(row.created_at) if row else None,
        restores=str(row.restores) if row and row.restores else None,
        changes=diff(before, found.policy) if before else None,
    )


def _tagged(found: InForce, before: Policy | None = None) -> Response:
    return json_answer(_answer(found, before).model_dump_json().encode(), headers={"ETag": found.etag})
