"""`tamiz serve`, `tamiz keys` and `tamiz openapi`: the service on a port, who may call it, and its contract.

In: arguments and the environment. Out: a service that stops cleanly on Ctrl-C, or one line that says why it did not
start: a port in use, a host beyond this machine without keys, a store of a newer version.
"""

from __future__ import annotations

import errno
import json
import re
import shlex
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import BadUsage

if TYPE_CHECKING:
    from data.store import ApiKey, Store
    from serving.settings import Settings

__all__ = ["keys", "openapi", "serve"]


MANY_FILES = 65_536


class PortInUse(BadUsage):
    """Port {port} on {host} is in use: stop what listens there, or choose another with --port."""


class CannotListen(BadUsage):
    """Cannot listen on {host}:{port} ({cause}): choose another --host or --port."""


class KeysNeeded(BadUsage):
    """Listening on {host} reaches beyond this machine, and no API key is in force:
    make one first with `tamiz keys create --scope score`."""


class DevIsLocal(BadUsage):
    """TAMIZ_AUTH=dev asks for no key and so stays on this machine:
    listen on 127.0.0.1, or set TAMIZ_AUTH=required instead of --host {host}."""


class UnreadableExpiry(BadUsage):
    """{value!r} is no expiry: give days such as 90d, or an instant in the future such as 2027-01-31 or 2027-01-31T12:00:00Z."""


class NoSuchKey(BadUsage):
    """No key in force has the prefix {prefix!r}: `tamiz keys list` shows them."""


class UnreadableGrace(BadUsage):
    """{value!r} is no time to go on: give days such as 7d or hours such as 12h; 0d ends the old key at once."""


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes that answer.")] = 1,
) -> None:
    """Serve scores and decisions over HTTP, with the console at /.

    Starts without a champion too: /readyz and scoring then say what to do. Ctrl-C ends it.

    Example:
      tamiz serve
      TAMIZ_AUTH=dev tamiz serve --port 8080
    """
    from data.store import Store
    from serving.settings import Settings

    settings = Settings.from_environment()
    store = Store.open(settings.home, settings.database)
    try:
        _may_listen(settings, host, store)
    finally:
        store.close()
    listener = _listen(host, port)
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        _run(listener, workers, lambda: _greet(where, settings))
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()


def openapi(
    salesforce: Annotated[bool, typer.Option("--salesforce", help="The part that Salesforce External Services can use.")] = False,
) -> None:
    """Print the contract of the API, as the service gives it at /openapi.json; nothing is started.

    Example:
      tamiz openapi > docs/openapi.json
      tamiz openapi --salesforce > docs/openapi-salesforce.json
    """
    from pathlib import Path

    from serving.app import create_app
    from serving.salesforce import for_salesforce
    from serving.settings import Settings

    document = for_salesforce() if salesforce else create_app(Settings(Path())).openapi()
    typer.echo(json.dumps(document, indent=1, ensure_ascii=False))


keys = typer.Typer(no_args_is_help=True, help="Create, list, rotate and revoke API keys.")


@keys.command("create")
def create(
    scope: Annotated[list[str], typer.Option("--scope", help="score, ingest, read, policy or admin; may be repeated.")],
    expires: Annotated[str | None, typer.Option("--expires", help="Days such as 90d, or an instant; default: never.")] = None,
    note: Annotated[str, typer.Option("--note", help="Whose it is.")] = "",
    rate: Annotated[int | None, typer.Option("--rate", min=1, help="Requests a minute; default: as many as come.")] = None,
) -> None:
    """Make a key and print it, once: only its SHA-256 is kept.

    Example:
      tamiz keys create --scope score --scope ingest --expires 365d --note "CRM"
    """
    from data.audit import whoever_is_here
    from serving.security import new_key

    key, stored = new_key(scope, note=note, expires_at=_expiry(expires), rate=rate)
    with _Opened() as store:
        store.add_key(stored, actor=whoever_is_here())
    typer.echo(key)
    typer.echo("Keep it now: it is not shown again.", err=True)


@keys.command("rotate")
def rotate(
    prefix: Annotated[str, typer.Argument(help="The part of the old key before the dot.")],
    grace: Annotated[str, typer.Option("--grace", help="How long the old key goes on: days or hours, such as 7d or 12h.")] = "7d",
    expires: Annotated[
        str | None, typer.Option("--expires", help="As with `create`; default: as long as the old key was made for.")
    ] = None,
) -> None:
    """Make a key that may do the same, print it once, and let the old one end after a time of grace.

    Example:
      tamiz keys rotate tmz_1a2b3c4d
      tamiz keys rotate tmz_1a2b3c4d --grace 12h --expires 365d
    """
    from data.audit import whoever_is_here
    from data.store import now
    from serving.security import new_key

    prefix, ends_at = prefix.partition(".")[0], now() + _grace(grace)
    with _Opened() as store:
        old = next(filter(lambda one: one.prefix == prefix, store.keys()), None)
        if old is None:
            raise NoSuchKey(prefix=prefix)
        lasts = None if old.expires_at is None else now() + old.expires_at - old.created_at
        key, stored = new_key(
            sorted(old.scopes), note=old.note, expires_at=_expiry(expires) if expires else lasts, rate=old.rate, replaces=prefix
        )
        if not store.replace_key(prefix, stored, ends_at=ends_at, actor=whoever_is_here()):
            raise NoSuchKey(prefix=prefix)
    typer.echo(key)
    typer.echo(f"Keep it now: it is not shown again. {prefix} ends {_when(min(ends_at, old.expires_at or ends_at))}.", err=True)


