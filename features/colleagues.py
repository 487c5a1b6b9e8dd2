"""The account's context as an explicit input of the engine: who else belongs to a lead's account, and what they did.

In: a log, and which of its leads belong to which account. Out: for observations, what their colleagues' activities add
up to; NaN for a lead without an account, or where nothing is known of its account.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.aggregates import Aggregator
from features.history import ActivityLog, Observations
from features.segments import runs, visible

__all__ = ["Colleagues"]

Ints = NDArray[np.int64]

_CHUNK_ROWS = 16_384
_CHUNK_PEOPLE = 1_024


@dataclass(frozen=True)
class Colleagues:
    """The account's context: who else belongs to each account and what they did.

    `members[starts[a]:starts[a + 1]]` are rows of `log`'s leads that belong to account a. `own` tells whether `log`
    is the leads' own log, in which case a lead is not its own colleague.
    """

    log: ActivityLog
    starts: Ints
    members: Ints
    own: bool

    @classmethod
    def of(cls, account: Ints, log: ActivityLog) -> Colleagues:
        """From each lead's account code (-1: none), over the log of the same leads."""
        order = np.argsort(account, kind="stable")
        members = order[int(np.searchsorted(account[order], 0)) :]
        n_accounts = int(account.max(initial=-1)) + 1
        starts = np.zeros(n_accounts + 1, dtype=np.int64)
        np.cumsum(np.bincount(account[members], minlength=n_accounts), out=starts[1:])
        return cls(log, starts, members.astype(np.int64), own=True)

    def aggregate(self, aggregator: Aggregator, cell: Ints, account: Ints, observations: Observations) -> NDArray[np.float64]:
        """(need, observation): what the colleagues of each observation's lead did, from the cells of their activities.

        Colleagues are taken in chunks, so that a large account costs time but no memory. What is added up are integers,
        or decayed sums (multiples of 2^-30 below 2^23): exact in any order.
        """
        n = len(observations)
        out = np.zeros((len(aggregator.needs), n))
        youngest = np.full((len(aggregator.needs), n), np.inf)
        observation, member = self._pairs(account, observations.lead)
        as_of = observations.as_of[observation]
        log = self.log
        for start, stop in runs(log.starts, member, _CHUNK_ROWS, _CHUNK_PEOPLE):
            part = slice(start, stop)
            rows, segment, when = visible(log.starts, log.occurred, log.recorded, log.late, member[part], as_of[part])
            occurred = log.occurred[rows]
            each = aggregator.aggregate(cell[rows], when - occurred, occurred, segment, stop - start)
            whose = observation[part]
            for i, (kind, _, _) in enumerate(aggregator.needs):
                if kind == "last":
                    np.minimum.at(youngest[i], whose, np.where(np.isnan(each[i]), np.inf, each[i]))
                else:
                    value = (each[i] > 0).astype(np.float64) if kind == "people" else each[i]
                    out[i] += np.bincount(whose, weights=value, minlength=n)
        for i, (kind, _, _) in enumerate(aggregator.needs):
            if kind == "last":
                out[i] = np.where(np.isinf(youngest[i]), np.nan, youngest[i])
        out[:, account < 0] = np.nan
        return out

    def _pairs(self, account: Ints, lead: Ints) -> tuple[Ints, Ints]:
        """(observation, colleague) for every colleague of every observation, in order."""
        (known,) = (account >= 0).nonzero()
        begins = self.starts[account[known]]
        lengths = self.starts[account[known] + 1] - begins
        place = np.arange(len(known)).repeat(lengths)
        member = self.members[np.arange(len(place)) + (begins - (lengths.cumsum() - lengths))[place]]
        observation = known[place]
        if self.own:
            other = member != lead[observation]
            observation, member = observation[other], member[other]
        return observation, member
