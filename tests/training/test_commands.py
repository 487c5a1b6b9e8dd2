"""`tamiz train` on the command line: bad input is one line and a code, stdout is what was asked for, nothing is half-registered."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tamiz
from data.home import Home
from models.bundle import Bundle
from models.registry import CHALLENGER, MlflowFailed, ModelNotRegistered, Registry, read_pointer
from tests.trained import environment, flat_table, home_with_store, write_events

TAMIZ = [sys.executable, "-m", "tamiz"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`tamiz train …` in this process, without MLflow: exit code, stdout, stderr."""
    monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "var"))
    monkeypatch.setattr("training.train.register", lambda *given, **more: (None, None))
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        code = tamiz._run(["train", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def written(path: Path, frame: pd.DataFrame | str) -> str:
    path.write_text(frame if isinstance(frame, str) else frame.to_csv(index=False))
    return str(path)


def refused(result: tuple[int, str, str], code: int = 2) -> str:
    """The error, which is the last line on stderr and only one."""
    assert result[0] == code, result
    *before, last = result[2].splitlines()
    assert last.startswith("error: ")
    assert not any(line.startswith(("error:", "Traceback")) for line in before)
    return last


class TestBadUsage:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ([], "--leads FILE --label COLUMN"),
            (["--leads", "a.csv"], "--label"),
            (["--leads", "a.csv", "--label", "won"], "a.csv"),
            (["--leads", "a.csv", "--label", "won", "--order-by", "x", "--order-by-row"], "exclude"),
            (["--leads", "a.csv", "--label", "won", "--project", "tamiz.toml"], "exclude"),
            (["--project", "nowhere.toml"], "nowhere.toml"),
            (["--leads", ".", "--label", "won"], "folder"),
            (["--leads", "a.csv", "--label", "won", "--trials", "many"], "--trials"),
        ],
    )
    def test_what_is_missing_or_wrong_is_named(self, run: Run, words: list[str], said: str) -> None:
        assert said in refused(run(*words))

    def test_names_that_are_nowhere(self, run: Run, tmp_path: Path) -> None:
        leads = written(tmp_path / "leads.csv", flat_table(300))
        for words, said in [
            (["--allow", "vists"], "did you mean visits"),
            (["--drop", "vists"], "vists"),
            (["--order-by", "dy"], "dy"),
            (["--id", "customer"], "customer"),
            (["--positive", "maybe"], "maybe"),
        ]:
            assert said in refused(run("--leads", leads, "--label", "won", *words))
        assert "win" in refused(run("--leads", leads, "--label", "win"))

    def test_a_drop_that_is_nowhere_in_event_tables(self, run: Run, event_project: Path) -> None:
        assert "did you mean employees" in refused(run("--project", str(event_project), "--drop", "employes"))


