"""Scoring: from what is known about leads to probabilities, reasons and decisions. The only way to score, anywhere.

`score_columns` takes columns (a file, a training set), `score_requests` takes the service's requests; the second turns
its requests into columns and calls the first, so a lead gets the same probability to the last digit either way. No I/O
and no clock: the caller says `as_of` and which policy is in force.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from data.errors import BadData, TamizError
from features import bant
from features.engine import Colleagues, evaluate
from features.history import DAY, ActivityLog, History, Leads, Observations, instant
from features.routing import routing
from models.canonical import canonical
from models.decision import DECISIONS, Bant, BantDimension, Decision, Evidence, Outcome, Reason, Receipt
from models.inputs import Floats
from models.qualification import Policy, decide, decide_many
from models.request import ScoreRequest
from models.request_columns import RequestColumns
from models.routing import facts_of

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["Scored", "bant_card", "inputs_of", "score_columns", "score_requests"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_FEW = 1_000


@dataclass(frozen=True)
class Scored:
    """Scores as columns, one entry an observation."""

    probability: Floats
    low: Floats
    high: Floats
    margin: Floats
    score: Floats
    """NaN without signal."""
    grade: list[str | None]
    reasons: list[list[Reason]] | None
    X: Floats
    expected_value: Floats | None
    """None where outcomes carried no amounts, and without signal."""
    contributions: Floats | None
    """None when neither reasons nor contributions were asked for."""

    def by_day(self, bundle: Bundle) -> Floats:
        """Rows × the days of the bundle's `by_day`, which there must be."""
        assert bundle.by_day is not None
        return bundle.by_day.apply(self.probability, self.margin)

    def decisions(self, policy: Policy, refused: NDArray[np.bool_] | None, *, no_signal: bool) -> NDArray[np.int8]:
        """Positions in DECISIONS under a policy, without history."""
        return decide_many(policy, self.probability, refused=refused, no_signal=no_signal)


def score_columns(
    bundle: Bundle,
    leads: Leads,
    log: ActivityLog,
    observations: Observations,
    colleagues: Colleagues | None = None,
    *,
    reasons: int = 0,
    explain: str = "path",
    contributions: bool = False,
    evidence: list[dict[bant.Dimension, bant.DimensionEvidence]] | None = None,
    answers: list[Floats] | None = None,
) -> Scored:
    """Scores every observation.

    `evidence`, if a list is given, is filled with each one's BANT evidence; `answers` likewise with what policies ask of
    histories (`features/routing.py`), block by block.
    """
    scorer = bundle.scorer
    also = None
    if evidence is not None or answers is not None:
        gathered, answered = evidence, answers

        def also(history: History, start: int) -> None:
            if gathered is not None:
                gathered.extend(bant.evidence(history, row) for row in range(history.size))
            if answered is not None:
                answered.append(routing(history))

    plan = scorer.plan if evidence is None else scorer.evidence_plan
    table = evaluate(plan, leads, log, observations, colleagues, also=also)
    X = scorer.encoder.encode(table)
    pulls: Floats | None = None
    if reasons > 0 or contributions:
        pulls, margin, amount = bundle.explain(X, exact=explain == "shap")
    else:
        margin, amount = bundle.model.margin(X), bundle.worth(X)
    probability, low, high = bundle.calibration.apply(margin)
    score = np.full(len(X), np.nan) if bundle.no_signal else bundle.scale.apply(margin)
    told: list[list[Reason]] | None = None
    if pulls is not None:
        # A handful of leads hear their own words; a file's reasons name the category as training knew it.
        told = scorer.reasons.of(pulls, X, reasons, table.texts if len(X) <= _FEW else None)
    worth = None if amount is None or bundle.no_signal else probability * amount
    return Scored(probability, low, high, margin, score, bundle.scale.grade(score), told, X, worth, pulls)


