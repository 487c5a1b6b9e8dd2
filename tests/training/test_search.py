"""Search: what it costs is counted, what it finds is found again, and it cannot see what it must not see."""

from __future__ import annotations

import numpy as np
import pytest

from models.inputs import Floats, InputSpec
from models.logit import sigmoid
from training import search as module
from training.search import RACE, Found, search

INPUTS = [InputSpec(f"x{i}") for i in range(6)]
ROWS = 2_000
FIT, TUNE = np.arange(1_200), np.arange(1_200, 1_600)
Table = tuple[Floats, Floats]


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 6))
    return X, (rng.random(ROWS) < sigmoid(X[:, 0] + 0.8 * X[:, 1] * X[:, 2] - 1)).astype(float)


def run(table: Table, trials: int, **more: object) -> Found:
    settings: dict[str, object] = {"seed": 7, "defaults": {}, **more}
    return search(*table, np.arange(ROWS), FIT, TUNE, INPUTS, trials=trials, **settings)  # type: ignore[arg-type]  # passed on by name


@pytest.fixture(scope="module")
def found(table: Table) -> dict[int, Found]:
    """One search for each number of trials: others of the same seed must find the same."""
    return {trials: run(table, trials) for trials in (3, RACE, RACE + 2)}


def test_no_trials_leave_the_defaults(table: Table) -> None:
    found = run(table, 0)
    assert (found.setting, found.trials) == ({}, ())
    assert found.loss == found.default_loss


def test_trials_are_counted_one_by_one(found: dict[int, Found]) -> None:
    assert {asked: len(one.trials) for asked, one in found.items()} == {asked: asked for asked in found}


def test_the_same_seed_finds_the_same_model_to_the_bit(table: Table, found: dict[int, Found]) -> None:
    one, other = run(table, 3), found[3]
    assert one == other
    assert one.model.text == other.model.text
    assert run(table, 3, seed=8).trials != one.trials


def test_a_search_cut_short_by_the_clock_is_the_search_of_as_many_trials(table: Table, found: dict[int, Found]) -> None:
    said: list[str] = []
    short = run(table, 3 * RACE, seconds=0.0, say=said.append)
    assert len(short.trials) == RACE
    assert any("stopped by the clock" in line for line in said)
    assert found[RACE] == short


def test_a_longer_search_begins_as_the_shorter_one(found: dict[int, Found]) -> None:
    assert found[RACE + 2].trials[:RACE] == found[RACE].trials


def test_few_reach_the_last_rung_and_all_reach_the_first(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEWEST_ROWS", 100)
    rows = sorted(trial.rows for trial in run(table, RACE).trials)
    assert rows.count(len(FIT)) == 1
    assert len(set(rows)) == 3
    assert rows[0] < len(FIT) / 8 < rows[-3] < len(FIT) / 2


def test_rungs_take_whole_leads_and_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEWEST_ROWS", 100)
    lead = np.repeat(np.arange(900), 4)
    ninth, third, everyone = module._rungs(lead, 7)
    assert everyone is None
    assert ninth is not None
    assert third is not None
    assert set(ninth) < set(third)
    for rows in (ninth, third):
        assert len(rows) == 4 * len(np.unique(lead[rows]))


def test_neither_later_blocks_nor_their_labels_are_looked_at(table: Table, found: dict[int, Found]) -> None:
    X, y = table
    poisoned, flipped = X.copy(), y.copy()
    poisoned[TUNE[-1] + 1 :] = np.nan
    flipped[TUNE[-1] + 1 :] = 1 - y[TUNE[-1] + 1 :]
    assert run((poisoned, flipped), 3).model.text == found[3].model.text


def test_the_defaults_stay_where_nothing_beats_them_clearly() -> None:
    """Labels by the toss of a coin: whoever wins the race has won by chance."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(ROWS, 6)), (rng.random(ROWS) < 0.3).astype(float)
    assert run((X, y), RACE).setting == {}


def test_hopeless_defaults_are_left(table: Table) -> None:
    found = run(table, RACE, defaults={"min_data_in_leaf": 550, "num_leaves": 2, "learning_rate": 0.001})
    assert found.setting["num_leaves"] > 2
    assert found.loss < found.default_loss
