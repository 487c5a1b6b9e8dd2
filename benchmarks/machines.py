"""How well machines are told from people, on simulated worlds whose machines are labelled.

    python -m benchmarks.machines [--leads 2000] [--seeds 1 2 3]

Three readings of the same books: as they are; without the flags that some systems set (`automated`); and by timing alone,
with neither flags nor user agents. Recall: of what a kind of machine did, how much is told as a machine's. Precision: of what
is told so of one type of activity, how much was a machine's. `people lost` is how much of what people did is told as a machine's.
Each figure is of all seeds together, and the least and the most of them. What the labels cannot know, because it had not
happened by then, counts as missed: the first pages of a crawl, the first links of a slow sweep.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.project import load_project
from data.sources import load_tables
from data.synthetic import simulate
from features.history import ActivityLog, TextColumn
from features.machines import machine_activity
from models.tables import log_of

KINDS = ("privacy_proxy", "scanner", "bot")
TYPES = ("email_open", "email_click", "page_view")


@dataclass(frozen=True)
class Books:
    """One world's activities, and what each of them truly was."""

    log: ActivityLog
    kind: NDArray[np.object_]
    """The kind of machine; "person" otherwise."""

    @property
    def type(self) -> NDArray[np.object_]:
        return np.array(self.log.type.values, dtype=object)[self.log.type.codes]


@dataclass(frozen=True)
class Labelled:
    """Of one world: what is told as a machine's (`told`), and what was (`kind`)."""

    told: NDArray[np.bool_]
    kind: NDArray[np.object_]
    type: NDArray[np.object_]

    def recall(self, kind: str) -> float:
        return float(self.told[self.kind == kind].mean())

    def precision(self, type_: str) -> float:
        return float((self.kind[self.told & (self.type == type_)] != "person").mean())

    def lost(self, type_: str) -> float:
        return float(self.told[(self.kind == "person") & (self.type == type_)].mean())


def books(seed: int, leads: int) -> Books:
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder) / "world", leads=leads, seed=seed)
        tables = load_tables(load_project(Path(folder) / "world" / "tamiz.toml"))
        truth = pd.read_parquet(Path(folder) / "world" / "truth_activities.parquet").set_index("activity_id")["machine"]
    kind = tables.activities["activity_id"].astype(object).map(truth).fillna("person").to_numpy(dtype=object)
    return Books(log_of(tables), kind)


def labelled(world: Books, flags: bool = True, agents: bool = True) -> Labelled:
    log = world.log
    if not flags:
        log = replace(log, automated=np.zeros(len(log), dtype=np.bool_))
    if not agents:
        log = replace(log, agent=TextColumn(np.full(len(log), -1, dtype=np.int32), ()))
    return Labelled(machine_activity(log), world.kind, world.type)


def together(worlds: Sequence[Labelled]) -> Labelled:
    return Labelled(*(np.concatenate([getattr(one, name) for one in worlds]) for name in ("told", "kind", "type")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    worlds = [books(seed, given.leads) for seed in given.seeds]
    everything = np.concatenate([one.kind for one in worlds])
    counts = ", ".join(f"{(everything == kind).sum():,} by {kind}" for kind in KINDS)
    print(f"{len(everything):,} activities of {len(worlds)} × {given.leads:,} leads: {counts}\n")
    readings = [("as the books are", True, True), ("without flags", False, True), ("by timing alone", False, False)]
    found = [[labelled(one, flags, agents) for one in worlds] for _, flags, agents in readings]
    print(f"{'':<26}" + "".join(f"{name:>26}" for name, _, _ in readings))
    for kind in KINDS:
        _print(f"recall, {kind}", found, lambda one, kind=kind: one.recall(kind))
    for type_ in TYPES:
        _print(f"precision, {type_}", found, lambda one, type_=type_: one.precision(type_))
    for type_ in TYPES:
        _print(f"people lost, {type_}", found, lambda one, type_=type_: one.lost(type_))


def _print(name: str, found: Sequence[Sequence[Labelled]], figure: Callable[[Labelled], float]) -> None:
    cells = []
    for reading in found:
        each = [figure(one) for one in reading]
        cells.append(f"{figure(together(reading)):.3f} ({min(each):.3f} – {max(each):.3f})")
    print(f"{name:<26}" + "".join(f"{cell:>26}" for cell in cells))


if __name__ == "__main__":
    main()
