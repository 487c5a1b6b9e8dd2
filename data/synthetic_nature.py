"""The laws of the simulated world: how leads move between hidden moods, what each mood does, and what sales can change.

A lead is in one of four hidden moods (asleep, curious, evaluating, buying) and moves between them in daily steps
until it buys or is lost. What it does on a day depends on the mood and on where it came from. Nothing here is a
signal: size counts by its distance from what is typical of the industry, seniority by the size of the company,
a visit by the source of the visitor, a stated need by who states it.

In: a `Population`. Out: `Temper` (numbers per lead) and `Laws` (tables that hold for everyone). No randomness here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from data import synthetic_words as words
from data.synthetic_people import LATE_FROM_DAY, SPAN_DAYS, Population

__all__ = ["AGES", "CHANNELS", "HORIZON", "MOODS", "Laws", "Steps", "Temper", "laws", "steps", "temper"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

HORIZON = 90
AGES = (0, 1, 3, 7, 14, 30, 60)
OLDEST = 240
"""After so many days an open lead is no longer touched, and does nothing more."""

MOODS = ("asleep", "curious", "evaluating", "buying")
CHANNELS = (
    "session",
    "form",
    "webinar",
    "chat",
    "demo",
    "contact",
    "trial",
    "call",
    "missed call",
    "meeting",
    "budget",
    "authority",
    "need",
    "timeline",
)
"""What may happen on a day, each at most once: hits are independent given the mood."""
RAISES = (4, 5, 6)
"""The channels that are a raised hand."""
SALES_ONLY = (7, 8, 9)
ANSWERED = (10, 11, 12, 13)

_DAILY = np.array(
    [  # asleep, curious, evaluating, buying
        [0.016, 0.090, 0.240, 0.400],
        [0.0008, 0.008, 0.014, 0.008],
        [0.0006, 0.005, 0.011, 0.007],
        [0.0003, 0.002, 0.010, 0.026],
        [0.0002, 0.0010, 0.007, 0.030],
        [0.0001, 0.0006, 0.004, 0.022],
        [0.0002, 0.0014, 0.007, 0.022],
        [0.035, 0.080, 0.120, 0.140],
        [0.140, 0.090, 0.060, 0.040],
        [0.002, 0.010, 0.050, 0.090],
        [0.0004, 0.003, 0.008, 0.012],
        [0.0005, 0.004, 0.008, 0.010],
        [0.0007, 0.006, 0.011, 0.011],
        [0.0004, 0.003, 0.009, 0.014],
    ]
)
_ANSWERS_WHEN_WORKED = 5.0
_WEEKEND = np.array([0.35, 0.4, 0.1, 0.3, 0.4, 0.4, 0.6, 0.02, 0.02, 0.02, 0.3, 0.3, 0.3, 0.3])

# By source: how much noisier the visits of the sleepy are, and how visits grow with mood.
_SESSION_BY_SOURCE = np.array(
    [
        [1.0, 1.0, 1.0, 1.0],
        [1.3, 1.1, 1.0, 1.0],
        [2.2, 1.5, 1.0, 0.8],
        [0.5, 0.8, 1.1, 1.2],
        [0.6, 0.8, 1.0, 1.1],
        [0.7, 0.9, 1.0, 1.0],
        [0.5, 0.8, 1.0, 1.0],
        [0.9, 1.0, 1.1, 1.1],
        [1.8, 1.3, 1.0, 0.9],
    ]
)

_TOPIC_MIX = np.array(
    [  # home blog docs integ pricing compar demo customers careers legal login
        [0.33, 0.34, 0.030, 0.020, 0.015, 0.006, 0.003, 0.040, 0.130, 0.050, 0.036],
        [0.24, 0.36, 0.090, 0.060, 0.050, 0.020, 0.010, 0.090, 0.020, 0.025, 0.035],
        [0.14, 0.12, 0.220, 0.180, 0.140, 0.090, 0.025, 0.055, 0.003, 0.010, 0.017],
        [0.10, 0.05, 0.120, 0.130, 0.360, 0.060, 0.090, 0.040, 0.001, 0.035, 0.014],
    ]
)

_OPENS = np.array([0.10, 0.24, 0.36, 0.40])
_CLICKS = np.array([0.04, 0.13, 0.28, 0.34])
"""Of those that open."""

# How the lead came to be: newsletter, download, webinar, trial, demo, contact.
ARRIVALS = ("newsletter", "download", "webinar", "trial_start", "demo_request", "contact_sales")
_ARRIVAL_MIX = np.array(
    [
        [0.55, 0.30, 0.12, 0.020, 0.006, 0.004],
        [0.28, 0.42, 0.20, 0.055, 0.030, 0.015],
        [0.10, 0.32, 0.16, 0.180, 0.150, 0.090],
        [0.04, 0.12, 0.06, 0.260, 0.300, 0.220],
    ]
)
FORMLESS_SOURCES = (5, 6)
"""Events and bought lists: the lead is imported, nobody fills in a form."""

# Level of an answer (against, vague, in favour) by mood, for those without and those with a say.
_LEVELS = np.array(
    [
        [[0.62, 0.30, 0.08], [0.45, 0.42, 0.13], [0.22, 0.43, 0.35], [0.08, 0.27, 0.65]],  # budget
        [[0.45, 0.40, 0.15], [0.40, 0.42, 0.18], [0.28, 0.42, 0.30], [0.20, 0.40, 0.40]],  # authority
        [[0.55, 0.35, 0.10], [0.25, 0.50, 0.25], [0.12, 0.40, 0.48], [0.08, 0.32, 0.60]],  # need
        [[0.65, 0.28, 0.07], [0.40, 0.42, 0.18], [0.18, 0.40, 0.42], [0.06, 0.20, 0.74]],  # timeline
    ]
)
_NEED_OF_THE_SENIOR = np.array([[0.75, 0.22, 0.03], [0.30, 0.58, 0.12], [0.06, 0.34, 0.60], [0.02, 0.18, 0.80]])
SENIOR = (3, 4)
HEAVY_INDUSTRIES = (1, 2, 4, 5)
"""Manufacturing, logistics, finance, health: they buy when they are larger."""

# Daily moves by mood, unworked and worked.
_UP = np.array([[0.0040, 0.020, 0.024, 0.0], [0.0060, 0.030, 0.040, 0.0]])
_DOWN = np.array([[0.0, 0.050, 0.026, 0.022], [0.0, 0.048, 0.022, 0.016]])
_WIN = np.array([[0.0, 0.0, 0.0003, 0.0059], [0.0, 0.0, 0.0007, 0.0152]])
_LOSE = np.array([[0.0004, 0.0008, 0.002, 0.008], [0.0120, 0.0060, 0.005, 0.010]])
RELEASED = 0.018
"""Chance a day that sales lets go of a worked lead."""

DRIFT_FROM, DRIFT_DAYS, DRIFT = LATE_FROM_DAY, 25, 0.50
"""From this day of the world a cheaper rival is about: the odds of closing fall to this share within so many days."""


@dataclass(frozen=True)
class Temper:
    """What nature knows of each lead from its attributes."""

    eager: Floats
    """Factor on moving up."""
    closing: Floats
    """Factor on buying, once in the mood."""
    birth: Floats
    """Chances of the mood a lead starts in (n x 4)."""
    source: Ints
    senior: Flags
    points: Floats
    """What the sales team's point rule gives for the attributes alone."""


