"""Tamiz from a notebook: the steps of training as plain functions, pandas frames in and out.

In: a project file, or frames with the columns of the tables (`docs/data.md`). Out: frames, and for a training what it left behind. Each
function does what the command of that name does, by the same code, and prints nothing. `docs/notebook.md` is a tour.

    crm = load_tables("crm/tamiz.toml")          # or load_tables(leads=frame, activities=…, outcomes=…)
    looks = observe(crm)
    X = signals(crm, looks)
    trained = train(crm, home="var")
    Bundle.load(trained.folder).score(crm.leads, crm.activities)
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data import labels, sources
from data.errors import BadUsage
from data.frames import Tables
from data.home import Home
from data.project import Project, load_project
from features.engine import Plan, evaluate
from features.history import Observations
from models.bundle import Bundle
from models.tables import account_codes, colleagues_of, leads_of, log_of
from training.compare import Comparison, of_folders
from training.dataset import Dataset, FlatOptions, from_flat, project_dataset
from training.raw import EventRows, Raw, Source
from training.train import Options, Trained
from training.train import train as run

__all__ = ["Bundle", "Crm", "compare", "load_tables", "observe", "signals", "train"]


@dataclass(frozen=True)
class Crm:
    """Event tables, read and checked, with what the project says about them."""

    project: Project
    tables: Tables

    @property
    def leads(self) -> pd.DataFrame:
        return self.tables.leads

    @property
    def activities(self) -> pd.DataFrame:
        return self.tables.activities

    @property
    def stage_changes(self) -> pd.DataFrame:
        return self.tables.stage_changes

    @property
    def outcomes(self) -> pd.DataFrame:
        return self.tables.outcomes

    @property
    def lead_changes(self) -> pd.DataFrame:
        return self.tables.lead_changes

    @property
    def until(self) -> pd.Timestamp:
        """Where the data end."""
        return self.tables.until

    @property
    def notices(self) -> tuple[str, ...]:
        """What there was to say about reading them."""
        return tuple(self.tables.notices)


def load_tables(
    project: str | Path | None = None, *, horizon_days: float | None = None, static: Sequence[str] = (), **frames: pd.DataFrame
) -> Crm:
    """Event tables from a `tamiz.toml`, or from frames by the names of the tables: `leads`, `activities`, `outcomes`, ….

    With frames, `static` are undated columns of `leads` that are true since creation. Rows that cannot be used are in
    `.tables.quarantine`, with the reason.
    """
    if (project is None) == (not frames):
        raise BadUsage("load_tables takes the path of a tamiz.toml, or frames by the names of the tables (leads=…, activities=…)")
    if project is not None:
        chosen = load_project(project)
        chosen = replace(chosen, horizon_days=horizon_days or chosen.horizon_days)
        return Crm(chosen, sources.load_tables(chosen, now=datetime.now(UTC)))
    with tempfile.TemporaryDirectory(prefix="tamiz-") as folder:
        lines = ["[data]"]
        for name, frame in frames.items():
            frame.to_parquet(Path(folder) / f"{name}.parquet", index=False)
            lines.append(f"{name} = \"SELECT * FROM '{name}.parquet'\"")
        quoted = ", ".join(f"'{name}'" for name in static)
        lines += ["[leads]", f"static = [{quoted}]", "[label]", f"horizon_days = {float(horizon_days or 90)}"]
        path = Path(folder) / "tamiz.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        chosen = load_project(path)
        return Crm(chosen, sources.load_tables(chosen, now=datetime.now(UTC)))


def observe(crm: Crm, *, seed: int = 7) -> pd.DataFrame:
    """The looks that training takes at the leads, with their label `y`: a row each `lead_id` and `as_of`."""
    project = crm.project
    frame, _ = labels.observe(
        crm.tables,
        horizon_days=project.horizon_days,
        ages_days=project.ages_days,
        activity_instants=project.activity_instants,
        seed=seed,
    )
    return frame.drop(columns=["lead_row"])


def signals(crm: Crm, looks: pd.DataFrame) -> pd.DataFrame:
    """Every input of a model as of each look (`lead_id` and `as_of`, any others are left alone), in the order of the looks."""
    place = pd.Series(np.arange(len(crm.leads)), index=crm.leads["lead_id"])
    unknown = looks.loc[~looks["lead_id"].isin(place.index), "lead_id"]
    if len(unknown):
        raise BadUsage(f"{len(unknown):,} looks are at leads that are not there, the first at {unknown.iloc[0]!r}")
    dataset = _dataset(crm)
    plan, account, log = Plan(dataset.feature_set), account_codes(crm.tables), log_of(crm.tables)
    as_of = pd.DatetimeIndex(pd.to_datetime(looks["as_of"], utc=True)).tz_localize(None).as_unit("us").to_numpy().view(np.int64)
    rows = Observations(place.loc[looks["lead_id"]].to_numpy(np.int64), np.ascontiguousarray(as_of))
    kept = replace(crm.tables, kinds={name: kind for name, kind in crm.tables.kinds.items() if name in dataset.columns})
    table = evaluate(plan, leads_of(kept, account), log, rows, colleagues_of(plan, account, log))
    found = pd.DataFrame(table.numbers, columns=list(table.names), index=looks.index)
    for name, column in table.texts.items():
        found[name] = pd.Categorical.from_codes(column.codes, categories=pd.Index(list(column.values), dtype=object))
    return found


def train(
    data: Crm | pd.DataFrame,
    *,
    home: str | Path = "var",
    label: str | None = None,
    positive: str | None = None,
    order_by: str | None = None,
    id_column: str | None = None,
    estimand: str = "policy",
    **options: Any,  # noqa: ANN401 - fields of Options, which checks them
) -> Trained:
    """A whole training, as `tamiz train`: candidates, audit, figures, a bundle, a report, a registered version.

    `data` is a CRM, or a flat frame with the column `label`. Other arguments are those of `training.train.Options`:
    `seed`, `trials`, `quick`, `drop`, `allow`, …
    """
    place = Home(Path(home)).create()
    chosen = Options(**{"command": "training.notebook.train", **options})
    if isinstance(data, Crm):
        return run(lambda say: _dataset(data, chosen, estimand), place, chosen)
    if label is None:
        raise BadUsage("label is missing: name the column of the frame that says whether a lead converted")
    flat = FlatOptions(label, positive, id_column=id_column, order_by=order_by, drop=tuple(chosen.drop))
    with tempfile.TemporaryDirectory(prefix="tamiz-") as folder:
        path = Path(folder) / "leads.parquet"
        data.to_parquet(path, index=False)
        return run(lambda say: from_flat(path, flat, say), place, chosen)


def compare(
    challenger: Trained | Bundle | str | Path, champion: Trained | Bundle | str | Path, crm: Crm | None = None, *, home: str | Path = "var"
) -> tuple[pd.DataFrame, Comparison]:
    """The gates as a frame, and all that `tamiz compare` knows. With a CRM on the same later rows; else on the rows of both backtests."""
    source = None if crm is None else _Held(project=crm.project.path, held=crm)
    made = of_folders(Home(Path(home)), _folder(challenger), _folder(champion), source=source, say=lambda text: None)
    gates = pd.DataFrame([{"gate": one.name, "verdict": one.verdict, "figures": one.figures} for one in made.decision.gates])
    return gates, made


@dataclass(frozen=True)
class _Held(Source):
    """Rows that have been read already."""

    held: Crm | None = None

    def read(self, bundle: Bundle, seed: int, say: Any) -> Raw:  # noqa: ANN401 - as in Source
        assert self.held is not None
        return EventRows(self.held.project, self.held.tables, seed, say)


def _dataset(crm: Crm, options: Options | None = None, estimand: str = "policy") -> Dataset:
    chosen = options or Options()
    return project_dataset(crm.project, crm.tables, seed=chosen.seed, drop=chosen.drop, estimand=estimand, course=True)


def _folder(model: Trained | Bundle | str | Path) -> Path:
    return Path(model) if isinstance(model, str | Path) else model.folder
