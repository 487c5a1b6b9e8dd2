from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Key = Callable[..., dict[str, str]]
POLICY = {"mql": {"enter": 0.01, "exit": 0.005}, "sql": {"enter": 0.02, "exit": 0.01}}


def publish(client: Any, policy: dict[str, Any] = POLICY, *, etag: str | None = None, **more: Any) -> Any:
    etag = etag if etag is not None else client.get("/v1/policy").headers["etag"]
    return client.put("/v1/policy", json={"policy": policy} | more, headers={"If-Match": etag})


class TestWhoMay:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/policy"),
            ("PUT", "/v1/policy"),
            ("POST", "/v1/policy/preview"),
            ("GET", "/v1/policy/curves"),
            ("GET", "/v1/policy/versions"),
            ("POST", "/v1/policy/rollback"),
        ],
    )
    def test_an_anonymous_caller_may_not(self, guarded: Any, method: str, path: str) -> None:
        assert guarded.request(method, path, json={}).status_code == 401

    def test_a_reader_may_look_but_not_publish(self, guarded: Any, key_for: Key) -> None:
        reader = key_for("read")
        seen = guarded.get("/v1/policy", headers=reader)
        assert seen.status_code == 200
        assert guarded.put("/v1/policy", json={"policy": POLICY}, headers=reader | {"If-Match": seen.headers["etag"]}).status_code == 403
        assert guarded.post("/v1/policy/rollback", json={}, headers=reader | {"If-Match": "*"}).status_code == 403

    def test_a_publisher_is_named_by_the_key_unless_they_say_who_they_are(self, guarded: Any, key_for: Key) -> None:
        marketer = key_for("policy")
        answer = guarded.put("/v1/policy", json={"policy": POLICY}, headers=marketer | {"If-Match": "*"})
        assert answer.json()["author"] == marketer["Authorization"].removeprefix("Bearer ").partition(".")[0]


