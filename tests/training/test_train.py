"""A training run: nothing is chosen on test, the same seed is the same model, and odd columns do no harm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import BadData
from data.home import Home
from models.bundle import Bundle
from tests.trained import BY_DAY, flat_table, train_events, train_flat
from training import train as steps
from training.dataset import Dataset, FlatOptions, from_flat
from training.train import Options, Trained, train


@pytest.fixture(scope="module")
def data(flat_file: Path) -> Dataset:
    return from_flat(flat_file, BY_DAY)


def written(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False)
    return path


def run(data: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Trained, dict[str, Any]]:
    """A run without MLflow, and what its parts handed on: candidates, calibrations, the split."""
    seen: dict[str, Any] = {}

    def measure(data: Dataset, split: Any, candidates: Any, calibrations: Any, **options: Any) -> Any:
        seen.update(split=split, candidates=candidates, calibrations=calibrations)
        return kept(data, split, candidates, calibrations, **options)

    kept = steps.measure
    with monkeypatch.context() as patched:
        patched.setattr(steps, "measure", measure)
        patched.setattr(steps, "register", lambda *given, **more: (None, None))
        trained = train(lambda say: data, Home(home).create(), Options(quick=True))
    return trained, seen


@pytest.fixture(scope="module", params=["four blocks", "small"])
def both(request: pytest.FixtureRequest, data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Trained, Any]]:
    """The same run with the labels of the test rows as they are, and dealt anew."""
    folder, monkeypatch = tmp_path_factory.mktemp("chosen"), pytest.MonkeyPatch()
    if request.param == "small":
        data = from_flat(written(folder / "small.csv", flat_table(600)), BY_DAY)
    first = run(data, folder / "a", monkeypatch)
    test = first[1]["split"].test
    y = data.y.copy()
    y[test] = np.random.default_rng(0).permutation(y[test])
    assert (y != data.y).sum() > 50
    return [first, run(replace(data, y=y), folder / "b", monkeypatch)]


class TestNothingIsChosenOnTest:
    def test_the_measured_candidates_are_the_same_to_the_bit(self, both: list[tuple[Trained, Any]]) -> None:
        (_, one), (_, other) = both
        for name, candidate in one["candidates"].items():
            assert candidate.recipe == other["candidates"][name].recipe
            assert candidate.margin.tobytes() == other["candidates"][name].margin.tobytes()

    def test_so_are_their_calibrations_and_the_choice(self, both: list[tuple[Trained, Any]]) -> None:
        (first, one), (second, other) = both
        assert {name: c.to_json() for name, c in one["calibrations"].items()} == {
            name: c.to_json() for name, c in other["calibrations"].items()
        }
        assert first.result.metrics["best"] == second.result.metrics["best"]

    def test_so_are_the_audit_and_the_inputs(self, both: list[tuple[Trained, Any]]) -> None:
        (first, _), (second, _) = both
        assert first.result.metrics["inputs"] == second.result.metrics["inputs"]
        assert [one.name for one in first.result.importance] == [one.name for one in second.result.importance]

    def test_only_the_figures_know(self, both: list[tuple[Trained, Any]]) -> None:
        (first, _), (second, _) = both
        assert first.result.metrics["measured"]["auc"] > second.result.metrics["measured"]["auc"] + 0.1


class TestTheSameSeed:
    def without_times(self, trained: Trained) -> dict[str, Any]:
        named = ("seconds", "model_version", "bundle", "version")
        return {name: value for name, value in trained.result.metrics.items() if name not in named}

    def test_is_the_same_model_and_the_same_figures(self, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (one, _), (other, _) = (run(data, tmp_path / name, monkeypatch) for name in "ab")
        assert self.without_times(one) == self.without_times(other)
        for name in ("calibration.json", "encoder.json", "policy.json", "backtest.parquet", "reference.parquet", "golden.json"):
            assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()
        models = [next(folder.glob("*model.txt"), None) or next(folder.glob("[ls]*.json")) for folder in (one.folder, other.folder)]
        assert models[0].read_bytes() == models[1].read_bytes()

    def test_on_event_tables_too(self, event_project: Path, event_trained: Trained, tmp_path: Path) -> None:
        again = train_events(event_project, Home(tmp_path))
        assert self.without_times(again) == self.without_times(event_trained)


class TestSplits:
    @pytest.mark.parametrize(
        ("options", "kind"),
        [
            (BY_DAY, "forward-by-order"),
            (FlatOptions("won", order_by_row=True), "forward-by-order"),
            (FlatOptions("won"), "random"),
            (FlatOptions("won", order_by="visits"), "forward-by-order"),
        ],
    )
    def test_of_a_small_table(self, tmp_path: Path, options: FlatOptions, kind: str) -> None:
        trained = train_flat(written(tmp_path / "leads.csv", flat_table(300)), Home(tmp_path / "var"), options)
        split = trained.result.metrics["split"]
        assert (split["kind"], split["small"]) == (kind, True)
        assert split["train_rows"] > 100
        assert (split["warning"] is not None) == (kind == "random")
        assert any("Few rows" in notice for notice in trained.result.notices)
        assert Bundle.load(trained.folder).manifest["metrics"]["split"] == split

    def test_of_events(self, event_trained: Trained) -> None:
        split = event_trained.result.metrics["split"]
        assert split["kind"] == "forward"
        assert split["boundaries"]["test"].endswith("Z")


class TestOddColumns:
    def test_more_of_them_than_leads_before_test(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        noise = pd.DataFrame(rng.normal(size=(200, 170)).round(2), columns=[f"c{i}" for i in range(170)])
        trained = train_flat(written(tmp_path / "leads.csv", pd.concat([flat_table(200), noise], axis=1)), Home(tmp_path / "var"))
        assert len(trained.result.metrics["inputs"]) > trained.result.metrics["split"]["train_rows"]
        assert Bundle.load(trained.folder).manifest["importance"]

    def test_empty_constant_and_id_like_ones(self, tmp_path: Path) -> None:
        table = flat_table(600)
        table = table.assign(
            nothing=None,
            always="same",
            zero=0,
            code=[f"ref-{i:x}" for i in range(600)],
            infinite=np.where(table["visits"] > 4, np.inf, table["visits"]),
            when=table["day"],
            note=[f"free text {i % 7}, with, commas" for i in range(600)],
        )
        trained = train_flat(written(tmp_path / "leads.csv", table), Home(tmp_path / "var"))
        bundle = Bundle.load(trained.folder)
        names = {one.name for one in bundle.encoder.inputs}
        assert not names & {"nothing", "always", "zero", "code"}
        assert trained.result.metrics["inputs"]["code"]["verdict"] == "suspect"
        assert any("never vary" in notice and "always" in notice for notice in trained.result.notices)
        assert any("infinite" in notice for notice in trained.result.notices)
        assert "nothing" not in bundle.scorer.kinds

    def test_a_category_that_begins_after_training(self, tmp_path: Path) -> None:
        """It first shows in the test rows: the measured model takes it for something rare."""
        table = flat_table(600)
        table.loc[table.index >= 500, "origin"] = "brand new"
        trained = train_flat(written(tmp_path / "leads.csv", table), Home(tmp_path / "var"))
        assert trained.result.metrics["measured"]["auc"] > 0.55

    def test_only_leaks(self, tmp_path: Path) -> None:
        table = flat_table(600)[["day", "won"]].assign(copy=lambda t: (t["won"] == "yes") * 1.0)
        with pytest.raises(BadData, match=r"no input is left.*--allow"):
            train_flat(written(tmp_path / "leads.csv", table), Home(tmp_path / "var"))
        assert list((tmp_path / "var" / "bundles").iterdir()) == []

    def test_conversions_all_at_the_end(self, tmp_path: Path) -> None:
        table = flat_table(600).assign(won=np.where(np.arange(600) > 520, "yes", "no"))
        with pytest.raises(BadData, match="block"):
            train_flat(written(tmp_path / "leads.csv", table), Home(tmp_path / "var"))

    def test_a_test_block_without_conversions_has_no_figures_but_no_nan_either(self, tmp_path: Path) -> None:
        table = flat_table(600)
        table.loc[table.index > 430, "won"] = "no"
        trained = train_flat(written(tmp_path / "leads.csv", table), Home(tmp_path / "var"))
        metrics = json.loads(trained.report.with_name("metrics.json").read_text(), parse_constant=pytest.fail)
        assert metrics["measured"]["auc"] is None
        assert metrics["no_signal"] is True


class TestWhatIsKept:
    def test_dropped_columns_are_not_learnt_from_nor_read_later(self, event_project: Path, tmp_path: Path) -> None:
        trained = train_events(event_project, Home(tmp_path), drop=("employees", "pricing_visits_30d"))
        bundle = Bundle.load(trained.folder)
        names = {one.name for one in bundle.encoder.inputs}
        assert not names & {"employees", "company_size", "size_band", "pricing_visits_30d"}
        assert "employees" not in bundle.scorer.kinds

    def test_the_manifest_is_json_and_says_how_to_read_files_again(self, flat_bundle: Bundle) -> None:
        text = (flat_bundle.folder / "manifest.json").read_text()
        manifest = json.loads(text, parse_constant=pytest.fail)
        reading = manifest["reading"]
        assert (reading["label"], reading["positive"], reading["negative"], reading["decimal"]) == ("won", "yes", "no", ".")
        assert manifest["columns"]["origin"] == "category"
        assert abs(sum(manifest["importance"].values()) - 1) < 1e-4

    def test_the_backtest_holds_pseudonyms_and_the_measured_figures(self, flat_trained: Trained) -> None:
        table = pd.read_parquet(flat_trained.folder / "backtest.parquet")
        assert len(table) == flat_trained.result.metrics["split"]["test_rows"]
        assert not set(table["lead"]) & {f"{i:05d}" for i in range(1_500)}
        assert table["y"].sum() == flat_trained.result.metrics["measured"]["positives"]

    def test_a_named_id_column_is_found_again(self, tmp_path: Path) -> None:
        path = written(tmp_path / "leads.csv", flat_table(400).rename(columns={"lead_id": "customer"}))
        trained = train_flat(path, Home(tmp_path / "var"), replace(BY_DAY, id_column="customer"))
        bundle = Bundle.load(trained.folder)
        assert "customer" not in [one.name for one in bundle.encoder.inputs]
        from datetime import UTC, datetime

        from models.score_file import score_file

        for source, first in ((path, "00000"), (written(tmp_path / "without.csv", flat_table(20).drop(columns="lead_id")), "1")):
            out = tmp_path / "out.csv"
            score_file(bundle, bundle.policy, source, str(out), as_of=datetime.now(UTC))
            assert pd.read_csv(out, dtype=str)["lead_id"][0] == first
