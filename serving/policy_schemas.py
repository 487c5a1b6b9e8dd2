"""What the policy's routes take and give, as Pydantic models: unknown keys are refused, missing ones named."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

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


class RollbackRequest(_Taken):
    """Which version to publish again; by default the one before, and again goes one further back."""

    to: Annotated[int, Field(ge=1)] | None = None
    author: Name | None = None
    note: Note = ""


class PreviewRequest(_Taken):
    """Thresholds to look at before publishing them."""

    mql: Share
    sql: Share


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
    """What the thresholds would do, from the backtest of the model that serves."""

    model_version: str
    per: str
    """What a volume is counted per: "week", or "100 leads" where the backtest has no instants."""
    weeks: float | None
    leads: float
    conversions: float
    base_rate: float
    mql: dict[str, Any]
    """Those who reach the MQL threshold, SQL included: volume, precision, caught, each with a 95 % interval; null, with
    `reached` false, where no lead of the backtest has such a probability."""
    sql: dict[str, Any]