class TestPublishing:
    def test_without_saying_what_it_builds_on_is_refused(self, client: Any) -> None:
        answer = client.put("/v1/policy", json={"policy": POLICY})
        assert (answer.status_code, answer.json()["code"]) == (428, "precondition-required")

    @pytest.mark.parametrize(
        ("policy", "said"),
        [
            ({"mql": {"enter": 0.2, "exit": 0.3}, "sql": {"enter": 0.5, "exit": 0.4}}, "exit 0.3 is above enter 0.2"),
            ({"mql": {"enter": 20, "exit": 0.3}, "sql": {"enter": 0.5, "exit": 0.4}}, "policy.mql.enter"),
            ({"mql": {"enter": 0.6, "exit": 0.3}, "sql": {"enter": 0.5, "exit": 0.4}}, "every SQL is an MQL"),
            ({"mql": {"enter": 0.2, "exit": 0.1}, "sql": {"enter": 0.5, "exit": 0.4}, "colour": "red"}, "policy.colour"),
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, client: Any, policy: dict[str, Any], said: str) -> None:
        answer = publish(client, policy)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert said in answer.json()["detail"]
        assert client.get("/v1/policy").json()["version"] == "default"

    def test_what_is_no_json_is_refused(self, client: Any) -> None:
        answer = client.put("/v1/policy", content=b"{", headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-json")

    def test_two_at_once_show_the_second_what_the_first_did(self, client: Any) -> None:
        etag = client.get("/v1/policy").headers["etag"]
        assert publish(client, etag=etag, author="ana").status_code == 200
        other = {"mql": {"enter": 0.3, "exit": 0.2}, "sql": {"enter": 0.6, "exit": 0.5}}
        answer = publish(client, other, etag=etag, author="bea")
        assert (answer.status_code, answer.json()["code"]) == (412, "policy-changed")
        published = answer.json()["published"]
        assert (published["version"], published["author"]) == ("1", "ana")
        assert {"path": "mql.enter", "before": 0.01, "after": 0.3} in published["your_changes"]
        assert publish(client, other, etag=published["etag"]).status_code == 200

    def test_what_is_in_force_already_is_no_new_version(self, client: Any) -> None:
        first = publish(client, author="ana")
        again = publish(client, author="bea", note="the same")
        assert (again.status_code, again.json()["version"], again.json()["author"]) == (200, "1", "ana")
        assert again.headers["etag"] == first.headers["etag"]
        assert len(client.get("/v1/policy/versions").json()["versions"]) == 1

    def test_the_next_score_obeys(self, client: Any, lead: Any) -> None:
        lead["lead"]["lead_id"] = "before"
        before = client.post("/v1/score", json=lead).json()
        assert (before["decision"], before["receipt"]["policy_version"]) == ("mql", "default")
        published = publish(client, author="ana", note="fair week").json()
        assert (published["version"], published["author"], published["note"]) == ("1", "ana", "fair week")
        lead["lead"]["lead_id"] = "after"
        after = client.post("/v1/score", json=lead).json()
        assert (after["decision"], after["receipt"]["policy_version"]) == ("sql", "1")
        assert after["probability"] == before["probability"]

    def test_a_lead_that_is_in_stays_in_between_exit_and_enter(self, client: Any, lead: Any) -> None:
        p = client.post("/v1/score", json=lead).json()["probability"]
        publish(client, {"mql": {"enter": p + 0.01, "exit": p - 0.01}, "sql": {"enter": 0.9, "exit": 0.8}})
        held = client.post("/v1/score", json=lead).json()
        assert (held["decision"], held["rules"]) == ("mql", ["mql_stay"])
        newcomer = client.post("/v1/score", json=lead | {"lead": lead["lead"] | {"lead_id": "new"}}).json()
        assert newcomer["decision"] == "nurture"


class TestGoingBack:
    def test_with_nothing_to_go_back_to_is_refused(self, client: Any) -> None:
        answer = client.post("/v1/policy/rollback", json={}, headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (404, "nothing-before")
        assert "the model's default is in force" in answer.json()["detail"]
        publish(client)
        answer = client.post("/v1/policy/rollback", json={}, headers={"If-Match": "*"})
        assert "version 1 says what the first published policy said" in answer.json()["detail"]

    def test_without_saying_what_it_builds_on_is_refused(self, client: Any) -> None:
        assert client.post("/v1/policy/rollback", json={}).status_code == 428

    def test_again_goes_one_further_back(self, client: Any) -> None:
        for enter in (0.1, 0.2, 0.3):
            publish(client, {"mql": {"enter": enter, "exit": 0.05}, "sql": {"enter": 0.6, "exit": 0.5}})
        back = [client.post("/v1/policy/rollback", json={}, headers={"If-Match": "*"}).json() for _ in range(2)]
        assert [(one["version"], one["restores"], one["policy"]["mql"]["enter"]) for one in back] == [("4", "2", 0.2), ("5", "1", 0.1)]

    def test_is_a_new_version_with_the_old_thresholds(self, client: Any) -> None:
        publish(client, author="ana")
        second = publish(client, {"mql": {"enter": 0.3, "exit": 0.2}, "sql": {"enter": 0.6, "exit": 0.5}}, author="bea")
        back = client.post("/v1/policy/rollback", json={"author": "cleo"}, headers={"If-Match": second.headers["etag"]})
        assert (back.json()["version"], back.json()["policy"]["mql"]) == ("3", POLICY["mql"])
        assert client.get("/v1/policy").headers["etag"] == back.headers["etag"]
        history = client.get("/v1/policy/versions").json()["versions"]
        assert [(one["version"], one["author"]) for one in history] == [("3", "cleo"), ("2", "bea"), ("1", "ana")]
        assert {"path": "mql.enter", "before": 0.01, "after": 0.3} in history[1]["changes"]


class TestPreview:
    def test_thresholds_that_cannot_be_are_refused(self, client: Any) -> None:
        assert client.post("/v1/policy/preview", json={"mql": -1, "sql": 0.5}).status_code == 422
        assert client.post("/v1/policy/preview", json={"mql": 0.1}).status_code == 422

    def test_without_a_backtest_says_how_to_get_one(self, client: Any, home: Path, bundles: Path) -> None:
        (home / "bundles" / "first").unlink()
        shutil.copytree(bundles / "first", home / "bundles" / "first")
        (home / "bundles" / "first" / "backtest.parquet").unlink()
        answer = client.post("/v1/policy/preview", json={"mql": 0.2, "sql": 0.5})
        assert (answer.status_code, answer.json()["code"]) == (404, "no-backtest")
        assert "tamiz train" in answer.json()["detail"]

    def test_a_higher_threshold_brings_fewer_leads_and_more_precision(self, client: Any) -> None:
        answer = client.post("/v1/policy/preview", json={"mql": 0.1, "sql": 0.4}).json()
        assert answer["per"] == "week"
        mql, sql = answer["mql"], answer["sql"]
        assert sql["volume"]["value"] < mql["volume"]["value"]
        assert sql["caught"]["value"] < mql["caught"]["value"]
        assert mql["precision"]["value"] < sql["precision"]["value"]
        assert mql["precision"]["low"] < mql["precision"]["value"] < mql["precision"]["high"]

    def test_a_threshold_that_nobody_reached_has_no_figures_rather_than_certain_noughts(self, client: Any) -> None:
        sql = client.post("/v1/policy/preview", json={"mql": 0.1, "sql": 0.999}).json()["sql"]
        assert sql == {"threshold": 0.999, "reached": False, "volume": None, "precision": None, "caught": None, "usual_weeks": None}

    def test_the_page_and_the_preview_agree(self, client: Any) -> None:
        curves = client.get("/v1/policy/curves").json()
        place = len(curves["thresholds"]) // 2
        at = client.post("/v1/policy/preview", json={"mql": curves["thresholds"][place], "sql": 1}).json()["mql"]
        assert at["volume"]["value"] == curves["volume"]["value"][place]
        assert at["precision"]["high"] == curves["precision"]["high"][place]
