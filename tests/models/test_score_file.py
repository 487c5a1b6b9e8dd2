"""`tamiz score`: every row answered, nothing half-written, and the same figures however the file is written."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from data.errors import BadData, BadUsage
from data.home import Home
from models.bundle import Bundle
from models.qualification import Policy
from models.score_file import COLUMNS, NeedsActivities, NeedsIds, TooMuchMissing, score_file
from tests.trained import environment, flat_table, train_flat
from training.dataset import FlatOptions

AS_OF = datetime(2025, 1, 10, 9, 30, tzinfo=UTC)
TAMIZ = [sys.executable, "-m", "tamiz"]


@pytest.fixture(scope="module")
def careful_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Of a file with a column that gives the label away, which the audit leaves out, and one that was dropped."""
    folder = tmp_path_factory.mktemp("careful")
    table = flat_table(900)
    table["invoice"] = np.where(table["won"] == "yes", np.random.default_rng(0).lognormal(5, 1, 900).round(2), np.nan)
    table.to_csv(folder / "leads.csv", index=False)
    flat = FlatOptions("won", order_by="day", drop=("member",))
    return Bundle.load(train_flat(folder / "leads.csv", Home(folder / "var"), flat, drop=("member",)).folder)


def rows_of(bundle: Bundle, leads: Path, **options: Any) -> list[dict[str, Any]]:
    out = leads.with_name(f"{leads.name}.scored.parquet")
    score_file(bundle, bundle.policy, leads, str(out), **({"as_of": AS_OF} | options))
    return parquet.read_table(out).to_pylist()


