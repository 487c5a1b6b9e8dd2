"""A decision from the ledger, computed again: the same to the last bit, or what exactly differs, or why it cannot be.

In: a store, a folder of bundles and a decision's id. Out: a `Replay`. The decision is made again from the input that the ledger
holds, by the bundle and the policy that made it, on top of the decision before it and what the ledger knew by then; what a person
decided instead is applied again. A decision that was made from the store is looked at a second time: which of the rows that
are held today as known then differ from those in the input.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from data.crm import Crm
from data.erased import TOMBSTONE
from data.errors import BadUsage
from data.schema import decisions
from data.store import Store
from models.bundle import Bundle, read_manifest
from models.decision import Decision, Outcome
from models.qualification import Policy
from models.request import ScoreRequest
from models.scoring import score_requests
from serving.decider import REASONS, rejected_days, request_of, week_of
from serving.schemas import decode, microseconds

__all__ = ["BundleGone", "DecisionUnknown", "Replay", "replay"]

_DAY = 86_400_000_000
_GIVEN = ("decision_id", "policy_version", "scored_at", "merged")
_request = msgspec.json.Decoder(ScoreRequest)
_decision = msgspec.json.Decoder(Decision)


class DecisionUnknown(BadUsage, status=404):
    """The ledger holds no decision {decision_id!r}: its id stands in the receipt of each answer."""


class BundleGone(BadUsage):
    """No bundle in {folder} is model {version}, which made this decision: restore it from a backup, or from MLflow with `tamiz pull`."""


class PolicyGone(BadUsage):
    """The store holds no policy {version}, by which this decision was made."""


@dataclass(frozen=True)
class Replay:
    """What became of computing a decision again."""

    decision_id: str
    outcome: str
    """`same`, `differs`, `erased`, or `pruned`: it is older than inputs are kept."""
    differs: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Part of the answer → what was answered, and what is computed now."""
    changed_since: tuple[str, ...] = ()
    """Of a decision from the store: what is held today as known then and was not in the input, and the other way round."""


def replay(store: Store, bundles: Path, decision_id: str) -> Replay:
    """Raises DecisionUnknown, BundleGone, PolicyGone."""
    row = store.decision(decision_id)
    if row is None:
        raise DecisionUnknown(decision_id=decision_id)
    if row["erased_at"] is not None:
        return Replay(decision_id, "erased" if row["input"] or row["lead_id"].startswith(TOMBSTONE) else "pruned")
    answered = decode(_decision, bytes(row["answer"]))
    request = decode(_request, bytes(row["input"]))
    computed = _again(store, _bundle(bundles, row["model_version"]), request, row, answered)
    before, after = msgspec.to_builtins(answered), msgspec.to_builtins(computed)
    differs = {name: (before[name], after.get(name)) for name in before if before[name] != after.get(name)}
    changed = _changed(store, request, row) if row["origin"] == "store" else ()
    return Replay(decision_id, "differs" if differs else "same", differs, changed)


def _again(store: Store, bundle: Bundle, request: ScoreRequest, row: dict[str, Any], answered: Decision) -> Decision:
    policy = bundle.policy
    if row["policy_version"] != "default":
        held = store.policy(int(row["policy_version"]))
        if held is None:
            raise PolicyGone(version=row["policy_version"])
        policy = Policy.read(held.json)
    lead_id = row["lead_id"]
    previous: dict[str, Outcome] = {} if row["previous_decision"] is None else {lead_id: row["previous_decision"]}
    since, places = _state(store, policy, row)
    rejected = _rejected(store, policy, request, row)
    (computed,) = score_requests(
        bundle,
        [request],
        policy,
        reasons=0 if request.explain == "none" else REASONS,
        explain="path" if request.explain == "none" else request.explain,
        previous=previous,
        since=since,
        places=places,
        rejected=rejected,
    )
    if not isinstance(computed, Decision):
        raise computed
    for name in _GIVEN:  # what the service adds, and no model computes
        setattr(computed.receipt, name, getattr(answered.receipt, name))
    computed.missing += [one for one in answered.missing if one.startswith("the account is too large")]
    if answered.override is not None:
        held_to = msgspec.structs.replace(answered.override, instead_of=computed.decision)
        computed.override, computed.decision = held_to, answered.decision
        computed.rules = [*computed.rules, "override"]
        computed.changed = computed.previous_decision is not None and computed.previous_decision != computed.decision
    return computed