class TestBadData:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "empty"),
            ("size,won\n", "no rows"),
            ("size,won\n" + "1,yes\n" * 30, "one class"),
            ("size,won\n" + "1,yes\n2,no\n3,perhaps\n" * 9, "3 values"),
            ("size,won\n1,\n2,\n", "blank"),
            ("won\n" + "yes\nno\n" * 20, "no column to learn from"),
            ("size,won\n1,yes\n2,no\n", "at least 10"),
            ("size,size,won\n1,2,yes\n", "more than once"),
            ("size,won\n" + "1,yes\n2\n" * 20, "wrong number of fields"),
            ('size,won\n1,"yes\n2,no\n', "quotation mark"),
        ],
    )
    def test_a_file_that_teaches_nothing(self, run: Run, tmp_path: Path, text: str, said: str) -> None:
        assert said in refused(run("--leads", written(tmp_path / "leads.csv", text), "--label", "won"))
        assert not list((tmp_path / "var" / "bundles").glob("*"))

    def test_ids_that_repeat_and_dates_that_do_not_parse_stop_the_run_when_they_are_many(self, run: Run, tmp_path: Path) -> None:
        table = flat_table(300)
        leads = written(tmp_path / "leads.csv", table.assign(lead_id="same"))
        assert "duplicate id" in refused(run("--leads", leads, "--label", "won"))
        leads = written(tmp_path / "leads.csv", table.assign(day=np.where(np.arange(300) % 9, table["day"], "someday")))
        assert "'someday'" in refused(run("--leads", leads, "--label", "won", "--order-by", "day"))

    def test_a_few_of_them_are_put_aside_counted_and_written_down(self, run: Run, tmp_path: Path) -> None:
        table = flat_table(400)
        table.loc[5, "lead_id"], table.loc[7, "day"] = "00004", "someday"
        leads = written(tmp_path / "leads.csv", table)
        code, out, err = run("--leads", leads, "--label", "won", "--order-by", "day", "--quick", "--json")
        assert (code, json.loads(out)["quarantined"], json.loads(out)["rows"]) == (0, 2, 398)
        (file,) = (tmp_path / "var" / "quarantine").glob("*.csv")
        assert str(file) in err
        assert pd.read_csv(file)["row"].tolist() == [6, 8]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("until = 2024-01-20T00:00:00Z", "no observation is left"),
            ("horizon_days = 900", "no observation is left"),
        ],
    )
    def test_when_everything_is_immature(self, run: Run, tmp_path: Path, change: str, said: str) -> None:
        path = write_events(tmp_path / "events", leads=60)
        key = change.split(" ", maxsplit=1)[0]
        path.write_text(re.sub(rf"{key} = .*", change, path.read_text()))
        assert said in refused(run("--project", str(path)))

    def test_one_class_after_maturity(self, run: Run, tmp_path: Path) -> None:
        """Everybody who converts does so when the horizon has passed."""
        path = write_events(tmp_path / "events", leads=80)
        path.write_text(
            path.read_text().replace("horizon_days = 30", "horizon_days = 1").replace("ages_days", "activity_instants = 0\nages_days")
        )
        assert "did not convert" in refused(run("--project", str(path)))

    @pytest.mark.parametrize("rows", [12, 16, 30])
    def test_fewer_rows_than_folds(self, run: Run, tmp_path: Path, rows: int) -> None:
        """Refused in a line, or fitted and said to be no signal; never a bundle that claims something."""
        leads = written(tmp_path / "leads.csv", flat_table(rows))
        for words in (["--order-by", "day"], []):
            result = run("--leads", leads, "--label", "won", "--quick", "--json", *words)
            if result[0]:
                assert "Bring more or older rows" in refused(result)
            else:
                assert json.loads(result[1])["no_signal"]

    @pytest.mark.parametrize("leads", [14, 30])
    def test_fewer_leads_than_folds_among_events(self, run: Run, tmp_path: Path, leads: int) -> None:
        result = run("--project", str(write_events(tmp_path / "events", leads=leads)), "--quick", "--json")
        if result[0]:
            assert "Bring more" in refused(result)
        else:
            assert json.loads(result[1])["no_signal"]

    def test_a_constant_target_among_the_newest(self, run: Run, tmp_path: Path) -> None:
        """The export has lost its last outcomes: nothing can be tested, which is not the same as no signal."""
        table = flat_table(900)
        table.loc[650:, "won"] = "no"
        code, out, _ = run("--leads", written(tmp_path / "leads.csv", table), "--label", "won", "--order-by", "day", "--quick")
        assert code == 0
        assert out.splitlines()[0].startswith("Not to be tested: none of the")
        assert "missing from the export" in out
        metrics = json.loads((Path(out.splitlines()[-1]) / "metrics.json").read_text())
        assert metrics["no_signal"]
        assert metrics["candidates"]["scorecard"]["auc"] is None

    def test_outcomes_before_creation_and_activities_from_the_future(self, run: Run, tmp_path: Path) -> None:
        """Put aside and counted; the others are learnt from."""
        path = write_events(tmp_path / "events", leads=400)
        with path.with_name("outcomes.csv").open("a") as file:
            file.write("0001,2023-01-01T00:00:00Z\n")
        with path.with_name("activities.csv").open("a") as file:
            file.write("0002,page_view,2199-01-01T00:00:00Z,2199-01-01T00:00:00Z,/,,,future\n")
        code, out, _ = run("--project", str(path), "--quick", "--json")
        assert (code, json.loads(out)["quarantined"]) == (0, 2)
        (file_of,) = (tmp_path / "var" / "quarantine").glob("*.csv")
        reasons = pd.read_csv(file_of)["reason"]
        assert reasons.str.contains("outcome before creation").any()
        assert reasons.str.contains("implausible time").any()


