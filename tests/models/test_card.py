from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card import _bins, _gain, card_of, comparison_of, comparisons
from models.looks import Looks
from tests.bundles import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "one"
    make_bundle(folder, version="1", hope=0.0)
    return folder


def test_what_a_bundle_does_not_say_is_not_known_and_not_zero(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    card = card_of(tmp_path)
    assert (card.rows, card.base_rate, card.version) == (None, None, None)
    assert (card.figures, card.bins, card.gain, card.segments, card.inputs) == ([], [], [], [], [])
    assert card.model_version == tmp_path.name


def test_inputs_that_were_left_out_come_first_and_then_those_that_it_leans_on(tmp_path: Path) -> None:
    audited = {name: {"verdict": verdict, "evidence": "because"} for name, verdict in (("a", "ok"), ("b", "ok"), ("c", "blocked"))}
    manifest = {"left_out": ["c"], "importance": {"a": 0.1, "b": 0.3}, "metrics": {"inputs": audited}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert [(one.name, one.used) for one in card_of(tmp_path).inputs] == [("c", False), ("b", True), ("a", True)]


def test_a_card_of_a_real_bundle_names_its_version(bundle: Path) -> None:
    assert (card_of(bundle, 7).model_version, card_of(bundle, 7).version) == ("1", 7)


def test_a_comparison_of_other_bundles_is_none_of_these(tmp_path: Path, bundle: Path) -> None:
    assert comparison_of(tmp_path, bundle, None) is None
    folder = comparisons(tmp_path, bundle, None)
    folder.mkdir(parents=True)
    told = {"verdict": "HOLD", "final": False, "at": "2026-01-01T00:00:00Z", "evidence": {"said": ""}, "notes": []}
    (folder / "comparison.json").write_text(json.dumps(told | {"gates": [{"name": "calibration", "verdict": "fail", "figures": "0.1"}]}))
    found = comparison_of(tmp_path, bundle, None)
    assert found is not None
    assert (found.verdict, found.gates[0].name) == ("HOLD", "calibration")
    assert comparison_of(tmp_path, bundle, bundle) is None
    (folder / "comparison.json").write_text("{")
    assert comparison_of(tmp_path, bundle, None) is None


ROWS = st.lists(st.tuples(st.sampled_from([0.01, 0.1, 0.1000001, 0.4, 0.9]), st.booleans(), st.integers(0, 9)), min_size=1, max_size=80)


def backtest(rows: list[tuple[float, bool, int]]) -> Looks:
    probability, y, lead = (np.array(values, float) for values in zip(*rows, strict=True))
    return Looks(probability, lead.astype(np.int64), y=y)


@given(ROWS)
def test_every_row_is_in_one_group_and_each_group_holds_what_happened_within_its_interval(rows: list[tuple[float, bool, int]]) -> None:
    bins = _bins(backtest(rows))
    assert sum(one.rows for one in bins) == len(rows)
    assert sum(one.rows * one.observed for one in bins) == pytest.approx(sum(won for _, won, _ in rows))
    promised = [one.promised for one in bins]
    assert promised == sorted(set(promised))
    for one in bins:
        assert 0 <= one.low <= one.observed + 1e-12
        assert one.observed <= one.high + 1e-12 <= 1 + 2e-12
        assert 1 <= one.leads <= one.rows


@given(ROWS, st.randoms())
def test_the_gain_rises_from_nothing_to_all_whatever_the_order_of_the_rows(rows: list[tuple[float, bool, int]], random: object) -> None:
    gain = _gain(backtest(rows))
    if not any(won for _, won, _ in rows):
        assert gain == []
        return
    values = [one.gain for one in gain]
    assert (values[0], values[-1]) == (0.0, pytest.approx(1.0))
    assert values == sorted(values)
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random
    assert [one.gain for one in _gain(backtest(shuffled))] == pytest.approx(values)
