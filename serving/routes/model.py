"""`/v1/model`: what serves, what might replace it, and asking for that.

The service moves no model: it queues what is asked for, and `tamiz pull --watch` carries it out, gates included, and says so beside it.
"""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from data.promotions import ask, newest
from models.card import Card
from serving.body import json_answer, read_body
from serving.model_cards import cards_of, named
from serving.model_schemas import PromotionAnswer, PromotionPage, PromotionRequest
from serving.model_store import CHAMPION
from serving.openapi import operation
from serving.pages import one_of
from serving.problems import Unprocessable
from serving.schemas import ModelAnswer, decode
from serving.service import admit
from serving.tables import csv_answer, wants_csv

__all__ = ["router"]

router = APIRouter(tags=["model"])
LISTED = 20
_request = msgspec.json.Decoder(PromotionRequest)
_TABLES = ("figures", "segments", "inputs", "bins", "gain")


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


@router.get("/v1/model/cards", summary="The cards of champion and challenger", **operation(
    gives="ModelCards", errors=(401, 403, 422, 503), query=("format", "table", "of")
))  # fmt: skip
async def cards(request: Request) -> Response:
    """What each was trained on, how well it does, for whom, and which inputs it leaves out; a table of either as CSV."""
    service, _ = admit(request, "read", "policy")
    table, of = one_of(request, "table", _TABLES) or "figures", one_of(request, "of", ("champion", "challenger")) or "champion"
    found = await cards_of(service.settings.home)
    if not wants_csv(request):
        return json_answer(found)
    card: Card | None = found.champion if of == "champion" else found.challenger
    if card is None:
        raise Unprocessable(f"There is no {of} to make a table of.")
    rows: list[msgspec.Struct] = getattr(card, table)
    columns = rows[0].__struct_fields__ if rows else ()
    return csv_answer(
        f"model-{card.version or card.model_version}-{table}", columns, [[getattr(row, name) for name in columns] for row in rows]
    )


@router.get("/v1/model/promotions", summary="Promotions and rollbacks that were asked for", **operation(
    gives="PromotionPage", errors=(401, 403, 422, 503), query=("format",)
))  # fmt: skip
async def promotions(request: Request) -> Response:
    """Newest first, with what became of each, and which model serves meanwhile."""
    service, _ = admit(request, "read", "policy")
    listed = [PromotionAnswer.of(one) for one in await asyncio.to_thread(newest, service.store, LISTED)]
    if wants_csv(request):
        columns = PromotionAnswer.__struct_fields__
        return csv_answer("promotions", columns, [[getattr(one, name) for name in columns] for one in listed])
    loaded = service.models.loaded
    pointer = named(service.settings.home / "bundles" / CHAMPION)
    same = loaded is not None and pointer is not None and pointer.folder.name == loaded.bundle.folder.name
    return json_answer(PromotionPage(listed, loaded.version if loaded else None, pointer.version if same and pointer else None))


@router.post("/v1/model/promotions", summary="Ask for a promotion or a rollback", **operation(
    takes="PromotionRequest", example={"kind": "promote"}, gives="PromotionAnswer", done=202, errors=(400, 401, 403, 409, 413, 422, 503)
))  # fmt: skip
async def promote(request: Request) -> Response:
    """Queued for `tamiz pull --watch`, which asks the gates and carries it out. One at a time: another is a 409."""
    service, caller = admit(request, "admin")
    wanted = decode(_request, await read_body(request, service.settings.body_bytes))
    if wanted.kind == "rollback" and wanted.version is not None:
        raise Unprocessable("A rollback goes to the champion before this one; to serve another version, promote it.")
    version = None if wanted.version is None else str(wanted.version)
    author, why = wanted.author.strip() or caller.name, " ".join(wanted.why.split())
    done = await asyncio.to_thread(ask, service.store, wanted.kind, version, author=author, why=why, actor=caller.name)
    return json_answer(PromotionAnswer.of(done), 202)
