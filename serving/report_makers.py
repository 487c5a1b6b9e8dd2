"""How each report of this installation is made, from the parts of a running service; all of them block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from serving.monitor_report import MONITOR, monitor_answer
from serving.pipeline_report import FORECAST, PIPELINE, forecast_answer, pipeline_answer

if TYPE_CHECKING:
    from models.bundle import Bundle
    from serving.service import Service

__all__ = ["DAYS", "WEEKS", "make_forecast", "make_monitor", "make_pipeline", "makers"]

DAYS = ("30", "60", "90", "180", "365")
"""Over which a pipeline is told."""
WEEKS = ("4", "8", "13", "26")
"""Of which a forecast tells."""


def makers(service: Service) -> dict[str, Callable[[int], bytes]]:
    """Every report that somebody may ask for, by the name under which it is kept; those that pages begin with first."""
    asked = {f"forecast:{weeks}": partial(make_forecast, service, weeks=int(weeks)) for weeks in WEEKS}
    asked |= {f"pipeline:{days}": partial(make_pipeline, service, days=int(days)) for days in DAYS}
    asked[MONITOR] = partial(make_monitor, service)
    first = (MONITOR, FORECAST, PIPELINE)
    return {name: asked[name] for name in (*first, *(name for name in asked if name not in first))}


def make_pipeline(service: Service, at: int, *, days: int = 90) -> bytes:
    return pipeline_answer(service.store, at, days)


def make_forecast(service: Service, at: int, *, weeks: int = 13) -> bytes:
    return forecast_answer(service.store, _bundle(service), at, weeks)


def make_monitor(service: Service, at: int) -> bytes:
    return monitor_answer(service.store, _bundle(service), service.settings.limits, at)


def _bundle(service: Service) -> Bundle | None:
    loaded = service.models.loaded
    return None if loaded is None else loaded.bundle
