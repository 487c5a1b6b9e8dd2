"""How long `tamiz train` takes, beside the single LightGBM fit that it contains.

    python -m benchmarks.train [--rows 41188] [--columns 20]

A generated flat table of the size of the bank marketing set, trained by the command as a user would, in a process of its
own; then the same matrix through `lightgbm.train` with the same rounds. Prints seconds a stage, the total, and the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=41_188)
    parser.add_argument("--columns", type=int, default=20)
    arguments = parser.parse_args()
    frame = table(arguments.rows, arguments.columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leads.csv"
        frame.to_csv(path, index=False)
        began = time.perf_counter()
        command = [sys.executable, "-m", "tamiz", "train", "--leads", str(path), "--label", "won", "--order-by-row", "--json"]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "TAMIZ_HOME": folder}, capture_output=True, text=True, check=True)
        wall = time.perf_counter() - began
    metrics = json.loads(done.stdout)
    alone = single_fit(frame)
    for stage, seconds in metrics["seconds"].items():
        print(f"{stage:10} {seconds:7.2f} s")
    print(f"{'in all':10} {wall:7.2f} s, with the start of Python; one LightGBM fit alone {alone:.2f} s: {wall / alone:.1f} times")
    return 0


def table(rows: int, columns: int) -> pd.DataFrame:
    """Half numbers, half categories of four values; a label that some of them carry, one lead in nine converting."""
    rng = np.random.default_rng(7)
    half = columns // 2
    frame = pd.DataFrame({f"number_{i}": rng.normal(size=rows).round(3) for i in range(half)})
    for i in range(columns - half):
        frame[f"category_{i}"] = rng.choice(["a", "b", "c", "d"], rows)
    logit = -2.6 + frame["number_0"] + 0.5 * frame["number_1"] ** 2 * (frame["category_0"] == "a")
    frame["won"] = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    return frame


def single_fit(frame: pd.DataFrame) -> float:
    """Seconds of one LightGBM fit with default settings and 100 rounds."""
    import lightgbm as lgb

    inputs = frame.drop(columns="won")
    coded = [values if values.dtype.kind == "f" else pd.Series(pd.factorize(values)[0]) for _, values in inputs.items()]
    matrix = np.column_stack([column.to_numpy(np.float64) for column in coded])
    began = time.perf_counter()
    lgb.train({"objective": "binary", "verbosity": -1}, lgb.Dataset(matrix, label=frame["won"].to_numpy(np.float64)), 100)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
