"""How what another system pushes is read as leads and what they did: a small mapping, declared as JSON.

In: a payload and a mapping. Out: values of leads, activities, stage changes and outcomes, or what keeps them from being read,
each event on its own. A mapping is a list of rules. `each` says what one event is; a rule applies `when` the event holds certain
values, and makes of it a `lead`, an `activity`, a `stage_change` or an `outcome`, each field of which is

- a path into the event, such as `$.properties.email` or `$['first name']` or `$.items[0]`; `$$…` is a text that begins with `$`;
- any other text, number, boolean or null: itself;
- `{"path": …, "map": {"from": "to"}, "else": …}`: the value translated, `else` for what the map does not know (null without it);
- `{"path": …, "as": "time" | "text" | "number"}`: the value as one; a time may be RFC 3339, without `T` or offset, or since 1970;
- `{"first": [field, …]}`: the first that is not null; `{"join": [field, …]}`: texts put together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import msgspec

from data.errors import BadData, BadUsage

__all__ = ["PRESETS", "BadMapping", "Mapping", "Row", "Unmapped", "payload_of", "preset", "read_mapping", "rows_of"]

PRESETS = ("hubspot", "odoo", "salesforce")
EVENTS = 5_000
Kind = Literal["lead", "activity", "stage_change", "outcome"]
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^']*)'\]|\[(\d{1,6})\]")


class BadMapping(BadUsage, status=422):
    """The mapping cannot be used: {why}"""


class Unmapped(BadData):
    """{why}"""


class LeadRule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Values of a lead's fields; `field` is one whose name the event says itself, left out where the name comes out as null."""

    lead_id: Any
    changed_at: Any = None
    values: dict[str, Any] = {}
    field: dict[Literal["name", "value"], Any] | None = None


class Rule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What an event means when it holds these values: by path, one of several where a list is given."""

    when: dict[str, Any] = {}
    lead: LeadRule | None = None
    activity: dict[str, Any] | None = None
    stage_change: dict[str, Any] | None = None
    outcome: dict[str, Any] | None = None


class Mapping(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A whole mapping."""

    rules: Annotated[list[Rule], msgspec.Meta(min_length=1, max_length=100)]
    each: str = "$"
    empty: list[str | int | float | bool] = []
    """Values that mean null: some systems send `false` or an empty text for what is not known."""
    doubles_within_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 60
    """The same body again within so many seconds is a double, and not looked at."""


@dataclass(frozen=True)
class Row:
    """What an event means."""

    kind: Kind
    values: dict[str, Any]


def read_mapping(text: bytes | str) -> Mapping:
    """A mapping as JSON, every field of it checked; raises BadMapping."""
    try:
        mapping = msgspec.json.decode(text, type=Mapping)
        _check_path(mapping.each)
        for rule in mapping.rules:
            for path in rule.when:
                _check_path(path)
            for field in _fields(rule):
                _check(field)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMapping(why=f"{error}.") from None
    return mapping


def preset(name: str) -> str:
    """A mapping that is shipped, as JSON."""
    if name not in PRESETS:
        raise BadMapping(why=f"there is no preset {name!r}; there are {', '.join(PRESETS)}.")
    return (Path(__file__).parent / "mappings" / f"{name}.json").read_text(encoding="utf-8")


