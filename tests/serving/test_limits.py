from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from data.store import Store
from serving.limits import Limits, TooManyRequests
from serving.security import new_key


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_020.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock.time)
    return clock


def admitted(limits: Limits, key: str, rate: int, tries: int) -> int:
    passed = 0
    for _ in range(tries):
        try:
            limits.take(key, rate)
            passed += 1
        except TooManyRequests:
            pass
    return passed


def test_what_is_over_the_rate_waits_as_long_as_it_is_told(clock: Clock) -> None:
    limits = Limits()
    assert admitted(limits, "crm", 5, 9) == 5
    with pytest.raises(TooManyRequests, match="5 times a minute") as refused:
        limits.take("crm", 5)
    clock.now += int(refused.value.headers["Retry-After"])
    limits.take("crm", 5)


def test_the_turn_of_a_minute_lets_no_double_through(clock: Clock) -> None:
    limits = Limits()
    assert admitted(limits, "crm", 60, 100) == 60
    clock.now += 59.0
    assert admitted(limits, "crm", 60, 100) == 0
    clock.now += 1.1
    assert admitted(limits, "crm", 60, 100) == 60


def test_keys_do_not_use_each_others_minute(clock: Clock) -> None:
    limits = Limits()
    assert [admitted(limits, key, 2, 5) for key in ("crm", "web")] == [2, 2]


def test_the_answer_is_a_429_with_retry_after_and_other_keys_go_on(
    guarded: Any, home: Any, key_for: Callable[..., dict[str, str]], lead: Any
) -> None:
    key, stored = new_key(["score"], rate=2)
    store = Store.open(home)
    store.add_key(stored)
    store.close()
    hasty = {"Authorization": f"Bearer {key}"}
    answers = [guarded.post("/v1/score", json=lead, headers=hasty) for _ in range(4)]
    assert [answer.status_code for answer in answers][:3] == [200, 200, 429]
    assert answers[2].json()["code"] == "too-many-requests"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert guarded.post("/v1/score", json=lead, headers=key_for("score")).status_code == 200