@dataclass(frozen=True)
class Laws:
    """Tables for everyone. `setting = source * 4 + weekend * 2 + worked` is the first index where there is one."""

    hit: Floats
    """Chance of each channel on a day (setting x mood x channel)."""
    quiet: Floats
    """Log-likelihood of a day without any hit (setting x mood)."""
    quiet_before: Floats
    """The same before the lead is known, when only visits are possible."""
    surprise: Floats
    """What one hit adds to it (setting x channel x mood)."""
    topics: Floats
    """Chances of each page topic (mood x topic)."""
    opens: Floats
    clicks: Floats
    arrival: Floats
    levels: Floats
    """Chances of an answer's level (field x senior x mood x level)."""


@dataclass(frozen=True)
class Steps:
    """Chances, for one day, of going up, going down, buying and being lost (each n x 4)."""

    up: Floats
    down: Floats
    win: Floats
    lose: Floats

    @cached_property
    def stay(self) -> Floats:
        return 1.0 - self.up - self.down - self.win - self.lose


def temper(people: Population) -> Temper:
    size = np.log10(np.maximum(people.employees, 1.0))
    match = _size_match(people.employees, np.isin(people.industry, HEAVY_INDUSTRIES))
    match = match + np.array([-1.3, -0.35, 0.1, 0.6, 0.6, -0.1])[people.seniority]
    match += np.where((people.seniority == 4) & (people.employees >= 1000), -0.8, 0.0)
    match += np.array([0.1, 0.1, -0.4, 0.5, 0.5, 0.1, -0.7, 0.1, -0.4])[people.source]
    match += np.array([0.0, -0.4, -1.5, -0.4])[people.email_kind]
    match += np.where((people.interest == 0) & (people.industry == 2), 0.5, 0.0)
    match = np.clip(match, -2.5, 1.6)
    eager, closing = match, 0.4 * match

    tilt = 0.45 * match + 0.35 * np.minimum(people.colleagues, 2)
    logits = np.log(np.array([0.46, 0.38, 0.12, 0.04])) + tilt[:, None] * np.array([-0.5, 0.0, 0.6, 1.0])
    birth = np.exp(logits)
    return Temper(
        eager=np.exp(eager),
        closing=np.exp(closing),
        birth=birth / birth.sum(axis=1, keepdims=True),
        source=people.source,
        senior=np.isin(people.seniority, SENIOR),
        points=_points(people, size),
    )


