"""`tamiz policy`: the published qualification policy of this installation, read and changed from the command line.

What `serve` obeys from the next score on. Policies go in and out as JSON; only what is asked for goes to stdout.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import BadUsage

if TYPE_CHECKING:
    from data.store import PolicyRow, Store
    from models.qualification import Policy

__all__ = ["policy"]


class NothingPublished(BadUsage):
    """No policy has been published here, and no champion brings a default: `tamiz policy set FILE` publishes one."""


class UnreadablePolicy(BadUsage):
    """The file {path} cannot be read ({cause})."""


policy = typer.Typer(no_args_is_help=True, help="Show, set or roll back the published qualification policy.")


@policy.command("show")
def show() -> None:
    """Print the policy in force as JSON: the published one, or the champion's default.

    Example:
      tamiz policy show > policy.json
    """
    store = _store()
    row = store.policy()
    if row is not None:
        typer.echo(json.dumps(json.loads(row.json), indent=1))
        typer.echo(_line(row), err=True)
        return
    default = _default_of_champion(store)
    if default is None:
        raise NothingPublished
    typer.echo(json.dumps(json.loads(default.to_json()), indent=1))
    typer.echo("the champion's default; nothing has been published yet", err=True)


@policy.command("set")
def set_policy(
    file: Annotated[Path, typer.Argument(help="JSON as `policy show` prints it; - is stdin.", allow_dash=True)],
    note: Annotated[str, typer.Option("--note", help="Why, for whoever reads the history.")] = "",
    author: Annotated[str | None, typer.Option("--author", help="Who says so; default: the user of this shell.")] = None,
) -> None:
    """Publish a policy: the next score obeys.

    Example:
      tamiz policy set policy.json --note "Two more callers from Monday"
    """
    from models.qualification import Policy, diff

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadablePolicy(path=file, cause=getattr(error, "strerror", None) or error) from None
    wanted = Policy.read(text)
    store = _store()
    before = store.policy()
    from data.audit import whoever_is_here

    me = whoever_is_here()
    row = store.publish(wanted.to_json(), author=author or me, note=note, expected=before.version if before else None, actor=me)
    if before and row.version == before.version:
        typer.echo("nothing changed: nothing was published", err=True)
    against = Policy.read(before.json) if before else _default_of_champion(store)
    changes = diff(against, wanted) if against else []
    for change in changes:
        typer.echo(f"  {change['path']}: {change['before']} -> {change['after']}", err=True)
    if not before and against and not changes:
        typer.echo("the champion's default, which now also holds when another model is promoted", err=True)
    _say_in_force(row)


@policy.command("history")
def history() -> None:
    """List published versions, newest first.

    Example:
      tamiz policy history
    """
    rows = _store().policy_history()
    if not rows:
        typer.echo("nothing has been published yet", err=True)
    for row in rows:
        typer.echo(_line(row))


@policy.command("rollback")
def rollback(
    to: Annotated[int | None, typer.Option("--to", min=1, help="The version to publish again; default: the one before.")] = None,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    author: Annotated[str | None, typer.Option("--author", help="Who says so; default: the user of this shell.")] = None,
) -> None:
    """Publish an older version again, as a new version.

    Again goes one further back; --to names any version.

    Example:
      tamiz policy rollback --note "Too many calls"
      tamiz policy rollback --to 3
    """
    from models.qualification import Policy, diff

    store = _store()
    before = store.policy()
    from data.audit import whoever_is_here

    me = whoever_is_here()
    row = store.roll_back(to, author=author or me, note=note, expected=before.version if before else None, actor=me)
    if before and row.version == before.version:
        typer.echo(f"nothing changed: version {row.version} says the same already", err=True)
    for change in diff(Policy.read(before.json), Policy.read(row.json)) if before else []:
        typer.echo(f"  {change['path']}: {change['before']} -> {change['after']}", err=True)
    _say_in_force(row)


def _say_in_force(row: PolicyRow) -> None:
    typer.echo(f"version {row.version} is in force" + (f", with what version {row.restores} said" if row.restores else ""))


def _store() -> Store:
    from data.home import Home
    from data.store import Store

    home = Home.from_environment()
    return Store.open(home.root, home.database)


def _default_of_champion(store: Store) -> Policy | None:
    from data.home import Home
    from models.qualification import Policy

    bundles = Home.from_environment().bundles
    try:
        name = json.loads((bundles / "champion.json").read_text(encoding="utf-8"))["bundle"]
        return Policy.read((bundles / Path(name).name / "policy.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _line(row: PolicyRow) -> str:
    policy = json.loads(row.json)
    at = datetime.fromtimestamp(row.created_at / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{row.version}  {at}  MQL {policy['mql']['enter']:g}  SQL {policy['sql']['enter']:g}  {row.author}  {row.note}".rstrip()
