"""What the calls about models take and answer, as msgspec structs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from data.promotions import Promotion, PromotionKind, PromotionState
from models.card import Card, Comparison
from serving.schemas import instant

__all__ = ["ModelCards", "PromotionAnswer", "PromotionPage", "PromotionRequest"]


class ModelCards(msgspec.Struct):
    """What serves, what might replace it, and what the gates said of that."""

    champion: Card | None
    challenger: Card | None
    comparison: Comparison | None
    """Null until `tamiz compare` or a promotion has compared exactly these two."""


class PromotionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is wanted: the challenger, or the version named, as champion; or the champion before this one."""

    kind: PromotionKind
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    why: Annotated[str, msgspec.Meta(max_length=500)] = ""
    """Kept with the version. With a promotion it overrules a HOLD: without a reason the gates decide."""
    author: Annotated[str, msgspec.Meta(max_length=200)] = ""


class PromotionAnswer(msgspec.Struct):
    """A request as it stands: `queued` until `tamiz pull --watch` begins it, `running`, and then `done`, `held` by a gate, or `failed`."""

    promotion_id: str
    kind: PromotionKind
    version: str | None
    author: str
    why: str
    state: PromotionState
    requested_at: datetime
    finished_at: datetime | None
    message: str | None
    """What the command said."""

    @classmethod
    def of(cls, one: Promotion) -> PromotionAnswer:
        finished = None if one.finished_at is None else instant(one.finished_at)
        requested = instant(one.requested_at)
        return cls(one.promotion_id, one.kind, one.version, one.author, one.why, one.state, requested, finished, one.message)


class PromotionPage(msgspec.Struct):
    """The newest requests, and which model serves while they are read."""

    promotions: list[PromotionAnswer]
    serves: str | None
    """Model version, as the bundle names itself."""
    version: int | None
    """The same as the registry counts."""
