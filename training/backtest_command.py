"""`tamiz backtest`: what each past month's model would have routed, against points, chance and what sales did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.backtest import Backtest, Month, Rule, Worked
    from training.dataset import Dataset

__all__ = ["backtest"]

_TITLES = {
    "model": "the month's model",
    "scorecard": "the month's scorecard",
    "points": "declared points",
    "sales": "order of sales",
    "random": "chance",
}


def backtest(
    project: Annotated[
        Path | None, typer.Option("--project", metavar="FILE", help="Event tables; default: tamiz.toml here.", dir_okay=False)
    ] = None,
    leads: Annotated[Path | None, typer.Option("--leads", metavar="FILE", help="A flat table with a label and an order.")] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="COL", help="Column that says whether the lead converted.")] = None,
    positive: Annotated[
        str | None, typer.Option("--positive", metavar="VALUE", help="Value of the label that counts as a conversion.")
    ] = None,
    order_by: Annotated[str | None, typer.Option("--order-by", metavar="COL", help="Column that orders leads in time.")] = None,
    order_by_row: Annotated[bool, typer.Option("--order-by-row", help="The rows are in order of time.")] = False,
    drop: Annotated[list[str] | None, typer.Option("--drop", metavar="COL", help="Leave a column out. May be repeated.")] = None,
    months: Annotated[int, typer.Option("--months", min=1, max=60, help="Mature months to walk through, the newest.")] = 6,
    share: Annotated[float, typer.Option("--share", min=0.001, max=0.9, help="Share of leads that the model's threshold lets in.")] = 0.2,
    horizon: Annotated[
        float | None,
        typer.Option("--horizon", min=0.01, metavar="DAYS", help="Another horizon than the project's, where history is short."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="At most three months, and fewer resamples.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same answer.")] = 7,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write .json, or .csv: a row a month and rule.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the tables.")] = False,
) -> None:
    """Walk forward month by month: train on what was known on the first day, route that month's leads, see what became of them.

    Every other rule routes as many leads of the same month. A lead counts once, from the first look that reaches the threshold;
    it converts if it does so within the horizon from then on. Intervals resample leads.

    Example:
      tamiz backtest --project crm/tamiz.toml
      tamiz backtest --project crm/tamiz.toml --months 12 --share 0.1 --out months.csv
      tamiz backtest --leads leads.csv --label won --order-by created_at
    """
    from data.errors import BadUsage
    from models.score_file import require_folder
    from training.backtest import backtest as run

    if out is not None:
        if out.suffix not in (".json", ".csv"):
            raise BadUsage(f"--out {out}: end it in .json or .csv")
        require_folder(out)
    data, worked, mature = _read(project, leads, label, positive, order_by, order_by_row, tuple(drop or ()), horizon, seed)
    walked, resamples = (min(months, 3), 100) if quick else (months, 500)
    done = run(data, worked, mature_until=mature, months=walked, share=share, seed=seed, resamples=resamples, say=_tell)
    document = json.dumps(done.as_json(), ensure_ascii=False, allow_nan=False, indent=1)
    if out is not None:
        _write(out, done, document)
    if as_json:
        typer.echo(document)
    else:
        _show(done)


def _read(
    project: Path | None, leads: Path | None, label: str | None, positive: str | None, order_by: str | None, order_by_row: bool,
    drop: tuple[str, ...], horizon: float | None, seed: int,
) -> tuple[Dataset, Worked | None, int | None]:  # fmt: skip
    """The looks, when sales took leads up, and until when looks are mature."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from data.errors import BadUsage
    from data.project import load_project
    from data.sources import load_tables
    from features.history import DAY, instant
    from training.backtest import when_worked
    from training.dataset import FlatOptions, from_flat, project_dataset

    if project is not None and leads is not None:
        raise BadUsage("--project and --leads exclude each other: give one of them")
    if leads is not None:
        if label is None:
            raise BadUsage("--label is missing: name the column that says whether a lead converted")
        if order_by and order_by_row:
            raise BadUsage("--order-by and --order-by-row exclude each other: give one of them")
        flat = FlatOptions(label, positive, order_by=order_by, order_by_row=order_by_row, drop=drop)
        return from_flat(leads, flat, _tell), None, None
    chosen = load_project(project or Path("tamiz.toml"))
    chosen = replace(chosen, horizon_days=horizon or chosen.horizon_days)
    tables = load_tables(chosen, now=datetime.now(UTC), progress=_tell)
    data = project_dataset(chosen, tables, seed=seed, drop=drop, say=_tell)
    return data, when_worked(chosen, tables), instant(tables.until.to_pydatetime()) - round(chosen.horizon_days * DAY)


