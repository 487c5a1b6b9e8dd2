"""The command line: composes each package's commands, importing a command's code only when it is called.

In: arguments. Out: the command's own output, and an exit code: 0 done, 1 a gate or check said no, 2 bad usage,
bad data or no champion, 3 a dependency or the disk failed, 130 interrupted. A failure is one line on stderr that
starts with `error:`; its traceback is shown only with `TAMIZ_DEBUG=1`.
"""

from __future__ import annotations

import inspect
import io
import os
import select
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from typer.core import TyperOption

__all__ = ["COMMANDS", "Command", "main"]


class Command(NamedTuple):
    """Where a command lives and what it does: `target` is a function or a Typer application, as `module:name`."""

    target: str
    help: str


COMMANDS = {
    "simulate": Command("data.commands:simulate", "Write a simulated B2B CRM with planted truth, as Parquet."),
    "train": Command("training.commands:train", "Train the three candidates, evaluate them, and write a report."),
    "compare": Command("training.commands:compare", "Judge champion and challenger on the same later rows."),
    "promote": Command("training.commands:promote", "Make a trained version the champion, if the gates say yes."),
    "rollback": Command("training.commands:rollback", "Make the previous champion the champion again."),
    "register": Command("training.commands:register", "Upload a bundle that MLflow did not take when it was trained."),
    "evaluate": Command("training.commands:evaluate", "Measure a model on rows that training never saw."),
    "backtest": Command("training.commands:backtest", "Walk forward: what each past month's model would have routed."),
    "score": Command("models.commands:score", "Score a file of leads: probability, grade, decision and reasons."),
    "explain": Command("models.commands:explain", "Explain one lead: decision, BANT evidence, what to ask, and why."),
    "signals": Command("features.commands:signals", "List every signal, or check which ones your data feed."),
    "features": Command("models.build_command:features", "Build the signals of a project of any size, as Parquet."),
    "policy": Command("models.commands:policy", "Show, set or roll back the published qualification policy."),
    "pull": Command("models.commands:pull", "Bring the champion from the registry to a local bundle folder."),
    "serve": Command("serving.commands:serve", "Serve scores and decisions over HTTP."),
    "worker": Command("serving.work_commands:worker", "Do the work that nobody waits for, beside the service."),
    "jobs": Command("serving.work_commands:jobs", "Score many leads again: create, follow and cancel jobs."),
    "webhooks": Command("serving.webhook_commands:webhooks", "Send decisions to others: register, test and replay."),
    "receivers": Command("serving.receiver_commands:receivers", "Take what other systems push: register, try out and retry."),
    "replay": Command("serving.replay_command:replay", "Compute a decision of the ledger again, and compare."),
    "monitor": Command("serving.monitor_command:monitor", "Look at drift, promises and work; exit 1 when amiss."),
    "keys": Command("serving.commands:keys", "Create, list, rotate and revoke API keys."),
    "audit": Command("data.commands:audit", "List who changed policy, keys and models."),
    "openapi": Command("serving.commands:openapi", "Print the contract of the API, as the service gives it."),
    "db": Command("data.commands:db", "Create or upgrade the database of this installation."),
    "config": Command("data.commands:config", "Print every setting in force and where it came from."),
    "demo": Command("serving.demo:demo", "Simulate, train, promote and serve, in one go."),
}

PACKAGES = ("data", "features", "models", "training", "serving")

_VALUE_NAMES = {"int": "N", "float": "X", "str": "TEXT", "Path": "PATH"}

