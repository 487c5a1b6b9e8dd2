"""The request that a new user pastes first is one that the serving model can do something with."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from models.bundle import Bundle
from models.decision import Decision
from models.qualification import Policy
from models.scoring import score_requests
from serving.commands import _greet
from serving.examples import lead_to_try
from serving.schemas import instant, read_score
from serving.settings import Settings
from tests.trained import copied


def champion(bundles: Path, bundle: Bundle) -> Path:
    bundles.mkdir(parents=True)
    copied(bundle, bundles / "it")
    (bundles / "champion.json").write_text('{"bundle": "it"}')
    return bundles


def pasted(home: Path, capsys: pytest.CaptureFixture[str]) -> bytes:
    """What a shell would hand to curl."""
    _greet("http://127.0.0.1:8000", Settings(home, auth="dev"))
    words = shlex.split(next(line for line in capsys.readouterr().err.splitlines() if "curl" in line))
    return words[words.index("-d") + 1].encode()


@pytest.mark.parametrize("content", [None, "{", "[]", '{"bundle": "absent"}', '{"bundle": 7}'])
def test_without_a_champion_it_is_a_lead_as_any_crm_has_it(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "champion.json").write_text(content)
    assert set(lead_to_try(tmp_path)) == {"lead_id", "job_title", "employees", "country"}


def test_a_model_of_a_flat_table_is_asked_in_its_own_columns(
    tmp_path: Path, flat_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    champion(tmp_path / "bundles", flat_bundle)
    request = read_score(pasted(tmp_path, capsys))
    request.as_of = instant(0)
    (decision,) = score_requests(flat_bundle, [request], Policy.at(0.2, 0.5))
    assert isinstance(decision, Decision)
    assert not any("not used by this model" in note or "rare or absent" in note or "base rate" in note for note in decision.missing)
    best = max(flat_bundle.manifest["importance"].items(), key=lambda pair: pair[1])[0]
    assert best in request.lead


def test_a_model_of_events_is_asked_as_a_crm_would(tmp_path: Path, event_bundle: Bundle) -> None:
    assert "job_title" in lead_to_try(champion(tmp_path / "bundles", event_bundle))


def test_whatever_a_column_is_called_the_shell_hands_it_on_unchanged(
    tmp_path: Path, flat_bundle: Bundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd: dict[str, Any] = {"lead_id": "L-1", 'customer\'s "$HOME"': "`x` ñ"}
    monkeypatch.setattr("serving.examples.lead_to_try", lambda bundles: odd)
    assert json.loads(pasted(tmp_path, capsys)) == {"lead": odd}
