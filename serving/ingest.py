"""What a CRM sends to be kept: decoded row by row, so that one bad row spoils no other.

In: a body's bytes, as JSON (a list, one object, or an object that holds the list under its own name) or as NDJSON, a row a
line. Out: for each row what the store keeps of it, or the problem with it. Times are RFC 3339; one without an offset is UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from data.crm import ActivityRow, LeadPut, OutcomeRow, StageRow
from data.errors import BadUsage, TamizError
from models.request import Activity
from models.request_columns import text_of
from serving.lead_schemas import IngestAnswer, IngestRow, OutcomeIn, StageChange
from serving.problems import BatchTooLong, Unprocessable, problem_of
from serving.schemas import decode, microseconds

__all__ = ["ACTIVITIES", "OUTCOMES", "STAGES", "Kind", "LeadErased", "answer", "lead_put", "read_rows"]

ROWS = 5_000
FIELDS = 300
_DAY = 86_400_000_000
_NDJSON = ("application/x-ndjson", "application/jsonl", "application/ndjson")
T = TypeVar("T", ActivityRow, StageRow, OutcomeRow)


class LeadErased(BadUsage, status=410):
    """The lead was erased after that: what happened before is not kept again. What happens from now on is."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of row: its name in an envelope, how it is decoded, and what the store keeps of it."""

    name: str
    shape: type[msgspec.Struct]
    row: Callable[[Any, int, bool], T]


def read_rows(kind: Kind[T], body: bytes, media_type: str, received: int, *, imported: bool) -> list[T | TamizError]:
    """The rows of a body, each as the store keeps it or as the problem with it.

    `imported` declares rows from before: each counts as recorded when it says so, or else when it happened; otherwise a row
    is recorded when it was received, whatever it says. Raises a problem that concerns the whole body.
    """
    raw = _raw_rows(kind.name, body, media_type)
    if len(raw) > ROWS:
        raise BatchTooLong(items=len(raw), limit=ROWS)
    rows: list[T | TamizError] = []
    for one in raw:
        try:
            rows.append(_row(kind, one, received, imported))
        except TamizError as error:
            rows.append(error)
    return rows


def lead_put(lead_id: str, body: bytes, received: int) -> LeadPut:
    """Values of a lead: its attributes as they are, or `{"lead": {…}, "changed_at": …}` where they changed before now."""
    if not 0 < len(lead_id) <= 200:
        raise Unprocessable("A lead_id has 1 to 200 characters.")
    given = decode(_attributes, body)
    changed_at: Any = None
    if isinstance(given.get("lead"), dict):
        unknown = given.keys() - {"lead", "changed_at"}
        if unknown:
            raise Unprocessable(f"Beside `lead` there may be `changed_at`, and nothing else: {', '.join(sorted(unknown))}.")
        given, changed_at = given["lead"], given.get("changed_at")
    _no_nul(body)
    named = given.get("lead_id", lead_id)
    if str(named) != lead_id:
        raise Unprocessable(f"The address names lead {lead_id}, and the body lead {named}.")
    if len(given) > FIELDS:
        raise Unprocessable(f"A lead has {FIELDS} fields at most, and this one has {len(given)}.")
    for name, value in given.items():
        if not 0 < len(name) <= 200:
            raise Unprocessable("A field's name has 1 to 200 characters.")
        if isinstance(value, (dict, list)):
            raise Unprocessable(
                f"`{name}` is {'a list' if isinstance(value, list) else 'an object'}: a field is a text, a number, a boolean or null."
            )
        if isinstance(value, str) and len(value) > 10_000:
            raise Unprocessable(f"`{name}` is longer than 10,000 characters.")
    at = received
    if changed_at is not None:
        try:
            at = _sane(msgspec.convert(changed_at, datetime), received, "changed_at")
        except msgspec.ValidationError:
            raise Unprocessable('`changed_at` is a time such as "2026-06-01T09:00:00Z".') from None
    return LeadPut(lead_id, {name: value for name, value in given.items() if name != "lead_id"}, at, received)


