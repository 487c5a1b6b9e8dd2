"""Carries out what somebody asked for at the service: a promotion through its gates, or a rollback.

In: the oldest request in the store. Out: the command that does it, run as whoever follows the champion would type it, and what it said,
beside the request. Gates hold here as they do there: without a reason, a HOLD is the end of it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from data.promotions import Promotion, PromotionState, begin, finish

if TYPE_CHECKING:
    from data.home import Home
    from data.store import Store

__all__ = ["Requests", "command_of"]

Run = Callable[[Sequence[str]], tuple[int, str]]
_STATES: dict[int, PromotionState] = {0: "done", 1: "held"}
_LONGEST = 1_000


class Requests:
    """The requests of an installation, if it has a database yet."""

    def __init__(self, home: Home, run: Run | None = None) -> None:
        self._home = home
        self._run = run or _run
        self._store: Store | None = None

    def carry_out(self) -> str:
        """Does the oldest request, and says what became of it; empty where none waits."""
        store = self._opened()
        one = begin(store) if store else None
        if store is None or one is None:
            return ""
        code, said = self._run(command_of(one))
        state = _STATES.get(code, "failed")
        finish(store, one, state, said)
        return f"{one.kind} that {one.author} asked for: {state}. {said}"

    def _opened(self) -> Store | None:
        from data.store import Store

        if self._store is None and (self._home.database or self._home.db_path.exists()):
            self._store = Store.open(self._home.root, self._home.database)
        return self._store


def command_of(one: Promotion) -> list[str]:
    """What to run for a request; a reason overrules the gates, and is kept either way."""
    version = ["--model", one.version] if one.kind == "promote" and one.version else []
    why = [f"--why={one.why}"] if one.why else []
    return [sys.executable, "-m", "tamiz", one.kind, *version, *why]


def _run(command: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line.strip() for line in (done.stdout if done.returncode == 0 else done.stderr).splitlines() if line.strip()]
    return done.returncode, (said[-1].removeprefix("error: ") if said else f"exit code {done.returncode}")[:_LONGEST]
