"""A finished training run in MLflow: parameters, figures, the data set's description, the bundle as a registered version.

In: a `TrainingResult` and the bundle's folder. Out: the registered version, or the failure that kept it from being registered
— in which case the model still lies on disk, and the failure says which command uploads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.errors import TamizError
from data.home import Home
from models.registry import CHALLENGER, MODEL, DatasetRecord, MlflowFailed, ModelNotRegistered, Registered, Registry, RunRecord, Sample
from training.candidates import Recipe
from training.dataset import Dataset
from training.report import figure_pages
from training.result import TrainingResult

_SHOWN = {"AUC": "auc", "PR-AUC": "pr_auc", "log loss": "log_loss", "ECE": "ece", "lift at 10 %": "lift_at_10"}

__all__ = ["attach_report", "register", "upload"]


def register(
    home: Home,
    result: TrainingResult,
    data: Dataset,
    folder: Path,
    recipes: Mapping[str, Recipe],
    say: Callable[[str], None],
    *,
    samples: Sequence[Sample] = (),
    started: int | None = None,
) -> tuple[Registered | None, TamizError | None]:
    """Logs the run, registers the bundle and makes it the challenger."""
    registry = Registry(home, say=say)
    metrics = result.metrics
    tags = {
        "tamiz.kind": "training",
        "tamiz.split": str(metrics["split"]["kind"]),
        "tamiz.no_signal": str(metrics["no_signal"]).lower(),
        "tamiz.code": result.provenance.get("code", ""),
        "feature_set": str(metrics["feature_set"]),
        "data_digest": str(metrics["data_digest"]),
        "mlflow.source.name": "tamiz train",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": result.provenance.get("code", "").partition("+")[0],
    }
    record = RunRecord(
        name=f"{data.title} {metrics['model_version']}",
        params=_params(result, recipes),
        metrics=dict(_numbers(metrics)),
        tags=tags,
        datasets=(_dataset(data, result),),
        note=_note(result),
        samples=tuple(samples),
        children=tuple(_trials(metrics.get("search") or {})),
        started=started,
    )
    registered = None
    try:
        with TemporaryDirectory() as drawn:
            for name, page in figure_pages(result).items():
                (Path(drawn) / name).write_text(page, encoding="utf-8")
            run = registry.log_run(record, {"figures": Path(drawn)})
        registered = registry.register_bundle(folder, run, tags={"model_version": str(metrics["model_version"])}, description=_note(result))
        registry.set_alias(CHALLENGER, registered.version)
    except MlflowFailed as failure:  # the model is on disk all the same: say which command brings it there
        where = registered.folder if registered else folder
        return registered, ModelNotRegistered(folder=where, uri=failure.values["uri"], reason=failure.values["reason"])
    except TamizError as failure:
        return registered, failure
    return registered, None


def upload(registry: Registry, folder: Path) -> Registered:
    """Registers a bundle that no run has: with the figures that its manifest carries, as the run that trained it would have."""
    manifest: Mapping[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    name = str(manifest.get("model_version") or folder.name)
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    tags = {"tamiz.kind": "upload"} | {key: str(manifest[key]) for key in ("feature_set", "data_digest") if manifest.get(key)}
    run = registry.log_run(RunRecord(name=f"upload {name}", metrics=dict(_numbers(metrics)), tags=tags))
    return registry.register_bundle(folder, run, tags={"model_version": name})


def attach_report(home: Home, registered: Registered, report: Path, say: Callable[[str], None]) -> None:
    """Adds report and metrics to the run; that they are missing there is said, and no reason to fail."""
    try:
        registry = Registry(home, say=say)
        for file in (report, report.with_name("metrics.json")):  # not the folder: with --report it may be anybody's
            registry.add_artifacts(registered.run_id, file, "report")
    except TamizError as failure:
        say(f"the report could not be added to MLflow: {failure}")


def _params(result: TrainingResult, recipes: Mapping[str, Recipe]) -> dict[str, object]:
    params: dict[str, object] = {"seed": result.provenance.get("seed", ""), "label": result.label, "chosen": result.metrics["best"]}
    for name, recipe in recipes.items():
        for key, value in {"rounds": recipe.rounds, "C": recipe.C, **recipe.overrides}.items():
            if value is not None:
                params[f"{name}.{key}"] = value
    params["search.trials"] = result.metrics.get("search", {}).get("trials", 0)
    params["left_out"] = ", ".join(sorted(result.left_out)) or "none"
    params["allowed"] = ", ".join(result.allowed) or "none"
    return params


def _numbers(metrics: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Every figure of every candidate, and the sizes."""
    found = [(name, float(metrics[name])) for name in ("rows", "positives", "base_rate", "quarantined") if name in metrics]
    for candidate, figures in metrics.get("candidates", {}).items():
        found += [(f"{candidate}.{name}", float(value)) for name, value in figures.items() if isinstance(value, (int, float))]
    return found


