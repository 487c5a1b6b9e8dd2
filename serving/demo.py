"""`tamiz demo`: everything in one go, as a new user would do it by hand — simulate, train, promote, keep leads, follow, serve.

In: nothing but a folder (TAMIZ_HOME). Out: a service on this machine that scores with a model trained a minute before, with leads in
its store. Each step but the leads is a command of its own in a process of its own; what an earlier run left is used again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from data.errors import BadUsage

__all__ = ["demo"]

_STOP_SECONDS = 10.0


class PortTaken(BadUsage):
    """Port {port} on 127.0.0.1 is in use: stop what listens there, or choose another with `tamiz demo --port`."""


def demo(
    leads: Annotated[int, typer.Option("--leads", min=500, help="How many leads the simulated CRM holds.")] = 5000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same world.")] = 7,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")] = 8000,
) -> None:
    """Simulate a CRM, train and promote a model on it, and serve it with its newest leads, on this machine without keys.

    What an earlier run left under TAMIZ_HOME is used again. Ctrl-C ends all of it.

    Example:
      tamiz demo
      TAMIZ_HOME=/srv/try tamiz demo --leads 20000 --port 8080
    """
    from data.home import Home

    for ending in (signal.SIGTERM, signal.SIGHUP):  # end like Ctrl-C does, so that no child is left behind
        signal.signal(ending, _stop)
    _refuse_taken(port)  # before the minutes of training, not after
    home = Home.from_environment()
    home.create()
    crm = home.root / "demo"
    if not (crm / "tamiz.toml").exists():
        _step("1/4 a simulated CRM", "simulate", "--out", str(crm), "--leads", str(leads), "--seed", str(seed))
    if not (home.bundles / "champion.json").exists():
        code = _step("2/4 a model trained on it", "train", "--project", str(crm / "tamiz.toml"), "--promote", may_say_no=True)
        if code:  # a demonstration shows the gates and then goes on; an installation would not
            _step("2/4 promoted all the same", "promote", "--why", "tamiz demo: the gates said HOLD, see the report")
    _keep_leads(crm)
    request = _example_request(home.root)
    typer.echo("-> 4/4 the service", err=True)
    following = subprocess.Popen(_command("pull", "--watch"), env=_environment(), stderr=subprocess.DEVNULL)
    try:
        serving = subprocess.Popen(_command("serve", "--port", str(port)), env=_environment())
        try:
            typer.echo(
                f"  ask    curl -s http://127.0.0.1:{port}/v1/score -H 'Content-Type: application/json' -d @{request}\n"
                f"  report {_newest_report(home.reports)}",
                err=True,
            )
            code = serving.wait()
        finally:
            _end(serving)
    finally:
        _end(following)
    if code > 0:
        raise typer.Exit(code)


def _keep_leads(crm: Path) -> None:
    """The CRM's newest leads, for the pages to show; what the store has already is left as it is."""
    from data.demo_leads import keep_newest
    from data.store import Store, now
    from serving.settings import Settings

    settings = Settings.from_environment()
    store = Store.open(settings.home, settings.database)
    try:
        kept = keep_newest(crm, store, now())
    finally:
        store.close()
    if kept:
        typer.echo(f"-> 3/4 {kept:,} of its leads in the store, as if it ended today: they are scored within a minute", err=True)


def _step(title: str, *words: str, may_say_no: bool = False) -> int:
    """Runs a command and ends the demo when it fails; exit code 1 (a gate said no) is the caller's where it asks for it."""
    typer.echo(f"-> {title}: tamiz {' '.join(words)}", err=True)
    code = subprocess.run(_command(*words), env=_environment(), check=False).returncode
    if code and not (may_say_no and code == 1):
        raise typer.Exit(code)
    return code


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tamiz", *words]


def _environment() -> dict[str, str]:
    return {**os.environ, "TAMIZ_AUTH": "dev"}


def _example_request(root: Path) -> Path:
    """A lead with what it did, as a file to send."""
    from serving.examples import LEAD

    path = root / "demo" / "score_request.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(LEAD, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _newest_report(reports: Path) -> str:
    found = sorted(reports.glob("*/report.html"), key=lambda path: path.stat().st_mtime)
    return str(found[-1]) if found else "none yet"


def _refuse_taken(port: int) -> None:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(port=port) from error


def _stop(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C reaches the whole group by itself; this is for every other way to end."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()
