"""What dates say about an input: written after the outcome, a time after the outcome, or without any date at all.

In: event tables, and which columns of `leads` each input reads. Out: for each input counts of converted leads (`Late`)
among the leads that the audit may see, and from them signs. A lead without an outcome is compared at a moment as long
after its creation as conversions take, so that a column which everybody's records get late is told from one that is
filled in because of the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.leakage_rows import Bools, Floats, Ints
from training.leakage_verdict import Sign

if TYPE_CHECKING:
    import pandas as pd

    from data.frames import Tables

__all__ = ["Dated", "Late", "dated_columns", "late_inputs", "timing_signs"]

LEAST, LEAST_SHARE, MOST_SHARE = 10, 0.05, 0.5
TIMES_OTHERS, SURE = 2.0, 2.5
"""How many times as often as others', and by how many standard errors more, values must come late for the outcome to be the reason."""
AFTER_SHARE = 0.9
"""Share of converted leads from which a column of times counts as one of times after the outcome; planned dates fall on both sides."""
_DAY = 86_400_000_000
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


@dataclass(frozen=True)
class Late:
    """Values of converted leads of which the dates say that they came after the outcome."""

    column: str
    late: int
    of: int
    """Converted leads with a value."""
    others: float = 0.0
    """The same share among leads that did not convert, at a moment as late in their lives."""
    is_time: bool = False
    """The values are themselves times after the outcome; otherwise they were first written after it."""

    @property
    def share(self) -> float:
        return self.late / self.of if self.of else 0.0

    @property
    def accuses(self) -> bool:
        if self.late < LEAST:
            return False
        if self.is_time:
            return self.share >= AFTER_SHARE
        chance = SURE * (self.of * self.others * (1 - self.others)) ** 0.5
        more = self.share >= TIMES_OTHERS * self.others and self.late - self.of * self.others > chance
        return self.share >= MOST_SHARE or (self.share >= LEAST_SHARE and more)


@dataclass(frozen=True)
class Dated:
    """One column against the outcome, an entry a lead."""

    column: str
    converted: Bools
    valued: Bools
    late: Bools
    """Has a value that came after the outcome, or after the moment that stands for one."""
    is_time: bool = False

    def among(self, leads: Ints) -> Late:
        converted, valued, late = self.converted[leads], self.valued[leads], self.late[leads]
        of, others = int((converted & valued).sum()), int((~converted & valued).sum())
        share = float((late & ~converted).sum() / others) if others else 0.0
        return Late(self.column, int((late & converted).sum()), of, share, self.is_time)


def timing_signs(undated: tuple[str, ...], late: Late | None) -> Iterable[Sign]:
    """Blocked for what was written after the outcome; suspect for current state that nothing dates."""
    if late is not None and late.accuses:
        if late.is_time:
            yield Sign(
                "blocked", f"{late.column} is a time after the conversion for {late.late:,} of the {late.of:,} converted leads with one."
            )
        else:
            more = f", against {late.others:.0%} of the others at that age" if late.others else ""
            yield Sign(
                "blocked",
                f"{late.late:,} of the {late.of:,} converted leads with a value got it ({late.column}) after the conversion{more}.",
            )
    if undated:
        has, says, it, true = ("has", "it says", "it", "it is true") if len(undated) == 1 else ("have", "they say", "them", "they are true")
        columns = " and ".join(filter(None, [", ".join(undated[:-1]), undated[-1]]))
        sentence = f"{columns} {has} no date: what {says} today may have been written after the outcome."
        yield Sign("suspect", f"{sentence} If {true} since creation, list {it} in tamiz.toml under [leads] static.", undated)


def late_inputs(dated: Mapping[str, Dated], reads: Mapping[str, Iterable[str]], lead: Ints) -> dict[str, Late]:
    """Per input the worst of the columns that it reads, over these leads, where one of them says anything."""
    among = np.unique(lead)
    counted = {column: one.among(among) for column, one in dated.items()}
    found = {}
    for name, columns in reads.items():
        known = [counted[column] for column in columns if column in counted]
        if known:
            found[name] = max(known, key=lambda one: (one.accuses, one.share))
    return found


