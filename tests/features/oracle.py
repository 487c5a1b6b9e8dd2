"""Aggregates and machine labels computed one lead at a time in plain Python: slow, obvious, and no code shared with the engine."""

from __future__ import annotations

import math
from itertools import pairwise

from features.history import DAY, Need, Selector, select
from features.outreach import OUTREACH
from features.testing import Told
from features.topics import about

SECOND = 1_000_000
PROGRAMS = ("Mozilla/5.0", "AhrefsBot/7.0")
REACTIONS, DELIVERIES, BURSTING = {"email_open", "email_click"}, {"email_delivered", "email_sent"}, {"email_click", "page_view"}


def recorded(one: Told) -> int:
    return max(one.occurred, one.recorded or one.occurred)


def is_machine(one: Told, everything: list[Told]) -> bool:
    if one.automated:
        return True
    if one.agent in PROGRAMS and one.type in REACTIONS | BURSTING:
        return True
    if one.occurred % (60 * SECOND) == 0:
        return False
    earlier = known_by(one, everything)
    if too_fast(one, earlier):
        return True
    if one.type in REACTIONS and delivered_within(60, one, earlier):
        for x in earlier:
            if x.type in REACTIONS and x.occurred % (60 * SECOND) and too_fast(x, known_by(x, everything)):
                return True
    within = lambda seconds: [x for x in earlier if one.occurred - x.occurred < seconds * SECOND]  # noqa: E731 - read three times below
    if one.type in BURSTING and sum(x.type in BURSTING for x in within(2)) >= 4:
        return True
    if one.type == "email_click" and sum(x.type == "email_click" and (one.url is None or x.url != one.url) for x in within(1)) >= 2:
        return True
    empty = [x for x in within(30) if x.type == "page_view" and x.seconds == 0 and x.occurred % (60 * SECOND)]
    return one.type == "page_view" and one.seconds == 0 and len(empty) >= 4


def known_by(one: Told, everything: list[Told]) -> list[Told]:
    return [x for x in everything if x is not one and x.occurred <= one.occurred and recorded(x) <= recorded(one)]


def delivered_within(seconds: int, one: Told, earlier: list[Told]) -> bool:
    return any(x.type in DELIVERIES and one.occurred - x.occurred < seconds * SECOND for x in earlier)


def too_fast(one: Told, earlier: list[Told]) -> bool:
    return one.type in REACTIONS and delivered_within(5, one, earlier)


def kind_of(one: Told) -> str:
    return "call_attempt" if one.type == "call" and one.value in ("no answer", "Buzón de voz") else one.type


def ours(one: Told) -> bool:
    return kind_of(one) in ("call_attempt", "email_sent", "email_delivered", "email_bounce", "note")


def topic(one: Told) -> str | None:
    if one.url is not None:
        return about().page(one.url)
    return None if one.content is None else about().content(one.content)


def reactions(deeds: list[Told], contacts: list[Told]) -> list[tuple[Told, int]]:
    """Each first deed within three days after a contact, and the microseconds between."""
    found = []
    for when in sorted({one.occurred for one in deeds}):
        before = [one.occurred for one in contacts if one.occurred <= when]
        if not before:
            continue
        latest = max(before)
        between = [one for one in deeds if latest <= one.occurred < when]
        if not between and when - latest < 3 * DAY:
            found.append((next(one for one in deeds if one.occurred == when), when - latest))
    return found


def chosen(selector: Selector, activities: list[Told], as_of: int) -> list[Told]:
    """Visible activities that the selector takes, oldest first."""
    found = []
    for one in activities:
        if one.occurred >= as_of or recorded(one) >= as_of:
            continue
        if selector.types and kind_of(one) not in selector.types:
            continue
        if not selector.types and selector.machine is not None and ours(one):
            continue
        if selector.topic and (one.type == "answer" or topic(one) != selector.topic):
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
        return len({topic(one) for one in inside if one.type != "answer"} - {None})
    if kind in ("reactions", "delay"):
        contacts = chosen(select(OUTREACH, None, None, None, False), activities, as_of)
        found = [gap for one, gap in reactions(mine, contacts) if one in inside]
        if kind == "reactions":
            return len(found)
        return sum(gap // 1_000_000 for gap in found) / 3600
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