class TestOutput:
    def test_json_alone_on_stdout_with_the_keys_that_are_promised(self, run: Run, flat_file: Path) -> None:
        code, out, err = run("--leads", str(flat_file), "--label", "won", "--order-by", "day", "--quick", "--json")
        assert code == 0
        metrics = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        promised = "rows positives base_rate split chosen candidates inputs no_signal measured served model_version bundle feature_set"
        assert {*promised.split(), "data_digest", "seconds", "quarantined"} <= metrics.keys()
        assert {"kind", "train_rows", "test_rows"} <= metrics["split"].keys()
        assert set(metrics["candidates"]) == {"scorecard", "naive_bayes", "logistic", "boosted", "blend"}
        for figures in metrics["candidates"].values():
            for name in ("auc", "pr_auc", "log_loss", "brier", "ece", "lift_at_10", "precision_at_20"):
                assert isinstance(figures[name], float)
                assert len(figures[f"{name}_ci"]) == 2
        assert all(one["verdict"] in ("ok", "drift", "suspect", "blocked") and one["evidence"] for one in metrics["inputs"].values())
        assert Path(metrics["bundle"]).is_dir()
        assert "error" not in err

    def test_the_last_line_is_the_reports_folder(self, run: Run, flat_file: Path, tmp_path: Path) -> None:
        for words, folder in ([], None), (["--report", str(tmp_path / "here")], tmp_path / "here"):
            code, out, err = run("--leads", str(flat_file), "--label", "won", "--order-by-row", "--quick", *words)
            last = Path(out.splitlines()[-1])
            assert code == 0
            assert last == (folder or last)
            assert {path.name for path in last.iterdir()} == {"report.html", "metrics.json"}
            assert len(err.splitlines()) < 20

    def test_without_an_order_the_report_says_that_it_flatters(self, run: Run, flat_file: Path) -> None:
        code, out, _ = run("--leads", str(flat_file), "--label", "won", "--quick")
        assert code == 0
        report = Path(out.splitlines()[-1])
        assert json.loads((report / "metrics.json").read_text())["split"]["kind"] == "random"
        assert "flatters" in (report / "report.html").read_text()

    def test_so_does_the_terminal_and_nothing_is_called_later(self, run: Run, flat_file: Path) -> None:
        for words in ([], ["--json"]):
            _, out, err = run("--leads", str(flat_file), "--label", "won", "--quick", *words)
            warned, other = (err, out) if words else (out, err)
            assert any(line.startswith("  ! Tested on random rows, which flatters.") for line in warned.splitlines())
            assert "flatters" not in other or words
            assert "calibrating on margins out of fold" in err
            assert "later rows" not in err

    def test_what_must_be_known_before_the_figures_is_said_on_the_terminal(self, run: Run, tmp_path: Path) -> None:
        table = flat_table(1_500)
        rng, early = np.random.default_rng(1), np.arange(1_500) < 1_000
        table["won"] = np.where(early & (rng.random(1_500) < 0.7), "no", table["won"])
        _, out, err = run("--leads", written(tmp_path / "leads.csv", table), "--label", "won", "--order-by-row", "--quick")
        assert "calibrating on later rows" in err
        assert re.search(r"^  ! The base rate moved: .* rose from", out, re.MULTILINE)
        assert re.search(r"^  ! Small data: how sure we are\. Test holds 300 rows", out, re.MULTILINE)

    def test_the_columns_to_declare_static_are_named_not_the_signals_made_of_them(self, run: Run, tmp_path: Path) -> None:
        path = write_events(tmp_path / "events", leads=300)
        path.write_text(path.read_text().replace('"employees", ', "").replace('"job_title", ', ""))
        code, out, _ = run("--project", str(path), "--quick")
        assert code == 0
        lines = out.splitlines()
        start = lines.index("left out (suspect): columns without a date; what they say today may have been written after the outcome:")
        assert [line.split(" (")[0].strip() for line in lines[start + 1 : start + 3]] == ["employees", "job_title"]
        assert "seniority" in lines[start + 2]
        assert lines[start + 3].endswith('[leads] static = ["employees", "job_title"] in tamiz.toml')
        assert sum("job_title" in line for line in lines) == 2
        page = (Path(lines[-1]) / "report.html").read_text()
        assert "nobody knows when their values were written" in page
        assert page.count("job_title has no date") == 1
        metrics = json.loads((Path(lines[-1]) / "metrics.json").read_text())
        assert metrics["inputs"]["seniority"]["undated"] == ["job_title"]
        assert repr(metrics["horizon_days"]) == "30"

    def test_help_explains_every_option(self) -> None:
        for command in ("train", "score", "evaluate"):
            done = subprocess.run(
                [*TAMIZ, command, "--help"], capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "120"}
            )
            options = re.findall(r"^  (--[a-z-]+)(.*)$", done.stdout, flags=re.MULTILINE)
            assert len(options) > 4
            assert "Example" in done.stdout


