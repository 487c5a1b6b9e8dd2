from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from data.errors import DependencyFailed
from data.quarantine import TooManyBadRows, collect, stop_above, write_quarantine


def test_a_folder_that_cannot_be_made_is_a_failed_dependency(tmp_path: Path) -> None:
    (tmp_path / "quarantine").write_text("a file stands in the way")
    with pytest.raises(DependencyFailed, match=r"quarantine.*could not be written") as said:
        write_quarantine(tmp_path, "run", collect("leads", [1], ["a"], "no date"))
    assert said.value.exit_code == 3


def test_a_runs_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    path = write_quarantine(tmp_path, "../../etc/run 7", collect("leads", [1], ["a"], "no date"))
    assert path.parent == tmp_path / "quarantine"


def test_writing_again_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_quarantine(tmp_path, "run", collect("leads", [1, 2], ["a", "b"], "no date"))
    path = write_quarantine(tmp_path, "run", collect("activities", [7], ["007"], "unknown lead"))
    assert [other.name for other in path.parent.iterdir()] == ["run.csv"]
    assert pd.read_csv(path, dtype=str).to_numpy().tolist() == [["activities", "7", "007", "unknown lead"]]


@pytest.mark.parametrize(("bad", "stops"), [(0, False), (1, False), (2, True)])
def test_it_stops_above_the_share_and_not_at_it(bad: int, stops: bool) -> None:
    frame = collect("leads", range(1, bad + 1), ["a"] * bad, "no date")
    if stops:
        with pytest.raises(TooManyBadRows, match="2 of 100 rows of leads"):
            stop_above(0.01, "leads", 100, frame)
    else:
        stop_above(0.01, "leads", 100, frame)


def test_a_row_that_is_bad_twice_counts_once() -> None:
    stop_above(0.01, "leads", 100, collect("leads", [3, 3], ["a", "a"], ["no date", "no id"]))
