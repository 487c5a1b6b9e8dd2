"""`/`, `/queue` and `/leads/{lead_id}`: where marketing sets thresholds and sales sees whom to call, and the files that they load.

The pages themselves hold no data and need no key; what they show they ask of the API, with the key that their user gives them.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from features.bant import DIMENSIONS, DISAGREEMENTS, QUESTIONS
from serving.console.words import LANGUAGES, WORDS
from serving.service import service_of

__all__ = ["router", "static_files"]

router = APIRouter(include_in_schema=False)
_FOLDER = Path(__file__).resolve().parents[1] / "console"


@router.get("/")
async def thresholds(request: Request) -> Response:
    """What each threshold would do, and publishing it."""
    return await _page(request, "thresholds", scope="policy")


@router.get("/queue")
async def queue(request: Request) -> Response:
    """Whom to call first, and why."""
    return await _page(request, "queue", scope="read", origin=str(request.base_url).rstrip("/"))


@router.get("/leads/{lead_id}")
async def lead(request: Request, lead_id: str) -> Response:
    """One lead; whether there is such a one only the API says."""
    return await _page(request, "lead", scope="read", lead_id=lead_id)


@router.get("/assets/plotly.min.js")
async def plotly() -> Response:
    """The chart library's browser file, from the plotly wheel; the library itself is never imported."""
    path = _plotly_file()
    if path is None:
        raise HTTPException(404)
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "public, max-age=86400"})


def static_files() -> StaticFiles:
    """Style and modules of the console."""
    return StaticFiles(directory=_FOLDER / "static")


async def _page(request: Request, name: str, *, scope: str, **more: str) -> Response:
    """A page in the language asked for; `scope` is what a key needs for all that it does."""
    language = _language(request)
    words = WORDS[language]
    template = _pages().get_template(f"{name}.html")
    html = await template.render_async(
        page=name,
        words=words,
        language=language,
        languages=LANGUAGES,
        scope=scope,
        asks_for_key=service_of(request).settings.auth == "required",
        embedded=json.dumps(words | {"language": language, "questions": _questions(words)}, ensure_ascii=False).replace("<", "\\u003c"),
        **more,
    )
    return HTMLResponse(html, headers={"Content-Language": language, "Vary": "Accept-Language"})


def _questions(words: dict[str, str]) -> dict[str, str]:
    """What the model asks next, by its own words in English: the one part of its speech that the pages can say in another language."""
    asked = {QUESTIONS[dimension]: words[f"ask_{dimension}"] for dimension in DIMENSIONS}
    return asked | {DISAGREEMENTS[dimension]: words[f"settle_{dimension}"] for dimension in DIMENSIONS}


@lru_cache(maxsize=1)
def _pages() -> Environment:
    return Environment(loader=FileSystemLoader(_FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, enable_async=True)


@lru_cache(maxsize=1)
def _plotly_file() -> Path | None:
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    return path if path.exists() else None


def _language(request: Request) -> str:
    """`?lang=`, else the first language of the browser that we speak, else English."""
    asked = [request.query_params.get("lang", "")]
    weighed: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, weight = part.strip().partition(";q=")
        weighed.append((-_float(weight or "1"), tag))
    asked += [tag for _, tag in sorted(weighed, key=lambda pair: pair[0])]
    return next((tag[:2].lower() for tag in asked if tag[:2].lower() in LANGUAGES), "en")


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