class TestNoSignal:
    @pytest.fixture
    def shuffled(self, tmp_path: Path) -> str:
        table = flat_table(900)
        return written(tmp_path / "leads.csv", table.assign(won=table["won"].sample(frac=1, random_state=0).to_numpy()))

    def test_it_is_said_and_is_no_failure(self, run: Run, shuffled: str, tmp_path: Path) -> None:
        code, out, _ = run("--leads", shuffled, "--label", "won", "--order-by-row", "--quick", "--json")
        metrics = json.loads(out)
        assert (code, metrics["no_signal"], metrics["chosen"]) == (0, True, None)
        bundle = Bundle.load(metrics["bundle"])
        scored = tmp_path / "scored.jsonl"
        assert tamiz._run(["score", "--model", metrics["bundle"], "--leads", shuffled, "--out", str(scored)]) == 0
        rows = [json.loads(line) for line in scored.read_text().splitlines()]
        assert {(row["score"], row["grade"], row["decision"]) for row in rows} == {(None, None, "nurture")}
        assert len({row["probability"] for row in rows}) == 1
        assert abs(rows[0]["probability"] - metrics["base_rate"]) < 0.06
        assert bundle.no_signal


class TestLeaks:
    @pytest.fixture
    def leaking(self, tmp_path: Path) -> str:
        table = flat_table(900)
        table["invoice"] = np.where(table["won"] == "yes", np.random.default_rng(0).lognormal(5, 1, 900).round(2), np.nan)
        return written(tmp_path / "leads.csv", table)

    def test_what_gives_the_label_away_is_left_out(self, run: Run, leaking: str) -> None:
        code, out, _ = run("--leads", leaking, "--label", "won", "--order-by", "day", "--json")
        metrics = json.loads(out)
        assert code == 0
        assert metrics["inputs"]["invoice"]["verdict"] == "blocked"
        assert metrics["measured"]["auc"] < 0.9
        assert "invoice" not in [one.name for one in Bundle.load(metrics["bundle"]).encoder.inputs]
        report = run("--leads", leaking, "--label", "won", "--order-by", "day")[1].splitlines()
        assert any(line.startswith("left out (blocked): invoice") for line in report)

    def test_unless_somebody_insists(self, run: Run, leaking: str) -> None:
        code, out, _ = run("--leads", leaking, "--label", "won", "--order-by", "day", "--quick", "--allow", "invoice", "--json")
        metrics = json.loads(out)
        assert code == 0
        assert metrics["measured"]["auc"] > 0.97
        assert metrics["inputs"]["invoice"]["verdict"] == "blocked"
        assert "invoice" in [one.name for one in Bundle.load(metrics["bundle"]).encoder.inputs]


