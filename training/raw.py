"""Raw rows that several models are to be judged on, each through its own feature set.

In: a project of event tables or a flat file, read once. Out: for any bundle, the observations with their labels as that
model would have been trained on them (`dataset`), and the newest leads as it scores them (`newest`). A column that a
model knew and the rows lack is missing to it; a column that changed its kind is read as the model knew it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadUsage
from data.flat import read_flat
from data.frames import FlatTable, Kind, Tables
from data.project import Project, load_project
from data.sources import load_tables
from features.history import DAY, NEVER, ActivityLog, Observations, instant
from models.bundle import Bundle
from models.scoring import Scored, score_columns
from models.tables import account_codes, colleagues_of, flat_leads, leads_of, log_of
from training.cluster import ClusterOptions, sampled
from training.dataset import Dataset, FlatOptions, flat_dataset, from_cluster, from_flat, from_project, project_dataset

__all__ = ["EventRows", "FlatRows", "Newest", "Raw", "Source"]

Say = Callable[[str], None]
_MOST = 20_000
_ALIVE_DAYS, _FEWEST = 30, 100
_NUMERIC = ("number", "boolean")


@dataclass(frozen=True)
class Newest:
    """The newest leads under one model."""

    lead_ids: list[str]
    scored: Scored
    described: str
    """Which leads these are, in words."""


@dataclass(frozen=True)
class Source:
    """Where rows come from, as named on the command line: a project's `tamiz.toml`, or a flat file and how to read it."""

    project: Path | None = None
    leads: Path | None = None
    flat: FlatOptions | None = None
    unseen: bool = False
    """The user's word that no model was fitted on these rows: a flat file without an order cannot tell."""
    estimand: str = "policy"
    """What the probability is to mean; of a project only."""
    cluster: ClusterOptions | None = None
    """Where the rows are more than this machine holds: a sample of them is read here."""
    implied: bool = False
    """Nobody named it, it was lying there: not used for a model that was trained on a flat table."""

    def fits(self, bundle: Bundle) -> bool:
        """Whether the rows are of the kind that the model was trained on; raises BadUsage where they were named and are not."""
        mode, ours = bundle.manifest.get("mode"), "events" if self.project else "flat"
        if mode in (None, ours):
            return True
        if self.implied:
            return False
        trained, option = ("a flat table", "--leads FILE") if mode == "flat" else ("event tables", "--project FILE")
        raise BadUsage(f"model {bundle.model_version} was trained on {trained}: give {option}")

    def dataset(self, seed: int, say: Say, drop: tuple[str, ...] = ()) -> Dataset:
        """The rows as `tamiz train` reads them."""
        if self.project is not None and self.cluster is not None:
            return from_cluster(self.project, self.cluster, seed=seed, drop=drop, say=say)
        if self.project is not None:
            return from_project(self.project, seed=seed, drop=drop, estimand=self.estimand, say=say)
        assert self.leads is not None
        assert self.flat is not None
        return from_flat(self.leads, self.flat, say)

    def read(self, bundle: Bundle, seed: int, say: Say) -> Raw:
        """The rows, to be looked at by `bundle` and others; what was not said of a flat file is read as `bundle` knows it."""
        if self.project is not None and self.cluster is not None:
            found = sampled(self.project, self.cluster, seed=seed, say=say)
            return EventRows(found.project, found.tables, seed, say)
        if self.project is not None:
            project = load_project(self.project)
            return EventRows(project, load_tables(project, now=datetime.now(UTC), progress=say), seed, say)
        assert self.leads is not None
        reading: Mapping[str, Any] = bundle.manifest.get("reading", {})
        asked = self.flat or FlatOptions("")
        label = asked.label or reading.get("label")
        if not label:
            raise BadUsage("--label is missing: name the column that says whether a lead converted")
        flat = read_flat(
            self.leads,
            label=label,
            positive=asked.positive or reading.get("positive"),
            negative=asked.negative or reading.get("negative"),
            id_column=asked.id_column or reading.get("id_column"),
            order_by=asked.order_by or (None if self.unseen or asked.order_by_row else reading.get("order_by")),
            order_by_row=asked.order_by_row,
            drop=asked.drop,
            decimal=reading.get("decimal"),
        )
        return FlatRows(flat, self.leads.name)


