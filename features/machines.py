"""Which activities were made by machines: privacy proxies that open mail, scanners that click before anyone reads.

In: an activity log. Out: one boolean an activity. A label rests only on what was recorded no later than the activity
itself, so it cannot change once the activity is known and leaks nothing from the future.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.history import ActivityLog

__all__ = ["machine_activity"]

_REACTIONS = ("email_open", "email_click")
_DELIVERIES = ("email_delivered", "email_sent")
_BURSTING = ("email_click", "page_view")
_TOO_FAST = 5_000_000
"""Microseconds after delivery within which no person opens or clicks."""
_BURST = 4
_BURST_SPAN = 2_000_000
"""`_BURST` clicks or page views before this one within two seconds are a scanner at work."""


def machine_activity(log: ActivityLog) -> NDArray[np.bool_]:
    """True where the activity is declared automated, reacts within seconds of a delivery, or ends a burst."""
    machine = log.automated.copy()
    n = len(log)
    if n < 2:
        return machine
    reaction, delivery = _is(log, _REACTIONS), _is(log, _DELIVERIES)
    at = np.flatnonzero(reaction)
    deliveries = np.flatnonzero(delivery)
    if len(at) and len(deliveries):
        # The latest delivery at or before each reaction; one of an earlier lead does not count.
        latest = np.searchsorted(deliveries, at) - 1
        found = latest >= 0
        at, row = at[found], deliveries[latest[found]]
        lead = np.searchsorted(log.starts, at, side="right") - 1
        known = (row >= log.starts[lead]) & (log.recorded[row] <= log.recorded[at])
        machine[at[known & (log.occurred[at] - log.occurred[row] < _TOO_FAST)]] = True
    if n > _BURST:
        # Few rows are that close together, so the rest is only looked at for them.
        at = np.flatnonzero(log.occurred[_BURST:] - log.occurred[:-_BURST] < _BURST_SPAN) + _BURST
        lead = np.searchsorted(log.starts, at, side="right") - 1
        at = at[at - _BURST >= log.starts[lead]]
        if len(at):
            clicks = _is(log, _BURSTING)
            burst = np.ones(len(at), dtype=np.bool_)
            for back in range(_BURST + 1):
                burst &= clicks[at - back] & (log.recorded[at - back] <= log.recorded[at])
            machine[at[burst]] = True
    return machine


def _is(log: ActivityLog, names: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.array([*(value in names for value in log.type.values), False])[log.type.codes]
