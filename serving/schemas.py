"""What callers send to be scored (`models/request.py`), read from a body's bytes and held to its bounds; and batches of it.

Raises problems that say where a body is wrong, and what would have been right.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from models.decision import Decision
from models.request import TEXT, Activity, ScoreRequest
from serving.problems import MalformedJson, NotFinite, Problem, Unprocessable

__all__ = [
    "EPOCH",
    "BatchAnswer",
    "BatchItem",
    "BatchRequest",
    "ModelAnswer",
    "decode",
    "instant",
    "microseconds",
    "read_batch",
    "read_item",
    "read_score",
    "utc",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")
_TICK = timedelta(microseconds=1)

FIELDS, DEPTH, ACTIVITIES = 300, 8, 10_000
"""What a lead to score may bring: fields, levels of what no signal reads, activities."""


class BatchRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Up to 1,000 leads; each is answered on its own."""

    items: list[msgspec.Raw]


class BatchItem(msgspec.Struct, omit_defaults=True):
    """One lead's answer, or the problem with it, in the order asked."""

    status: int
    answer: Decision | None = None
    problem: Problem | None = None


class BatchAnswer(msgspec.Struct):
    """The answers of a batch."""

    scored: int
    failed: int
    items: list[BatchItem]


class ModelAnswer(msgspec.Struct):
    """The model that serves."""

    model_version: str
    feature_set: str
    horizon_days: int | None
    loaded_at: datetime
    load_seconds: float
    policy_version: str
    manifest: dict[str, Any]
    """As written by training: kind, label, data digest, metrics, files with their SHA-256."""


_score = msgspec.json.Decoder(ScoreRequest)
_batch = msgspec.json.Decoder(BatchRequest)


def read_score(body: bytes | bytearray) -> ScoreRequest:
    """The request in these bytes; raises a problem that says where it is wrong."""
    return _bounded(decode(_score, body))


def read_batch(body: bytes | bytearray) -> BatchRequest:
    """The envelope of a batch, its items still undecoded."""
    return decode(_batch, body)


def read_item(item: msgspec.Raw) -> ScoreRequest:
    """One item of a batch."""
    return _bounded(decode(_score, bytes(item)))


def instant(at: int) -> datetime:
    """Microseconds since 1970 as a time."""
    return EPOCH + at * _TICK


def utc(time: datetime) -> datetime:
    """The same instant in UTC; a naive time is UTC. Raises OverflowError at the ends of the calendar."""
    if time.tzinfo is UTC:
        return time
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def microseconds(time: datetime) -> int:
    """A time as microseconds since 1970; a naive one is UTC."""
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - EPOCH) // _TICK


def decode(decoder: msgspec.json.Decoder[_T], body: bytes | bytearray) -> _T:
    """What these bytes hold; raises a problem that says where they are wrong."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Unprocessable(_helpful(str(error), decoder.type)) from None
    except msgspec.DecodeError as error:
        raise _malformed(str(error), bytes(body)) from None
    except UnicodeDecodeError as error:
        raise MalformedJson(f"the text is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise Unprocessable("The JSON is nested too deeply.") from None


def _bounded(request: ScoreRequest) -> ScoreRequest:
    """The same, if it is as large as a lead may be: what is beyond is no lead, but is kept in the ledger for ever."""
    lead = request.lead
    if len(lead) > FIELDS:
        raise Unprocessable(f"A lead has {FIELDS} fields at most, and this one has {len(lead):,}.")
    for name, value in lead.items():
        kind = value.__class__
        if kind is str:
            if len(value) > TEXT:
                raise Unprocessable(f"`lead.{name[:200]}` is longer than {TEXT:,} characters.")
        elif (kind is list or kind is dict) and _deeper_than(value, DEPTH):
            raise Unprocessable(f"`lead.{name[:200]}` is nested more than {DEPTH} levels deep.")
    if "\0" in str(lead.get("lead_id", "")):
        raise Unprocessable("A `lead_id` may not hold the character U+0000.")
    if len(request.activities) + len(request.account_activities or ()) > ACTIVITIES:
        raise Unprocessable(f"One lead brings {ACTIVITIES:,} activities at most, its colleagues' included.")
    return request


def _deeper_than(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels <= 1 or _deeper_than(one, levels - 1) for one in inner if isinstance(one, (dict, list)))


def _helpful(message: str, asked: object) -> str:
    """What the decoder says, and what would have been right: how a time is written, which keys there are."""
    what, _, place = message.partition(" - at ")
    where = f" - at {place}" if place else ""
    if what.startswith("Invalid RFC3339") or "`datetime" in what:
        return f'{what}: a time is written like "2026-06-01T09:00:00Z", a day alone like "2026-06-01T00:00:00Z"{where}'
    if what.startswith("Object contains unknown field"):
        struct = Activity if "activities[" in place else asked
        return f"{what}: the keys here are {', '.join(getattr(struct, '__struct_fields__', ()))}{where}"
    return message


def _malformed(message: str, body: bytes) -> Exception:
    """JSON has no NaN and no infinity, though many writers emit them: that is said rather than "invalid character"."""
    place = message.rpartition("(byte ")[2].rstrip(")")
    if place.isdigit() and body[int(place) : int(place) + 3].lower() in (b"nan", b"inf"):
        return NotFinite(place=place)
    return MalformedJson(message.removeprefix("JSON is malformed: "))
