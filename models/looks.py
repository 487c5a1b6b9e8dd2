"""Who would enter a queue, read from a bundle: the looks of its backtest, and those of the last weeks before it was trained.

In: `backtest.parquet`, rows that the measured model never saw, with `probability` and `y`, and where known `lead` (pseudonymous),
`as_of`, `amount` and `segment_…`; where there are, `followed.parquet`, all open leads of that time, looked at on every day on which they
did something, which then stands for the backtest; and `course.parquet`: open leads likewise through the last weeks, as scored by the
model that serves; what comes of them is not known. Out: `Looks`, rows by lead and within a lead by time, and `entries` into a band of
them. A null segment is a value of its own, none; rows without probability are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BadData
from models.logit import sigmoid

__all__ = ["BACKTEST", "COURSE", "Column", "Looks", "NoBacktest", "NoSignal", "Tables", "read_backtest", "read_tables"]

BACKTEST, FOLLOWED, COURSE = "backtest.parquet", "followed.parquet", "course.parquet"
WEEK = 7 * 86_400 * 1_000_000
_PREFIX = "segment_"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class NoBacktest(BadData, status=404):
    """This model has no backtest to preview from ({cause}): train one with `tamiz train`, which writes it into the bundle."""


class NoSignal(NoBacktest):
    """This model found no signal: it leaves every lead to nurture, whatever the threshold, so there is nothing to preview.
    Train on more leads, or on columns that say more of who converts."""


@dataclass(frozen=True)
class Column:
    """A segment column: a code for each row, -1 for none."""

    codes: Ints
    values: tuple[str, ...]

    def among(self, values: tuple[str, ...]) -> Flags:
        """The rows that have one of these values."""
        wanted = [code for code, value in enumerate(self.values) if value in values]
        found: Flags = np.isin(self.codes, wanted)
        return found


@dataclass(frozen=True)
class Looks:
    """Rows by lead and, within a lead, by time."""

    probability: Floats
    lead: Ints
    """0 … leads-1, ascending."""
    at: Ints | None = None
    """Microseconds since 1970."""
    y: Floats | None = None
    amount: Floats | None = None
    """What the conversion brought; in `course` what one is expected to bring."""
    standing: Flags | None = None
    """Looks that only say how a lead stood when the weeks began: nobody enters there."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    margin: Floats | None = None

    @cached_property
    def leads(self) -> int:
        return int(self.lead[-1]) + 1 if len(self.lead) else 0

    @cached_property
    def first(self) -> Flags:
        """The first row of each lead."""
        return np.concatenate([[True], self.lead[1:] != self.lead[:-1]])[: len(self.lead)]

    @cached_property
    def rank(self) -> Floats:
        """What leads are told apart by, between 0 and 1: margins, which tie less, where they are known."""
        return self.probability if self.margin is None else sigmoid(self.margin)

    @cached_property
    def highest(self) -> Floats:
        """The highest rank of each lead."""
        highest: Floats = np.maximum.reduceat(self.rank, np.flatnonzero(self.first)) if len(self.lead) else np.zeros(0)
        return highest

    @cached_property
    def tops(self) -> Floats:
        """The highest ranks of those leads that were created in the time that is looked at, ascending."""
        return np.sort(self.highest[self.born])

    @cached_property
    def born(self) -> NDArray[np.bool_]:
        """Of each lead whether it was created in the time that is looked at."""
        created: Flags = np.ones(self.leads, np.bool_) if self.standing is None else ~self.standing[self.first]
        return created

    @cached_property
    def highest_before(self) -> Floats:
        """The highest rank that the lead had before each row; -1 for none."""
        # One running maximum over all leads: a lead's values lie above those of every lead before it.
        highest = np.maximum.accumulate(self.lead * 2.0 + self.rank) - self.lead * 2.0
        before = np.concatenate([[-1.0], highest[:-1]])[: len(highest)]
        before[self.first] = -1.0
        # The sum with the lead's number costs digits: what was as high as now must not look lower.
        return before

    @cached_property
    def last_won(self) -> Ints:
        """The last row of each lead at which its conversion still lay ahead within the horizon; -1 for none."""
        assert self.y is not None
        last = np.full(self.leads, -1)
        won = np.flatnonzero(self.y > 0)
        last[self.lead[won]] = won
        return last

    def where(self, rows: Flags) -> Looks:
        """These rows only, their leads numbered anew."""

        def part(values: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if values is None else values[rows]

        lead = self.lead[rows]  # in ascending order
        lead = np.cumsum(np.concatenate([[False], lead[1:] != lead[:-1]])[: len(lead)])
        columns = {name: Column(one.codes[rows], one.values) for name, one in self.columns.items()}
        return Looks(
            self.probability[rows], lead, part(self.at), part(self.y), part(self.amount), part(self.standing), columns, part(self.margin)
        )

    def first_entries(self, enter: float) -> Ints:
        """The row at which each lead first reaches the threshold; none for who stood there already."""
        reached = (self.rank >= enter - 1e-12) & (self.highest_before < enter - 1e-9)
        return np.flatnonzero(reached if self.standing is None else reached & ~self.standing)

    def entries(self, enter: float, exit_: float) -> Ints:
        """Every row at which a lead is in who was not before: it enters at `enter`, and is out again below `exit_`."""
        up = self.probability >= enter
        decided = up | (self.probability < exit_) | self.first
        inside = up[np.maximum.accumulate(np.where(decided, np.arange(len(up)), 0))]
        before = np.concatenate([[False], inside[:-1]])[: len(inside)] & ~self.first
        entered = inside & ~before
        return np.flatnonzero(entered if self.standing is None else entered & ~self.standing)


@dataclass(frozen=True)
class Tables:
    """What a bundle knows of volumes and of conversions."""

    backtest: Looks
    course: Looks | None
    share: float
    """Of all leads, how many `course` follows."""
    until: int
    """Where the weeks of `course` end."""
    weeks: int
    """Whole weeks that arrivals or `course` span; 0 where rows have no instants."""

    @property
    def flow(self) -> Looks:
        """The looks that volumes are counted from."""
        return self.backtest if self.course is None else self.course

    @cached_property
    def week(self) -> Ints | None:
        """In which week each row of `flow` counts; outside 0 … weeks-1 in none.

        Of a backtest that is the week in which its lead arrived: leads that came late were not looked at for long.
        """
        flow = self.flow
        if flow.at is None or not self.weeks:
            return None
        if self.course is not None:
            into: Ints = (flow.at - (self.until - self.weeks * WEEK)) // WEEK
            return into
        arrived = flow.at[flow.first][flow.lead]
        week: Ints = (arrived - arrived.min()) // WEEK
        return week

    @property
    def worth(self) -> Floats | None:
        """What each row of `flow` is expected to bring if it converts; None where that is not told apart."""
        return None if self.course is None else self.course.amount

    @cached_property
    def span_weeks(self) -> float | None:
        """How long the backtest's arrivals span."""
        at = self.backtest.at
        if at is None:
            return None
        arrived = at[self.backtest.first]
        span = float(arrived.max() - arrived.min()) / WEEK
        return span if span >= 1 else None

    @property
    def column_names(self) -> list[str]:
        """The columns by which leads can be told apart in all of them."""
        return [name for name in self.backtest.columns if self.course is None or name in self.course.columns]


def read_tables(bundle: Path) -> Tables:
    """The tables of a bundle; raises NoBacktest where there is none or it holds nothing usable, NoSignal where nobody is ever routed."""
    manifest = json.loads((bundle / "manifest.json").read_bytes()) if (bundle / "manifest.json").exists() else {}
    if manifest.get("no_signal"):
        raise NoSignal
    backtest = read_backtest(bundle)
    if (bundle / FOLLOWED).exists():
        followed = _read(bundle / FOLLOWED, labelled=True)
        backtest = followed if len(followed.probability) else backtest
    course = _read(bundle / COURSE, labelled=False) if (bundle / COURSE).exists() else None
    if course is None or not len(course.probability):
        # Volumes are counted by arrival: of those who arrived.
        backtest = replace(backtest.where(backtest.born[backtest.lead]), margin=None)
    else:
        about = manifest.get("course", {})
        return Tables(backtest, course, float(about.get("share", 1.0)), int(about["until"]), int(about["weeks"]))
    weeks = 0
    if backtest.at is not None:
        arrived = backtest.at[backtest.first]
        weeks = int((arrived.max() - arrived.min()) // WEEK)
    return Tables(backtest, None, 1.0, 0, weeks)


def read_backtest(bundle: Path) -> Looks:
    """The rows of a bundle's backtest alone; raises NoBacktest likewise."""
    if not (bundle / BACKTEST).exists():
        raise NoBacktest(cause=f"no {BACKTEST} in {bundle.name}")
    backtest = _read(bundle / BACKTEST, labelled=True)
    if not len(backtest.probability):
        raise NoBacktest(cause="it has no rows")
    return backtest


def _read(path: Path, *, labelled: bool) -> Looks:
    import duckdb  # reads Parquet into NumPy without pandas, and only when somebody looks at a preview

    with duckdb.connect() as connection:
        present = [row[0] for row in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()]
        if "probability" not in present or (labelled and "y" not in present):
            raise NoBacktest(cause=f"{path.name} lacks probability or y")
        names = [name.removeprefix(_PREFIX) for name in present if name.startswith(_PREFIX)]
        values = {name: _values(connection, path, name) for name in names}
        who = "dense_rank() OVER (ORDER BY lead)" if "lead" in present else "row_number() OVER (ORDER BY place)"
        wanted = ["CAST(probability AS DOUBLE) AS probability", f"{who} - 1 AS who"]
        wanted += ["epoch_us(CAST(as_of AS TIMESTAMPTZ)) AS instant"] if "as_of" in present else ["NULL::BIGINT AS instant"]
        wanted += [f"CAST({name} AS DOUBLE) AS {name}" for name in ("y", "amount", "margin") if name in present]
        wanted += ["CAST(standing AS BOOLEAN) AS standing"] if "standing" in present else []
        wanted += [
            f"COALESCE(list_position(${i + 2}, CAST({_quoted(_PREFIX + name)} AS VARCHAR)), 0) - 1 AS code_{i}"
            for i, name in enumerate(names)
        ]
        sound = "probability IS NOT NULL" + (" AND y IS NOT NULL" if labelled else "")
        columns: dict[str, Any] = connection.execute(
            f"""
            WITH numbered AS (SELECT *, row_number() OVER () AS place FROM read_parquet($1))
            SELECT {", ".join(wanted)} FROM numbered WHERE {sound} ORDER BY who, instant, place
            """,
            [str(path), *(list(values[name]) for name in names)],
        ).fetchnumpy()
    at = columns["instant"]
    return Looks(
        np.asarray(columns["probability"], float),
        np.asarray(columns["who"], np.int64),
        at=None if np.ma.is_masked(at) else np.asarray(at, np.int64),
        y=np.asarray(columns["y"], float) if labelled else None,
        amount=np.ma.filled(columns["amount"], np.nan).astype(float) if "amount" in columns else None,
        standing=np.asarray(columns["standing"], bool) if "standing" in columns else None,
        columns={name: Column(np.asarray(columns[f"code_{i}"], np.int64), values[name]) for i, name in enumerate(names)},
        margin=np.asarray(columns["margin"], float) if "margin" in columns else None,
    )


def _values(connection: Any, path: Path, name: str) -> tuple[str, ...]:  # noqa: ANN401 - duckdb is imported only where it is needed
    column = _quoted(_PREFIX + name)
    chosen = f"SELECT CAST({column} AS VARCHAR) AS value FROM read_parquet(?) WHERE {column} IS NOT NULL"
    query = f"{chosen} GROUP BY value ORDER BY count(*) DESC, value"
    return tuple(row[0] for row in connection.execute(query, [str(path)]).fetchall())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
