"""Whether fitting on looks that are too young to be judged (`--use-recent`) beats leaving them out, walking forward.

    python -m benchmarks.recent [--leads 5000] [--seeds 1 2 3] [--months 6]

For each seed: simulate, and walk through the newest mature months twice, as `tamiz backtest` does and as `tamiz backtest
--use-recent` does. Prints log loss and AUC of the probabilities that each month's model gave to that month's looks, and their
differences over all months (with the young looks less without) with 95 % intervals that resample leads.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from data.synthetic import simulate
from training.backtest import backtest
from training.dataset import from_project
from training.metrics import paired_differences


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leads", type=int, default=5_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--months", type=int, default=6)
    arguments = parser.parse_args()
    print(f"{'seed':>5}{'looks':>8}{'log loss':>10}{'with':>8}{'difference':>30}{'AUC':>8}{'with':>8}{'difference':>30}", flush=True)
    for seed in arguments.seeds:
        one(arguments.leads, seed, arguments.months)


def one(leads: int, seed: int, months: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder) / "world", leads=leads, seed=seed)
        data = from_project(Path(folder) / "world" / "tamiz.toml", seed=seed)
    assert data.until is not None
    mature = data.until - 90 * 86_400_000_000
    without, using = (
        backtest(data, mature_until=mature, months=months, seed=seed, resamples=1, use_recent=used).probability for used in (False, True)
    )
    rows = np.flatnonzero(np.isfinite(without) & np.isfinite(using))
    found = paired_differences(data.y[rows], (using[rows], None), (without[rows], None), data.lead[rows], seed=seed)
    figures = ""
    for name in ("log_loss", "auc"):
        entry = found[name]
        low, high = entry["ci"]  # type: ignore[misc]  # a pair, as documented
        figures += f"{entry['old']:10.4f}{entry['new']:8.4f}{entry['difference']:+12.4f} ({low:+.4f} to {high:+.4f})"
    print(f"{seed:5}{len(rows):8,}{figures}", flush=True)


if __name__ == "__main__":
    main()
