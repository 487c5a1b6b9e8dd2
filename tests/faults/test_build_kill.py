"""Killed without warning in the middle of a build: what was finished stays, the rest is built, and the bits are the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data import synthetic
from data.build_folder import file_digest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CRM whose activities come in order of time, so that they are spilled first."""
    folder = tmp_path_factory.mktemp("crm")
    synthetic.simulate(folder, leads=1_500, seed=4)
    table = pq.read_table(folder / "activities.parquet").sort_by("occurred_at")
    pq.write_table(table, folder / "activities.parquet")
    return folder / "tamiz.toml"


def build(project: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tamiz", "features", "build", "--project", str(project), "--out", str(out), *options]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"TAMIZ_HOME": str(out.parent)}, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    return said


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def digests(out: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in out.glob("*.parquet")}


def test_killed_among_its_parts_it_goes_on_and_leaves_no_worker_behind(project: Path, tmp_path: Path) -> None:
    whole, out, small = tmp_path / "whole", tmp_path / "out", ("--memory", "480MB", "--workers", "2")
    finished(build(project, whole, *small))
    killed = build(project, out, *small)
    wait_for(lambda: list((out / ".done").glob("*.json")) or killed.poll() is not None)
    workers = children(killed.pid)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    wait_for(lambda: not any(map(alive, workers)), 20)
    before = digests(out)
    assert 0 < len(before) < len(digests(whole))
    said = finished(build(project, out, *small))
    assert "parts are there already and are kept" in said
    assert digests(out) == digests(whole)
    assert sorted(path.name for path in out.iterdir() if path.suffix == ".partial" or path.name == ".spill") == []


def test_killed_while_it_spills_it_spills_again(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = build(project, out)
    wait_for(lambda: list((out / ".spill").glob("*")) or killed.poll() is not None)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    finished(build(project, out))
    assert sum(pq.read_metadata(path).num_rows for path in out.glob("*.parquet")) > 1_000