def score_requests(
    bundle: Bundle,
    requests: Sequence[ScoreRequest],
    policy: Policy,
    *,
    reasons: int = 3,
    explain: str = "path",
    previous: MutableMapping[str, Outcome] | None = None,
    since: Mapping[str, float] | None = None,
    places: MutableMapping[str, int] | None = None,
    rejected: Mapping[str, float] | None = None,
    inputs: list[bytes] | None = None,
) -> list[Decision | TamizError]:
    """A decision for each request, or the error that keeps it from being scored; one bad request spoils no other.

    `previous` holds what was decided last on each lead, and is kept up to date in the order of the requests, so that a lead
    which is mentioned twice meets its own first decision. `since` says for how many days that has stood, and `places` how many
    more may enter each queue this week, counted down here. `rejected` says how many days ago sales rejected a lead.
    `inputs`, if a list is given, is filled with the canonical bytes of each request that became a decision, in order.

    Raises ValueError when a request's `as_of` is not resolved.
    """
    batch = RequestColumns(bundle.scorer)
    answers: list[Decision | TamizError | None] = []
    for request in requests:
        try:
            batch.add(request)
            answers.append(None)
        except TamizError as error:
            answers.append(error)
    if not batch.size:
        return [answer for answer in answers if answer is not None]
    evidence: list[dict[bant.Dimension, bant.DimensionEvidence]] = []
    asked: list[Floats] | None = None if policy.plain else []
    leads, log, observations, colleagues = batch.columns()
    scored = score_columns(
        bundle, leads, log, observations, colleagues, reasons=reasons, explain=explain, contributions=True, evidence=evidence, answers=asked
    )
    everyone = range(batch.size)
    answered = None if asked is None else np.concatenate(asked, axis=1)
    facts = facts_of(policy, leads, everyone, evidence=evidence, answers=answered, consent=batch.consent)
    probability, low, high = scored.probability.tolist(), scored.low.tolist(), scored.high.tolist()
    score = scored.score.tolist()
    worth = None if scored.expected_value is None else scored.expected_value.tolist()
    days, by_day = ((), None) if bundle.by_day is None else (bundle.by_day.names, scored.by_day(bundle).tolist())
    fit, engagement = _indexes(bundle, scored, (("fit", "authority"), ("engagement", "intent")))
    unseen = bundle.unseen(scored.X)
    position = 0
    for place, answer in enumerate(answers):
        if answer is not None:
            continue
        i, position = position, position + 1
        if probability[i] != probability[i]:
            answers[place] = BadData("the model has no probability for this lead; its bundle is not fit to serve")
            continue
        lead_id = batch.ids[i]
        before = previous.get(lead_id) if previous is not None else None
        known = facts[i]
        if before is not None or places:
            known = known._replace(previous=before, previous_days=since.get(lead_id) if since else None, places=places or {})
        if rejected and lead_id in rejected:
            known = known._replace(rejected_days=rejected[lead_id])
        ruling = decide(policy, probability[i], known, no_signal=bundle.no_signal)
        outcome = ruling.decision
        if places and outcome in places and (before is None or DECISIONS.index(before) < DECISIONS.index(outcome)):
            places[outcome] -= 1
        if previous is not None:
            previous[lead_id] = outcome
        as_of = batch.as_of[i]
        digest, written = canonical(batch.requests[i], batch.used[i])
        if inputs is not None:
            inputs.append(written)
        answers[place] = Decision(
            lead_id=lead_id,
            as_of=as_of,
            probability=probability[i],
            probability_low=low[i],
            probability_high=high[i],
            horizon_days=bundle.horizon_days,
            expected_value=None if worth is None else worth[i],
            by_day=None if by_day is None else dict(zip(days, by_day[i], strict=True)),
            score=None if bundle.no_signal else round(score[i], 1),
            grade=scored.grade[i],  # type: ignore[arg-type]  # the scale's cut-offs name grades
            decision=outcome,
            previous_decision=before,
            changed=before is not None and before != outcome,
            rules=ruling.told,
            bant=bant_card(evidence[i], instant(as_of)),
            fit=fit[i],
            engagement=engagement[i] if bundle.reads_activities else None,
            reasons=scored.reasons[i] if scored.reasons is not None else [],
            missing=batch.notes[i] + unseen[i],
            receipt=Receipt(
                bundle.model_version,
                bundle.feature_set,
                digest,
                propensity=msgspec.UNSET if ruling.propensity is None else ruling.propensity,
            ),
            override=None,
        )
    return [answer for answer in answers if answer is not None]


def inputs_of(bundle: Bundle, requests: Sequence[ScoreRequest]) -> tuple[Floats, Floats]:
    """What the model reads of each request that can be scored, and the margin it gives: for looking back, not for deciding."""
    batch = RequestColumns(bundle.scorer)
    for request in requests:
        with contextlib.suppress(TamizError):
            batch.add(request)
    if not batch.size:
        return np.zeros((0, len(bundle.encoder.inputs))), np.zeros(0)
    leads, log, observations, colleagues = batch.columns()
    scored = score_columns(bundle, leads, log, observations, colleagues)
    return scored.X, scored.margin


def _indexes(bundle: Bundle, scored: Scored, groups: Sequence[tuple[str, ...]]) -> list[list[float]]:
    """Each group of families' push on each lead's margin as 0–100; 50 is the training average."""
    pulls = scored.contributions
    assert pulls is not None
    log_odds = np.array([np.add.reduce(pulls.take(bundle.columns_of(families), axis=1), axis=1) for families in groups])
    return [[round(one, 1) for one in group] for group in (100.0 / (1.0 + np.exp(-log_odds))).tolist()]


def bant_card(found: Mapping[bant.Dimension, bant.DimensionEvidence], as_of: int) -> Bant:
    """The evidence as it is answered."""
    return Bant(*[_dimension(found[name], as_of) for name in bant.DIMENSIONS])


def _dimension(known: bant.DimensionEvidence, as_of: int) -> BantDimension:
    facts = [
        Evidence(
            hint.fact,
            hint.source,
            None if hint.age is None else _EPOCH + (as_of - round(hint.age * DAY)) * _TICK,
            round(hint.weight, 4),
            hint.contradicts,
        )
        for hint in known.hints
    ]
    return BantDimension(known.status, None if known.strength is None else round(known.strength, 4), facts, known.question)