def steps(who: Temper, rows: Ints, day: Ints | int, worked: Ints | int) -> Steps:
    """Tomorrow's chances for these leads on a day of the world, worked by sales (1) or not (0): one for all, or one each."""
    eager = (who.eager[rows] * _PACE[day])[:, None]
    closing = (who.closing[rows] * _ODDS[day])[:, None]
    return Steps(
        up=np.minimum(_UP[worked] * eager, 0.3),
        down=np.broadcast_to(_DOWN[worked], (len(rows), 4)),
        win=np.minimum(_WIN[worked] * closing, 0.3),
        lose=np.broadcast_to(_LOSE[worked], (len(rows), 4)),
    )


def laws() -> Laws:
    sources = len(words.SOURCES)
    hit = np.empty((sources, 2, 2, len(MOODS), len(CHANNELS)))
    hit[...] = _DAILY.T
    hit[..., 0] *= _SESSION_BY_SOURCE[:, None, None, :]
    hit[:, 1] *= _WEEKEND
    hit[:, :, 0][..., list(SALES_ONLY)] = 0.0
    hit[:, :, 1][..., list(ANSWERED)] *= _ANSWERS_WHEN_WORKED
    return _laws_of(hit.reshape(sources * 4, len(MOODS), len(CHANNELS)))


def _laws_of(hit: Floats) -> Laws:
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = np.where(hit > 0.0, np.log(hit) - np.log1p(-hit), 0.0)
    levels = np.stack([_LEVELS, _LEVELS], axis=1)
    levels[2, 1] = _NEED_OF_THE_SENIOR
    return Laws(
        hit=hit,
        quiet=np.log1p(-hit).sum(axis=2),
        quiet_before=np.log1p(-hit[:, :, 0]),
        surprise=np.ascontiguousarray(surprise.transpose(0, 2, 1)),
        topics=_TOPIC_MIX / _TOPIC_MIX.sum(axis=1, keepdims=True),
        opens=_OPENS,
        clicks=_CLICKS,
        arrival=_ARRIVAL_MIX,
        levels=levels,
    )


def _points(people: Population, size: Floats) -> Floats:
    """A point rule as sales teams write them: big, senior, corporate, not from a list."""
    points = np.array([0.0, 4.0, 10.0, 16.0, 20.0, 4.0])[people.seniority]
    points = points + np.where(np.isnan(size), 4.0, np.minimum(size * 4.0, 16.0))
    points += np.array([6.0, 2.0, 0.0, 2.0])[people.email_kind]
    points += np.array([4.0, 4.0, 1.0, 8.0, 8.0, 6.0, 0.0, 3.0, 3.0])[people.source]
    return points


def _size_match(employees: Floats, heavy: Flags) -> Floats:
    """Too small and too big are both wrong, and what is still right depends on the trade; an unknown size says nothing."""
    band = np.searchsorted([10.0, 50.0, 400.0, 2000.0], np.nan_to_num(employees), side="right")
    by_band = np.array([[-1.0, 0.6, 0.6, -0.2, -1.2], [-1.0, -0.2, 0.6, 0.6, -1.2]])
    match: Floats = np.where(np.isnan(employees), 0.0, by_band[heavy.astype(np.int64), band])
    return match


def _season(day: Ints) -> Floats:
    phase = (day + 305.0) % 365.25
    summer = 0.12 * np.exp(-(((phase - 222.0) / 18.0) ** 2))
    winter = 0.10 * np.exp(-(((phase - 360.0) / 9.0) ** 2))
    season: Floats = 1.02 - summer - winter
    return season


def _rival(day: Ints) -> Floats:
    share: Floats = 1.0 - (1.0 - DRIFT) * np.clip((day - DRIFT_FROM) / DRIFT_DAYS, 0.0, 1.0)
    return share


# By day of the world; the two weeks before it are at the end, where an index below zero finds them.
_CALENDAR = np.r_[0 : SPAN_DAYS + HORIZON + AGES[-1], -14:0]
_PACE = _season(_CALENDAR)
_ODDS = _PACE * _rival(_CALENDAR)
