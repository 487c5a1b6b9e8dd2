"""`tamiz features build`: the signals of a project of any size, as Parquet."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import BadUsage

if TYPE_CHECKING:
    from models.build import Built

__all__ = ["features"]

features = typer.Typer(help="Build the signals of a project of any size, as Parquet.")

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


@features.callback()
def _group() -> None:
    """Keep `build` a command of its own: there will be others."""


@features.command("build")
def build(
    out: Annotated[Path, typer.Option("--out", help="Folder for the Parquet files, one a part, and their manifest.")],
    project: Annotated[Path, typer.Option("--project", help="The project's TOML file.")] = Path("tamiz.toml"),
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="TIME", help="Look at every lead at this instant; default: the project's observations."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Draws the instants of observations, as in training.")] = 0,
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="What all processes may take, such as 800MB or 4GiB.")] = "1GiB",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes of this machine.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, or `local` for a Dask cluster of --workers here."),
    ] = None,
) -> None:
    """Compute every signal of every observation, in parts of whole accounts and in bounded memory.

    Each part is a Parquet file, sorted by lead and instant: lead_id, as_of, what the observation is (y, age_days, …) and a column an
    input, null where not known. The figures are those of training, to the last bit. Activities in a Parquet file that keeps each account
    together are read in place; others are spilled into buckets under --out once. Killed, the same command goes on where it stopped;
    finished parts are checked by their digests. When an input changed, it starts again and says so. On a Dask cluster every worker
    must see the data and --out under the same paths.

    Example:
      tamiz features build --project tamiz.toml --out features --workers 2
      tamiz features build --project tamiz.toml --out features --as-of 2026-06-30 --scheduler tcp://10.0.0.5:8786 --memory 8GiB
    """
    from data.project import load_project
    from models.build import build as built

    found = built(
        load_project(project),
        out.absolute(),
        as_of=None if as_of is None else _instant(as_of),
        seed=seed,
        memory=_bytes(memory),
        workers=workers,
        scheduler=scheduler,
        now=datetime.now(UTC),
        say=lambda said: typer.echo(said, err=True),
        progress=_bar if sys.stderr.isatty() else _lines,
    )
    _tell(found)


def _tell(found: Built) -> None:
    for notice in found.notices:
        typer.echo(f"  {notice}", err=True)
    for reason, count in found.dropped.items():
        if count:
            typer.echo(f"  {count:,} looks left out: {reason.replace('_', ' ')}", err=True)
    if len(found.quarantine):
        from data.home import Home
        from data.quarantine import write_quarantine

        path = write_quarantine(Home.from_environment().root, f"features-{found.folder.name}", found.quarantine)
        typer.echo(f"  {len(found.quarantine):,} rows were put aside: {path}", err=True)
    how = {"in place": "read in place", "spilled": "clustered by spilling", "no activities": "no activities"}[found.clustered]
    kept = f", {found.reused:,} of them kept from before" if found.reused else ""
    typer.echo(
        f"{found.rows:,} observations of {found.leads:,} leads, {found.activities:,} activities ({how}), {found.parts:,} parts{kept}",
        err=True,
    )
    typer.echo(str(found.folder))


def _instant(text: str) -> int:
    from features.history import instant

    try:
        return instant(datetime.fromisoformat(text))
    except ValueError:
        raise BadUsage(f"--as-of {text} is no time: write it like 2026-06-30 or 2026-06-30T09:00:00Z") from None


def _bytes(text: str) -> int:
    """A size as bytes.

    >>> _bytes("1.5 GB"), _bytes("64MiB")
    (1500000000, 67108864)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?B)\s*", text, re.IGNORECASE)
    if found is None:
        raise BadUsage(f"--memory {text} is no size: write it like 800MB or 4GiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _bar(done: int, total: int) -> None:
    filled = 30 * done // max(total, 1)
    sys.stderr.write(f"\rsignals [{'#' * filled}{'.' * (30 - filled)}] {done:,} of {total:,} parts" + ("\n" if done == total else ""))
    sys.stderr.flush()


def _lines(done: int, total: int) -> None:
    """In a log: a line each time another tenth is done."""
    if done and 10 * done // total > 10 * (done - 1) // total:
        typer.echo(f"signals: {done:,} of {total:,} parts", err=True)
