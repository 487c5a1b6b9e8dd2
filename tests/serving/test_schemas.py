from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.errors import TamizError
from serving.examples import SCORE_REQUEST
from serving.schemas import instant, microseconds, read_batch, read_score

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
