"""How much closer a model for `--estimand worked` comes to the planted chance of converting if worked than the usual one.

    python -m benchmarks.bias [--leads 10000] [--seeds 1 2 3] [--explore 0.5]

For each seed: simulate a world in which sales draws lots for a share of its new leads, and train twice: as sales goes on
(usual), and if worked (corrected). Both answer for the same later leads, created after the labels that either was fitted,
calibrated or chosen with, at one, three and seven days of age, when sales decides.

Prints the mean of `p_if_worked` and of either's answers, and how far they are from it: in information (the log loss under
`p_if_worked` less that of `p_if_worked` itself, in thousandths of a nat), its difference (corrected less usual; below zero
the corrected one is closer) with a 95 % interval that resamples leads, and as root mean square and mean absolute distance.
Exit code 1 where the corrected one is not surely closer.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.synthetic import simulate
from features.history import DAY
from models.inputs import Floats
from training.dataset import Dataset, from_project
from training.train import Options, Watch, learn

AGES = (1.0, 3.0, 7.0)
RESAMPLES = 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leads", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--explore", type=float, default=0.5)
    arguments = parser.parse_args()
    titles = ("looks", "if worked", "usual", "corrected", "far: usual", "corrected")
    print(f"{'seed':>5}" + "".join(f"{title:>12}" for title in titles) + f"{'difference':>26}{'rms':>16}{'mean abs.':>16}", flush=True)
    surely = [one(arguments.leads, seed, arguments.explore) for seed in arguments.seeds]
    return int(not all(surely))


def one(leads: int, seed: int, explore: float) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        simulate(world, leads=leads, seed=seed, explore=explore)
        usual, corrected = (from_project(world / "tamiz.toml", seed=seed, estimand=name) for name in ("policy", "worked"))
        truth = pd.read_parquet(world / "truth.parquet")
    models = [learn(data, Options(seed=seed, quick=True), Watch(lambda text: None)) for data in (usual, corrected)]
    # Later than what either learnt from: the later of the two tests.
    starts = [int(_created(data)[model.split.test].min()) for data, model in zip((usual, corrected), models, strict=True)]
    assert usual.as_of is not None
    age = (usual.as_of - _created(usual)) / DAY
    rows = np.flatnonzero((_created(usual) >= max(starts)) & np.isin(np.round(age, 6), AGES))
    probability = []
    for data, model in zip((usual, corrected), models, strict=True):
        X = model.encoder.encode(_columns_of(usual, data, rows).table)
        margin = model.candidates[model.chosen].model.margin(X)
        probability.append(model.calibrations[model.chosen].apply(margin)[0])
    looks = pd.DataFrame(
        {
            "lead_id": [usual.lead_ids[code] for code in usual.lead[rows].tolist()],
            "as_of": pd.to_datetime(usual.as_of[rows], unit="us", utc=True),
            "lead": usual.lead[rows],
            "usual": probability[0],
            "corrected": probability[1],
        }
    ).merge(truth, on=["lead_id", "as_of"])
    truly, naive, mended = (looks[name].to_numpy(np.float64) for name in ("p_if_worked", "usual", "corrected"))
    far = [1_000 * _information(truly, p) for p in (naive, mended)]
    low, high = _interval(far[1] - far[0], looks["lead"].to_numpy(np.int64), seed)
    figures = f"{truly.mean():12.4f}{naive.mean():12.4f}{mended.mean():12.4f}{far[0].mean():12.2f}{far[1].mean():12.2f}"
    rms = "  ".join(f"{np.sqrt(((p - truly) ** 2).mean()):.4f}" for p in (naive, mended))
    absolute = "  ".join(f"{np.abs(p - truly).mean():.4f}" for p in (naive, mended))
    difference = f"{(far[1] - far[0]).mean():+.2f} ({low:+.2f} to {high:+.2f})"
    print(f"{seed:5}{len(looks):12,}{figures}{difference:>26}  {rms}  {absolute}", flush=True)
    return high < 0


def _columns_of(data: Dataset, other: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """These rows; both datasets evaluate the same signals of the same tables."""
    assert data.input_names == other.input_names
    return data.take(rows)


def _information(truly: Floats, p: Floats) -> Floats:
    """What is lost by answering p where `truly` holds, in nats."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    lost: Floats = truly * np.log(truly / p) + (1 - truly) * np.log((1 - truly) / (1 - p))
    return lost


def _created(data: Dataset) -> NDArray[np.int64]:
    assert data.created is not None
    return data.created


def _interval(values: Floats, lead: NDArray[np.int64], seed: int) -> tuple[float, float]:
    """Of the mean, resampling leads."""
    _, code = np.unique(lead, return_inverse=True)
    sums, rows = np.bincount(code, weights=values), np.bincount(code)
    rng = np.random.default_rng(seed)
    drawn = rng.poisson(1.0, (RESAMPLES, len(sums))).astype(np.float64)
    low, high = np.percentile((drawn @ sums) / (drawn @ rows), [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
