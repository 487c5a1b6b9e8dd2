"""The commands of training: `train`, `evaluate`, and from their own files `backtest`, `compare`, `promote`, `rollback`, `register`."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.backtest_command import backtest
from training.compare_commands import compare, show_gates
from training.promote_commands import promote, register, rollback

if TYPE_CHECKING:
    from data.home import Home
    from training.raw import Source
    from training.result import TrainingResult
    from training.train import Options, Trained

__all__ = ["backtest", "compare", "evaluate", "promote", "register", "rollback", "train"]

_FIGURES = (("AUC", "auc"), ("PR-AUC", "pr_auc"), ("log loss", "log_loss"), ("ECE", "ece"), ("lift@10%", "lift_at_10"))


def train(
    project: Annotated[Path | None, typer.Option("--project", metavar="FILE", help="Event tables: a tamiz.toml.", dir_okay=False)] = None,
    leads: Annotated[
        Path | None, typer.Option("--leads", metavar="FILE", help="A flat table: CSV, Parquet or JSON, one row a lead.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="What the service keeps of leads; [label] and the like from --project, or ./tamiz.toml.")
    ] = False,
    label: Annotated[str | None, typer.Option("--label", metavar="COL", help="Column that says whether the lead converted.")] = None,
    positive: Annotated[
        str | None, typer.Option("--positive", metavar="VALUE", help="Value of the label that counts as a conversion.")
    ] = None,
    negative: Annotated[
        str | None, typer.Option("--negative", metavar="VALUE", help="The other value, where there are more than two.")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COL", help="Column with the lead's id; default lead_id, else the row number.")
    ] = None,
    order_by: Annotated[
        str | None, typer.Option("--order-by", metavar="COL", help="Column with dates or numbers that orders leads in time.")
    ] = None,
    order_by_row: Annotated[bool, typer.Option("--order-by-row", help="The rows are in order of time.")] = False,
    bant: Annotated[
        Path | None,
        typer.Option("--bant", metavar="FILE", help="With --leads: a TOML file whose [bant] says which columns are evidence."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", metavar="COL", help="Leave a column out. May be repeated.")] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="COL", help="Keep an input that the audit accuses. May be repeated.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Folder for report.html and metrics.json.", file_okay=False)
    ] = None,
    language: Annotated[str, typer.Option("--lang", metavar="LANG", help="Language of report.html: en or es.")] = "en",
    promote_it: Annotated[bool, typer.Option("--promote", help="Make it the champion, if the gates say yes.")] = False,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=0, max=1000, help="Settings of the boosted model to try besides the defaults; default 9, with --quick none."
        ),
    ] = None,
    estimand: Annotated[
        str,
        typer.Option(
            "--estimand",
            metavar="WHAT",
            help="What the probability means: policy (as sales goes on), worked (if taken up now), alone (if passed over now).",
        ),
    ] = "policy",
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Fit trees on a Dask cluster; `local` for one of --workers on this machine."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="With --scheduler local: its processes.")] = 2,
    signals: Annotated[
        Path | None,
        typer.Option("--signals", metavar="DIR", help="With --scheduler: where signals are built, seen by all workers.", file_okay=False),
    ] = None,
    sample_leads: Annotated[
        int, typer.Option("--sample-leads", min=1, help="With --scheduler: leads read here, to choose, calibrate and measure on.")
    ] = 100_000,
    quick: Annotated[bool, typer.Option("--quick", help="No search, fewer resamples, and no second fit with the accused inputs.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same model.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json instead of the table.")] = False,
) -> None:
    """Train the candidates, audit the inputs, measure forward in time, and write a report.

    Progress goes to stderr; the last line on stdout is the folder of the report.

    Example:
      tamiz train --project crm/tamiz.toml --promote
      tamiz train --leads leads.csv --label won --positive yes --order-by created_at --lang es
      tamiz train --project tried/tamiz.toml --estimand worked
      tamiz train --store --promote
      tamiz train --project crm/tamiz.toml --scheduler tcp://10.0.0.5:8786 --signals /shared/signals
    """
    from data.home import Home
    from training.dataset import FlatOptions
    from training.raw import Source
    from training.search import DEFAULT_TRIALS
    from training.train import Options
    from training.translation import LANGUAGES, UnknownLanguage

    given = _Given(project, leads, label, store, order_by, order_by_row, bant, estimand, scheduler, signals)
    project = given.checked()
    if language not in LANGUAGES:
        raise UnknownLanguage(language=language, known=" or ".join(LANGUAGES))
    dropped = tuple(drop or ())
    if trials is None:
        trials = 0 if quick else DEFAULT_TRIALS
    options = Options(
        seed=seed,
        trials=trials,
        quick=quick,
        drop=dropped,
        allow=tuple(allow or ()),
        report=report,
        language=language,
        command=shlex.join(["tamiz", *sys.argv[1:]]),
    )
    home = Home.from_environment()
    home.create()
    if leads is not None and label is not None:
        flat = FlatOptions(label, positive, negative, id_column, order_by, order_by_row, dropped, bant)
        source = Source(leads=leads, flat=flat)
    elif store:
        with tempfile.TemporaryDirectory(prefix="tamiz-") as folder:
            tables = _store_as_project(home, Path(folder) / "store", project)
            source = Source(project=tables, estimand=estimand)
            _train_and_show(source, home, options, promote_it, as_json)
        return
    else:
        assert project is not None
        cluster = None
        if scheduler is not None:
            from training.cluster import ClusterOptions

            own = home.root / "signals" / hashlib.sha256(str(project.absolute()).encode()).hexdigest()[:12]
            cluster = ClusterOptions(scheduler, (signals or own).absolute(), workers, sample_leads)
        source = Source(project=project, estimand=estimand, cluster=cluster)
    _train_and_show(source, home, options, promote_it, as_json)


@dataclass(frozen=True)
class _Given:
    """Options that exclude or need each other."""

    project: Path | None
    leads: Path | None
    label: str | None
    store: bool
    order_by: str | None
    order_by_row: bool
    bant: Path | None
    estimand: str
    scheduler: str | None
    signals: Path | None

    def checked(self) -> Path | None:
        """The project, ./tamiz.toml where nothing else was named; raises BadUsage."""
        from data.errors import BadUsage
        from training.bias import question_of

        project, leads = self.project, self.leads
        if self.store and leads is not None:
            raise BadUsage("--store and --leads exclude each other: give one of them")
        if self.store and project is None and Path("tamiz.toml").exists():
            project = Path("tamiz.toml")
        if project is None and leads is None and not self.store:
            project = Path("tamiz.toml")
            if not project.exists():
                raise BadUsage("nothing to train on: give --leads FILE --label COLUMN, or --project tamiz.toml")
        if project is not None and leads is not None:
            raise BadUsage("--project and --leads exclude each other: give one of them")
        if self.bant is not None and leads is None:
            raise BadUsage("--bant goes with --leads: a project says under [bant] of its own file which columns are evidence")
        if leads is not None and self.label is None:
            raise BadUsage("--label is missing: name the column that says whether a lead converted")
        if self.order_by and self.order_by_row:
            raise BadUsage("--order-by and --order-by-row exclude each other: give one of them")
        question_of(self.estimand)
        if leads is not None and self.estimand != "policy":
            raise BadUsage("--estimand needs event tables (--project FILE): a flat table does not say who was worked")
        if self.scheduler is not None and (leads is not None or self.store or self.estimand != "policy"):
            raise BadUsage("--scheduler trains on event tables (--project FILE), without --store and --estimand")
        if self.scheduler is None and self.signals is not None:
            raise BadUsage("--signals goes with --scheduler: without it signals stay in memory")
        return project


def _store_as_project(home: Home, folder: Path, settings: Path | None) -> Path:
    """What the service keeps, as tables that a project names."""
    from data.store import Store
    from data.store_tables import write_project

    _tell("reading the store")
    store = Store.open(home.root, home.database)
    try:
        return write_project(store, folder, settings)
    finally:
        store.close()


def _train_and_show(source: Source, home: Home, options: Options, promote_it: bool, as_json: bool) -> None:
    from training.train import train as run

    trained = run(lambda say: source.dataset(options.seed, say, options.drop), home, options, _tell)
    metrics = trained.report.with_name("metrics.json")
    if as_json:
        _warn(trained, _tell)
        typer.echo(metrics.read_text(encoding="utf-8"), nl=False)
    else:
        _show(trained)
    try:
        if trained.failure is not None:
            raise trained.failure
        if promote_it:
            _promote(trained, home, source, as_json)
    finally:
        if not as_json:
            typer.echo(str(trained.report.parent))


def evaluate(
    leads: Annotated[Path, typer.Option("--leads", metavar="FILE", help="Rows with the label, which training never saw.")],
    label: Annotated[str, typer.Option("--label", metavar="COL", help="Column that says whether the lead converted.")],
    model: Annotated[
        str, typer.Option("--model", metavar="M", help="champion, challenger, a version number, or a bundle's folder.")
    ] = "champion",
    id_column: Annotated[str | None, typer.Option("--id", metavar="COL", help="Column with the lead's id.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the JSON here instead of to stdout.")] = None,
) -> None:
    """Measure a model on rows that training never saw: the same figures, with intervals, as JSON.

    Example:
      tamiz evaluate --leads later.csv --label won
      tamiz evaluate --model 3 --leads later.csv --label won --out figures.json
    """
    from data.home import Home
    from models.score_file import require_folder
    from training.evaluate import evaluate_file

    if out is not None:
        require_folder(out)
    figures = evaluate_file(model, leads, label, Home.from_environment(), id_column=id_column, say=_tell)
    text = json.dumps(figures, ensure_ascii=False, allow_nan=False, indent=1)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


def _promote(trained: Trained, home: Home, source: Source, as_json: bool) -> None:
    from training import promote as steps

    done = steps.promote(home, str(trained.folder), source=source, say=_tell, show=_gates_to_stderr if as_json else show_gates)
    _tell(f"champion is now version {done.version}")


def _gates_to_stderr(decision: Any) -> None:  # noqa: ANN401 - shown, not read
    for gate in decision.gates:
        _tell(f"{gate.verdict:4}  {gate.name}  {gate.figures}")


def _show(trained: Trained) -> None:
    """The candidates as a table, and what is to be known first."""
    from training.verdict import headline, sentences

    result = trained.result
    metrics = result.metrics
    typer.echo(headline(result))
    for sentence in sentences(result):
        typer.echo(f"  {sentence}")
    _warn(trained, typer.echo)
    typer.echo("")
    typer.echo(f"{'':12}" + "".join(f"{title:>26}" for title, _ in _FIGURES))
    for name, figures in metrics["candidates"].items():
        mark = "*" if name == metrics["chosen"] else " "
        cells = "".join(f"{_cell(figures, key):>26}" for _, key in _FIGURES)
        typer.echo(f"{mark}{name:11}{cells}")
    typer.echo("")
    for name, one in result.accused.items():
        typer.echo(f"left out ({one['verdict']}): {name} — {one['evidence']}")
    _show_undated(result)
    total = sum(metrics["seconds"].values())
    typer.echo(f"{total:.1f} s: " + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in metrics["seconds"].items()))


def _warn(trained: Trained, say: Callable[[str], None]) -> None:
    """What must be known before a figure is believed; the inputs left out and the rows put aside have lines of their own."""
    from training.verdict import cautions

    for caution in cautions(trained.result):
        if caution.kind not in ("leaks", "undated", "aside"):
            say(f"  ! {caution.title}. {caution.text}")


def _show_undated(result: TrainingResult) -> None:
    """A line for each column, with the inputs made from it: it is the column that is declared static."""
    if not result.undated:
        return
    typer.echo("left out (suspect): columns without a date; what they say today may have been written after the outcome:")
    for column, inputs in result.undated.items():
        made = [name for name in inputs if name != column]
        typer.echo(f"  {column}" + (f" (read by {', '.join(made)})" if made else ""))
    names = json.dumps(list(result.undated), ensure_ascii=False)
    typer.echo(f"  those that are true since creation: [leads] static = {names} in tamiz.toml")


def _cell(figures: dict[str, Any], key: str) -> str:
    value, interval = figures.get(key), figures.get(f"{key}_ci") or [None, None]
    if value is None:
        return "–"
    if interval[0] is None:
        return f"{value:.3f}"
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _tell(text: str) -> None:
    typer.echo(text, err=True)
