from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.errors import TamizError
from serving.examples import SCORE_REQUEST
from serving.problems import Unprocessable
from serving.schemas import instant, microseconds, read_batch, read_item, read_score

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["lead", "lead_id", "activities", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def status_of(read: Callable[[bytes], object], body: bytes) -> int:
    """200, or the status of the problem; anything else that is raised is an accident of ours."""
    try:
        read(body)
    except TamizError as problem:
        return problem.status
    return 200


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
@example(b"\xef\xbb\xbf{}")
@example(b'{"lead": {"\\ud800": 1}}')
@example(b'{"lead": {}, "activities": [{"type": "x", "occurred_at": "9999-12-31T23:59:59-23:59"}]}')
def test_whatever_comes_is_a_request_or_a_problem_of_the_caller(body: bytes) -> None:
    assert {status_of(read_score, body), status_of(read_batch, body)} <= {200, 400, 422}


@given(st.integers(0, len(SCORE_REQUEST) - 1), st.integers(0, 255))
def test_one_wrong_byte_is_never_an_accident_of_ours(place: int, byte: int) -> None:
    body = bytearray(SCORE_REQUEST)
    body[place] = byte
    assert status_of(read_score, bytes(body)) in (200, 400, 422)


@given(st.integers(-(10**15), 10**16))
def test_an_instant_comes_back_to_the_microsecond(at: int) -> None:
    assert microseconds(instant(at)) == at


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30))])
def test_the_same_instant_is_the_same_in_every_zone(zone: Any) -> None:
    assert microseconds(NOON.astimezone(zone)) == microseconds(NOON.replace(tzinfo=None))


class TestBounds:
    """What is larger than a lead can be is refused before anything is made of it, and before the ledger keeps it."""

    @pytest.mark.parametrize(
        ("lead", "said"),
        [
            ({"job_title": "a" * 10_001}, "`lead.job_title` is longer than 10,000 characters"),
            ({f"f{n}": 1 for n in range(301)}, "300 fields at most, and this one has 30"),
            ({"x": [[[[[[[[[]]]]]]]]]}, "`lead.x` is nested more than 8 levels deep"),
            ({"x": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}, "y": [[[[[[[[[1]]]]]]]]]}, "`lead.y` is nested"),
            ({"lead_id": "a\0b"}, "U+0000"),
        ],
        ids=["text", "fields", "lists", "objects", "character"],
    )
    def test_what_is_too_large_is_refused_by_name(self, lead: dict[str, object], said: str) -> None:
        body = json.dumps({"lead": {"lead_id": "ana"} | lead}).encode()
        for read in (read_score, lambda body: read_item(msgspec.Raw(body))):
            with pytest.raises(Unprocessable, match=re.escape(said)):
                read(body)

    def test_too_many_activities_are_refused(self) -> None:
        one = {"type": "page_view", "occurred_at": "2026-06-01T09:00:00Z"}
        both = {"activities": [one] * 6_000, "account_activities": [one | {"lead_id": "bea"}] * 4_001}
        with pytest.raises(Unprocessable, match="10,000 activities at most"):
            read_score(json.dumps({"lead": {"lead_id": "ana"}} | both).encode())

    def test_what_a_crm_sends_beside_is_taken(self) -> None:
        lead = {"lead_id": "ana", "attributes": {"type": "Lead", "urls": {"self": ["/a", {"b": [1]}]}}, "note": "a" * 10_000}
        assert read_score(json.dumps({"lead": lead}).encode()).lead == lead
