"""Why sales says no: the reasons that it gave, how often each, and which are getting more or fewer.

In: a project's tables. Out: a `Reasons` for what sales rejected (table `feedback`) and one for stages that were entered with a reason
(lost deals, as a rule), where there are any. A reason is a code or a text as it was given, counted as it is written; one that is
missing is counted as not given. The newer half of the time is held against the older one, and a change is called one where
Fisher's exact test gives it less than one in twenty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.figures import percent

if TYPE_CHECKING:
    import pandas as pd

    from data.frames import Tables

__all__ = ["GivenReason", "Reasons", "in_words", "reasons_given"]

NOT_GIVEN = "no reason given"
MOST = 12
UNSURE = "no sure change"
_SURE = 0.05


@dataclass(frozen=True)
class GivenReason:
    """One reason, how often it was given, and its share before and since the middle of the time."""

    reason: str
    count: int
    share: float
    before: float | None
    since: float | None
    """Shares of all that were given then; None where none was."""
    trend: str
    """`more often`, `less often`, or `no sure change`."""


@dataclass(frozen=True)
class Reasons:
    """The reasons of one table, the most frequent first."""

    of: str
    """`rejections` or `stages`."""
    total: int
    judged: int | None
    """Verdicts of sales in all; None where that has no meaning."""
    middle: str
    """The day that parts older from newer."""
    reasons: tuple[GivenReason, ...]


def reasons_given(tables: Tables) -> tuple[Reasons, ...]:
    """What was said, table by table; nothing where nobody gave a reason."""
    told = []
    verdicts = tables.feedback
    if len(verdicts):
        rejected = verdicts[verdicts["verdict"].astype(str) == "rejected"]
        told.append(_counted("rejections", rejected, "given_at", len(verdicts)))
    stages = tables.stage_changes
    if "reason" in stages.columns:
        told.append(_counted("stages", stages[stages["reason"].notna()], "entered_at", None))
    return tuple(one for one in told if one is not None)


def in_words(told: Reasons) -> str:
    """What was said in a sentence or two, the most frequent reasons first, then what changed."""
    first = ", ".join(f"{one.reason} ({percent(one.share)})" for one in told.reasons[:3])
    if told.of == "rejections":
        assert told.judged is not None
        text = f"Sales rejected {told.total:,} of the {told.judged:,} leads that it judged ({percent(told.total / told.judged)})."
    else:
        text = f"{told.total:,} stages were entered with a reason."
    text += f" Most often: {first}."
    changed = [one for one in told.reasons if one.trend != UNSURE]
    for one in changed[:3]:
        assert one.before is not None
        assert one.since is not None
        text += f" Since {told.middle} {one.reason} is given {one.trend}: {percent(one.since)}, before {percent(one.before)}."
    return text if changed else f"{text} No reason is surely given more or less often since {told.middle} than before."


def _counted(of: str, rows: pd.DataFrame, when: str, judged: int | None) -> Reasons | None:
    if not len(rows):
        return None
    at = rows[when]
    middle = at.min() + (at.max() - at.min()) / 2
    newer = (at > middle).to_numpy()
    given = rows["reason"].astype(object) if "reason" in rows else at.map(lambda _: None).astype(object)
    said = given.where(given.notna(), NOT_GIVEN).astype(str)
    counts = said.value_counts()
    ordered = sorted(counts.index, key=lambda name: (-int(counts[name]), name == NOT_GIVEN, name))[:MOST]
    each = tuple(_one(name, (said == name).to_numpy(), newer) for name in ordered)
    return Reasons(of, len(rows), judged, f"{middle:%Y-%m-%d}", each)


def _one(name: str, mine: pd.Series, newer: pd.Series) -> GivenReason:
    from scipy.stats import fisher_exact

    new, old = int(newer.sum()), int((~newer).sum())
    since, before = int((mine & newer).sum()), int((mine & ~newer).sum())
    trend = UNSURE
    if new and old and fisher_exact([[since, new - since], [before, old - before]])[1] < _SURE:
        trend = "more often" if since * old > before * new else "less often"
    each = [part / whole if whole else None for part, whole in ((before, old), (since, new))]
    return GivenReason(name, since + before, (since + before) / len(mine), each[0], each[1], trend)