class TestMlflow:
    @pytest.fixture
    def home(self, tmp_path: Path, empty_mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
        monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "var"))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        return home_with_store(tmp_path / "var", empty_mlflow_store)

    @pytest.fixture
    def words(self, flat_file: Path) -> list[str]:
        return ["train", "--leads", str(flat_file), "--label", "won", "--order-by", "day", "--quick"]

    def test_when_it_cannot_be_reached_the_model_is_kept_and_uploaded_later(
        self, home: Home, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        assert tamiz._run(words) == 3
        out, err = capsys.readouterr()
        (folder,) = home.bundles.iterdir()
        assert err.splitlines()[-1].startswith("error: MLflow at http://127.0.0.1:9")
        assert f"`tamiz register {folder}`" in err.splitlines()[-1]
        Bundle.load(folder)
        assert (Path(out.splitlines()[-1]) / "report.html").is_file()

        monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
        assert tamiz._run(["register", str(folder)]) == 0
        assert "challenger is version 1" in capsys.readouterr().out
        assert tamiz._run(["promote"]) == 0
        pointer = read_pointer(home.bundles)
        assert pointer is not None
        assert pointer.version == 1

    def test_when_it_goes_away_after_the_run_was_logged(
        self, home: Home, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def gone(*given: object, **named: object) -> None:
            raise ModelNotRegistered(folder=given[1], uri="http://mlflow", reason="connection reset")

        monkeypatch.setattr(Registry, "register_bundle", gone)
        assert tamiz._run(words) == 3
        assert "`tamiz register" in capsys.readouterr().err
        (folder,) = home.bundles.iterdir()
        Bundle.load(folder)

    def test_when_it_goes_away_between_the_version_and_its_alias(
        self, home: Home, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The version is there, nobody calls it challenger yet: `tamiz register` ends what was begun, and does not upload twice."""

        def gone(*given: object) -> None:
            raise MlflowFailed(uri="http://mlflow", reason="connection reset")

        with monkeypatch.context() as patched:
            patched.setattr(Registry, "set_alias", gone)
            assert tamiz._run(words) == 3
        error = capsys.readouterr().err.splitlines()[-1]
        (folder,) = home.bundles.iterdir()
        assert f"`tamiz register {folder}`" in error
        assert Registry(home, "").get_alias(CHALLENGER) is None

        assert tamiz._run(["register", str(folder)]) == 0
        assert "registered already: version 1" in capsys.readouterr().out
        assert Registry(home, "").get_alias(CHALLENGER) == 1

    def test_what_is_no_bundle_is_not_registered(self, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
        assert tamiz._run(["register", str(home.root)]) == 2
        assert "manifest.json" in capsys.readouterr().err

    def test_without_signal_promoting_is_refused(self, home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        table = flat_table(900)
        leads = written(tmp_path / "leads.csv", table.assign(won=table["won"].sample(frac=1, random_state=0).to_numpy()))
        assert tamiz._run(["train", "--leads", leads, "--label", "won", "--order-by-row", "--quick", "--promote"]) == 1
        out, err = capsys.readouterr()
        assert err.splitlines()[-1].startswith("error: HOLD")
        assert read_pointer(home.bundles) is None
        assert Path(out.splitlines()[-1]).is_dir()

    def test_two_at_once_and_then_one_that_is_promoted_and_one_that_challenges(
        self, home: Home, words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = [*TAMIZ, *words]
        both = [
            subprocess.Popen(command, env=environment(home.root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        assert [(process.communicate()[1], process.returncode)[1] for process in both] == [0, 0]
        assert sorted(path.name.split("-")[0] for path in home.bundles.iterdir()) == ["v1", "v2"]

        assert tamiz._run([*words, "--promote"]) == 0
        capsys.readouterr()
        code = tamiz._run([*words, "--promote", "--json"])
        assert code in (0, 1)
        json.loads(capsys.readouterr().out)
        pointer = read_pointer(home.bundles)
        assert pointer is not None
        assert pointer.version == (4 if code == 0 else 3)

    def test_killed_in_the_middle_nothing_is_half_registered(self, home: Home, words: list[str]) -> None:
        script = (
            "import sys, time, tamiz; from models.registry import Registry\n"
            "def wait(*given, **named): print('half way', flush=True); time.sleep(60)\n"
            "Registry.register_bundle = wait\n"
            "tamiz.main(sys.argv[1:])"
        )
        command = [sys.executable, "-c", script, *words]
        with subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment(home.root), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"half way\n"
            process.send_signal(signal.SIGKILL)
        assert Registry(home, "").get_alias(CHALLENGER) is None
        assert read_pointer(home.bundles) is None
        assert tamiz._run(words) == 0
        assert Registry(home, "").get_alias(CHALLENGER) == 1


def test_a_home_that_cannot_be_written(run: Run, flat_file: Path, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    assert "var" in refused(run("--leads", str(flat_file), "--label", "won"), code=3)
