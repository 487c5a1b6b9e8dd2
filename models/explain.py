"""One lead of a file, explained: how likely it is, what should happen, the BANT card with its facts, and why.

In: the files that `tamiz score` reads, and the id of a lead. Out: `Explained`, and as a page that a sales rep reads. The
figures are those that the lead gets among all others: it is scored by the same function, as of the same instant.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from data.errors import BadUsage
from data.files import nearest
from features import bant
from features.history import Observations, instant
from models.bundle import Bundle
from models.decision import Bant, BantDimension, Evidence, Outcome, Reason
from models.inputs import Floats
from models.qualification import Policy, decide
from models.routing import facts_of
from models.score_file import Part, read_parts
from models.scoring import bant_card, score_columns

__all__ = ["Explained", "NoSuchLead", "as_text", "explain_lead"]

_WIDE = 100
_OUTCOMES: dict[Outcome, str] = {
    "disqualified": "disqualified: not to be contacted",
    "nurture": "nurture: not for sales yet",
    "mql": "marketing-qualified (MQL)",
    "sql": "sales-qualified (SQL)",
}
_RULES = {
    "no_consent": "consent was refused",
    "no_signal": "the model found no signal in its data",
    "sql_enter": "at or above the SQL threshold of {sql:.0%}",
    "mql_enter": "at or above the MQL threshold of {mql:.0%}",
    "below_mql": "below the MQL threshold of {mql:.0%}",
    "sql_bant_missing": "too little BANT for SQL",
}
_DAY = 86_400


class NoSuchLead(BadUsage):
    """{leads} holds no lead {lead!r}{meant}: give an id as it stands in the file, or the number of a row where it has no ids."""


class CannotScore(BadUsage):
    """Lead {lead!r} cannot be scored: {why}."""


@dataclass(frozen=True)
class Explained:
    """Everything that there is to say about one lead."""

    lead_id: str
    as_of: datetime
    probability: float
    low: float
    high: float
    horizon_days: int | None
    score: float | None
    grade: str | None
    decision: Outcome
    rules: tuple[str, ...]
    """Why this decision, in words."""
    bant: Bant
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]
    model_version: str


def explain_lead(
    bundle: Bundle,
    policy: Policy,
    leads: Path,
    lead_id: str,
    *,
    activities: Path | None = None,
    lead_changes: Path | None = None,
    as_of: datetime,
    id_column: str | None = None,
    reasons: int = 5,
    say: Callable[[str], None] = lambda text: None,
) -> Explained:
    """Raises NoSuchLead where the file does not hold it, and what reading the files raises."""
    part, at = _find(
        read_parts(
            bundle, leads, activities=activities, lead_changes=lead_changes, as_of=as_of, id_column=id_column, evidence=True, say=say
        ),
        leads,
        lead_id,
    )
    row = part.rows[at : at + 1]
    found: list[dict[bant.Dimension, bant.DimensionEvidence]] = []
    observations = Observations(row, np.array([instant(as_of)]))
    asked: list[Floats] = []
    scored = score_columns(bundle, part.leads, part.log, observations, part.colleagues, reasons=reasons, evidence=found, answers=asked)
    (facts,) = facts_of(policy, part.leads, row.tolist(), evidence=found, answers=asked[0])
    outcome, rules, *_ = decide(policy.stateless, float(scored.probability[0]), facts, no_signal=bundle.no_signal)
    return Explained(
        lead_id=lead_id,
        as_of=as_of,
        probability=float(scored.probability[0]),
        low=float(scored.low[0]),
        high=float(scored.high[0]),
        horizon_days=bundle.horizon_days,
        score=None if bundle.no_signal else round(float(scored.score[0]), 1),
        grade=scored.grade[0],
        decision=outcome,
        rules=tuple(_RULES.get(rule, rule).format(mql=policy.mql.enter, sql=policy.sql.enter) for rule in rules),
        bant=bant_card(found[0], instant(as_of)),
        reasons=tuple(scored.reasons[0]) if scored.reasons else (),
        notes=tuple(bundle.unseen(scored.X)[0]),
        model_version=bundle.model_version,
    )


def as_text(one: Explained) -> str:
    """The page."""
    return "\n".join(_lines(one))


def _find(parts: Iterator[Part], leads: Path, lead_id: str) -> tuple[Part, int]:
    """The part that holds the lead, and where."""
    known: list[str] = []
    for part in parts:
        if lead_id in part.lead_id:
            at = list(part.lead_id).index(lead_id)
            if at in part.errors:
                raise CannotScore(lead=lead_id, why=part.errors[at])
            return part, at
        known += [name for name in part.lead_id if name is not None]
    near = nearest(lead_id, known)
    raise NoSuchLead(leads=leads, lead=lead_id, meant=f" (did you mean {near!r}?)" if near else "")


def _lines(one: Explained) -> Iterator[str]:
    yield f"Lead {one.lead_id}: {_OUTCOMES[one.decision]}"
    when = f" within {one.horizon_days} days" if one.horizon_days is not None else ""
    yield f"  {one.probability:.0%} likely to convert{when}; of leads like this one, {one.low:.0%} to {one.high:.0%} do."
    ranked = "" if one.score is None else f"Score {one.score:.0f} of 100, grade {one.grade}. "
    yield f"  {ranked}Decision: {'; '.join(one.rules)}."
    yield f"  As of {one.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC, by model {one.model_version}."
    yield ""
    yield "What we know (BANT)"
    for name in ("budget", "authority", "need", "timeline"):
        yield from _dimension(name, getattr(one.bant, name), one.as_of)
    yield ""
    yield "Why this probability, the strongest first"
    if not one.reasons:
        yield "  nothing sets this lead apart from the average"
    for reason in one.reasons:
        yield f"  {'raises it' if reason.contribution > 0 else 'lowers it'}  {reason.sentence}"
    if one.notes:
        yield ""
        yield "Take with care"
        for note in one.notes:
            yield from _wrapped(f"  - {note}", "    ")


def _dimension(name: str, known: BantDimension, as_of: datetime) -> Iterator[str]:
    status = known.status
    if known.strength is None:
        said = "nothing known"
    elif status == "unknown":
        said = f"not settled (strength {known.strength:.2f} of 1)"
    else:
        said = f"{status} (strength {known.strength:.2f} of 1)"
    yield f"  {name.capitalize():10} {said}"
    for fact in known.evidence:
        yield from _wrapped(f"             {'+' if fact.weight > 0 else '−'} {_told(fact, as_of)}", "               ")
    if known.question:
        yield from _wrapped(f"             ask: {known.question}", "                  ")


def _told(fact: Evidence, as_of: datetime) -> str:
    """The fact, where it is from, how old it is, and what it weighs."""
    about = [] if fact.source == "job title" else [fact.source]
    about.append(_age(fact.observed_at, as_of))
    about.append(f"weighs {fact.weight:+.2f}".replace("-", "−"))
    if fact.contradicts:
        about.append("contradicts the above")
    return f"{_printable(fact.fact)} ({', '.join(about)})"


def _age(observed: datetime | None, as_of: datetime) -> str:
    if observed is None:
        return "no date"
    days = round((as_of - observed).total_seconds()) // _DAY
    return "on the same day" if days < 1 else "a day ago" if days == 1 else f"{days} days ago"


def _wrapped(text: str, indent: str) -> Sequence[str]:
    return textwrap.wrap(text, _WIDE, subsequent_indent=indent, drop_whitespace=True, break_long_words=True) or [text]


def _printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)
