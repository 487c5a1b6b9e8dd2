"""`GET /v1/model`: what serves."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.openapi import operation
from serving.schemas import ModelAnswer
from serving.service import admit

__all__ = ["router"]

router = APIRouter(tags=["model"])


@router.get("/v1/model", summary="The model that serves", **operation(gives="ModelAnswer", errors=(401, 403, 503)))
async def model(request: Request) -> Response:
    """Version, feature set, horizon and manifest of the champion, and the policy applied to it."""
    service, _ = admit(request, "read", "score", "policy")
    loaded = service.models.current()
    in_force = service.policies.in_force(loaded)
    assert in_force is not None, "a model brings its default policy"
    answer = ModelAnswer(
        loaded.version,
        loaded.bundle.feature_set,
        loaded.bundle.horizon_days,
        loaded.loaded_at,
        round(loaded.load_seconds, 4),
        in_force.version,
        dict(loaded.bundle.manifest) | {"horizon_days": loaded.bundle.horizon_days},
    )
    return Response(msgspec.json.encode(answer), media_type="application/json")
