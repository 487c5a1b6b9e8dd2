"""What training on a Dask cluster costs in quality: the same recipe fitted by two workers, and by one machine.

    python -m benchmarks.cluster [--leads 4000] [--seeds 1] [--workers 2] [--fits 5]

For each seed: simulate, let one machine choose the boosted candidate's recipe, and fit it again with other seeds, here and on a local
cluster: what two fits differ by anyway is what the cluster has to stay within. Prints mean, least and most log loss and AUC on test.
Exit code 1 where the cluster's mean log loss is above the worst of one machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.synthetic import simulate
from models.blend import Model
from training.calibrate import calibrate
from training.candidates import refit
from training.cluster import ClusterOptions
from training.dataset import from_cluster
from training.metrics import auc, log_loss
from training.train import Options, Watch, learn, when_of


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leads", type=int, default=4_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--fits", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'seed':>5}{'rows':>9}  {'log loss here':26}{'on the cluster':26}{'AUC here':26}{'on the cluster':26}", flush=True)
    within = [one(arguments.leads, seed, arguments.workers, arguments.fits) for seed in arguments.seeds]
    return int(not all(within))


def one(leads: int, seed: int, workers: int, fits: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        simulate(world, leads=leads, seed=seed)
        data = from_cluster(world / "tamiz.toml", ClusterOptions("local", Path(folder) / "signals", workers), seed=seed)
        cluster = data.cluster
        assert cluster is not None
        learned = learn(replace(data, cluster=None), Options(seed=seed, quick=True), Watch(lambda text: None), ("boosted",))
        recipe, split, inputs = learned.candidates["boosted"].recipe, learned.split, learned.encoder.inputs
        seeds = [1_000 + number for number in range(fits)]
        here = [refit(recipe, learned.X[split.fit], data.y[split.fit], inputs, other) for other in seeds]
        there = [cluster.fit(recipe, learned.encoder, split.window, other) for other in seeds]

    def judged(model: Model) -> tuple[float, float]:
        margin, known = np.full(len(data), np.nan), np.concatenate([split.calibrate, split.test])
        margin[known] = model.margin(learned.X[known])
        p = calibrate(margin, data.y, data.lead, when_of(data), split.calibrate, seed).apply(margin[split.test])[0]
        return log_loss(data.y[split.test], p), auc(data.y[split.test], margin[split.test])

    ours, theirs = (np.array([judged(model) for model in models]) for models in (here, there))
    cells = [_range(part[:, figure]) for figure in (0, 1) for part in (ours, theirs)]
    print(f"{seed:5}{len(split.fit):9,}  " + "".join(f"{cell:26}" for cell in cells), flush=True)
    return bool(theirs[:, 0].mean() <= ours[:, 0].max())


def _range(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4f} ({np.min(values):.4f}–{np.max(values):.4f})"


if __name__ == "__main__":
    sys.exit(main())
