"""`/sign-in` and `/sign-out`: a key once, then a signed cookie that says which key it was.

The cookie is out of scripts' reach (HttpOnly), is not sent along by other sites (SameSite=Lax), goes over TLS alone where the service
is behind it (Secure), and ends after twelve hours or with its key. Both forms carry a token, so that no other site can sign anybody in or
out. Attempts are counted by address: twenty a minute, in each worker process.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from functools import lru_cache
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from data.errors import TamizError
from serving.body import read_body
from serving.console.pages import keep, rendered
from serving.identity import SESSION, SESSION_SECONDS
from serving.limits import Limits, TooManyRequests
from serving.problems import KeyWrong, TokenMissing
from serving.service import Service, service_of, visitor_at

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
FORM = "tamiz_form"
ATTEMPTS = 20
_LARGEST_FORM = 4096
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20]*")


@router.get("/sign-in")
async def sign_in(request: Request) -> Response:
    """The form; who has signed in already goes on."""
    wanted = _local(request.query_params.get("next"))
    if service_of(request).settings.auth == "dev" or visitor_at(request) is not None:
        return RedirectResponse(wanted, 303)
    return await _form(request, wanted)


@router.post("/sign-in")
async def begin(request: Request) -> Response:
    """Takes the key, and goes on to the page that was asked for."""
    service = service_of(request)
    form = await _fields(request)
    wanted = _local(form.get("next"))
    if service.settings.auth == "dev":
        return RedirectResponse(wanted, 303)
    try:
        attempts().take(request.client.host if request.client else "", ATTEMPTS, "Whoever signs in from one address")
        if not service.seal.matches(form.get("token", ""), "form", request.cookies.get(FORM, "")):
            raise TokenMissing
        caller = service.doorkeeper.holder(form.get("key", "").strip())
    except (KeyWrong, TokenMissing, TooManyRequests) as problem:
        return await _form(request, wanted, problem)
    response = RedirectResponse(wanted, 303)
    keep(request, response, SESSION, service.sessions.begin(caller.name, await _name(service, caller.name)), SESSION_SECONDS)
    response.delete_cookie(FORM)
    return response


@router.post("/sign-out")
async def end(request: Request) -> Response:
    """Forgets who sat here; the key goes on."""
    visitor = visitor_at(request)
    form = await _fields(request)
    if visitor is not None and not secrets.compare_digest(form.get("token", "").encode(), visitor.token.encode()):
        raise TokenMissing
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION)
    return response


async def _form(request: Request, wanted: str, problem: TamizError | None = None) -> Response:
    drawn = secrets.token_urlsafe(16)
    status = problem.status if problem else 200
    token = await asyncio.to_thread(service_of(request).seal.token, "form", drawn)
    response = await rendered(request, "sign_in", status, wanted=wanted, token=token, problem=problem.code if problem else "")
    keep(request, response, FORM, drawn, 3600)
    if isinstance(problem, TooManyRequests):
        response.headers.update(problem.headers)
    return response


async def _fields(request: Request) -> dict[str, str]:
    body = await read_body(request, _LARGEST_FORM)
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace"), max_num_fields=10).items()}


async def _name(service: Service, prefix: str) -> str:
    """What the key is for, as whoever made it noted; else its prefix."""
    keys = await asyncio.to_thread(service.store.keys)
    return next((one.note for one in keys if one.prefix == prefix and one.note), prefix)[:60]


def _local(wanted: str | None) -> str:
    """Where to go on: an address of this service, whatever was asked for."""
    return wanted if wanted and _LOCAL.fullmatch(wanted) else "/"


@lru_cache(maxsize=1)
def attempts() -> Limits:
    """What each address has tried."""
    return Limits()
