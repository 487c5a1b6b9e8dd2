from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data.reports import Reports
from data.schema import stale
from data.store import Store, now

ROOT = Path(__file__).resolve().parents[2]


def monitor(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tamiz", "monitor", *options]
    environment = {"TAMIZ_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_limits_that_cannot_be_read_are_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "tamiz.toml").write_text("[monitor]\npsy = 1\n")
    done = monitor(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "psy" in done.stderr


def test_without_a_model_it_says_so_and_nothing_is_amiss(tmp_path: Path) -> None:
    done = monitor(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No model serves" in done.stdout


@pytest.mark.parametrize("as_json", [False, True])
def test_an_alarm_is_exit_code_1_and_the_report_is_kept(home: Path, *, as_json: bool) -> None:
    store = Store.open(home)
    with store.writing() as connection:
        connection.execute(stale.insert().values(lead_id="ana", since=now() - 3_600_000_000, changed=1))
    done = monitor(home, *(["--json"] if as_json else []))
    assert done.returncode == 1
    assert "waiting" in done.stderr
    if as_json:
        assert json.loads(done.stdout)["alarms"][0]["name"] == "waiting"
    else:
        assert "ALARM      1 leads wait to be scored, the oldest for 60 minutes." in done.stdout
    assert Reports(store).newest("monitor") is not None
    store.close()


def test_it_can_look_without_keeping(home: Path) -> None:
    assert monitor(home, "--no-keep").returncode == 0
    store = Store.open(home)
    assert Reports(store).newest("monitor") is None
    store.close()