@dataclass(frozen=True)
class EventRows:
    """A project's tables."""

    project: Project
    tables: Tables
    seed: int
    say: Say

    def dataset(self, bundle: Bundle) -> Dataset:
        return project_dataset(
            self.project,
            self._as_known_to(bundle),
            seed=self.seed,
            feature_set=bundle.encoder.feature_set,
            estimand=str(bundle.manifest.get("estimand", "policy")),
            say=lambda text: None,
        )

    def newest(self, bundle: Bundle) -> Newest:
        """Leads that are open when the data end and of late came or did something, as a queue holds them; all open ones if few."""
        tables = self._as_known_to(bundle)
        until = instant(self.tables.until.to_pydatetime())
        account, log = account_codes(tables), log_of(tables)
        alive, still_open = self._alive(until, log)
        day = f"{self.tables.until:%Y-%m-%d}"
        few = alive.sum() < _FEWEST
        rows = np.flatnonzero(still_open if few else alive)[-_MOST:]
        observations = Observations(rows, np.full(len(rows), until))
        colleagues = colleagues_of(bundle.scorer.plan, account, log)
        scored = score_columns(bundle, leads_of(tables, account), log, observations, colleagues, contributions=True)
        ids = tables.leads["lead_id"].to_numpy(dtype=object)[rows].tolist()
        said = f"leads that are open on {day}" if few else f"open leads that came or did something in the {_ALIVE_DAYS} days to {day}"
        return Newest(ids, scored, said)

    def _alive(self, until: int, log: ActivityLog) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Of each lead whether it is open and stirring, and whether it is open."""
        since, n = until - _ALIVE_DAYS * DAY, len(self.tables.leads)
        there, stirring = np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
        if "created_at" in self.tables.leads:
            created = self.tables.leads["created_at"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
            there = (created < until) & (created != NEVER)
            stirring = created >= since
        did = np.repeat(np.arange(n), np.diff(log.starts))
        stirring[did[(log.occurred >= since) & (log.recorded < until)]] = True
        there[self.tables.outcomes["lead_row"].to_numpy(np.int64)] = False
        return there & stirring, there

    def _as_known_to(self, bundle: Bundle) -> Tables:
        leads, kinds = _as_known(self.tables.leads, self.tables.kinds, bundle.manifest.get("columns") or {})
        return replace(self.tables, leads=leads, kinds=kinds)


@dataclass(frozen=True)
class FlatRows:
    """A flat table."""

    table: FlatTable
    title: str

    def dataset(self, bundle: Bundle) -> Dataset:
        return flat_dataset(self._as_known_to(bundle), self.title, feature_set=bundle.encoder.feature_set)

    def newest(self, bundle: Bundle) -> Newest:
        """The last rows of the order, or of the file."""
        table = self._as_known_to(bundle)
        kinds = {name: kind for name, kind in table.kinds.items() if kind != "time"}
        order = np.arange(len(table)) if table.order is None else np.argsort(table.order, kind="stable")
        rows = order[-_MOST:]
        leads = flat_leads(table.frame[list(kinds)], table.lead_id, kinds)
        observations = Observations(rows, np.zeros(len(rows), dtype=np.int64))
        scored = score_columns(bundle, leads, ActivityLog.empty(len(table)), observations, contributions=True)
        return Newest(table.lead_id[rows].tolist(), scored, f"rows of {self.title}" if len(rows) == len(table) else "newest rows")

    def _as_known_to(self, bundle: Bundle) -> FlatTable:
        frame, kinds = _as_known(self.table.frame, self.table.kinds, bundle.manifest.get("columns") or {})
        return replace(self.table, frame=frame, kinds=kinds)


Raw: TypeAlias = EventRows | FlatRows


def _as_known(frame: pd.DataFrame, now: Mapping[str, Kind], then: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, Kind]]:
    """The columns that training had, each of the kind that it had then."""
    if not then:
        return frame, dict(now)
    kinds: dict[str, Kind] = {}
    changed: dict[str, Any] = {}
    for name, kind in now.items():
        before = then.get(name)
        if before is None:
            continue
        kinds[name] = before  # type: ignore[assignment]  # a kind that was written by ourselves
        if before in _NUMERIC and kind not in _NUMERIC and kind != "time":
            changed[name] = pd.to_numeric(frame[name].astype(object), errors="coerce").astype(np.float64)
        elif before in ("category", "text") and kind in _NUMERIC:
            changed[name] = frame[name].map(lambda value: None if value != value else f"{value:.15g}").astype(object)
        elif "time" in (before, kind) and before != kind:
            del kinds[name]  # a date says nothing as a number or a word
    return (frame.assign(**changed) if changed else frame), kinds
