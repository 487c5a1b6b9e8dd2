"""`tamiz simulate`: a B2B CRM with planted truth, written as Parquet files and a ready `tamiz.toml`.

In: a folder, a number of leads, a seed. Out: the tables of the data contract (`leads`, `lead_changes`, `activities`,
`stage_changes`, `outcomes`, and with an exploration share `decisions`), clustered by lead and sorted by time, and two files
that nothing but evaluation may read:
`truth` (what each observation's probability was) and `truth_activities` (which activities were machines').
The same seed and number give the same bytes. The folder appears whole or not at all.

The world is lived territory by territory, each with its own sales team, so memory does not grow with its size.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import BadUsage, DependencyFailed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["TERRITORY", "CannotWrite", "FolderInUse", "NoLeads", "NoSuchSeed", "Simulated", "simulate"]

TERRITORY = 10_000
"""Leads of one territory, at most."""

_TABLES = ("leads", "lead_changes", "activities", "stage_changes", "outcomes", "decisions", "truth", "truth_activities")
_FILES = frozenset(f"{table}.parquet" for table in _TABLES) | {"tamiz.toml"}

_TOML = """# A simulated CRM: {leads} leads, seed {seed}. Written by `tamiz simulate`; try `tamiz train --project tamiz.toml`.

[data]                                    # file names are relative to this file's folder
leads         = "SELECT * FROM 'leads.parquet'"
lead_changes  = "SELECT * FROM 'lead_changes.parquet'"
activities    = "SELECT * FROM 'activities.parquet'"
stage_changes = "SELECT * FROM 'stage_changes.parquet'"
outcomes      = "SELECT * FROM 'outcomes.parquet'"
{decisions}until         = {until}
timezone      = "UTC"
[leads]                                   # never change after creation; the others are covered by lead_changes
static        = [
  "email", "company", "company_domain", "industry", "annual_revenue", "country", "region", "city", "phone",
  "source", "medium", "campaign", "language", "consent", "crm", "interest",
]
[stages]
won           = ["Closed won"]
lost          = ["Closed lost"]
[label]
horizon_days  = {horizon}
[observations]
ages_days     = {ages}
"""


class NoLeads(BadUsage):
    """A simulated world needs at least one lead: --leads was {leads}."""


class NoSuchSeed(BadUsage):
    """A seed is a whole number, zero or more: --seed was {seed}."""


class NoSuchShare(BadUsage):
    """An exploration share lies between 0 (sales never draws lots) and 1 (always): --explore was {explore}."""


class FolderInUse(BadUsage):
    """{folder} is in use: it holds {found}, which `tamiz simulate` did not write. Name another folder with --out, or empty this one."""


class CannotWrite(DependencyFailed):
    """The simulated world could not be written to {folder}: {reason}. Nothing was left behind."""


@dataclass(frozen=True)
class Simulated:
    """What was written."""

    folder: Path
    rows: dict[str, int]
    conversions: int


def simulate(out: Path, *, leads: int, seed: int, explore: float = 0.0, on_progress: Callable[[int, int], None] | None = None) -> Simulated:
    """Write the world of `leads` leads to the folder `out`; `on_progress` hears how many leads of how many are done.

    For a share `explore` of the new leads, sales draws lots on their first Monday instead of following its rule, and writes
    down what it decided about each new lead, and how likely it was to be worked.
    """
    if leads < 1:
        raise NoLeads(leads=leads)
    if seed < 0:
        raise NoSuchSeed(seed=seed)
    if not 0 <= explore <= 1:
        raise NoSuchShare(explore=explore)
    _refuse_foreign(out)
    try:
        with _built_beside(out) as folder:
            rows, conversions = _write(folder, leads, seed, explore, on_progress or (lambda done, total: None))
    except OSError as error:
        raise CannotWrite(folder=str(out), reason=error.strerror or str(error)) from error
    return Simulated(out, rows, conversions)


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise FolderInUse(folder=str(out), found="a file of that name")
    if out.is_dir():
        foreign = sorted(entry.name for entry in out.iterdir() if entry.name not in _FILES)
        if foreign:
            raise FolderInUse(folder=str(out), found=", ".join(foreign[:3]) + (" and more" if len(foreign) > 3 else ""))


@contextlib.contextmanager
def _built_beside(out: Path) -> Iterator[Path]:
    """A folder next to `out` that takes its place when all is written, and is gone if anything fails."""
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        yield building
        building.chmod(0o755)
        if out.exists():
            retired = building.with_suffix(".old")
            out.rename(retired)
            building.rename(out)
            shutil.rmtree(retired)
        else:
            building.rename(out)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _write(folder: Path, leads: int, seed: int, explore: float, on_progress: Callable[[int, int], None]) -> tuple[dict[str, int], int]:
    import numpy as np
    import pyarrow.compute as pc

    from data.synthetic_nature import AGES, HORIZON
    from data.synthetic_people import DAY, SPAN_DAYS, WORLD_START
    from data.synthetic_tables import tables_of

    territories = -(-leads // TERRITORY)
    sizes = [leads // territories + (1 if t < leads % territories else 0) for t in range(territories)]
    rows = dict.fromkeys(_TABLES, 0)
    conversions = done = 0
    with _Writers(folder) as writers:
        for number, (size, random) in enumerate(zip(sizes, np.random.SeedSequence(seed).spawn(territories), strict=True)):
            tables = tables_of(np.random.default_rng(random), size, territory=number, first_lead=done, explore=explore)
            for name, table in tables.items():
                writers.write(name, table)
                rows[name] += table.num_rows
            conversions += pc.sum(pc.equal(tables["outcomes"]["kind"], "won")).as_py() or 0
            done += size
            on_progress(done, leads)
    until = np.datetime64(WORLD_START + SPAN_DAYS * DAY, "us").astype("datetime64[s]")
    decisions = "decisions     = \"SELECT * FROM 'decisions.parquet'\"\n" if explore else ""
    toml = _TOML.format(decisions=decisions, leads=leads, seed=seed, until=f"{until}Z", horizon=HORIZON, ages=list(AGES))
    (folder / "tamiz.toml").write_text(toml, encoding="utf-8")
    return rows, conversions


class _Writers:
    """One Parquet file a table, opened at its first rows and appended to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> _Writers:
        return self

    def __exit__(self, *exc: object) -> None:
        for writer in self.open.values():
            writer.close()

    def write(self, name: str, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        if name not in self.open:
            self.open[name] = pq.ParquetWriter(self.folder / f"{name}.parquet", table.schema, compression="zstd")
        self.open[name].write_table(table, row_group_size=250_000)
