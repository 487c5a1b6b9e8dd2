"""What the pipeline's figures are made of, read from the store in one go: stages entered and outcomes, and our own funnel.

Out: columns in the order of lead and instant. Rows leave the database as one JSON text for each column, which both databases make,
and Python reads, many times faster than rows. A lead that was merged into another is part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import msgspec

from data.store import Store

__all__ = ["AGES", "AgeAtClose", "Born", "Happened", "OpenScores", "PipelineRows"]

DAY = 86_400_000_000
AGES = (7, 30, 60, 90, 180, 365)
"""Days at which bands of age end."""


@dataclass(frozen=True)
class Happened:
    """Stages entered and outcomes, by lead, instant, and outcomes last."""

    lead: list[int]
    """1, 2, … in ascending order."""
    at: list[int]
    name: list[str]
    outcome: list[int]
    """1 where `name` is an outcome's kind and not a stage."""
    amount: list[float | None]


@dataclass(frozen=True)
class Born:
    """How many leads were created on a day, and reached what since."""

    day: int
    """Since 1970, in UTC."""
    scored: bool
    mql: bool
    accepted: bool
    sql: bool
    won: bool
    leads: int


@dataclass(frozen=True)
class OpenScores:
    """Open leads of which the model says the same."""

    probability: float
    low: float
    high: float
    hours: int
    """How old the score is."""
    band: int
    """How old the leads are: a place among AGES, the last for those that are older than all."""
    leads: int
    worth: float | None
    """Sum of the expected values, as far as there are any."""
    with_worth: int


@dataclass(frozen=True)
class AgeAtClose:
    """Leads created on one day that closed after as many days."""

    day: int
    won: int | None
    lost: int | None
    leads: int


