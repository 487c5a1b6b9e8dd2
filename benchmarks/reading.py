"""How fast a file of leads is read and typed, for training and for scoring, and how fast leads become observations.

    python -m benchmarks.reading [--rows 1000000]

The file has an id, 13 number and 6 category columns. Beside each figure stands the processor time, because other work on
the machine stretches the clock but not that.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from data.flat import read_flat, scan_flat
from data.frames import Kind, Tables
from data.labels import observe
from data.quarantine import collect


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leads.csv"
        kinds = write_leads(path, rows)
        print(f"{'what':<44}{'seconds':>9}{'processor':>11}{'rows/s':>13}")
        measure(f"scan_flat, {rows:,} rows × 20", rows, lambda: sum(len(chunk) for chunk in scan_flat(path, kinds)))
        head = Path(folder) / "head.csv"
        write_leads(head, 41_188)
        measure("read_flat, 41,188 rows × 20", 41_188, lambda: len(read_flat(head)))
        measure(f"read_flat, {rows:,} rows × 20", rows, lambda: len(read_flat(path)))
    tables = crm(50_000)
    ages = [0, 1, 3, 7, 14, 30, 60]
    measure("observe, 50,000 leads, 1.5 million activities", 50_000, lambda: len(observe(tables, horizon_days=90, ages_days=ages)[0]))


def measure(what: str, rows: int, work: Callable[[], int]) -> None:
    started, spent = time.perf_counter(), time.process_time()
    work()
    seconds, processor = time.perf_counter() - started, time.process_time() - spent
    print(f"{what:<44}{seconds:>9.2f}{processor:>11.2f}{rows / seconds:>13,.0f}")


def write_leads(path: Path, rows: int) -> dict[str, Kind]:
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {"lead_id": [f"L{i:08d}" for i in range(rows)]}
    kinds: dict[str, Kind] = {}
    for i in range(13):
        columns[f"n{i}"] = np.round(rng.normal(size=rows) * 100, 3) if i % 2 else rng.integers(0, 1000, rows)
        kinds[f"n{i}"] = "number"
    for i in range(6):
        columns[f"c{i}"] = np.array([f"value {j}" for j in range(12)])[rng.integers(0, 12, rows)]
        kinds[f"c{i}"] = "category"
    pacsv.write_csv(pa.table(columns), path)
    return kinds


def crm(leads: int) -> Tables:
    rng = np.random.default_rng(0)
    begin = np.datetime64("2025-01-01T00:00:00", "us").astype(np.int64)
    second = 1_000_000
    created = begin + rng.integers(0, 365 * 86_400, leads) * second
    lead = np.sort(rng.integers(0, leads, leads * 30)).astype(np.int32)
    won = np.sort(rng.choice(leads, leads // 10, replace=False)).astype(np.int32)

    def after(rows: np.ndarray) -> pd.DatetimeIndex:
        return pd.DatetimeIndex((created[rows] + rng.integers(1, 90 * 86_400, len(rows)) * second).view("datetime64[us]")).tz_localize(
            "UTC"
        )

    empty = pd.DataFrame({"lead_row": np.zeros(0, np.int32), "entered_at": after(won[:0])})
    frame = pd.DataFrame({"lead_id": pd.Series([f"L{i}" for i in range(leads)], dtype=object)})
    frame["created_at"] = pd.DatetimeIndex(created.view("datetime64[us]")).tz_localize("UTC")
    frame["email"] = pd.Series([f"a{i}@c{i // 3}.example" for i in range(leads)], dtype=object)
    return Tables(
        leads=frame,
        lead_changes=empty,
        activities=pd.DataFrame({"lead_row": lead, "occurred_at": after(lead)}),
        stage_changes=empty,
        outcomes=pd.DataFrame({"lead_row": won, "converted_at": after(won), "kind": "won"}),
        until=pd.Timestamp("2026-04-01", tz="UTC"),
        kinds={},
        quarantine=collect("leads"),
    )


if __name__ == "__main__":
    main()
