"""How many decisions a second the ledger takes, durably: rows of the usual size in groups, as batches and callers at once make them.

    python -m benchmarks.ledger [--rows 50000] [--groups 50 256 1000] [--folder DIR]

The service's own statement on SQLite (`synchronous=FULL`, `secure_delete`): each group is one transaction, and is on the disk before the
next begins. A row holds a request of 30 activities (5 KB) and its answer (3 KB); *small* holds a tenth of both, which tells bytes from
rows. Group by group in turns, the median of rounds; the disk's own median fsync and what it takes of plain bytes are measured beside it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from benchmarks.serve import median_fsync
from data.quick import COLUMNS
from data.store import Store

INPUT, ANSWER = 5_000, 3_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="in each measurement")
    parser.add_argument("--groups", type=int, nargs="*", default=[50, 256, 1_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on which disk; default: where temporary files go")
    given = parser.parse_args()
    sizes = {"usual": (INPUT, ANSWER), "small": (INPUT // 10, ANSWER // 10)}
    rates: dict[tuple[str, int], list[float]] = {(size, group): [] for size in sizes for group in given.groups}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        print(f"median fsync of the disk {median_fsync(Path(folder)) * 1e6:,.0f} µs")
        plain = plain_bytes(Path(folder), given.rows // 4 * (INPUT + ANSWER))
        print(f"plain bytes, fsync every 2 MB: {plain / 1e6:,.0f} MB/s, as many as {plain / (INPUT + ANSWER):,.0f} usual rows/s")
        for turn in range(given.rounds):
            for (size, group), found in rates.items():
                with closing(Store.open(Path(folder) / f"{turn}-{size}-{group}")) as store:
                    found.append(rate(store, given.rows, group, *sizes[size]))
    for (size, group), found in rates.items():
        print(f"{size} rows in groups of {group:>5,}: {median(found):>9,.0f} rows/s (aim 50,000)")


def rate(store: Store, rows: int, group: int, asked: int, answered: int) -> float:
    """Rows a second, each group on the disk before the next."""
    store.note_runtime("r", {})
    quick = store.quick()
    groups = list(grouped(rows, group, asked, answered))
    begun = time.perf_counter()
    for one in groups:
        quick.append(one)
    taken = time.perf_counter() - begun
    quick.close()
    return rows / taken


def grouped(rows: int, group: int, asked: int, answered: int) -> Iterator[list[tuple[object, ...]]]:
    told = {"decision": "mql", "previous_decision": None, "probability": 0.3, "model_version": "v1", "policy_version": "1"}
    for begin in range(0, rows, group):
        made: list[tuple[object, ...]] = []
        for number in range(begin, min(begin + group, rows)):
            at = 1_790_000_000_000_000 + number
            own = {"decision_id": f"019a{number:032x}", "lead_id": f"l{number}", "scored_at": at, "as_of": at}
            texts = {"feature_set": "f" * 64, "input_hash": "0" * 64, "input": b"i" * asked, "answer": b"a" * answered, "runtime": "r"}
            row = told | own | texts
            made.append(tuple(row.get(name) for name in COLUMNS))
        yield made


def plain_bytes(folder: Path, total: int, each: int = 2_000_000) -> float:
    """Bytes a second that the disk itself takes, durably."""
    block = os.urandom(each)
    begun = time.perf_counter()
    with (folder / "plain").open("wb", buffering=0) as file:
        for _ in range(max(total // each, 1)):
            file.write(block)
            os.fsync(file.fileno())
    return max(total // each, 1) * each / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
