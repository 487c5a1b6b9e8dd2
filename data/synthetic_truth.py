"""The planted truth: how likely each observed lead was to convert within the horizon, by what sales would do with it.

In: a `Life`. Out: a `Truth`, one row an observation of an open lead at one of the ages. Each probability is the
expectation over the hidden mood, given what had happened by then, of converting in the next 90 days:

- `p_if_worked`   sales works the lead from now on,
- `p_if_unworked` sales leaves it alone from now on,
- `p_under_policy` sales goes on as it does: what the label, on average, comes out as. (Where sales draws lots it does not
  know that those taken up are worked to their end.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from data.synthetic_life import Life
from data.synthetic_nature import HORIZON, MOODS, RAISES, RELEASED, Steps, steps
from data.synthetic_people import DAY, WORLD_START, Population

__all__ = ["Truth", "truth_of"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


_BLOCK = 2_000
"""Observations at a time: few enough to stay in cache."""


@dataclass(frozen=True)
class Truth:
    lead: Ints
    as_of_us: Ints
    p_if_worked: Floats
    p_if_unworked: Floats
    p_under_policy: Floats


def truth_of(people: Population, life: Life) -> Truth:
    seen = life.beliefs
    order = np.lexsort((seen.age, seen.lead))
    lead, age = seen.lead[order], seen.age[order]
    mood, worked, raised = seen.mood[order], seen.worked[order], seen.raised[order]
    day = (people.created_us[lead] - WORLD_START) // DAY + age
    now = np.where(worked, 2, np.where(raised, 1, 0))
    chances = np.empty((3, len(lead)))
    for start in range(0, len(lead), _BLOCK):
        at = slice(start, start + _BLOCK)
        alone, led, policy = _convert(life, lead[at], age[at], day[at])
        ways = led, alone, policy[now[at], np.arange(len(led))]
        chances[:, at] = [(mood[at] * way).sum(axis=1) for way in ways]
    return Truth(lead, people.created_us[lead] + age * DAY, *chances)


def _convert(life: Life, lead: Ints, age: Ints, day: Ints) -> tuple[Floats, Floats, Floats]:
    """Chance of converting within the horizon from each mood: left alone, worked, and as sales goes on.

    Backward from the horizon's last day. `policy` has three ways a lead may stand with sales: waiting, waiting with
    a raised hand, worked.
    """
    alone = np.zeros((len(lead), len(MOODS)))
    led = np.zeros_like(alone)
    policy = np.zeros((3, len(lead), len(MOODS)))
    quarters = len(life.work.chance)
    source, band = life.temper.source[lead], life.work.band[lead]
    raises = 1.0 - np.prod(1.0 - life.laws.hit[:, :, list(RAISES)], axis=2)  # setting x mood
    for ahead in range(HORIZON - 1, -1, -1):
        then = day + ahead
        free, busy = steps(life.temper, lead, then, 0), steps(life.temper, lead, then, 1)
        alone, led = _yesterday(free, alone), _yesterday(busy, led)
        waits, asks = _yesterday(free, policy[0]), _yesterday(free, policy[1])
        works = (1.0 - RELEASED) * _yesterday(busy, policy[2]) + RELEASED * _yesterday(busy, policy[0])
        hand = raises[source * 4 + np.where((then + 4) % 7 >= 5, 2, 0)]
        policy = np.stack([waits * (1.0 - hand) + asks * hand, asks, works])
        chosen = life.work.chance[np.minimum(then // 91, quarters - 1), band]
        # Sales picks on Mondays, and no lead on the day of its creation.
        picks = (then % 7 == 3) & ((age + ahead) > 0)
        chosen = np.where(picks[:, None], chosen, 0.0)
        for stands in (0, 1):
            share = chosen[:, stands][:, None]
            policy[stands] = policy[stands] * (1.0 - share) + policy[2] * share
    return alone, led, policy


def _yesterday(step: Steps, later: Floats) -> Floats:
    """One day back: bought today, or moved and converting from there."""
    value = step.win + step.stay * later
    value[:, :-1] += step.up[:, :-1] * later[:, 1:]
    value[:, 1:] += step.down[:, 1:] * later[:, :-1]
    return value
