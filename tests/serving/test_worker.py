"""What a worker does each day, whether or not anybody asks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from data.reports import DAY, Reports
from data.store import Store, now
from serving.running import running
from serving.settings import Settings
from serving.worker import daily_reports


def test_every_report_of_the_pages_is_made_once_a_day_one_at_a_time(home: Path) -> None:
    async def run() -> tuple[set[str], list[int]]:
        async with running(Settings(home, auth="dev", worker="beside")) as service:
            made = []
            while daily_reports(service, now()):
                made.append(len(_names(service.store)))
            assert daily_reports(service, now() + DAY)
            return _names(service.store), made

    def _names(store: Store) -> set[str]:
        wanted = ["monitor", *(f"pipeline:{days}" for days in (30, 60, 90, 180, 365)), *(f"forecast:{weeks}" for weeks in (4, 8, 13, 26))]
        return {name for name in wanted if Reports(store).newest(name) is not None}

    names, made = asyncio.run(run())
    assert made == list(range(1, len(names) + 1))
    assert {"monitor", "pipeline:90", "forecast:13", "pipeline:365", "forecast:4"} <= names
