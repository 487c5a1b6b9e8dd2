"""The pages of the console (`/`, `/queue`, `/leads/{lead_id}`, `/model`, `/pipeline`, `/health`) and the files that they load.

The pages themselves hold no data; what they show they ask of the API, in the name of whoever has signed in.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from serving.console.pages import page

__all__ = ["router", "static_files"]

router = APIRouter(include_in_schema=False)
_STATIC = Path(__file__).resolve().parents[1] / "console" / "static"


@router.get("/")
async def thresholds(request: Request) -> Response:
    """What each threshold would do, and publishing it."""
    return await page(request, "thresholds", scope="read policy")


@router.get("/queue")
async def queue(request: Request) -> Response:
    """Whom to call first, and why."""
    return await page(request, "queue", scope="read", origin=str(request.base_url).rstrip("/"))


@router.get("/model")
async def model(request: Request) -> Response:
    """What serves, how far it can be believed, and what would replace it."""
    return await page(request, "model", scope="read policy")


@router.get("/pipeline")
async def pipeline(request: Request) -> Response:
    """From stage to stage, and what the next weeks bring."""
    return await page(request, "pipeline", scope="read")


@router.get("/health")
async def health(request: Request) -> Response:
    """Drift, promises, work, and alarms."""
    return await page(request, "health", scope="read")


@router.get("/leads/{lead_id}")
async def lead(request: Request, lead_id: str) -> Response:
    """One lead; whether there is such a one only the API says."""
    return await page(request, "lead", scope="read", lead_id=lead_id)


@router.get("/assets/plotly.min.js")
async def plotly() -> Response:
    """The chart library's browser file, from the plotly wheel; the library itself is never imported."""
    path = _plotly_file()
    if path is None:
        raise HTTPException(404)
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "public, max-age=86400"})


def static_files() -> StaticFiles:
    """Style and modules of the console."""
    return StaticFiles(directory=_STATIC)


@lru_cache(maxsize=1)
def _plotly_file() -> Path | None:
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    return path if path.exists() else None
