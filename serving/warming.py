"""A first score, made before a model takes over, so that nobody's request pays for filling caches."""

from __future__ import annotations

from data.store import now
from models.scoring import score_requests
from serving.examples import SCORE_REQUEST
from serving.model_store import LoadedModel
from serving.schemas import instant, read_score

__all__ = ["warm"]


def warm(loaded: LoadedModel) -> None:
    """Scores the example lead a few times; that this model cannot score it (it may know other columns) is no fault."""
    for _ in range(3):
        request = read_score(SCORE_REQUEST)
        request.as_of = request.as_of or instant(now())
        score_requests(loaded.bundle, [request], loaded.default_policy, reasons=3, explain="path")
