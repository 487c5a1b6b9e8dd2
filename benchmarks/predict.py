"""What one lead and a hundred thousand cost: our calls into LightGBM's library beside the package's own.

    python -m benchmarks.predict [--rows 100000] [--threads 1 2] [--save FILE]

Model: 300 trees × 31 leaves, 60 inputs, two of them categories. Every line is the median of repeats taken in turns, so
that a busy machine slows all of them alike; ratios are to be trusted more than microseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from models.boosted import Boosted
from models.calibration import ScoreScale, fit_calibration

Floats = npt.NDArray[np.float64]
INPUTS = 60


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--threads", type=int, nargs="*", default=[1, os.cpu_count() or 1])
    arguments.add_argument("--repeats", type=int, default=5, help="of the bulk measurements")
    arguments.add_argument("--save", type=Path, help="write the figures as JSON")
    given = arguments.parse_args()

    import lightgbm as lgb

    booster, X = fitted(given.rows)
    ours = Boosted.from_string(booster.model_to_string())
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, lightgbm {lgb.__version__}, numpy {np.__version__}, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{ours.rounds} trees, {INPUTS} inputs, {given.rows:,} rows\n")
    figures = {"one": one_row(booster, ours, X), "bulk": in_bulk(booster, ours, X, given.threads, given.repeats)}
    if given.save:
        given.save.write_text(json.dumps(figures, indent=1))


def one_row(booster: object, ours: Boosted, X: Floats, repeats: int = 1500) -> dict[str, float]:
    rows = [X[place : place + 1] for place in range(repeats)]
    calibration = fit_calibration(ours.margin(X[:5000]), np.random.default_rng(0).random(5000) < 0.2, np.arange(5000), seed=0)
    scale = ScoreScale.from_margins(ours.margin(X[:5000]))
    predict = booster.predict
    calls: dict[str, Callable[[Floats], object]] = {
        "lightgbm Booster.predict, num_threads=1": lambda row: predict(row, raw_score=True, num_threads=1),
        "ours: margin": ours.margin,
        "ours: margin and Saabas reasons": ours.explain,
        "ours: calibration": lambda row: calibration.apply([0.3]),
        "ours: score": lambda row: scale.apply([0.3]),
        "ours: exact SHAP": ours.shap,
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for at, row in enumerate(rows):
        for name, call in calls.items():
            if "SHAP" in name and at % 20:
                continue
            begin = time.perf_counter_ns()
            call(row)
            taken[name].append((time.perf_counter_ns() - begin) / 1000)
    figures = {name: median(times) for name, times in taken.items()}
    table("one row, median µs", figures, lambda value, base: base / value)
    return figures


def in_bulk(booster: object, ours: Boosted, X: Floats, threads: list[int], repeats: int) -> dict[str, float]:
    predict = booster.predict
    calls: dict[str, Callable[[], object]] = {}
    for n in sorted(set(threads)):
        calls[f"lightgbm Booster.predict, {n} threads"] = lambda n=n: predict(X, raw_score=True, num_threads=n)
        calls[f"ours: margin, {n} threads"] = lambda n=n: ours.native.margin(X, threads=n)
        calls[f"ours: leaves, {n} threads"] = lambda n=n: ours.native.leaves(X, threads=n)
    leaves = ours.native.leaves(X)
    sums = np.empty((len(X), ours.paths.table.shape[1]))
    calls["ours: leaf table alone, 1 thread"] = lambda: ours.paths.sums(leaves, sums)
    calls["ours: margin and Saabas reasons, all cores"] = lambda: ours.explain(X)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - begin)
    figures = {name: len(X) / median(times) for name, times in taken.items()}
    begin = time.perf_counter()
    ours.shap(X[:2000])
    figures["ours: exact SHAP (2,000 rows)"] = 2000 / (time.perf_counter() - begin)
    print()
    table("in bulk, rows a second", figures, lambda value, base: value / base)
    return figures


def table(title: str, figures: dict[str, float], speed: Callable[[float, float], float]) -> None:
    base = next(iter(figures.values()))
    print(f"{title:<44}{'':>12}  against the first line")
    for name, value in figures.items():
        print(f"{name:<44}{value:>12,.1f}  {speed(value, base):.2f} ×")


def fitted(rows: int) -> tuple[object, Floats]:
    """A booster of the stated size, and rows to score."""
    import lightgbm as lgb

    random = np.random.default_rng(0)
    X = random.normal(size=(20_000 + rows, INPUTS))
    X[random.random(X.shape) < 0.1] = np.nan
    X[:, 5], X[:, 6] = random.integers(0, 9, len(X)), random.integers(0, 40, len(X))
    y = random.random(len(X)) < 1 / (1 + np.exp(2 - np.nan_to_num(X[:, 0]) - 0.3 * (X[:, 6] % 3)))
    settings = {"objective": "binary", "num_leaves": 31, "verbosity": -1, "num_threads": 2}
    train = lgb.Dataset(X[:20_000], y[:20_000], categorical_feature=[5, 6])
    return lgb.train(settings, train, 300), np.ascontiguousarray(X[20_000:])


if __name__ == "__main__":
    main()
