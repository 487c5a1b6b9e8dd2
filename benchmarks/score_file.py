"""What `tamiz score` makes of a large flat file, beside LightGBM's own `Booster.predict` on the matrix already encoded.

    .venv/bin/python -m benchmarks.score_file DIR/bank_marketing.csv.gz [--rows 1000000] [--file ENDING] [--out ENDING]

DIR holds the public bank marketing data (41,188 rows × 20 columns). A model is trained on it; where that is a blend, its boosted member
is taken alone, for bare prediction to be beside. Then rows are drawn from it again with their numbers shaken, and
scored by the command in a process of its own: rows a second from start to end, and the most memory it held. Bare
prediction runs in turns with it on all cores, so that ratios hold on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from features.engine import evaluate
from features.history import ActivityLog, Observations
from models.blend import Blend
from models.boosted import Boosted
from models.bundle import Bundle, write_bundle
from models.inputs import Floats
from models.score_file import open_scan
from models.tables import chunk_leads

TAMIZ = (sys.executable, "-m", "tamiz")


@dataclass(frozen=True)
class Cost:
    """Of one process: seconds on the wall, of processors, and the most memory."""

    wall: float
    cpu: float
    megabytes: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    public = Path(os.environ.get("TAMIZ_DATASETS", ".")) / "bank_marketing.csv.gz"
    arguments.add_argument("leads", type=Path, nargs="?", default=public, help="bank_marketing.csv.gz; default: the one in TAMIZ_DATASETS")
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--file", default="csv", choices=["csv", "parquet"], help="as what the rows lie there to be scored")
    arguments.add_argument("--out", default="csv", choices=["csv", "parquet", "jsonl"])
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--bundle", type=Path, help="a boosted bundle trained before, instead of training one")
    given = arguments.parse_args()
    if not given.leads.exists():
        print(f"left out: {given.leads} is not there; set TAMIZ_DATASETS to the folder that holds it")
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        bundle = boosted_alone(Bundle.load(given.bundle or trained(given.leads, home)), home / "boosted")
        assert isinstance(bundle.model, Boosted), f"a {bundle.model.kind} model was chosen: its prediction is no yardstick"
        file = home / f"many.{given.file}"
        columns = write_rows(given.leads, file, given.rows)
        X = encoded(bundle, file)
        size = file.stat().st_size / 1e6
        print(f"{given.rows:,} rows × {columns} columns, {size:.0f} MB; {bundle.model.rounds} trees; {os.cpu_count()} cores")
        compare(bundle, file, X, given.out, given.repeats)


def trained(leads: Path, home: Path) -> Path:
    """The folder of a bundle; `duration` is only known once a call is over."""
    command = [*TAMIZ, "train", "--leads", str(leads), "--label", "y", "--positive", "yes", "--drop", "duration", "--quick", "--promote"]
    subprocess.run(command, env={**os.environ, "TAMIZ_HOME": str(home)}, check=True, capture_output=True)
    champion = json.loads((home / "bundles" / "champion.json").read_text())
    return home / "bundles" / str(champion["bundle"])


def boosted_alone(bundle: Bundle, folder: Path) -> Bundle:
    """A blend's boosted member as a bundle of its own: as much work, though its probabilities mean nothing."""
    if not isinstance(bundle.model, Blend):
        return bundle
    (model,) = [one for one, _ in bundle.model.members if isinstance(one, Boosted)]
    return write_bundle(
        folder,
        model=model,
        encoder=bundle.encoder,
        calibration=bundle.calibration,
        scale=bundle.scale,
        policy=bundle.policy,
        manifest={**bundle.manifest, "kind": model.kind},
        tables={},
    )


def write_rows(leads: Path, file: Path, rows: int) -> int:
    """Rows drawn from the data with their numbers shaken, so that they hold more than the values of training; how many columns."""
    import pandas as pd

    data = pd.read_csv(leads, sep=";")
    random = np.random.default_rng(0)
    drawn = data.drop(columns="y").iloc[random.integers(0, len(data), rows)].reset_index(drop=True)
    for name in drawn.select_dtypes("float"):
        drawn[name] = (drawn[name] * random.normal(1.0, 0.01, rows)).round(3)
    drawn["age"] += random.integers(-2, 3, rows)
    if file.suffix == ".parquet":
        drawn.to_parquet(file, index=False)
    else:
        drawn.to_csv(file, index=False)
    return drawn.shape[1]


def encoded(bundle: Bundle, file: Path) -> Floats:
    """The whole file as the model's matrix."""
    parts = []
    for chunk in open_scan(bundle, file, None):
        n = len(chunk)
        observations = Observations(np.arange(n), np.zeros(n, dtype=np.int64))
        parts.append(bundle.encoder.encode(evaluate(bundle.scorer.plan, chunk_leads(chunk), ActivityLog.empty(n), observations)))
    return np.concatenate(parts)


def compare(bundle: Bundle, file: Path, X: Floats, ending: str, repeats: int) -> None:
    import lightgbm as lgb

    assert isinstance(bundle.model, Boosted)
    booster = lgb.Booster(model_str=bundle.model.text)
    booster.predict(X[:1000])
    bare: list[Cost] = []
    ours: dict[int, list[Cost]] = {0: [], 3: []}
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        booster.predict(X)
        bare.append(Cost(time.perf_counter() - wall, time.process_time() - cpu, 0.0))
        for reasons, costs in ours.items():
            costs.append(scored(bundle, file, ending, reasons))
    rows = len(X)
    print(f"bare Booster.predict       {rows / median(one.wall for one in bare):>10,.0f} rows/s")
    for reasons, costs in ours.items():
        share = median(b.wall / one.wall for b, one in zip(bare, costs, strict=True))
        cpu = median(b.cpu / one.cpu for b, one in zip(bare, costs, strict=True))
        most = max(one.megabytes for one in costs)
        rate = rows / median(one.wall for one in costs)
        print(f"tamiz score --reasons {reasons}    {rate:>10,.0f} rows/s  {share:.0%} of bare (by CPU {cpu:.0%})  {most:,.0f} MB at most")


def scored(bundle: Bundle, file: Path, ending: str, reasons: int) -> Cost:
    """The command in a process of its own."""
    out = file.with_name(f"scored.{ending}")
    command = [*TAMIZ, "score", "--leads", str(file), "--out", str(out), "--model", str(bundle.folder), "--reasons", str(reasons)]
    start, most = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        most = max(most, peak(process.pid))
        time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"tamiz score ended with {process.returncode}"
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, most)


def peak(pid: int) -> float:
    """Megabytes that a process has held at most. Its rusage would count what this one held when it was started."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0.0)


if __name__ == "__main__":
    main()
