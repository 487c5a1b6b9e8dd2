"""What machines do in the simulated world, and what people do that looks like it; only timing, never meaning.

In: a random generator of its own, leads and instants. Out: instants, and the user agents that the books hold of them.
Privacy proxies open every mail, most within seconds, some hours later when the phone is on the charger. Scanners follow
every link of a mail, most at once, some after a minute in their sandbox, some one link at a time. Crawlers walk the
site, some slowly. People now and then open a mail that has just come, and several pages in tabs within a second or two.
Half of the rows say which program it was; scanners mostly pass as browsers, and half of the crawlers do.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["AGENTS", "agents", "crawls", "opened_at", "pauses", "proxied_at", "swept_at"]

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

_SECOND = 1_000_000

_BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
_IMAGES = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
_PRIVATE = "Mozilla/5.0"
_GATEWAYS = ("BarracudaCentral/2.3", "Mozilla/5.0 (compatible; Mimecast URL Protect)")
_CRAWLERS = ("Mozilla/5.0 (compatible; ExampleBot/2.1; +https://bot.example)", "python-requests/2.32.4")
AGENTS = (*_BROWSERS, _IMAGES, _PRIVATE, *_GATEWAYS, *_CRAWLERS)
_IMAGES_AT, _PRIVATE_AT, _GATEWAY_AT, _CRAWLER_AT = 3, 4, 5, 7


def opened_at(rng: np.random.Generator, sent: Ints) -> Ints:
    """When people open a mail: after an hour or so, but now and then at once."""
    later = rng.lognormal(8.3, 1.2, len(sent)) + 20.0
    at_once = rng.uniform(2.0, 20.0, len(sent))
    return sent + (np.where(rng.random(len(sent)) < 0.03, at_once, later) * _SECOND).astype(np.int64)


def pauses(rng: np.random.Generator, visit: Ints, page: Ints, waits: Ints) -> Ints:
    """`waits` before the pages of visits, shorter where somebody opens the first few in tabs."""
    visits = int(visit.max(initial=-1)) + 1
    tabs = np.where(rng.random(visits) < 0.06, 2 + rng.geometric(0.45, visits), 0)[visit]
    return np.where(page < tabs, rng.integers(150_000, 900_000, len(visit)), waits)


def proxied_at(rng: np.random.Generator, sent: Ints) -> Ints:
    """When a privacy proxy opens a mail."""
    at_once = rng.uniform(0.3, 8.0, len(sent))
    later = rng.lognormal(8.5, 1.4, len(sent))
    return sent + (np.where(rng.random(len(sent)) < 0.65, at_once, later) * _SECOND).astype(np.int64)


def swept_at(rng: np.random.Generator, sent: Ints, links: int) -> tuple[Ints, list[Ints]]:
    """When a scanner opens a mail, and when it follows each of its links."""
    n = len(sent)
    delay = np.where(rng.random(n) < 0.7, rng.uniform(0.4, 4.0, n), rng.uniform(10.0, 180.0, n))
    first = sent + (delay * _SECOND).astype(np.int64)
    pace = np.where(rng.random(n) < 0.75, rng.integers(60_000, 280_000, n), rng.integers(1_000_000, 6_000_000, n))
    return first, [first + 40_000 + number * pace for number in range(links)]


def crawls(rng: np.random.Generator, start: Ints) -> tuple[Ints, Ints]:
    """The pages of crawls that start so: which crawl each is of, and when."""
    pages = rng.integers(12, 45, len(start))
    pace = np.where(
        rng.random(len(start)) < 0.6, rng.integers(200_000, 900_000, len(start)), rng.integers(2_000_000, 12_000_000, len(start))
    )
    of = np.repeat(np.arange(len(start)), pages)
    position = np.arange(len(of)) - np.r_[0, np.cumsum(pages)[:-1]][of]
    return of, start[of] + position * pace[of]


def agents(rng: np.random.Generator, lead: Ints, machine: Ints, on_web: Flags, opens: Flags, free_mail: Flags) -> Ints:
    """Place in AGENTS of each row's user agent, -1 where the books hold none; `machine` as in `synthetic_life.MACHINES`."""
    agent = lead % len(_BROWSERS)
    agent = np.where(opens & free_mail, _IMAGES_AT, agent)
    agent = np.where((machine == 1) & (rng.random(len(lead)) < 0.8), _PRIVATE_AT, np.where(machine == 1, lead % len(_BROWSERS), agent))
    # One gateway, and one crawler, always says the same of itself.
    agent = np.where(machine == 2, np.where(lead % 10 < 3, _GATEWAY_AT + lead % len(_GATEWAYS), lead % len(_BROWSERS)), agent)
    agent = np.where(machine == 3, np.where(lead % 10 < 5, _CRAWLER_AT + lead % len(_CRAWLERS), lead % len(_BROWSERS)), agent)
    return np.where(on_web & (rng.random(len(lead)) < 0.5), agent, -1)
