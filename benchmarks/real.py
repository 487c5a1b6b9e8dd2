"""The product on four public data sets, as a table: what it finds, against what is known about them.

    TAMIZ_DATASETS=DIR make check-real

DIR holds the files as published, gzip-compressed: bank_marketing.csv.gz and online_shoppers.csv.gz (UCI Machine Learning
Repository, CC BY 4.0), b2b_sales.csv.gz (Bohanec et al. 2017, mirrored under CC BY 4.0), loan_applications_events.csv.gz
(BPI Challenge 2012, 4TU.ResearchData). Exit code 1 when an expectation fails, 2 when a file is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Metrics = Mapping[str, Any]
_LOAN = Path(__file__).with_name("loan_applications.toml")
_ACCUSED = ("blocked", "suspect")


@dataclass(frozen=True)
class Case:
    """One set: how `tamiz train` is called on it, and what must come out."""

    name: str
    file: str
    published: str
    arguments: Callable[[Path], Sequence[str]]
    expectations: Mapping[str, Callable[[Metrics], bool]]
    lead: str | None = None
    """A lead that `tamiz explain` is asked about."""


def _accused(name: str) -> Callable[[Metrics], bool]:
    return lambda metrics: metrics["inputs"][name]["verdict"] in _ACCUSED


def _nothing_blocked(metrics: Metrics) -> bool:
    return all(one["verdict"] not in _ACCUSED for one in metrics["inputs"].values())


CASES = (
    Case(
        "bank marketing",
        "bank_marketing.csv.gz",
        "UCI 222, bank-additional-full",
        lambda file: ("--leads", str(file), "--label", "y", "--positive", "yes", "--order-by-row"),
        {
            "`duration` is called out": _accused("duration"),
            "forward split": lambda m: m["split"]["kind"] != "random",
            "there is a signal": lambda m: not m["no_signal"],
            "AUC ≥ 0.64 forward": lambda m: m["measured"]["auc"] >= 0.64,
        },
    ),
    Case(
        "online shoppers",
        "online_shoppers.csv.gz",
        "UCI 468",
        lambda file: ("--leads", str(file), "--label", "Revenue", "--positive", "TRUE"),
        {
            "`PageValues` is called out": _accused("PageValues"),
            "the split is said to flatter": lambda m: "flatters" in str(m["split"].get("warning")),
            "AUC between 0.74 and 0.82": lambda m: 0.74 <= m["measured"]["auc"] <= 0.82,
        },
    ),
    Case(
        "B2B sales",
        "b2b_sales.csv.gz",
        "Bohanec et al. 2017, a mirror",
        lambda file: ("--leads", str(file), "--label", "Status", "--positive", "Won"),
        {
            "nothing honest is blocked": _nothing_blocked,
            "AUC ≥ 0.70": lambda m: m["measured"]["auc"] >= 0.70,
            "BANT evidence is found by name": lambda m: 'budget = ["Budgt_alloc"]  # guessed' in m["explained"]["said"],
            "a single lead is explained: facts, and what to ask": lambda m: all(
                one in m["explained"]["lead"]
                for one in ("− Budgt_alloc: “No”", "+ Authority: “High”", "Timeline   nothing known", "ask: When")
            ),
            "an interval wider than 0.1 AUC is shown": lambda m: m["measured"]["auc_ci"][1] - m["measured"]["auc_ci"][0] > 0.1,
        },
        lead="57",
    ),
    Case(
        "loan applications",
        "loan_applications_events.csv.gz",
        "4TU, BPI Challenge 2012",
        lambda file: ("--project", str(_LOAN)),
        {
            "forward split": lambda m: m["split"]["kind"] == "forward",
            "AUC ≥ 0.69 forward, without the leaky activities": lambda m: m["measured"]["auc"] >= 0.69,
        },
    ),
)


def main() -> int:
    folder = os.environ.get("TAMIZ_DATASETS")
    missing = [case.file for case in CASES if not folder or not (Path(folder) / case.file).exists()]
    if folder is None or missing:
        print(f"TAMIZ_DATASETS={folder or ''} lacks {', '.join(missing)}.", (__doc__ or "").split("\n\n", 2)[2], sep="\n", file=sys.stderr)
        return 2
    failed = 0
    print(f"{'set':18} {'chosen':10} {'AUC':22} {'PR-AUC':22} {'log loss':22} {'ECE':22} left out")
    with tempfile.TemporaryDirectory() as home:
        for case in CASES:
            metrics = _train(case, Path(folder), Path(home))
            for name, figures in metrics["candidates"].items():
                mark = "*" if name == metrics["chosen"] else " "
                cells = " ".join(f"{_cell(figures, key):22}" for key in ("auc", "pr_auc", "log_loss", "ece"))
                accused = ", ".join(name for name, one in metrics["inputs"].items() if one["verdict"] in _ACCUSED) or "–"
                print(f"{case.name if mark == '*' else '':18}{mark}{name:10} {cells} {accused if mark == '*' else ''}")
            for expectation, holds in case.expectations.items():
                good = holds(metrics)
                failed += not good
                print(f"  {'ok  ' if good else 'FAIL'} {expectation}")
            print(f"       {sum(metrics['seconds'].values()):.1f} s; published as {case.published}", flush=True)
    return int(failed > 0)


def _train(case: Case, folder: Path, home: Path) -> Metrics:
    environment = {**os.environ, "TAMIZ_HOME": str(home / case.file), "TAMIZ_DATASETS": str(folder.resolve())}
    command = [sys.executable, "-m", "tamiz", "train", *case.arguments(folder / case.file), "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{case.name}: `{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
    metrics = json.loads(done.stdout)
    if case.lead is not None:
        asking = [sys.executable, "-m", "tamiz", "explain", "--leads", str(folder / case.file), "--lead", case.lead]
        told = subprocess.run([*asking, "--model", metrics["bundle"]], env=environment, capture_output=True, text=True, check=False)
        print(told.stdout + told.stderr)
        metrics["explained"] = {"said": done.stderr, "lead": told.stdout}
    found: Metrics = metrics
    return found


def _cell(figures: Mapping[str, Any], key: str) -> str:
    low, high = figures[f"{key}_ci"]
    return f"{figures[key]:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    sys.exit(main())
