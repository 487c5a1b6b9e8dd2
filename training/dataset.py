"""What a model is trained on: inputs, labels and instants, read from a flat file or from a project's event tables.

In: a file with a label column, or a `tamiz.toml`. Out: `Dataset`, the same for both: one row an observation, its inputs as
the engine evaluates them, its label, and what the split, the audit and the report need to know about it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadData, BadUsage
from data.files import nearest
from data.flat import read_flat
from data.frames import FlatTable, Tables
from data.labels import ObservationReport, observe, observe_course, observe_decisions, observe_followed
from data.project import Declared, Project, load_declared, load_project
from data.sources import load_tables
from features.answers import answered_fields, field_of
from features.catalogue import catalogue
from features.declarations import DIMENSIONS, Declarations
from features.engine import Plan, SignalTable, evaluate
from features.evidence_names import Evidence, evidence_of
from features.history import ActivityLog, Observations
from features.own_types import declared_types, own_types, said_of_unnamed
from features.signal import FeatureSet
from models.tables import account_codes, colleagues_of, flat_leads, inputs_of, leads_of, log_of
from training.bias import Explored, NotIdentifiable, explored, inverse_propensity, question_of
from training.cluster import Cluster, ClusterOptions, sampled
from training.leakage_timing import Dated, dated_columns
from training.rejections import Reasons, reasons_given
from training.result import Cohort, SourceRead
from training.segments import size_bands
from training.undated import undated_inputs

__all__ = ["Dataset", "FlatOptions", "flat_dataset", "from_cluster", "from_flat", "from_project", "project_dataset"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Say = Callable[[str], None]

_SECONDS_OF_SILENCE = 3.0
_SEGMENTS = ("source", "country", "industry", "medium", "language")
_MOST_SEGMENT_VALUES = 40
_MOST_STRANGE = 8
_NOTHING_DECLARED = Declared()
_BLOCK = 8192


@dataclass(frozen=True)
class FlatOptions:
    """How a flat file is to be read, as given on the command line."""

    label: str
    positive: str | None = None
    negative: str | None = None
    id_column: str | None = None
    order_by: str | None = None
    order_by_row: bool = False
    drop: tuple[str, ...] = ()
    bant: Path | None = None
    """A TOML file whose `[bant]` says which columns are evidence."""


@dataclass(frozen=True)
class Dataset:
    """Observations ready for training; all arrays have one entry an observation."""

    mode: Literal["flat", "events"]
    title: str
    label: str
    """What counts as a conversion, in words."""
    table: SignalTable
    feature_set: FeatureSet
    y: Floats
    lead: Ints
    """Code of the lead."""
    lead_ids: Sequence[str]
    """Id of each lead, by its code."""
    account: Ints
    """Code of the account; a lead without one has its own."""
    as_of: Ints | None
    created: Ints | None
    order: Floats | None
    horizon_days: float | None
    served_like: NDArray[np.bool_]
    """Observed at an instant when the service would look: just after an activity. Everything on a flat table."""
    undated: Mapping[str, tuple[str, ...]]
    """Inputs made from columns of current state whose date nobody knows, and those columns (event data only)."""
    timed: frozenset[str]
    """Inputs that the engine computed from dated rows."""
    sources: tuple[SourceRead, ...]
    notices: tuple[str, ...]
    quarantine: pd.DataFrame
    segments: pd.DataFrame
    dated: Mapping[str, Dated] = field(default_factory=dict)
    """Columns of `leads` that can be held against the outcome."""
    reads: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The columns of `leads` behind each input."""
    cohorts: tuple[Cohort, ...] = ()
    rejections: tuple[Reasons, ...] = ()
    """Why sales said no, and why deals were lost."""
    amount: Floats | None = None
    waited: Floats | None = None
    """Days until the lead converted, infinite where it has not. None on a flat table."""
    course: Dataset | None = None
    """Looks at open leads through the last weeks, as the service would have had them: what comes of them is not known. `served_like`
    is false where a look only says how a lead stood when the weeks began."""
    course_share: float = 1.0
    """The share of the leads that `course` looks at."""
    followed: Dataset | None = None
    """Likewise looks at the newest leads whose outcomes are known."""
    everyone: Dataset | None = None
    """Looks at all leads as sales goes on, where the dataset holds decisions of one side: they help to rank."""
    until: int | None = None
    """Where the data end (µs)."""
    cluster: Cluster | None = None
    """Where all rows are, if these are a sample of them."""
    weight: Floats | None = None
    """What each row counts, on average one; None where all count alike."""
    estimand: str = "policy"
    """What the probability means (`training/bias.py`)."""
    explored: Explored = field(default_factory=lambda: explored(None))
    """What decisions of sales allow to be known."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Kinds of the columns of `leads`, for reading files to score."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """What `evaluate` and `score` need to read such a file again: label, positive, negative, id, decimal sign."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def input_names(self) -> tuple[str, ...]:
        return (*self.table.names, *self.table.texts)

    def audit_inputs(self) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
        """Every input as the audit reads it, and its kind."""
        arrays: dict[str, NDArray[Any]] = {name: self.table.numbers[:, i] for i, name in enumerate(self.table.names)}
        kinds = dict.fromkeys(arrays, "number")
        for one in self.feature_set.signals:
            if one.unordered:  # codes from -1, missing, as for the texts below
                arrays[one.name], kinds[one.name] = np.nan_to_num(arrays[one.name], nan=-1.0).astype(np.int32), "category"
        for name, column in self.table.texts.items():
            arrays[name], kinds[name] = column.codes, "category"
        return arrays, kinds

    def take(self, rows: Ints) -> Dataset:
        """The same data with these observations only; what describes all of it (sources, notices, cohorts) stays."""
        table = SignalTable(self.table.names, self.table.numbers[rows], {name: one.take(rows) for name, one in self.table.texts.items()})

        def part(values: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if values is None else values[rows]

        return replace(
            self,
            table=table,
            y=self.y[rows],
            lead=self.lead[rows],
            account=self.account[rows],
            as_of=part(self.as_of),
            created=part(self.created),
            order=part(self.order),
            amount=part(self.amount),
            waited=part(self.waited),
            weight=part(self.weight),
            served_like=self.served_like[rows],
            segments=self.segments.iloc[rows].reset_index(drop=True),
        )

    def duplicates(self) -> Ints:
        """Code of each row's inputs: equal rows share one."""
        parts = [self.table.numbers.view(np.int64), *(column.codes.astype(np.int64)[:, None] for column in self.table.texts.values())]
        rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
        codes: Ints = np.unique(rows.view(np.dtype((np.void, rows.shape[1] * 8))).ravel(), return_inverse=True)[1].astype(np.int64)
        return codes

    def digest(self) -> str:
        """SHA-256 over labels, instants and inputs: the same data give the same digest."""
        sha = hashlib.sha256(repr(self.input_names).encode())
        for array in (self.y, self.as_of, self.order, self.table.numbers):
            if array is not None:
                for start in range(0, len(array), _BLOCK):  # row by row whatever the layout, and never a copy of it all
                    sha.update(np.ascontiguousarray(array[start : start + _BLOCK]).tobytes())
        for column in self.table.texts.values():
            sha.update("\x1f".join(column.values).encode())
            sha.update(column.codes.tobytes())
        return sha.hexdigest()


def from_flat(path: Path, options: FlatOptions, say: Say = lambda text: None) -> Dataset:
    """A flat table: one observation a row, no history, no horizon."""
    flat = read_flat(
        path,
        label=options.label,
        positive=options.positive,
        negative=options.negative,
        id_column=options.id_column,
        order_by=options.order_by,
        order_by_row=options.order_by_row,
        drop=options.drop,
    )
    data = flat_dataset(flat, path.name, options.id_column, load_declared(options.bant) if options.bant else Declared(), say)
    # What a file to be scored may hold without being told that nobody knows it.
    return replace(data, reading={**data.reading, "order_by": options.order_by, "dropped": list(options.drop)})


def flat_dataset(
    flat: FlatTable,
    title: str,
    id_column: str | None = None,
    declared: Declared = _NOTHING_DECLARED,
    say: Say = lambda text: None,
    *,
    feature_set: FeatureSet | None = None,
) -> Dataset:
    """A flat table that has been read. `feature_set` as in `project_dataset`."""
    if flat.label is None:
        raise BadData("a label column is needed to train: name it with --label")
    rows = len(flat)
    # Only what has values here: a column that is empty now must not begin to speak when a later file fills it.
    kinds = {name: kind for name, kind in flat.kinds.items() if kind != "time" and bool(flat.frame[name].notna().any())}
    told: tuple[str, ...] = ()
    if feature_set is None:
        evidence = evidence_of(declared, kinds, dated=None)
        feature_set = inputs_of(kinds, (), evidence.declared, activities=False)
        told = _said_of_evidence(evidence, (), say)
    leads = flat_leads(flat.frame[list(kinds)], flat.lead_id, kinds)
    never = np.zeros(rows, dtype=np.int64)
    table = evaluate(Plan(feature_set), leads, ActivityLog.empty(rows), Observations(np.arange(rows), never))
    codes = np.arange(rows, dtype=np.int64)
    source = flat.source
    how = [{",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}.get(source.delimiter or "", ""), source.encoding, source.compression]
    details = ", ".join(str(part) for part in how if part) + (f", decimal {'comma' if source.decimal == ',' else 'point'}")
    return Dataset(
        mode="flat",
        title=title,
        label=f"{flat.label_column} = {flat.positive}",
        table=table,
        feature_set=feature_set,
        y=flat.label,
        lead=codes,
        lead_ids=flat.lead_id.tolist(),
        account=codes,
        as_of=None,
        created=None,
        order=flat.order,
        horizon_days=None,
        served_like=np.ones(rows, dtype=np.bool_),
        undated={},
        timed=frozenset(),
        sources=(SourceRead("leads", title, source.rows, len(flat.quarantine), details),),
        notices=(*flat.notices, *told),
        quarantine=flat.quarantine,
        segments=_segments(flat.frame),
        columns=kinds,
        reading={
            "label": flat.label_column,
            "positive": flat.positive,
            "negative": flat.negative,
            "id_column": id_column,
            "decimal": source.decimal,
        },
    )


def from_project(
    path: Path,
    *,
    seed: int = 0,
    drop: Sequence[str] = (),
    estimand: str = "policy",
    say: Say = lambda text: None,
) -> Dataset:
    """Event tables: each lead observed at several ages, labelled within the horizon, immature observations dropped."""
    project = load_project(path)
    tables = load_tables(project, now=datetime.now(UTC), progress=say)
    return project_dataset(project, tables, seed=seed, drop=drop, estimand=estimand, course=True, say=say)


def from_cluster(path: Path, options: ClusterOptions, *, seed: int = 0, drop: Sequence[str] = (), say: Say = lambda text: None) -> Dataset:
    """A sample of a project's observations, with where all of them are."""
    found = sampled(path, options, seed=seed, drop=drop, say=say)
    data = project_dataset(found.project, found.tables, seed=seed, drop=drop, feature_set=found.feature_set, say=say)
    return replace(data, cluster=found.cluster, notices=(*data.notices, found.notice))


def project_dataset(
    project: Project,
    tables: Tables,
    *,
    seed: int = 0,
    drop: Sequence[str] = (),
    feature_set: FeatureSet | None = None,
    estimand: str = "policy",
    course: bool = False,
    say: Say = lambda text: None,
) -> Dataset:
    """Tables that have been read. `feature_set` is what another model was trained on; default: what says something on these.

    Another `estimand` than `policy` looks at leads when sales decided about them. With `course` the dataset has one, and `followed`.
    """
    say("observing leads at their ages" if estimand == "policy" else "observing leads when sales decided about them")
    looks = _observed(project, tables, estimand, course, seed)
    seen, report = looks.seen, looks.report
    account = account_codes(tables)
    log = log_of(tables)
    # As on a flat table: what has no values in training, or was dropped, is not read later either.
    kinds = {name: kind for name, kind in tables.kinds.items() if name not in drop and bool(tables.leads[name].notna().any())}
    leads = leads_of(replace(tables, kinds=kinds), account)
    dated = set(project.static) | set(leads.changes) | {"created_at"}
    answers = answered_fields(log)
    told: list[str] = []
    if feature_set is None:
        evidence = evidence_of(project, kinds, dated=dated)
        feature_set = inputs_of(kinds, _own_types(tables), evidence.declared, activities=bool(len(log)), drop=drop)
        told += _said_of_evidence(evidence, [content for content, _ in answers], say)
    told += _said_of_answers(answers, feature_set.declared)
    plan = Plan(feature_set)
    _refuse_unknown(drop, {*tables.kinds, *catalogue(), *plan.names})
    lead, as_of = seen["lead_row"].to_numpy(np.int64), _micros(seen["as_of"])
    observations = Observations(lead, as_of)
    table = evaluate(plan, leads, log, observations, colleagues_of(plan, account, log), progress=_now_and_then(len(lead), say))
    undated = undated_inputs(plan, table, replace(tables, kinds=kinds), leads, log, observations, dated)
    reads = {name: frozenset(need.columns) for name, need in plan.needs.items()} | {
        one.name: frozenset({one.name}) for one in feature_set.attributes
    }
    own = account.max(initial=-1) + 1 + np.arange(len(account))
    frame = tables.leads.iloc[lead]
    whole = Dataset(
        mode="events",
        title=project.folder.name if project.path.name == "tamiz.toml" else project.path.stem,
        label=f"converted within {project.horizon_days:g} days",
        table=table,
        feature_set=feature_set,
        y=seen["y"].to_numpy(np.float64),
        lead=lead,
        lead_ids=tables.leads["lead_id"].tolist(),
        account=np.where(account >= 0, account, own)[lead],
        as_of=as_of,
        created=_micros(seen["created_at"]),
        order=None,
        horizon_days=project.horizon_days,
        served_like=(seen["kind"] == "activity").to_numpy(),
        undated=undated,
        timed=frozenset(name for name, need in plan.needs.items() if need.activities),
        dated=dated_columns(tables),
        reads=reads,
        sources=_sources(project, tables),
        notices=(*tables.notices, *_said(report), *_without_dates(tables, leads.changes), *_said_of_types(log, plan), *told),
        quarantine=tables.quarantine,
        segments=_segments(frame),
        rejections=reasons_given(tables),
        cohorts=tuple(Cohort(one.month, one.due, one.mature, one.positives) for one in report.cohorts),
        amount=_amounts(tables, lead, seen["y"].to_numpy(np.float64)),
        waited=seen["waited"].to_numpy(np.float64),
        until=int(_micros(pd.Series([tables.until]))[0]),
        weight=looks.weight,
        estimand=estimand,
        explored=looks.explored,
        columns=kinds,
        reading={"timezone": project.timezone, "missing": list(project.missing), "imported": project.imported, "dropped": list(drop)}
        | {"dated": sorted(leads.changes)},
    )
    if looks.own == len(whole):
        return whole
    rows = np.arange(len(whole))
    others = len(whole) - looks.course - looks.followed
    mine = whole.take(rows[: looks.own])
    if looks.course:
        weeks, ended = (replace(whole.take(part), weight=None) for part in np.split(rows[others:], [looks.course]))
        mine = replace(mine, course=weeks, course_share=looks.course_share, followed=ended)
    if looks.own == others:
        return mine
    more = replace(whole.take(rows[looks.own : others]), weight=None)
    return replace(mine, everyone=replace(more, estimand="policy"))


@dataclass(frozen=True)
class _Observed:
    """The looks, those to be judged on first, and what each counts."""

    seen: pd.DataFrame
    report: ObservationReport
    own: int
    weight: Floats | None
    explored: Explored
    course: int = 0
    """How many of the looks, after the others, follow leads through the last weeks; `followed`, the last ones, those whose end is known."""
    followed: int = 0
    course_share: float = 1.0


def _observed(project: Project, tables: Tables, estimand: str, course: bool, seed: int) -> _Observed:
    ages, instants = project.ages_days, project.activity_instants
    decided, about = (None, None) if tables.decisions.empty else observe_decisions(tables, horizon_days=project.horizon_days)
    known = explored(decided)
    if estimand != "policy":
        if estimand in known.why_not or decided is None or about is None:
            raise NotIdentifiable(question=question_of(estimand), why=known.why_not.get(estimand, "there are no decisions"))
        usable, weight = inverse_propensity(decided["propensity"].to_numpy(np.float64), decided["worked"].to_numpy(np.float64), estimand)
        everyone, _ = observe(tables, horizon_days=project.horizon_days, ages_days=ages, activity_instants=instants, seed=seed)
        seen = pd.concat([decided[usable], everyone], ignore_index=True)
        return _Observed(seen, about, len(weight), np.concatenate([weight, np.ones(len(everyone))]), known)
    seen, report = observe(tables, horizon_days=project.horizon_days, ages_days=ages, activity_instants=instants, seed=seed)
    own = len(seen)
    if not course:
        return _Observed(seen, report, own, None, known)
    weeks, share = observe_course(tables, horizon_days=project.horizon_days, seed=seed)
    ended = observe_followed(tables, horizon_days=project.horizon_days, seed=seed)
    seen = pd.concat([seen, weeks, ended], ignore_index=True)
    return _Observed(seen, report, own, None, known, len(weeks), len(ended), share)


def _said_of_evidence(evidence: Evidence, answers: Collection[str], say: Say) -> tuple[str, ...]:
    """Tells which columns are BANT evidence, to be corrected; and what of it stays in the report."""
    section = evidence.section()
    if section is not None:
        say(f"BANT evidence among the columns; correct it by pasting this into a TOML file (docs/data.md, BANT evidence):\n{section}")
    found = list(evidence.strangers(answers))
    if evidence.guessed:
        guessed = ", ".join(f"{one.name} ({one.dimension})" for one in evidence.guessed)
        found.append(f"Taken for BANT evidence because of their names: {guessed}.")
    if evidence.undated:
        left = ", ".join(f"{one.name} ({one.dimension})" for one in evidence.undated)
        found.append(f"Called like BANT evidence, but not taken for it, since nobody knows when they were written: {left}.")
    return tuple(found)


def _said_of_answers(answers: Sequence[tuple[str, int]], declared: Declarations) -> tuple[str, ...]:
    """Answers about fields that nobody declared or knows: kept and counted."""
    strange = [(content, count) for content, count in answers if field_of(content, declared) not in DIMENSIONS]
    if not strange:
        return ()
    named = ", ".join(f"{content} ({count:,})" for content, count in strange[:_MOST_STRANGE])
    more = f" and {len(strange) - _MOST_STRANGE} more" if len(strange) > _MOST_STRANGE else ""
    return (f"Answers that no dimension of BANT reads, kept and counted: {named}{more}. Name those that are evidence under [bant].",)


def _refuse_unknown(drop: Sequence[str], known: Collection[str]) -> None:
    """--drop of a name that is nowhere is a mistake, not a wish that is fulfilled already."""
    for name in drop:
        if name not in known:
            near = nearest(name, sorted(known))
            raise BadUsage(f"--drop {name}: there is no such column or signal" + (f"; did you mean {near}?" if near else ""))


def _now_and_then(total: int, say: Say) -> Callable[[int], None]:
    """A line every few seconds: long work shows, short work does not chatter."""
    told = time.monotonic()

    def progress(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > _SECONDS_OF_SILENCE:
            told = time.monotonic()
            say(f"signals: {done:,} of {total:,} observations")

    return progress


def _without_dates(tables: Tables, fields: Collection[str]) -> list[str]:
    """Of fields with a history, the leads that have a value today but none with a date."""
    said = []
    for name in sorted(fields):
        told = tables.lead_changes.loc[tables.lead_changes["field"] == name, "lead_row"].unique()
        count = int(tables.leads[name].notna().to_numpy().sum() - tables.leads[name].notna().to_numpy()[told].sum())
        if count:
            said.append(
                f"{name}: {count:,} leads have a value, but none in lead_changes, which says since when: there it is not known. "
                "Give the first value as a change at the lead's creation."
            )
    return said


def _amounts(tables: Tables, lead: Ints, y: Floats) -> Floats | None:
    """What the lead's first conversion was worth, on rows that converted; None where outcomes carry no amounts."""
    outcomes = tables.outcomes
    if "amount" not in outcomes.columns or not outcomes["amount"].notna().any():
        return None
    won = outcomes[outcomes["kind"] != "lost"] if "kind" in outcomes.columns else outcomes
    first = won.drop_duplicates("lead_row")
    amount = np.full(len(tables.leads), np.nan)
    amount[first["lead_row"].to_numpy(np.int64)] = first["amount"].to_numpy(np.float64)
    return np.where(y > 0, amount[lead], np.nan)


def _said(report: ObservationReport) -> tuple[str, ...]:
    """What became of the leads that were not, or not always, observed."""
    words = {
        "immature": "observations were left out because their horizon had not passed, whatever their outcome so far",
        "converted": "looks fell after the conversion and are no observations",
        "lost": "looks fell after the lead was lost and are no observations",
        "no_time": "leads have no date at all and were left out",
    }
    return (*report.notices, *(f"{count:,} {words[name]}." for name, count in report.dropped.items() if count and name in words))


def _said_of_types(log: ActivityLog, plan: Plan) -> tuple[str, ...]:
    """What becomes of activities of types that no declared signal names."""
    own = plan.feature_set.activity_types
    inputs = f"Activity types that no signal names, inputs of their own now: {', '.join(own)}." if own else None
    rest = said_of_unnamed(log.type.values, plan.own.types | declared_types(catalogue().values()))
    return tuple(one for one in (inputs, rest and rest[0].upper() + rest[1:] + ".") if one)


def _own_types(tables: Tables) -> tuple[str, ...]:
    """Activity types that no declared signal names and that enough leads show, the commonest first."""
    frame = tables.activities
    if frame.empty:
        return ()
    leads = frame[["lead_row", "type"]].drop_duplicates().groupby("type", observed=True).size()
    return own_types({str(name): int(count) for name, count in leads.items()}, len(tables.leads), declared_types(catalogue().values()))


def _segments(frame: pd.DataFrame) -> pd.DataFrame:
    """The few columns by which people cut their leads."""
    kept = [name for name in _SEGMENTS if name in frame.columns and frame[name].nunique() <= _MOST_SEGMENT_VALUES]
    found = frame[kept].reset_index(drop=True)
    if "employees" in frame.columns and pd.api.types.is_numeric_dtype(frame["employees"]):
        found["size"] = size_bands(frame["employees"].to_numpy(np.float64))
    return found


def _sources(project: Project, tables: Tables) -> tuple[SourceRead, ...]:
    aside = tables.quarantine["table"].value_counts().to_dict()
    return tuple(SourceRead(name, project.queries[name], rows, int(aside.get(name, 0))) for name, rows in tables.rows_read.items())


def _micros(values: pd.Series[Any]) -> Ints:
    micros: Ints = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    return micros