def _dataset(data: Dataset, result: TrainingResult) -> DatasetRecord:
    kinds = dict.fromkeys(data.table.names, "double") | dict.fromkeys(data.table.texts, "string")
    source = "; ".join(f"{one.table}: {one.origin}" for one in data.sources)
    return DatasetRecord(data.title, str(result.metrics["data_digest"])[:32], source, len(data), kinds)


def _trials(search: Mapping[str, Any]) -> Iterator[RunRecord]:
    """A nested run for each setting that the search tried, in the order in which it did."""
    for number, one in enumerate(search.get("tried", ()), start=1):
        setting = {name: value for name, value in one.items() if name not in ("loss", "rows")}
        tags = {"tamiz.kind": "trial", "tamiz.taken": str(setting == search.get("setting")).lower()}
        yield RunRecord(f"trial {number}", setting, {"tune_loss": float(one["loss"]), "fitted_rows": float(one["rows"])}, tags)


def _note(result: TrainingResult) -> str:
    """What a version's page says: the verdict, what to know, the figures, and how to use it."""
    from training.verdict import cautions, headline, sentences

    metrics = result.metrics
    lines = [f"**{headline(result)}**", *sentences(result)]
    lines += [f"\N{WARNING SIGN} **{one.title}.** {one.text}" for one in cautions(result) if one.level != "know"]
    table = [f"| candidate | {' | '.join(_SHOWN)} |", f"|---|{'---|' * len(_SHOWN)}"]
    for name, figures in metrics["candidates"].items():
        own = f"**{name}**" if name == result.chosen else name
        table.append(f"| {own} | {' | '.join(_cell(figures, key) for key in _SHOWN.values())} |")
    served = metrics.get("served") or {}
    lines.append("\n".join(table))
    lines.append(
        f"Measured on {metrics['measured']['rows']:,} test rows ({metrics['split']['kind']} split); intervals at 95 % resample leads. "
        f"What serves is the same recipe fitted again on all mature rows ({served.get('fitted_rows', 0):,} to fit, "
        f"{served.get('calibrated_rows', 0):,} to calibrate)."
    )
    if result.left_out:
        lines.append(f"Left out by the leakage audit: {', '.join(f'`{name}`' for name in sorted(result.left_out))}.")
    lines.append(
        "`tamiz compare` weighs it against the champion, `tamiz promote` makes it serve. From Python, on the feature matrix: "
        f'`mlflow.pyfunc.load_model("models:/{MODEL}/<version>").predict(frame)`, with Tamiz installed.'
    )
    return "\n\n".join(lines)


def _cell(figures: Mapping[str, Any], key: str) -> str:
    value, (low, high) = figures.get(key), figures.get(f"{key}_ci") or (None, None)
    if value is None:
        return "\N{EN DASH}"
    return f"{value:.3f}" + ("" if low is None else f" ({low:.3f}\N{EN DASH}{high:.3f})")
