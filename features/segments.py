"""Rows of many leads at once: which of them are visible at an instant, and how to walk through them in cache-sized runs.

In: `starts` (rows of lead i are `starts[i]:starts[i + 1]`, in time order), the leads asked for and the instant of each.
Out: positions of rows, one segment a question. The same lead may be asked for any number of times.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "adjoining", "runs", "visible", "visible_ends"]

Ints = NDArray[np.int64]
Rows = Ints | slice
"""Positions of rows; a slice where they adjoin, which spares a copy."""


def visible(starts: Ints, occurred: Ints, recorded: Ints, late: bool, lead: Ints, as_of: Ints) -> tuple[Rows, Ints, Ints]:
    """Rows that occurred and were recorded before `as_of`; the position in `lead` of each, and its `as_of` (one for all of one lead).

    `late` tells whether `recorded` can differ from `occurred` at all.
    """
    rows, segment = _expand(starts[lead], visible_ends(starts, occurred, lead, as_of))
    when = as_of if len(lead) == 1 else as_of[segment]
    if late:
        known = recorded[rows] < when
        if not known.all():
            at = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            return at[known], segment[known], when if len(lead) == 1 else when[known]
    return rows, segment, when


def visible_ends(starts: Ints, occurred: Ints, lead: Ints, as_of: Ints) -> Ints:
    """For each question the end of its lead's rows with `occurred < as_of`: a bisection, all questions at once."""
    if len(lead) == 1:
        one = int(lead[0])
        begin, end = int(starts[one]), int(starts[one + 1])
        return occurred[begin:end].searchsorted(as_of) + begin
    begins, ends = starts[lead], starts[lead + 1]
    filled = ends > begins
    last = np.where(filled, ends - 1, 0)
    if not len(occurred) or not bool((filled & (occurred[last] >= as_of)).any()):
        return ends
    low, high = begins.copy(), ends.copy()
    while True:
        open_ = low < high
        if not open_.any():
            return low
        middle = np.where(open_, (low + high) // 2, 0)
        before = occurred[middle] < as_of
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)


def runs(starts: Ints, lead: Ints, rows: int, questions: int) -> Iterator[tuple[int, int]]:
    """Consecutive runs of questions, each of about `rows` rows and at most `questions` questions; at least one each."""
    n = len(lead)
    if n <= 1:
        if n:
            yield 0, 1
        return
    done = (starts[lead + 1] - starts[lead]).cumsum()
    start = 0
    while start < n:
        before = int(done[start - 1]) if start else 0
        stop = int(done.searchsorted(before + rows, side="right"))
        stop = min(max(stop, start + 1), start + questions, n)
        yield start, stop
        start = stop


def adjoining(rows: Ints) -> Rows:
    """The same positions, as a slice where each is the one before plus one."""
    n = len(rows)
    if n and int(rows[-1]) - int(rows[0]) == n - 1 and (n == 1 or bool((rows[1:] - rows[:-1] == 1).all())):
        return slice(int(rows[0]), int(rows[0]) + n)
    return rows


def _expand(begins: Ints, ends: Ints) -> tuple[Rows, Ints]:
    """Positions begins[i] … ends[i] - 1 for every i one after another, and the i of each."""
    if len(begins) == 1:
        begin, end = int(begins[0]), int(ends[0])
        return slice(begin, end), np.zeros(end - begin, dtype=np.int64)
    lengths = ends - begins
    segment = np.arange(len(begins)).repeat(lengths)
    if len(begins) and bool((begins[1:] == ends[:-1]).all()):
        return slice(int(begins[0]), int(ends[-1])), segment
    offset = begins - (lengths.cumsum() - lengths)
    return np.arange(len(segment)) + offset[segment], segment
