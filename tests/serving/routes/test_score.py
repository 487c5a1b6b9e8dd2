from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest

from data.store import Store
from serving.decider import Decider
from serving.routes.score import CHUNK

Key = Callable[..., dict[str, str]]


def entries(home: Path) -> int:
    store = Store.open(home)
    with store.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar_one())


class TestWhoMayScore:
    def test_an_anonymous_caller_may_not(self, guarded: Any, lead: Any, home: Path) -> None:
        answer = guarded.post("/v1/score", json=lead)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "key-missing"
        assert entries(home) == 0

    @pytest.mark.parametrize(
        "header", ["Bearer nonsense", "Bearer tmz_00000000.secret", "Basic dXNlcjpwYXNz", "Bearer", "", "Bearer \xff.\xff"]
    )
    def test_a_wrong_key_may_not(self, guarded: Any, lead: Any, header: str) -> None:
        assert guarded.post("/v1/score", json=lead, headers={"Authorization": header.encode("latin-1")}).status_code == 401

    def test_a_wrong_key_may_not_even_where_none_is_needed(self, client: Any, lead: Any) -> None:
        assert client.post("/v1/score", json=lead, headers={"Authorization": "Bearer tmz_00000000.secret"}).status_code == 401

    def test_an_expired_key_may_not(self, guarded: Any, lead: Any, key_for: Key) -> None:
        answer = guarded.post("/v1/score", json=lead, headers=key_for("score", expires_at=1))
        assert (answer.status_code, answer.json()["code"]) == (401, "key-wrong")

    def test_a_revoked_key_may_not_from_the_next_call_on(self, guarded: Any, lead: Any, key_for: Key, home: Path) -> None:
        header = key_for("score")
        assert guarded.post("/v1/score", json=lead, headers=header).status_code == 200
        Store.open(home).revoke_key(header["Authorization"].removeprefix("Bearer ").partition(".")[0])
        assert guarded.post("/v1/score", json=lead, headers=header).status_code == 401

    def test_a_key_for_something_else_may_not(self, guarded: Any, lead: Any, key_for: Key) -> None:
        answer = guarded.post("/v1/score", json=lead, headers=key_for("read", "policy"))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")

    def test_a_key_for_scoring_may(self, guarded: Any, lead: Any, key_for: Key) -> None:
        assert guarded.post("/v1/score", json=lead, headers=key_for("score")).status_code == 200
        assert guarded.post("/v1/score", json=lead, headers=key_for("admin")).status_code == 200


