"""Makes a page of the console: a template in the visitor's language, inside the frame that all pages share.

In: the request, the template's name, the scope that its user needs, and what the template shows. Out: HTML, or the way to the sign-in
where nobody has signed in. A template writes texts as `{{ _('…') }}` and figures by the filters `number`, `percent`, `money`, `day` and
`instant`; `code('…')` is a command or name to be typed, which no line breaks; `may('policy')` says whether its user has that right.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match

from serving.console.language import COOKIE, LANGUAGES, asked_for, language, language_of
from serving.security import LOCAL, SCOPES
from serving.service import service_of, visitor_at

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request

__all__ = ["keep", "page", "rendered"]

_TEMPLATES = Path(__file__).parent / "templates"
_YEAR = 365 * 86_400
_NAVIGATION = ("/", "/queue", "/model", "/pipeline", "/health")


async def page(request: Request, name: str, *, scope: str = "read", **shown: object) -> Response:
    """The page of somebody who has signed in; `scope` lists the scopes of which one is needed to see it."""
    visitor = visitor_at(request)
    signs_in = service_of(request).settings.auth == "required"
    if visitor is None and signs_in:
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse("/sign-in" if asked == "/" else f"/sign-in?next={quote(asked, safe='')}", 303)
    caller = visitor.caller if visitor else LOCAL
    rights = [one for one in SCOPES if caller.may(one)]
    frame = {"visitor": visitor, "signs_in": signs_in, "token": visitor.token if visitor else "", "there": _there(request)}
    rules = {"rights": rights, "may": caller.may, "scope": scope, "missing": not caller.may(*scope.split())}
    return await rendered(request, name, 200, **frame, **rules, **shown)


async def rendered(request: Request, name: str, status: int, /, **shown: object) -> Response:
    """A template in the visitor's language, for anybody."""
    speech = language_of(request)
    html = await _pages(speech.code).get_template(f"{name}.html").render_async(page=name, here=request.url, **shown)
    response = HTMLResponse(html, status, headers={"Content-Language": speech.code, "Vary": "Accept-Language, Cookie"})
    if wanted := asked_for(request):
        keep(request, response, COOKIE, wanted, _YEAR)
    return response


def keep(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    """A cookie that no script reads, that other sites do not send along, and that goes over TLS alone where there is TLS."""
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=request.url.scheme == "https")


def _there(request: Request) -> frozenset[str]:
    """The pages that there are, of those that the navigation knows."""
    return frozenset(path for path in _NAVIGATION if any(route.matches(_get(path))[0] is Match.FULL for route in request.app.routes))


def _get(path: str) -> dict[str, object]:
    return {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}


@lru_cache(maxsize=len(LANGUAGES))
def _pages(code: str) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from serving.console.sentences import said_in

    speech = language(code)
    pages = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, enable_async=True)
    pages.globals.update(_=speech.gettext, ngettext=speech.ngettext, language=code, languages=LANGUAGES, catalogue=_embedded(speech.texts))
    pages.globals["sentences"] = _embedded(told) if (told := said_in(speech)) else ""
    pages.globals["code"] = Markup("<code>{}</code>").format
    pages.filters.update(number=speech.number, percent=speech.percent, money=speech.money, day=speech.day, instant=speech.instant)
    return pages


def _embedded(texts: object) -> str:
    """JSON that may stand in a page."""
    return json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")
