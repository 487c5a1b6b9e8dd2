"""The answer to `POST /v1/policy/preview`: what a policy would do each week, and to today's queues at once.

In: the model's preview, the policy in force and the one asked about. Out: `PreviewAnswer`. Reads the store; runs on a thread.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from data.store import Store
from models.preview import Queue, left_out
from models.promise import AHEAD
from models.qualification import Policy
from models.recommendation import Wanted, recommend
from serving.model_store import LoadedModel
from serving.moves import moves
from serving.policies import InForce
from serving.policy_schemas import PreviewAnswer, PreviewRequest
from serving.previews import Kept

__all__ = ["look_ahead"]

_WEEKLY = (
    "low and high: the average of the next {ahead} weeks; one_week: a single week. They hold the luck of the draw (weeks as uneven as "
    "the last {weeks:.0f} were, conversions by lot, amounts as known so far), what we do not know of the level (few weeks, and its own "
    "moving on), and how wrong the probabilities may be (the backtest's cases at this threshold, and how conversion moves from quarter to "
    "quarter). They do not hold a change of the business: another campaign, price or sales team."
)
_PLAIN = (
    "low and high: the average of the next {ahead} hundreds of leads; one_week: a single hundred. They hold the luck of the draw and how "
    "wrong the probabilities may be (the backtest's cases at this threshold); leads without dates say nothing of how that moves in time."
)


def look_ahead(
    store: Store, loaded: LoadedModel, kept: Kept, before: InForce, wanted: PreviewRequest, proposed: Policy, *, named: bool
) -> PreviewAnswer:
    """Everything that the page shows of a policy; names of leads only where the caller may read them."""
    preview, curves, level = kept.whole, kept.curves, wanted.level
    queues: tuple[Queue, Queue] = ("mql", "sql")
    ahead = {queue: preview.queue(proposed, queue, level=level) for queue in queues}
    same = proposed == before.policy
    in_force = ahead if same else {queue: preview.queue(before.policy, queue, level=level) for queue in queues}
    parts: dict[str, Any] | None = None
    if wanted.by is not None:
        parts = {"column": wanted.by} | {queue: preview.by_segment(proposed, queue, wanted.by, level=level) for queue in queues}
    capacity = proposed.capacity.mql if wanted.capacity is None else wanted.capacity
    worth = preview.mean_amount if wanted.value_per_conversion is None else wanted.value_per_conversion
    said = _WEEKLY if preview.per == "week" else _PLAIN
    return PreviewAnswer(
        model_version=loaded.version,
        feature_set=loaded.bundle.encoder.feature_set.fingerprint,
        policy=proposed,
        published=before.version,
        level=level,
        per=preview.per,
        weeks=curves.weeks,
        leads=curves.leads,
        conversions=curves.conversions,
        base_rate=curves.base_rate,
        mql=ahead["mql"],
        sql=ahead["sql"],
        in_force={"mql": in_force["mql"], "sql": in_force["sql"]},
        today={queue: asdict(found) for queue, found in moves(store, before.policy, proposed, named=named).items()},
        by_segment=parts,
        recommendation=recommend(curves, Wanted(capacity, wanted.cost_per_call, worth)),
        columns=preview.columns,
        left_out=left_out(proposed),
        intervals=said.format(ahead=AHEAD, weeks=curves.weeks or 0),
    )
