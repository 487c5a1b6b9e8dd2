"""The registry as its users meet it: no champion yet, a damaged download, MLflow away, and then the ordinary path."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data.home import Home
from models.bundle import BundleDamaged, verify_files
from models.registry import (
    CHALLENGER,
    CHAMPION,
    DatasetRecord,
    MlflowFailed,
    ModelNotRegistered,
    NoPrevious,
    NoSuchModel,
    NoSuchVersion,
    Registered,
    Registry,
    RunRecord,
    read_pointer,
    resolve_model,
)

DEAD = "http://user:hunter2@127.0.0.1:9"
"""Nothing listens on the discard port."""


@pytest.fixture
def home(empty_mlflow_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    home = Home(tmp_path / "var").create()
    shutil.copy(empty_mlflow_store, home.mlflow_db)
    return home


def write_bundle(folder: Path, model: str = "tree\n", **manifest: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.txt").write_text(model)
    (folder / "calibration.json").write_text("{}")
    files = {
        path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
    }
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": files, **manifest}))
    return folder


def registered(home: Home, tmp_path: Path, model: str) -> Registered:
    return Registry(home).register_bundle(write_bundle(tmp_path / f"built-{model}", model))


class TestBeforeAnyModel:
    def test_pulling_says_to_train_and_promote(self, home: Home) -> None:
        with pytest.raises(NoSuchVersion, match="tamiz promote") as caught:
            Registry(home).pull()
        assert (caught.value.exit_code, caught.value.status) == (2, 503)

    def test_there_is_nothing_to_roll_back(self, home: Home) -> None:
        with pytest.raises(NoSuchVersion):
            Registry(home).rollback()

    @pytest.mark.parametrize("model", ["champion", "challenger", "7", "no/such/folder", ""])
    def test_naming_a_model_that_is_not_there_is_bad_usage(self, home: Home, model: str) -> None:
        with pytest.raises((NoSuchVersion, NoSuchModel)) as caught:
            resolve_model(model, home)
        assert caught.value.exit_code == 2


class TestMlflowAway:
    def test_the_error_names_the_server_but_not_its_password(self, home: Home) -> None:
        with pytest.raises(MlflowFailed, match="MLFLOW_TRACKING_URI") as caught:
            Registry(home, DEAD).pull()
        assert caught.value.exit_code == 3
        assert "127.0.0.1:9" in str(caught.value)
        assert "no connection (connection refused)" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_a_trained_model_is_kept_and_the_error_says_how_to_upload_it(self, home: Home) -> None:
        folder = write_bundle(home.bundles / "fresh")
        with pytest.raises(ModelNotRegistered, match=f"tamiz register {folder}") as caught:
            Registry(home, DEAD).register_bundle(folder)
        assert caught.value.exit_code == 3
        verify_files(folder)

    def test_what_was_pulled_still_resolves(self, home: Home, tmp_path: Path) -> None:
        first = registered(home, tmp_path, "one")
        Registry(home).promote(first.version)
        Registry(home).pull()
        assert resolve_model("champion", home, tracking_uri=DEAD) == first.folder
        assert resolve_model(str(first.version), home, tracking_uri=DEAD) == first.folder


class TestDamage:
    def test_a_bundle_with_one_byte_flipped_is_not_registered(self, home: Home, tmp_path: Path) -> None:
        folder = write_bundle(tmp_path / "bundle")
        (folder / "model.txt").write_text("trex\n")
        with pytest.raises(BundleDamaged, match=r"model\.txt"):
            Registry(home).register_bundle(folder)

    def test_a_bundle_that_is_damaged_in_the_store_never_moves_the_pointer(self, home: Home, tmp_path: Path) -> None:
        first, second = registered(home, tmp_path, "one"), registered(home, tmp_path, "two")
        Registry(home).promote(first.version)
        Registry(home).pull()
        Registry(home).promote(second.version)
        shutil.rmtree(second.folder)
        stored = next(path for path in home.mlartifacts.rglob("model.txt") if path.read_text() == "two")
        stored.write_text("twx")
        with pytest.raises(BundleDamaged):
            Registry(home).pull()
        pointer = read_pointer(home.bundles)
        assert pointer is not None
        assert pointer.version == first.version
        assert not list(home.bundles.glob(".incoming-*"))

    def test_a_bundle_that_is_damaged_here_is_downloaded_again(self, home: Home, tmp_path: Path) -> None:
        first = registered(home, tmp_path, "one")
        Registry(home).promote(first.version)
        (first.folder / "model.txt").write_text("onx")
        folder = Registry(home).pull()
        assert (folder / "model.txt").read_text() == "one"
        assert not list(home.bundles.glob(".damaged-*"))

    def test_the_watch_mends_the_champion_that_was_damaged_here_and_says_it_once(self, home: Home, tmp_path: Path) -> None:
        first = registered(home, tmp_path, "one")
        said: list[str] = []
        registry = Registry(home, say=said.append)
        registry.promote(first.version)
        registry.pull()
        assert registry.pull_if_new() is None
        (first.folder / "model.txt").write_text("onx")
        assert registry.pull_if_new() == first.folder
        assert (first.folder / "model.txt").read_text() == "one"
        assert registry.pull_if_new() is None
        assert sum("damaged" in text for text in said) == 1

    def test_damage_that_cannot_be_mended_yet_is_not_said_at_every_look(self, home: Home, tmp_path: Path) -> None:
        first = registered(home, tmp_path, "one")
        said: list[str] = []
        registry = Registry(home, say=said.append)
        registry.promote(first.version)
        registry.pull()
        (first.folder / "model.txt").write_text("onx")
        stored = next(path for path in home.mlartifacts.rglob("model.txt") if path.read_text() == "one")
        stored.write_text("onx")
        for _ in range(2):
            with pytest.raises(BundleDamaged):
                registry.pull_if_new()
        assert sum("is damaged" in text for text in said) == 1

    def test_a_manifest_that_names_files_outside_its_folder_is_refused(self, tmp_path: Path) -> None:
        folder = write_bundle(tmp_path / "bundle")
        (folder / "manifest.json").write_text(json.dumps({"files": {"../../secret": {"bytes": 1, "sha256": "0" * 64}}}))
        with pytest.raises(BundleDamaged, match="outside"):
            verify_files(folder)

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"bundle": "gone", "model_version": "1", "version": 1, "bundle_sha256": ""}'])
    def test_a_broken_pointer_reads_as_none(self, home: Home, content: str) -> None:
        (home.bundles / "champion.json").write_text(content)
        assert read_pointer(home.bundles) is None


class TestPromotion:
    def test_a_promoted_bundle_can_be_pulled_by_another_installation(self, home: Home, tmp_path: Path) -> None:
        first = registered(home, tmp_path, "one")
        Registry(home).promote(first.version)
        other = Home(tmp_path / "elsewhere")
        folder = Registry(other, f"sqlite:///{home.mlflow_db}").pull()
        assert folder.parent == other.bundles
        assert (folder / "model.txt").read_text() == "one"
        assert json.loads((other.bundles / "champion.json").read_text())["bundle"] == folder.name == first.folder.name

    def test_pulling_twice_downloads_once(self, home: Home, tmp_path: Path) -> None:
        first = registered(home, tmp_path, "one")
        Registry(home).promote(first.version)
        said: list[str] = []
        assert Registry(home, say=said.append).pull() == Registry(home, say=said.append).pull() == first.folder
        assert said == []

    def test_a_folder_already_among_the_bundles_is_renamed_not_copied(self, home: Home) -> None:
        built = write_bundle(home.bundles / "fresh")
        done = Registry(home).register_bundle(built)
        assert not built.exists()
        assert [path.name for path in home.bundles.iterdir()] == [done.folder.name]

    def test_the_name_of_the_model_in_the_pointer_is_the_bundles_own(self, home: Home, tmp_path: Path) -> None:
        done = Registry(home).register_bundle(write_bundle(tmp_path / "named", model_version="2026-07-01a"))
        Registry(home).promote(done.version)
        Registry(home).pull()
        pointer = read_pointer(home.bundles)
        assert pointer is not None
        assert (pointer.model_version, pointer.version) == ("2026-07-01a", done.version)

    def test_a_bundle_is_recognised_as_registered(self, home: Home, tmp_path: Path) -> None:
        done = registered(home, tmp_path, "one")
        assert Registry(home).find_version(done.folder) == done.version
        assert Registry(home).find_version(write_bundle(tmp_path / "stranger", "x")) is None

    def test_the_challenger_that_is_promoted_is_no_longer_the_challenger(self, home: Home, tmp_path: Path) -> None:
        registry = Registry(home)
        first = registered(home, tmp_path, "one")
        registry.set_alias(CHALLENGER, first.version)
        assert resolve_model("challenger", home) == first.folder
        assert registry.promote(first.version) is None
        assert registry.get_alias(CHALLENGER) is None
        assert registry.get_alias(CHAMPION) == first.version

    def test_rolling_back_walks_the_champions_backwards_and_stops_at_the_first(self, home: Home, tmp_path: Path) -> None:
        registry = Registry(home)
        one, two, three = (registered(home, tmp_path, name).version for name in ("one", "two", "three"))
        assert [registry.promote(version) for version in (one, two, three)] == [None, one, two]
        assert registry.previous_champion() == two
        assert registry.rollback("worse on Mondays") == (two, three)
        assert registry.rollback() == (one, two)
        with pytest.raises(NoPrevious):
            registry.rollback()

    def test_going_back_and_forth_does_not_lose_the_way_back(self, home: Home, tmp_path: Path) -> None:
        registry = Registry(home)
        one, two, three = (registered(home, tmp_path, name).version for name in ("one", "two", "three"))
        for version in (one, two):
            registry.promote(version)
        registry.rollback()
        registry.promote(three)
        assert registry.rollback() == (one, three)

    def test_an_alias_that_someone_moved_by_hand_still_rolls_back(self, home: Home, tmp_path: Path) -> None:
        registry = Registry(home)
        one, two = registered(home, tmp_path, "one").version, registered(home, tmp_path, "two").version
        registry.promote(one)
        registry.set_alias(CHAMPION, two)
        assert registry.rollback() == (one, two)


def test_a_run_holds_parameters_figures_tags_data_and_files(home: Home, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    (tmp_path / "report.html").write_text("<p>")
    record = RunRecord(
        name="bank",
        params={f"p{i}": i for i in range(150)},
        metrics={"test.auc": 0.7, "test.ece": 0.01},
        tags={"feature_set": "abc"},
        datasets=(DatasetRecord("bank", "sha256:" + "f" * 64, "bank.csv.gz", 41188, {"age": "double", "job": "string"}),),
        note="# Bank",
    )
    run_id = Registry(home).log_run(record, {"": tmp_path / "report.html"})
    client = MlflowClient(tracking_uri=f"sqlite:///{home.mlflow_db}")
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert len(run.data.params) == 150
    assert run.data.metrics == {"test.auc": 0.7, "test.ece": 0.01}
    assert run.data.tags["feature_set"] == "abc"
    assert run.inputs is not None
    assert run.inputs.dataset_inputs[0].dataset.digest == "f" * 36
    assert [entry.path for entry in client.list_artifacts(run_id)] == ["report.html"]


def test_a_run_whose_upload_fails_is_marked_as_failed(home: Home, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    with pytest.raises(MlflowFailed):
        Registry(home).log_run(RunRecord("broken"), {"": tmp_path / "gone.html"})
    client = MlflowClient(tracking_uri=f"sqlite:///{home.mlflow_db}")
    experiment = client.get_experiment_by_name("tamiz")
    assert experiment is not None
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]


def test_a_local_model_is_found_without_importing_mlflow_and_the_store_is_made_without_a_word(home: Home, tmp_path: Path) -> None:
    """One process, because both need a fresh interpreter: importing mlflow costs 1.5 s, and its migrations talk."""
    first = registered(home, tmp_path, "one")
    Registry(home).promote(first.version)
    Registry(home).pull()
    script = f"""
import sys
from pathlib import Path
from data.home import Home
from models.bundle import BundleDamaged, verify_files
from models.registry import Registry, resolve_model
home = Home(Path({str(home.root)!r}))
for model in ("champion", {str(first.version)!r}, {str(first.folder)!r}):
    assert resolve_model(model, home) == Path({str(first.folder)!r})
assert not {{"mlflow", "pandas", "sklearn"}} & set(sys.modules)
said = []
assert Registry(Home(Path({str(tmp_path / "new")!r})), say=said.append).get_alias("champion") is None
assert said == ["creating the MLflow store (once, a few seconds)"], said
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["mlflow.db", "mlflow.lock"]
