"""From where on the monitor alarms: the `[monitor]` table of `tamiz.toml` in the current folder, where it says otherwise.

In: the file, if there is one. Out: `Limits`. An unknown key, or a value of the wrong kind, is an error that names it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from data.errors import BadUsage
from data.home import PROJECT_FILE

__all__ = ["BadLimit", "Limits", "read_limits"]


class BadLimit(BadUsage):
    """[monitor] of {path}: {problem}. docs/operations.md lists its keys."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is still well. A limit of 0 alarms as soon as there is anything; a very large one never."""

    days: float = 28.0
    """How far back recent leads are looked at."""
    psi: float = 0.25
    """From which stability index on a signal counts as drifted."""
    drifted_importance: float = 0.25
    """Which share of what the model goes by may be in signals that have drifted."""
    score_psi: float = 0.25
    """Stability index of the scores themselves."""
    missing: float = 0.2
    """By how much more of a signal may be missing than in training."""
    ratio: float = 0.25
    """How far real conversions may be from those promised, as a share, once luck does not explain it."""
    auc_drop: float = 0.05
    """How much worse leads may be ranked than in the test, once luck does not explain it."""
    model_age_days: float = 180.0
    """How old the newest outcome that the model knows may be."""
    waiting_minutes: float = 15.0
    """How long a lead that changed may wait to be scored again."""
    lag_hours: float = 24.0
    """How late nine in ten activities may be told."""
    silence_hours: float = 72.0
    """How long nothing at all may come, where something came before."""
    failed_jobs: int = 0
    """Jobs of the last days that failed, or of which leads failed."""
    dead_messages: int = 0
    """Webhooks that were given up."""
    unread_messages: int = 0
    """What was pushed to receivers and could not be read."""


def read_limits(folder: Path | None = None) -> Limits:
    """The limits in force in this folder."""
    path = (folder or Path.cwd()) / PROJECT_FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Limits()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadLimit(path=path, problem=problem) from problem
    table = document.get("monitor", {})
    try:
        limits = msgspec.convert(table, Limits)
    except msgspec.ValidationError as problem:
        raise BadLimit(path=path, problem=str(problem).rstrip(".")) from None
    for name in Limits.__struct_fields__:
        if not getattr(limits, name) >= 0:
            raise BadLimit(path=path, problem=f"`{name}` is {getattr(limits, name)}, and cannot be negative")
    if limits.days <= 0:
        raise BadLimit(path=path, problem="`days` has to be more than 0")
    return limits
