"""Which activities were made by machines: privacy proxies that open mail, scanners that click before anyone reads.

In: an activity log. Out: one boolean an activity. A label rests only on activities that occurred no later than the
labelled one *and* were recorded no later: so it cannot change once the activity is known, leaks nothing from the
future, and a row that arrives late neither makes a label nor breaks one. Rows at the same instant count for each other
alike, so their order cannot matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.history import ActivityLog

__all__ = ["machine_activity"]

_REACTION, _DELIVERY, _BURSTING = 1, 2, 4
_KIND = {
    "email_open": _REACTION,
    "email_click": _REACTION | _BURSTING,
    "page_view": _BURSTING,
    "email_delivered": _DELIVERY,
    "email_sent": _DELIVERY,
}
_TOO_FAST = 5_000_000
"""Microseconds after delivery within which no person opens or clicks."""
_BURST = 4
_BURST_SPAN = 2_000_000
"""`_BURST` clicks or page views besides this one within two seconds are a scanner at work."""
_QUARTER_HOUR = 15 * 60 * 1_000_000
"""A time on the full quarter of an hour is a date or a diary entry, in whatever zone: it says nothing about seconds."""


def machine_activity(log: ActivityLog) -> NDArray[np.bool_]:
    """True where the activity is declared automated, reacts within seconds of a delivery, or is part of a burst."""
    machine = log.automated
    occurred = log.occurred
    if len(occurred) < 2:
        return machine
    # Few rows follow another that closely, and only those can be told; as unsigned, a step back to the next lead is far.
    gap = occurred[1:] - occurred[:-1]
    near = gap.view(np.uint64) < _TOO_FAST
    if not near.any():
        return machine
    touched = np.zeros(len(occurred), dtype=np.bool_)
    touched[1:] = near
    touched[:-1] |= gap == 0
    kinds = np.array([*(_KIND.get(value, 0) for value in log.type.values), 0], dtype=np.int8)[log.type.codes]
    touched &= (kinds & (_REACTION | _BURSTING)) > 0
    (at,) = touched.nonzero()
    at = at[occurred[at] % _QUARTER_HOUR != 0]
    if not len(at):
        return machine
    machine = machine.copy()
    reactions = at[(kinds[at] & _REACTION) > 0]
    machine[reactions[_preceded(log, reactions, (kinds & _DELIVERY) > 0, 1, _TOO_FAST)]] = True
    bursting = at[(kinds[at] & _BURSTING) > 0]
    machine[bursting[_preceded(log, bursting, (kinds & _BURSTING) > 0, _BURST, _BURST_SPAN)]] = True
    return machine


def _preceded(log: ActivityLog, at: NDArray[np.int64], wanted: NDArray[np.bool_], enough: int, span: int) -> NDArray[np.bool_]:
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
            found[pending] += close & (log.recorded[row] <= log.recorded[origin])
            still = close & (found[pending] < enough)
            pending, place = pending[still], place[still] + direction
    return found >= enough
