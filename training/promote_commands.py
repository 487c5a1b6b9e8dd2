"""`tamiz promote` and `tamiz rollback`: which version serves, decided by gates that show their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.gates import Decision

__all__ = ["promote", "rollback"]


def promote(
    model: Annotated[str, typer.Option("--model", help="challenger, a version number, or a bundle's folder.")] = "challenger",
    why: Annotated[str, typer.Option("--why", help="Overrule a HOLD; the reason is kept on the version.")] = "",
) -> None:
    """Make a trained version the champion, if the gates say yes; the service follows by itself.

    Exit code 1: HOLD. A model without signal is never promoted.

    Example:
      tamiz promote
      tamiz promote --model 7 --why "the drift is the new campaign, we know"
    """
    from data.home import Home
    from training import promote as steps

    done = steps.promote(Home.from_environment(), model, why=why, say=_tell, show=show_gates)
    if not done.decision.promote:
        typer.echo(f"overruled, because: {done.why}")
    replaced = f" (was version {done.replaced})" if done.replaced else ""
    typer.echo(f"champion is now version {done.version}{replaced}, in {done.folder}")


def rollback(
    why: Annotated[str, typer.Option("--why", help="Kept on the version that is left.")] = "",
) -> None:
    """Make the previous champion the champion again; the service follows by itself.

    Example:
      tamiz rollback --why "too many false alarms in Portugal"
    """
    from data.home import Home
    from training import promote as steps

    now, left, folder = steps.rollback(Home.from_environment(), why=why, say=_tell)
    typer.echo(f"champion is version {now} again (left version {left}), in {folder}")


def show_gates(decision: Decision) -> None:
    """The gates as a table, then the verdict."""
    width = max(len(gate.name) for gate in decision.gates)
    for gate in decision.gates:
        typer.echo(f"{gate.verdict:4}  {gate.name:{width}}  {gate.figures}")
    typer.echo(decision.word)


def _tell(text: str) -> None:
    typer.echo(text, err=True)
