"""Every benchmark of speed, one after another, each in a process of its own.

    python -m benchmarks              all of them
    python -m benchmarks engine serve the ones that are named

Figures depend on the machine and on what else it does: ratios within one run are what counts. Quality is measured by
`python -m benchmarks.real` (public data), `benchmarks.simulated` (planted truth), `benchmarks.leakage` (planted leaks) and
`benchmarks.machines` (planted machines).
"""

from __future__ import annotations

import subprocess
import sys

SPEED = ("engine", "predict", "reading", "score_file", "serve", "stream", "titles", "train")


def main(names: list[str]) -> int:
    if unknown := sorted(set(names) - set(SPEED)):
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(SPEED)}", file=sys.stderr)
        return 2
    worst = 0
    for name in names or SPEED:
        print(f"== {name}", flush=True)
        worst = max(worst, subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
