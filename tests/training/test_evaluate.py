"""`tamiz evaluate` and `tamiz score` on the same rows agree, because they score by the same reading of the file."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from data.errors import BadData
from data.home import Home
from models.bundle import Bundle
from models.score_file import TooMuchMissing, score_file
from tests.trained import environment, flat_table
from training import metrics
from training.evaluate import evaluate_file

NOT_FROM_SCORES = ("model_version", "by_probability")


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Rows that training never saw; whole numbers only in `size`, and codes in a column of words."""
    path = tmp_path / "later.csv"
    flat_table(900, seed=99).assign(size=lambda table: table["size"].round()).to_csv(path, index=False)
    return path


def figures_of_scores(bundle: Bundle, path: Path) -> dict[str, object]:
    """What anyone could compute from the output of `tamiz score`."""
    out = path.with_suffix(".scored.parquet")
    score_file(bundle, bundle.policy, path, str(out), as_of=datetime.now(UTC), reasons=0)
    scored = parquet.read_table(out).to_pandas()
    y = (pd.read_csv(path)["won"] == "yes").to_numpy(np.float64)
    good = scored["error"].isna().to_numpy()
    p = scored["probability"].to_numpy(np.float64)[good]
    margin = margins(bundle, path)[good]
    return metrics.evaluate(y[good], p, margin, np.arange(len(p)))


def margins(bundle: Bundle, path: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from training.evaluate import _scored, open_scan

    return _scored(bundle, open_scan(bundle, path, None))[1]


def figures(bundle: Bundle, path: Path, home: Path) -> dict[str, object]:
    found = evaluate_file(str(bundle.folder), path, "won", Home(home))
    return {name: value for name, value in found.items() if name not in NOT_FROM_SCORES}


def test_they_agree_exactly(flat_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    assert figures(flat_bundle, later, tmp_path) == figures_of_scores(flat_bundle, later)


def test_what_anyone_computes_from_the_scores_is_there_too(flat_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    score_file(flat_bundle, flat_bundle.policy, later, str(tmp_path / "out.csv"), as_of=datetime.now(UTC))
    p = pd.read_csv(tmp_path / "out.csv", dtype=str)["probability"].map(float)
    y = pd.read_csv(later)["won"] == "yes"
    found = evaluate_file(str(flat_bundle.folder), later, "won", Home(tmp_path))
    assert found["by_probability"]["auc"] == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert found["by_probability"]["pr_auc"] == pytest.approx(average_precision_score(y, p), abs=1e-12)
    assert found["log_loss"] == pytest.approx(log_loss(y, p), abs=1e-12)
    assert found["brier"] == pytest.approx(brier_score_loss(y, p), abs=1e-12)


def test_they_agree_where_the_files_columns_look_otherwise_than_in_training(flat_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    """All categories are numbers here, and a yes-or-no column holds one word: a reader that typed the file anew would see other columns."""
    frame = pd.read_csv(later, dtype={"lead_id": str})
    frame.assign(origin="12", member="no").to_csv(later, index=False)
    found = figures(flat_bundle, later, tmp_path)
    assert found == figures_of_scores(flat_bundle, later)
    scored = parquet.read_table(later.with_suffix(".scored.parquet")).to_pandas()
    assert scored["probability"].nunique() > 5


def test_rows_that_cannot_be_scored_are_left_out_of_both_and_said(flat_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    text = later.read_text().splitlines()
    text[5] = text[5].rsplit(",", 4)[0] + ",many,yes,0.1,yes"
    later.write_text("\n".join(text) + "\n")
    said: list[str] = []
    found = evaluate_file(str(flat_bundle.folder), later, "won", Home(tmp_path), say=said.append)
    assert found["rows"] == 899
    assert any("1 rows cannot be scored" in notice for notice in said)


def test_the_label_means_what_it_meant_in_training(flat_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(later, dtype=str, keep_default_na=False)
    frame.assign(won=frame["won"].str.upper()).to_csv(later, index=False)
    assert evaluate_file(str(flat_bundle.folder), later, "won", Home(tmp_path))["positives"] == (frame["won"] == "yes").sum()


@pytest.mark.parametrize("value", ["yes", "no"])
def test_one_class_cannot_be_measured(flat_bundle: Bundle, later: Path, tmp_path: Path, value: str) -> None:
    pd.read_csv(later, dtype=str, keep_default_na=False).assign(won=value).to_csv(later, index=False)
    with pytest.raises(BadData, match="class"):
        evaluate_file(str(flat_bundle.folder), later, "won", Home(tmp_path))


def test_columns_without_which_scores_are_guesses(flat_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    pd.read_csv(later, dtype=str)[["lead_id", "member", "won"]].to_csv(later, index=False)
    with pytest.raises(TooMuchMissing):
        evaluate_file(str(flat_bundle.folder), later, "won", Home(tmp_path))


def test_nothing_is_said_of_the_label_and_the_order(flat_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    said: list[str] = []
    evaluate_file(str(flat_bundle.folder), later, "won", Home(tmp_path), say=said.append)
    pd.read_csv(later).rename(columns={"won": "became_customer"}).to_csv(later, index=False)
    evaluate_file(str(flat_bundle.folder), later, "became_customer", Home(tmp_path), say=said.append)
    assert said == []


def test_a_model_of_events_says_how_to_measure_it(event_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="tamiz train --project"):
        evaluate_file(str(event_bundle.folder), later, "won", Home(tmp_path))


def test_the_command_prints_json_and_writes_the_same(flat_bundle: Bundle, later: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tamiz", "evaluate", "--model", str(flat_bundle.folder), "--leads", str(later), "--label", "won"]
    printed = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=True).stdout
    kept = subprocess.run(
        [*command, "--out", str(tmp_path / "f.json")], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert kept.stdout == ""
    found = json.loads(printed)
    assert found == json.loads((tmp_path / "f.json").read_text())
    for name in ("auc", "pr_auc", "log_loss", "brier", "ece", "lift_at_10", "precision_at_20"):
        low, high = found[f"{name}_ci"]
        assert low <= found[name] <= high or name in ("ece", "lift_at_10", "precision_at_20")
