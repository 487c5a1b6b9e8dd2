from __future__ import annotations

import csv
import io
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
            ("GET", "/v1/policy/experiment"),
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
        was = client.get("/v1/policy/versions").json()
        assert was["versions"][0]["version"] == "1"
        theirs, yours, differs = (
            {one["path"]: (one["before"], one["after"]) for one in published[name]} for name in ("their_changes", "your_changes", "differs")
        )
        assert theirs["mql.enter"] == (yours["mql.enter"][0], 0.01), "both began from the same policy"
        assert yours["mql.enter"][1] == 0.3
        assert differs["mql.enter"] == (0.01, 0.3)
        assert publish(client, other, etag=published["etag"]).status_code == 200

    def test_a_tag_that_is_none_of_ours_is_refused_without_a_guess_at_what_was_read(self, client: Any) -> None:
        for tag in ('"99-abc"', '"x"', '"1-000000000000"'):
            published = publish(client, etag=tag).json()["published"]
            assert "their_changes" not in published
            assert published["differs"]

    def test_a_policy_made_for_other_inputs_is_refused(self, client: Any) -> None:
        ours = client.get("/v1/policy/curves").json()["feature_set"]
        answer = publish(client, feature_set="f" * 64)
        assert (answer.status_code, answer.json()["code"]) == (409, "policy-of-another-model")
        assert client.post("/v1/policy/preview", json={"mql": 0.1, "sql": 0.4, "feature_set": "f" * 64}).status_code == 409
        assert publish(client, feature_set=ours).status_code == 200

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
        figures = ("volume", "precision", "caught", "conversions", "revenue", "returns", "capacity")
        assert sql == {"threshold": 0.999, "reached": False} | dict.fromkeys(figures)

    def test_the_page_and_the_preview_agree(self, client: Any) -> None:
        curves = client.get("/v1/policy/curves").json()
        place = len(curves["thresholds"]) // 2
        at = client.post("/v1/policy/preview", json={"mql": curves["thresholds"][place], "sql": 1}).json()["mql"]
        assert at["volume"]["value"] == curves["volume"]["value"][place]
        assert at["precision"]["value"] == curves["precision"]["value"][place]
        assert at["precision"]["high"] == pytest.approx(curves["precision"]["high"][place], rel=0.2), "drawn anew, and more often"

    def test_an_unknown_segment_column_is_refused_and_those_that_there_are_named(self, client: Any) -> None:
        answer = client.post("/v1/policy/preview", json={"mql": 0.1, "sql": 0.4, "by": "shoe_size"})
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown-segment")
        assert "source" in answer.json()["detail"]

    def test_each_value_of_a_column_has_its_figures(self, client: Any) -> None:
        answer = client.post("/v1/policy/preview", json={"mql": 0.1, "sql": 0.4, "by": "source"}).json()
        parts = answer["by_segment"]["mql"]
        assert [one["value"] for one in parts] == answer["columns"]["source"]
        assert sum(one["leads"] for one in parts) == answer["leads"]
        assert sum(one["volume"]["value"] for one in parts) == pytest.approx(answer["mql"]["volume"]["value"], rel=0.05)

    def test_no_capacity_means_nobody(self, client: Any) -> None:
        asked = POLICY | {"capacity": {"mql": 0}}
        answer = client.post("/v1/policy/preview", json={"policy": asked, "cost_per_call": 10, "value_per_conversion": 500}).json()
        assert answer["mql"]["volume"]["value"] == 0.0
        assert answer["recommendation"]["fills_capacity"]["threshold"] is None
        assert answer["recommendation"]["best_value"]["within_1_percent"]

    def test_intervals_are_as_wide_as_asked_and_say_what_they_hold(self, client: Any) -> None:
        narrow, wide = (client.post("/v1/policy/preview", json={"mql": 0.1, "sql": 0.4, "level": level}).json() for level in (0.8, 0.95))
        assert (
            wide["mql"]["volume"]["low"] < narrow["mql"]["volume"]["low"] < narrow["mql"]["volume"]["high"] < wide["mql"]["volume"]["high"]
        )
        assert "luck of the draw" in wide["intervals"]

    def test_who_enters_and_who_leaves_today(self, client: Any, lead: Any) -> None:
        for name in ("ana", "bea"):
            client.put(f"/v1/leads/{name}", json={"job_title": "Chief Operating Officer", "company": f"{name} works", "employees": 200})
            client.post("/v1/activities", json=[{"lead_id": name, "type": "demo_request", "occurred_at": "2026-10-20T10:00:00Z"}])
            found = client.get(f"/v1/leads/{name}/decision", params={"refresh": "true"})
            assert found.status_code == 200
        probability = found.json()["probability"]
        publish(client, {"mql": {"enter": 0.9, "exit": 0.9}, "sql": {"enter": 0.95, "exit": 0.95}})
        for name in ("ana", "bea"):
            client.put(f"/v1/leads/{name}", json={"employees": 201})
            client.get(f"/v1/leads/{name}/decision", params={"refresh": "true"})
        lower = {"mql": {"enter": probability / 2, "exit": probability / 3}, "sql": {"enter": 0.95, "exit": 0.95}}
        today = client.post("/v1/policy/preview", json={"policy": lower}).json()["today"]
        assert (today["mql"]["enters"], today["mql"]["leaves"], today["sql"]["enters"]) == (2, 0, 0)
        assert {(one["lead_id"], one["company"]) for one in today["mql"]["entering"]} == {("ana", "ana works"), ("bea", "bea works")}
        publish(client, lower)
        same = client.post("/v1/policy/preview", json={"policy": lower}).json()["today"]
        assert (same["mql"]["enters"], same["mql"]["leaves"]) == (0, 0)

    def test_names_are_for_those_who_may_read_leads(self, guarded: Any, key_for: Key) -> None:
        writer, marketer = key_for("ingest", "read"), key_for("policy")
        guarded.put("/v1/leads/ana", json={"company": "Ana works"}, headers=writer)
        assert guarded.get("/v1/leads/ana/decision", params={"refresh": "true"}, headers=writer).status_code == 200
        everyone = {"mql": {"enter": 0, "exit": 0}, "sql": {"enter": 1, "exit": 1}}
        seen = [
            guarded.post("/v1/policy/preview", json={"policy": everyone}, headers=key).json()["today"]["mql"]["entering"]
            for key in (marketer, writer)
        ]
        assert [list(one) for (one,) in seen] == [["lead_id", "probability", "decision"], ["lead_id", "probability", "decision", "company"]]


