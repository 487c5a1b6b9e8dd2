"""`tamiz webhooks`: the endpoints that decisions are sent to, from the shell.

In: arguments and the environment. Out: what was asked on stdout, as plain lines; exit code 1 where a test was not answered well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import BadUsage, GateSaidNo

if TYPE_CHECKING:
    from data.outbox import Endpoint, Outbox

__all__ = ["webhooks"]

webhooks = typer.Typer(no_args_is_help=True, help="Send decisions to others: register, test and replay.")
Which = Annotated[str, typer.Argument(help="As `create` printed it.")]


class NoSuchWebhook(BadUsage):
    """There is no webhook {webhook_id!r}: `tamiz webhooks list` shows them."""


class NotDelivered(GateSaidNo):
    """{url} did not take it: {why}."""


@webhooks.command("create")
def create(
    url: Annotated[str, typer.Argument(help="An https address; others only where TAMIZ_WEBHOOK_ALLOW names the host.")],
    decision: Annotated[list[str] | None, typer.Option("--decision", help="Only to or from this decision; may be repeated.")] = None,
    min_grade: Annotated[str | None, typer.Option("--min-grade", help="Only leads with this grade or a better one.")] = None,
    note: Annotated[str, typer.Option("--note", help="Whose it is.")] = "",
) -> None:
    """Send decisions that change to an address, from now on; prints its id and, once, the secret that verifies them.

    Example:
      tamiz webhooks create https://crm.ejemplo.example/tamiz --decision mql --decision sql
    """
    import getpass

    import msgspec

    from data.outbox import Filters
    from serving.delivery import new_endpoint
    from serving.schemas import decode
    from serving.settings import Settings
    from serving.work_schemas import WebhookRequest

    asked = {"url": url, "decision": decision or [], "min_grade": min_grade, "note": note}
    wanted = decode(msgspec.json.Decoder(WebhookRequest), msgspec.json.encode(asked))
    filters = Filters(tuple(wanted.decision), wanted.min_grade)
    made = new_endpoint(url, filters, note=note, author=getpass.getuser(), allow=Settings.from_environment().webhook_allow)
    with _opened() as outbox:
        outbox.add(made)
    typer.echo(made.endpoint_id)
    typer.echo(made.secret)
    typer.echo("Keep the secret now: it is not shown again.", err=True)


@webhooks.command("list")
def list_webhooks() -> None:
    """List every endpoint with how many messages wait, arrived in the last week, and were given up.

    Example:
      tamiz webhooks list
    """
    with _opened() as outbox:
        found, counts = outbox.endpoints(), outbox.counts()
    if not found:
        typer.echo("No webhooks yet: `tamiz webhooks create URL` makes one.", err=True)
    for one in found:
        held = counts.get(one.endpoint_id, {})
        told = ", ".join(f"{held.get(state, 0):,} {state}" for state in ("waiting", "delivered", "dead"))
        typer.echo(f"{one.endpoint_id}  {'off' if one.disabled_at else 'on '}  {told}  {one.url}  {one.note}".rstrip())


@webhooks.command("test")
def test(webhook_id: Which) -> None:
    """Send a signed message of type `test` at once, and say how it was answered.

    Example:
      tamiz webhooks test we_0c1d2e3f4a5b6c7d
    """
    import asyncio

    from serving.delivery import send_test
    from serving.settings import Settings

    with _opened() as outbox:
        endpoint = _known(outbox, webhook_id)
    reply = asyncio.run(send_test(endpoint, Settings.from_environment().webhook_allow))
    if not reply.good:
        raise NotDelivered(url=endpoint.url, why=reply.told.rstrip("."))
    typer.echo(f"answered {reply.status} after {reply.seconds:.2f} s")


@webhooks.command("messages")
def messages(
    webhook_id: Which,
    dead: Annotated[bool, typer.Option("--dead", help="Only those that were given up.")] = False,
) -> None:
    """List the newest messages to an endpoint with their last error.

    Example:
      tamiz webhooks messages we_0c1d2e3f4a5b6c7d --dead
    """
    from serving.schemas import instant

    with _opened() as outbox:
        _known(outbox, webhook_id)
        found = outbox.messages(webhook_id, "dead" if dead else None)
    for one in found:
        made = instant(one.created_at).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = f"{one.state:<9}  {one.attempts} tries  {one.message_id}  {one.lead_id}  {one.last_error or ''}"
        typer.echo(f"{made}  {told}".rstrip())


@webhooks.command("replay")
def replay(
    webhook_id: Which,
    message: Annotated[list[str] | None, typer.Option("--message", help="Only this message; may be repeated.")] = None,
) -> None:
    """Have messages that were given up tried again from the beginning.

    Example:
      tamiz webhooks replay we_0c1d2e3f4a5b6c7d
    """
    with _opened() as outbox:
        _known(outbox, webhook_id)
        typer.echo(f"{outbox.replay(webhook_id, message):,} messages will be tried again")


@webhooks.command("remove")
def remove(webhook_id: Which) -> None:
    """Send nothing there any more, and forget what was on its way.

    Example:
      tamiz webhooks remove we_0c1d2e3f4a5b6c7d
    """
    with _opened() as outbox:
        if not outbox.remove(webhook_id):
            raise NoSuchWebhook(webhook_id=webhook_id)
    typer.echo(f"{webhook_id} is removed", err=True)


def _known(outbox: Outbox, webhook_id: str) -> Endpoint:
    endpoint = outbox.endpoint(webhook_id)
    if endpoint is None:
        raise NoSuchWebhook(webhook_id=webhook_id)
    return endpoint


@contextmanager
def _opened() -> Iterator[Outbox]:
    """The outbox of this environment's home."""
    from data.home import Home
    from data.outbox import Outbox
    from data.store import Store

    home = Home.from_environment()
    store = Store.open(home.root, home.database)
    try:
        yield Outbox(store)
    finally:
        store.close()
