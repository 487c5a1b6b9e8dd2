"""Where the time of one decision goes, without HTTP and ledger: read the request, make columns, signals, model, reasons.

    .venv/bin/python -m benchmarks.one_lead score_request.json --bundle DIR/bundles/v1-…

Processor time of this process in microseconds, the least of repeats taken in turns, which other processes disturb least.
What starts from the request makes its columns anew: texts that were read once are not read again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from features.engine import Colleagues, evaluate
from features.history import ActivityLog, Leads, Observations
from models.bundle import Bundle
from models.request_columns import RequestColumns
from models.scoring import score_columns, score_requests
from serving.schemas import read_score


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("request", type=Path, help="the JSON body of a POST /v1/score, with as_of")
    arguments.add_argument("--bundle", type=Path, required=True, help="folder of a trained bundle")
    arguments.add_argument("--repeats", type=int, default=15)
    given = arguments.parse_args()
    bundle, body = Bundle.load(given.bundle), given.request.read_bytes()
    request = read_score(body)

    def make_columns() -> tuple[Leads, ActivityLog, Observations, Colleagues | None]:
        made = RequestColumns(bundle.scorer)
        made.add(request)
        return made.columns()

    X = bundle.encoder.encode(evaluate(bundle.scorer.plan, *make_columns()))
    decision = score_requests(bundle, [request], bundle.policy)[0]
    encode = msgspec.json.Encoder().encode
    parts: dict[str, Callable[[], object]] = {
        "read the request": lambda: read_score(body),
        "make columns": make_columns,
        "columns and signals": lambda: evaluate(bundle.scorer.plan, *make_columns()),
        "model: the margin alone": lambda: bundle.model.margin(X),
        "with contributions and worth": lambda: bundle.explain(X),
        "score, no reasons": lambda: score_columns(bundle, *make_columns()),
        "score and three reasons": lambda: score_columns(bundle, *make_columns(), reasons=3),
        "the whole decision": lambda: score_requests(bundle, [request], bundle.policy, reasons=3),
        "write the answer": lambda: encode(decision),
    }
    least = dict.fromkeys(parts, float("inf"))
    for _ in range(given.repeats):
        for name, work in parts.items():
            least[name] = min(least[name], microseconds(work))
    print(f"{bundle.model.kind}, {X.shape[1]} inputs, {len(request.activities)} activities")
    for name, taken in least.items():
        print(f"{name:<28}{taken:>8.1f} µs")
    print(f"reasons cost {least['score and three reasons'] / least['score, no reasons'] - 1:.0%} of the score itself")


def microseconds(work: Callable[[], object], inner: int = 100) -> float:
    start = time.process_time()
    for _ in range(inner):
        work()
    return (time.process_time() - start) / inner * 1e6


if __name__ == "__main__":
    main()
