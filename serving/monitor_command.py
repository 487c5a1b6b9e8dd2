"""`tamiz monitor`: the Health page's figures as a command, for cron and for whoever wants an exit code.

In: this environment's store and its champion. Out: a summary, or JSON; exit code 0 when all is well, 1 with an alarm. The report
is kept as the day's, as the service does by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import GateSaidNo

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.drift import Promise
    from serving.monitor_report import MonitorAnswer
    from serving.settings import Settings

__all__ = ["monitor"]


class Alarmed(GateSaidNo):
    """{count} of the monitor's figures are beyond their limit: {names}. `[monitor]` in tamiz.toml sets the limits."""


def monitor(
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Keep it as the report of the day.")] = True,
) -> None:
    """Look at drift, at what came of promises, and at what waits; exit with 1 when a figure is beyond its limit.

    Example:
      tamiz monitor
      tamiz monitor --json | jq '.alarms[].message'
    """
    import time

    import msgspec

    from data.monitor_limits import read_limits
    from data.reports import Reports
    from data.store import Store, now
    from serving.monitor_report import MONITOR, MonitorAnswer, monitor_answer
    from serving.settings import Settings

    settings, limits = Settings.from_environment(), read_limits()
    bundle = _champion(settings)
    store = Store.open(settings.home, settings.database)
    try:
        at, begun = now(), time.perf_counter()
        document = monitor_answer(store, bundle, limits, at)
        if keep:
            Reports(store).keep(MONITOR, at, time.perf_counter() - begun, document.decode())
    finally:
        store.close()
    answer = msgspec.json.decode(document, type=MonitorAnswer)
    if as_json:
        typer.echo(msgspec.json.format(document, indent=1).decode())
    else:
        _tell(answer)
    if answer.alarms:
        raise Alarmed(count=len(answer.alarms), names=", ".join(dict.fromkeys(alarm.name for alarm in answer.alarms)))


def _champion(settings: Settings) -> Bundle | None:
    """What would serve: a champion that is refused is as good as none, as it is for the service."""
    from serving.model_store import ModelStore

    models = ModelStore(settings.home / "bundles")
    models.refresh()
    return None if models.loaded is None else models.loaded.bundle


def _tell(answer: MonitorAnswer) -> None:
    model, drift, ingestion, work = answer.model, answer.drift, answer.ingestion, answer.work
    age = "" if model.age_days is None else f", knows nothing of the last {model.age_days:.0f} days"
    typer.echo(f"model      {model.model_version or 'none'}{age}")
    if drift.score is not None:
        typer.echo(f"scores     PSI {drift.score.psi:.3f} (luck alone: {drift.score.psi_by_luck:.3f}), {drift.inputs:,} recent inputs")
    for one in [one for one in drift.signals if one.drifted][:8]:
        gone = f"missing {one.missing_before:.0%} -> {one.missing:.0%}"
        typer.echo(f"drifted    {one.name}: PSI {one.psi:.3f}, {gone}, {one.importance:.1%} of the model")
    for promise in answer.promises:
        typer.echo(f"{promise.kind:<9}  {_promised(promise)}")
    waits = "" if ingestion.oldest_waiting_minutes is None else f", the oldest for {ingestion.oldest_waiting_minutes:.0f} minutes"
    typer.echo(f"waiting    {ingestion.leads_waiting:,} leads{waits}; {work.messages_waiting:,} webhooks, {work.messages_dead:,} given up")
    for one_missing in answer.missing:
        typer.echo(f"missing    {one_missing}")
    for alarm in answer.alarms:
        typer.echo(f"ALARM      {alarm.message}")
    if answer.retrain:
        typer.echo(f"Retrain: {', '.join(answer.retrain_because)}.")


def _promised(promise: Promise) -> str:
    days = "" if promise.within_days is None else f" within {promise.within_days:g} days"
    figures = [
        f"{name} {figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})"
        for name, figure in (("AUC", promise.auc), ("log loss", promise.log_loss), ("ECE", promise.ece))
        if figure is not None
    ]
    promised = "" if promise.kind == "expected" else f", {promise.promised:.1f} promised"
    return f"{promise.conversions:.1f} of {promise.leads:,} leads{days}{promised}" + ("; " + ", ".join(figures) if figures else "")
