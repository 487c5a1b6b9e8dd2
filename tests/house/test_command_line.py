"""`tamiz` as people meet it: quick to list, plain about failures, and the same from every folder."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import typer

import tamiz
from data.errors import BadData, DependencyFailed, GateSaidNo, TamizError

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = Path(sys.executable).parent / "tamiz"
HEAVY = {"pandas", "numpy", "sklearn", "lightgbm", "mlflow", "pyarrow", "duckdb", "plotly", "scipy", "fastapi", "sqlalchemy"}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line in this process: its exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("TAMIZ_DEBUG", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            tamiz.main(arguments)
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, run: Run) -> Callable[[BaseException], tuple[int, str, str]]:
    """Call a command that raises what is given."""

    def call(problem: BaseException) -> tuple[int, str, str]:
        def command() -> None:
            raise problem

        module = ModuleType("commands_that_fail")
        module.fail = command  # type: ignore[attr-defined]  # a module made for this test
        monkeypatch.setitem(sys.modules, "commands_that_fail", module)
        monkeypatch.setitem(tamiz.COMMANDS, "fail", tamiz.Command("commands_that_fail:fail", "Fail."))
        return run("fail")

    return call


class TestFailures:
    @pytest.mark.parametrize(
        ("problem", "exit_code"),
        [
            (GateSaidNo("HOLD: not better"), 1),
            (BadData("leads.csv is empty"), 2),
            (DependencyFailed("no registry"), 3),
            (TamizError("odd"), 3),
        ],
    )
    def test_an_error_of_ours_is_one_line_and_its_own_exit_code(
        self, failing: Callable[[BaseException], tuple[int, str, str]], problem: TamizError, exit_code: int
    ) -> None:
        assert failing(problem) == (exit_code, "", f"error: {problem}\n")

    def test_a_full_disk_is_one_line_with_the_file(self, failing: Callable[[BaseException], tuple[int, str, str]]) -> None:
        problem = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "scores.csv")
        assert failing(problem) == (3, "", "error: No space left on device: scores.csv\n")

    def test_a_file_that_may_not_be_written_is_one_line(self, failing: Callable[[BaseException], tuple[int, str, str]]) -> None:
        problem = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "scores.csv")
        assert failing(problem) == (3, "", "error: Permission denied: scores.csv\n")

    def test_ctrl_c_is_silent_and_130(self, failing: Callable[[BaseException], tuple[int, str, str]]) -> None:
        assert failing(KeyboardInterrupt()) == (130, "", "")

    def test_a_missing_package_says_to_build_the_environment(self, failing: Callable[[BaseException], tuple[int, str, str]]) -> None:
        code, out, err = failing(ModuleNotFoundError("No module named 'duckdb'"))
        assert (code, out) == (3, "")
        assert err == "error: No module named 'duckdb'. Is the environment complete? Run `make env`.\n"

    def test_a_bug_is_one_line_that_says_how_to_see_more(self, failing: Callable[[BaseException], tuple[int, str, str]]) -> None:
        code, out, err = failing(ZeroDivisionError("division\nby zero"))
        assert (code, out) == (3, "")
        assert err.startswith("error: unexpected ZeroDivisionError: division by zero. Run it again with TAMIZ_DEBUG=1")
        assert err.count("\n") == 1

    def test_the_traceback_of_a_bug_is_there_for_who_asks(
        self, failing: Callable[[BaseException], tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, run: Run
    ) -> None:
        monkeypatch.setenv("TAMIZ_DEBUG", "1")
        _, _, err = failing(ZeroDivisionError("division by zero"))
        assert "Traceback" in err
        assert "raise problem" in err

    def test_a_command_may_end_with_a_code_of_its_own(self, failing: Callable[[BaseException], tuple[int, str, str]]) -> None:
        assert failing(typer.Exit(1)) == (1, "", "")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["trian"], "error: No such command 'trian'. Did you mean 'train'"),
            (["config", "--jason"], "error: No such option: --jason"),
            (["simulate"], "error: Missing option '--out'. Try `tamiz simulate --help`."),
            (["simulate", "--out", "x", "--leads", "0"], "error: Invalid value for '--leads'"),
            (["simulate", "--out", "x", "--leads", "many"], "error: Invalid value for '--leads'"),
        ],
    )
    def test_bad_usage_is_one_line_with_where_to_look(self, run: Run, arguments: list[str], message: str) -> None:
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith(message)
        assert err.count("\n") == 1

    def test_a_reader_that_has_seen_enough_is_no_error(self) -> None:
        nobody_reads, writing = os.pipe()
        os.close(nobody_reads)
        try:
            done = subprocess.run([INSTALLED, "--help"], stdout=writing, stderr=subprocess.PIPE, check=False)
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (141, b"")


class TestListing:
    def test_tamiz_alone_lists_every_command(self, run: Run) -> None:
        code, out, err = run()
        assert (code, err) == (0, "")
        for name, command in tamiz.COMMANDS.items():
            assert re.search(rf"^  {name} +{re.escape(command.help)}$", out, flags=re.MULTILINE)

    def test_listing_and_explaining_commands_import_nothing_heavy(self) -> None:
        code = (
            "import sys, contextlib, os, tamiz\n"
            "with contextlib.redirect_stdout(open(os.devnull, 'w')):\n"
            "    for words in [['--help'], ['--version'], *([name, '--help'] for name in tamiz.COMMANDS)]:\n"
            "        try: tamiz.main(words)\n"
            "        except SystemExit as stopped: assert not stopped.code, words\n"
            "print('\\n'.join({name.split('.')[0] for name in sys.modules}))"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert HEAVY & set(done.stdout.split()) == set()

    @pytest.mark.parametrize("name", sorted(tamiz.COMMANDS))
    def test_every_command_explains_itself_with_an_example(self, run: Run, name: str) -> None:
        code, out, _ = run(name, "--help")
        assert code == 0
        for words in leaves(name):
            code, out, _ = run(*words, "--help")
            assert code == 0
            assert re.search(rf"Examples?:\n(.*\n)*? +(\w+=\S+ )*tamiz {' '.join(words)}\b", out), out

    @pytest.mark.parametrize("name", sorted(tamiz.COMMANDS))
    def test_help_is_not_cut_short_and_speaks_no_python(self, run: Run, name: str) -> None:
        for words in [(name,), *leaves(name)]:
            _, out, _ = run(*words, "--help")
            assert not re.search(r"\w\.\.\.$", out, flags=re.MULTILINE), out
            assert not re.search(r"^ +--\S+ <", out, flags=re.MULTILINE), out

    @pytest.mark.parametrize("name", sorted(tamiz.COMMANDS))
    def test_the_readme_tells_of_every_command(self, name: str) -> None:
        assert f"tamiz {name}" in (ROOT / "README.md").read_text()


class TestAnywhere:
    @pytest.fixture
    def elsewhere(self, tmp_path: Path) -> Path:
        """A folder whose own `data`, `models` … would shadow ours if they were looked up there."""
        for package in tamiz.PACKAGES:
            (tmp_path / package).mkdir()
            (tmp_path / package / "__init__.py").write_text("raise ImportError('this is not our package')")
        return tmp_path

    @pytest.mark.parametrize("command", [[str(INSTALLED)], [sys.executable, "-m", "tamiz"]], ids=["tamiz", "python -m tamiz"])
    def test_our_packages_are_found_from_a_folder_with_the_same_names(self, elsewhere: Path, command: list[str]) -> None:
        shadowed = os.environ | {"PYTHONPATH": str(elsewhere)}
        done = subprocess.run([*command, "--version"], cwd=elsewhere, env=shadowed, capture_output=True, text=True, check=True)

        places = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[1:])
        assert places == {package: str(ROOT / package / "__init__.py") for package in tamiz.PACKAGES}

    def test_a_command_runs_from_a_folder_with_the_same_names(self, elsewhere: Path) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TAMIZ_")} | {"PYTHONPATH": str(elsewhere)}
        done = subprocess.run([INSTALLED, "config", "--json"], cwd=elsewhere, env=environ, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["home"] == {"value": str(elsewhere / "var"), "origin": "default"}

    def test_output_is_utf8_whatever_the_locale_says(self, tmp_path: Path) -> None:
        environ = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "TAMIZ_HOME": "señales"}
        done = subprocess.run([INSTALLED, "config", "--json"], cwd=tmp_path, env=environ, capture_output=True, check=True)
        assert json.loads(done.stdout.decode())["home"]["value"].endswith("señales")


def leaves(name: str) -> list[list[str]]:
    """The command itself, or the commands of its group."""
    target = tamiz._load(tamiz.COMMANDS[name].target)
    if not isinstance(target, typer.Typer):
        return [[name]]
    return [[name, each.name or (each.callback.__name__ if each.callback else "").replace("_", "-")] for each in target.registered_commands]
