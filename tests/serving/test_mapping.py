"""What other systems push, read by small mappings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from data.store import now
from serving.mapping import PRESETS, BadMapping, Row, Unmapped, payload_of, preset, read_mapping, rows_of
from serving.receivers import Read, read


def rows(rules: list[dict[str, Any]], payload: Any, **more: Any) -> list[Row | Unmapped]:
    return list(rows_of(read_mapping(json.dumps({"rules": rules} | more)), payload))


def values(field: Any, event: Any) -> Any:
    """What a field comes out as."""
    (row,) = rows([{"lead": {"lead_id": "ana", "values": {"it": {"first": [field, "nothing"]}}}}], event)
    assert isinstance(row, Row), row
    return row.values["lead"]["it"]


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ("{", "malformed|truncated"),
        ("{}", "rules"),
        ('{"rules": []}', "rules"),
        ('{"rules": [{}]}', "makes nothing"),
        ('{"rules": [{"lead": {"lead_id": "$.a"}, "colour": 1}]}', "colour"),
        ('{"rules": [{"lead": {"lead_id": "$.a b"}}]}', "no path"),
        ('{"rules": [{"lead": {"lead_id": "$..a"}}]}', "no path"),
        ('{"rules": [{"when": {"a": 1}, "lead": {"lead_id": "$.a"}}]}', "no path"),
        ('{"each": "$[*]", "rules": [{"lead": {"lead_id": "$.a"}}]}', "no path"),
        ('{"rules": [{"activity": {"lead_id": "$.a", "type": "call"}}]}', "occurred_at"),
        ('{"rules": [{"lead": {"lead_id": ["$.a"]}}]}', "not a list"),
        ('{"rules": [{"lead": {"lead_id": {"path": "$.a", "as": "date"}}}]}', "time"),
        ('{"rules": [{"lead": {"lead_id": {"path": "$.a", "into": {}}}}]}', "into"),
        ('{"rules": [{"lead": {"lead_id": {"first": "$.a"}}}]}', "list of fields"),
        ('{"rules": [{"lead": {"lead_id": "$.a"}}], "doubles_within_seconds": -1}', "doubles"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_why(mapping: str, says: str) -> None:
    with pytest.raises(BadMapping, match=says):
        read_mapping(mapping)


@pytest.mark.parametrize(
    ("field", "event", "expected"),
    [
        ("$.a.b", {"a": {"b": 7}}, 7),
        ("$['first name']", {"first name": "Ana"}, "Ana"),
        ("$.items[1].id", {"items": [{"id": 1}, {"id": 2}]}, 2),
        ("$.items[9].id", {"items": []}, "nothing"),
        ("$.a.b", {"a": "text"}, "nothing"),
        ("plain", {}, "plain"),
        ("$$5", {}, "$5"),
        ({"path": "$.a", "map": {"x": "y"}}, {"a": "x"}, "y"),
        ({"path": "$.a", "map": {"x": "y"}}, {"a": "z"}, "nothing"),
        ({"path": "$.a", "map": {"x": "y"}, "else": "other"}, {"a": "z"}, "other"),
        ({"path": "$.a", "map": {"3": "won", "true": "yes"}}, {"a": 3}, "won"),
        ({"path": "$.a", "map": {"3": "won", "true": "yes"}}, {"a": True}, "yes"),
        ({"path": "$.a", "as": "number"}, {"a": "12.5"}, 12.5),
        ({"path": "$.a", "as": "text"}, {"a": 12}, "12"),
        ({"path": "$.a", "as": "time"}, {"a": 1_780_304_400_000}, "2026-06-01T09:00:00+00:00"),
        ({"path": "$.a", "as": "time"}, {"a": "1780304400"}, "2026-06-01T09:00:00+00:00"),
        ({"path": "$.a", "as": "time"}, {"a": "2026-06-01 09:00:00"}, "2026-06-01T09:00:00+00:00"),
        ({"path": "$.a", "as": "time"}, {"a": "2026-06-01T11:00:00.000+0200"}, "2026-06-01T09:00:00+00:00"),
        ({"join": ["crm-", "$.a"]}, {"a": 5}, "crm-5"),
        ({"join": ["crm-", "$.a"]}, {}, "nothing"),
    ],
)
def test_fields(field: Any, event: Any, expected: Any) -> None:
    assert values(field, event) == expected


def test_a_bad_event_spoils_no_other() -> None:
    rule = {"activity": {"lead_id": "$.who", "type": "call", "occurred_at": {"path": "$.at", "as": "time"}}}
    found = rows([rule], [{"who": "ana", "at": 5}, {"at": 5}, {"who": "bea", "at": "soon"}, {"who": "eva", "at": 6}])
    assert [str(one) if isinstance(one, Unmapped) else one.values["lead_id"] for one in found] == [
        "ana",
        "Event 1: `lead_id` is null: whose is it?",
        'Event 2: "soon" is no time.',
        "eva",
    ]


def test_rules_apply_when_the_event_says_so() -> None:
    mapping = [
        {"when": {"$.t": ["a", "b"]}, "lead": {"lead_id": "$.id", "values": {"x": "$.v"}}},
        {"when": {"$.t": "c"}, "stage_change": {"lead_id": "$.id", "stage": "$.v", "entered_at": "$.at"}},
    ]
    found = rows(mapping, {"list": [{"t": t, "id": t, "v": "1", "at": "z"} for t in "abcd"]}, each="$.list")
    assert [(one.kind, one.values["lead_id"]) for one in found if isinstance(one, Row)] == [
        ("lead", "a"),
        ("lead", "b"),
        ("stage_change", "c"),
    ]


def test_what_means_nothing_is_null() -> None:
    rule = {"lead": {"lead_id": "$.id", "values": {"email": "$.email", "employees": "$.n"}}}
    (row,) = rows([rule], {"id": 1, "email": False, "n": 0}, empty=[False, ""])
    assert isinstance(row, Row)
    assert row.values["lead"] == {"employees": 0}


def test_a_form_is_read_like_json() -> None:
    assert payload_of(b"email=ana%40acme.example&title=CFO") == {"email": "ana@acme.example", "title": "CFO"}
    for body in (b"{nope", b"\xff\xfe", b""):
        with pytest.raises(Unmapped):
            payload_of(body)


PUSHED: dict[str, Any] = {
    "hubspot": [
        {"eventId": 1, "subscriptionType": "contact.propertyChange", "occurredAt": 1780304400000, "objectId": 123,
         "propertyName": "jobtitle", "propertyValue": "CFO"},
        {"eventId": 2, "subscriptionType": "contact.propertyChange", "occurredAt": 1780304400000, "objectId": 123,
         "propertyName": "hs_unknown", "propertyValue": "x"},
        {"eventId": 3, "subscriptionType": "contact.propertyChange", "occurredAt": 1780304500000, "objectId": 123,
         "propertyName": "lifecyclestage", "propertyValue": "customer"},
        {"eventId": 4, "subscriptionType": "deal.creation", "occurredAt": 1780304500000, "objectId": 9},
    ],
    "odoo": {"_model": "crm.lead", "_id": 123, "id": 123, "email_from": "ana@acme.example", "function": "CFO", "partner_name": False,
             "website": "acme.example", "expected_revenue": 12000.0, "won_status": "won", "date_closed": "2026-06-01 09:01:40",
             "write_date": "2026-06-01 09:00:00", "create_date": "2026-05-01 09:00:00"},
    "salesforce": [
        {"attributes": {"type": "Lead"}, "Id": "123", "Email": "ana@acme.example", "Title": "CFO", "Status": "Working - Contacted",
         "LastModifiedDate": "2026-06-01T09:00:00.000+0000"},
        {"attributes": {"type": "Task"}, "Id": "00T1", "WhoId": "123", "Status": "Completed", "TaskSubtype": "Call",
         "LastModifiedDate": "2026-06-01T09:00:00.000+0000", "Subject": "First call"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_the_shipped_mappings_read_what_those_systems_push(name: str) -> None:
    found: Read = read(read_mapping(preset(name)), json.dumps(PUSHED[name]).encode(), now())
    assert found.problems == []
    (lead,) = found.leads
    assert (lead.lead_id, lead.values["job_title"], lead.changed_at) == ("123", "CFO", 1_780_304_400_000_000)
    happened = [*found.activities, *found.stage_changes, *found.outcomes]
    assert {one.lead_id for one in happened} == {"123"}
    assert {
        "hubspot": [("customer", 1), ("won", 1)],
        "odoo": [("won", 1)],
        "salesforce": [("Working - Contacted", 1), ("call", 1)],
    }[name] == sorted(
        [(one.stage, 1) for one in found.stage_changes]
        + [(one.kind, 1) for one in found.outcomes]
        + [(one.type, 1) for one in found.activities]
    )
