"""`tamiz promote`, `tamiz rollback` and `tamiz register`: which version serves, decided by gates that show their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.compare_commands import show_gates, source_of

__all__ = ["promote", "register", "rollback"]


def promote(
    model: Annotated[str, typer.Option("--model", help="challenger, a version number, or a bundle's folder.")] = "challenger",
    why: Annotated[str, typer.Option("--why", help="Overrule a HOLD; the reason is kept on the version.")] = "",
    accept_mapping: Annotated[
        bool, typer.Option("--accept-mapping", help="Publish the thresholds that keep today's volumes under the new model.")
    ] = False,
    project: Annotated[
        Path | None, typer.Option("--project", metavar="FILE", help="Compare anew on these event tables: a tamiz.toml.", dir_okay=False)
    ] = None,
    leads: Annotated[Path | None, typer.Option("--leads", metavar="FILE", help="Compare anew on this flat table with the label.")] = None,
) -> None:
    """Make a trained version the champion, if the gates say yes; the service follows by itself.

    What `tamiz compare` found is applied; without it, both models' test rows are compared. No threshold moves unless
    --accept-mapping says so. Exit code 1: HOLD. A model without signal is never promoted.

    Example:
      tamiz promote
      tamiz promote --accept-mapping
      tamiz promote --model 7 --why "the drift is the new campaign, we know"
    """
    from data.home import Home
    from training import promote as steps

    source = source_of(project, leads) if project or leads else None
    home = Home.from_environment()
    done = steps.promote(home, model, why=why, source=source, accept_mapping=accept_mapping, say=_tell, show=show_gates)
    if not done.decision.promote:
        typer.echo(f"overruled, because: {done.why}")
    if done.policy:
        typer.echo(done.policy)
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

    home = Home.from_environment()
    now, left, folder = steps.rollback(home, why=why, say=_tell)
    typer.echo(f"champion is version {now} again (left version {left}), in {folder}")
    if steps.mapped_for(home, left):
        typer.echo(f"the policy in force was mapped for version {left}: `tamiz policy rollback` brings the thresholds before it back")


def register(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder, as `tamiz train` left it.", metavar="FOLDER", file_okay=False)],
) -> None:
    """Upload a bundle that MLflow did not take when it was trained, and make it the challenger.

    A bundle that is registered already keeps its version.

    Example:
      tamiz register var/bundles/20261123-150428-56757748-a1b2
    """
    from data.home import Home
    from models.registry import CHALLENGER, CHAMPION, NoSuchModel, Registry
    from training.mlflow_log import upload

    if not (bundle / "manifest.json").is_file():
        raise NoSuchModel(model=str(bundle))
    registry = Registry(Home.from_environment(), say=_tell)
    version = registry.find_version(bundle)
    if version is not None:
        typer.echo(f"this bundle is registered already: version {version}")
    else:
        uploaded = upload(registry, bundle)
        version, bundle = uploaded.version, uploaded.folder
    if registry.get_alias(CHAMPION) != version:
        registry.set_alias(CHALLENGER, version)
        typer.echo(f"challenger is version {version}, in {bundle}")


def _tell(text: str) -> None:
    typer.echo(text, err=True)
