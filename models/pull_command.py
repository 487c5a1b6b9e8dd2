"""`tamiz pull`: the champion in the registry becomes the bundle folder that the service loads.

In: an alias in MLflow; out: a verified folder under `bundles/` and `champion.json` pointing at it. With `--watch` it
stays and follows the alias, shows the challenger to the service (`challenger.json`), and carries out the promotions and rollbacks that
somebody asked for there; a failure keeps what is there and is said once, and Ctrl-C ends it between two looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import TamizError

if TYPE_CHECKING:
    from pathlib import Path

    from models.promotions import Requests
    from models.registry import Registry

__all__ = ["follow", "pull"]


def pull(
    watch: Annotated[bool, typer.Option("--watch", help="Stay, follow the champion, and carry out what the console asks for.")] = False,
    interval: Annotated[float, typer.Option("--interval", min=0.2, help="Seconds between two looks with --watch.")] = 5.0,
) -> None:
    """Download the champion into a local bundle folder, where `tamiz serve` picks it up.

    Nothing moves before every file's SHA-256 is verified. Exit code 2: there is no champion; 3: MLflow is unreachable.

    Example:
      tamiz pull
      tamiz pull --watch --interval 10
    """
    from data.home import Home
    from models.promotions import Requests
    from models.registry import Registry

    home = Home.from_environment()
    registry = Registry(home, say=_tell)
    if not watch:
        typer.echo(str(registry.pull()))
        return
    _tell(f"following the champion, looking every {interval:g} s; Ctrl-C ends this")
    try:
        follow(registry, Requests(home), say=_tell, rest=lambda: time.sleep(interval))
    except KeyboardInterrupt:
        _tell("stopped; the last champion stays")


def follow(registry: Registry, requests: Requests, *, say: Callable[[str], None], rest: Callable[[], None]) -> None:
    """Do what was asked for, look, pull what is new, rest, for ever. The same state is said only once."""
    said: dict[str, str] = {}
    steps: dict[str, Callable[[], str]] = {
        "requests": requests.carry_out,
        "challenger": lambda: _named("challenger", registry.show_challenger()),
        "champion": lambda: _named("champion", registry.pull_if_new()),
    }
    while True:
        for name, step in steps.items():
            try:
                message = step()
            except (TamizError, OSError) as problem:
                message = f"{problem} The last champion stays; trying again."
            if message and message not in said.values():
                say(message)
            said[name] = message or said.get(name, "")
        rest()


def _named(alias: str, fresh: Path | None) -> str:
    return f"{alias} is {fresh.name}" if fresh else ""


def _tell(text: str) -> None:
    typer.echo(text, err=True)
