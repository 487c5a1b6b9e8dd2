"""Diagnostics look at a model and change nothing; each keeps to its own seconds, and what cannot be measured is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.trained import BY_DAY, flat_table
from training import diagnostics as module
from training.dataset import Dataset, FlatOptions, from_flat
from training.diagnostics import BUDGET, diagnose
from training.measure import importance
from training.train import Options, Watch, learn


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("leads") / "leads.csv"
    flat_table(2_400).to_csv(path, index=False)
    return path


def diagnosed(data: Dataset, *, same_class: bool = False) -> dict[str, Any]:
    learned = learn(data, Options(quick=True), Watch(lambda text: None), ("logistic",))
    one, test = learned.candidates["logistic"], learned.split.test
    if same_class:
        y = data.y.copy()
        y[test] = 0.0
        data = replace(data, y=y)
    looks_at = importance(one.model, learned.encoder, learned.X[test])
    before = one.margin.copy()
    found = diagnose(
        data, learned.split, learned.encoder, learned.X, one, learned.calibrations["logistic"], learned.split.fit, looks_at, seed=7
    )
    assert np.array_equal(before, one.margin, equal_nan=True)
    return found


def test_where_test_holds_one_class_there_is_nothing_to_tell(path: Path) -> None:
    found = diagnosed(from_flat(path, BY_DAY), same_class=True)
    assert {name: found[name] for name in BUDGET} == dict.fromkeys(BUDGET)


def test_without_an_order_there_is_no_stability_over_time(path: Path) -> None:
    found = diagnosed(from_flat(path, FlatOptions("won")))
    assert found["stability"] is None
    assert found["permutation"]


def test_a_test_block_of_two_months_has_two_parts(path: Path, tmp_path: Path) -> None:
    """Months by number, as some files have them: many rows share a value of the order, and some fifths of it hold nobody."""
    leads = pd.read_csv(path)
    leads["month"] = np.minimum(np.arange(len(leads)) * 12 // len(leads), 11)
    leads.drop(columns="day").to_csv(tmp_path / "leads.csv", index=False)
    found = diagnosed(from_flat(tmp_path / "leads.csv", FlatOptions("won", order_by="month")))
    parts = found["stability"]["parts"]
    assert 1 <= len(parts) <= 3
    assert all(one["rows"] > 0 for one in parts)


def test_all_four_with_the_seconds_they_took_and_were_given(path: Path) -> None:
    found = diagnosed(from_flat(path, BY_DAY))
    assert found["budget"] == BUDGET
    assert set(found["seconds"]) == set(BUDGET)
    assert min(found["seconds"].values()) >= 0
    assert len(found["stability"]["parts"]) == 5
    assert found["permutation"][0]["name"] == "visits"
    assert found["partial_dependence"][0]["name"] == "visits"
    assert found["learning_curve"]["points"][-1]["auc"] > 0.6


def test_without_seconds_only_what_was_there_already(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", dict.fromkeys(BUDGET, -1.0))
    found = diagnosed(from_flat(path, BY_DAY))
    assert (found["permutation"], found["partial_dependence"]) == ([], [])
    assert len(found["learning_curve"]["points"]) == 1
