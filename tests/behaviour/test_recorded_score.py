"""A score that was recorded once, asked for again when the world has gone on: the same to the last bit, by file and over HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.bundle import Bundle
from serving.app import create_app
from serving.settings import Settings
from tests.behaviour.test_time import bundle
from tests.behaviour.told import NOW, Changed, Crm, Did
from tests.trained import environment

with warnings.catch_warnings():  # the test client would rather have a package that is not installed
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

__all__ = ["bundle"]

DAY = timedelta(days=1)
THEN = Crm(
    did=(
        Did("ana", NOW - 9 * DAY, "page_view", id="v1", url="/pricing"),
        Did("ana", NOW - 2 * DAY, "answer", timedelta(hours=3), content="budget", value="approved"),
        Did("ben", NOW - DAY, "demo_request"),
    ),
    changed=(Changed("ana", "job_title", "Becario", NOW - 50 * DAY), Changed("ben", "employees", "250", NOW - 3 * DAY)),
    today=(("Becario", "9", "pro", "yes"), ("", "250", "pro", "yes"), ("", "", "", "")),
)
SINCE = replace(
    THEN,
    did=(
        Did("ana", NOW + 5 * DAY, "demo_request", id="v1"),  # its id was taken by a visit
        Did("ana", NOW - 3 * DAY, "call", 30 * DAY),  # back-filled
        *THEN.did[::-1],
        Did("ben", NOW, "trial_start"),
        Did("eva", NOW + 40 * DAY, "page_view", url="/pricing"),
    ),
    changed=(Changed("ana", "job_title", "CEO", NOW + 20 * DAY), Changed("eva", "plan", "pro", NOW), *THEN.changed[::-1]),
    outcomes=(("ana", NOW + 60 * DAY, "won"), ("ben", NOW + DAY, "lost")),
    stages=(("ana", NOW + 10 * DAY, "demo"),),
    today=(("CEO", "9", "pro", "yes"), ("Directora de Marketing", "many", "basic", "no"), ("", "", "pro", "yes")),
)


def command(bundle: Bundle, folder: Path, as_of: str) -> bytes:
    """What `tamiz score` writes of a folder's files."""
    files = [f"--{name.replace('_', '-')}={folder / name}.csv" for name in ("leads", "activities", "lead_changes")]
    asked = [*files, f"--as-of={as_of}", f"--model={bundle.folder}", f"--out={folder / 'scored.csv'}"]
    subprocess.run([sys.executable, "-m", "tamiz", "score", *asked], env=environment(folder / "var"), check=True, capture_output=True)
    return (folder / "scored.csv").read_bytes()


def test_by_the_command_on_files(bundle: Bundle, tmp_path: Path) -> None:
    THEN.write(tmp_path / "then")
    SINCE.write(tmp_path / "since")
    recorded = command(bundle, tmp_path / "then", NOW.isoformat())
    assert command(bundle, tmp_path / "since", NOW.isoformat()) == recorded
    elsewhere = "2026-03-31T15:50:30+05:30"  # the same instant
    assert command(bundle, tmp_path / "since", elsewhere) == recorded
    later = command(bundle, tmp_path / "since", (NOW + 90 * DAY).isoformat())
    assert [line.split(b",")[1] for line in later.splitlines()] != [line.split(b",")[1] for line in recorded.splitlines()]


@pytest.fixture
def client(bundle: Bundle, tmp_path: Path) -> Any:
    (tmp_path / "bundles").mkdir()
    shutil.copytree(bundle.folder, tmp_path / "bundles" / "first")
    (tmp_path / "bundles" / "champion.json").write_text(json.dumps({"bundle": "first", "model_version": "first"}))
    with TestClient(create_app(Settings(tmp_path, auth="dev")), base_url="http://127.0.0.1:8000") as client:
        yield client


def test_over_http_by_the_body(client: Any) -> None:
    """The receipt's input hash too: it is of what the decision was made from, and rows that came later are no part of it."""

    def body(did: tuple[Did, ...]) -> dict[str, Any]:
        def sent(one: Did) -> dict[str, Any]:
            given = {"occurred_at": one.occurred.isoformat(), "type": one.type, "lead_id": one.lead}
            optional = {"activity_id": one.id, "url": one.url, "content": one.content, "value": one.value}
            optional["recorded_at"] = one.recorded.isoformat() if one.delay else ""
            return given | {name: value for name, value in optional.items() if value}

        lead = {"lead_id": "ana", "created_at": "2025-01-01T00:00:00Z", "job_title": "CTO", "employees": 40}
        own, others = ([sent(one) for one in did if (one.lead == "ana") == mine] for mine in (True, False))
        return {"lead": lead, "activities": own, "account_activities": others, "as_of": NOW.isoformat()}

    first = client.post("/v1/score", json=body(THEN.did)).json()
    in_place = sorted(SINCE.did, key=lambda one: THEN.did.index(one) if one in THEN.did else -1)
    again = client.post("/v1/score", json=body(tuple(in_place))).json()
    for answer in (first, again):  # of the call, and of what was decided in between
        for name in ("decision_id", "scored_at"):
            answer["receipt"].pop(name)
    ignored = again.pop("missing")
    assert "1 activities from as_of or later were ignored" in ignored, "the back-fill; the double is none at all"
    first.pop("missing")
    assert again | {"previous_decision": None, "changed": False} == first
