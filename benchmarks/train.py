"""How long `tamiz train` takes, beside the single LightGBM fit that it contains.

    python -m benchmarks.train [--rows 200000] [--columns 60] [--full]

A generated flat table, trained by the command as a user would with `--quick` (the core path: read, audit, fit, calibrate,
measure), in a process of its own; `--full` runs it once more with search and diagnostics. The single fit is the boosted
candidate's own: its settings and rounds on as many rows, on the same machine right afterwards. Prints seconds a stage,
their ratio to that fit, and the peak memory beside the matrix and the imports.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
_CORE = ("read", "split", "audit", "fit", "calibrate", "measure")
_SAY = "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
_LIBRARIES = "lightgbm, mlflow, pandas, plotly, pyarrow.compute, pyarrow.csv, sklearn.linear_model"
_IMPORTS = f"import resource, sys, training.train, {_LIBRARIES}; {_SAY}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=60)
    parser.add_argument("--full", action="store_true", help="with search and diagnostics too")
    arguments = parser.parse_args()
    frame = table(arguments.rows, arguments.columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "leads.csv"
        frame.to_csv(path, index=False)
        imports = peak(subprocess.run([sys.executable, "-c", _IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True).stderr)
        for words in [["--quick"], []] if arguments.full else [["--quick"]]:
            metrics, wall, memory = trained(path, folder, words)
            alone = single_fit(frame, metrics)
            seconds = metrics["seconds"]
            core = sum(seconds[stage] for stage in _CORE)
            print(f"\ntamiz train {' '.join(words)}: {arguments.rows:,} rows × {arguments.columns} columns")
            for stage, spent in seconds.items():
                print(f"  {stage:10} {spent:7.1f} s  {spent / alone:5.2f} {'core' if stage in _CORE else ''}")
            print(f"  one LightGBM fit {alone:.1f} s; core {core / alone:.1f} times that; in all {wall:.1f} s, {wall / alone:.1f} times")
            matrix = arguments.rows * arguments.columns * 8 / 2**20
            above = (memory - imports) / matrix
            print(f"  peak {memory:.0f} MB, imports {imports:.0f}, matrix {matrix:.0f}: {above:.1f} matrices above the imports")
    return 0


def trained(path: Path, folder: str, words: list[str]) -> tuple[dict[str, Any], float, float]:
    """metrics.json, seconds of the whole command and its peak memory in MB."""
    arguments = ["train", "--leads", str(path), "--label", "won", "--order-by-row", "--json", *words]
    code = (
        f"import atexit, resource, sys\natexit.register(lambda: {_SAY})\nsys.argv = ['tamiz', *{arguments!r}]\nimport tamiz\ntamiz.main()"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "TAMIZ_HOME": folder}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout), time.perf_counter() - began, peak(done.stderr)


def peak(text: str) -> float:
    """Megabytes in the line that a process leaves at its end."""
    found = re.findall(r"^peak (\d+)$", text, flags=re.MULTILINE)
    return int(found[-1]) / 1024


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


def single_fit(frame: pd.DataFrame, metrics: dict[str, Any]) -> float:
    """Seconds of the boosted candidate's fit alone: the rows of fit and tune, early stopping, default settings."""
    from models.boosted import fit_boosted
    from models.inputs import InputSpec

    inputs = frame.drop(columns="won")
    words = [name for name in inputs if inputs[name].dtype.kind != "f"]
    coded = [pd.factorize(inputs[name])[0] + 1.0 if name in words else inputs[name] for name in inputs]
    X, y = np.column_stack(coded).astype(np.float64), frame["won"].to_numpy(np.float64)
    specs = [InputSpec(name, kind="category" if name in words else "number", categories=tuple("abcd")) for name in inputs]
    fit, tune = np.split(np.arange(len(y)), [metrics["split"]["train_rows"]])
    tune = tune[: metrics["split"]["tune_rows"]]
    began = time.perf_counter()
    fit_boosted(X[fit], y[fit], X[tune], y[tune], specs, seed=7)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
