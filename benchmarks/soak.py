"""Mixed load for minutes: whether memory stays flat, anything fails, and the slowest answers stay as they were.

    make soak                    30 minutes
    make soak SOAK_MINUTES=1     to try it
    python -m benchmarks.soak [--minutes 30] [--database URL]

Eight connections score single leads and batches, push activities and fields of leads, and read the queue and histories; what they
push is scored again meanwhile, and twice a minute the model is swapped. After a quarter of the time, when caches are full, ten periods
are measured. Exit 1 if a request failed, if memory grew by more than 5 %, or if the median p99 of the last three periods is more
than twice that of the first three. The ledger grows on disk, as it should; it is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from benchmarks.serve import ROOT, free_port, install, process, thirty_activities

CONNECTIONS, PERIODS, LEADS = 8, 10, 2_000
GROWTH, SLOWER = 1.05, 2.0


@dataclass
class Seen:
    """What callers saw in the present period."""

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--database", default="", help="a PostgreSQL database instead of the SQLite file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        home = Path(folder)
        install(home, None, rounds=60)
        port = free_port()
        settings = {"TAMIZ_HOME": str(home), "TAMIZ_AUTH": "dev", "TAMIZ_DATABASE_URL": given.database}
        one = running.enter_context(
            process([sys.executable, "-m", "tamiz", "serve", "--port", str(port)], ROOT, port, "/readyz", **settings)
        )
        return soak(home, port, one.pid, given.minutes * 60)


def soak(home: Path, port: int, pid: int, seconds: float) -> int:
    over, seen = threading.Event(), Seen()
    threads = [threading.Thread(target=call, args=(port, number, over, lambda: seen), daemon=True) for number in range(CONNECTIONS)]
    threads.append(threading.Thread(target=swap, args=(home / "bundles", over), daemon=True))
    for thread in threads:
        thread.start()
    time.sleep(seconds / 4)
    failures: Counter[str] = seen.failures
    rows: list[tuple[float, float]] = []
    print(f"{'minute':>8}{'requests/s':>12}{'p50 ms':>8}{'p99 ms':>8}{'memory MB':>11}{'database MB':>13}")
    begun = time.monotonic()
    for period in range(PERIODS):
        seen = Seen()  # callers write into the new one from here on
        time.sleep(max(0.0, begun + seconds * 0.75 * (period + 1) / PERIODS - time.monotonic()))
        taken, memory = sorted(seen.seconds), resident(pid)
        p50, p99 = (taken[int(len(taken) * share)] * 1e3 for share in (0.5, 0.99))
        size = sum(file.stat().st_size for file in home.glob("tamiz.db*")) / 1e6
        rate = len(taken) / (seconds * 0.75 / PERIODS)
        print(f"{(time.monotonic() - begun) / 60:>8.1f}{rate:>12,.0f}{p50:>8.1f}{p99:>8.1f}{memory:>11.1f}{size:>13.1f}", flush=True)
        rows.append((memory, p99))
        failures += seen.failures
    over.set()
    grown, slower = rows[-1][0] / rows[0][0], median(p for _, p in rows[-3:]) / median(p for _, p in rows[:3])
    print(f"memory × {grown:.3f} (at most {GROWTH}), p99 × {slower:.2f} (at most {SLOWER}), failures: {dict(failures) or 'none'}")
    return int(bool(failures) or grown > GROWTH or slower > SLOWER)


def call(port: int, number: int, over: threading.Event, seen: Callable[[], Seen]) -> None:
    """One connection: each turn one of the usual calls, in the usual proportions."""
    rng, connection = Random(number), http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    lead = json.loads(thirty_activities())
    for turn in count():
        if over.is_set():
            return
        name, method, path, body = one_of_the_usual(rng, lead, f"{number}-{turn}")
        begun = time.perf_counter()
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 400 and not (answer.status == 404 and method == "GET"):  # a lead of which nothing was heard yet
                seen().failures[f"{name}: {answer.status}"] += 1
        except (OSError, http.client.HTTPException) as error:
            seen().failures[f"{name}: {type(error).__name__}"] += 1
            connection.close()
        seen().seconds.append(time.perf_counter() - begun)


def one_of_the_usual(rng: Random, lead: dict[str, Any], name: str) -> tuple[str, str, str, bytes | None]:
    who = f"l{rng.randrange(LEADS)}"
    mine = lead | {"lead": lead["lead"] | {"lead_id": who}}
    drawn = rng.random()
    if drawn < 0.55:
        return "score", "POST", "/v1/score", json.dumps(mine).encode()
    if drawn < 0.75:
        visits = [
            {"lead_id": who, "activity_id": f"{name}-{n}", "type": "page_view", "occurred_at": "2026-10-05T08:12:31Z", "url": "/pricing"}
            for n in range(5)
        ]
        return "activities", "POST", "/v1/activities", json.dumps(visits).encode()
    if drawn < 0.85:
        values = {"job_title": rng.choice(["CFO", "Analyst", "Head of IT"]), "employees": rng.randrange(5, 500)}
        return "lead", "PUT", f"/v1/leads/{who}", json.dumps(values).encode()
    if drawn < 0.93:
        return "queue", "GET", "/v1/leads?limit=20", None
    if drawn < 0.97:
        return "history", "GET", f"/v1/leads/{who}/decisions", None
    if drawn < 0.99:
        return "model", "GET", "/v1/model", None
    return "batch", "POST", "/v1/score/batch", json.dumps({"items": [mine] * 20}).encode()


def swap(bundles: Path, over: threading.Event) -> None:
    """Writes the pointer anew twice a minute: the service loads, verifies and warms the model beside the one that serves."""
    pointer = bundles / "champion.json"
    content = pointer.read_text()
    while not over.wait(30):
        building = pointer.with_suffix(".new")
        building.write_text(content)
        building.replace(pointer)


def resident(pid: int) -> float:
    """Megabytes that the process holds."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
