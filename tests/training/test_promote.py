"""Promotion from the alias to the folder that serves: what is refused first, then the way there and back."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tamiz
from data.home import Home
from models.registry import CHALLENGER, CHAMPION, MODEL, Registry, read_pointer
from training.compare import WithoutMetrics
from training.promote import Held, NothingToPromote, promote, rollback


@pytest.fixture(scope="module")
def home(empty_mlflow_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One installation for the whole story."""
    home = Home(tmp_path_factory.mktemp("var")).create()
    shutil.copy(empty_mlflow_store, home.mlflow_db)
    return home


@pytest.fixture(autouse=True)
def local_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")


def metrics(**over: Any) -> dict[str, Any]:
    def figures(log_loss: float, auc: float) -> dict[str, Any]:
        return {"log_loss": log_loss, "auc": auc, "auc_ci": [auc - 0.02, auc + 0.02]}

    return {
        "rows": 4000, "positives": 400, "chosen": "boosted", "no_signal": False,
        "split": {"base_rates": {"fit": 0.1, "tune": None, "calibrate": 0.115, "test": 0.11}},
        "candidates": {"boosted": figures(0.30, 0.80), "scorecard": figures(0.32, 0.76)},
    } | over  # fmt: skip


def backtest(noise: float) -> pd.DataFrame:
    """Test rows of a model whose margin is the truth plus noise: the more, the worse."""
    rng = np.random.default_rng(5)
    truth = rng.normal(-2, 1.5, 3000)
    y = (rng.random(3000) < 1 / (1 + np.exp(-truth))).astype(float)
    margin = truth + noise * rng.normal(size=3000)
    day = pd.Timestamp("2026-05-01", tz="UTC")
    return pd.DataFrame(
        {"lead": [f"p{i}" for i in range(3000)], "as_of": day, "y": y, "probability": 1 / (1 + np.exp(-margin)), "margin": margin}
    )


def bundle(folder: Path, noise: float | None = None, **manifest: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.txt").write_text(folder.name)
    if noise is not None:
        backtest(noise).to_parquet(folder / "backtest.parquet")
    return seal(folder, **manifest)


def seal(folder: Path, **manifest: Any) -> Path:
    contents = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    files = {name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in contents.items()}
    (folder / "manifest.json").write_text(json.dumps({"files": files, "metrics": metrics()} | manifest))
    return folder


def test_without_a_challenger_there_is_nothing_to_promote(home: Home) -> None:
    with pytest.raises(NothingToPromote, match="tamiz train"):
        promote(home)


def test_a_bundle_without_metrics_cannot_pass_gates(home: Home, tmp_path: Path) -> None:
    with pytest.raises(WithoutMetrics):
        promote(home, str(bundle(tmp_path / "silent", metrics={})))


def test_no_reason_overrules_a_model_without_signal(home: Home, tmp_path: Path) -> None:
    folder = bundle(tmp_path / "noise", metrics=metrics(no_signal=True, chosen=None))
    with pytest.raises(Held, match=r"still no champion.*No reason") as caught:
        promote(home, str(folder), why="I like it")
    assert caught.value.exit_code == 1
    assert read_pointer(home.bundles) is None


def test_from_the_first_champion_to_a_rollback(home: Home, tmp_path: Path) -> None:
    registry = Registry(home)
    first = registry.register_bundle(bundle(tmp_path / "first", noise=0.6))
    registry.set_alias(CHALLENGER, first.version)
    done = promote(home)
    assert (done.version, done.replaced, done.decision.word) == (first.version, None, "PROMOTE")

    # A worse model, on the very same later rows, is held; the champion goes on serving.
    worse = registry.register_bundle(bundle(tmp_path / "worse", noise=2.0))
    with pytest.raises(Held, match=rf"log loss against the champion.*The champion, version {first.version}, stays"):
        promote(home, str(worse.version))
    assert registry.get_alias(CHAMPION) == first.version

    # A reason overrules, and stays with the version.
    overruled = promote(home, str(worse.version), why="the board wants it")
    assert (overruled.decision.word, overruled.replaced) == ("HOLD", first.version)
    from mlflow.tracking import MlflowClient

    tags = MlflowClient(tracking_uri=registry.uri).get_model_version(MODEL, str(worse.version)).tags
    assert (tags["tamiz.why"], tags["tamiz.gate"]) == ("the board wants it", "HOLD")
    assert json.loads(tags["tamiz.gates"])[0]["gate"] == "enough data"

    # Back again, and what the service reads follows.
    assert rollback(home)[:2] == (first.version, worse.version)
    pointer = read_pointer(home.bundles)
    assert pointer is not None
    assert (pointer.version, pointer.bundle) == (first.version, first.folder.name)

    # A better one is measured on the same rows and passes.
    better = promote(home, str(bundle(tmp_path / "better", noise=0.0)))
    assert better.decision.promote
    assert any(gate.name == "log loss against the champion" for gate in better.decision.gates)


def test_leads_that_go_by_number_are_the_same_leads_in_the_same_data_only(home: Home, tmp_path: Path) -> None:
    def numbered(name: str, noise: float, data: str) -> str:
        folder = bundle(tmp_path / name)
        backtest(noise).assign(lead=range(3000)).to_parquet(folder / "backtest.parquet")
        return str(seal(folder, data_digest=data))

    promote(home, numbered("june", 0.5, "june"), why="to begin with")
    same = promote(home, numbered("june again", 0.0, "june"))
    assert any(gate.name == "log loss against the champion" for gate in same.decision.gates)
    other = promote(home, numbered("july", 0.0, "july"))
    assert "weak evidence" in other.decision.gates[-1].figures


def test_a_bundle_that_mlflow_did_not_take_is_uploaded_by_promoting_its_folder(home: Home) -> None:
    kept = bundle(home.bundles / "kept", noise=0.0)
    said: list[str] = []
    done = promote(home, str(kept), why="better late than never", say=said.append)
    assert done.folder.name.startswith(f"v{done.version}-")
    assert not kept.exists()
    assert any("uploading" in text for text in said)


def test_the_command_says_that_a_hold_was_overruled_and_why(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tamiz import _run

    folder = bundle(tmp_path / "forced", metrics=metrics(positives=12))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TAMIZ_HOME", str(home.root))
        assert _run(["promote", "--model", str(folder), "--why", "the pilot starts on Monday"]) == 0
    held, overruled, done = capsys.readouterr().out.splitlines()[-3:]
    assert held == "HOLD"
    assert overruled == "overruled, because: the pilot starts on Monday"
    assert done.startswith("champion is now version")


def test_the_command_prints_gates_and_verdict_and_exits_with_1_on_hold(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = bundle(tmp_path / "few", metrics=metrics(positives=12))
    monkeypatch.setenv("TAMIZ_HOME", str(home.root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.chdir(tmp_path)  # where no project lies about
    assert tamiz._run(["promote", "--model", str(folder)]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "HOLD"
    assert "28 are missing" in told.out
    assert "HOLD: enough data" in told.err
