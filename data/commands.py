"""The commands of `data/`: a simulated CRM, the settings in force, the database of this installation and its audit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["audit", "config", "db", "simulate"]

db = typer.Typer(help="Create, upgrade, back up or prune the database of this installation.")


def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the tables and a ready tamiz.toml to.")],
    leads: Annotated[int, typer.Option("--leads", min=1, help="How many leads.")] = 5000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same world.")] = 7,
    explore: Annotated[
        float,
        typer.Option("--explore", metavar="SHARE", help="Share of new leads that sales works by lot; decisions are then written down."),
    ] = 0.0,
) -> None:
    """Write a simulated B2B CRM with planted truth, as Parquet files.

    Example:
      tamiz simulate --out crm --leads 5000 --seed 7
      tamiz train --project crm/tamiz.toml
      tamiz simulate --out tried --explore 0.5
    """
    from data import synthetic

    said = synthetic.simulate(out, leads=leads, seed=seed, explore=explore, on_progress=_bar if sys.stderr.isatty() else _sparse_lines)
    typer.echo(f"{leads:,} leads, {said.rows['activities']:,} activities, {said.conversions:,} conversions", err=True)
    typer.echo(str(out))


def _bar(done: int, total: int) -> None:
    filled = 30 * done // total
    sys.stderr.write(f"\rsimulating [{'#' * filled}{'.' * (30 - filled)}] {done:,} of {total:,} leads" + ("\n" if done == total else ""))
    sys.stderr.flush()


def _sparse_lines(done: int, total: int) -> None:
    """In a log: a line each time another quarter is done, and none for what ends at once."""
    if done < total and 4 * done // total > 4 * max(done - 10_000, 0) // total:
        typer.echo(f"simulated {done:,} of {total:,} leads", err=True)


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Print every setting in force and where its value came from.

    The environment comes before the [settings] table of tamiz.toml in the current folder, which comes before the defaults.
    Passwords inside addresses are masked.

    Example:
      tamiz config
      TAMIZ_HOME=/srv/tamiz tamiz config --json
    """
    from data.home import Home, resolve_all, unknown_settings

    found = resolve_all()
    home = Home.from_environment().root
    values = [(each.setting.key, str(home) if each.setting.key == "home" else each.shown, each.origin) for each in found]
    if as_json:
        typer.echo(json.dumps({key: {"value": value, "origin": origin} for key, value, origin in values}, indent=2, ensure_ascii=False))
    else:
        wide = max(len(value) for _, value, _ in values)
        for (key, value, origin), each in zip(values, found, strict=True):
            typer.echo(f"{key:13} {value or '-':{wide}}  {origin}\n{'':13} {each.setting.meaning}")
    for name in unknown_settings():
        typer.echo(f"warning: {name} is set but is not a setting of Tamiz: is it misspelt?", err=True)


def audit(
    action: Annotated[
        list[str] | None, typer.Option("--action", help="key, policy, model, ledger, or one such as key.revoked; repeatable.")
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="A key's prefix, or a version of a policy or model.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List who changed policy, keys and models, newest first.

    Example:
      tamiz audit
      tamiz audit --action key --limit 10 --json
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from data.audit import entries
    from data.home import Home
    from data.store import Store

    home = Home.from_environment()
    store = Store.open(home.root, home.database)
    try:
        found = entries(store, limit=limit, actions=action or (), subject=subject)
    finally:
        store.close()
    for one in found:
        at = datetime.fromtimestamp(one.at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if as_json:
            typer.echo(json.dumps(asdict(one) | {"at": at}, ensure_ascii=False))
            continue
        told = "  ".join(f"{name}={value}" for name, value in one.detail.items() if value not in ("", []))
        typer.echo(f"{at}  {one.actor:<14}  {one.action:<18}  {one.subject}  {told}".rstrip())
    if not found:
        typer.echo("Nothing was changed yet.", err=True)


@db.command("upgrade")
def upgrade() -> None:
    """Bring tamiz.db to the schema of this version, creating it if there is none.

    `tamiz serve` does the same when it starts. Nothing is lost, and an up-to-date database is left alone.

    Example:
      tamiz db upgrade
    """
    from data.home import Home
    from data.store import Store

    home = Home.from_environment()
    store = Store.open(home.root, home.database, migrate=False)
    try:
        before = store.migrate()
        typer.echo(f"{store.place}: " + (f"schema {store.schema_version()}, from {before}" if before else "up to date"))
    finally:
        store.close()


@db.command("backup")
def backup(
    to: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced once the new one is complete.")],
) -> None:
    """Copy tamiz.db, of one instant, while the service goes on.

    To restore it: stop the service, remove tamiz.db-wal and tamiz.db-shm, put the copy in the place of tamiz.db, start again.

    Example:
      tamiz db backup backups/tamiz-monday.db
    """
    from data.backup import back_up
    from data.home import Home
    from data.store import Store

    home = Home.from_environment()
    store = Store.open(home.root, home.database, migrate=False)
    try:
        size = back_up(store, to)
    finally:
        store.close()
    typer.echo(f"{to}: {size:,} bytes", err=True)


@db.command("prune")
def prune_old(
    older_than: Annotated[int, typer.Option("--older-than", min=30, metavar="DAYS", help="What is older may go.")] = 730,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only what would go is said.")] = False,
) -> None:
    """Let go of what old decisions were made from, and of bundles that nothing names any more.

    Of a decision that a newer one on the same lead has followed, the input and the answer go: it cannot be replayed then, and no
    longer stands in the lead's history. What was decided on whom, when, by which model and policy, stays. Bundles go that serve no
    more and that no replay needs; `tamiz pull` brings them again.

    Example:
      tamiz db prune --older-than 365
      tamiz db prune --older-than 365 --yes
    """
    from data.audit import whoever_is_here
    from data.home import Home
    from data.retention import find_old, prune
    from data.store import Store, now

    home = Home.from_environment()
    store = Store.open(home.root, home.database, migrate=False)
    before = now() - older_than * 86_400_000_000
    try:
        if yes:
            done = prune(store, home.bundles, before, author=whoever_is_here(), progress=_thinned if sys.stderr.isatty() else None)
        else:
            done = find_old(store, home.bundles, before)
    finally:
        store.close()
    typer.echo(
        f"{'' if yes else 'would prune '}{done.decisions:,} decisions ({done.content / 1e6:,.1f} MB) and {len(done.bundles)} bundles"
        f"{' pruned' if yes else ': do it with --yes'}"
    )
    for folder in done.bundles:
        typer.echo(f"  {folder}")


def _thinned(done: int) -> None:
    sys.stderr.write(f"\rpruned {done:,} decisions")
    sys.stderr.flush()
