"""A flat file with dates: the day on which a deal was closed gives the outcome away, a birthday does not."""

from __future__ import annotations

import numpy as np
import pytest

from features.history import TextColumn
from training.leakage import audit
from training.leakage_dates import date_lags

DAY = 86_400_000_000
START = 20_000  # days since 1970


def dates(days: np.ndarray) -> TextColumn:
    values, codes = np.unique(np.datetime64("1970-01-01") + days.astype(np.int64), return_inverse=True)
    return TextColumn(codes.astype(np.int32), [str(value) for value in values])


@pytest.mark.parametrize("values", [["web", "fair"], ["2026-01-02", "soon"], ["03/04/2026", "05/06/2026"], []])
def test_what_is_no_column_of_dates_has_no_days(values: list[str]) -> None:
    column = TextColumn(np.arange(len(values), dtype=np.int32), values)
    assert date_lags({"when": column}, np.full(len(values), 1.8e15)) == {}


def test_days_count_from_the_rows_own_date_or_from_other_dates() -> None:
    one, other = dates(np.array([START + 5, START + 9])), dates(np.array([START, START + 1]))
    assert date_lags({"one": one}, np.full(2, float(START * DAY)))["one"]["the row's own date"].tolist() == [5.0, 9.0]
    assert date_lags({"one": one, "other": other}, np.array([1.0, 2.0]))["one"]["other"].tolist() == [5.0, 8.0]
    missing = TextColumn(np.array([-1, 0], dtype=np.int32), ["2026-01-02"])
    assert np.isnan(date_lags({"gap": missing}, np.full(2, float(START * DAY)))["gap"]["the row's own date"][0])


@pytest.mark.parametrize("ordered", [True, False])
def test_the_day_of_closing_is_called_out_and_honest_dates_are_not(ordered: bool) -> None:
    rng = np.random.default_rng(0)
    rows = 3_000
    created = START + np.sort(rng.uniform(0, 300, rows))
    y = (rng.random(rows) < 0.25).astype(float)
    closed = created + np.where(y > 0, rng.exponential(15, rows), 40 + rng.exponential(60, rows))
    texts = {
        "created": dates(created), "closed": dates(closed), "birthday": dates(rng.integers(4_000, 11_000, rows)),
        "last_visit": dates(created - rng.exponential(3, rows)),
    }  # fmt: skip
    inputs = {name: column.codes for name, column in texts.items()} | {f"x{k}": 0.6 * y + rng.normal(size=rows) for k in range(3)}
    kinds = {name: "category" if name in texts else "number" for name in inputs}
    lags = date_lags(texts, created * DAY if ordered else None)
    found = audit(inputs, kinds, y, np.arange(2_500), np.arange(2_500, rows), np.arange(rows), forward=ordered, lags=lags)
    accused = [name for name, verdict in found.items() if verdict.verdict in ("blocked", "suspect")]
    assert accused == ["closed"]
    assert "In days after " in found["closed"].evidence
