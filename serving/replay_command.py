"""`tamiz replay`: a decision of the ledger computed again."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["replay"]


def replay(
    decision_id: Annotated[str, typer.Argument(metavar="DECISION_ID", help="As it stands in the receipt of an answer.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compute a decision of the ledger again, and compare it to the last bit.

    Exit code 0: the same. 1: it differs, which is said part by part, or it was erased or pruned. Of a decision by id it also says
    which rows are held today as known then that were not in its input (late imports, merges), and which are gone.

    Example:
      tamiz replay 01a208f3-8e1e-7447-b975-aa81dfa96043
    """
    from data.home import Home
    from data.store import Store
    from serving.replay import replay as again

    home = Home.from_environment()
    store = Store.open(home.root, home.database)
    try:
        found = again(store, home.bundles, decision_id)
    finally:
        store.close()
    if as_json:
        told: dict[str, object] = {"decision_id": found.decision_id, "outcome": found.outcome, "changed_since": list(found.changed_since)}
        told["differs"] = {name: {"answered": before, "computed": after} for name, (before, after) in found.differs.items()}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        typer.echo(found.outcome)
        for name, (before, after) in found.differs.items():
            typer.echo(f"  {name}: answered {json.dumps(before, ensure_ascii=False)}, computed {json.dumps(after, ensure_ascii=False)}")
        for line in found.changed_since:
            typer.echo(f"  since then: {line}")
    if found.outcome != "same":
        raise typer.Exit(1)
