"""A lead's history written as a person would tell it, for tests and notebooks.

In: what happened, a line an activity, and attributes as keywords. Out: a `History` that any signal can be called with.

>>> from features.intent import pricing_visits_30d
>>> lead = history("ana", as_of="2026-03-31", activities=["2026-03-30 page_view /pricing", "2026-02-01 page_view /pricing"])
>>> pricing_visits_30d(lead).tolist()
[1.0]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from features.block import Block
from features.declarations import NOTHING, Declarations
from features.engine import Colleagues, Plan
from features.history import ActivityLog, FieldHistory, History, Leads, Observations, TextColumn, instant
from features.signal import FeatureSet

__all__ = ["Told", "history", "log_of", "told"]


@dataclass(frozen=True)
class Told:
    """One activity as it was told."""

    occurred: int
    type: str
    recorded: int | None = None
    url: str | None = None
    content: str | None = None
    value: str | None = None
    channel: str | None = None
    automated: bool = False
    agent: str | None = None
    seconds: float | None = None


def history(
    lead: str = "a lead",
    *,
    as_of: str,
    activities: Iterable[str] = (),
    colleagues: Sequence[Iterable[str]] | None = None,
    changes: Iterable[str] = (),
    declared: Declarations = NOTHING,
    **attributes: str | float | bool | datetime | None,
) -> History:
    """What is known of one lead at `as_of`.

    `activities`: "TIME TYPE [/page] [field=value] [via=CHANNEL] [recorded=TIME] [agent=USER_AGENT] [seconds=DURATION]
    [automated]", where TIME is an ISO date or
    time in UTC; spaces in a value are written `_`. `colleagues`: the activities of each of them; left out, the account's
    context is not known. `changes`: "TIME field=value". `declared`: what the installation
    declares. A datetime among `attributes` is a time, text is text, the rest
    are numbers; `created_at` may be an ISO text.
    """
    now = _instant(as_of)
    numbers: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    texts: dict[str, TextColumn] = {}
    times: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    for name, value in attributes.items():
        if isinstance(value, datetime) or (name == "created_at" and isinstance(value, str)):
            times[name] = np.array([_instant(value)])
        elif isinstance(value, str):
            texts[name] = TextColumn.of([value])
        elif value is not None:
            numbers[name] = np.array([float(value)])
    account = None if colleagues is None else np.zeros(1, dtype=np.int64)
    leads = Leads([lead], numbers, texts, times, account, _changes(changes, numbers))
    others = None
    if colleagues is not None:
        log = log_of([[told(line) for line in one] for one in colleagues])
        others = Colleagues(log, np.array([0, len(colleagues)]), np.arange(len(colleagues)), own=False)
    plan = Plan(FeatureSet((), declared=declared))
    known = plan.prepare(leads, log_of([[told(line) for line in activities]]), others)
    return History(Block(plan, known, Observations(np.array([0]), np.array([now]))))


def told(line: str) -> Told:
    """One activity from its line.

    >>> told("2026-03-30T10:00 answer budget=not_yet via=call").value
    'not yet'
    """
    when, kind, *rest = line.split()
    given: dict[str, str] = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if part.startswith(("/", "http")):
            given["url"] = part
        elif name in ("via", "recorded", "agent", "seconds") and equals:
            given[name] = value
        elif equals:
            given["content"], given["value"] = name, value.replace("_", " ")
        elif part == "automated":
            given["automated"] = part
        else:
            raise ValueError(f"{part!r} in {line!r} is neither a /page, a field=value, via=, recorded=, agent=, seconds= nor automated")
    recorded = _instant(given["recorded"]) if "recorded" in given else None
    return Told(
        _instant(when),
        kind,
        recorded,
        given.get("url"),
        given.get("content"),
        given.get("value"),
        given.get("via"),
        "automated" in given,
        given["agent"].replace("_", " ") if "agent" in given else None,
        float(given["seconds"]) if "seconds" in given else None,
    )


def log_of(leads: Sequence[Sequence[Told]]) -> ActivityLog:
    """The activities of several leads, in the order given."""
    rows = [one for activities in leads for one in activities]
    whose = [i for i, activities in enumerate(leads) for _ in activities]
    return ActivityLog.build(
        len(leads),
        np.array(whose, dtype=np.int64),
        np.array([one.occurred for one in rows], dtype=np.int64),
        TextColumn.of([one.type for one in rows]),
        recorded=np.array([one.occurred if one.recorded is None else one.recorded for one in rows], dtype=np.int64),
        channel=TextColumn.of([one.channel for one in rows]),
        url=TextColumn.of([one.url for one in rows]),
        content=TextColumn.of([one.content for one in rows]),
        value=TextColumn.of([one.value for one in rows]),
        agent=TextColumn.of([one.agent for one in rows]),
        automated=np.array([one.automated for one in rows], dtype=np.bool_),
        fleeting=np.array([one.seconds == 0 for one in rows], dtype=np.bool_),
    )


def _changes(lines: Iterable[str], numbers: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> dict[str, FieldHistory]:
    dated: dict[str, list[tuple[int, str]]] = {}
    for line in lines:
        when, assignment = line.split()
        field, _, value = assignment.partition("=")
        dated.setdefault(field, []).append((_instant(when), value.replace("_", " ")))
    found = {}
    for field, values in dated.items():
        changed = np.array([when for when, _ in values], dtype=np.int64)
        lead = np.zeros(len(values), dtype=np.int64)
        if field in numbers:
            found[field] = FieldHistory.build(1, lead, changed, numbers=np.array([float(value) for _, value in values]))
        else:
            found[field] = FieldHistory.build(1, lead, changed, texts=TextColumn.of([value or None for _, value in values]))
    return found


def _instant(when: str | datetime) -> int:
    return instant(datetime.fromisoformat(when) if isinstance(when, str) else when)
