"""Observations: the instants at which leads are looked at in training, and whether each converted within the horizon.

In: `Tables`. Out: one row per `(lead, as_of)` with `y = converted within (as_of, as_of + horizon]`, and a report of what
was dropped and why. An observation whose horizon has not passed at `until` is dropped whatever its outcome so far; a lead
that is converted or closed at `as_of` is none. Instants are fixed ages after creation and, per lead, a few just after an
activity became known, drawn by lead id and seed alone: neither other leads nor the order of rows change the draw.

`observe_decisions` looks at leads when sales decided about them, with what it decided and how likely that was; `observe_course`
looks as often as the service would have, through the last weeks before `until`: what comes of those looks is not known yet, and not
asked; `observe_followed` does the same with the newest leads whose outcomes are known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from data.accounts import account_of
from data.errors import BadData
from data.frames import Tables
from data.times import MISSING, to_utc

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Micros = npt.NDArray[np.int64]
    Rows = npt.NDArray[np.int32]

__all__ = [
    "COURSE_WEEKS",
    "Cohort",
    "ObservationReport",
    "account_keys",
    "observe",
    "observe_course",
    "observe_decisions",
    "observe_followed",
]

_DAY = 86_400_000_000
COURSE_WEEKS = 13
"""A season: long enough that weeks can be compared, short enough to look like what comes."""
_NEVER = 2**62
"""Later than any instant, and an instant may still be added to it."""


@dataclass(frozen=True)
class Cohort:
    """Leads that were created in one month: how much of them can be judged yet."""

    month: str
    leads: int
    converted: int
    """Leads with a conversion so far, mature or not."""
    due: int
    """Observations at fixed ages at which the lead was still open."""
    mature: int
    positives: int

    @property
    def maturity(self) -> float:
        return self.mature / self.due if self.due else 0.0


@dataclass(frozen=True)
class ObservationReport:
    until: pd.Timestamp
    horizon_days: float
    leads: int
    leads_observed: int
    observations: int
    positives: int
    dropped: dict[str, int]
    """`immature`, `converted` and `lost` at fixed ages, `no_time` for leads that nothing dates."""
    cohorts: tuple[Cohort, ...]
    notices: list[str] = field(default_factory=list)

    @property
    def base_rate(self) -> float:
        return self.positives / self.observations if self.observations else float("nan")


@dataclass(frozen=True)
class _Life:
    """Per row of `leads`, in microseconds: when it began, first converted, and was closed either way."""

    start: Micros
    converted: Micros
    closed: Micros


def observe(
    tables: Tables, *, horizon_days: float, ages_days: Sequence[float], activity_instants: int = 3, seed: int = 0, part: bool = False
) -> tuple[pd.DataFrame, ObservationReport]:
    """The observations, by lead and instant, with `lead_id, lead_row, as_of, created_at, age_days, y, waited, kind, account`:
    `waited` are the days until the lead converted, infinite where it did not.

    Of `part` of a project's leads, with `until` of the whole, it gives the whole's rows of these leads, which may be none.
    """
    import numpy as np

    notices: list[str] = []
    life = _life(tables, notices)
    horizon = round(horizon_days * _DAY)
    until = _until(tables)
    dated = np.flatnonzero(life.start != MISSING).astype(np.int32)

    ages = np.array(sorted({round(age * _DAY) for age in ages_days}), dtype=np.int64)
    lead = np.repeat(dated, len(ages))
    as_of = (life.start[dated][:, None] + ages).ravel()
    immature, closed = as_of + horizon > until, as_of >= life.closed[lead]
    kept = ~immature & ~closed
    was_won = life.converted[lead] <= as_of
    dropped = {
        "immature": int(immature.sum()),
        "converted": int((~immature & closed & was_won).sum()),
        "lost": int((~immature & closed & ~was_won).sum()),
        "no_time": int(len(life.start) - len(dated)),
    }
    cohorts = _cohorts(life, lead, as_of, kept, closed, horizon, until)
    lead, as_of = lead[kept], as_of[kept]
    drawn_lead, drawn_at = _drawn(tables, life, (-_NEVER, until - horizon), activity_instants, seed)
    frame = _looks(tables, life, horizon, *_merged(lead, as_of, drawn_lead, drawn_at))
    report = _report(tables, life, horizon_days, frame, dropped, cohorts, notices)
    if not len(frame) and not part:
        raise BadData(_nothing_left(report))
    return frame, report


def observe_decisions(tables: Tables, *, horizon_days: float) -> tuple[pd.DataFrame, ObservationReport]:
    """A look at each decision of sales on an open lead, mature ones only, with `propensity` and `worked` (0 or 1)."""
    import numpy as np

    notices: list[str] = []
    life = _life(tables, notices)
    horizon, until = round(horizon_days * _DAY), _until(tables)
    decided = tables.decisions
    lead, as_of = decided["lead_row"].to_numpy(np.int32), _micros(decided["as_of"])
    known = life.start[lead] != MISSING
    immature, closed = as_of + horizon > until, as_of >= life.closed[lead]
    kept = known & ~immature & ~closed
    was_won = life.converted[lead] <= as_of
    dropped = {
        "immature": int(immature.sum()),
        "converted": int((~immature & closed & was_won).sum()),
        "lost": int((~immature & closed & ~was_won).sum()),
        "no_time": int((~known).sum()),
    }
    cohorts = _cohorts(life, lead[known], as_of[known], kept[known], closed[known], horizon, until)
    frame = _looks(tables, life, horizon, lead[kept], as_of[kept], np.zeros(int(kept.sum()), np.int8))
    frame["propensity"] = decided["propensity"].to_numpy(np.float64)[kept] if "propensity" in decided else np.nan
    frame["worked"] = decided["worked"].to_numpy(np.float64)[kept]
    report = _report(tables, life, horizon_days, frame, dropped, cohorts, notices)
    if not len(frame):
        raise BadData(_nothing_left(report))
    return frame, report


def _report(
    tables: Tables,
    life: _Life,
    horizon_days: float,
    frame: pd.DataFrame,
    dropped: dict[str, int],
    cohorts: tuple[Cohort, ...],
    notices: list[str],
) -> ObservationReport:
    return ObservationReport(
        until=tables.until,
        horizon_days=horizon_days,
        leads=len(life.start),
        leads_observed=int(frame["lead_row"].nunique()),
        observations=len(frame),
        positives=int(frame["y"].sum()),
        dropped=dropped,
        cohorts=cohorts,
        notices=notices,
    )


def observe_course(
    tables: Tables, *, horizon_days: float, weeks: int = COURSE_WEEKS, most: int = 20_000, seed: int = 0
) -> tuple[pd.DataFrame, float]:
    """Open leads through the last `weeks` before `until`: a look at a lead's creation, and one after its last activity of each day.

    A lead that was there before the weeks began is also looked at as it stood then, after its last activity before (kind `age`).
    Of large data a share of the leads is drawn, by lead id and seed alone, so that there are about `most` looks; the share is given, too.
    """
    import numpy as np

    life, until = _life(tables, []), _until(tables)
    start = until - weeks * 7 * _DAY
    lead, as_of = _daily(tables, life, start, until - 1, seed)
    open_still = life.closed[lead] > start
    lead, as_of = lead[open_still], as_of[open_still]
    kept, share = _some_leads(tables, lead, most, seed)
    unknown_yet = _Life(life.start, *(np.where(at <= until, at, _NEVER) for at in (life.converted, life.closed)))
    frame = _looks(tables, unknown_yet, round(horizon_days * _DAY), lead[kept], as_of[kept], (as_of[kept] >= start).astype(np.int8))
    return frame, share


def observe_followed(tables: Tables, *, horizon_days: float, newest: float = 0.4, most: int = 40_000, seed: int = 0) -> pd.DataFrame:
    """Likewise open leads since the newest of those of which something is known were created, to the last look whose horizon has passed."""
    import numpy as np

    life, horizon = _life(tables, []), round(horizon_days * _DAY)
    until = _until(tables) - horizon
    mature = np.sort(life.start[(life.start != MISSING) & (life.start <= until)])
    since = int(mature[int(len(mature) * (1 - newest))]) if len(mature) else until
    lead, as_of = _daily(tables, life, since, until, seed)
    open_still = life.closed[lead] > since
    lead, as_of = lead[open_still], as_of[open_still]
    kept, _ = _some_leads(tables, lead, most, seed)
    return _looks(tables, life, horizon, lead[kept], as_of[kept], (as_of[kept] >= since).astype(np.int8))


def _daily(tables: Tables, life: _Life, start: int, last: int, seed: int) -> tuple[Rows, Micros]:
    """Of each open lead the last look of each day from `start` on, and of all the time before; it is looked at when it is created."""
    import numpy as np

    drawn_lead, drawn_at = _drawn(tables, life, (-_NEVER, last), _NEVER, seed)
    born = np.flatnonzero((life.start != MISSING) & (life.start <= last) & (life.start < life.closed)).astype(np.int32)
    lead, as_of = np.concatenate([born, drawn_lead]), np.concatenate([life.start[born], drawn_at])
    order = np.lexsort((as_of, lead))
    lead, as_of = lead[order], as_of[order]
    day = np.where(as_of < start, -1, (as_of - start) // _DAY)
    newest = np.ones(len(lead), bool)
    newest[:-1] = (lead[1:] != lead[:-1]) | (day[1:] != day[:-1])
    return lead[newest], as_of[newest]


def _some_leads(tables: Tables, lead: Rows, most: int, seed: int) -> tuple[npt.NDArray[np.bool_], float]:
    """The looks at a share of the leads, drawn by lead id and seed alone so that about `most` remain, and the share."""
    import numpy as np

    share = min(1.0, most / max(len(lead), 1))
    lot = (_keys(tables.leads["lead_id"].tolist(), seed) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return lot[lead] < share, share


def account_keys(leads: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The account of each lead; a lead without one stands alone, under its own id."""
    import numpy as np

    ids = leads["lead_id"].tolist()
    domains = leads["company_domain"].tolist() if "company_domain" in leads else [None] * len(ids)
    mails = leads["email"].tolist() if "email" in leads else [None] * len(ids)
    keys = [account_of(domain, mail) or lead for lead, domain, mail in zip(ids, domains, mails, strict=True)]
    return np.array([*keys, None], dtype=np.object_)[:-1]


