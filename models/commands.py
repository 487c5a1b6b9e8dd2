"""The commands of models: `score`, `explain`, `policy`, `pull`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.policy_commands import policy
from models.pull_command import pull

if TYPE_CHECKING:
    from data.home import Home
    from models.bundle import Bundle
    from models.qualification import Policy

__all__ = ["explain", "policy", "policy_in_force", "pull", "score"]

Activities = Annotated[Path | None, typer.Option("--activities", metavar="FILE", help="What the leads did: lead_id, occurred_at, type, …")]
LeadChanges = Annotated[
    Path | None,
    typer.Option("--lead-changes", metavar="FILE", help="What fields were, and since when: lead_id, field, value, changed_at."),
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="TIME", help="The instant at which to look; default now. UTC unless it says otherwise.")
]
Model = Annotated[str, typer.Option("--model", metavar="M", help="champion, challenger, a version number, or a bundle's folder.")]
IdColumn = Annotated[
    str | None, typer.Option("--id", metavar="COL", help="Column with the lead's id; default lead_id, else the row number.")
]


def score(
    leads: Annotated[
        Path, typer.Option("--leads", metavar="FILE", help="CSV, Parquet or JSON, one row a lead, with the columns that training saw.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="File ending in .csv, .parquet or .jsonl; - is stdout, as CSV.")],
    activities: Activities = None,
    lead_changes: LeadChanges = None,
    as_of: AsOf = None,
    model: Model = "champion",
    reasons: Annotated[int, typer.Option("--reasons", min=0, max=20, help="How many reasons a lead; 0 leaves them out.")] = 3,
    id_column: IdColumn = None,
) -> None:
    """Score a file of leads: probability with its interval, score, grade, decision and reasons, a row for each row.

    Decisions follow the published policy of this installation, or else the model's default, without history.

    Example:
      tamiz score --leads new.csv --out scored.csv
      tamiz score --leads leads.parquet --activities activities.parquet --as-of 2026-06-30 --out scored.jsonl
      tamiz score --leads leads.csv --activities activities.csv --lead-changes lead_changes.csv --as-of 2026-06-30T09:00:00Z --out then.csv
    """
    from data.home import Home
    from models.bundle import Bundle
    from models.registry import resolve_model
    from models.score_file import score_file

    when = _instant(as_of)
    home = Home.from_environment()
    bundle = Bundle.load(resolve_model(model, home, say=_tell))
    if as_of is not None and lead_changes is None and (dated := bundle.manifest.get("reading", {}).get("dated")):
        _tell(f"{', '.join(dated)}: read as they stand in {leads}; to read them as they were at --as-of, give --lead-changes FILE")
    scored = score_file(
        bundle,
        policy_in_force(home, bundle),
        leads,
        out,
        activities=activities,
        lead_changes=lead_changes,
        as_of=when,
        id_column=id_column,
        reasons=reasons,
        say=_tell,
        progress=_progress(),
    )
    _tell(f"{scored:,} leads scored by model {bundle.model_version}")


def explain(
    lead: Annotated[str, typer.Option("--lead", metavar="ID", help="The lead's id; the number of its row where the file has no ids.")],
    leads: Annotated[Path, typer.Option("--leads", metavar="FILE", help="The file that holds it, as `tamiz score` reads it.")],
    activities: Activities = None,
    lead_changes: LeadChanges = None,
    as_of: AsOf = None,
    model: Model = "champion",
    reasons: Annotated[int, typer.Option("--reasons", min=0, max=20, help="How many reasons.")] = 5,
    id_column: IdColumn = None,
) -> None:
    """Explain one lead of a file: the decision, what is known about budget, authority, need and timeline, what to ask next, and why.

    Each fact comes with its source, its age and its weight; facts that contradict each other are marked.

    Example:
      tamiz explain --leads leads.parquet --activities activities.parquet --lead L-0000002
      tamiz explain --leads leads.csv --lead 57 --model challenger
    """
    from data.home import Home
    from models.bundle import Bundle
    from models.explain import as_text, explain_lead
    from models.registry import resolve_model

    when, home = _instant(as_of), Home.from_environment()
    bundle = Bundle.load(resolve_model(model, home, say=_tell))
    found = explain_lead(
        bundle,
        policy_in_force(home, bundle),
        leads,
        lead,
        activities=activities,
        lead_changes=lead_changes,
        as_of=when,
        id_column=id_column,
        reasons=reasons,
        say=_tell,
    )
    typer.echo(as_text(found))


def policy_in_force(home: Home, bundle: Bundle) -> Policy:
    """The published policy of this installation, or else the bundle's default."""
    from data.store import Store
    from models.qualification import Policy

    if not home.database and not home.db_path.exists():
        return bundle.policy
    store = Store.open(home.root, home.database)  # one that an older Tamiz wrote is migrated first
    try:
        row = store.policy()
    finally:
        store.close()
    return bundle.policy if row is None else Policy.read(row.json)


def _instant(as_of: str | None) -> datetime:
    from data.errors import BadUsage

    if as_of is None:
        return datetime.now(UTC)
    try:
        when = datetime.fromisoformat(as_of)
    except ValueError:
        raise BadUsage(f"--as-of {as_of} is no time: write it like 2026-06-30 or 2026-06-30T09:00:00Z") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _progress() -> Callable[[int], None]:
    """A line that counts, where somebody watches."""
    if not sys.stderr.isatty():
        return lambda rows: None
    return lambda rows: typer.echo(f"\r{rows:,} leads\r", err=True, nl=False)


def _tell(text: str) -> None:
    typer.echo(text, err=True)