def dated_columns(tables: Tables) -> dict[str, Dated]:
    """Every column of `leads` whose history or values can be held against the outcome."""
    outcome, converted = _outcomes(tables)
    if outcome is None:
        return {}
    found = {name: Dated(name, converted, *one) for name, one in _written(tables, outcome).items()}
    for name, kind in tables.kinds.items():
        when = _instants(tables.leads[name], kind) if name not in ("created_at", "lead_id", *found) else None
        if when is not None:
            known = when != _NEVER
            # Where only days are told, the day of the outcome is not before it.
            against = outcome // _DAY * _DAY if np.all(when[known] % _DAY == 0) else outcome
            found[name] = Dated(name, converted, known, known & (when >= against) & (outcome != _NEVER), is_time=True)
    return found


_NEVER = np.iinfo(np.int64).min


def _outcomes(tables: Tables) -> tuple[Ints | None, Bools]:
    """Per lead the instant of its outcome, and whether it converted; others get one as long after creation as conversions take."""
    outcomes, rows = tables.outcomes, len(tables.leads)
    if outcomes.empty:
        return None, np.zeros(rows, bool)
    won = outcomes[outcomes["kind"] != "lost"] if "kind" in outcomes.columns else outcomes
    first = won.groupby("lead_row")["converted_at"].min()
    converted = np.zeros(rows, bool)
    converted[first.index.to_numpy(np.int64)] = True
    moment = np.full(rows, _NEVER)
    moment[first.index.to_numpy(np.int64)] = _micros(first)
    if "created_at" in tables.leads.columns and converted.any():
        created = _micros(tables.leads["created_at"])
        taken = (moment - created)[converted & (created != _NEVER)]
        others = np.flatnonzero(~converted & (created != _NEVER))
        if len(taken) and len(others):
            moment[others] = created[others] + np.random.default_rng(0).choice(taken, len(others))
    return moment, converted


def _written(tables: Tables, outcome: Ints) -> dict[str, tuple[Bools, Bools]]:
    """Fields with a history: which leads have a value, and whose was first written after the outcome."""
    changes, found = tables.lead_changes, dict[str, tuple[Bools, Bools]]()
    if changes.empty:
        return found
    told = changes[changes["value"].notna()]
    first = told.groupby(["field", "lead_row"], observed=True)["changed_at"].min().reset_index()
    for name, part in first.groupby(first["field"].astype(str)):
        lead = part["lead_row"].to_numpy(np.int64)
        valued, late = np.zeros(len(outcome), bool), np.zeros(len(outcome), bool)
        valued[lead], late[lead] = True, (_micros(part["changed_at"]) > outcome[lead]) & (outcome[lead] != _NEVER)
        found[str(name)] = valued, late
    return found


def _instants(values: pd.Series[Any], kind: str) -> Ints | None:
    """Microseconds of a column of times, or of numbers that can only be times: seconds or milliseconds since 1970, or 20260331."""
    if kind == "time":
        return _micros(values)
    if kind != "number":
        return None
    numbers = values.to_numpy(np.float64)
    known = np.isfinite(numbers)
    if known.sum() < LEAST or not np.all(numbers[known] == np.rint(numbers[known])) or len(np.unique(numbers[known])) < LEAST:
        return None
    when = np.full(len(numbers), _NEVER)
    first, last = (np.datetime64(f"{year}-01-01", "us").astype(np.int64) for year in (_FIRST_YEAR, _LAST_YEAR))
    for unit in (1_000_000, 1_000, 1):
        micros = numbers[known] * unit
        if micros.min() >= first and micros.max() < last:
            when[known] = micros.astype(np.int64)
            return when
    days = _written_days(numbers[known])
    if days is None:
        return None
    when[known] = days * _DAY
    return when


def _written_days(numbers: Floats) -> Ints | None:
    """Days since 1970 of numbers like 20260331, None where one of them is no such date."""
    whole = numbers.astype(np.int64)
    year, month, day = whole // 10_000, whole // 100 % 100, whole % 100
    if not np.all((year >= _FIRST_YEAR) & (year < _LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)):
        return None
    months: Ints = ((year - 1970) * 12 + month - 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return months + day - 1


def _micros(values: pd.Series[Any]) -> Ints:
    micros: Ints = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    return micros
