"""Carrying out what was asked for at the service, in the words of whoever follows the champion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from data.home import Home
from data.promotions import ask, newest
from data.store import Store
from models.promotions import Requests, command_of


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def store(home: Home) -> Store:
    return Store.open(home.root)


class Commands:
    """Notes what would be run, and answers as it was told to."""

    def __init__(self, code: int, said: str) -> None:
        self.ran: list[list[str]] = []
        self.answer = code, said

    def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        self.ran.append(list(command))
        return self.answer


def test_where_there_is_no_database_nothing_is_made_and_nothing_run(home: Home) -> None:
    run = Commands(0, "")
    assert Requests(home, run).carry_out() == ""
    assert run.ran == []
    assert not home.db_path.exists()


@pytest.mark.parametrize(
    ("code", "said", "state"),
    [
        (0, "champion is now version 7", "done"),
        (1, "HOLD: calibration", "held"),
        (2, "There is no challenger", "failed"),
        (3, "MLflow", "failed"),
    ],
)
def test_what_the_command_said_is_what_became_of_it(home: Home, store: Store, code: int, said: str, state: str) -> None:
    ask(store, "promote", "7", author="Eva", why="", actor="tmz_1")
    run = Commands(code, said)
    requests = Requests(home, run)
    assert requests.carry_out() == f"promote that Eva asked for: {state}. {said}"
    assert [(one.state, one.message) for one in newest(store)] == [(state, said)]
    assert requests.carry_out() == ""
    assert len(run.ran) == 1


def test_a_reason_that_looks_like_an_option_is_still_a_reason(store: Store) -> None:
    asked = ask(store, "promote", "7", author="Eva", why="--model 9; rm -rf /", actor="tmz_1")
    assert command_of(asked)[1:] == ["-m", "tamiz", "promote", "--model", "7", "--why=--model 9; rm -rf /"]


def test_without_a_reason_the_gates_are_not_overruled_and_a_rollback_names_no_version(store: Store) -> None:
    asked = ask(store, "rollback", None, author="Eva", why="", actor="tmz_1")
    assert command_of(asked)[1:] == ["-m", "tamiz", "rollback"]


def test_a_command_that_really_runs_says_why_it_could_not(home: Home, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIZ_HOME", str(home.root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    ask(store, "rollback", None, author="Eva", why="", actor="tmz_1")
    said = Requests(home).carry_out()
    assert "failed" in said
    assert "no connection" in str(newest(store)[0].message)
