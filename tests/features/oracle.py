"""Aggregates and machine labels computed one lead at a time in plain Python: slow, obvious, and no code shared with the engine."""

from __future__ import annotations

import math
from itertools import pairwise

from features.history import DAY, Need, Selector
from features.testing import Told
from features.topics import topic_of

REACTIONS, DELIVERIES, BURSTING = {"email_open", "email_click"}, {"email_delivered", "email_sent"}, {"email_click", "page_view"}


def recorded(one: Told) -> int:
    return max(one.occurred, one.recorded or one.occurred)


def is_machine(one: Told, everything: list[Told]) -> bool:
    if one.automated:
        return True
    if one.occurred % (15 * 60 * 1_000_000) == 0:
        return False
    earlier = [x for x in everything if x is not one and x.occurred <= one.occurred and recorded(x) <= recorded(one)]
    if one.type in REACTIONS and any(x.type in DELIVERIES and one.occurred - x.occurred < 5_000_000 for x in earlier):
        return True
    near = [x for x in earlier if x.type in BURSTING and one.occurred - x.occurred < 2_000_000]
    return one.type in BURSTING and len(near) >= 4


def chosen(selector: Selector, activities: list[Told], as_of: int) -> list[Told]:
    """Visible activities that the selector takes, oldest first."""
    found = []
    for one in activities:
        if one.occurred >= as_of or recorded(one) >= as_of:
            continue
        if selector.types and one.type not in selector.types:
            continue
        if selector.topic and (one.url is None or topic_of(one.url) != selector.topic):
            continue
        if selector.channel and one.channel != selector.channel:
            continue
        if selector.machine is not None and is_machine(one, activities) != selector.machine:
            continue
        found.append(one)
    return sorted(found, key=lambda one: one.occurred)


def aggregate(need: Need, activities: list[Told], as_of: int) -> float:
    kind, selector, number = need
    assert isinstance(selector, Selector)
    mine = chosen(selector, activities, as_of)
    ages = [as_of - one.occurred for one in mine]
    if kind == "decayed":
        assert number is not None
        return sum(round(2.0 ** (-age / (number * DAY)) * 2**30) for age in ages) / 2**30
    if kind == "last":
        return min(ages) / DAY if ages else math.nan
    inside = [one for one in mine if number is None or as_of - one.occurred < number * DAY]
    if kind == "count":
        return len(inside)
    if kind == "people":
        return float(bool(inside))
    if kind == "topics":
        return len({topic_of(one.url) for one in inside if one.url is not None})
    if kind == "days":
        return len({one.occurred // DAY for one in inside})
    pairs = list(pairwise(mine))
    if kind == "returns":
        return sum(later.occurred - before.occurred >= 30 * DAY for before, later in pairs if later in inside)
    assert kind == "sessions"
    session_of, session = {}, 0
    for i, one in enumerate(mine):
        session += i > 0 and one.occurred - mine[i - 1].occurred >= 30 * 60 * 1_000_000
        session_of[id(one)] = session
    return len({session_of[id(one)] for one in inside})


def of_colleagues(need: Need, colleagues: list[list[Told]], as_of: int) -> float:
    each = [aggregate(need, activities, as_of) for activities in colleagues]
    if need[0] == "last":
        return min((one for one in each if one == one), default=math.nan)
    return sum(each)
