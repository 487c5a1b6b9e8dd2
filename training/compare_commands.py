"""`tamiz compare`: should the challenger replace the champion, and what would change for whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from training.compare import Comparison
    from training.continuity import Mover
    from training.gates import Decision
    from training.raw import Source

__all__ = ["compare", "show_gates", "source_of"]

_FIGURES = (
    ("log loss", "log_loss"), ("PR-AUC", "pr_auc"), ("AUC", "auc"), ("ECE", "ece"), ("lift at capacity", "lift_at_capacity"),
)  # fmt: skip
_SHOWN = 8


def compare(
    model: Annotated[str, typer.Option("--model", help="challenger, a version number, or a bundle's folder.")] = "challenger",
    against: Annotated[str, typer.Option("--against", help="What it would replace, named likewise.")] = "champion",
    project: Annotated[
        Path | None,
        typer.Option("--project", metavar="FILE", help="Event tables; default: tamiz.toml here.", dir_okay=False),
    ] = None,
    leads: Annotated[Path | None, typer.Option("--leads", metavar="FILE", help="A flat table with the label.")] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="COL", help="Its label; default: the one that training read.")] = None,
    order_by: Annotated[
        str | None, typer.Option("--order-by", metavar="COL", help="Column that orders leads in time; default: the one of training.")
    ] = None,
    unseen: Annotated[bool, typer.Option("--unseen", help="Nobody was trained on these rows: take my word for it.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of splits and resamples.")] = 7,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the leads that move as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print comparison.json instead of the tables.")] = False,
) -> None:
    """Judge champion and challenger on the same later rows, and say PROMOTE or HOLD; nothing changes.

    Rows that are later than anything either was fitted on are best; where there are too few, both recipes are learnt again on
    the same older rows. Without rows, the models' own test rows serve, and no lead can be shown. The comparison is kept:
    `tamiz promote` applies it. Exit code 1: HOLD.

    Example:
      tamiz compare --project crm/tamiz.toml
      tamiz compare --model 7 --against 5 --leads later.csv --unseen --json
    """
    from data.home import Home
    from models.registry import Registry, resolve_model
    from training import compare as steps

    home = Home.from_environment()
    source = source_of(project, leads, label, order_by, unseen=unseen)
    made, folder = steps.compare(home, model, against, source=source, seed=seed, say=_tell)
    steps.record(Registry(home, say=_tell), made, resolve_model(model, home, say=_tell), folder, _tell)
    if out is not None:
        _write_movers(out, made)
    if as_json:
        typer.echo(json.dumps(made.as_json(), ensure_ascii=False, allow_nan=False, indent=1))
    else:
        _show(made, folder)
    if not made.decision.promote:
        raise typer.Exit(1)


def source_of(
    project: Path | None, leads: Path | None, label: str | None = None, order_by: str | None = None, *, unseen: bool = False
) -> Source | None:
    """Where the rows are, from what was said on the command line; the project of the current folder where nothing was."""
    from data.errors import BadUsage
    from training.dataset import FlatOptions
    from training.raw import Source

    if project is not None and leads is not None:
        raise BadUsage("--project and --leads exclude each other: give one of them")
    if leads is not None:
        return Source(leads=leads, flat=FlatOptions(label or "", order_by=order_by), unseen=unseen)
    if label or order_by:
        raise BadUsage("--label and --order-by are about a flat table: name it with --leads")
    if project is None and _is_project(here := Path("tamiz.toml")):
        return Source(project=here, unseen=unseen, implied=True)
    return None if project is None else Source(project=project, unseen=unseen)


def show_gates(decision: Decision) -> None:
    """The gates as a table, then the verdict."""
    width = max(len(gate.name) for gate in decision.gates)
    for gate in decision.gates:
        typer.echo(f"{gate.verdict:4}  {gate.name:{width}}  {gate.figures}")
    typer.echo(decision.word)


def _is_project(path: Path) -> bool:
    """Whether the file says where leads come from; a `tamiz.toml` may hold settings alone."""
    import tomllib

    try:
        return "data" in tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False


def _show(made: Comparison, folder: Path) -> None:
    against = f"champion {made.champion}" if made.champion else "nobody"
    typer.echo(f"challenger {made.challenger} against {against}")
    if made.said:
        typer.echo(f"  {made.said}" + (f": {made.counted}" if made.counted else ""))
    for note in made.notes:
        typer.echo(f"  ! {note}")
    if made.figures:
        typer.echo("")
        typer.echo(f"{'':18}{'champion':>10}{'challenger':>12}{'difference':>12}   95 % interval")
        for title, key in _FIGURES:
            if key in made.figures:
                typer.echo(_figure_row(title, made.figures[key], made.capacity if key == "lift_at_capacity" else None))
    if made.crossings:
        typer.echo("")
        typer.echo(f"{'if no threshold moves':24}{'champion':>10}{'challenger':>12}{'enter':>8}{'leave':>8}   same volume at")
        for one in made.crossings:
            name = f"{one.name} from {one.threshold:.4g}"
            typer.echo(
                f"  {name:22}{one.champion:>10,}{one.challenger:>12,}{one.enter:>8,}{one.leave:>8,}   {one.mapped:.4g} ({one.kept:,})"
            )
        typer.echo(f"  of {made.crossings[0].leads:,} {made.newest}")
    if made.movers:
        typer.echo("")
        changed = sum(one.decision_before != one.decision_after for one in made.movers)
        more = "+" if len(made.movers) == changed else ""
        typer.echo(f"leads that move most ({changed:,}{more} change their decision):")
        for mover in made.movers[:_SHOWN]:
            typer.echo(_mover_row(mover))
    typer.echo("")
    show_gates(made.decision)
    if made.mapped is not None and made.champion:
        typer.echo("thresholds that keep each volume are offered, not applied: `tamiz promote --accept-mapping`, or")
        typer.echo(f"  tamiz policy set {folder / 'policy.json'}")
    typer.echo(str(folder))


def _figure_row(title: str, figure: Mapping[str, Any], capacity: float | None) -> str:
    name = title if capacity is None else f"lift in top {100 * capacity:.0f} %"
    if figure["difference"] is None:
        return f"  {name:16}{'not measured':>12}"
    low, high = figure["ci"]
    interval = "" if low is None else f"   {low:+.4f} to {high:+.4f}"
    return f"  {name:16}{figure['old']:>10.4f}{figure['new']:>12.4f}{figure['difference']:>+12.4f}{interval}"


def _mover_row(one: Mover) -> str:
    decision = one.decision_before if one.decision_before == one.decision_after else f"{one.decision_before} → {one.decision_after}"
    why = " ".join(f"{reason['sentence']} ({reason['change']:+.2f})" for reason in one.why[:2])
    return f"  {one.lead_id:14} {one.before:6.1%} → {one.after:6.1%}  {decision:18} {why}"


def _write_movers(out: Path, made: Comparison) -> None:
    import csv

    from models.score_file import require_folder

    require_folder(out)
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["lead_id", "before", "after", "decision_before", "decision_after", "why"])
        for one in made.movers:
            why = json.dumps(list(one.why), ensure_ascii=False)
            writer.writerow([one.lead_id, one.before, one.after, one.decision_before, one.decision_after, why])


def _tell(text: str) -> None:
    typer.echo(text, err=True)
