"""`tamiz receivers`: what other systems may push, and how it is read, from the shell.

In: arguments and the environment. Out: what was asked on stdout; exit code 1 where a payload that was tried out cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import BadUsage, GateSaidNo

if TYPE_CHECKING:
    from data.hooks import Hooks

__all__ = ["receivers"]

receivers = typer.Typer(no_args_is_help=True, help="Take what other systems push: register, try out and retry.")
Which = Annotated[str, typer.Argument(help="As `create` printed it.")]
MappingFile = Annotated[Path | None, typer.Option("--mapping", help="A mapping as JSON; docs/api.md says how one is written.")]
Preset = Annotated[str | None, typer.Option("--preset", help="A mapping that is shipped: hubspot, odoo or salesforce.")]


class NoSuchReceiver(BadUsage):
    """There is no receiver {receiver_id!r}: `tamiz receivers list` shows them."""


class OneMapping(BadUsage):
    """Give either --mapping FILE or --preset NAME."""


class NotRead(GateSaidNo):
    """It cannot be read: {why}"""


@receivers.command("create")
def create(
    mapping: MappingFile = None, preset: Preset = None, note: Annotated[str, typer.Option("--note", help="Who pushes.")] = ""
) -> None:
    """Receive from another system; prints the receiver's id and, once, the path to push to.

    Example:
      tamiz receivers create --preset hubspot --note "marketing"
      tamiz receivers create --mapping forms.json
    """
    import getpass

    from serving.mapping import read_mapping
    from serving.receivers import new_receiver

    text = _text(mapping, preset)
    read_mapping(text)
    path, made = new_receiver(text, note=note, author=getpass.getuser())
    with _opened() as hooks:
        hooks.add(made)
    typer.echo(made.hook_id)
    typer.echo(path)
    typer.echo("Keep the path now: whoever knows it may push, and it is not shown again.", err=True)


@receivers.command("try")
def try_out(
    payload: Annotated[Path, typer.Argument(help="A file with what would be pushed.")], mapping: MappingFile = None, preset: Preset = None
) -> None:
    """Print what a mapping makes of a payload, and keep nothing.

    Example:
      tamiz receivers try --mapping forms.json payload.json
    """
    import msgspec

    from data.store import now
    from serving.mapping import payload_of, read_mapping, rows_of
    from serving.receivers import read

    found, body = read_mapping(_text(mapping, preset)), payload.read_bytes()
    problems = read(found, body, now()).problems
    for row in rows_of(found, payload_of(body)):
        if not isinstance(row, Exception):
            typer.echo(f"{row.kind:<12}  {msgspec.json.encode(row.values).decode()}")
    if problems:
        raise NotRead(why=" ".join(problems))


@receivers.command("list")
def list_receivers() -> None:
    """List every receiver with how much of what it took waits, was understood in the last week, and was not.

    Example:
      tamiz receivers list
    """
    with _opened() as hooks:
        found, counts = hooks.hooks(), hooks.counts()
    if not found:
        typer.echo("No receivers yet: `tamiz receivers create --preset hubspot` makes one.", err=True)
    for one in found:
        held = counts.get(one.hook_id, {})
        told = ", ".join(f"{held.get(state, 0):,} {state}" for state in ("waiting", "taken", "failed"))
        typer.echo(f"{one.hook_id}  {told}  {one.note}".rstrip())


@receivers.command("messages")
def messages(receiver_id: Which, failed: Annotated[bool, typer.Option("--failed", help="Only what could not be read.")] = False) -> None:
    """List the newest that a receiver took, with what kept it from being read.

    Example:
      tamiz receivers messages rc_0c1d2e3f4a5b6c7d --failed
    """
    from serving.schemas import instant

    with _opened() as hooks:
        found = hooks.received(receiver_id, "failed" if failed else None)
    for one in found:
        came = instant(one.received_at).strftime("%Y-%m-%dT%H:%M:%SZ")
        typer.echo(f"{came}  {one.state:<7}  {one.digest[:12]}  {one.error or ''}".rstrip())


@receivers.command("retry")
def retry(receiver_id: Which) -> None:
    """Have what could not be read tried again, by the mapping as it is now.

    Example:
      tamiz receivers retry rc_0c1d2e3f4a5b6c7d
    """
    with _opened() as hooks:
        if hooks.hook(receiver_id) is None:
            raise NoSuchReceiver(receiver_id=receiver_id)
        typer.echo(f"{hooks.retry(receiver_id):,} will be tried again")


@receivers.command("change")
def change(receiver_id: Which, mapping: MappingFile = None, preset: Preset = None) -> None:
    """Give a receiver another mapping; its path stays.

    Example:
      tamiz receivers change rc_0c1d2e3f4a5b6c7d --mapping forms.json
    """
    from serving.mapping import read_mapping

    text = _text(mapping, preset)
    read_mapping(text)
    with _opened() as hooks:
        found = hooks.hook(receiver_id)
        if found is None:
            raise NoSuchReceiver(receiver_id=receiver_id)
        hooks.change(receiver_id, mapping=text, note=found.note)


@receivers.command("revoke")
def revoke(receiver_id: Which) -> None:
    """Receive there no more; what came already is read all the same.

    Example:
      tamiz receivers revoke rc_0c1d2e3f4a5b6c7d
    """
    with _opened() as hooks:
        if not hooks.revoke(receiver_id):
            raise NoSuchReceiver(receiver_id=receiver_id)
    typer.echo(f"{receiver_id} is revoked", err=True)


def _text(mapping: Path | None, preset: str | None) -> str:
    from serving.mapping import preset as shipped

    if mapping is not None and preset is None:
        return mapping.read_text(encoding="utf-8")
    if preset is not None and mapping is None:
        return shipped(preset)
    raise OneMapping


@contextmanager
def _opened() -> Iterator[Hooks]:
    """The receivers of this environment's home."""
    from data.home import Home
    from data.hooks import Hooks
    from data.store import Store

    home = Home.from_environment()
    store = Store.open(home.root, home.database)
    try:
        yield Hooks(store)
    finally:
        store.close()
