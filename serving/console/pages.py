"""Makes a page of the console: a template in the visitor's language, inside the frame that all pages share.

In: the request, the template's name, the scope that its user needs, and what the template shows. Out: HTML. A template writes texts as
`{{ _('…') }}` and figures by the filters `number`, `percent`, `money`, `day` and `instant`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response

from serving.console.language import COOKIE, LANGUAGES, asked_for, language, language_of
from serving.service import service_of

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request

__all__ = ["page"]

_TEMPLATES = Path(__file__).parent / "templates"
_YEAR = 365 * 86_400


async def page(request: Request, name: str, *, scope: str, **shown: object) -> Response:
    """The page; `scope` is what a key needs for all that it does."""
    speech = language_of(request)
    html = (
        await _pages(speech.code)
        .get_template(f"{name}.html")
        .render_async(
            page=name,
            scope=scope,
            asks_for_key=service_of(request).settings.auth == "required",
            there=frozenset(getattr(route, "path", "") for route in request.app.routes),
            **shown,
        )
    )
    response = HTMLResponse(html, headers={"Content-Language": speech.code, "Vary": "Accept-Language, Cookie"})
    if wanted := asked_for(request):
        response.set_cookie(COOKIE, wanted, max_age=_YEAR, httponly=True, samesite="lax", secure=request.url.scheme == "https")
    return response


@lru_cache(maxsize=len(LANGUAGES))
def _pages(code: str) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    speech = language(code)
    pages = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, enable_async=True)
    pages.globals.update(_=speech.gettext, ngettext=speech.ngettext, language=code, languages=LANGUAGES, catalogue=_embedded(speech.texts))
    pages.filters.update(number=speech.number, percent=speech.percent, money=speech.money, day=speech.day, instant=speech.instant)
    return pages


def _embedded(texts: object) -> str:
    """JSON that may stand in a page."""
    return json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")
