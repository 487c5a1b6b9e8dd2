"""Champion against challenger: what both say of the same later rows, whether the gates let it through, and what would change.

In: two models (aliases, versions or folders), an installation, and raw rows where there are any. Out: `Comparison`, kept as
`comparison.json` and `policy.json` (the offered thresholds) in a folder named by both bundles' contents, where `tamiz promote`
finds it; gates and figures go to the challenger's version in MLflow, the ids of leads do not. Nothing is promoted and no
policy changes here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BadData, BadUsage, TamizError
from data.home import Home
from data.store import PolicyRow
from models.bundle import Bundle
from models.card import comparisons
from models.qualification import Policy
from models.registry import CHALLENGER, CHAMPION, NoSuchVersion, Registry, manifest_digest, resolve_model
from training.continuity import Crossing, Mover, crossings, mapped_policy, movers, quantile_map
from training.evidence import Evidence, from_backtests, from_rows
from training.gates import Decision, Gate, decide
from training.harm import Group, groups
from training.metrics import paired_differences
from training.published import published_row
from training.raw import Source

__all__ = ["Comparison", "NothingToCompare", "compare", "kept", "metrics_of", "record"]

Say = Callable[[str], None]
_CAPACITY = 0.20
_MOVERS = 200


class NothingToCompare(NoSuchVersion, status=409, exit_code=2):
    """There is no challenger: run `tamiz train` first, or name a version with `--model`."""


class WithoutMetrics(BadData):
    """The bundle in {folder} says nothing about how well it does (no metrics in its manifest), so the gates cannot be asked."""


class SameModel(BadUsage):
    """{model} is the champion already: there is nothing to compare. Name another model with `--model`."""


@dataclass(frozen=True)
class Comparison:
    """What was found. Without a champion, only the gates of the challenger."""

    challenger: str
    """Model version, as the bundle names itself; likewise `champion`."""
    champion: str | None
    decision: Decision
    evidence: str = ""
    """Kind of the evidence (see `training/evidence.py`), and in words; empty without a champion."""
    said: str = ""
    counted: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    capacity: float | None = None
    groups: tuple[Group, ...] = ()
    small_groups: int = 0
    newest: str = ""
    """Which leads the continuity was looked at on."""
    crossings: tuple[Crossing, ...] = ()
    quantiles: tuple[Mapping[str, float], ...] = ()
    movers: tuple[Mover, ...] = ()
    policy: Policy | None = None
    """In force when this was made, with its version (None: the champion's default)."""
    policy_version: int | None = None
    mapped: Policy | None = None
    notes: tuple[str, ...] = ()
    at: str = ""

    def as_json(self) -> dict[str, Any]:
        """`comparison.json`."""
        return {
            "format": 1,
            "verdict": self.decision.word,
            "final": self.decision.final,
            "challenger": self.challenger,
            "champion": self.champion,
            "gates": [asdict(gate) for gate in self.decision.gates],
            "evidence": {"kind": self.evidence, "said": self.said, "rows": self.counted},
            "figures": dict(self.figures),
            "capacity": self.capacity,
            "groups": [one.as_json() for one in self.groups],
            "groups_too_small": self.small_groups,
            "continuity": {
                "of": self.newest,
                "thresholds": [one.as_json() for one in self.crossings],
                "quantiles": [dict(one) for one in self.quantiles],
                "policy": _policy_json(self.policy),
                "policy_version": self.policy_version,
                "mapped": _policy_json(self.mapped),
            },
            "movers": [one.as_json() for one in self.movers],
            "notes": list(self.notes),
            "at": self.at,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Comparison:
        """What `promote` needs of a kept comparison: gates, verdict and the offered policy."""
        gates = tuple(Gate(one["name"], one["verdict"], one["figures"]) for one in document["gates"])
        continuity = document["continuity"]
        return cls(
            challenger=document["challenger"],
            champion=document["champion"],
            decision=Decision(gates, bool(document["final"])),
            evidence=document["evidence"]["kind"],
            said=document["evidence"]["said"],
            counted=document["evidence"]["rows"],
            policy=None if continuity["policy"] is None else Policy.read(continuity["policy"]),
            policy_version=continuity["policy_version"],
            mapped=None if continuity["mapped"] is None else Policy.read(continuity["mapped"]),
            at=document["at"],
        )


def compare(
    home: Home,
    model: str = CHALLENGER,
    against: str = CHAMPION,
    *,
    source: Source | None = None,
    tracking_uri: str | None = None,
    seed: int = 7,
    resamples: int = 500,
    say: Say = lambda text: None,
) -> tuple[Comparison, Path]:
    """The comparison and the folder that keeps it."""
    challenger = _challenger(model, home, tracking_uri, say)
    champion = _champion(against, home, tracking_uri, say)
    if champion is not None and manifest_digest(champion) == manifest_digest(challenger):
        raise SameModel(model=model)
    made = of_folders(home, challenger, champion, source=source, seed=seed, resamples=resamples, say=say)
    return made, keep(home, made, challenger, champion)


def _question(metrics: Mapping[str, Any]) -> tuple[Any, str]:
    """What a model's probability answers: only models that answer the same are judged on the same rows."""
    return metrics.get("horizon_days"), str((metrics.get("estimand") or {}).get("name", "policy"))


def of_folders(
    home: Home, challenger: Path, champion: Path | None, *, source: Source | None, seed: int = 7, resamples: int = 500, say: Say
) -> Comparison:  # fmt: skip
    """Compares two bundle folders. Raw rows, if given, are read through each model's own feature set."""
    metrics, at = metrics_of(challenger), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    name = _name(challenger)
    if champion is None:
        return Comparison(name, None, decide(metrics), at=at, notes=("there is no champion yet: gated on its own figures",))
    before, about = metrics_of(champion), {"challenger": name, "champion": _name(champion), "at": at}
    row, policy = _in_force(home, champion)
    notes: list[str] = []
    if source is not None and _question(metrics) == _question(before):
        bundles = Bundle.load(challenger), Bundle.load(champion)
        source = source if all(source.fits(one) for one in bundles) else None
    else:
        source = None
    if source is None:
        evidence, looks = from_backtests(challenger, champion), None
    else:
        evidence, looks = _from_source(source, *bundles, seed=seed, say=say)
        evidence = evidence or from_backtests(challenger, champion)
    crossed: list[Crossing] = []
    old, new = _newest(evidence) if looks is None else (looks[1].scored.probability, looks[0].scored.probability)
    if policy is not None and len(old):
        crossed = crossings(policy, old, new)
    capacity = _capacity(policy, evidence)
    figures: Mapping[str, Any] = {}
    found: list[Group] = []
    small = 0
    if evidence is not None:
        say(f"resampling {evidence.counted}")
        figures = paired_differences(
            evidence.y, evidence.new, evidence.old, evidence.lead, seed=seed, resamples=resamples, capacity=capacity
        )
        found, small = groups(evidence.y, evidence.new[0], evidence.old[0], evidence.lead, evidence.segments)
    moved: list[Mover] = []
    if looks is not None and policy is not None:
        moved = movers(looks[0].lead_ids, bundles[1], looks[1].scored, bundles[0], looks[0].scored, policy, most=_MOVERS)
    if row is None and policy is not None:
        notes.append(_defaults(challenger, policy))
    return Comparison(
        **about,
        decision=decide(metrics, before, figures or None, groups=found, crossings=crossed, capacity=capacity),
        evidence=evidence.kind if evidence else "apart",
        said=evidence.said if evidence else "no rows are later than what both were fitted on: each was measured on its own test rows",
        counted=evidence.counted if evidence else "",
        figures=figures,
        capacity=capacity,
        groups=tuple(found),
        small_groups=small,
        newest="" if not crossed else looks[0].described if looks else "leads of the compared rows",
        crossings=tuple(crossed),
        quantiles=tuple(quantile_map(old, new)) if len(old) else (),
        movers=tuple(moved),
        policy=policy,
        policy_version=row.version if row else None,
        mapped=mapped_policy(policy, old, new) if policy is not None and len(old) else None,
        notes=tuple(notes),
    )


def keep(home: Home, comparison: Comparison, challenger: Path, champion: Path | None) -> Path:
    """Writes `comparison.json`, and the offered policy beside it where there is one."""
    folder = _place(home, challenger, champion)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "comparison.json", comparison.as_json())
    if comparison.mapped is not None:
        _write(folder / "policy.json", json.loads(comparison.mapped.to_json()))
    return folder


def kept(home: Home, challenger: Path, champion: Path | None) -> Comparison | None:
    """The comparison of exactly these two bundles, if one was made."""
    try:
        return Comparison.from_json(json.loads((_place(home, challenger, champion) / "comparison.json").read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record(registry: Registry, comparison: Comparison, challenger: Path, folder: Path, say: Say) -> None:
    """Gates and figures on the challenger's version in MLflow; that they could not be written is said, and no reason to fail."""
    try:
        version = registry.find_version(challenger)
        if version is None:
            say("the challenger is not registered: the comparison is kept here only")
            return
        registry.tag_version(version, tags(comparison))
        registry.add_to_version(version, "comparison/comparison.json", _without_leads(folder))
    except TamizError as problem:
        say(f"the comparison could not be added to MLflow: {problem}")


def tags(comparison: Comparison, why: str = "") -> dict[str, str]:
    """What a version carries of its comparison."""
    gates = [{"gate": gate.name, "verdict": gate.verdict, "figures": gate.figures} for gate in comparison.decision.gates]
    found = {
        "tamiz.gate": comparison.decision.word,
        "tamiz.gates": json.dumps(gates, ensure_ascii=False),
        "tamiz.compared_with": comparison.champion or "nobody",
        "tamiz.compared_on": f"{comparison.evidence}: {comparison.counted}" if comparison.evidence else "its own test rows",
        "tamiz.compared_at": comparison.at,
    }
    for name in ("log_loss", "pr_auc", "lift_at_capacity", "ece"):
        if name in comparison.figures:
            found[f"tamiz.{name}"] = json.dumps(comparison.figures[name])
    return found | ({"tamiz.why": why} if why else {})


def metrics_of(folder: Path) -> Mapping[str, Any]:
    """The figures that a bundle carries."""
    manifest: Mapping[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    metrics: Mapping[str, Any] = manifest.get("metrics") or {}
    if "candidates" not in metrics:
        raise WithoutMetrics(folder=folder)
    return metrics


def _from_source(source: Source, challenger: Bundle, champion: Bundle, *, seed: int, say: Say) -> tuple[Evidence | None, Any]:
    """Evidence on raw rows, and the newest leads under both."""
    say("reading")
    raw = source.read(challenger, seed, say)
    evidence = from_rows(raw, challenger, champion, seed=seed, unseen=source.unseen, say=say)
    say("scoring the newest leads with both")
    looks = raw.newest(challenger), raw.newest(champion)
    return evidence, looks if len(looks[0].lead_ids) else None


def _newest(evidence: Evidence | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(champion's, challenger's) probability at the last compared look at each lead."""
    if evidence is None:
        return np.zeros(0), np.zeros(0)
    _, last = np.unique(evidence.lead[::-1], return_index=True)
    rows = len(evidence.lead) - 1 - last
    return evidence.old[0][rows], evidence.new[0][rows]


def _capacity(policy: Policy | None, evidence: Evidence | None) -> float:
    """The share of the compared looks that the policy sends to sales under the champion; a fifth where that is hardly any or most."""
    if policy is None or evidence is None:
        return _CAPACITY
    share = float((evidence.old[0] >= policy.mql.enter).mean())
    return round(share, 4) if 0.02 <= share <= 0.6 else _CAPACITY


def _defaults(challenger: Path, before: Policy) -> str:
    """Without a published policy every model brings its own thresholds, which nobody has agreed to."""
    said = "no policy is published here, so each model brings its own thresholds"
    try:
        own = Policy.read((challenger / "policy.json").read_bytes())
    except OSError:
        return said
    moves = f"MQL {before.mql.enter:.4g} → {own.mql.enter:.4g}, SQL {before.sql.enter:.4g} → {own.sql.enter:.4g}"
    return f"{said}: promoting would move them, {moves}; `tamiz policy set` a policy to keep them"


def _in_force(home: Home, champion: Path) -> tuple[PolicyRow | None, Policy | None]:
    """The published policy, or the champion's default."""
    if (row := published_row(home)) is not None:
        return row, Policy.read(row.json)
    try:
        return None, Policy.read((champion / "policy.json").read_bytes())
    except OSError:
        return None, None


def _challenger(model: str, home: Home, tracking_uri: str | None, say: Say) -> Path:
    try:
        return resolve_model(model, home, tracking_uri=tracking_uri, say=say)
    except NoSuchVersion as nothing:
        raise NothingToCompare from nothing


def _champion(against: str, home: Home, tracking_uri: str | None, say: Say) -> Path | None:
    if against != CHAMPION:
        return resolve_model(against, home, tracking_uri=tracking_uri, say=say)
    registry = Registry(home, tracking_uri, say)
    version = registry.get_alias(CHAMPION)
    return None if version is None else registry.download_bundle(version)


def _place(home: Home, challenger: Path, champion: Path | None) -> Path:
    return comparisons(home.root, challenger, champion)


def _without_leads(folder: Path) -> dict[str, Any]:
    """The kept comparison without who moves: ids and values of leads stay in this installation."""
    document: dict[str, Any] = json.loads((folder / "comparison.json").read_bytes())
    return {**document, "movers": len(document["movers"])}


def _name(folder: Path) -> str:
    return str(json.loads((folder / "manifest.json").read_bytes()).get("model_version") or folder.name)


def _policy_json(policy: Policy | None) -> Any:  # noqa: ANN401 - parsed JSON
    return None if policy is None else json.loads(policy.to_json())


def _write(path: Path, document: object) -> None:
    """Whole or not at all."""
    building = path.with_suffix(".part")
    building.write_text(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    building.replace(path)
