"""Promises by segment: who is promised too much, and what is chance in a small group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.segments import kept_by_segment, size_bands


def world(seed: int = 0, rows: int = 6_000) -> tuple[np.ndarray, np.ndarray, pd.DataFrame, np.random.Generator]:
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.4, rows)
    frame = pd.DataFrame({"source": rng.choice(["web", "fair", "referral"], rows, p=[0.6, 0.3, 0.1]), "country": "ES"})
    return p, (rng.random(rows) < p).astype(float), frame, rng


def test_no_segments_no_table() -> None:
    p, y, frame, _ = world(rows=200)
    assert kept_by_segment(y, p, np.arange(200), pd.DataFrame(index=range(200))) == []
    assert kept_by_segment(y, p, np.arange(200), frame[["country"]]) == []  # one value cuts nothing


def test_a_segment_that_is_promised_too_much_is_off_and_the_others_are_not() -> None:
    p, y, frame, rng = world()
    fair = (frame["source"] == "fair").to_numpy()
    y[fair] = (rng.random(int(fair.sum())) < 0.5 * p[fair]).astype(float)
    found = {one.value: one for one in kept_by_segment(y, p, np.arange(len(y)), frame)}
    assert {name for name, one in found.items() if not one.kept} == {"fair"}
    assert found["fair"].promised > found["fair"].high
    assert found["web"].low < found["web"].observed < found["web"].high


def test_what_is_chance_in_a_small_group_is_shrunk_away() -> None:
    p, y, frame, rng = world(4)
    frame["source"] = rng.choice([f"s{k}" for k in range(7)], len(y), p=[0.8, 0.04, 0.04, 0.03, 0.03, 0.03, 0.03])
    found = kept_by_segment(y, p, np.arange(len(y)), frame)
    assert all(abs(one.shrunk - one.promised) <= abs(one.observed - one.promised) + 0.02 for one in found)
    assert np.std([one.shrunk - one.promised for one in found]) < 0.5 * np.std([one.observed - one.promised for one in found])


def test_missing_values_are_a_segment_and_tiny_ones_are_not_shown() -> None:
    p, y, frame, _ = world()
    frame.loc[:1999, "source"] = None
    frame.loc[2000:2009, "source"] = "rare"
    values = [one.value for one in kept_by_segment(y, p, np.arange(len(y)), frame)]
    assert "(none)" in values
    assert "rare" not in values


def test_the_interval_counts_leads_not_rows() -> None:
    p, y, frame, _ = world()
    lead = np.arange(len(y)) // 6
    wide, narrow = (kept_by_segment(y, p, codes, frame)[0] for codes in (lead, np.arange(len(y))))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_sizes_come_in_bands_and_unknown_ones_in_none() -> None:
    assert size_bands(np.array([1.0, 10.0, 11.0, 200.0, 201.0, 1001.0, 0.0, np.nan])).tolist() == [
        "1\N{EN DASH}10", "1\N{EN DASH}10", "11\N{EN DASH}50", "51\N{EN DASH}200", "201\N{EN DASH}1,000", "over 1,000", None, None,
    ]  # fmt: skip
