from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.promotions import begin, finish
from data.store import Store

Headers = dict[str, str]


class TestTheCards:
    def test_need_a_key_that_may_read(self, guarded: Any, key_for: Callable[..., Headers]) -> None:
        assert guarded.get("/v1/model/cards").status_code == 401
        assert guarded.get("/v1/model/cards", headers=key_for("ingest")).status_code == 403
        assert guarded.get("/v1/model/cards", headers=key_for("policy")).status_code == 200

    def test_where_nothing_serves_and_nothing_waits_are_none(self, client: Any, home: Path) -> None:
        (home / "bundles" / "champion.json").write_text("{")
        assert client.get("/v1/model/cards").json() == {"champion": None, "challenger": None, "comparison": None}
        refused = client.get("/v1/model/cards?format=csv")
        assert (refused.status_code, "There is no champion" in refused.json()["detail"]) == (422, True)

    def test_are_of_the_champion_and_of_the_challenger_beside_it(self, client: Any, home: Path) -> None:
        alone = client.get("/v1/model/cards").json()
        assert (alone["champion"]["model_version"], alone["challenger"]) == ("1", None)
        (home / "bundles" / "challenger.json").write_text(json.dumps({"bundle": "second", "version": 8}))
        both = client.get("/v1/model/cards").json()
        assert (both["challenger"]["model_version"], both["challenger"]["version"]) == ("2", 8)

    @pytest.mark.parametrize("name", ["../../etc", "/etc", "missing", 7])
    def test_a_pointer_to_elsewhere_is_followed_nowhere(self, client: Any, home: Path, name: object) -> None:
        (home / "bundles" / "challenger.json").write_text(json.dumps({"bundle": name, "version": 8}))
        assert client.get("/v1/model/cards").json()["challenger"] is None

    def test_tables_come_as_csv(self, client: Any) -> None:
        answer = client.get("/v1/model/cards?format=csv&table=inputs")
        assert answer.headers["content-type"].startswith("text/csv")
        assert client.get("/v1/model/cards?format=csv&table=secrets").status_code == 422


class TestAskingForAPromotion:
    def test_takes_a_key_that_may_do_everything(self, guarded: Any, key_for: Callable[..., Headers]) -> None:
        assert guarded.post("/v1/model/promotions", json={"kind": "promote"}).status_code == 401
        assert guarded.post("/v1/model/promotions", json={"kind": "promote"}, headers=key_for("policy", "read")).status_code == 403
        assert guarded.post("/v1/model/promotions", json={"kind": "promote"}, headers=key_for("admin")).status_code == 202

    @pytest.mark.parametrize(
        "body", [{}, {"kind": "delete"}, {"kind": "promote", "version": 0}, {"kind": "rollback", "version": 3}, {"kind": "promote", "x": 1}]
    )
    def test_that_means_nothing_is_refused(self, client: Any, body: Any) -> None:
        assert client.post("/v1/model/promotions", json=body).status_code == 422
        assert client.get("/v1/model/promotions").json()["promotions"] == []

    def test_queues_it_and_shows_what_becomes_of_it(self, client: Any, home: Path) -> None:
        asked = client.post("/v1/model/promotions", json={"kind": "promote", "version": 8, "why": " the  fair ", "author": "Eva"})
        assert (asked.status_code, asked.json()["state"], asked.json()["why"]) == (202, "queued", "the fair")
        again = client.post("/v1/model/promotions", json={"kind": "rollback"})
        assert (again.status_code, again.json()["code"]) == (409, "promotion-waiting")
        store = Store.open(home)
        begun = begin(store)
        assert begun is not None
        assert client.get("/v1/model/promotions").json()["promotions"][0]["state"] == "running"
        finish(store, begun, "done", "champion is now version 8")
        told = client.get("/v1/model/promotions").json()
        assert (told["promotions"][0]["state"], told["promotions"][0]["message"]) == ("done", "champion is now version 8")
        assert told["serves"] == "1"

    def test_is_a_table_too_and_runs_nothing_in_it(self, client: Any) -> None:
        client.post("/v1/model/promotions", json={"kind": "rollback", "why": "=1+1"})
        assert "'=1+1" in client.get("/v1/model/promotions?format=csv").text
