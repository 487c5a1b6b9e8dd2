"""The one error family: what Tamiz raises when it says no.

An error's docstring is its message, a `str.format` template filled from the keyword arguments: it says what
was wrong, where, and what to do next. Its class carries the HTTP status and the command line's exit code, so
that neither the service nor the commands translate errors.
"""

from __future__ import annotations

import inspect
from typing import ClassVar

__all__ = ["BadData", "BadUsage", "DependencyFailed", "GateSaidNo", "TamizError"]


class TamizError(Exception):
    """{detail}"""

    status: ClassVar[int] = 500
    """HTTP status of the problem document."""
    exit_code: ClassVar[int] = 3
    """1 a gate said no, 2 bad usage, bad data or no champion, 3 a dependency or the disk failed."""

    def __init_subclass__(cls, *, status: int | None = None, exit_code: int | None = None) -> None:
        super().__init_subclass__()
        if status is not None:
            cls.status = status
        if exit_code is not None:
            cls.exit_code = exit_code

    def __init__(self, detail: str = "", **values: object) -> None:
        self.values = values | ({"detail": detail} if detail else {})
        template = " ".join(inspect.cleandoc(type(self).__doc__ or "{detail}").split())
        super().__init__(template.format(**self.values))

    def __reduce__(self) -> tuple[object, ...]:
        """An error that a worker process raised reaches its caller whole."""
        return _again, (type(self), self.values)

    @property
    def code(self) -> str:
        """Stable kebab-case name of the kind of error, for machines: `ModelNotReady` is `model-not-ready`."""
        name = type(self).__name__
        return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-")


def _again(kind: type[TamizError], values: dict[str, object]) -> TamizError:
    return kind(**values)  # type: ignore[arg-type]  # `detail`, where there is one, is text


class BadUsage(TamizError, status=400, exit_code=2):
    """{detail}"""


class BadData(TamizError, status=422, exit_code=2):
    """{detail}"""


class GateSaidNo(TamizError, status=409, exit_code=1):
    """{detail}"""


class DependencyFailed(TamizError, status=503, exit_code=3):
    """{detail}"""