def _show(done: Backtest) -> None:
    paid = any(rule.revenue is not None for rule in done.rules)
    names = [rule.name for rule in done.rules if rule.name != "model"]
    typer.echo(f"what each month's model would have sent to sales, at its own top {100 * done.share:g} %, and as many leads by other rules")
    typer.echo("")
    typer.echo(
        f"{'month':8}  {'model':10}{'knew (won)':>15}{'seen':>8}{'routed':>8}{'convert':>9}{'':>8}"
        + (f"{'revenue':>12}" if paid else "")
        + "".join(f"{name:>11}" for name in names)
    )
    for month in done.months:
        typer.echo(_month_row(month, names, paid))
    typer.echo("")
    typer.echo(
        f"{'all months':24}{'leads':>8}{'convert':>9}   {'share that converts':24}{'model does better by':32}" + ("revenue" if paid else "")
    )
    for rule in done.rules:
        typer.echo(_rule_row(rule, paid))
    for note in done.notes:
        typer.echo(f"  ! {note}")


def _month_row(month: Month, names: list[str], paid: bool) -> str:
    knew = f"{month.knew_leads:,} ({month.knew_converted:,})"
    row = f"{month.name:8}  {month.kind or 'none':10}{knew:>15}{month.seen:>8,}"
    if not month.counts:
        return row
    model = month.counts["model"]
    share = f"{model.converted / model.leads:.1%}" if model.leads else "–"
    row += f"{model.leads:>8,.0f}{model.converted:>9,.0f}{share:>8}" + (f"{model.revenue or 0:>12,.0f}" if paid else "")
    return row + "".join(f"{month.counts[name].converted:>11,.1f}" if name == "random" else _converted(month, name) for name in names)


def _converted(month: Month, name: str) -> str:
    """Conversions of a rule; where it routed fewer leads than the model, of how many."""
    count = month.counts[name]
    fewer = count.leads < month.counts["model"].leads
    return f"{f'{count.converted:,.0f}/{count.leads:,.0f}' if fewer else f'{count.converted:,.0f}':>11}"


def _rule_row(rule: Rule, paid: bool) -> str:
    row = f"  {_TITLES[rule.name]:22}{rule.leads:>8,.0f}{rule.converted:>9,.0f}   "
    if rule.conversion is None:
        return row + "nobody was routed"
    low, high = rule.conversion_ci
    row += f"{f'{rule.conversion:.1%}' + ('' if low is None or high is None else f' ({low:.1%} to {high:.1%})'):24}"
    better = ""
    if rule.difference is not None:
        low, high = rule.difference_ci
        better = f"{100 * rule.difference:+.1f} points" + (
            "" if low is None or high is None else f" ({100 * low:+.1f} to {100 * high:+.1f})"
        )
    return (row + f"{better:32}" + (f"{rule.revenue or 0:,.0f}{_more(rule)}" if paid else "")).rstrip()


def _more(rule: Rule) -> str:
    if rule.revenue_difference is None:
        return ""
    low, high = rule.revenue_difference_ci
    return f" ({rule.revenue_difference:+,.0f}" + ("" if low is None or high is None else f", {low:+,.0f} to {high:+,.0f}") + ")"


def _write(out: Path, done: Backtest, document: str) -> None:
    import csv

    if out.suffix == ".json":
        out.write_text(document + "\n", encoding="utf-8")
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["month", "model", "threshold", "seen", "rule", "leads", "converted", "revenue"])
        writer.writeheader()
        writer.writerows(done.rows())


def _tell(text: str) -> None:
    typer.echo(text, err=True)
