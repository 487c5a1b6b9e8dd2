"""What the service writes to its log: one line an event, as JSON or for people, and nothing of any lead or key.

In: log records; what a record says beyond its words stands in `extra={"fields": {…}}`. Out: lines on standard error. A record
made while a request is answered carries its id, and its trace where the caller sent one. Of an exception the log keeps its
type and where it was raised: its words may quote what a caller sent, so they are only written with TAMIZ_DEBUG=1.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

__all__ = ["REQUEST", "Form", "JsonLines", "TextLines", "begin"]

Form = Literal["auto", "json", "text"]
REQUEST: ContextVar[tuple[str, str | None]] = ContextVar("request")
"""Id and trace of the request that is being answered."""


def begin(form: Form) -> None:
    """Writes the log of this process to standard error; `auto` is text on a terminal and JSON elsewhere."""
    lines = JsonLines if form == "json" or (form == "auto" and not sys.stderr.isatty()) else TextLines
    handler = logging.StreamHandler()
    handler.setFormatter(lines(words=os.environ.get("TAMIZ_DEBUG") == "1"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for theirs in ("uvicorn", "httpx", "httpcore", "urllib3"):  # what they say of a call is its whole address
        logging.getLogger(theirs).setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    def __init__(self, *, words: bool = False) -> None:
        super().__init__()
        self._words = words

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        """What the record says, by name."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told: dict[str, Any] = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        request_id, trace_id = REQUEST.get(("", None))
        if request_id:
            told["request_id"] = request_id
        if trace_id:
            told["trace_id"] = trace_id
        told |= getattr(record, "fields", {})
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            told["error"] = f"{type(error).__name__}: {error}" if self._words else type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)
            told["raised"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return told


class JsonLines(_Lines):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.facts(record), ensure_ascii=False, default=str)


class TextLines(_Lines):
    """For people: the level, where from, what happened; then the rest as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        told = self.facts(record)
        del told["at"]
        level, logger, message, raised = (told.pop(name, "") for name in ("level", "logger", "message", "raised"))
        rest = "".join(f" {name}={value}" for name, value in told.items())
        return f"{level.upper()} {logger} {message}{rest}" + "".join(f"\n    {frame}" for frame in raised)