def written(folder: Path, text: str | bytes, name: str = "leads.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def cells_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


def head(path: Path, rows: int) -> str:
    return "".join(path.read_text().splitlines(keepends=True)[: rows + 1])


class TestBadUsage:
    def test_a_missing_file(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        with pytest.raises(BadUsage, match=r"leads\.csv"):
            rows_of(flat_bundle, tmp_path / "leads.csv")

    @pytest.mark.parametrize("text", ["", "visits,origin\n"])
    def test_a_file_without_rows(self, flat_bundle: Bundle, tmp_path: Path, text: str) -> None:
        with pytest.raises(BadData):
            rows_of(flat_bundle, written(tmp_path, text))
        assert [path.name for path in tmp_path.iterdir()] == ["leads.csv"]

    @pytest.mark.parametrize("out", ["out.xlsx", "out", "out.csv.gz"])
    def test_an_ending_that_says_no_format(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path, out: str) -> None:
        with pytest.raises(BadUsage, match=r"\.parquet"):
            score_file(flat_bundle, flat_bundle.policy, flat_file, str(tmp_path / out), as_of=AS_OF)

    def test_most_of_the_importance_missing(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        path = written(tmp_path, "lead_id,size,member\n1,2,yes\n")
        with pytest.raises(TooMuchMissing, match="visits") as caught:
            rows_of(flat_bundle, path)
        assert caught.value.exit_code == 2

    def test_an_id_column_that_is_not_there(self, flat_bundle: Bundle, flat_file: Path) -> None:
        with pytest.raises(BadData, match="customer"):
            rows_of(flat_bundle, flat_file, id_column="customer")

    def test_a_model_that_reads_activities_says_what_to_give(self, event_bundle: Bundle, event_project: Path) -> None:
        with pytest.raises(NeedsActivities, match="--activities") as caught:
            rows_of(event_bundle, event_project.with_name("leads.csv"))
        assert caught.value.exit_code == 2

    def test_leads_without_ids_cannot_be_joined(self, event_bundle: Bundle, event_project: Path, tmp_path: Path) -> None:
        path = written(tmp_path, "source,employees,job_title,created_at\nweb,3,CTO,2024-01-01\n")
        with pytest.raises(NeedsIds, match="--id"):
            rows_of(event_bundle, path, activities=event_project.with_name("activities.csv"))

    def test_activities_without_their_columns(self, event_bundle: Bundle, event_project: Path, tmp_path: Path) -> None:
        path = written(tmp_path, "lead_id,when,type\n0001,2024-01-01,page_view\n", "activities.csv")
        with pytest.raises(BadData, match="occurred_at"):
            rows_of(event_bundle, event_project.with_name("leads.csv"), activities=path)


class TestRows:
    def test_every_row_is_answered_in_order(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        """Too many fields, no id, a word among numbers: the row stays, its figures are empty, its error says why."""
        text = "lead_id,visits,origin,size\n007,1,web,2\n8,1,web,2,surplus\n9,many,web,3\n,1,web,4\n10,2,the moon,\n"
        rows = rows_of(flat_bundle, written(tmp_path, text))
        assert [row["lead_id"] for row in rows] == ["007", None, "9", None, "10"]
        assert [row["error"] is None for row in rows] == [True, False, False, False, True]
        for row in rows:
            figures = [
                row[name] for name in ("probability", "probability_low", "probability_high", "score", "grade", "decision", "reasons")
            ]
            assert all((figure is None) == (row["error"] is not None) for figure in figures)
            assert row["model_version"] == flat_bundle.model_version
            assert row["as_of"] == "2025-01-10T09:30:00Z"
        assert "'many'" in rows[2]["error"]
        assert "missing" not in rows[2]["error"]

    def test_ids_stay_as_they_are_byte_for_byte(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        ids = ["007", "7", "7.0", "1e5", " x ", "ñandú", "a,b", 'say "hi"', "0x1F", "2024-01-01", "true", "=1+1", "a\nb"]
        text = io.StringIO()
        csv.writer(text).writerows([["lead_id", "visits", "origin", "size"], *([one, 1, "web", 2] for one in ids)])
        path = written(tmp_path, text.getvalue())
        out = tmp_path / "out.csv"
        score_file(flat_bundle, flat_bundle.policy, path, str(out), as_of=AS_OF)
        assert [row["lead_id"] for row in cells_of(out)] == ids
        assert [row["lead_id"] for row in rows_of(flat_bundle, path)] == ids

    def test_without_ids_the_row_number_is_the_id(self, flat_bundle: Bundle, tmp_path: Path) -> None:
        path = written(tmp_path, "visits,origin,size\n" + "1,web,2\n" * 5)
        assert [row["lead_id"] for row in rows_of(flat_bundle, path, chunk_rows=2)] == ["1", "2", "3", "4", "5"]

    def test_columns_in_another_order_unknown_ones_and_missing_ones(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        frame = pd.read_csv(flat_file, dtype=str, keep_default_na=False).head(50)
        frame.assign(shoe="43")[[*reversed(frame.columns), "shoe"]].to_csv(tmp_path / "other.csv", index=False)
        frame.drop(columns="member").to_csv(tmp_path / "fewer.csv", index=False)
        said: list[str] = []
        plain = rows_of(flat_bundle, written(tmp_path, head(flat_file, 50)))
        assert rows_of(flat_bundle, tmp_path / "other.csv", say=said.append) == plain
        assert any("ignored" in notice and "shoe" in notice for notice in said)
        said.clear()
        rows_of(flat_bundle, tmp_path / "fewer.csv", say=said.append)
        assert any("read as missing" in notice and "member" in notice for notice in said)
        assert not any("consent" in notice for notice in said)

    def test_what_training_knew_and_left_out_is_neither_missed_nor_unknown(self, careful_bundle: Bundle, tmp_path: Path) -> None:
        """The label, the order, a dropped column and one that the audit blocked: given or not, there is nothing to say."""
        table = flat_table(60, seed=8).assign(invoice=12.5)
        for left_away in ([], ["won", "day", "invoice", "member"]):
            table.drop(columns=left_away).to_csv(tmp_path / "leads.csv", index=False)
            said: list[str] = []
            score_file(careful_bundle, careful_bundle.policy, tmp_path / "leads.csv", str(tmp_path / "o.csv"), as_of=AS_OF, say=said.append)
            assert said == []
        table.assign(colour="red").drop(columns="size").to_csv(tmp_path / "leads.csv", index=False)
        score_file(careful_bundle, careful_bundle.policy, tmp_path / "leads.csv", str(tmp_path / "o.csv"), as_of=AS_OF, say=said.append)
        assert [text.rsplit(": ", 1)[1] for text in said] == ["size", "colour"]

    def test_chunks_change_nothing(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        path = written(tmp_path, head(flat_file, 400))
        assert rows_of(flat_bundle, path, chunk_rows=37) == rows_of(flat_bundle, path)

    @pytest.mark.parametrize("how", ["gzip", "semicolon and decimal comma", "latin-1", "parquet", "jsonl"])
    def test_however_the_file_is_written(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path, how: str) -> None:
        plain = rows_of(flat_bundle, written(tmp_path, head(flat_file, 60), "plain.csv"))
        frame = pd.read_csv(tmp_path / "plain.csv", dtype={"lead_id": str})
        path = tmp_path / "leads.csv"
        if how == "gzip":
            path = written(tmp_path, gzip.compress((tmp_path / "plain.csv").read_bytes()), "leads.csv.gz")
        elif how == "latin-1":
            written(tmp_path, (tmp_path / "plain.csv").read_text().encode("latin-1"))
        elif how == "parquet":
            frame.to_parquet(path := tmp_path / "leads.parquet")
        elif how == "jsonl":
            frame.to_json(path := tmp_path / "leads.jsonl", orient="records", lines=True, force_ascii=False, double_precision=15)
        else:
            frame.to_csv(path, index=False, sep=";", decimal=",")
        assert rows_of(flat_bundle, path) == plain


class TestPolicy:
    def test_segments_count_and_nothing_is_drawn(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        column = next(one.name for one in flat_bundle.encoder.feature_set.attributes if one.kind == "category")
        value = pd.read_csv(flat_file)[column].dropna().iloc[0]
        everyone = {"mql": {"enter": 0.0, "exit": 0.0}, "sql": {"enter": 1.0, "exit": 1.0}}
        segment = {"name": "one", "column": column, "values": [str(value)]} | everyone
        nobody = {"mql": {"enter": 1.0, "exit": 1.0}, "sql": {"enter": 1.0, "exit": 1.0}}
        policy = Policy.read(nobody | {"segments": [segment], "explore": {"share": 0.2}, "capacity": {"mql": 1}})
        score_file(flat_bundle, policy, flat_file, str(tmp_path / "out.csv"), as_of=AS_OF)
        decided = pd.read_csv(tmp_path / "out.csv")["decision"]
        assert (decided == "mql").tolist() == (pd.read_csv(flat_file)[column] == value).tolist()


class TestFormats:
    def test_csv_parquet_and_json_lines_say_the_same(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        path = written(tmp_path, head(flat_file, 80) + "x,y\n")
        rows = rows_of(flat_bundle, path)
        for ending in ("csv", "jsonl"):
            score_file(flat_bundle, flat_bundle.policy, path, str(tmp_path / f"out.{ending}"), as_of=AS_OF)
        lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        table = cells_of(tmp_path / "out.csv")
        assert len(rows) == len(lines) == len(table) == 81
        assert tuple(table[0]) == tuple(lines[0]) == tuple(rows[0]) == COLUMNS
        for row, line, cells in zip(rows, lines, table, strict=True):
            assert line == row | {"reasons": None if row["reasons"] is None else json.loads(row["reasons"])}
            for name in COLUMNS:
                value = row[name]
                if isinstance(value, float):
                    assert float(cells[name]) == value  # to the last bit
                else:
                    assert cells[name] == ("" if value is None else value)

    def test_reasons_are_a_json_array_of_the_same_reasons(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        rows = rows_of(flat_bundle, written(tmp_path, head(flat_file, 20)), reasons=2)
        for row in rows:
            told = json.loads(row["reasons"])
            assert 0 < len(told) <= 2
            assert set(told[0]) == {"signal", "family", "sentence", "value", "contribution"}

    def test_stdout_is_csv_and_nothing_else(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        path = written(tmp_path, head(flat_file, 10))
        command = [*TAMIZ, "score", "--model", str(flat_bundle.folder), "--leads", str(path), "--out", "-", "--as-of", "2025-01-10"]
        done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True)
        assert done.returncode == 0
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert [row["lead_id"] for row in rows] == [f"{i:05d}" for i in range(10)]
        assert {row["as_of"] for row in rows} == {"2025-01-10T00:00:00Z"}
        assert "10 leads scored" in done.stderr


class TestOutput:
    def test_a_folder_that_is_not_there(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("a file")
        for folder, what in [("no", "does not exist"), ("taken", "is a file")]:
            with pytest.raises(BadUsage, match=f"the folder .*{folder} {what}") as caught:
                score_file(flat_bundle, flat_bundle.policy, flat_file, str(tmp_path / folder / "out.csv"), as_of=AS_OF)
            assert caught.value.exit_code == 2

    @pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
    def test_a_disk_that_fills_up_leaves_what_was_there(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path, ending: str) -> None:
        """A limit on the size of files fails as a full disk does."""
        out = tmp_path / f"out.{ending}"
        out.write_text("yesterday's")
        command = [*TAMIZ, "score", "--model", str(flat_bundle.folder), "--leads", str(flat_file), "--out", str(out)]
        done = subprocess.run(
            command,
            env=environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        )
        assert done.returncode == 3
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in done.stderr
        assert out.read_text() == "yesterday's"
        assert [path.name for path in tmp_path.iterdir()] == [out.name]

    def test_bad_rows_in_the_middle_of_reading_leave_nothing(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        """The file ends in the middle of its compression."""
        path = written(tmp_path, gzip.compress(flat_file.read_bytes())[:-2_000], "leads.csv.gz")
        with pytest.raises(BadData):
            score_file(flat_bundle, flat_bundle.policy, path, str(tmp_path / "out.csv"), as_of=AS_OF)
        assert [path.name for path in tmp_path.iterdir()] == ["leads.csv.gz"]


class TestActivities:
    @pytest.fixture
    def folder(self, event_project: Path, tmp_path: Path) -> Path:
        for name in ("leads", "activities"):
            frame = pd.read_csv(event_project.with_name(f"{name}.csv"), dtype=str, keep_default_na=False)
            frame[frame["lead_id"] < "0120"].to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    def scores(self, bundle: Bundle, folder: Path, **options: Any) -> dict[str, float]:
        rows = rows_of(bundle, folder / "leads.csv", **({"activities": folder / "activities.csv"} | options))
        return {row["lead_id"]: row["probability"] for row in rows}

    def test_an_empty_file_with_a_header_says_that_there_are_none(self, event_bundle: Bundle, folder: Path) -> None:
        said: list[str] = []
        nothing = self.scores(event_bundle, folder, activities=written(folder, "lead_id,occurred_at,type\n", "none.csv"), say=said.append)
        assert any("did nothing" in notice for notice in said)
        assert len(nothing) == 120
        assert nothing != self.scores(event_bundle, folder)

    def test_rows_in_any_order_and_twice(self, event_bundle: Bundle, folder: Path) -> None:
        before = self.scores(event_bundle, folder)
        frame = pd.read_csv(folder / "activities.csv", dtype=str, keep_default_na=False)
        pd.concat([frame, frame.head(40)]).sample(frac=1, random_state=1).to_csv(folder / "activities.csv", index=False)
        assert self.scores(event_bundle, folder) == before

    def test_later_activities_are_ignored_and_counted(self, event_bundle: Bundle, folder: Path) -> None:
        before = self.scores(event_bundle, folder)
        later = (AS_OF + timedelta(days=3)).isoformat()
        with (folder / "activities.csv").open("a") as file:
            file.writelines(f"{i:04d},demo_request,{later},{later},/demo,,,late{i}\n" for i in range(100))
        said: list[str] = []
        assert self.scores(event_bundle, folder, say=said.append) == before
        assert any(notice.startswith("100 activities from as_of or later") for notice in said)

    def test_activities_of_others_and_broken_ones_are_said(self, event_bundle: Bundle, folder: Path) -> None:
        before = self.scores(event_bundle, folder)
        with (folder / "activities.csv").open("a") as file:
            file.write("nobody,page_view,2024-05-01,2024-05-01,/,,,n1\n0001,page_view,someday,,/,,,n2\n0001,page_view\n")
        said: list[str] = []
        assert self.scores(event_bundle, folder, say=said.append) == before
        assert any("unknown lead" in notice for notice in said)
        assert any("no date" in notice for notice in said)
        assert any("number of fields" in notice for notice in said)

    def test_absurd_times_and_pages_without_end_are_left_out_or_read_and_said(self, event_bundle: Bundle, folder: Path) -> None:
        before = self.scores(event_bundle, folder)
        with (folder / "activities.csv").open("a") as file:
            for year in ("0001", "1970", "2999"):
                file.write(f"0001,demo_request,{year}-01-01T00:00:00Z,{year}-01-01T00:00:00Z,/demo,,,absurd{year}\n")
        said: list[str] = []
        assert self.scores(event_bundle, folder, say=said.append) == before
        assert any(notice.startswith("3 rows of activities are left out: implausible time") for notice in said)
        with (folder / "activities.csv").open("a") as file:
            file.write(f"0001,page_view,2025-01-09T10:00:00Z,2025-01-09T10:00:00Z,/{'é' * 10_000},,,endless\n")
        after = self.scores(event_bundle, folder)
        assert math.isfinite(after["0001"])
        assert {name: value for name, value in after.items() if name != "0001"} == {
            name: value for name, value in before.items() if name != "0001"
        }

    def test_a_type_that_training_never_saw_is_kept_counted_and_said(self, event_bundle: Bundle, folder: Path) -> None:
        said: list[str] = []
        with (folder / "activities.csv").open("a") as file:
            file.write("0001,stand visit 🙂,2025-01-09T10:00:00Z,2025-01-09T10:00:00Z,,,,odd\n")
        self.scores(event_bundle, folder, say=said.append)
        assert "activity types that no signal names: stand visit 🙂; they count as activity and as nothing else" in said
        assert not any("nps_survey" in notice for notice in said), "training saw it: it has signals of its own"

    def test_ids_are_joined_byte_for_byte(self, event_bundle: Bundle, folder: Path) -> None:
        """`0007` is not `7`: a reader that takes ids for numbers would give this lead another's history."""
        before = self.scores(event_bundle, folder)
        text = (folder / "leads.csv").read_text()
        (folder / "leads.csv").write_text(text + text.splitlines()[8].replace("0007", "7", 1) + "\n")
        after = self.scores(event_bundle, folder)
        assert {name: after[name] for name in before} == before
        assert "7" in after

    def test_a_lead_that_stands_twice_is_scored_once(self, event_bundle: Bundle, folder: Path) -> None:
        text = (folder / "leads.csv").read_text()
        (folder / "leads.csv").write_text(text + text.splitlines()[1] + "\n")
        rows = rows_of(event_bundle, folder / "leads.csv", activities=folder / "activities.csv")
        assert len(rows) == 121
        assert rows[0]["error"] is None
        assert rows[-1]["error"] == "this lead_id stands in more than one row, first in row 1"

    def test_when_no_row_is_good_every_row_says_so(self, event_bundle: Bundle, folder: Path) -> None:
        lines = (folder / "leads.csv").read_text().splitlines()
        columns = lines[0].split(",")
        bad = ["9" if name == "lead_id" else "x" if name == "employees" else "" for name in columns]
        written(folder, lines[0] + "\n" + ",".join(bad) + "\n")
        rows = rows_of(event_bundle, folder / "leads.csv", activities=folder / "activities.csv")
        assert [(row["probability"], "'x'" in row["error"]) for row in rows] == [(None, True)]

    @pytest.mark.parametrize("how", ["parquet", "latin-1", "jsonl", "semicolon, gzip"])
    def test_however_the_activities_are_written(self, event_bundle: Bundle, folder: Path, how: str) -> None:
        before = self.scores(event_bundle, folder)
        frame = pd.read_csv(folder / "activities.csv", dtype=str, keep_default_na=False).assign(note="señal")
        path = folder / f"other.{'csv.gz' if 'gzip' in how else how if how in ('parquet', 'jsonl') else 'csv'}"
        if how == "parquet":
            times = {name: pd.to_datetime(frame[name], utc=True, format="ISO8601") for name in ("occurred_at", "recorded_at")}
            frame.assign(**times).to_parquet(path)
        elif how == "jsonl":
            frame.to_json(path, orient="records", lines=True, force_ascii=False)
        else:
            frame.to_csv(path, index=False, sep=";" if "semicolon" in how else ",", encoding="latin-1" if how == "latin-1" else "utf-8")
        assert self.scores(event_bundle, folder, activities=path) == before

    def test_a_flat_model_says_that_it_reads_none(self, flat_bundle: Bundle, flat_file: Path, tmp_path: Path) -> None:
        said: list[str] = []
        path = written(tmp_path, head(flat_file, 5))
        assert rows_of(flat_bundle, path, activities=tmp_path / "whatever.csv", say=said.append) == rows_of(flat_bundle, path)
        assert any("not used" in notice for notice in said)


def test_memory_is_that_of_a_chunk(flat_bundle: Bundle, tmp_path: Path) -> None:
    """Sixteen times the rows, hardly more memory."""
    sizes = {}
    for rows in (20_000, 320_000):
        path = tmp_path / f"{rows}.parquet"
        rng = np.random.default_rng(1)
        frame = {"visits": rng.poisson(2, rows), "origin": np.array(["web", "feria"], dtype=object)[rng.integers(0, 2, rows)]}
        pd.DataFrame(frame | {"size": rng.random(rows)}).to_parquet(path, row_group_size=20_000)
        script = (
            "import resource, sys; from datetime import UTC, datetime; from pathlib import Path; from models.bundle import Bundle;"
            "from models.score_file import score_file; b = Bundle.load(sys.argv[1]); now = datetime(2025, 1, 1, tzinfo=UTC);"
            "score_file(b, b.policy, Path(sys.argv[2]), sys.argv[3], as_of=now, reasons=0, chunk_rows=10_000);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", script, str(flat_bundle.folder), str(path), str(tmp_path / f"{rows}.csv")]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
        sizes[rows] = int(done.stdout) / 1024
    assert sizes[320_000] < sizes[20_000] + 60
