"""How each report of this installation is made, from the parts of a running service; all of them block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.monitor_report import monitor_answer
from serving.pipeline_report import forecast_answer, pipeline_answer

if TYPE_CHECKING:
    from models.bundle import Bundle
    from serving.service import Service

__all__ = ["make_forecast", "make_monitor", "make_pipeline"]


def make_pipeline(service: Service, at: int, *, days: int = 90) -> bytes:
    return pipeline_answer(service.store, at, days)


def make_forecast(service: Service, at: int, *, weeks: int = 13) -> bytes:
    return forecast_answer(service.store, _bundle(service), at, weeks)


def make_monitor(service: Service, at: int) -> bytes:
    return monitor_answer(service.store, _bundle(service), service.settings.limits, at)


def _bundle(service: Service) -> Bundle | None:
    loaded = service.models.loaded
    return None if loaded is None else loaded.bundle
