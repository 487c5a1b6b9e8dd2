"""Signals of data larger than memory: the same bits as in memory, whatever the parts, the order, the machine or the accident."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data import synthetic
from data.build_folder import BuildRunning, DiskFailed, NotOurFolder, open_build
from data.errors import BadData, BadUsage, DependencyFailed
from data.project import Project, load_project
from data.quarantine import TooManyBadRows
from features.history import instant
from models import build as build_module
from models.build import Built, build
from models.workers import mapped, processes
from tests.trained import write_events
from training.dataset import from_project

OBSERVED = ["created_at", "age_days", "kind", "y"]


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated CRM whose file of activities is in order of leads, with an activity type of its own."""
    folder = tmp_path_factory.mktemp("crm")
    synthetic.simulate(folder, leads=260, seed=3)
    table = pq.read_table(folder / "activities.parquet")
    types = np.array(table.column("type").to_pylist(), dtype=object)
    types[::9] = "badge scan"
    pq.write_table(table.set_column(table.column_names.index("type"), "type", pa.array(types)), folder / "activities.parquet")
    return folder / "tamiz.toml"


@pytest.fixture(scope="module")
def in_memory(crm: Path) -> pd.DataFrame:
    return as_frame(crm)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "_part_rows", lambda memory, workers, columns: 3_000)


def as_frame(path: Path) -> pd.DataFrame:
    """What training makes of the project in memory, as the files say it."""
    data = from_project(path)
    assert data.as_of is not None
    frame = pd.DataFrame(data.table.numbers, columns=list(data.table.names))
    for name, column in data.table.texts.items():
        frame[name] = pd.Series(column.texts(), dtype=object)
    frame.insert(0, "lead_id", np.array(data.lead_ids, dtype=object)[data.lead])
    frame.insert(1, "as_of", data.as_of)
    frame.insert(2, "y", data.y)
    return frame


def rows_of(built: Built) -> pd.DataFrame:
    """All rows of the files, in the order of leads and instants."""
    files = sorted(built.folder.glob("*.parquet"))
    frame = pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)
    frame["as_of"] = frame["as_of"].dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    return frame.sort_values(["lead_id", "as_of"], ignore_index=True)


def assert_same_bits(built: Built, expected: pd.DataFrame) -> None:
    found, expected = rows_of(built), expected.sort_values(["lead_id", "as_of"], ignore_index=True)
    assert [name for name in found.columns if name not in OBSERVED[:3]] == [*expected.columns[:2], "y", *expected.columns[3:]]
    assert len(found) == len(expected)
    for name in expected.columns:
        mine, theirs = found[name], expected[name]
        if theirs.dtype == np.float64:
            both = np.isnan(mine) & np.isnan(theirs)
            assert (both | (mine.to_numpy(np.float64).view(np.int64) == theirs.to_numpy(np.float64).view(np.int64))).all(), name
        else:
            assert [None if pd.isna(one) else one for one in mine] == [None if pd.isna(one) else one for one in theirs], name


def variant(crm: Path, folder: Path, order: str, query: str | None = None) -> Path:
    """The same CRM with its activities in another order, or read by another query."""
    shutil.copytree(crm.parent, folder)
    duckdb.execute(f"COPY (SELECT * FROM '{crm.parent}/activities.parquet' AS told ORDER BY {order}) TO '{folder}/activities.parquet'")
    path = folder / "tamiz.toml"
    if query is not None:
        path.write_text(path.read_text().replace("SELECT * FROM 'activities.parquet'", query))
    return path


def by_account(crm: Path) -> str:
    """The account of an activity's lead, in SQL: alike for leads without one too, which does no harm to the order."""
    account = "coalesce(leads.company_domain, split_part(leads.email, '@', 2), leads.lead_id)"
    return f"(SELECT any_value({account}) FROM '{crm.parent}/leads.parquet' AS leads WHERE leads.lead_id = told.lead_id)"


