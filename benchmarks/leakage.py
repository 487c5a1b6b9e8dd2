"""How many planted leaks the audit finds, and how many honest inputs it wrongs, on tables that nobody has seen.

    python -m benchmarks.leakage [--tables 200] [--seed 0]

Each table has 5 to 11 honest inputs (weak and strong, numeric and categorical, skewed, rounded, with gaps, some
drifting or seasonal), a base rate between 4 % and 45 %, an order or none, and in two of three tables one leak.
Truth is drawn here and known to nothing else.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.leakage import Verdict, audit
from training.splits import split_by_order, split_random

Floats = npt.NDArray[np.float64]

LEAKS = (
    "near copy",
    "near copy, 30 % hidden",
    "near copy, 30 % zeroed",
    "category that repeats the outcome",
    "missingness, plain",
    "missingness, subtle",
    "measured after the outcome, mildly",
    "measured after the outcome",
    "measured after the outcome, 30 % hidden",
    "two halves, masked",
    "two halves, each half hidden",
    "two leaks at once",
)


@dataclass
class Table:
    """One generated table, with what is planted in it."""

    y: Floats
    inputs: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)
    nature: dict[str, str] = field(default_factory=dict)
    """`weak`, `strong`, `drifting`, `seasonal` or the kind of leak."""
    ordered: bool = True

    def add(self, name: str, values: npt.NDArray[np.generic], kind: str, nature: str) -> None:
        self.inputs[name], self.kinds[name], self.nature[name] = values, kind, nature


def make_table(seed: int, leak: str | None, *, rows: int | None = None, ordered: bool | None = None) -> Table:
    """A table of leads with honest inputs and at most one kind of leak."""
    rng = np.random.default_rng([seed, 77])
    n = rows or int(rng.integers(2_500, 12_000))
    ordered = bool(rng.random() < 0.6) if ordered is None else ordered
    when = np.arange(n) / n
    base = np.exp(rng.uniform(np.log(0.04), np.log(0.45)))
    y = (rng.random(n) < base * (1 + rng.uniform(-0.4, 0.8) * when * ordered)).astype(float)
    table = Table(y, ordered=ordered)
    for k in range(int(rng.integers(1, 4))):
        _add_honest(table, f"strong_{k}", rng.uniform(0.95, 1.19), "strong", rng)
    for k in range(int(rng.integers(2, 6))):
        _add_honest(table, f"weak_{k}", rng.uniform(0.0, 0.6), "weak", rng)
    if ordered:
        effect = np.where(when < 0.45, 0.9, -0.2)
        table.add("drifting", effect * y + rng.normal(size=n), "number", "drifting")
        table.add("level", 8 * when + rng.normal(size=n) * 0.1, "number", "level moves")
    season = np.sin(12 * when) if ordered else rng.integers(0, 12, n)
    table.add("season", np.round(6 * season + 0.5 * y).astype(float), "number", "seasonal")
    # What real lead tables hold beside: gaps that say something, a value nobody buys with, a rare warm one, many regions, an id.
    given = rng.random(n) < np.where(y > 0, 0.9, rng.uniform(0.65, 0.85))
    table.add("phone_given", np.where(given, rng.normal(size=n), np.nan), "number", "honest gaps")
    segment = rng.choice(6, n, p=(0.4, 0.25, 0.2, 0.09, 0.05, 0.01))
    segment[(segment == 3) & (y > 0)] = 0
    segment[(segment > 3) & (y == 0) & (rng.random(n) < 0.7)] = 1
    table.add("segment", segment, "category", "honest tails")
    table.add("region", rng.integers(0, 300, n), "category", "many values")
    table.add("previous_success", (rng.random(n) < np.where(y > 0, 0.2, 0.01)).astype(float), "boolean", "rare and warm")
    if leak:
        _plant(table, leak, rng)
    return table


def _add_honest(table: Table, name: str, separation: float, nature: str, rng: np.random.Generator) -> None:
    x = separation * table.y + rng.normal(size=len(table.y))
    form = rng.integers(5)
    if form == 1:
        x = np.exp(x)
    elif form == 2:
        x = np.round(np.maximum(2 * x, 0))
    elif form == 3:
        table.add(name, np.searchsorted(np.sort(rng.normal(0.5, 1, int(rng.integers(2, 12)))), x), "category", nature)
        return
    if rng.random() < 0.4:
        gaps = rng.uniform(0.05, 0.4) * np.where(table.y > 0, rng.uniform(0.6, 1), 1)
        x = np.where(rng.random(len(x)) < gaps, np.nan, x)
    table.add(name, x, "number", nature)


def _plant(table: Table, leak: str, rng: np.random.Generator) -> None:
    y, n = table.y, len(table.y)
    copy = np.where(rng.random(n) < 0.005, 1 - y, y) * rng.uniform(3, 9) + rng.normal(size=n) * 0.3
    call = np.exp((rng.uniform(1.3, 1.7) if leak.endswith("mildly") else rng.uniform(1.8, 2.5)) * y + rng.normal(size=n) + 4)
    hidden = rng.random(n) < 0.3
    planted: dict[str, tuple[npt.NDArray[np.generic], str]] = {}
    if leak == "near copy":
        planted["leak"] = (copy, "number")
    elif leak == "near copy, 30 % hidden":
        planted["leak"] = (np.where(hidden, np.nan, copy), "number")
    elif leak == "near copy, 30 % zeroed":
        planted["leak"] = (np.where(hidden, 0.0, np.abs(copy)), "number")
    elif leak == "category that repeats the outcome":
        codes = np.where(y > 0, rng.integers(0, 2, n), rng.integers(2, 5, n))
        planted["leak"] = (np.where(rng.random(n) < 0.04, rng.integers(0, 5, n), codes), "category")
    elif leak.startswith("missingness"):
        plain = leak.endswith("plain")
        filled = (rng.uniform(0.7, 0.95), rng.uniform(0.0, 0.03)) if plain else (rng.uniform(0.6, 0.75), rng.uniform(0.1, 0.18))
        planted["leak"] = (np.where(rng.random(n) < np.where(y > 0, *filled), rng.normal(size=n), np.nan), "number")
    elif leak.startswith("measured after the outcome"):
        planted["leak"] = (np.where(hidden, np.nan, call) if leak.endswith("hidden") else call, "number")
    elif leak == "two halves, masked":
        mask = rng.normal(size=n) * 3
        planted["leak_a"], planted["leak_b"] = (2.8 * y + 0.5 * rng.normal(size=n) + mask, "number"), (mask, "number")
    elif leak == "two halves, each half hidden":
        first = rng.random(n) < 0.5
        planted["leak_a"], planted["leak_b"] = (np.where(first, copy, np.nan), "number"), (np.where(first, np.nan, copy), "number")
    elif leak == "two leaks at once":
        planted["leak_a"], planted["leak_b"] = (call, "number"), (np.where(rng.random(n) < 0.03, 1 - y, y), "category")
    for name, (values, kind) in planted.items():
        table.add(name, values, kind, leak)
        table.leaks.append(name)


def audited(table: Table, seed: int = 0) -> dict[str, Verdict]:
    """The audit as training runs it: split first, then only the fit and tune blocks."""
    n = len(table.y)
    rows = np.arange(n)
    split = split_by_order(rows.astype(float), rows, y=table.y) if table.ordered else split_random(table.y, rows, seed=seed)
    return audit(table.inputs, table.kinds, table.y, split.fit, split.tune, rows, forward=table.ordered, seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print every miss and every wronged input")
    asked = parser.parse_args()
    found: dict[str, Counter[str]] = {}
    start = time.perf_counter()
    for number in range(asked.tables):
        leak = None if number % 3 == 2 else LEAKS[(number - number // 3) % len(LEAKS)]
        table = make_table(asked.seed * 1_000_003 + number, leak)
        for name, verdict in audited(table).items():
            nature = table.nature[name]
            found.setdefault(nature, Counter())[verdict.verdict] += 1
            wrong = (name in table.leaks) == (verdict.verdict in ("ok", "drift"))
            if asked.verbose and wrong:
                print(
                    f"  table {number} ({leak}, {len(table.y)} rows, {table.y.mean():.2f} positive): {name} [{nature}] {verdict.verdict}:"
                )
                print(f"    {verdict.evidence} {dict(verdict.figures)}")
    print(f"{asked.tables} tables, seed {asked.seed}, {time.perf_counter() - start:.0f} s")
    print(f"{'input':42s}{'count':>7s}{'blocked':>9s}{'suspect':>9s}{'drift':>8s}{'ok':>8s}")
    honest: Counter[str] = Counter()
    for nature in sorted(found, key=lambda key: (key in LEAKS, key)):
        counts = found[nature]
        if nature not in LEAKS:
            honest += counts
        total = sum(counts.values())
        shares = [f"{counts[key] / total:.1%}" for key in ("blocked", "suspect", "drift", "ok")]
        print(f"{nature:42s}{total:7d}{shares[0]:>9s}{shares[1]:>9s}{shares[2]:>8s}{shares[3]:>8s}")
    total = sum(honest.values())
    print(f"honest inputs wrongly blocked {honest['blocked'] / total:.2%}, wrongly suspected {honest['suspect'] / total:.2%}")
    leaks = [counts for nature, counts in found.items() if nature in LEAKS]
    caught = sum(counts["blocked"] + counts["suspect"] for counts in leaks)
    print(f"leaks found {caught / max(1, sum(sum(counts.values()) for counts in leaks)):.1%}")


if __name__ == "__main__":
    main()
