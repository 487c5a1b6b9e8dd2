"""How long a preview takes: 200,000 rows of backtest, 20,000 looks of the last weeks, and 200,000 leads standing in the store.

    python -m benchmarks.preview [--rows 200000] [--standing 200000]

Writes a bundle's tables and a store with invented leads, and asks what `POST /v1/policy/preview` asks: both queues under two policies,
today's moves and the recommendation, without and with a breakdown by segment. Prints the median and the slowest of 20 questions on the
wall and in seconds of cores, and what the first question after a model is loaded pays for reading and for the curves,
and what is made behind its answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd

from models.preview import Preview
from models.qualification import Policy

AIM = 0.2
TIMES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--standing", type=int, default=200_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder), arguments.rows)
        measure(Path(folder), arguments.standing)


def tables(folder: Path, rows: int) -> None:
    """A backtest of so many rows, four looks a lead, and a course of a tenth of them."""
    rng = np.random.default_rng(1)
    sources = np.array(["web", "fair", "referral", "event", "partner"])
    until = pd.Timestamp("2026-06-01", tz="UTC")
    for name, count, days in (("backtest", rows, 180), ("followed", rows, 180), ("course", rows // 10, 91)):
        p = rng.beta(1, 8, count)
        frame = pd.DataFrame(
            {
                "lead": [f"{i // 4:016x}" for i in range(count)],
                "as_of": until - pd.to_timedelta(rng.uniform(0, days, count) + (days if name != "course" else 0), unit="D").round("us"),
                "probability": p,
                "margin": np.log(p / (1 - p)),
                "segment_source": sources[rng.integers(0, 5, count)],
            }
        )
        if name == "course":
            frame = frame.drop(columns="margin").assign(standing=rng.random(count) < 0.1, amount=rng.lognormal(8, 1, count))
        else:
            won = rng.random(count) < p
            frame = frame.assign(y=won.astype(np.int8), amount=np.where(won, rng.lognormal(8, 1, count), np.nan))
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    course = {"share": 1.0, "until": round(until.timestamp() * 1e6), "weeks": 13}
    (folder / "manifest.json").write_text(json.dumps({"course": course}))


def measure(folder: Path, standing: int) -> None:
    from serving.looking_ahead import look_ahead
    from serving.policies import InForce
    from serving.policy_schemas import PreviewRequest
    from serving.previews import Kept

    began = time.perf_counter()
    preview = Preview.read(folder)
    read = time.perf_counter() - began
    began = time.perf_counter()
    curves = preview.curves()
    print(f"the first question: {read * 1000:.0f} ms to read, {(time.perf_counter() - began) * 1000:.0f} ms for the curves, then kept")
    began = time.perf_counter()
    preview.prepare()
    print(f"behind its answer: {(time.perf_counter() - began) * 1000:.0f} ms for what the first question by segment needs")
    store = filled(folder, standing)
    kept = Kept(preview, curves)
    in_force = InForce(Policy.at(0.2, 0.5), 1, '"1"')
    model = SimpleNamespace(version="1", bundle=SimpleNamespace(encoder=SimpleNamespace(feature_set=SimpleNamespace(fingerprint="f"))))
    for said, more in (("", {}), (" by segment", {"by": "source"})):

        def ask(number: int, more: dict[str, Any] = more) -> object:
            wanted = PreviewRequest(mql=0.15 + number / 1000, sql=0.45, capacity=500, cost_per_call=20.0, **more)
            proposed = Policy.at(0.15 + number / 1000, 0.45)
            return look_ahead(store, cast("Any", model), kept, in_force, wanted, proposed, named=True).model_dump_json()

        wall, cores = timed(ask)
        median, slowest = statistics.median(wall) * 1000, max(wall) * 1000
        print(
            f"a preview{said}: median {median:.0f} ms, slowest {slowest:.0f} ms; {statistics.median(cores) * 1000:.0f} ms of cores "
            f"(aim {AIM * 1000:.0f} ms: {'met' if median <= AIM * 1000 else 'short'})"
        )
    store.close()


def filled(folder: Path, standing: int) -> Any:  # noqa: ANN401 - the store is imported only where it is used
    """A store in which so many leads stand."""
    from data.crm import Crm, LeadPut, Standing
    from data.store import Store

    rng = np.random.default_rng(2)
    store = Store.open(folder / "home")
    crm, p = Crm(store), rng.beta(1, 8, standing)
    for start in range(0, standing, 5_000):
        names = [f"lead {i}" for i in range(start, min(start + 5_000, standing))]
        crm.put_leads([LeadPut(one, {"company": f"{one} works", "country": "ES"}, 1, 1) for one in names])
        rows = []
        for place, one in enumerate(names, start):
            decision = "sql" if p[place] >= 0.5 else "mql" if p[place] >= 0.2 else "nurture"
            chance = float(p[place])
            rows.append(Standing(one, decision, 1, f"d{place}", chance, chance, chance, 50.0, "B", None, 1, "1", "1", '{"bant": {}}'))
        crm.stand(rows)
    return store


def timed(ask: Callable[[int], object]) -> tuple[list[float], list[float]]:
    wall, cores = [], []
    for number in range(TIMES):
        began, spent = time.perf_counter(), time.process_time()
        ask(number)
        wall.append(time.perf_counter() - began)
        cores.append(time.process_time() - spent)
    return wall, cores


if __name__ == "__main__":
    main()
