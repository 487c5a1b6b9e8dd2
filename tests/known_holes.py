"""`python -m tests.known_holes LOCK`: what pip-audit knows of the locked packages; where its database cannot be asked, that is said.

Exit code 1 where a package has a known hole, 0 where none has or nobody can be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys

OPTIONS = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off", "--timeout", "10")


def main(lock: str) -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, *OPTIONS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return say("skipped: the database of known holes cannot be reached from here")
    asked = [one for one in packages if "skip_reason" not in one]
    if not asked:
        return say(f"skipped: the index in use knows nothing of holes (asked about {len(packages)} packages)")
    holes = [f"{one['name']} {one['version']}: {hole['id']}" for one in asked for hole in one["vulns"]]
    say(f"{len(asked)} packages asked about, {len(packages) - len(asked)} unknown there, {len(holes)} known holes")
    for hole in holes:
        say(hole)
    return 1 if holes else 0


def say(text: str) -> int:
    sys.stdout.write(f"   {text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
