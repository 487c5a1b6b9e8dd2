"""`tamiz signals`: the catalogue of signals, and which of them a customer's own data will feed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import BadUsage

if TYPE_CHECKING:
    from features.signal import Family

__all__ = ["signals"]


class UnknownFamily(BadUsage):
    """There is no family of signals called {name}: the families are {known}."""


signals = typer.Typer(
    invoke_without_command=True,
    help="List every signal, or check which ones your data feed.\n\n"
    "`tamiz signals` alone prints, of each signal, its family, unit, window and fill, what it reads, and the sentence that sales reads.",
    epilog="\b\nExample:\n  tamiz signals --family intent\n  tamiz signals check tamiz.toml",
)


@signals.callback()
def catalogue(
    context: typer.Context,
    family: Annotated[
        str | None, typer.Option("--family", help="Only fit, budget, authority, need, timeline, engagement or intent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array instead of a table.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/signals.md instead of a table.")] = False,
) -> None:
    """Print the catalogue, unless another command was called."""
    if context.invoked_subcommand is not None:
        if family or as_json or markdown:
            raise BadUsage(f"options of the catalogue do not apply to `tamiz signals {context.invoked_subcommand}`: write them after it")
        return
    if as_json and markdown:
        raise BadUsage("--json and --markdown are two ways to print the catalogue: choose one")
    from features import catalogue_table

    shown = catalogue_table.entries(_family(family))
    if as_json:
        typer.echo(json.dumps(catalogue_table.as_json(shown), indent=1, ensure_ascii=False))
    elif markdown:
        typer.echo(catalogue_table.as_markdown(shown), nl=False)
    else:
        typer.echo(catalogue_table.as_text(shown))


@signals.command("check")
def check(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's TOML file.")] = Path("tamiz.toml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a page.")] = False,
) -> None:
    """Tell which signals the data of a project feed, and what would feed the others.

    Also: columns that are taken as they are or are undated, activity types, pages and answers that no signal knows.

    Example:
      tamiz signals check tamiz.toml
    """
    from dataclasses import asdict

    from data.project import load_project
    from data.sources import load_tables
    from features import feeding, feeding_text

    read = load_project(project)
    tables = load_tables(read, progress=lambda said: typer.echo(said, err=True))
    for notice in tables.notices:
        typer.echo(notice, err=True)
    if len(tables.quarantine):
        typer.echo(f"{len(tables.quarantine):,} rows cannot be used and were left out, as training would", err=True)
    found = feeding.check(read, tables)
    typer.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False) if as_json else feeding_text.as_text(found))


def _family(name: str | None) -> Family | None:
    from features.signal import FAMILIES

    if name is None:
        return None
    known = next((one for one in FAMILIES if one == name.strip().lower()), None)
    if known is None:
        raise UnknownFamily(name=name, known=", ".join(FAMILIES))
    return known
