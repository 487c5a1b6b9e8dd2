"""The application: `create_app(settings)` puts the parts together; nothing happens at import.

Starting opens (and migrates) the store, loads the champion if there is one, and begins the ledger's thread; it starts
without a champion all the same, and says so at `/readyz`. Stopping writes what is still queued.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from data.errors import TamizError
from data.store import Store
from serving import logs
from serving.edge import METHODS, Edge
from serving.openapi import describe, operation_id
from serving.problems import ProblemResponse, problem_response
from serving.routes import (
    audit,
    console,
    health,
    ingest,
    jobs,
    leads,
    model,
    monitor,
    outlook,
    pipeline,
    policy,
    receivers,
    records,
    reviews,
    score,
    sign_in,
    thresholds_plain,
    webhooks,
)
from serving.running import running
from serving.salesforce import for_salesforce
from serving.security import Doorkeeper
from serving.settings import Settings
from serving.shortcut import Handler, Shortcut, answer_to
from serving.worker import work

__all__ = ["create_app", "from_environment"]

KEYS_USED_SECONDS = 30.0
_log = logging.getLogger("tamiz.service")


def create_app(settings: Settings) -> FastAPI:
    """A service for one installation."""
    app = _Application(
        settings,
        title="Tamiz",
        version="1",
        summary="Scores sales leads and decides which are marketing- and sales-qualified.",
        docs_url=None,  # these pages load their code from elsewhere; the contract itself is at /openapi.json
        redoc_url=None,
        lifespan=partial(_lifespan, settings),
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for routes in (
        score,
        ingest,
        outlook,
        leads,
        records,
        reviews,
        jobs,
        webhooks,
        receivers,
        model,
        policy,
        monitor,
        pipeline,
        audit,
        health,
        console,
        thresholds_plain,
        sign_in,
    ):
        app.include_router(routes.router)
    app.router.routes.append(Route("/openapi-salesforce.json", _for_salesforce, methods=["GET"], include_in_schema=False))
    app.mount("/static", console.static_files(), name="static")
    app.add_exception_handler(TamizError, _on_our_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    describe(app)
    return app


async def _for_salesforce(request: Request) -> JSONResponse:
    return JSONResponse(for_salesforce())


class _Application(FastAPI):
    """FastAPI behind the edge. Its own routes describe the calls that the shortcut answers."""

    def __init__(self, settings: Settings, **given: Any) -> None:  # noqa: ANN401 - whatever FastAPI takes
        super().__init__(**given)
        self._settings = settings

    def build_middleware_stack(self) -> ASGIApp:
        handlers: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/score"): score.score,
            ("POST", "/v1/score/batch"): score.score_batch,
            ("POST", "/v1/leads/{lead_id}/score"): leads.score_by_id,
        }
        shortcut = Shortcut(super().build_middleware_stack(), handlers)
        return Edge(shortcut, dev=self._settings.auth == "dev", log_all=self._settings.log_requests == "all")


def from_environment() -> FastAPI:
    """The service of this environment: what each worker process calls."""
    # What is imported stays; and a request's objects die by reference count, so looking for cycles may be rare. Measured: a
    # tenth of the processor time of a score.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    settings = Settings.from_environment()
    logs.begin(settings.log)
    return create_app(settings)


@contextlib.asynccontextmanager
async def _lifespan(settings: Settings, app: FastAPI) -> AsyncIterator[None]:
    async with running(settings) as service:
        app.state.metrics = service.metrics
        app.state.service = service
        watchers = [asyncio.create_task(_note_keys_used(service.store, service.doorkeeper))]
        if settings.worker == "inside":
            watchers.append(asyncio.create_task(work(service)))
        try:
            yield
        finally:
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
            _note_used(service.store, service.doorkeeper)


async def _note_keys_used(store: Store, doorkeeper: Doorkeeper) -> None:
    while True:
        await asyncio.sleep(KEYS_USED_SECONDS)
        await asyncio.to_thread(_note_used, store, doorkeeper)


def _note_used(store: Store, doorkeeper: Doorkeeper) -> None:
    used = doorkeeper.take_used()
    if used:
        try:
            store.keys_used(used)
        except TamizError as error:
            _log.warning("when keys were last used was not noted: %s", error)


async def _on_our_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, TamizError)
    return answer_to(request, error)


async def _on_http_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    says = {
        404: f"There is nothing at {request.url.path}: /openapi.json lists what there is.",
        405: f"{request.method} is not for {request.url.path}: /openapi.json lists what is.",
    }
    detail = says.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_allowed(request)))
    return problem_response(error.status_code, detail, request_id=request.scope.get("request_id"), headers=headers)


def _allowed(request: Request) -> set[str]:
    """The methods of every route at this address; the router looks no further than the first."""
    asked = {method: {**request.scope, "method": method} for method in METHODS}
    return {method for method, scope in asked.items() if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)}


async def _on_invalid(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    faults = [
        {"place": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"].removeprefix("Value error, ")}
        for fault in error.errors()
    ]
    detail = "; ".join(f"{fault['place']}: {fault['message']}" for fault in faults)
    return problem_response(422, detail, code="unprocessable", request_id=request.scope.get("request_id"), errors=faults)