def _merged(lead: Rows, as_of: Micros, drawn_lead: Rows, drawn_at: Micros) -> tuple[Rows, Micros, npt.NDArray[np.int8]]:
    """Looks at fixed ages (0) and those drawn (1), by lead and instant; of two at one instant the first kind stays."""
    import numpy as np

    drawn = np.concatenate([np.zeros(len(lead), np.int8), np.ones(len(drawn_lead), np.int8)])
    lead, as_of = np.concatenate([lead, drawn_lead]), np.concatenate([as_of, drawn_at])
    order = np.lexsort((drawn, as_of, lead))
    lead, as_of, drawn = lead[order], as_of[order], drawn[order]
    first = np.ones(len(lead), bool)
    first[1:] = (lead[1:] != lead[:-1]) | (as_of[1:] != as_of[:-1])
    return lead[first], as_of[first], drawn[first]


def _looks(tables: Tables, life: _Life, horizon: int, lead: Rows, as_of: Micros, drawn: npt.NDArray[np.int8]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    ids = tables.leads["lead_id"].to_numpy(dtype=object)
    converted = life.converted[lead]
    return pd.DataFrame(
        {
            "lead_id": pd.Series(ids[lead], dtype=object),
            "lead_row": lead,
            "as_of": to_utc(as_of),
            "created_at": to_utc(life.start[lead]),
            "age_days": (as_of - life.start[lead]) / _DAY,
            "y": (converted <= as_of + horizon).astype(np.float64),
            "waited": np.where(converted >= _NEVER, np.inf, (converted - as_of) / _DAY),
            "kind": pd.Categorical.from_codes(drawn, categories=pd.Index(["age", "activity"], dtype=object)),
            "account": pd.Series(account_keys(tables.leads)[lead], dtype=object),
        }
    )


def _until(tables: Tables) -> int:
    import pandas as pd

    return int(_micros(pd.Series([tables.until]))[0])


def _life(tables: Tables, notices: list[str]) -> _Life:
    import numpy as np

    count = len(tables.leads)
    start = _micros(tables.leads["created_at"]) if "created_at" in tables.leads else np.full(count, MISSING)
    undated = start == MISSING
    if undated.any():
        seen = np.full(count, _NEVER)
        np.minimum.at(seen, tables.activities["lead_row"].to_numpy(), _known_at(tables.activities))
        np.minimum.at(seen, tables.stage_changes["lead_row"].to_numpy(), _micros(tables.stage_changes["entered_at"]))
        start = np.where(undated, np.where(seen == _NEVER, MISSING, seen), start)
        found = int((undated & (start != MISSING)).sum())
        notices.append(f"{int(undated.sum()):,} leads have no created_at: {found:,} begin at their first activity or stage instead")
        if found < undated.sum():
            notices.append(f"{int(undated.sum()) - found:,} leads without any time cannot be observed")
    outcomes = tables.outcomes
    won = (outcomes["kind"] == "won").to_numpy() if len(outcomes) else np.zeros(0, bool)
    at, lead = _micros(outcomes["converted_at"]), outcomes["lead_row"].to_numpy()
    converted, closed = np.full(count, _NEVER), np.full(count, _NEVER)
    np.minimum.at(converted, lead[won], at[won])
    np.minimum.at(closed, lead, at)
    reopened = int(((closed < converted) & (converted != _NEVER)).sum())
    if reopened:
        notices.append(
            f"{reopened:,} leads converted after they had been lost: they are observed until the loss, and their conversion counts"
        )
    return _Life(start, converted, closed)


def _drawn(tables: Tables, life: _Life, between: tuple[int, int], count: int, seed: int) -> tuple[Rows, Micros]:
    """Up to `count` instants per lead, each a microsecond after an activity became known to an open lead, `between` two instants."""
    import numpy as np

    lead = tables.activities["lead_row"].to_numpy()
    as_of = _known_at(tables.activities) + 1
    open_then = (life.start[lead] != MISSING) & (as_of >= life.start[lead]) & (as_of < life.closed[lead])
    open_then &= (as_of >= between[0]) & (as_of <= between[1])
    lead, as_of = lead[open_then], as_of[open_then]
    if not count or not len(lead):
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    key = _keys(tables.leads["lead_id"].tolist(), seed)[lead]
    lot = _mixed(key ^ _mixed(as_of.astype(np.uint64)))
    order = np.lexsort((as_of, lot, lead))
    lead, as_of = lead[order], as_of[order]
    # One instant is drawn once, however many activities share it: they share the lot too, so they are neighbours.
    once = np.ones(len(lead), bool)
    once[1:] = (lead[1:] != lead[:-1]) | (as_of[1:] != as_of[:-1])
    lead, as_of = lead[once], as_of[once]
    begins = np.flatnonzero(np.concatenate([[True], lead[1:] != lead[:-1]]))
    place = np.arange(len(lead)) - np.repeat(begins, np.diff(np.append(begins, len(lead))))
    chosen = place < count
    return lead[chosen], as_of[chosen]


def _cohorts(
    life: _Life, lead: Rows, as_of: Micros, kept: npt.NDArray[np.bool_], closed: npt.NDArray[np.bool_], horizon: int, until: int
) -> tuple[Cohort, ...]:
    import numpy as np

    present = life.start != MISSING
    months = np.full(len(life.start), -1, dtype=np.int64)
    months[present] = life.start[present].view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    names, place = np.unique(months[present], return_inverse=True)
    size = len(names)
    of_lead = np.full(len(life.start), 0, dtype=np.int64)
    of_lead[present] = place
    positive = kept & (life.converted[lead] <= as_of + horizon)
    counts = {
        "leads": np.bincount(place, minlength=size),
        "converted": np.bincount(of_lead[present & (life.converted <= until)], minlength=size),
        "due": np.bincount(of_lead[lead[~closed]], minlength=size),
        "mature": np.bincount(of_lead[lead[kept]], minlength=size),
        "positives": np.bincount(of_lead[lead[positive]], minlength=size),
    }
    return tuple(
        Cohort(str(np.datetime64(int(month), "M")), **{name: int(count[i]) for name, count in counts.items()})
        for i, month in enumerate(names)
    )


def _nothing_left(report: ObservationReport) -> str:
    said = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in report.dropped.items() if count)
    return (
        f"no observation is left of {report.leads:,} leads ({said}): with a horizon of {report.horizon_days:g} days and data until "
        f"{report.until:%Y-%m-%d %H:%M} UTC no open lead can be judged yet; shorten horizon_days or ages_days, or bring older leads"
    )


def _known_at(activities: pd.DataFrame) -> Micros:
    """When each activity had both occurred and been recorded."""
    import numpy as np

    occurred = _micros(activities["occurred_at"])
    return np.maximum(occurred, _micros(activities["recorded_at"])) if "recorded_at" in activities else occurred


def _keys(ids: Sequence[str], seed: int) -> npt.NDArray[np.uint64]:
    """64 bits for each lead from its id and the seed alone, the same on every machine."""
    import numpy as np

    salt = str(seed).encode()
    digests = b"".join(hashlib.blake2b(str(lead).encode(), digest_size=8, key=salt[:64]).digest() for lead in ids)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _mixed(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Bits scattered by a bijection of 64-bit words (multiply and shift, with wrap-around)."""
    import numpy as np

    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return bits ^ (bits >> np.uint64(33))


def _micros(times: pd.Series) -> Micros:
    """UTC instants as microseconds, `MISSING` for NaT."""
    import numpy as np
    import pandas as pd

    index = pd.DatetimeIndex(times)
    return np.array(index.tz_convert("UTC").tz_localize(None).as_unit("us").to_numpy().view(np.int64))