@keys.command("list")
def list_keys(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every key with its scopes and state; never its secret.

    Example:
      tamiz keys list
    """
    with _Opened() as store:
        found = store.keys()
    if as_json:
        typer.echo(json.dumps([_described(key) for key in found], indent=1))
        return
    if not found:
        typer.echo("No keys yet: `tamiz keys create --scope score` makes one.", err=True)
    for key in found:
        described = _described(key)
        typer.echo(
            "  ".join(
                f"{described[name] or '-':<20}" for name in ("prefix", "state", "scopes", "rate", "expires_at", "last_used_at", "note")
            ).rstrip()
        )


@keys.command("revoke")
def revoke(prefix: Annotated[str, typer.Argument(help="The part of the key before the dot.")]) -> None:
    """End a key at once: the next call with it is a 401.

    Example:
      tamiz keys revoke tmz_1a2b3c4d
    """
    from data.audit import whoever_is_here

    prefix = prefix.partition(".")[0]
    with _Opened() as store:
        if not store.revoke_key(prefix, actor=whoever_is_here()):
            raise NoSuchKey(prefix=prefix)
    typer.echo(f"{prefix} is revoked", err=True)


def _may_listen(settings: Settings, host: str, store: Store) -> None:
    from data.store import now
    from serving.security import is_loopback

    if is_loopback(host):
        return
    if settings.auth == "dev":
        raise DevIsLocal(host=host)
    made = store.keys()
    if not any(key.revoked_at is None and (key.expires_at is None or key.expires_at > now()) for key in made):
        raise KeysNeeded(host=host)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise CannotListen(host=host, port=port, cause=error.strerror) from None
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
        listener.set_inheritable(True)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host=host, port=port) from None
        raise CannotListen(host=host, port=port, cause=error.strerror) from None
    return listener


def _run(listener: socket.socket, workers: int, greet: Callable[[], None]) -> None:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from serving.connections import Connection

    _take_many_connections()
    config = uvicorn.Config(
        "serving.app:from_environment",
        factory=True,
        workers=workers,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    if workers > 1:
        greet()
        Multiprocess(config, sockets=[listener]).run()
        return
    start = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await start(sockets=sockets)
        if server.started:
            greet()

    server.startup = startup  # type: ignore[method-assign]  # uvicorn offers no other moment between listening and serving
    server.run(sockets=[listener])
    if not server.started:
        raise typer.Exit(3)


def _take_many_connections() -> None:
    """As many open files as this process may have: a connection is one, and a usual limit of 1,024 is soon reached."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, MANY_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _greet(where: str, settings: Settings) -> None:
    """What to open and what to paste."""
    from serving.examples import lead_to_try

    key = "" if settings.auth == "dev" else ' -H "Authorization: Bearer $KEY"'
    body = shlex.quote(json.dumps({"lead": lead_to_try(settings.home / "bundles")}, ensure_ascii=False))
    typer.echo(f"Tamiz serves {settings.home}", err=True)
    typer.echo(f"  open   {where}/", err=True)
    typer.echo(f"  try    curl -s {where}/v1/score{key} -H 'Content-Type: application/json' -d {body}", err=True)
    typer.echo("  stop   Ctrl-C", err=True)


class _Opened:
    """The store of this environment's home, closed at the end."""

    def __enter__(self) -> Store:
        from data.home import Home
        from data.store import Store

        home = Home.from_environment()
        self._store = Store.open(home.root, home.database)
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _expiry(text: str | None) -> int | None:
    if text is None:
        return None
    from serving.schemas import microseconds

    days = re.fullmatch(r"(\d{1,5})d", text.strip())
    try:
        at = datetime.now(UTC) + timedelta(days=int(days[1])) if days else datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableExpiry(value=text) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at <= datetime.now(UTC):
        raise UnreadableExpiry(value=text)
    return microseconds(at)


def _grace(text: str) -> int:
    """Microseconds."""
    told = re.fullmatch(r"(\d{1,4})([dh])", text.strip())
    if told is None:
        raise UnreadableGrace(value=text)
    return int(told[1]) * {"d": 86_400_000_000, "h": 3_600_000_000}[told[2]]


def _described(key: ApiKey) -> dict[str, str]:
    from data.store import now

    over = key.expires_at is not None and key.expires_at <= now()
    state = "revoked" if key.revoked_at is not None else "expired" if over else "in force"
    return {
        "prefix": key.prefix,
        "state": state,
        "scopes": " ".join(sorted(key.scopes)),
        "rate": "" if key.rate is None else f"{key.rate} a minute",
        "replaces": key.replaces or "",
        "expires_at": _when(key.expires_at) or "never",
        "created_at": _when(key.created_at),
        "last_used_at": _when(key.last_used_at) or "never used",
        "note": key.note,
    }


def _when(at: int | None) -> str:
    from serving.schemas import instant

    return "" if at is None else instant(at).strftime("%Y-%m-%dT%H:%M:%SZ")
