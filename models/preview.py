"""What a threshold would do: volume, precision and share of conversions caught, from the bundle's backtest.

In: `backtest.parquet` of a bundle — rows that the measured model never saw, with `probability` and `y`, and where
known `lead` (pseudonymous) and `as_of`. Out: `Curves`, each quantity at many thresholds with a 95 % interval, or the same
at one threshold. A lead that was observed several times enters once, when it first reaches the threshold: volume counts
those who enter, precision is their conversion within the horizon from then on, and caught are those who convert after
they entered, of all who convert. Volume is per week of arrival, or per 100 leads where the rows have no instants.
Intervals resample leads, never rows (Poisson bootstrap, a fixed seed); a share's is never narrower than Wilson's, since
three conversions of three leads are no certainty.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BadData

__all__ = ["BACKTEST", "Backtest", "Curves", "Estimate", "NoBacktest", "curves", "read_backtest"]

BACKTEST = "backtest.parquet"
POINTS = 400
DRAWS = 200
WEEK = 7 * 86_400 * 1_000_000

Floats = NDArray[np.float64]


class NoBacktest(BadData, status=404):
    """This model has no backtest to preview from ({cause}): train one with `tamiz train`, which writes it into the bundle."""


@dataclass(frozen=True)
class Backtest:
    """Rows by lead and, within a lead, by time."""

    probability: Floats
    y: Floats
    lead: NDArray[np.int64]
    """0 … leads-1, ascending."""
    week: NDArray[np.int64] | None
    """In which week each lead arrived, by lead."""
    weeks: float | None
    """How long arrivals span, or None where the rows have no instants."""


@dataclass(frozen=True)
class Estimate:
    """A quantity at each threshold, with its interval."""

    value: Floats
    low: Floats
    high: Floats

    def at(self, place: int) -> dict[str, float | None]:
        return {name: _number(getattr(self, name)[place]) for name in ("value", "low", "high")}

    def listed(self) -> dict[str, list[float | None]]:
        return {name: [_number(v) for v in getattr(self, name)] for name in ("value", "low", "high")}


@dataclass(frozen=True)
class Curves:
    """What happens to leads that reach each threshold; thresholds ascend."""

    thresholds: Floats
    volume: Estimate
    """Leads that enter a week, or per 100 leads."""
    precision: Estimate
    caught: Estimate
    usual_weeks: tuple[Floats, Floats] | None
    """The volume that one week in ten stays below, and the one that one in ten exceeds."""
    per: str
    leads: float
    conversions: float
    weeks: float | None

    @property
    def base_rate(self) -> float:
        return self.conversions / self.leads if self.leads else 0.0

    def at(self, threshold: float) -> dict[str, Any]:
        """The three quantities at this threshold; null where no lead of the backtest reached it, which is not the same as nobody would."""
        place = int(np.searchsorted(self.thresholds, threshold, side="left"))
        if place == len(self.thresholds):
            return {"threshold": threshold, "reached": False} | dict.fromkeys(("volume", "precision", "caught", "usual_weeks"))
        usual = self.usual_weeks
        return {
            "threshold": threshold,
            "reached": True,
            "volume": self.volume.at(place),
            "precision": self.precision.at(place),
            "caught": self.caught.at(place),
            "usual_weeks": [_number(usual[0][place]), _number(usual[1][place])] if usual else None,
        }

    def listed(self) -> dict[str, Any]:
        """Everything, for a page that computes as its sliders move."""
        usual = self.usual_weeks
        return {
            "per": self.per,
            "weeks": self.weeks,
            "leads": _number(self.leads),
            "conversions": _number(self.conversions),
            "base_rate": _number(self.base_rate),
            "thresholds": [float(t) for t in self.thresholds],
            "volume": self.volume.listed(),
            "precision": self.precision.listed(),
            "caught": self.caught.listed(),
            "usual_weeks": {"low": [_number(v) for v in usual[0]], "high": [_number(v) for v in usual[1]]} if usual else None,
        }


def read_backtest(bundle: Path) -> Backtest:
    """The rows of a bundle's backtest; raises NoBacktest where there is none or it holds nothing usable."""
    import duckdb  # reads Parquet into NumPy without pandas, and only when somebody looks at a preview

    path = bundle / BACKTEST
    if not path.exists():
        raise NoBacktest(cause=f"no {BACKTEST} in {bundle.name}")
    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        present = {row[0] for row in described}
        if not {"probability", "y"} <= present:
            raise NoBacktest(cause=f"{BACKTEST} lacks probability or y")
        lead = "lead" if "lead" in present else None
        at = "epoch_us(CAST(as_of AS TIMESTAMPTZ))" if "as_of" in present else "NULL::BIGINT"
        columns = connection.execute(
            f"""
            WITH numbered AS (SELECT *, row_number() OVER () AS place FROM read_parquet(?))
            SELECT CAST(probability AS DOUBLE) AS probability, CAST(y AS DOUBLE) AS y, {at} AS instant,
                   {f"dense_rank() OVER (ORDER BY {lead})" if lead else "row_number() OVER (ORDER BY place)"} - 1 AS who
            FROM numbered WHERE probability IS NOT NULL AND y IS NOT NULL ORDER BY who, instant, place
            """,
            [str(path)],
        ).fetchnumpy()
    return _backtest(columns)


