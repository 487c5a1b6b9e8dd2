"""What the policy's routes take and give, as Pydantic models: unknown keys are refused, missing ones named."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.qualification import Policy

__all__ = ["PolicyAnswer", "PolicyHistory", "PreviewAnswer", "PreviewRequest", "PublishRequest", "RollbackRequest"]

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=200)]
Note = Annotated[str, Field(max_length=2_000)]


class _Taken(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PublishRequest(_Taken):
    """A policy to publish, who says so, and why."""

    policy: Policy
    author: Name | None = None
    """Default: the key's prefix."""
    note: Note = ""
    feature_set: str | None = None
    """The fingerprint of the inputs that the policy was made for; another one than the model's is refused."""


class RollbackRequest(_Taken):
    """Which version to publish again; by default the one before, and again goes one further back."""

    to: Annotated[int, Field(ge=1)] | None = None
    author: Name | None = None
    note: Note = ""


class PreviewRequest(_Taken):
    """A policy to look at before publishing it, or only its two thresholds: then the rest is as in force."""

    policy: Policy | None = None
    mql: Share | None = None
    sql: Share | None = None
    level: Annotated[float, Field(ge=0.5, le=0.99, allow_inf_nan=False)] = 0.95
    """What the intervals hold: 0.95 is nineteen in twenty."""
    by: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """A segment column: the same for each of its values."""
    capacity: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """Leads a week that sales can call, for the recommendation; default: the policy's capacity of the MQL queue."""
    cost_per_call: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    value_per_conversion: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Default: what conversions of the backtest brought on average, where that is known."""
    feature_set: str | None = None
    """The fingerprint of the inputs that the policy was made for; another one than the model's is refused."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if (self.policy is None) == (self.mql is None and self.sql is None):
            raise ValueError("either `policy`, or `mql` and `sql`")
        if self.policy is None and (self.mql is None or self.sql is None):
            raise ValueError("`mql` and `sql` go together")
        return self


class PolicyAnswer(BaseModel):
    """A policy with its version; `version` is "default" while nothing has been published."""

    version: str
    policy: Policy
    author: str | None
    note: str | None
    published_at: datetime | None
    restores: str | None = None
    """The version that this one brought back."""
    changes: list[dict[str, Any]] | None = None
    """Against the version before it."""


class PolicyHistory(BaseModel):
    """Published versions, newest first."""

    versions: list[PolicyAnswer]


class PreviewAnswer(BaseModel):
    """What a policy would do, from the tables of the model that serves and from the leads in the store."""

    model_version: str
    feature_set: str
    policy: Policy
    """The policy that was looked at."""
    published: str
    """The version in force, that it is compared with."""
    level: float
    per: str
    """What a volume is counted per: "week", or "100 leads" where the backtest has no instants."""
    weeks: float | None
    """How many weeks volumes were counted in."""
    leads: int
    """In the backtest; likewise conversions and their share."""
    conversions: int
    base_rate: float
    mql: dict[str, Any]
    """Those who reach the MQL threshold, SQL included: volume, precision, caught, conversions, revenue, returns and capacity,
    each with intervals; null, with `reached` false, where no lead of the backtest has such a probability."""
    sql: dict[str, Any]
    in_force: dict[str, Any]
    """`mql` and `sql` of the published policy, to compare with."""
    today: dict[str, Any]
    """Who would enter and leave each queue of today, by id."""
    by_segment: dict[str, Any] | None
    recommendation: dict[str, Any]
    columns: dict[str, list[str]]
    """The segment columns that exist, with their values."""
    left_out: list[str]
    """Rules of the policy that the figures do not follow."""
    intervals: str
    """What the intervals hold, in words."""
