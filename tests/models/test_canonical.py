"""The bytes of a request are those that encoding it whole gives, although each part is encoded once."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec
import pytest

from models.canonical import Used, canonical
from models.request import Activity, ScoreRequest

NOW = datetime(2026, 3, 31, 9, tzinfo=UTC)
VISIT, LATER = (Activity("page_view", datetime(2026, month, 1, tzinfo=UTC), url="/prices", value=2.5) for month in (3, 4))
whole = msgspec.json.Encoder(order="deterministic")


@pytest.mark.parametrize(
    "request_",
    [
        ScoreRequest({}, as_of=NOW),
        ScoreRequest({"z": 1, "a": {"y": None, "b": "é"}}, [VISIT], as_of=NOW, explain="shap"),
        ScoreRequest({"a": "\u2028"}, [VISIT, LATER], [], NOW),
        ScoreRequest({"a": 1.0}, [], [VISIT], NOW, "none"),
    ],
)
def test_is_the_request_as_it_is_encoded_whole(request_: ScoreRequest) -> None:
    for counts in (request_.activities, [one for one in request_.activities if one is not LATER]):
        used = Used(request_.lead, counts, request_.account_activities, NOW)
        found = canonical(request_, used)
        assert found.request == whole.encode(request_)
        assert found.hash == hashlib.sha256(whole.encode(tuple(used))).hexdigest()


def test_what_does_not_count_leaves_no_trace_in_the_hash() -> None:
    without, with_it = (ScoreRequest({"a": 1}, rows, as_of=NOW) for rows in ([VISIT], [VISIT, LATER]))
    one, other = (canonical(request, Used(request.lead, [VISIT], None, NOW)) for request in (without, with_it))
    assert one.hash == other.hash
    assert one.request != other.request