def answer(rows: Sequence[object], taken: Sequence[str]) -> IngestAnswer:
    """The answer to rows, of which those without a problem were taken, in order."""
    results = iter(taken)
    listed = [IngestRow(one.status, problem_of(one)) if isinstance(one, TamizError) else _taken(next(results)) for one in rows]
    new, known = taken.count("new"), taken.count("known")
    return IngestAnswer(len(rows), new, known, len(rows) - new - known, listed)


def _taken(how: str) -> IngestRow:
    return IngestRow(LeadErased.status, problem_of(LeadErased())) if how == "erased" else IngestRow(201 if how == "new" else 200)


def _raw_rows(name: str, body: bytes, media_type: str) -> list[msgspec.Raw]:
    if media_type.partition(";")[0].strip().lower() in _NDJSON:
        return [msgspec.Raw(line) for line in body.splitlines() if line.strip()]
    head = body.lstrip()[:1]
    if head == b"[":
        return decode(_list, body)
    envelope = decode(_envelope, body)
    if name not in envelope:
        return [msgspec.Raw(body)]
    unknown = envelope.keys() - {name}
    if unknown:
        raise Unprocessable(f"Beside `{name}` there may be nothing else: {', '.join(sorted(unknown))}.")
    return decode(_list, bytes(envelope[name]))


def _row(kind: Kind[T], raw: msgspec.Raw, received: int, imported: bool) -> T:
    text = bytes(raw)
    _no_nul(text)
    return kind.row(decode(_decoders[kind.name], text), received, imported)


def _no_nul(text: bytes) -> None:
    if b"\\u0000" in text:
        raise Unprocessable("A text may not hold the character U+0000.")


def _activity(one: Activity, received: int, imported: bool) -> ActivityRow:
    if one.lead_id is None:
        raise Unprocessable("`lead_id` is missing: whose activity is it?")
    occurred = _sane(one.occurred_at, received, "occurred_at")
    automated = None if one.automated is None else int(one.automated)
    recorded = _recorded(one.recorded_at, occurred, received, imported)
    name = one.activity_id or ""
    return ActivityRow(
        one.lead_id, occurred, recorded, one.type, name, one.channel, one.url, one.content, one.campaign, one.duration_seconds,
        text_of(one.value), one.user_agent, automated,
    )  # fmt: skip


def _stage(one: StageChange, received: int, imported: bool) -> StageRow:
    entered = _sane(one.entered_at, received, "entered_at")
    return StageRow(
        one.lead_id, entered, one.stage, _recorded(one.recorded_at, entered, received, imported), one.owner, one.amount, one.reason
    )


def _outcome(one: OutcomeIn, received: int, imported: bool) -> OutcomeRow:
    converted = _sane(one.converted_at, received, "converted_at")
    return OutcomeRow(one.lead_id, converted, _recorded(one.recorded_at, converted, received, imported), one.kind, one.amount)


def _recorded(given: datetime | None, happened: int, received: int, imported: bool) -> int:
    if not imported:
        return received
    return happened if given is None else max(happened, min(microseconds(given), received))


def _sane(when: datetime, received: int, name: str) -> int:
    """Microseconds; a day of grace for clocks that run ahead."""
    try:
        at = microseconds(when)
    except OverflowError:
        at = -1
    if not 0 <= at <= received + _DAY:
        raise Unprocessable(f"`{name}` is {when.isoformat()}: it has to lie between 1970 and now.")
    return at


_attributes = msgspec.json.Decoder(dict[str, Any])
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
ACTIVITIES: Kind[ActivityRow] = Kind("activities", Activity, _activity)
STAGES: Kind[StageRow] = Kind("stage_changes", StageChange, _stage)
OUTCOMES: Kind[OutcomeRow] = Kind("outcomes", OutcomeIn, _outcome)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {kind.name: msgspec.json.Decoder(kind.shape) for kind in (ACTIVITIES, STAGES, OUTCOMES)}
