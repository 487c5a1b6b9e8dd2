"""`/v1/monitor`: drift, promises, work and alarms; as JSON, or each table as CSV."""

from __future__ import annotations

from functools import partial

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from models.drift import Promise, SignalDrift
from serving.body import json_answer
from serving.monitor_report import MONITOR, MonitorAnswer
from serving.openapi import operation
from serving.pages import one_of
from serving.report_makers import make_monitor
from serving.service import admit
from serving.tables import csv_answer, wants_csv

__all__ = ["router"]

router = APIRouter(tags=["monitor"])
_answer = msgspec.json.Decoder(MonitorAnswer)


@router.get("/v1/monitor", summary="Drift, promises, work, alarms", **operation(
    gives="MonitorAnswer", errors=(401, 403, 422, 503), query=("format", "table")
))  # fmt: skip
async def monitor(request: Request) -> Response:
    """Whether what comes in still looks like what the model knows, whether its promises hold, and whether the work gets done."""
    service, _ = admit(request, "read")
    table = one_of(request, "table", ("signals", "promises", "alarms")) or "signals"
    csv = wants_csv(request)
    loaded = service.models.loaded
    version = None if loaded is None else loaded.version

    def still_holds(document: bytes) -> bool:
        return _answer.decode(document).model.model_version == version

    answer = _answer.decode(await service.kept.of(MONITOR, partial(make_monitor, service), still_holds=still_holds))
    answer.model.swaps, answer.model.refused = service.models.swaps, service.models.failures
    answer.model.last_refused = service.models.last_failure
    return _table(answer, table) if csv else json_answer(answer)


def _table(answer: MonitorAnswer, table: str) -> Response:
    name = f"monitor-{table}"
    if table == "alarms":
        columns = ["name", "subject", "value", "limit", "message"]
        return csv_answer(name, columns, ([getattr(one, column) for column in columns] for one in answer.alarms))
    if table == "promises":
        plain, figures = ["kind", "within_days", "leads", "conversions", "promised"], ["auc", "log_loss", "ece", "ratio"]
        columns = [*plain, *(f"{figure}{end}" for figure in figures for end in ("", "_low", "_high"))]
        return csv_answer(name, columns, (
            [*(getattr(one, column) for column in plain), *(cell for figure in figures for cell in _figure(one, figure))]
            for one in answer.promises
        ))  # fmt: skip
    columns = list(SignalDrift.__struct_fields__)
    return csv_answer(name, columns, ([getattr(one, column) for column in columns] for one in answer.drift.signals))


def _figure(promise: Promise, name: str) -> list[float | None]:
    found = getattr(promise, name)
    return [None] * 3 if found is None else [found.value, found.low, found.high]
