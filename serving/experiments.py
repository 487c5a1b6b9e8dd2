"""The A/B experiment in force, and what it has shown so far, from the ledger, sales' feedback and the outcomes.

In: the store and the policy in force. Out: a document for `GET /v1/policy/experiment`. The arm of a lead is drawn anew from its id, as it
was when it was decided about; leads of segments are in no arm.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from data.fates import Fate, fates_since
from data.store import Store, now
from models.experiment import ArmTally, compared
from models.qualification import CONTROL, Experiment, Facts, Policy, arm_of
from serving.schemas import instant

__all__ = ["shown"]

_DAY = 86_400_000_000
_attributes = msgspec.json.Decoder(dict[str, object])


def shown(store: Store, policy: Policy, horizon_days: float | None) -> dict[str, Any]:
    """The experiment with its arms as they fared; `experiment` is null where none runs."""
    trial = policy.experiment
    if trial is None:
        return {"experiment": None, "since": None, "horizon_days": horizon_days, "arms": []}
    since = _began(store, trial)
    shares = {one.name: one.share for one in trial.arms}
    tallies = {name: ArmTally(name, share) for name, share in {CONTROL: 1 - sum(shares.values()), **shares}.items()}
    at = now()
    for fate in fates_since(store, since, horizon_days):
        attributes = _attributes.decode(fate.attributes) if policy.segments else {}
        arm = arm_of(policy, Facts(lead_id=fate.lead_id, attributes=attributes))
        if arm is not None:
            tallies[arm] = _with(tallies[arm], fate, horizon_days is None or fate.first_at + horizon_days * _DAY <= at)
    control = tallies.pop(CONTROL)
    arms = compared(control, list(tallies.values()))
    return {"experiment": trial.name, "since": instant(since), "horizon_days": horizon_days, "arms": arms}


def _began(store: Store, trial: Experiment) -> int:
    """When this experiment, with these arms, was first published without a break until now."""
    began = now()
    for row in store.policy_history():
        if Policy.read(row.json).experiment != trial:
            break
        began = row.created_at
    return began


def _with(tally: ArmTally, fate: Fate, mature: bool) -> ArmTally:
    revenue = tally.revenue if fate.amount is None else (tally.revenue or 0.0) + fate.amount
    return replace(
        tally,
        leads=tally.leads + 1,
        passed_on=tally.passed_on + fate.passed_on,
        accepted=tally.accepted + (fate.verdict == "accepted"),
        rejected=tally.rejected + (fate.verdict == "rejected"),
        converted=tally.converted + fate.converted,
        revenue=revenue,
        mature=tally.mature + mature,
    )