def curves(backtest: Backtest, *, points: int = POINTS, draws: int = DRAWS, seed: int = 0) -> Curves:
    """Volume, precision and share caught at up to `points` thresholds, each one a probability that occurs."""
    edges = _thresholds(backtest.probability, points)
    entries = _Entries.of(backtest, edges)
    size, leads = len(edges), int(backtest.lead[-1]) + 1
    everyone = np.ones(leads)
    entered, won, kept = entries.counted(everyone)
    precision, caught = _share(won, entered, np.zeros(size)), _share(kept, np.full(size, kept[0]), np.zeros(size))
    rng = np.random.default_rng(seed)
    drawn = np.empty((3, draws, size))
    for draw in range(draws):
        count, conversions, captured = entries.counted(rng.poisson(1.0, leads).astype(np.float64))
        drawn[0, draw] = count
        # A draw without anybody says nothing of a share: the estimate stands in for it.
        drawn[1, draw] = _share(conversions, count, precision)
        drawn[2, draw] = _share(captured, np.full(size, captured[0]), caught)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    weeks = backtest.weeks
    scale = 1.0 / weeks if weeks else 100.0 / leads
    return Curves(
        edges,
        volume=Estimate(entered * scale, low[0] * scale, high[0] * scale),
        precision=_widened(precision, entered, low[1], high[1]),
        caught=_widened(caught, np.full(size, kept[0]), low[2], high[2]),
        usual_weeks=entries.usual_weeks(backtest),
        per="week" if weeks else "100 leads",
        leads=float(leads),
        conversions=float(kept[0]),
        weeks=weeks,
    )


@dataclass(frozen=True)
class _Entries:
    """The rows at which a lead reaches more than before: it enters there for every threshold in between."""

    lead: NDArray[np.int64]
    reached: NDArray[np.int64]
    """The highest threshold that it reaches there."""
    before: NDArray[np.int64]
    """The highest that it had reached before; -1 for none."""
    won: NDArray[np.bool_]
    """Whether it converts within the horizon from there."""
    kept: NDArray[np.bool_]
    """Whether it converts at any time from there."""
    size: int

    @classmethod
    def of(cls, backtest: Backtest, edges: Floats) -> _Entries:
        lead, size = backtest.lead, len(edges)
        reached = np.searchsorted(edges, backtest.probability, side="right") - 1
        # One running maximum over all leads: a lead's keys lie above those of every lead before it.
        highest = np.maximum.accumulate(lead * size + reached) - lead * size
        before = np.concatenate([[-1], highest[:-1]])
        before[np.concatenate([[True], lead[1:] != lead[:-1]])] = -1
        rows = np.arange(len(lead))
        positive = backtest.y > 0
        last = np.full(int(lead[-1]) + 1, -1)
        last[lead[positive]] = rows[positive]
        enters = reached > before
        return cls(lead[enters], reached[enters], before[enters], positive[enters], (last[lead] >= rows)[enters], size)

    def counted(self, weight: Floats) -> tuple[Floats, Floats, Floats]:
        """Who enters at each threshold, who of them converts within the horizon, and who ever, by weights of leads."""
        by_row = weight[self.lead]
        return self._from_top(by_row), self._from_top(by_row * self.won), self._from_top(by_row * self.kept)

    def usual_weeks(self, backtest: Backtest) -> tuple[Floats, Floats] | None:
        """How the volume varies from one whole week to another; None below four of them."""
        if backtest.week is None or backtest.weeks is None or int(backtest.weeks) < 4:
            return None
        volume = np.array([self._from_top((backtest.week == week)[self.lead].astype(np.float64)) for week in range(int(backtest.weeks))])
        low, high = np.quantile(volume, [0.1, 0.9], axis=0)
        return low, high

    def _from_top(self, weight: Floats) -> Floats:
        """Sums over the rows that enter at each threshold: those that reach it, less those that had before."""
        again = self.before >= 0
        at = np.bincount(self.reached, weight, self.size) - np.bincount(self.before[again], weight[again], self.size)
        counted: Floats = at[::-1].cumsum()[::-1]
        return counted


def _backtest(columns: dict[str, Any]) -> Backtest:
    probability, y = np.asarray(columns["probability"], float), np.asarray(columns["y"], float)
    if not len(probability):
        raise NoBacktest(cause="it has no rows")
    lead, at = np.asarray(columns["who"], np.int64), columns["instant"]
    week, weeks = None, None
    if not np.ma.is_masked(at):
        first = np.concatenate([[True], lead[1:] != lead[:-1]])
        arrived = np.asarray(at, np.int64)[first]
        span = int(arrived.max() - arrived.min())
        if span >= WEEK:
            week, weeks = (arrived - arrived.min()) // WEEK, span / WEEK
    return Backtest(probability, y, lead, week, weeks)


def _thresholds(probability: Floats, points: int) -> Floats:
    """Every distinct probability, or evenly many of them by rank and by value."""
    distinct: Floats = np.unique(probability)
    if len(distinct) <= points:
        return distinct
    by_rank = np.quantile(probability, np.linspace(0, 1, points // 2), method="lower")
    by_value = distinct[np.searchsorted(distinct, np.linspace(distinct[0], distinct[-1], points // 2)).clip(max=len(distinct) - 1)]
    found: Floats = np.unique(np.concatenate([by_rank, by_value]))
    return found


def _share(part: Floats, whole: Floats, otherwise: Floats) -> Floats:
    """`otherwise` where there is nothing to take a share of."""
    share: Floats = np.divide(part, whole, out=otherwise.copy(), where=whole > 0)
    return share


def _widened(share: Floats, whole: Floats, low: Floats, high: Floats) -> Estimate:
    """A share with the wider of its bootstrapped and its Wilson interval."""
    z, count = 1.96, np.maximum(whole, 1e-9)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return Estimate(share, np.clip(np.minimum(low, middle - reach), 0, share), np.clip(np.maximum(high, middle + reach), share, 1))


def _number(value: float) -> float | None:
    """Six digits are more than a chart shows; what is not a number is none."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
