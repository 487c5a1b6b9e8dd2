"""Which activities were made by machines: privacy proxies that open mail, scanners that follow its links, crawlers.

In: an activity log. Out: one boolean an activity. A label rests only on activities that occurred no later than the
labelled one *and* were recorded no later: so it cannot change once the activity is known, leaks nothing from the
future, and a row that arrives late neither makes a label nor breaks one. Rows at the same instant count for each other
alike, so their order cannot matter.

What is a machine's: what is declared `automated`; what an open, click or visit of a program's user agent is; an open or
click within seconds of a delivery, and in a mailbox where that was seen before, within a minute; the third link clicked
within a second; the fifth click or page within two seconds; the fifth visit of no duration within half a minute (requests
for headers only, and crawlers that look at nothing). The first few of a burst stay a person's: nobody knew yet.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from features.history import ActivityLog

__all__ = ["is_program", "machine_activity"]

Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

_REACTION, _DELIVERY, _BURSTING, _CLICK, _VISIT = 1, 2, 4, 8, 16
_KIND = {
    "email_open": _REACTION,
    "email_click": _REACTION | _BURSTING | _CLICK,
    "page_view": _BURSTING | _VISIT,
    "email_delivered": _DELIVERY,
    "email_sent": _DELIVERY,
}
_SECOND = 1_000_000
_TOO_FAST = 5 * _SECOND
"""After delivery, within which no person opens or clicks."""
_SEEN_BEFORE = 60 * _SECOND
"""The same in a mailbox that has reacted too fast before: its scanner is not always as quick."""
_BURST, _BURST_SPAN = 4, 2 * _SECOND
"""So many clicks or page views besides this one within this time are a scanner at work."""
_LINKS, _LINKS_SPAN = 2, _SECOND
"""So many clicks on other links likewise: a person may click twice, but not on three links."""
_EMPTY, _EMPTY_SPAN = 4, 30 * _SECOND
"""So many visits of no duration likewise."""
_MINUTE = 60 * _SECOND
"""A time on the full minute is a date, a diary entry or a clock without seconds: it says nothing about them."""
_FOREVER = np.iinfo(np.int64).max

_PROGRAM = re.compile(
    r"bot\b|bots\b|crawl|spider|slurp|headless|phantomjs|playwright|puppeteer|selenium|python|curl/|wget/|go-http-client|libwww|httpclient"
    r"|java/|scrapy|node-fetch|axios/|monitor|preview|facebookexternalhit|barracuda|mimecast|proofpoint|fireeye|trendmicro|symantec|sophos"
    r"|zscaler|safelinks|urldefense|link-?check|scanner"
)
_PRIVACY_PROXY = re.compile(r"mozilla/5\.0")
"""All that Apple's mail privacy says of itself. (Gmail's image proxy fetches when a person opens, so it is none.)"""


def machine_activity(log: ActivityLog) -> Flags:
    """True where a machine did it."""
    machine = log.automated
    if not len(log):
        return machine
    kinds: NDArray[np.int8] | None = None
    if len(log.agent.values):
        kinds = _kinds(log)
        machine = machine | (_by_program(log) & ((kinds & (_REACTION | _BURSTING)) > 0))
    if log.fleeting is not None:
        kinds = _kinds(log) if kinds is None else kinds
        empty = log.fleeting & ((kinds & _VISIT) > 0) & (log.occurred % _MINUTE != 0)
        machine = machine | _marked(len(log), empty.nonzero()[0], log, empty, _EMPTY, _EMPTY_SPAN)
    return _by_speed(log, machine, kinds)


@lru_cache(maxsize=16_384)
def _of_a_program(agent: str) -> bool:
    said = agent.strip().lower()
    return bool(_PROGRAM.search(said) or _PRIVACY_PROXY.fullmatch(said))


def is_program(agent: str) -> bool:
    """Whether a user agent is no person's browser or mail program.

    >>> is_program("Mozilla/5.0"), is_program("Mozilla/5.0 (compatible; bingbot/2.0)"), is_program("Mozilla/5.0 (iPhone) Safari/604.1")
    (True, True, False)
    """
    return _of_a_program(agent[:512])


def _by_program(log: ActivityLog) -> Flags:
    found: Flags = np.array([*map(is_program, log.agent.values), False])[log.agent.codes]
    return found


def _kinds(log: ActivityLog) -> NDArray[np.int8]:
    """What each activity can be to a machine, as bits."""
    kinds: NDArray[np.int8] = np.array([*(_KIND.get(value, 0) for value in log.type.values), 0], dtype=np.int8)[log.type.codes]
    return kinds


def _by_speed(log: ActivityLog, machine: Flags, kinds: NDArray[np.int8] | None) -> Flags:
    """`machine`, and what is too fast for a person."""
    occurred = log.occurred
    # Few rows follow another that closely, and only those can be told; as unsigned, a step back to the next lead is far.
    gap = occurred[1:] - occurred[:-1]
    near = gap.view(np.uint64) < _TOO_FAST
    if not np.count_nonzero(near):
        return machine
    touched = np.zeros(len(occurred), dtype=np.bool_)
    touched[1:] = near
    touched[:-1] |= gap == 0
    kinds = _kinds(log) if kinds is None else kinds
    touched &= (kinds & (_REACTION | _BURSTING)) > 0
    (at,) = touched.nonzero()
    at = at[occurred[at] % _MINUTE != 0]
    if not len(at):
        return machine
    machine = machine.copy()
    deliveries = (kinds & _DELIVERY) > 0
    caught = _marked(len(log), at[(kinds[at] & _REACTION) > 0], log, deliveries, 1, _TOO_FAST)
    if caught.any():
        machine |= caught
        machine |= _seen_before(log, kinds, deliveries, caught)
    machine |= _marked(len(log), at[(kinds[at] & _BURSTING) > 0], log, (kinds & _BURSTING) > 0, _BURST, _BURST_SPAN)
    clicks = (kinds & _CLICK) > 0
    machine |= _marked(len(log), at[clicks[at]], log, clicks, _LINKS, _LINKS_SPAN, other_page=True)
    return machine


def _seen_before(log: ActivityLog, kinds: NDArray[np.int8], deliveries: Flags, caught: Flags) -> Flags:
    """Opens and clicks within a minute of a delivery, in mailboxes where one was too fast before."""
    suspects = caught.nonzero()[0]
    leads = np.unique(log.starts.searchsorted(suspects, side="right") - 1)
    rows = np.concatenate([np.arange(log.starts[lead], log.starts[lead + 1]) for lead in leads])
    rows = rows[((kinds[rows] & _REACTION) > 0) & ~caught[rows] & (log.occurred[rows] % _MINUTE != 0)]
    rows = rows[_preceded(log, rows, caught, 1, _FOREVER)]
    return _marked(len(log), rows, log, deliveries, 1, _SEEN_BEFORE)


def _marked(n: int, at: Ints, log: ActivityLog, wanted: Flags, enough: int, span: int, other_page: bool = False) -> Flags:
    """True at those of `at` that are preceded so."""
    found = np.zeros(n, dtype=np.bool_)
    found[at[_preceded(log, at, wanted, enough, span, other_page)]] = True
    return found


def _preceded(log: ActivityLog, at: Ints, wanted: Flags, enough: int, span: int, other_page: bool = False) -> Flags:
    """Whether `enough` other wanted activities of the same lead lie less than `span` before each of `at`, known by then."""
    found = np.zeros(len(at), dtype=np.int64)
    (rows,) = wanted.nonzero()
    if not len(at) or not len(rows):
        return found >= enough
    lead = log.starts.searchsorted(at, side="right") - 1
    begin, end = log.starts[lead], log.starts[lead + 1]
    # One step back at a time through the wanted rows, for all of `at` that are still open; then on through the same instant.
    for direction, place in ((-1, rows.searchsorted(at) - 1), (1, rows.searchsorted(at, side="right"))):
        pending = (found < enough).nonzero()[0]
        place = place[pending]
        while len(pending):
            inside = (place >= 0) & (place < len(rows))
            pending, place = pending[inside], place[inside]
            row, origin = rows[place], at[pending]
            apart = log.occurred[origin] - log.occurred[row]
            close = (row >= begin[pending]) & (row < end[pending]) & ((apart < span) if direction < 0 else (apart == 0))
            counts = close & (log.recorded[row] <= log.recorded[origin])
            if other_page:
                page = log.url.codes[origin]
                counts &= (page != log.url.codes[row]) | (page < 0)
            found[pending] += counts
            still = close & (found[pending] < enough)
            pending, place = pending[still], place[still] + direction
    return found >= enough
