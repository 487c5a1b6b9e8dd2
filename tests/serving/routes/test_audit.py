from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from serving.examples import POLICY

Keys = Callable[..., dict[str, str]]


class TestWhoMay:
    def test_only_an_administrator_reads_it(self, guarded: Any, key_for: Keys) -> None:
        assert guarded.get("/v1/audit").status_code == 401
        assert guarded.get("/v1/audit", headers=key_for("score", "ingest", "read", "policy")).status_code == 403
        assert guarded.get("/v1/audit", headers=key_for("admin")).status_code == 200


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=%C2%B2", "limit=" + "9" * 5000, "cursor=x", "cursor=WyJhIl0", "cursor=WzFlMzA4XQ"]
)
def test_a_page_that_cannot_be_is_refused(client: Any, query: str) -> None:
    assert client.get(f"/v1/audit?{query}").status_code == 422
    assert client.get(f"/v1/leads?{query}").status_code == 422


def test_it_names_the_key_that_published_whatever_author_it_wrote(guarded: Any, key_for: Keys) -> None:
    marketing, admin = key_for("policy"), key_for("admin")
    prefix = marketing["Authorization"].removeprefix("Bearer ").partition(".")[0]
    assert guarded.put("/v1/policy", json=POLICY, headers=marketing | {"If-Match": "*"}).status_code == 200
    (entry,) = guarded.get("/v1/audit?action=policy", headers=admin).json()["entries"]
    assert (entry["actor"], entry["action"], entry["subject"]) == (prefix, "policy.published", "1")
    assert entry["detail"] == {"author": POLICY["author"], "note": POLICY["note"]}
    assert entry["at"].endswith("Z")


def test_pages_follow_each_other_to_the_end(guarded: Any, key_for: Keys) -> None:
    for _ in range(4):
        admin = key_for("admin")
    seen, cursor = [], ""
    while cursor is not None:
        page = guarded.get(f"/v1/audit?limit=2&cursor={cursor}", headers=admin).json()
        seen += [entry["sequence"] for entry in page["entries"]]
        cursor = page["next"]
    assert seen == [4, 3, 2, 1]
