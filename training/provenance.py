"""Where a run came from: command, code, libraries and machine, for the report and for MLflow."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["git_state", "provenance"]

_LIBRARIES = ("tamiz", "numpy", "pandas", "scikit-learn", "lightgbm", "duckdb", "mlflow")


def provenance(command: str, seed: int) -> dict[str, str]:
    """Name → value, in the order in which the report shows them."""
    import os

    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return {
        "command": command or "from Python",
        "seed": str(seed),
        "code": git_state(),
        "python": sys.version.split()[0],
        "libraries": libraries,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def git_state() -> str:
    """The commit of the code that runs, with `+changes` when it is not exactly that commit; `unknown` outside git."""
    folder = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(["git", "-C", folder, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(["git", "-C", folder, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