def _rejected(store: Store, policy: Policy, request: ScoreRequest, row: dict[str, Any]) -> dict[str, float]:
    """How long ago sales had rejected the lead, where the policy asks."""
    if policy.recycle_days is None or row["origin"] != "store" or request.as_of is None:
        return {}
    at = microseconds(request.as_of)
    return rejected_days([one for one in Crm(store).held([row["lead_id"]], at, context=False) if one is not None], at)


def _state(store: Store, policy: Policy, row: dict[str, Any]) -> tuple[dict[str, float], dict[str, int]]:
    """What the ledger knew before this entry: for how long the decision before had stood, and the room that was left in the week."""
    entered = sa.or_(decisions.c.previous_decision.is_(None), decisions.c.previous_decision != decisions.c.decision)
    earlier = decisions.c.sequence < row["sequence"]
    since: dict[str, float] = {}
    places: dict[str, int] = {}
    at = row["scored_at"]
    with store.mapped(), store.reading() as connection:
        if policy.cool_down_days:
            stood = sa.select(sa.func.max(decisions.c.scored_at)).where(decisions.c.lead_id == row["lead_id"], entered, earlier)
            found = connection.execute(stood).scalar()
            if found is not None:
                since[row["lead_id"]] = max(at - found, 0) / _DAY
        for queue, bound in (("mql", policy.capacity.mql), ("sql", policy.capacity.sql)):
            if bound is not None:
                inside = (decisions.c.decision == queue, decisions.c.scored_at >= week_of(at))
                taken = sa.select(sa.func.count()).where(entered, earlier, *inside)
                places[queue] = bound - int(connection.execute(taken).scalar_one())
    return since, places


def _bundle(folder: Path, version: str) -> Bundle:
    for manifest in sorted(folder.glob("*/manifest.json")):
        if str(read_manifest(manifest.parent).get("model_version")) == version:
            return Bundle.load(manifest.parent)
    raise BundleGone(folder=folder, version=version)


def _changed(store: Store, request: ScoreRequest, row: dict[str, Any]) -> tuple[str, ...]:
    """What the store says today of the instant at which it was asked then."""
    assert request.as_of is not None
    at = microseconds(request.as_of)
    (held,) = Crm(store).held([row["lead_id"]], at)
    if held is None:
        return ("the lead is not held any more as known then",)
    now = request_of(held, at)
    told = [f"merged: {row['lead_id']} is part of {held.lead_id} now"] if held.lead_id != row["lead_id"] else []
    for name in sorted(request.lead.keys() | now.lead.keys()):
        before, after = request.lead.get(name), now.lead.get(name)
        if before != after and name != "lead_id":
            told.append(f"lead.{name}: {before!r} then, {after!r} now")
    for where in ("activities", "account_activities"):
        then_rows, now_rows = (_by_name(getattr(one, where) or []) for one in (request, now))
        told += [f"{where}: {name[1]} of {name[0]} is new" for name in sorted(now_rows.keys() - then_rows.keys())]
        told += [f"{where}: {name[1]} of {name[0]} is gone" for name in sorted(then_rows.keys() - now_rows.keys())]
        both = sorted(then_rows.keys() & now_rows.keys())
        told += [f"{where}: {name[1]} of {name[0]} says something else" for name in both if then_rows[name] != now_rows[name]]
    return tuple(told)


def _by_name(rows: list[Any]) -> dict[tuple[str, str], Any]:
    return {(row.lead_id or "", row.activity_id or ""): msgspec.to_builtins(row) for row in rows}
