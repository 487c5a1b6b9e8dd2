"""What was freed goes back to the system, where it can; elsewhere nothing breaks."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest

from training.memory import give_back


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_nothing_happens_where_the_library_does_not_know_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    give_back()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is counted in /proc")
def test_many_small_things_that_were_freed_are_given_back() -> None:
    kept = [(np.zeros(2_000), np.zeros(2_000)) for _ in range(4_000)]
    full = resident()
    kept = [(one, one) for one, _ in kept]  # every second one goes: holes that no large matrix fits into
    give_back()
    assert resident() < full - 40_000_000
    assert len(kept) == 4_000