def payload_of(body: bytes) -> Any:  # noqa: ANN401 - whatever was sent
    """What a body holds: JSON, or the fields of a form."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=1_000)
    except ValueError:
        pairs = []
    if not pairs:
        raise Unmapped(why="It is neither JSON nor a form.")
    return dict(pairs)


def rows_of(mapping: Mapping, payload: Any) -> Iterator[Row | Unmapped]:  # noqa: ANN401 - whatever was sent
    """What a payload means, event by event; what cannot be read is told in its place."""
    found = _at(payload, mapping.each)
    events = found if isinstance(found, list) else [] if found is None else [found]
    if len(events) > EVENTS:
        yield Unmapped(why=f"It holds {len(events):,} events, and {EVENTS:,} are the most.")
        return
    for number, event in enumerate(events):
        event = _without(event, mapping.empty) if mapping.empty else event
        for rule in mapping.rules:
            if all(_holds(_at(event, path), wanted) for path, wanted in rule.when.items()):
                try:
                    yield from _read(rule, event)
                except Unmapped as error:
                    yield Unmapped(why=f"Event {number}: {error}")


def _without(value: Any, empty: list[str | int | float | bool]) -> Any:  # noqa: ANN401 - any JSON value
    """The same with null for what means nothing; false is not 0 here."""
    if isinstance(value, dict):
        return {name: _without(one, empty) for name, one in value.items()}
    if isinstance(value, list):
        return [_without(one, empty) for one in value]
    return None if any(type(one) is type(value) and one == value for one in empty) else value


def _read(rule: Rule, event: Any) -> Iterator[Row]:  # noqa: ANN401 - whatever was sent
    if rule.lead is not None:
        values = {name: _value(field, event) for name, field in rule.lead.values.items()}
        # What an event does not speak of stays as it was: a null is what a rule says, not what is missing.
        values = {name: value for name, value in values.items() if value is not None}
        if rule.lead.field is not None and (name := _value(rule.lead.field.get("name"), event)) is not None:
            values[str(name)] = _value(rule.lead.field.get("value"), event)
        changed = _value(rule.lead.changed_at, event)
        if values:
            yield Row("lead", {"lead_id": _lead_id(rule.lead.lead_id, event), "changed_at": changed, "lead": values})
    kinds: dict[Kind, dict[str, Any] | None] = {
        "activity": rule.activity,
        "stage_change": rule.stage_change,
        "outcome": rule.outcome,
    }
    for kind, fields in kinds.items():
        if fields is not None:
            row = {name: _value(field, event) for name, field in fields.items() if name != "lead_id"}
            row = {name: value for name, value in row.items() if value is not None}
            if kind == "outcome" or ("type" if kind == "activity" else "stage") in row:  # one without is none
                yield Row(kind, row | {"lead_id": _lead_id(fields.get("lead_id"), event)})


def _lead_id(field: Any, event: Any) -> str:  # noqa: ANN401 - any JSON value
    found = _value(field, event)
    if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
        raise Unmapped(why=f"`lead_id` is {json.dumps(found)[:50]}: whose is it?")
    return str(found)


def _holds(value: Any, wanted: Any) -> bool:  # noqa: ANN401 - any JSON value
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


def _value(field: Any, event: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A field's value in an event."""
    if isinstance(field, str):
        return field[1:] if field.startswith("$$") else _at(event, field) if field.startswith("$") else field
    if not isinstance(field, dict):
        return field
    if "first" in field:
        return next((found for one in field["first"] if (found := _value(one, event)) is not None), None)
    if "join" in field:
        parts = [_value(one, event) for one in field["join"]]
        return None if None in parts else "".join(str(part) for part in parts)
    value = _value(field["path"], event)
    if "map" in field and value is not None:
        value = field["map"].get(value if isinstance(value, str) else json.dumps(value), field.get("else"))
    if value is None or "as" not in field:
        return value
    if field["as"] == "time":
        return _time(value)
    return _number(value) if field["as"] == "number" else str(value)


def _time(value: Any) -> str:  # noqa: ANN401 - any JSON value
    try:
        if isinstance(value, int | float) or (isinstance(value, str) and value.isascii() and value.isdigit()):
            seconds = float(value)
            at = datetime.fromtimestamp(seconds / 1000 if abs(seconds) > 1e11 else seconds, UTC)
        else:
            at = datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError, OSError):
        raise Unmapped(why=f"{json.dumps(value)[:50]} is no time.") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _number(value: Any) -> float:  # noqa: ANN401 - any JSON value
    try:
        return float(value)
    except (ValueError, TypeError):
        raise Unmapped(why=f"{json.dumps(value)[:50]} is no number.") from None


def _at(value: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """What stands at a path, null where nothing does."""
    for step in _steps(path):
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


@lru_cache(maxsize=1_024)
def _steps(path: str) -> tuple[str | int, ...]:
    return tuple(int(number) if number else name or quoted for name, quoted, number in _STEP.findall(path[1:]))


def _fields(rule: Rule) -> Iterator[Any]:
    if rule.lead is not None:
        yield rule.lead.lead_id
        yield rule.lead.changed_at
        yield from rule.lead.values.values()
        yield from (rule.lead.field or {}).values()
    needed = {"activity": ("lead_id", "type", "occurred_at"), "stage_change": ("lead_id", "stage", "entered_at")}
    made = {"activity": rule.activity, "stage_change": rule.stage_change, "outcome": rule.outcome}
    if rule.lead is None and not any(made.values()):
        raise BadMapping(why="a rule makes nothing: it needs `lead`, `activity`, `stage_change` or `outcome`.")
    for kind, fields in made.items():
        if fields is not None:
            for name in needed.get(kind, ("lead_id", "converted_at")):
                if name not in fields:
                    raise BadMapping(why=f"`{kind}` says nothing of `{name}`.")
            yield from fields.values()


def _check(field: Any) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(field, str) and field.startswith("$") and not field.startswith("$$"):
        _check_path(field)
    if isinstance(field, list):
        raise BadMapping(why="a field is a path, a value, or an object, and not a list.")
    if not isinstance(field, dict):
        return
    forms = ({"first"}, {"join"})
    if set(field) in forms:
        for parts in field.values():
            if not isinstance(parts, list):
                raise BadMapping(why="`first` and `join` take a list of fields.")
            for one in parts:
                _check(one)
        return
    if "path" not in field or not field.keys() <= {"path", "map", "else", "as"}:
        raise BadMapping(why=f"a field has `path` with `map`, `else` and `as`, or `first`, or `join`; not {', '.join(sorted(field))}.")
    _check(field["path"])
    if not isinstance(field.get("map", {}), dict) or field.get("as", "text") not in ("time", "text", "number"):
        raise BadMapping(why='`map` is an object, and `as` is "time", "text" or "number".')


def _check_path(path: str) -> None:
    rest = _STEP.sub("", path[1:])
    if not path.startswith("$") or rest:
        raise BadMapping(why=f"{path!r} is no path: one looks like $.properties.email, $['first name'] or $.items[0].")
