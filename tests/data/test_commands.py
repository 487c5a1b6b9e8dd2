"""`tamiz config` and `tamiz db`, as an operator uses them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import tamiz

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Call `tamiz` in an empty folder with nothing set."""
    monkeypatch.chdir(tmp_path)
    for name in ("TAMIZ_HOME", "TAMIZ_AUTH", "TAMIZ_DEBUG", "TAMIZ_REQUIRE_ALL", "TAMIZ_DATASETS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            tamiz.main(arguments)
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return call


class TestConfig:
    def test_a_broken_project_file_is_one_line_and_exit_2(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "tamiz.toml").write_text("[settings")
        code, out, err = run("config")
        assert (code, out) == (2, "")
        assert err.startswith(f"error: {tmp_path / 'tamiz.toml'} is not valid TOML")

    def test_a_misspelt_variable_is_warned_of(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TAMIZ_HOEM", "x")
        code, _, err = run("config")
        assert code == 0
        assert "TAMIZ_HOEM is set but is not a setting" in err

    def test_every_value_says_where_it_came_from(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "tamiz.toml").write_text("[settings]\nhome = 'kept'")
        monkeypatch.setenv("TAMIZ_AUTH", "dev")
        code, out, err = run("config", "--json")
        said = json.loads(out)

        assert (code, err) == (0, "")
        assert said["home"] == {"value": str(tmp_path / "kept"), "origin": str(tmp_path / "tamiz.toml")}
        assert said["auth"] == {"value": "dev", "origin": "environment variable TAMIZ_AUTH"}
        assert said["tracking"] == {"value": "", "origin": "default"}

    def test_no_password_is_printed(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ana:girasol-7@db/mlflow")
        assert "girasol-7" not in run("config")[1] + run("config", "--json")[1]


class TestDatabase:
    def test_an_upgrade_creates_the_database_and_a_second_one_leaves_it_alone(self, run: Run, tmp_path: Path) -> None:
        code, out, _ = run("db", "upgrade")
        assert (code, "from empty" in out) == (0, True)
        with sqlite3.connect(tmp_path / "var" / "tamiz.db") as database:
            assert database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'decisions'").fetchone() == (1,)
        database.close()

        assert "up to date" in run("db", "upgrade")[1]

    def test_pruning_an_installation_without_anything_old_says_so(self, run: Run) -> None:
        run("db", "upgrade")
        assert run("db", "prune")[:2] == (0, "would prune 0 decisions (0.0 MB) and 0 bundles: do it with --yes\n")
        assert run("db", "prune", "--yes")[:2] == (0, "0 decisions (0.0 MB) and 0 bundles pruned\n")
        code, _, err = run("db", "prune", "--older-than", "5")
        assert code == 2
        assert "30" in err

    def test_a_home_that_cannot_be_a_folder_is_named(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "var").write_text("a file stands here")
        code, out, err = run("db", "upgrade")
        assert (code, out) == (3, "")
        assert err.startswith("error:")
        assert str(tmp_path / "var") in err