class TestBadInput:
    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            (b"", 400, "truncated"),
            (b'{"lead": {', 400, "truncated"),
            (b'{"lead": {"lead_id": "a"}} trailing', 400, "byte 28"),
            (b'{"lead": {"lead_id": "a" "b"}}', 400, "byte 25"),
            (b'{"lead": {"lead_id": "\xff"}}', 400, "UTF-8"),
            (b'{"lead": {"lead_id": "a", "employees": NaN}}', 422, "NaN or infinity"),
            (b'{"lead": {"lead_id": "a", "employees": Infinity}}', 422, "NaN or infinity"),
            (b'{"lead": {"lead_id": "a", "employees": -Infinity}}', 422, "NaN or infinity"),
            (b'{"lead": {"lead_id": "a", "employees": 1e999}}', 422, "out of range"),
            (b'{"lead": {"lead_id": "a", "x": ' + b"[" * 90_000 + b"]" * 90_000 + b"}}", 422, "nested too deeply"),
            (b"[]", 422, "Expected `object`"),
            (b"null", 422, "Expected `object`"),
            (b"{}", 422, "`lead`"),
            (b'{"lead": 7}', 422, "$.lead"),
            (b'{"lead": {}}', 422, "lead_id"),
            (b'{"lead": {"lead_id": ""}}', 422, "lead_id"),
            (b'{"lead": {"lead_id": true}}', 422, "lead_id"),
            (b'{"lead": {"lead_id": "a"}, "leed": 1}', 422, "leed"),
            (b'{"lead": {"lead_id": "a"}, "explain": "tarot"}', 422, "$.explain"),
            (b'{"lead": {"lead_id": "a"}, "as_of": "yesterday"}', 422, "$.as_of"),
            (b'{"lead": {"lead_id": "a"}, "as_of": "2026-06-01"}', 422, 'like "2026-06-01T00:00:00Z" - at `$.as_of`'),
            (b'{"lead": {"lead_id": "a"}, "as_of": 1780272000}', 422, 'written like "2026-06-01T09:00:00Z"'),
            (
                b'{"lead": {"lead_id": "a"}, "activities": [{"type": "call", "occurred_at": "2026-06-01"}]}',
                422,
                'like "2026-06-01T00:00:00Z" - at `$.activities[0].occurred_at`',
            ),
            (b'{"lead_id": "a"}', 422, "the keys here are lead, activities, account_activities, as_of, explain"),
            (
                b'{"lead": {"lead_id": "a"}, "account_activities": [{"type": "call", "when": "2026-06-01"}]}',
                422,
                "the keys here are type, occurred_at, activity_id, recorded_at, channel, url,",
            ),
            (b'{"lead": {"lead_id": "a"}, "activities": [{"type": "call"}]}', 422, "occurred_at"),
            (
                b'{"lead": {"lead_id": "a"}, "activities": [{"type": "call", "occurred_at": "2026-01-01T00:00:00Z", "mood": 1}]}',
                422,
                "mood",
            ),
            (b'{"lead": {"lead_id": "a", "created_at": "soon"}}', 422, "created_at"),
        ],
    )
    def test_is_a_problem_that_says_where(self, client: Any, home: Path, body: bytes, status: int, said: str) -> None:
        answer = client.post("/v1/score", content=body)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        problem = answer.json()
        assert said in problem["detail"]
        assert problem["status"] == status
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert entries(home) == 0

    def test_fifty_megabytes_are_refused_unread(self, client: Any) -> None:
        answer = client.post("/v1/score", content=b"x" * 50_000_000)
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")

    def test_fifty_megabytes_of_undeclared_length_are_refused_too(self, client: Any) -> None:
        answer = client.post("/v1/score", content=(b"x" * 100_000 for _ in range(500)))
        assert answer.status_code == 413

    def test_an_error_inside_tells_nothing_of_itself(self, client: Any, lead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def explode(*_: object, **__: object) -> None:
            raise RuntimeError("the secret is swordfish")

        monkeypatch.setattr("serving.decider.score_requests", explode)
        answer = client.post("/v1/score", json=lead)
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "swordfish" not in answer.text
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["x-content-type-options"] == "nosniff"

    def test_the_wrong_method_is_a_problem(self, client: Any) -> None:
        answer = client.get("/v1/score")
        assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
        assert answer.headers["allow"] == "POST"


class TestADecision:
    def test_has_every_field_of_the_contract(self, client: Any, lead: Any) -> None:
        decision = client.post("/v1/score", json=lead).json()
        assert list(decision) == [
            *("lead_id", "as_of", "probability", "probability_low", "probability_high", "horizon_days", "score", "grade", "decision"),
            *("previous_decision", "changed", "rules", "bant", "fit", "engagement", "reasons", "missing", "receipt", "override"),
            *("expected_value", "by_day"),
        ]
        assert list(decision["bant"]) == ["budget", "authority", "need", "timeline"]
        assert list(decision["reasons"][0]) == ["signal", "family", "sentence", "value", "contribution"]
        receipt = {"decision_id", "model_version", "feature_set", "policy_version", "input_hash", "scored_at", "merged"}
        assert set(decision["receipt"]) == receipt
        assert decision["as_of"] == "2026-10-21T09:00:00Z"
        assert decision["probability_low"] <= decision["probability"] <= decision["probability_high"]

    def test_is_in_the_ledger_as_it_was_answered(self, client: Any, lead: Any, home: Path) -> None:
        answer = client.post("/v1/score", json=lead)
        receipt = answer.json()["receipt"]
        kept = Store.open(home).decision(receipt["decision_id"])
        assert kept is not None
        assert kept["answer"] == answer.content
        assert kept["input_hash"] == receipt["input_hash"]
        assert json.loads(kept["input"])["lead"] == lead["lead"]
        assert kept["policy_version"] == "default"

    def test_looks_as_of_its_receipt_unless_told_otherwise(self, client: Any) -> None:
        before = datetime.now(UTC)
        decision = client.post("/v1/score", json={"lead": {"lead_id": "now"}}).json()
        assert before <= datetime.fromisoformat(decision["as_of"]) <= datetime.now(UTC)

    def test_reads_a_time_without_offset_as_utc(self, client: Any, lead: Any) -> None:
        naive = json.loads(json.dumps(lead).replace('Z"', '"'))
        assert client.post("/v1/score", json=naive).json()["probability"] == client.post("/v1/score", json=lead).json()["probability"]

    def test_answers_in_utc_whatever_the_zone_asked_in(self, client: Any, lead: Any) -> None:
        there = client.post("/v1/score", json=lead | {"as_of": "2026-10-21T11:00:00+02:00"}).json()
        here = client.post("/v1/score", json=lead).json()
        assert (there["as_of"], there["receipt"]["input_hash"]) == ("2026-10-21T09:00:00Z", here["receipt"]["input_hash"])

    @pytest.mark.parametrize(
        "at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
    )
    def test_survives_the_ends_of_the_calendar(self, client: Any, at: str) -> None:
        activity = {"type": "call", "occurred_at": at, "recorded_at": at}
        for more in ({"as_of": at}, {"activities": [activity]}, {"account_activities": [activity]}):
            for name in ("lead_id", "created_at"):
                body = {"lead": {"lead_id": "a"} | ({name: at} if name != "lead_id" else {})} | more
                assert client.post("/v1/score", json=body).status_code in (200, 422), body

    def test_ignores_what_happened_later_and_says_so(self, client: Any, lead: Any) -> None:
        later = {"type": "demo_request", "occurred_at": "2026-10-21T09:00:00Z"}
        plain = client.post("/v1/score", json=lead).json()
        warned = client.post("/v1/score", json=lead | {"activities": [*lead["activities"], later]}).json()
        assert warned["probability"] == plain["probability"]
        assert any("1 activities from as_of or later" in one for one in warned["missing"])

    def test_takes_attributes_that_nobody_asked_for_and_lists_them(self, client: Any, lead: Any) -> None:
        lead["lead"]["shoe_size"] = [42, {"eu": True}]
        answer = client.post("/v1/score", json=lead)
        assert answer.status_code == 200
        assert any("shoe_size" in one for one in answer.json()["missing"])

    def test_takes_a_number_for_an_id(self, client: Any) -> None:
        assert client.post("/v1/score", json={"lead": {"lead_id": 7}}).json()["lead_id"] == "7"

    def test_keeps_an_id_byte_for_byte(self, client: Any) -> None:
        assert client.post("/v1/score", json={"lead": {"lead_id": " 007ñ"}}).json()["lead_id"] == " 007ñ"

    def test_remembers_the_one_before(self, client: Any, lead: Any) -> None:
        first = client.post("/v1/score", json=lead).json()
        assert (first["previous_decision"], first["changed"]) == (None, False)
        quiet = client.post("/v1/score", json={"lead": {"lead_id": lead["lead"]["lead_id"]}, "as_of": lead["as_of"]}).json()
        assert (quiet["previous_decision"], quiet["changed"]) == (first["decision"], quiet["decision"] != first["decision"])

    def test_leaves_reasons_out_on_request(self, client: Any, lead: Any) -> None:
        assert client.post("/v1/score", json=lead | {"explain": "none"}).json()["reasons"] == []


class TestIdempotency:
    def test_an_overlong_key_is_refused(self, client: Any, lead: Any) -> None:
        assert client.post("/v1/score", json=lead, headers={"Idempotency-Key": "k" * 256}).status_code == 422

    def test_the_same_key_with_another_body_is_refused(self, client: Any, lead: Any) -> None:
        headers = {"Idempotency-Key": "k1"}
        client.post("/v1/score", json=lead, headers=headers)
        answer = client.post("/v1/score", json=lead | {"explain": "none"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-mismatch")

    def test_the_same_request_is_answered_by_the_same_bytes_and_entered_once(self, client: Any, lead: Any, home: Path) -> None:
        headers = {"Idempotency-Key": "k1"}
        first, second = (client.post("/v1/score", json=lead, headers=headers) for _ in range(2))
        assert first.content == second.content
        assert second.headers["idempotent-replay"] == "true"
        assert entries(home) == 1

    def test_a_failed_request_may_be_tried_again(self, client: Any, lead: Any) -> None:
        headers = {"Idempotency-Key": "k1"}
        assert client.post("/v1/score", content=b"{", headers=headers).status_code == 400
        assert client.post("/v1/score", json=lead, headers=headers).status_code == 200

    def test_two_callers_may_use_the_same_key(self, guarded: Any, lead: Any, key_for: Key) -> None:
        answers = [guarded.post("/v1/score", json=lead, headers=key_for("score") | {"Idempotency-Key": "1"}).json() for _ in range(2)]
        assert answers[0]["receipt"]["decision_id"] != answers[1]["receipt"]["decision_id"]


class TestABatch:
    def test_an_anonymous_caller_may_not(self, guarded: Any, lead: Any) -> None:
        assert guarded.post("/v1/score/batch", json={"items": [lead]}).status_code == 401

    def test_of_1001_is_refused_whole(self, client: Any, home: Path) -> None:
        answer = client.post("/v1/score/batch", json={"items": [{"lead": {"lead_id": "a"}}] * 1001})
        assert (answer.status_code, answer.json()["code"]) == (413, "batch-too-long")
        assert entries(home) == 0

    def test_with_an_unknown_key_is_refused(self, client: Any) -> None:
        assert client.post("/v1/score/batch", json={"items": [], "as_of": None}).status_code == 422

    def test_of_none_is_answered_by_none(self, client: Any) -> None:
        assert client.post("/v1/score/batch", json={"items": []}).json() == {"scored": 0, "failed": 0, "items": []}

    def test_answers_each_item_and_no_bad_one_spoils_the_rest(self, client: Any, lead: Any, home: Path) -> None:
        items = [lead, {"lead": {}}, {"lead": {"lead_id": "b"}}, 7, {"lead": {"lead_id": "c", "created_at": "soon"}}]
        answer = client.post("/v1/score/batch", json={"items": items}).json()
        assert [item["status"] for item in answer["items"]] == [200, 422, 200, 422, 422]
        assert (answer["scored"], answer["failed"]) == (2, 3)
        assert "created_at" in answer["items"][4]["problem"]["detail"]
        assert answer["items"][0]["answer"]["lead_id"] == lead["lead"]["lead_id"]
        assert entries(home) == 2

    def test_gives_a_lead_the_figures_that_it_gets_alone(self, client: Any, lead: Any) -> None:
        others = [{"lead": {"lead_id": f"x{n}", "employees": n}} for n in range(120)]
        batch = client.post("/v1/score/batch", json={"items": [*others, lead]}).json()["items"][-1]["answer"]
        alone = client.post("/v1/score", json=lead).json()
        same = ("probability", "probability_low", "probability_high", "score", "reasons", "bant")
        assert [batch[name] for name in same] == [alone[name] for name in same]
        assert batch["receipt"]["input_hash"] == alone["receipt"]["input_hash"]

    def test_sees_its_own_earlier_decision_on_a_lead(self, client: Any, lead: Any) -> None:
        first, second = (item["answer"] for item in client.post("/v1/score/batch", json={"items": [lead, lead]}).json()["items"])
        assert first["previous_decision"] is None
        assert second["previous_decision"] == first["decision"]

    def test_sees_it_also_where_what_came_before_is_still_being_written(self, client: Any, lead: Any, home: Path) -> None:
        items = [lead, *({"lead": {"lead_id": f"x{n}"}} for n in range(2 * CHUNK)), lead]
        first, *_, last = (item["answer"] for item in client.post("/v1/score/batch", json={"items": items}).json()["items"])
        assert last["previous_decision"] == first["decision"]
        assert entries(home) == 2 * CHUNK + 2


class TestABatchSentTwice:
    KEY: ClassVar = {"Idempotency-Key": "k1"}

    def test_with_other_items_is_refused_and_enters_nothing(self, client: Any, lead: Any, home: Path) -> None:
        client.post("/v1/score/batch", json={"items": [lead]}, headers=self.KEY)
        answer = client.post("/v1/score/batch", json={"items": [lead, {"lead": {"lead_id": "b"}}]}, headers=self.KEY)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-mismatch")
        assert entries(home) == 1

    def test_is_answered_by_the_same_bytes_and_entered_once(self, client: Any, lead: Any, home: Path) -> None:
        items = [lead, {"lead": {}}, *({"lead": {"lead_id": f"x{n}"}} for n in range(70)), lead]
        first, second = (client.post("/v1/score/batch", json={"items": items}, headers=self.KEY) for _ in range(2))
        assert first.content == second.content
        assert "idempotent-replay" not in first.headers
        assert second.headers["idempotent-replay"] == "true"
        assert entries(home) == 72

    def test_goes_on_where_it_was_cut_off(self, client: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        items = [{"lead": {"lead_id": f"x{n}"}} for n in range(120)]
        many, turns = Decider.many, count()

        async def cut_off(self: Decider, *given: Any) -> Any:
            if next(turns) == 1:
                raise ZeroDivisionError
            return await many(self, *given)

        with monkeypatch.context() as patched:
            patched.setattr(Decider, "many", cut_off)
            assert client.post("/v1/score/batch", json={"items": items}, headers=self.KEY).status_code == 500
        done = entries(home)
        assert 0 < done < 120
        answer = client.post("/v1/score/batch", json={"items": items}, headers=self.KEY)
        assert answer.json()["scored"] == 120
        assert entries(home) == 120
        assert [item["answer"]["previous_decision"] for item in answer.json()["items"]] == [None] * 120

    def test_has_nothing_to_do_with_one_lead_under_the_same_key(self, client: Any, lead: Any) -> None:
        client.post("/v1/score/batch", json={"items": [lead]}, headers=self.KEY)
        assert client.post("/v1/score", json=lead, headers=self.KEY).status_code == 200
