"""What one scored lead comes back as: the decision, its evidence, and the receipt that makes it reproducible.

Plain msgspec structs, encoded as they stand into the HTTP answer and into the ledger. Times are UTC and leave as
RFC 3339 with `Z`. Nulls mean "not known" or "does not apply" (no horizon on a flat table, no score without signal);
they are always written, so that a reader finds every field in every answer.

Scoring fills everything but `receipt.decision_id`, `receipt.policy_version` and `receipt.scored_at`, which the
service adds when it enters the decision into the ledger.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

__all__ = [
    "DECISIONS",
    "Bant",
    "BantDimension",
    "BantStatus",
    "Decision",
    "Evidence",
    "Grade",
    "Outcome",
    "Overridden",
    "Reason",
    "Receipt",
]

Outcome = Literal["disqualified", "nurture", "mql", "sql"]
Grade = Literal["A", "B", "C", "D"]
BantStatus = Literal["met", "unmet", "unknown"]

DECISIONS: tuple[Outcome, ...] = ("disqualified", "nurture", "mql", "sql")
"""From least to most wanted: the position is the decision's code wherever decisions are arrays."""


class Reason(msgspec.Struct, gc=False):
    """One signal's part in the probability, as a sentence with the lead's own value."""

    signal: str
    family: str
    sentence: str
    value: str | float | None
    contribution: float
    """Log-odds that this signal added to the margin, against the training average."""


class Evidence(msgspec.Struct, gc=False):
    """One fact behind a dimension."""

    fact: str
    source: str
    """`answer`, `column`, `job title`, `company` or `behaviour`."""
    observed_at: datetime | None
    """When it was observed; null for current state without a date."""
    weight: float
    """From -1 (settles it against) to 1 (settles it for), after ageing."""
    contradicts: bool = False
    """Whether it stands against the strongest fact of its dimension."""


class BantDimension(msgspec.Struct, gc=False):
    """What is known about one of Budget, Authority, Need and Timeline; unknown is not zero."""

    status: BantStatus = "unknown"
    strength: float | None = None
    evidence: list[Evidence] = []
    question: str | None = None
    """What to ask next: while the dimension is not met, or where facts contradict each other."""


class Bant(msgspec.Struct, gc=False):
    """The four dimensions of qualification."""

    budget: BantDimension
    authority: BantDimension
    need: BantDimension
    timeline: BantDimension


class Overridden(msgspec.Struct):
    """A person's decision, which holds instead of the model's."""

    override_id: str
    instead_of: Outcome
    """What the model and the policy say."""
    author: str
    reason: str
    given_at: datetime
    expires_at: datetime | None


class Receipt(msgspec.Struct, gc=False):
    """What makes the decision reproducible: the ledger entry behind it holds the rest."""

    model_version: str
    feature_set: str
    input_hash: str
    decision_id: str | None = None
    policy_version: str | None = None
    scored_at: datetime | None = None
    merged: list[str] = []
    """Leads that became this one before: what they did counts as its own."""
    propensity: float | msgspec.UnsetType = msgspec.UNSET
    """With which probability the policy passes a lead like this on; written only where chance has a part."""


class Decision(msgspec.Struct, gc=False):
    """One lead at one instant: how likely, why, and what should happen."""

    lead_id: str
    as_of: datetime
    probability: float
    probability_low: float
    probability_high: float
    horizon_days: int | None
    score: float | None
    grade: Grade | None
    decision: Outcome
    previous_decision: Outcome | None
    changed: bool
    """Whether the decision differs from the previous one; a first decision has not changed."""
    rules: list[str]
    bant: Bant
    fit: float | None
    engagement: float | None
    reasons: list[Reason]
    missing: list[str]
    """What was absent, unused, or ignored, each as a sentence that names it."""
    receipt: Receipt
    override: Overridden | None
    """What a person decided, if that holds; `decision` is then theirs."""
    expected_value: float | None
    """Probability times the expected amount of the deal; null where outcomes carried no amounts, or without signal."""
    by_day: dict[str, float] | None
    """The probability to have converted within fewer days, by their number; the horizon is the last. Null without a horizon."""
