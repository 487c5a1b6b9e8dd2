"""The signals of one part of the leads: whole accounts, with everything that is known of them, from columns to a file.

In: `Part`, which holds the part's leads and the small tables about them, and says where its activities are. Out: one
Parquet file, sorted by lead and instant, a column an input (null where not known), and what there is to say about it.
It is a pure function of its argument, so it runs here, in another process or on another machine, with the same bits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.build_folder import finish_part
from data.clustering import Buckets, Stretches
from data.frames import ActivityColumns, Tables
from data.project import Project
from features.catalogue import catalogue
from features.engine import Plan, SignalTable, evaluate
from features.history import NEVER, ActivityLog, Observations, TextColumn
from features.signal import FeatureSet
from models.tables import colleagues_of, leads_of, log_of_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OBSERVATION_COLUMNS", "Part", "Recipe", "build_part", "get_ready", "read_part"]

OBSERVATION_COLUMNS = ("lead_id", "as_of", "created_at", "age_days", "kind", "y")
"""What a file says of its rows besides the inputs; with a given instant only the first two."""
_MOST_ASIDE = 1_000


@dataclass(frozen=True)
class Recipe:
    """What is the same for all parts."""

    project: Project
    feature_set: str
    """As JSON: a signal is code, which every process has for itself."""
    source: Stretches | Buckets | None
    put_aside: frozenset[str]
    """Leads that were put aside: their activities are, too."""
    latest: int
    as_of: int | None
    """The instant at which every lead is looked at; None: at the project's observations."""
    seed: int


@dataclass(frozen=True)
class Part:
    number: int
    recipe: Recipe
    tables: Tables
    """Of this part's leads; its activities are read from the recipe's source."""
    account: NDArray[np.int64]
    file: Path


def build_part(part: Part) -> dict[str, Any]:
    """Writes the part's file; what its entry in the manifest says, with rows put aside and notices."""
    recipe, tables = part.recipe, part.tables
    plan = _plan(recipe.feature_set)
    activities, aside, notices = _activities(part)
    log = ActivityLog.empty(len(tables.leads)) if activities is None else log_of_columns(activities, len(tables.leads))
    seen, dropped = _observations(part, activities)
    leads = leads_of(replace(tables, kinds={name: kind for name, kind in tables.kinds.items() if name in plan.columns}), part.account)
    table = evaluate(plan, leads, log, Observations(seen["lead_row"], seen["as_of"]), colleagues_of(plan, part.account, log))
    reasons = Counter(str(reason).split(": ", 1)[0] for reason in aside["reason"])
    facts = {
        "rows": len(table),
        "leads": len(tables.leads),
        "activities": len(log),
        "dropped": dropped,
        "notices": notices,
        "aside": reasons,
        "aside_rows": aside.head(_MOST_ASIDE).to_dict("list"),
    }
    return finish_part(part.file, lambda path: _write(path, leads.ids, seen, table), facts)


def get_ready() -> None:
    """Imports what a part needs, while there is nothing else to do."""
    for name in ("pandas", "pyarrow.parquet", "data.labels", "data.quarantine", "data.sources"):
        import_module(name)


@lru_cache(maxsize=4)
def _plan(feature_set: str) -> Plan:
    return Plan(FeatureSet.from_json(json.loads(feature_set), catalogue()))


def _activities(part: Part) -> tuple[ActivityColumns | None, pd.DataFrame, list[str]]:
    import pyarrow as pa

    from data.quarantine import collect
    from data.sources import check_activities

    recipe = part.recipe
    if recipe.source is None:
        return None, collect("activities"), []
    ids = pa.array(part.tables.leads["lead_id"].to_numpy(dtype=object), pa.string())
    table, places = recipe.source.read(part.number, ids)
    if not len(table):
        return None, collect("activities"), []
    return check_activities(table, places, part.tables.leads, recipe.put_aside, recipe.project, recipe.latest)