class PipelineRows:
    """Reads of one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def happened(self, until: int) -> Happened:
        """Everything up to an instant."""
        with self.store.mapped(), self.store.reading() as connection:
            row = connection.exec_driver_sql(_happened(self.store.is_sqlite), (until, until)).first()
        lead, at, name, outcome, amount = row if row is not None else (None,) * 5
        return Happened(
            _numbers(lead), _numbers(at), _texts(name), _numbers(outcome), msgspec.json.decode(amount or "[]", type=list[float | None])
        )

    def born(self, since: int, until: int) -> list[Born]:
        """Leads created within a time; one that was never given a date was created when it was first heard of."""
        mark = "?" if self.store.is_sqlite else "%s"
        created = "COALESCE(l.created_at, l.recorded_at)"
        entered = "(previous_decision IS NULL OR previous_decision <> decision)"
        # Membership, and not a join: SQLite would go through all entries for each lead where it thinks that there are few.
        flags = {
            "scored": "s.lead_id IS NOT NULL",
            "mql": "s.decision IN ('mql', 'sql')"
            f" OR l.lead_id IN (SELECT lead_id FROM decisions WHERE decision IN ('mql', 'sql') AND {entered})",
            "accepted": "l.lead_id IN (SELECT lead_id FROM feedback WHERE verdict = 'accepted')",
            "sql_": f"s.decision = 'sql' OR l.lead_id IN (SELECT lead_id FROM decisions WHERE decision = 'sql' AND {entered})",
            "won": "l.lead_id IN (SELECT lead_id FROM outcomes WHERE kind = 'won')",
        }
        cases = ", ".join(f"CASE WHEN {condition} THEN 1 ELSE 0 END AS {name}" for name, condition in flags.items())
        statement = (
            f"SELECT day, scored, mql, accepted, sql_, won, COUNT(*) FROM (SELECT {created} / {DAY} AS day, {cases} FROM leads l"
            f" LEFT JOIN standings s ON s.lead_id = l.lead_id WHERE {created} >= {mark} AND {created} < {mark}"
            " AND NOT EXISTS (SELECT 1 FROM merges m WHERE m.merged = l.lead_id)) AS one GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1"
        )
        with self.store.mapped(), self.store.reading() as connection:
            rows = connection.exec_driver_sql(statement, (since, until)).all()
        return [
            Born(int(day), bool(scored), bool(mql), bool(accepted), bool(sql), bool(won), int(count))
            for day, scored, mql, accepted, sql, won, count in rows
        ]

    def open_scores(self, at: int) -> list[OpenScores]:
        """Leads that are open and not disqualified, grouped by what the model says of them, how old that is, and how old they are."""
        mark = "?" if self.store.is_sqlite else "%s"
        created = "COALESCE(l.created_at, l.recorded_at)"
        statement = (
            f"SELECT s.probability, s.probability_low, s.probability_high, ({mark} - s.as_of) / {DAY // 24}, {_band(mark, created)},"
            " COUNT(*), SUM(s.expected_value), COUNT(s.expected_value)"
            " FROM standings s JOIN leads l ON l.lead_id = s.lead_id WHERE s.decision <> 'disqualified'"
            " AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.lead_id = s.lead_id) GROUP BY 1, 2, 3, 4, 5"
        )
        with self.store.mapped(), self.store.reading() as connection:
            rows = connection.exec_driver_sql(statement, (at, at)).all()
        return [
            OpenScores(probability, low, high, int(hours), int(band), int(count), worth, int(known))
            for probability, low, high, hours, band, count, worth, known in rows
        ]

    def record(self, at: int, days: float) -> list[tuple[int, int]]:
        """For each band of age: leads that were open at an instant, and how many of them were won within so many days of it."""
        mark = "?" if self.store.is_sqlite else "%s"
        created = "COALESCE(l.created_at, l.recorded_at)"
        statement = (
            f"SELECT {_band(mark, created)}, COUNT(*), SUM(CASE WHEN o.won <= {mark} THEN 1 ELSE 0 END) FROM leads l"
            " LEFT JOIN (SELECT lead_id, MIN(converted_at) AS closed, MIN(CASE WHEN kind = 'won' THEN converted_at END) AS won"
            " FROM outcomes GROUP BY lead_id) o ON o.lead_id = l.lead_id"
            f" WHERE {created} <= {mark} AND (o.closed IS NULL OR o.closed > {mark}) GROUP BY 1"
        )
        found = [(0, 0)] * (len(AGES) + 1)
        with self.store.mapped(), self.store.reading() as connection:
            for band, count, won in connection.exec_driver_sql(statement, (at, at + round(days * DAY), at, at)):
                found[int(band)] = int(count), int(won or 0)
        return found

    def unscored(self) -> int:
        """Leads that are open and of which no model has said anything yet."""
        statement = (
            "SELECT COUNT(*) FROM leads l WHERE NOT EXISTS (SELECT 1 FROM standings s WHERE s.lead_id = l.lead_id)"
            " AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.lead_id = l.lead_id)"
            " AND NOT EXISTS (SELECT 1 FROM merges m WHERE m.merged = l.lead_id)"
        )
        with self.store.mapped(), self.store.reading() as connection:
            return int(connection.exec_driver_sql(statement).scalar_one())

    def ages_at_close(self, since: int, until: int) -> list[AgeAtClose]:
        """Leads created within a time, by the day of it, and how many days later they were first won, or else lost; None: neither yet."""
        mark = "?" if self.store.is_sqlite else "%s"
        created = "COALESCE(l.created_at, l.recorded_at)"
        first = "(SELECT MIN(o.converted_at) FROM outcomes o WHERE o.lead_id = l.lead_id AND o.kind = '{}')"
        statement = (
            f"SELECT day, won, lost, COUNT(*) FROM (SELECT {created} / {DAY} AS day, ({first.format('won')} - {created}) / {DAY} AS won,"
            f" ({first.format('lost')} - {created}) / {DAY} AS lost FROM leads l WHERE {created} >= {mark} AND {created} < {mark}"
            " AND NOT EXISTS (SELECT 1 FROM merges m WHERE m.merged = l.lead_id)) AS one GROUP BY 1, 2, 3"
        )
        with self.store.mapped(), self.store.reading() as connection:
            rows = connection.exec_driver_sql(statement, (since, until)).all()
        return [AgeAtClose(int(day), won, lost, int(count)) for day, won, lost, count in rows]

    def wins(self, since: int, until: int) -> list[tuple[int, float | None]]:
        """When each lead was first won within a time, and for how much."""
        mark = "?" if self.store.is_sqlite else "%s"
        earlier = "EXISTS (SELECT 1 FROM outcomes e WHERE e.lead_id = o.lead_id AND e.kind = 'won' AND e.converted_at < o.converted_at)"
        statement = (
            "SELECT converted_at, amount FROM outcomes o WHERE kind = 'won'"
            f" AND converted_at >= {mark} AND converted_at < {mark} AND NOT {earlier} ORDER BY 1"
        )
        with self.store.mapped(), self.store.reading() as connection:
            return [(int(at), amount) for at, amount in connection.exec_driver_sql(statement, (since, until))]


def _band(mark: str, created: str) -> str:
    """The band of age of a lead; takes the instant as a parameter once."""
    cases = " ".join(f"WHEN age.days < {end} THEN {place}" for place, end in enumerate(AGES))
    return f"(SELECT CASE {cases} ELSE {len(AGES)} END FROM (SELECT ({mark} - {created}) / {DAY} AS days) AS age)"


@lru_cache(maxsize=2)
def _happened(sqlite: bool) -> str:
    mark, array, text = ("?", "json_group_array", "") if sqlite else ("%s", "json_agg", "::text")
    columns = ", ".join(f"{array}({name}){text}" for name in ("lead", "at", "name", "outcome", "amount"))
    # Both tables lie in the order of lead and instant, so that the database merges them and sorts nothing.
    return (
        f"SELECT {columns} FROM (SELECT DENSE_RANK() OVER (ORDER BY lead_id) AS lead, at, name, outcome, amount FROM ("
        f"SELECT lead_id, entered_at AS at, stage AS name, 0 AS outcome, NULL{'' if sqlite else '::double precision'} AS amount"
        f" FROM stage_changes WHERE entered_at <= {mark}"
        f" UNION ALL SELECT lead_id, converted_at, kind, 1, amount FROM outcomes WHERE converted_at <= {mark}"
        " ORDER BY 1, 2, 4, 3) AS together ORDER BY lead_id, at, outcome, name) AS ordered"
    )


def _numbers(text: str | None) -> list[int]:
    return msgspec.json.decode(text or "[]", type=list[int])


def _texts(text: str | None) -> list[str]:
    return msgspec.json.decode(text or "[]", type=list[str])
