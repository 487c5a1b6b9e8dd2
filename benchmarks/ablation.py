"""What each family of signals is worth, forward in time: the model without it, and the model of it alone.

    python -m benchmarks.ablation [--leads 20000] [--seed 1]
    TAMIZ_DATASETS=DIR python -m benchmarks.ablation        and on loan_applications_events besides

Split, audit, fit, calibration and figures are training's own; the kind of model is the one that training chose before test, and
nothing is chosen or tuned on test rows. Each row of a table is one more fit on the same blocks, with some of the inputs left
out, judged on the same later leads. Differences are to the model of all inputs, paired, with 95 % intervals that resample leads.
Exit code 1 when BANT or engagement does not earn its place on the simulated world: its interval of the log loss touches zero.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.synthetic import simulate
from models.encoder import Encoder
from models.inputs import Floats
from training.calibrate import calibrate
from training.candidates import fit_candidates
from training.dataset import Dataset, from_project
from training.metrics import paired_differences
from training.train import Learned, Options, Watch, learn, when_of

BANT = ("budget", "authority", "need", "timeline")
FAMILIES = ("fit", *BANT, "engagement", "intent", "attributes")
GROUPS: Mapping[str, tuple[str, ...]] = {"BANT": BANT, **{name: (name,) for name in FAMILIES}}
MUST_EARN = ("BANT", "engagement")
RESAMPLES = 500
_LOAN = Path(__file__).with_name("loan_applications.toml")


@dataclass(frozen=True)
class Side:
    """Probabilities and margins of one model on the test rows."""

    probability: Floats
    margin: Floats


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leads", type=int, default=20_000, help="of the simulated world")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder) / "world", leads=arguments.leads, seed=arguments.seed)
        data = from_project(Path(folder) / "world" / "tamiz.toml", seed=arguments.seed)
    without = ablate(f"simulated world, {arguments.leads:,} leads, seed {arguments.seed}", data, arguments.seed)
    idle = [name for name in MUST_EARN if without[name]["log_loss"]["ci"][0] <= 0]
    for name in MUST_EARN:
        print(f"  {'FAIL' if name in idle else 'ok  '} {name} earns its place: without it log loss rises, the interval above zero")
    if folder := os.environ.get("TAMIZ_DATASETS"):
        if not (Path(folder) / "loan_applications_events.csv.gz").exists():
            print(f"{folder} lacks loan_applications_events.csv.gz", file=sys.stderr)
            return 2
        ablate("loan applications", from_project(_LOAN, seed=arguments.seed), arguments.seed)
    return int(bool(idle))


def ablate(title: str, data: Dataset, seed: int) -> Mapping[str, Mapping[str, Any]]:
    """Prints the table; gives what leaving out each group does."""
    learned = learn(data, Options(seed=seed), Watch(lambda text: None))
    family = family_of(data)
    test = learned.split.test
    everything = fitted(data, learned, learned.kept, seed)
    print(f"{title}: {learned.chosen}, {len(learned.kept)} inputs, tested on {len(test):,} later rows, {data.y[test].mean():.1%} converted")
    print(f"{'':24}{'inputs':>7}{'PR-AUC':>9}{'to all inputs':>28}{'log loss':>10}{'to all inputs':>28}")
    found: dict[str, Mapping[str, Any]] = {}
    for way in ("without", "only"):
        for name, families in GROUPS.items():
            among = {one for one in learned.kept if family[one] in families}
            kept = [one for one in learned.kept if (one in among) == (way == "only")]
            if not among or not kept:
                continue
            part = fitted(data, learned, kept, seed)
            result: Mapping[str, Any] = paired_differences(
                data.y[test], (part.probability, part.margin), (everything.probability, everything.margin), data.lead[test],
                seed=seed, resamples=RESAMPLES,
            )  # fmt: skip
            if not found:
                whole = "".join(f"{result[figure]['old']:{width}.4f}{'':28}" for figure, width in (("pr_auc", 9), ("log_loss", 10)))
                print(f"{'all inputs':24}{len(learned.kept):7}{whole}".rstrip())
            if way == "without":
                found[name] = result
            print(f"{way + ' ' + name:24}{len(kept):7}{_cells(result, 'pr_auc', 9)}{_cells(result, 'log_loss', 10)}", flush=True)
    return found


def family_of(data: Dataset) -> dict[str, str]:
    """The family of each input; columns that are taken as they are, are attributes."""
    attributes = {one.name for one in data.feature_set.attributes}
    encoder = Encoder.fit(data.feature_set, data.table, np.arange(len(data)))
    return {one.name: "attributes" if one.name in attributes else one.family for one in encoder.inputs}


def fitted(data: Dataset, learned: Learned, names: Sequence[str], seed: int) -> Side:
    """The chosen kind on some of the inputs, fitted and calibrated on the blocks that training uses."""
    split, kind = learned.split, learned.chosen
    encoder = Encoder.fit(data.feature_set, data.table, split.fit, list(names))
    X = encoder.encode(data.table)
    one = fit_candidates(X, data.y, data.lead, encoder.inputs, split, learned.folds, seed=seed, kinds=(kind,))[kind]
    calibration = calibrate(one.margin, data.y, data.lead, when_of(data), learned.calibrating, seed)
    return Side(calibration.apply(one.margin[split.test])[0], one.margin[split.test])


def _cells(result: Mapping[str, Any], figure: str, width: int) -> str:
    one = result[figure]
    low, high = one["ci"]
    return f"{one['new']:{width}.4f}{one['difference']:+10.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    sys.exit(main())
