"""How hard the machine worked while a model was trained: samples of processor and memory, under the names that MLflow shows.

In: nothing; out: `Sample`s taken once a second by a thread, of which at most 300 are kept, evenly spread. They are logged with the
run when it ends: MLflow's own monitor would need the run, and a reachable server, from the first second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from models.registry import Sample

__all__ = ["MOST", "sampled"]

MOST = 300
EVERY = 1.0
_MEGA = 1_000_000


@contextmanager
def sampled(wanted: bool = True) -> Iterator[list[Sample]]:
    """A list that fills while the block runs; it stays empty where samples are not wanted."""
    samples: list[Sample] = []
    if not wanted:
        yield samples
        return
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(samples, done), name="system-metrics", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join(timeout=5)


def _watch(samples: list[Sample], done: threading.Event) -> None:
    import psutil  # type: ignore[import-untyped]  # it ships no types

    process, every = psutil.Process(), EVERY
    psutil.cpu_percent()
    while True:
        ended = done.wait(every)
        memory = psutil.virtual_memory()
        values = {
            "system/cpu_utilization_percentage": psutil.cpu_percent(),
            "system/system_memory_usage_megabytes": memory.used / _MEGA,
            "system/system_memory_usage_percentage": memory.percent,
            "system/process_memory_megabytes": process.memory_info().rss / _MEGA,
        }
        samples.append(Sample(time.time_ns() // 1_000_000, values))
        if len(samples) > MOST:
            samples[:], every = samples[::2], every * 2
        if ended:
            return
