"""Promotion and rollback: the gates are asked, the alias moves, and the local bundle follows.

In: a model (challenger, version or bundle folder) and an installation; out: what was decided and what serves now. A
bundle that is not registered yet (MLflow was away when it was trained) is uploaded first. Every promotion leaves its
gates and its reason on the registered version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import BadData, GateSaidNo
from models.registry import CHALLENGER, CHAMPION, NoSuchVersion, Registry, resolve_model
from training.gates import Decision, decide

if TYPE_CHECKING:
    from data.home import Home

__all__ = ["NothingToPromote", "Promotion", "promote", "rollback"]

ENOUGH_ROWS = 200
ENOUGH_OF_A_CLASS = 20
"""With fewer common later rows, or fewer of a class among them, a paired comparison says nothing."""


class NothingToPromote(NoSuchVersion, status=409, exit_code=2):
    """There is no challenger to promote: run `tamiz train` first, or name a version with `--model`."""


class WithoutMetrics(BadData):
    """The bundle in {folder} says nothing about how well it does (no metrics in its manifest), so the gates cannot be asked."""


class Held(GateSaidNo):
    """HOLD: {gates}. {stays} {next}"""


@dataclass(frozen=True)
class Promotion:
    """What was decided, and what serves now."""

    version: int
    replaced: int | None
    decision: Decision
    folder: Path
    why: str = ""


def promote(
    home: Home, model: str = CHALLENGER, *, why: str = "", tracking_uri: str | None = None,
    say: Callable[[str], None] = lambda text: None, show: Callable[[Decision], None] = lambda decision: None,
) -> Promotion:  # fmt: skip
    """Ask the gates; on PROMOTE, or with a `why` that overrules HOLD, move the alias and pull. `show` sees the gates either way."""
    registry = Registry(home, tracking_uri, say)
    try:
        folder = resolve_model(model, home, tracking_uri=tracking_uri, say=say)
    except NoSuchVersion as nothing:
        raise NothingToPromote from nothing
    version = registry.find_version(folder)
    if version is None:
        say(f"uploading {folder}")
        uploaded = registry.register_bundle(folder)
        version, folder = uploaded.version, uploaded.folder
    current = registry.get_alias(CHAMPION)
    decision = _ask_gates(registry, version, folder, current)
    show(decision)
    _refuse(decision, why, current)
    replaced = registry.promote(version, _tags(decision, why))
    return Promotion(version, replaced, decision, registry.pull(), why)


def rollback(
    home: Home, *, why: str = "", tracking_uri: str | None = None, say: Callable[[str], None] = lambda text: None
) -> tuple[int, int, Path]:
    """The champion before this one serves again: (version now, version left, folder)."""
    registry = Registry(home, tracking_uri, say)
    now, left = registry.rollback(why)
    return now, left, registry.pull()


def _ask_gates(registry: Registry, version: int, folder: Path, current: int | None) -> Decision:
    metrics = _metrics_of(folder)
    if current is None or current == version:
        return decide(metrics)
    before = registry.download_bundle(current)
    return decide(metrics, _metrics_of(before), _paired(folder, before))


def _refuse(decision: Decision, why: str, current: int | None) -> None:
    if decision.promote or (why.strip() and not decision.final):
        return
    failed = "; ".join(f"{gate.name}: {gate.figures}" for gate in decision.gates if gate.verdict == "fail")
    following = (
        "No reason can overrule that." if decision.final else 'Overrule it with `tamiz promote --why "…"`, which is kept on the version.'
    )
    stays = "There is still no champion." if current is None else f"The champion, version {current}, stays."
    raise Held(gates=failed, stays=stays, next=following)


def _tags(decision: Decision, why: str) -> dict[str, str]:
    gates = [{"gate": gate.name, "verdict": gate.verdict, "figures": gate.figures} for gate in decision.gates]
    return {"tamiz.gate": decision.word, "tamiz.gates": json.dumps(gates, ensure_ascii=False)} | ({"tamiz.why": why} if why else {})


def _metrics_of(folder: Path) -> Mapping[str, Any]:
    manifest: Mapping[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    if "candidates" not in metrics:
        raise WithoutMetrics(folder=folder)
    return metrics


def _digest_of(folder: Path) -> object:
    return json.loads((folder / "manifest.json").read_bytes()).get("data_digest")


def _paired(challenger: Path, champion: Path) -> Mapping[str, Any] | None:
    """Both models on the test rows that both bundles hold: later, by construction, than what either was fitted or calibrated on.

    None where `backtest.parquet` (lead, y, probability, margin, on event data as_of) is missing, where too few rows are common,
    or where leads go by number and the data differ: a number means the same lead in the same data only.
    """
    import numpy as np
    import pandas as pd

    files = [folder / "backtest.parquet" for folder in (challenger, champion)]
    if not all(path.is_file() for path in files):
        return None
    new, old = (pd.read_parquet(path) for path in files)
    needed, keys = {"lead", "y", "probability", "margin"}, ["lead"] + ["as_of"] * ("as_of" in new.columns)
    if not {*needed, *keys} <= set(old.columns) or not needed <= set(new.columns):
        return None
    numbered = [pd.api.types.is_numeric_dtype(frame["lead"]) for frame in (new, old)]
    if numbered[0] != numbered[1] or (all(numbered) and _digest_of(challenger) != _digest_of(champion)):
        return None
    both = new.merge(old, on=keys, suffixes=("", "_old"))
    both = both[both["y"] == both["y_old"]]
    y = both["y"].to_numpy(np.float64)
    if len(both) < ENOUGH_ROWS or min(y.sum(), len(y) - y.sum()) < ENOUGH_OF_A_CLASS:
        return None
    from training.metrics import paired_differences

    sides = [(both[f"probability{end}"].to_numpy(np.float64), both[f"margin{end}"].to_numpy(np.float64)) for end in ("", "_old")]
    return paired_differences(y, sides[0], sides[1], pd.factorize(both["lead"])[0].astype(np.int64))
