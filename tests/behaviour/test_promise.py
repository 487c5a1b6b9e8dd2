"""The benchmark of the preview's promise, on one small world: it runs, and what came lies where it was promised to."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.promise import KINDS, LEVELS, Tally, one


@pytest.mark.slow
def test_what_comes_lies_where_it_was_promised(tmp_path: Path) -> None:
    tally = Tally()
    one(tmp_path, leads=1_500, seed=5, weeks=8, hours=24.0, tally=tally)
    counted = [inside for kind in KINDS for inside in tally.inside[LEVELS[0], "week", kind]]
    assert len(counted) >= 4 * 8
    assert sum(counted) / len(counted) >= 0.85, (
        "95 % of single weeks are promised; with this few, fewer than 85 % would be a broken promise"
    )
    assert sum(tally.inside[LEVELS[0], "average", kind][0] for kind in KINDS) >= 3