INTERRUPTED = 130
PIPE_CLOSED = 141
"""128 plus the number of SIGINT and of SIGPIPE: what a shell reports for a program that a signal ended."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    # Threads of LightGBM and scikit-learn that spin while they wait make training several times slower on shared cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _find_our_packages_first()
    _speak_utf8()
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments) or ["--help"]))


def _run(arguments: list[str]) -> int:
    from data.errors import TamizError

    try:
        command = typer.main.get_command(_application(arguments))
        _name_values(command)
        with command.make_context("tamiz", arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        return done.exit_code
    except typer.TyperException as refused:
        return _explain_usage(refused)
    except TamizError as error:
        _show_traceback_if_asked()
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, EOFError, typer.Abort):
        return INTERRUPTED
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_has_gone():
            return PIPE_CLOSED
        _show_traceback_if_asked()
        return _fail(_one_line(error.strerror or error) + (f": {error.filename}" if error.filename else ""), 3)
    except ImportError as error:
        _show_traceback_if_asked()
        return _fail(f"{_one_line(error)}. Is the environment complete? Run `make env`.", 3)
    except Exception as error:  # noqa: BLE001 - the last resort: a traceback is never the message
        _show_traceback_if_asked()
        where = _one_line(f"{type(error).__name__}: {error}")
        return _fail(f"unexpected {where}. Run it again with TAMIZ_DEBUG=1 to see where, and please report it.", 3)
    return 0


def _application(arguments: list[str]) -> typer.Typer:
    """All commands by name, but only the one that is called with its code behind it: the listing stays quick."""
    application = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    application.callback()(_tamiz)
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        target = _load(command.target) if name == called else _placeholder
        if isinstance(target, typer.Typer):
            for inner in target.registered_commands:
                inner.help, inner.epilog = _help_of(inner.callback)
                inner.short_help = " ".join(inner.help.partition("\n\n")[0].split())  # whole: typer would cut it at 80 characters
            application.add_typer(target, name=name, help=target.info.help or command.help)
        else:
            text, examples = (command.help, None) if target is _placeholder else _help_of(target)
            application.command(name, help=text, epilog=examples, short_help=command.help)(target)
    return application


def _name_values(command: object) -> None:
    """Have help say N, TEXT or PATH where it would say <int range>, <str> or <path>."""
    for parameter in getattr(command, "params", ()):
        if isinstance(parameter, TyperOption) and parameter.metavar is None:
            parameter.metavar = _VALUE_NAMES.get(parameter.bare_type().removeprefix("list[").removesuffix("]"))
    for inner in getattr(command, "commands", {}).values():
        _name_values(inner)


def _tamiz(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and where the code is.")
    ] = False,
) -> None:
    """Score sales leads and decide which are qualified.

    Everything is kept under TAMIZ_HOME (default: ./var). `tamiz COMMAND --help` explains a command and shows an example.
    """


def _placeholder() -> None:
    """Stand in for a command that is listed but not called."""


def _load(target: str) -> Callable[..., object] | typer.Typer:
    module, name = target.split(":")
    found: Callable[..., object] | typer.Typer = getattr(import_module(module), name)
    return found


def _help_of(function: Callable[..., object] | None) -> tuple[str, str | None]:
    """Split a docstring at its example, which becomes the epilog and keeps its line breaks."""
    text, found, example = (inspect.getdoc(function) or "").partition("\nExample")
    return text.strip(), ("\b\nExample" + example.replace("\n\n", "\n\n\b\n")) if found else None


def _print_version(asked: bool) -> None:
    """Say which Tamiz this is, and from where its packages are read: the first thing to know about a strange error."""
    if asked:
        from importlib.metadata import version
        from importlib.util import find_spec

        typer.echo(f"tamiz {version('tamiz')} on Python {sys.version.split()[0]}")
        for package in PACKAGES:
            spec = find_spec(package)
            typer.echo(f"{package:9} {spec.origin if spec and spec.origin else 'not found'}")
        raise typer.Exit


def _explain_usage(refused: typer.TyperException) -> int:
    context = getattr(refused, "ctx", None)
    message = refused.format_message()
    if message.startswith("Usage:"):  # a group called without a command: its help is the answer
        typer.echo(message, err=True)
        return refused.exit_code
    hint = f" Try `{context.command_path} --help`." if context else ""
    return _fail(f"{_one_line(message).rstrip('.')}.{hint}", refused.exit_code)


def _fail(message: str, exit_code: int) -> int:
    typer.echo(f"error: {message}", err=True)
    return exit_code


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())


def _show_traceback_if_asked() -> None:
    if os.environ.get("TAMIZ_DEBUG") == "1":
        import traceback

        traceback.print_exc()


def _reader_has_gone() -> bool:
    """Whether it is our own output that nobody reads any more; if so, throw the rest away quietly."""
    for stream in (sys.stdout, sys.stderr):
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            return True
    return False


def _find_our_packages_first() -> None:
    """Put this file's folder before all others, so that no dependency's or current folder's `data` shadows ours."""
    ours = str(Path(__file__).resolve().parent)
    if sys.path[:1] != [ours]:
        sys.path.insert(0, ours)


def _speak_utf8() -> None:
    """Write UTF-8 whatever the locale says; a name that cannot be encoded is written as it was read."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


if __name__ == "__main__":
    main()
