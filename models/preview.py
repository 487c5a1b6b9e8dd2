"""What a threshold would do: volume, precision and share of conversions caught, from the bundle's backtest.

In: `backtest.parquet` of a bundle — rows that the measured model never saw, with `probability` and `y`, and where
known `as_of`, `lead` (pseudonymous), `weight`. Out: `Curves`, each quantity at many thresholds with a 95 % interval, or
the same at one threshold. Intervals resample leads, never rows (Poisson bootstrap, a fixed seed); a share's is never
narrower than Wilson's, since three conversions of three leads are no certainty. A lead observed
several times counts once in all, its observations sharing its weight. Without instants the volume is per 100 leads
instead of per week.
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
    """Rows in descending order of probability."""

    probability: Floats
    y: Floats
    weight: Floats
    lead: NDArray[np.int64]
    """0 … leads-1."""
    week: NDArray[np.int64] | None
    weeks: float | None
    """How long the rows span, or None where they have no instants."""


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
    """What happens to leads at or above each threshold; thresholds ascend."""

    thresholds: Floats
    volume: Estimate
    """Leads a week, or per 100 leads."""
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
        """The three quantities of those who reach this threshold."""
        place = int(np.searchsorted(self.thresholds, threshold, side="left"))
        if place == len(self.thresholds):
            nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
            return {"threshold": threshold, "volume": nothing, "precision": None, "caught": nothing, "usual_weeks": None}
        usual = self.usual_weeks
        return {
            "threshold": threshold,
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
        lead = next((name for name in ("lead", "lead_id", "lead_code") if name in present), None)
        columns = connection.execute(
            f"""
            SELECT CAST(probability AS DOUBLE) AS probability, CAST(y AS DOUBLE) AS y,
                   {"CAST(coalesce(weight, 1) AS DOUBLE)" if "weight" in present else "NULL::DOUBLE"} AS weight,
                   {f"dense_rank() OVER (ORDER BY {lead})" if lead else "row_number() OVER ()"} - 1 AS lead,
                   {"epoch_us(CAST(as_of AS TIMESTAMPTZ))" if "as_of" in present else "NULL::BIGINT"} AS at
            FROM read_parquet(?) WHERE probability IS NOT NULL AND y IS NOT NULL ORDER BY probability DESC, lead
            """,
            [str(path)],
        ).fetchnumpy()
    return _backtest(columns)


def curves(backtest: Backtest, *, points: int = POINTS, draws: int = DRAWS, seed: int = 0) -> Curves:
    """Volume, precision and share caught at up to `points` thresholds, each one a probability that occurs."""
    edges = _thresholds(backtest.probability, points)
    size = len(edges)
    # The bin of a row is the highest threshold it reaches; those who reach a threshold are all bins from there up.
    reached = np.searchsorted(edges, backtest.probability, side="right") - 1
    positive = backtest.y > 0
    base, won = _from_top(reached, backtest.weight, size), _from_top(reached[positive], backtest.weight[positive], size)
    rng = np.random.default_rng(seed)
    caught = _share(won, np.full(size, won[0]), np.zeros(size))
    leads = int(backtest.lead.max()) + 1
    drawn = np.empty((3, draws, size))
    for draw in range(draws):
        weight = rng.poisson(1.0, leads)[backtest.lead] * backtest.weight
        count, conversions = _from_top(reached, weight, size), _from_top(reached[positive], weight[positive], size)
        drawn[0, draw] = count
        # A draw without anybody says nothing of a share: the estimate stands in for it.
        drawn[1, draw] = _share(conversions, count, won / base)
        drawn[2, draw] = _share(conversions, np.full(size, conversions[0]), caught)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    total, weeks = float(base[0]), backtest.weeks
    scale = 1.0 / weeks if weeks else 100.0 / total
    return Curves(
        edges,
        volume=Estimate(base * scale, low[0] * scale, high[0] * scale),
        precision=_widened(won / base, base, low[1], high[1]),
        caught=_widened(caught, np.full(size, won[0]), low[2], high[2]),
        usual_weeks=_usual_weeks(backtest, reached, size),
        per="week" if weeks else "100 leads",
        leads=total,
        conversions=float(won[0]),
        weeks=weeks,
    )


def _backtest(columns: dict[str, Any]) -> Backtest:
    probability, y = np.asarray(columns["probability"], float), np.asarray(columns["y"], float)
    if not len(probability):
        raise NoBacktest(cause="it has no rows")
    lead = np.asarray(columns["lead"], np.int64)
    weight = columns["weight"]
    if np.ma.is_masked(weight):  # no weights written: a lead's observations share one
        weight = 1.0 / np.bincount(lead)[lead]
    at = columns["at"]
    week, weeks = None, None
    if not np.ma.is_masked(at):
        instants = np.asarray(at, np.int64)
        span = int(instants.max() - instants.min())
        if span >= WEEK:
            week, weeks = (instants - instants.min()) // WEEK, span / WEEK
    return Backtest(probability, y, np.asarray(weight, float), lead, week, weeks)


def _thresholds(probability: Floats, points: int) -> Floats:
    """Every distinct probability, or evenly many of them by rank."""
    distinct: Floats = np.unique(probability)
    if len(distinct) <= points:
        return distinct
    by_rank = np.quantile(probability, np.linspace(0, 1, points // 2), method="lower")
    by_value = distinct[np.searchsorted(distinct, np.linspace(distinct[0], distinct[-1], points // 2)).clip(max=len(distinct) - 1)]
    found: Floats = np.unique(np.concatenate([by_rank, by_value]))
    return found


def _from_top(bins: NDArray[np.int64], weight: Floats, size: int) -> Floats:
    counted: Floats = np.bincount(bins, weight, size)[::-1].cumsum()[::-1]
    return counted


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


def _usual_weeks(backtest: Backtest, reached: NDArray[np.int64], size: int) -> tuple[Floats, Floats] | None:
    """How the volume varies from one whole week to another; None below four of them."""
    if backtest.week is None or backtest.weeks is None or int(backtest.weeks) < 4:
        return None
    whole = int(backtest.weeks)
    inside = backtest.week < whole
    per_week = np.bincount(backtest.week[inside] * size + reached[inside], backtest.weight[inside], whole * size)
    volume = per_week.reshape(whole, size)[:, ::-1].cumsum(axis=1)[:, ::-1]
    low, high = np.quantile(volume, [0.1, 0.9], axis=0)
    return low, high


def _number(value: float) -> float | None:
    """Six digits are more than a chart shows; what is not a number is none."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
