"""`/v1/pipeline` and `/v1/forecast`: where leads get stuck, and what the next weeks bring; as JSON, or each table as CSV."""

from __future__ import annotations

from functools import partial

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.body import json_answer
from serving.openapi import operation
from serving.pages import one_of
from serving.pipeline_report import ForecastAnswer, PipelineAnswer
from serving.report_makers import DAYS, WEEKS, make_forecast, make_pipeline
from serving.service import admit
from serving.tables import csv_answer, wants_csv

__all__ = ["router"]

router = APIRouter(tags=["pipeline"])
_pipeline = msgspec.json.Decoder(PipelineAnswer)
_forecast = msgspec.json.Decoder(ForecastAnswer)


@router.get("/v1/pipeline", summary="Stages, times, wins, bottlenecks", **operation(
    gives="PipelineAnswer", errors=(401, 403, 422, 503), query=("days", "format", "table")
))  # fmt: skip
async def pipeline(request: Request) -> Response:
    """From stage to stage: who moves on, how long it takes, what has got worse by more than chance; cohorts; our own funnel."""
    service, _ = admit(request, "read")
    days = int(one_of(request, "days", DAYS) or "90")
    table = one_of(request, "table", ("stages", "cohorts", "funnel", "bottlenecks", "deals")) or "stages"
    csv = wants_csv(request)
    document = await service.kept.of(f"pipeline:{days}", partial(make_pipeline, service, days=days))
    return _pipeline_table(_pipeline.decode(document), table) if csv else json_answer(document)


@router.get("/v1/forecast", summary="Conversions and revenue of the next weeks", **operation(
    gives="ForecastAnswer", errors=(401, 403, 422, 503), query=("weeks", "format", "table")
))  # fmt: skip
async def forecast(request: Request) -> Response:
    """From calibrated probabilities of open leads, and leads to come kept apart; with how often such intervals held."""
    service, _ = admit(request, "read")
    weeks = int(one_of(request, "weeks", WEEKS) or "13")
    table = one_of(request, "table", ("weeks", "backtest", "kept", "past", "ages")) or "weeks"
    csv = wants_csv(request)
    loaded = service.models.loaded
    version = None if loaded is None else loaded.version

    def still_holds(document: bytes) -> bool:
        return _forecast.decode(document).model_version == version

    document = await service.kept.of(f"forecast:{weeks}", partial(make_forecast, service, weeks=weeks), still_holds=still_holds)
    return _forecast_table(_forecast.decode(document), table) if csv else json_answer(document)


def _pipeline_table(answer: PipelineAnswer, table: str) -> Response:
    name = f"pipeline-{table}"
    if table == "cohorts":
        stages = [stage.name for stage in answer.stages]
        columns = ["month", "leads", *stages, "won", "lost", "open", "amount", "win_share", "low", "high"]
        return csv_answer(name, columns, (
            [one.month, one.leads, *(one.reached.get(stage, 0) for stage in stages), one.won, one.lost, one.open, one.amount,
             one.win_share.value, one.win_share.low, one.win_share.high]
            for one in answer.cohorts
        ))  # fmt: skip
    if table == "funnel":
        return csv_answer(name, ["period", "step", "leads", "share", "low", "high"], (
            [period, step.name, step.leads, *_figure(step.share)]
            for period, steps in (("now", answer.funnel), ("before", answer.funnel_before)) for step in steps
        ))  # fmt: skip
    if table == "bottlenecks":
        columns = ["stage", "kind", "value", "before", "low", "high", "p", "count", "count_before"]
        return csv_answer(name, columns, ([getattr(one, column) for column in columns] for one in answer.bottlenecks))
    if table == "deals":
        columns = ["period", "won", "lost", "win_rate", "low", "high", "amount", "average_deal", "low", "high", "median_days_to_win"]
        return csv_answer(name, columns, (
            [period, one.won, one.lost, *_figure(one.win_rate), one.amount, *_figure(one.average_deal), one.median_days_to_win]
            for period, one in (("now", answer.deals), ("before", answer.deals_before))
        ))  # fmt: skip
    counts = ["entered", "moved_on", "set_back", "lost", "open"]
    figures = ["conversion", "median_days", "p80_days"]
    columns = ["stage", "period", *counts, *(f"{figure}{end}" for figure in figures for end in ("", "_low", "_high")), "waiting", "overdue"]
    return csv_answer(name, columns, (
        [stage.name, period, *(getattr(moves, count) for count in counts),
         *(cell for figure in figures for cell in _figure(getattr(moves, figure))), stage.waiting, stage.overdue]
        for stage in answer.stages for period, moves in (("now", stage.now), ("before", stage.before))
    ))  # fmt: skip


def _forecast_table(answer: ForecastAnswer, table: str) -> Response:
    name = f"forecast-{table}"
    if table in ("backtest", "kept"):
        columns = ["begins", "expected", "low", "high", "actual", "held"]
        checked = answer.backtest if table == "backtest" else answer.kept
        return csv_answer(name, columns, ([getattr(one, column) for column in columns] for one in checked.periods))
    if table == "past":
        columns = ["begins", "ends", "conversions", "revenue"]
        return csv_answer(name, columns, ([getattr(one, column) for column in columns] for one in answer.past))
    if table == "ages":
        columns = ["from_days", "to_days", "open_leads", "promised", "past_leads", "past_won", "factor"]
        return csv_answer(name, columns, ([getattr(one, column) for column in columns] for one in answer.ages))
    ranges = ["conversions", "of_open", "of_new", "revenue"]
    columns = ["begins", "ends", *(f"{one}{end}" for one in ranges for end in ("", "_low", "_high"))]
    return csv_answer(name, columns, (
        [week.begins, week.ends, *(cell for one in ranges for cell in _range(getattr(week, one)))] for week in answer.weeks
    ))  # fmt: skip


def _figure(found: msgspec.Struct | None) -> list[object]:
    return [None] * 3 if found is None else [getattr(found, name) for name in ("value", "low", "high")]


def _range(found: msgspec.Struct | None) -> list[object]:
    return [None] * 3 if found is None else [getattr(found, name) for name in ("expected", "low", "high")]