def _observations(part: Part, activities: ActivityColumns | None) -> tuple[dict[str, NDArray[Any]], Mapping[str, int]]:
    """The part's observations, columns by name, and how many looks were none and why."""
    import pandas as pd

    from data.labels import observe
    from data.times import to_utc

    recipe, tables = part.recipe, part.tables
    if recipe.as_of is not None:
        lead = np.arange(len(tables.leads))
        if "created_at" in tables.leads:
            created = _micros(tables.leads["created_at"])
            lead = lead[(created == NEVER) | (created < recipe.as_of)]
        dropped = {"not yet created": len(tables.leads) - len(lead)}
        return {"lead_row": lead, "as_of": np.full(len(lead), recipe.as_of)}, dropped
    if activities is not None:
        times = {name: to_utc(micros) for name, micros in activities.times.items()}
        tables = replace(tables, activities=pd.DataFrame({"lead_row": activities.lead_row, **times}))
    project = recipe.project
    seen, report = observe(
        tables,
        horizon_days=project.horizon_days,
        ages_days=project.ages_days,
        activity_instants=project.activity_instants,
        seed=recipe.seed,
        part=True,
    )
    found = {
        "lead_row": seen["lead_row"].to_numpy(np.int64),
        "as_of": _micros(seen["as_of"]),
        "created_at": _micros(seen["created_at"]),
        "age_days": seen["age_days"].to_numpy(np.float64),
        "kind": seen["kind"].to_numpy(dtype=object),
        "y": seen["y"].to_numpy(np.float64),
    }
    return found, report.dropped


def _write(path: Path, ids: Sequence[str], seen: Mapping[str, NDArray[Any]], table: SignalTable) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    time, lead = pa.timestamp("us", tz="UTC"), seen["lead_row"]
    columns = {"lead_id": pa.array(ids, pa.string()).take(pa.array(lead)), "as_of": pa.array(seen["as_of"]).cast(time)}
    if "y" in seen:
        created = seen["created_at"]
        columns["created_at"] = pa.array(created, mask=created == NEVER).cast(time)
        columns["age_days"], columns["kind"], columns["y"] = pa.array(seen["age_days"]), pa.array(seen["kind"]), pa.array(seen["y"])
    for i, name in enumerate(table.names):
        columns[_in_file(name)] = pa.array(table.numbers[:, i], from_pandas=True)
    for name, column in table.texts.items():
        values = pa.array(list(column.values), pa.string())
        columns[_in_file(name)] = pa.DictionaryArray.from_arrays(pa.array(column.codes, mask=column.codes < 0), values)
    texts = ["lead_id", "kind", *(_in_file(name) for name in table.texts)]
    written = pa.table(columns)
    plain = pa.schema([pa.field(one.name, pa.string() if pa.types.is_dictionary(one.type) else one.type) for one in written.schema])
    pq.write_table(written.cast(plain), path, compression="zstd", compression_level=1, use_dictionary=texts)


def read_part(file: Path, names: Collection[str]) -> tuple[dict[str, NDArray[Any]], SignalTable]:
    """What `build_part` wrote: labels and instants (microseconds) by name, and these inputs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    asked = ["as_of", "created_at", "y", *(_in_file(name) for name in names)]
    read = pq.read_table(file, columns=asked)
    times = {name: read[name].cast(pa.int64()).fill_null(NEVER).to_numpy() for name in ("as_of", "created_at")}
    kinds = {name: read.schema.field(_in_file(name)).type for name in names}
    words = [name for name, kind in kinds.items() if pa.types.is_string(kind)]
    figures = tuple(name for name in names if name not in words)
    numbers = np.empty((len(read), len(figures)))
    for place, name in enumerate(figures):
        numbers[:, place] = read[_in_file(name)].cast(pa.float64()).to_numpy()
    texts = {}
    for name in words:
        column = read[_in_file(name)].combine_chunks().dictionary_encode()
        texts[name] = TextColumn(column.indices.fill_null(-1).to_numpy().astype(np.int32), column.dictionary.to_pylist())
    return {**times, "y": read["y"].to_numpy()}, SignalTable(figures, numbers, texts)


def _in_file(name: str) -> str:
    return f"leads.{name}" if name in OBSERVATION_COLUMNS else name


def _micros(values: pd.Series[Any]) -> NDArray[np.int64]:
    micros: NDArray[np.int64] = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    return micros
