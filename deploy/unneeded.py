"""What a running installation can do without: the packages of this environment that no run-time dependency of Tamiz leads to.

In: the environment of the Python that runs this, with Tamiz installed in it. Out: the names, one a line, for `pip uninstall`.
The lock holds what tests and benchmarks need too; the image does not.
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(name: str) -> set[str]:
    """A distribution and everything that it leads to here, markers and extras counted."""
    found: set[str] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(canonicalize_name(name), frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    installed = {canonicalize_name(one.name) for one in distributions()}
    while waiting:
        one, extras = waiting.pop()
        if (one, extras) in seen or one not in installed:
            continue
        seen.add((one, extras))
        found.add(one)
        for text in requires(one) or []:
            asked = Requirement(text)
            if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                waiting.append((canonicalize_name(asked.name), frozenset(asked.extras)))
    return found


if __name__ == "__main__":
    here = {canonicalize_name(one.name) for one in distributions()}
    sys.stdout.write("".join(f"{one}\n" for one in sorted(here - needed("tamiz"))))
