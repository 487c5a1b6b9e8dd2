"""Scores go straight to their handlers: past the framework's middleware, matching and dependencies, which they have no use for.

In: the application as the framework would run it, and handlers by method and path, in which one part may be a `{name}`. Out: an
application that answers those itself, each as the framework would: what a handler raises of our own becomes a problem, anything else is for
whoever stands in front.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from data.errors import TamizError
from serving.problems import ProblemResponse, problem_of

__all__ = ["Handler", "Shortcut", "answer_to"]

Handler = Callable[..., Awaitable[Response]]
"""Of a request, and of the part of its path that has a name, if one has."""


class Shortcut:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, handlers: Mapping[tuple[str, str], Handler]) -> None:
        self.app = app
        self._routes = {place: (_Route(place[1]), handler) for place, handler in handlers.items() if "{" not in place[1]}
        self._named = [(method, *_around(path), _Route(path), handler) for (method, path), handler in handlers.items() if "{" in path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        scope["route"], handler, named = found
        request = Request(scope, receive, send)
        try:
            response = await handler(request, *named)
        except TamizError as error:
            response = answer_to(request, error)
        await response(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[_Route, Handler, tuple[str, ...]] | None:
        found = self._routes.get((method, path))
        if found is not None:
            return *found, ()
        for wanted, before, after, route, handler in self._named:
            if method == wanted and path.startswith(before) and path.endswith(after):
                name = path[len(before) : len(path) - len(after)]
                if name and "/" not in name:
                    return route, handler, (name,)
        return None


def _around(path: str) -> tuple[str, str]:
    """What stands before and after the part that has a name."""
    before, _, rest = path.partition("{")
    return before, rest.partition("}")[2]


def answer_to(request: Request, error: TamizError) -> ProblemResponse:
    """An error of our own as it is answered."""
    return ProblemResponse(problem_of(error, request.scope.get("request_id")), getattr(error, "headers", None))


class _Route(NamedTuple):
    """Which route it is: figures are kept by route."""

    path: str