class TestWhatCannotBeBuilt:
    def test_too_little_memory_says_how_much_is_needed(self, crm: Path, tmp_path: Path) -> None:
        with pytest.raises(BadUsage, match=r"100 MB of memory are too few for 2 workers: give at least \d+ MB"):
            build(load_project(crm), tmp_path / "out", memory=100_000_000, workers=2)

    def test_a_folder_with_other_things_is_left_alone(self, crm: Path, tmp_path: Path) -> None:
        (tmp_path / "thesis.docx").write_text("years of work")
        with pytest.raises(NotOurFolder, match=r"holds other things \(thesis\.docx\)"):
            build(load_project(crm), tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]

    def test_the_folder_of_another_project_is_left_alone(self, crm: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        build(load_project(write_events(tmp_path / "theirs", leads=40)), out)
        before = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        with pytest.raises(NotOurFolder, match=r"holds the build of another project .*theirs"):
            build(load_project(crm), out)
        assert {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before

    def test_a_manifest_of_something_else_is_left_alone(self, crm: Path, tmp_path: Path) -> None:
        (tmp_path / "manifest.json").write_text('{"name": "a web site"}')
        with pytest.raises(NotOurFolder, match=r"manifest\.json of something else"):
            build(load_project(crm), tmp_path)

    def test_two_builds_never_write_to_one_folder(self, crm: Path, tmp_path: Path) -> None:
        with open_build(tmp_path / "out", {"project": str(crm)}), pytest.raises(BuildRunning):
            build(load_project(crm), tmp_path / "out")

    def test_a_scheduler_that_does_not_answer(self, crm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import distributed

        def refuses(*_: Any, **__: Any) -> None:
            raise OSError("Timed out trying to connect to tcp://127.0.0.1:9")

        monkeypatch.setattr(distributed, "Client", refuses)
        with pytest.raises(DependencyFailed, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
            build(load_project(crm), tmp_path / "out", scheduler="tcp://127.0.0.1:9")

    def test_without_the_extra_it_says_how_to_get_it(self, crm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "distributed", None)
        with pytest.raises(BadUsage, match=r"pip install 'tamiz\[cluster\]'"):
            build(load_project(crm), tmp_path / "out", scheduler="local")

    def test_activities_of_leads_that_nobody_knows_stop_the_build_above_the_share(self, crm: Path, tmp_path: Path) -> None:
        path = variant(crm, tmp_path / "crm", "lead_id", "SELECT * REPLACE ('?' || lead_id AS lead_id) FROM 'activities.parquet'")
        with pytest.raises((TooManyBadRows, BadData), match="unknown lead"):
            build(load_project(path), tmp_path / "out")

    def test_a_column_that_is_required_is_asked_for(self, crm: Path, tmp_path: Path) -> None:
        path = variant(crm, tmp_path / "crm", "lead_id", "SELECT lead_id, occurred_at FROM 'activities.parquet'")
        with pytest.raises(BadData, match="type"):
            build(load_project(path), tmp_path / "out")


class TestTheSameBitsAsInMemory:
    def test_from_a_file_in_order_of_leads(self, crm: Path, in_memory: pd.DataFrame, tmp_path: Path) -> None:
        built = build(load_project(crm), tmp_path / "out")
        assert built.clustered == "in place"
        assert built.dropped["immature"] > 0
        assert_same_bits(built, in_memory)

    @pytest.mark.usefixtures("small_parts")
    def test_in_many_parts_from_a_file_that_keeps_accounts_together(self, crm: Path, in_memory: pd.DataFrame, tmp_path: Path) -> None:
        path = variant(crm, tmp_path / "crm", f"{by_account(crm)}, lead_id, occurred_at")
        built = build(load_project(path), tmp_path / "out")
        assert (built.clustered, built.parts > 3) == ("in place", True)
        assert_same_bits(built, in_memory)

    @pytest.mark.usefixtures("small_parts")
    @pytest.mark.parametrize(
        ("order", "query"),
        [
            ("occurred_at", None),
            ("hash(activity_id)", None),
            ("occurred_at", "SELECT * REPLACE (occurred_at::VARCHAR AS occurred_at) FROM 'activities.parquet'"),
        ],
        ids=["in order of time", "in no order", "times as text through a query"],
    )
    def test_spilled_into_buckets_once(self, crm: Path, in_memory: pd.DataFrame, tmp_path: Path, order: str, query: str | None) -> None:
        built = build(load_project(variant(crm, tmp_path / "crm", order, query)), tmp_path / "out")
        assert (built.clustered, built.parts > 3) == ("spilled", True)
        assert not (tmp_path / "out" / ".spill").exists()
        assert_same_bits(built, in_memory)

    @pytest.mark.usefixtures("small_parts")
    def test_by_worker_processes(self, crm: Path, in_memory: pd.DataFrame, tmp_path: Path) -> None:
        assert_same_bits(build(load_project(variant(crm, tmp_path / "crm", "occurred_at")), tmp_path / "out", workers=2), in_memory)

    @pytest.mark.usefixtures("small_parts")
    @pytest.mark.filterwarnings("ignore")  # what distributed says when its processes end is not ours
    def test_by_a_dask_cluster_of_two_workers(self, crm: Path, in_memory: pd.DataFrame, tmp_path: Path) -> None:
        from distributed import LocalCluster

        path = variant(crm, tmp_path / "crm", "occurred_at")
        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
            built = build(load_project(path), tmp_path / "out", scheduler=cluster.scheduler_address)
        assert built.parts > 3
        assert_same_bits(built, in_memory)

    def test_from_csv_with_one_lead_that_did_more_than_all_others(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_events(tmp_path / "events", leads=80)
        frame = pd.read_csv(path.parent / "activities.csv", dtype=str)
        busy = pd.concat([frame[frame["lead_id"] == "0005"].head(1)] * 5_000)
        busy["activity_id"] = [f"b{i}" for i in range(len(busy))]
        pd.concat([frame, busy]).to_csv(path.parent / "activities.csv", index=False)
        monkeypatch.setattr(build_module, "_part_rows", lambda memory, workers, columns: 500)
        built = build(load_project(path), tmp_path / "out")
        assert built.parts > 3
        assert_same_bits(built, as_frame(path))

    def test_without_any_activities(self, crm: Path, tmp_path: Path) -> None:
        shutil.copytree(crm.parent, tmp_path / "crm")
        path = tmp_path / "crm" / "tamiz.toml"
        path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("activities ")))
        built = build(load_project(path), tmp_path / "out")
        assert built.clustered == "no activities"
        assert_same_bits(built, as_frame(path))

    def test_an_attribute_called_like_a_column_of_the_files_keeps_both(self, tmp_path: Path) -> None:
        path = write_events(tmp_path / "events", leads=60)
        frame = pd.read_csv(path.parent / "leads.csv", dtype=str)
        frame["kind"] = ["b2b", "b2c"] * 30
        frame.to_csv(path.parent / "leads.csv", index=False)
        rows = rows_of(build(load_project(path), tmp_path / "out"))
        assert set(rows["kind"]) == {"age", "activity"}
        assert set(rows["leads.kind"]) == {"b2b", "b2c"}


class TestAtOneInstant:
    def test_every_lead_that_existed_is_looked_at_once(self, crm: Path, tmp_path: Path) -> None:
        leads = pq.read_table(crm.parent / "leads.parquet").to_pandas()
        when = leads["created_at"].median()
        rows = rows_of(build(load_project(crm), tmp_path / "out", as_of=instant(when.to_pydatetime())))
        assert list(rows["lead_id"]) == sorted(leads.loc[leads["created_at"] < when, "lead_id"])
        assert not {"y", "age_days"} & set(rows.columns)

    def test_an_instant_before_all_leads_says_that_nothing_is_left(self, crm: Path, tmp_path: Path) -> None:
        with pytest.raises(BadData, match=r"no observation is left of 260 leads .260 not yet created"):
            build(load_project(crm), tmp_path / "out", as_of=0)


@pytest.mark.usefixtures("small_parts")
class TestGoingOn:
    def test_the_same_inputs_are_not_computed_again(self, crm: Path, in_memory: pd.DataFrame, tmp_path: Path) -> None:
        project = load_project(variant(crm, tmp_path / "crm", "occurred_at"))
        first = build(project, tmp_path / "out")
        stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
        again = build(project, tmp_path / "out", memory=3_000_000_000)
        assert (first.reused, again.reused, again.rows) == (0, first.parts, first.rows)
        assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
        assert_same_bits(again, in_memory)

    def test_a_part_that_was_tampered_with_is_built_again(self, crm: Path, in_memory: pd.DataFrame, tmp_path: Path) -> None:
        built = build(load_project(crm), tmp_path / "out")
        (tmp_path / "out" / "part-00000.parquet").write_bytes(b"PAR1")
        again = build(load_project(crm), tmp_path / "out")
        assert again.reused == built.parts - 1
        assert_same_bits(again, in_memory)

    def test_changed_inputs_start_again_and_say_which(self, crm: Path, tmp_path: Path) -> None:
        project = load_project(variant(crm, tmp_path / "crm", "occurred_at"))
        build(project, tmp_path / "out")
        table = pq.read_table(tmp_path / "crm" / "activities.parquet")
        pq.write_table(table.slice(0, len(table) - 50), tmp_path / "crm" / "activities.parquet")
        said: list[str] = []
        again = build(project, tmp_path / "out", say=said.append)
        assert again.reused == 0
        assert any("activities changed since" in line for line in said)
        assert_same_bits(again, as_frame(project.path))

    def test_a_disk_that_fills_up_keeps_what_was_finished(
        self, crm: Path, in_memory: pd.DataFrame, tmp_path: Path, monkeypatch: Any
    ) -> None:
        project = load_project(variant(crm, tmp_path / "crm", "occurred_at"))
        written, write = [], pq.write_table

        def until_full(table: Any, where: Any, **options: Any) -> None:
            if len(written) == 2:
                Path(where).write_bytes(b"half of i")
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(where)
            write(table, where, **options)

        monkeypatch.setattr(pq, "write_table", until_full)
        with pytest.raises(DiskFailed, match=r"the disk is full\. Finished parts are kept"):
            build(project, tmp_path / "out")
        assert not list((tmp_path / "out").glob("*.partial"))
        monkeypatch.setattr(pq, "write_table", write)
        again = build(project, tmp_path / "out")
        assert again.reused == 2
        assert_same_bits(again, in_memory)

    def test_the_manifest_lists_every_file_with_its_digest(self, crm: Path, tmp_path: Path) -> None:
        built = build(load_project(crm), tmp_path / "out")
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
        assert manifest["complete"]
        assert [one["file"] for one in manifest["parts"]] == sorted(path.name for path in (tmp_path / "out").glob("*.parquet"))
        assert sum(one["rows"] for one in manifest["parts"]) == built.rows


@pytest.mark.usefixtures("small_parts")
def test_rows_that_cannot_be_used_are_told_by_their_place_in_the_source(crm: Path, tmp_path: Path) -> None:
    path = variant(crm, tmp_path / "crm", "occurred_at")
    table = pq.read_table(tmp_path / "crm" / "activities.parquet")
    ids = table.column("lead_id").to_pylist()
    ids[41], ids[4_000] = "nobody", None
    types = table.column("type").to_pylist()
    types[4_321] = None
    for name, values in (("lead_id", ids), ("type", types)):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, tmp_path / "crm" / "activities.parquet")
    built = build(load_project(path), tmp_path / "out")
    told = sorted(
        zip(built.quarantine["row"], built.quarantine["lead_id"], built.quarantine["reason"], strict=True), key=lambda one: one[0]
    )
    assert told == [(42, "nobody", "unknown lead"), (4_001, None, "no lead_id"), (4_322, ids[4_321], "nothing in type")]


def test_an_error_in_a_worker_process_reaches_the_user_whole() -> None:
    with processes(1, os.getpid) as pool, pytest.raises(DiskFailed, match=r"features/part-00003\.parquet could not be written"):
        list(mapped(fails_elsewhere, [os.getpid()] * 2, pool=pool, workers=2))


def fails_elsewhere(here: int) -> None:
    if os.getpid() != here:
        raise DiskFailed(path="features/part-00003.parquet", reason="the disk is full")


def test_this_process_works_beside_the_others() -> None:
    with processes(1, os.getpid) as pool:
        workers = list(mapped(who, range(40), pool=pool, workers=2))

    assert len(workers) == 40
    assert os.getpid() in workers
    assert len(set(workers)) == 2


def who(_: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def test_until_comes_from_activities_too_where_the_project_does_not_say(crm: Path, tmp_path: Path) -> None:
    path = variant(crm, tmp_path / "crm", "occurred_at")
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("until")))
    project: Project = load_project(path)
    assert project.until is None
    assert_same_bits(build(replace(project), tmp_path / "out"), as_frame(path))
