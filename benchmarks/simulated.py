"""How close training comes to the planted truth of the simulated world, on later leads that it never saw.

    python -m benchmarks.simulated [--leads 50000] [--seeds 1 2 3]

For each seed: simulate, train, and compare the measured model with `truth.parquet` on the test block's rows at fixed ages.
Prints AUC against the truth's own, calibration error before and after calibration, and the mean absolute error of the
probabilities against `p_under_policy`. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from data.home import Home
from training.dataset import from_project
from training.metrics import auc, ece
from training.served import pseudonyms
from training.train import Options, train

MOST_AUC_GAP, MOST_ECE, MOST_ECE_RATIO = 0.02, 0.02, 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leads", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    missed = False
    titles = (
        ("seed", 5),
        ("rows", 9),
        ("conv.", 8),
        ("truth AUC", 10),
        ("AUC", 8),
        ("gap", 8),
        ("ECE raw", 9),
        ("ECE", 8),
        ("MAE", 8),
        ("bias", 8),
    )
    print("".join(f"{title:>{width}}" for title, width in (*titles, ("chosen", 11), ("s", 6))), flush=True)
    for seed in arguments.seeds:
        missed |= not one(arguments.leads, seed)
    return int(missed)


def one(leads: int, seed: int) -> bool:
    """One seed; whether every target was met."""
    from data.synthetic import simulate

    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        simulate(world, leads=leads, seed=seed)
        began = time.perf_counter()
        home = Home(Path(folder) / "home")
        home.create()
        trained = train(lambda say: from_project(world / "tamiz.toml", seed=seed, say=say), home, Options(seed=seed, quick=True))
        seconds = time.perf_counter() - began
        backtest = pd.read_parquet(trained.folder / "backtest.parquet")
        truth = pd.read_parquet(world / "truth.parquet")
    truth["lead"] = pseudonyms(truth["lead_id"].tolist())
    rows = backtest.merge(truth, on=["lead", "as_of"])
    y, p, truly = (rows[name].to_numpy(np.float64) for name in ("y", "probability", "p_under_policy"))
    raw = ece(y, 1 / (1 + np.exp(-rows["margin"].to_numpy(np.float64))))
    gap, error = auc(y, truly) - auc(y, rows["margin"].to_numpy(np.float64)), ece(y, p)
    figures = "".join(f"{value:8.4f}" for value in (auc(y, truly) - gap, gap))
    errors = f"{raw:9.4f}{error:8.4f}{np.abs(p - truly).mean():8.4f}{(p - truly).mean():+8.4f}"
    best = trained.result.metrics["best"]
    print(f"{seed:5}{len(rows):9,}{y.mean():8.3f}{auc(y, truly):10.4f}{figures}{errors}{best:>11}{seconds:6.0f}", flush=True)
    return gap <= MOST_AUC_GAP and error <= MOST_ECE and error <= MOST_ECE_RATIO * raw


if __name__ == "__main__":
    sys.exit(main())
