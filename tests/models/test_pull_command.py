"""`tamiz pull --watch` in the words of whoever runs it beside the service: it follows, it keeps, and it does not nag."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import TamizError
from models.pull_command import follow
from models.registry import MlflowFailed, NoSuchVersion


class Enough(Exception):
    """The story is told."""


class ScriptedRegistry:
    """Answers each look with the next entry: a folder, None (nothing new) or an error."""

    def __init__(self, *looks: Path | Exception | None) -> None:
        self.looks = list(looks)

    def show_challenger(self) -> Path | None:
        return None

    def pull_if_new(self) -> Path | None:
        look = self.looks.pop(0) if self.looks else Enough()
        if isinstance(look, Exception):
            raise look
        return look


class NobodyAsks:
    """No request waits."""

    def carry_out(self) -> str:
        return ""


def told(*looks: Path | Exception | None) -> list[str]:
    said: list[str] = []
    with pytest.raises(Enough):
        follow(ScriptedRegistry(*looks), NobodyAsks(), say=said.append, rest=lambda: None)  # type: ignore[arg-type]  # all that it asks of them
    return said


AWAY: TamizError = MlflowFailed(uri="http://mlflow", reason="no answer")


def test_without_a_champion_it_waits_and_says_so_once() -> None:
    nobody = NoSuchVersion(alias="champion")
    assert len(told(nobody, nobody, nobody)) == 1
    assert "tamiz promote" in told(nobody)[0]


def test_a_failure_keeps_the_last_champion_and_is_said_once() -> None:
    said = told(Path("v1-aa"), AWAY, AWAY, None, AWAY, Path("v2-bb"))
    assert [text.split(".")[0] for text in said] == ["champion is v1-aa", str(AWAY).split(".")[0], "champion is v2-bb"]
    assert "last champion stays" in said[1]


def test_a_full_disk_does_not_end_the_watch() -> None:
    said = told(OSError(28, "No space left on device"), Path("v1-aa"))
    assert "No space left" in said[0]
    assert said[1] == "champion is v1-aa"


def test_nothing_new_is_nothing_to_say() -> None:
    assert told(None, None) == []