class TestExperiment:
    def test_where_none_runs_there_is_none(self, client: Any) -> None:
        assert client.get("/v1/policy/experiment").json() == {"experiment": None, "since": None, "horizon_days": 90, "arms": []}

    def test_counts_the_leads_of_each_arm_and_says_when_it_is_too_early(self, client: Any, lead: Any) -> None:
        arm = {"name": "eager", "share": 0.5, "mql": {"enter": 0.0, "exit": 0.0}, "sql": {"enter": 0.9, "exit": 0.9}}
        strict = {"mql": {"enter": 0.99, "exit": 0.9}, "sql": {"enter": 0.99, "exit": 0.9}}
        publish(client, strict | {"experiment": {"name": "eager or not", "arms": [arm]}})
        for number in range(40):
            client.put(f"/v1/leads/lead-{number}", json={"job_title": "Buyer"})
            assert client.get(f"/v1/leads/lead-{number}/decision", params={"refresh": "true"}).status_code == 200
        found = client.get("/v1/policy/experiment").json()
        control, eager = found["arms"]
        assert (found["experiment"], control["name"], eager["name"]) == ("eager or not", "control", "eager")
        assert control["leads"] + eager["leads"] == 40
        assert control["passed_on"] == 0
        assert eager["passed_on"] == eager["leads"] > 0
        assert eager["differences"]["passing"]["low"] > 0
        assert eager["verdict"] == "too_early"
        assert eager["missing"] == {"conversions": 10, "mature_leads": max((one["leads"] + 1) // 2 for one in (control, eager))}


def test_the_history_is_a_table_too(client: Any) -> None:
    publish(client, note="=the fair", author="ana")
    lines = client.get("/v1/policy/versions", headers={"Accept": "text/csv"}).text.splitlines()
    assert lines[0] == "version,published_at,author,note,restores,policy"
    assert lines[1].startswith("1,")
    assert "'=the fair" in lines[1]


class TestTables:
    """The tables of the thresholds page, for a spreadsheet."""

    @staticmethod
    def rows(answer: Any) -> list[dict[str, str]]:
        assert answer.headers["content-type"].startswith("text/csv")
        return list(csv.DictReader(io.StringIO(answer.text)))

    def test_another_format_is_refused(self, client: Any) -> None:
        for method, path in (("GET", "curves"), ("GET", "experiment"), ("POST", "preview")):
            assert client.request(method, f"/v1/policy/{path}?format=xlsx", json={"mql": 0.2, "sql": 0.5}).status_code == 422

    def test_the_curves_are_a_row_for_each_threshold(self, client: Any) -> None:
        told = client.get("/v1/policy/curves").json()
        rows = self.rows(client.get("/v1/policy/curves?format=csv"))
        assert [float(row["threshold"]) for row in rows] == told["thresholds"]
        assert [float(row["caught_low"]) for row in rows] == told["caught"]["low"]

    def test_a_preview_is_a_row_for_each_queue_and_each_value_of_a_column(self, client: Any) -> None:
        body = {"mql": 0.2, "sql": 0.5, "by": "source"}
        told = client.post("/v1/policy/preview", json=body).json()
        rows = self.rows(client.post("/v1/policy/preview?format=csv", json=body))
        assert [row["queue"] for row in rows if not row["value"]] == ["mql", "sql"]
        assert float(rows[0]["volume"]) == told["mql"]["volume"]["value"]
        values = [row["value"] for row in rows if row["queue"] == "mql" and row["value"]]
        assert values == [one["value"] for one in told["by_segment"]["mql"]]
        assert len(self.rows(client.post("/v1/policy/preview?format=csv", json={"mql": 0.2, "sql": 0.5}))) == 2

    def test_an_experiment_is_a_row_for_each_arm_and_none_where_none_runs(self, client: Any) -> None:
        assert self.rows(client.get("/v1/policy/experiment?format=csv")) == []
        band = {"enter": 0.1, "exit": 0.09}
        arms = [{"name": "B", "share": 0.5, "mql": band, "sql": {"enter": 0.5, "exit": 0.45}}]
        publish(client, POLICY | {"experiment": {"name": "Bolder", "arms": arms}})
        control, other = self.rows(client.get("/v1/policy/experiment?format=csv"))
        assert (control["arm"], other["arm"], other["verdict"]) == ("control", "B", "too_early")
        assert (control["difference"], other["leads"]) == ("", "0")
