from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.reports import DAY, KEPT_DAYS, Reports
from data.store import Store

TODAY = 20_000 * DAY


@pytest.fixture
def reports(tmp_path: Path, database: str) -> Iterator[Reports]:
    store = Store.open(tmp_path, database)
    yield Reports(store)
    store.close()


def test_before_the_first_there_is_none(reports: Reports) -> None:
    assert reports.newest("monitor") is None
    assert reports.history("monitor") == []


def test_of_each_day_the_last_one_stays(reports: Reports) -> None:
    for hours, text in ((1, "early"), (9, "late"), (30, "next day")):
        reports.keep("monitor", TODAY + hours * DAY // 24, 0.5, text)
    reports.keep("pipeline:90", TODAY, 0.1, "another")
    assert [one.document for one in reports.history("monitor")] == ["next day", "late"]
    newest = reports.newest("monitor")
    assert newest is not None
    assert (newest.made_at, newest.seconds) == (TODAY + 30 * DAY // 24, 0.5)


def test_what_is_very_old_goes(reports: Reports) -> None:
    reports.keep("monitor", TODAY, 0.5, "old")
    reports.keep("monitor", TODAY + (KEPT_DAYS + 1) * DAY, 0.5, "new")
    assert [one.document for one in reports.history("monitor")] == ["new"]
