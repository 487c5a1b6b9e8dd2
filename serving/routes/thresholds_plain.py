"""`/thresholds/plain`: the thresholds with forms alone, for a browser without JavaScript.

In: two thresholds in the address, to be looked at, or a form that publishes or rolls back. Out: a page with their figures as a table.
Publishing goes by the version that the form was made for; when another one is in force meanwhile nothing is published and the page says so.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from data.errors import TamizError
from data.store import VersionConflict
from models.qualification import Policy
from serving.body import read_body
from serving.console.pages import page
from serving.looking_ahead import look_ahead
from serving.policies import InForce
from serving.policy_schemas import PreviewRequest
from serving.problems import TokenMissing
from serving.service import Service, admit, service_of, visitor_at

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_LARGEST_FORM = 16_384


@router.get("/thresholds/plain")
async def plain(request: Request) -> Response:
    """The figures of the thresholds in the address, or of those in force."""
    return await _page(request)


@router.post("/thresholds/plain")
async def publish(request: Request) -> Response:
    """Publishes both thresholds, or an older version again."""
    service, caller = admit(request, "policy")
    body = await read_body(request, _LARGEST_FORM)
    form = {name: values[-1].strip() for name, values in parse_qs(body.decode("utf-8", "replace"), max_num_fields=10).items()}
    visitor = visitor_at(request)
    if visitor is not None and not secrets.compare_digest(form.get("token", "").encode(), visitor.token.encode()):
        raise TokenMissing
    before = service.policies.in_force(service.models.loaded)
    if before is None or form.get("etag") != before.etag:
        return await _page(request, form, problem="changed")
    author = form.get("author") or caller.name
    about: dict[str, Any] = {"author": author, "note": form.get("note", ""), "expected": before.number, "actor": caller.name}
    try:
        if form.get("to"):
            await asyncio.to_thread(service.store.roll_back, int(form["to"]), **about)
        else:
            await asyncio.to_thread(service.store.publish, _with(before.policy, form).to_json(), **about)
    except VersionConflict:
        return await _page(request, form, problem="changed")
    except (ValueError, ValidationError):
        return await _page(request, form, problem="invalid")
    return RedirectResponse("/thresholds/plain?published=1", 303)


async def _page(request: Request, form: dict[str, str] | None = None, problem: str = "") -> Response:
    service = service_of(request)
    given = dict(request.query_params) if form is None else form
    before = service.policies.in_force(service.models.loaded)
    shown: dict[str, Any] = {"before": before, "answer": None, "problem": problem, "missing_why": "", "given": given, "versions": []}
    signed_in = visitor_at(request) is not None or service.settings.auth == "dev"
    if before is not None and signed_in:
        shown["versions"] = await asyncio.to_thread(service.store.policy_history, 10)
        try:
            shown["answer"] = await _ahead(service, before, _with(before.policy, given))
        except (ValueError, ValidationError):
            shown["problem"] = problem or "invalid"
        except TamizError as error:
            shown["missing_why"] = str(error)
    return await page(request, "thresholds_plain", scope="read policy", **shown)


async def _ahead(service: Service, before: InForce, proposed: Policy) -> Any:  # noqa: ANN401 - what the template shows
    loaded = service.models.current()
    kept = await service.previews.of(loaded)
    return await asyncio.to_thread(look_ahead, service.store, loaded, kept, before, PreviewRequest(policy=proposed), proposed, named=False)


def _with(policy: Policy, given: dict[str, str]) -> Policy:
    """The policy with thresholds as per cent; those that are not given stay. Raises ValueError for what is no number or no policy."""
    if not given.get("mql") and not given.get("sql"):
        return policy
    mql, sql = (_share(given[queue]) if given.get(queue) else getattr(policy, queue).enter for queue in ("mql", "sql"))
    plain = Policy.at(mql, sql)
    bands = {"mql": plain.mql, "sql": policy.sql.model_copy(update={"enter": plain.sql.enter, "exit": plain.sql.exit})}
    return policy.model_copy(update=bands)


def _share(text: str) -> float:
    return round(float(text.replace(",", ".").rstrip("% ")) / 100, 6)
