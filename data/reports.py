"""Reports that take long to make, kept: the newest to be shown at once, and the last of each day to look back on.

In: a name such as `pipeline:90`, and a document, which is text that the store does not look into. Out: the same. Instants are
microseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from data.schema import reports
from data.store import Store

__all__ = ["Report", "Reports"]

DAY = 86_400_000_000
KEPT_DAYS = 800
"""Two years and some weeks, so that a year can be held against the one before."""


@dataclass(frozen=True)
class Report:
    """A report as it was made."""

    name: str
    day: int
    made_at: int
    seconds: float
    document: str


class Reports:
    """The reports of an installation."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def keep(self, name: str, made_at: int, seconds: float, document: str) -> None:
        """The last of its day takes the place of the one before; what is very old goes."""
        day = made_at // DAY
        with self.store.alone() as connection:
            same = sa.and_(reports.c.name == name, reports.c.day == day)
            connection.execute(sa.delete(reports).where(sa.or_(same, reports.c.day < day - KEPT_DAYS)))
            connection.execute(reports.insert().values(name=name, day=day, made_at=made_at, seconds=seconds, document=document))

    def newest(self, name: str) -> Report | None:
        """None where there never was one."""
        found = self.history(name, 1)
        return found[0] if found else None

    def history(self, name: str, limit: int = 60) -> list[Report]:
        """The last of each day, newest first."""
        wanted = sa.select(reports).where(reports.c.name == name).order_by(reports.c.day.desc()).limit(limit)
        with self.store.mapped(), self.store.reading() as connection:
            return [Report(**row) for row in connection.execute(wanted).mappings()]
