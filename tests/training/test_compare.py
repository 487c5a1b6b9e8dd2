"""Champion against challenger: on which rows, through which inputs, and what a changed model does to thresholds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import tamiz
from data.errors import BadData, BadUsage
from data.home import Home
from data.store import Store
from models.bundle import Bundle
from models.qualification import Policy
from models.registry import CHALLENGER, MODEL, Registry, read_pointer
from tests.trained import flat_table, home_with_store, train_events, train_flat, write_events
from training.compare import Comparison, of_folders
from training.dataset import FlatOptions
from training.raw import Source

EVENTS = "tamiz.toml"


def silent(text: str) -> None:
    del text


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_events(tmp_path_factory.mktemp("events"), leads=1_200)


@pytest.fixture(scope="module")
def earlier(project: Path) -> Path:
    """The same CRM half a year before it ends."""
    path = project.with_name("earlier.toml")
    path.write_text(project.read_text().replace("until = 2025-04-30", "until = 2024-09-30"))
    return path


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def old(earlier: Path, homes: Home) -> Path:
    """A champion of then, on another feature set: without job titles and own columns."""
    return train_events(earlier, homes, drop=["job_title", "plan code"]).folder


@pytest.fixture(scope="module")
def new(project: Path, homes: Home) -> Path:
    return train_events(project, homes).folder


@pytest.fixture(scope="module")
def retrained(project: Path, homes: Home, old: Path, new: Path) -> Comparison:
    return of_folders(homes, new, old, source=Source(project=project), resamples=100, say=silent)


class TestWhichRows:
    def test_a_champion_of_then_is_judged_as_it_serves_on_leads_that_are_new_to_it(self, retrained: Comparison, project: Path) -> None:
        assert retrained.evidence == "retrained"
        assert "2024-09-" in retrained.said
        assert {"log_loss", "pr_auc", "lift_at_capacity", "ece"} <= retrained.figures.keys()

    def test_the_two_read_different_inputs_each_through_its_own(self, retrained: Comparison, old: Path, new: Path) -> None:
        inputs = [{one.name for one in Bundle.load(folder).encoder.inputs} for folder in (old, new)]
        assert inputs[0] != inputs[1]
        assert Bundle.load(old).feature_set != Bundle.load(new).feature_set
        assert retrained.figures["auc"]["old"] > 0.6
        assert retrained.figures["auc"]["new"] > 0.6

    def test_two_models_of_the_same_day_are_compared_by_their_recipes(self, project: Path, homes: Home, new: Path) -> None:
        other = train_events(project, homes, drop=["job_title"]).folder
        made = of_folders(homes, other, new, source=Source(project=project), resamples=50, say=silent)
        assert made.evidence == "recipes"
        assert "learnt again" in made.said

    def test_rows_later_than_both_are_what_counts_most(self, earlier: Path, homes: Home, old: Path, project: Path) -> None:
        other = train_events(earlier, homes).folder
        made = of_folders(homes, other, old, source=Source(project=project), resamples=50, say=silent)
        assert made.evidence == "served"
        assert "new to both" in made.said

    def test_the_later_rows_are_later_than_every_label_of_training(self, project: Path, old: Path) -> None:
        bundle = Bundle.load(old)
        until = pd.Timestamp(int(bundle.manifest["fitted_until"]), unit="us")
        assert until <= pd.Timestamp("2024-09-30")
        assert until > pd.Timestamp("2024-09-01")

    def test_without_rows_the_bundles_own_test_rows_serve_if_they_are_the_same_leads(self, homes: Home, old: Path, new: Path) -> None:
        made = of_folders(homes, new, old, source=None, say=silent)
        assert made.evidence == "apart"
        assert "weak evidence" in next(gate.figures for gate in made.decision.gates if gate.name == "against the champion")
        assert not made.movers

    def test_a_constant_target_among_the_newest_leads_is_no_ground_for_a_comparison(
        self, project: Path, tmp_path: Path, homes: Home, old: Path, new: Path
    ) -> None:
        """Nobody who came of late has converted: too few of a class among the test rows."""
        folder = tmp_path / "dry"
        shutil.copytree(project.parent, folder)
        outcomes = pd.read_csv(folder / "outcomes.csv", dtype=str)
        outcomes[outcomes["converted_at"] < "2024-09-01"].to_csv(folder / "outcomes.csv", index=False)
        made = of_folders(homes, new, old, source=Source(project=folder / EVENTS), resamples=50, say=silent)
        assert made.evidence == "apart"

    def test_different_horizons_are_different_questions(self, project: Path, homes: Home, old: Path, new: Path, tmp_path: Path) -> None:
        copy = tmp_path / "sixty"
        shutil.copytree(new, copy)
        manifest = json.loads((copy / "manifest.json").read_bytes())
        manifest["metrics"]["horizon_days"] = 60
        (copy / "manifest.json").write_text(json.dumps(manifest))
        made = of_folders(homes, copy, old, source=Source(project=project), say=silent)
        (gate,) = [gate for gate in made.decision.gates if gate.verdict == "fail"]
        assert gate.name == "same question"
        assert "60 days, champion 30 days" in gate.figures


class TestContinuity:
    def test_volumes_and_crossers_add_up(self, retrained: Comparison) -> None:
        assert retrained.crossings
        for one in retrained.crossings:
            assert one.challenger == one.champion + one.enter - one.leave
            assert max(one.champion, one.challenger) <= one.leads

    def test_the_mapping_is_an_offer_of_an_ordered_policy(self, retrained: Comparison) -> None:
        assert retrained.policy is not None
        assert retrained.mapped is not None
        assert retrained.mapped.sql.enter >= retrained.mapped.mql.enter >= retrained.mapped.mql.exit
        for one in retrained.crossings:
            assert abs(one.kept - one.champion) <= abs(one.challenger - one.champion) or one.mapped == one.threshold

    def test_the_leads_that_move_say_why_in_sentences_with_their_own_values(self, retrained: Comparison) -> None:
        changed = [one.decision_before != one.decision_after for one in retrained.movers]
        assert changed == sorted(changed, reverse=True)
        told = [reason for one in retrained.movers for reason in one.why]
        assert told
        assert all(reason["sentence"].endswith(".") and reason["change"] for reason in told)

    def test_a_kept_comparison_says_what_it_said(self, retrained: Comparison) -> None:
        again = Comparison.from_json(json.loads(json.dumps(retrained.as_json(), allow_nan=False)))
        assert again.decision == retrained.decision
        assert again.mapped == retrained.mapped
        assert again.policy == retrained.policy


class TestFlat:
    @pytest.fixture
    def two(self, tmp_path: Path, homes: Home) -> tuple[Path, Path, Path]:
        """The whole table, a champion on its first half, a challenger with another column and another kind of one."""
        table = flat_table(2_400)
        half, whole = tmp_path / "half.csv", tmp_path / "whole.csv"
        table.iloc[:1_000].to_csv(half, index=False)
        table.drop(columns=["member"]).to_csv(whole, index=False)
        return whole, train_flat(half, homes).folder, train_flat(whole, homes).folder

    def test_the_order_says_which_rows_are_new(self, two: tuple[Path, Path, Path], homes: Home) -> None:
        whole, champion, challenger = two
        made = of_folders(homes, challenger, champion, source=Source(leads=whole, flat=FlatOptions("")), resamples=50, say=silent)
        assert made.evidence == "retrained"
        assert "after the last day of training" in made.said
        assert made.crossings[0].leads == 2_400

    def test_without_an_order_the_users_word_counts(self, two: tuple[Path, Path, Path], homes: Home, tmp_path: Path) -> None:
        _, champion, challenger = two
        fresh = tmp_path / "fresh.csv"
        flat_table(900, seed=8).drop(columns=["day"]).assign(visits="many").to_csv(fresh, index=False)
        with pytest.raises(BadData, match="no column 'day'"):
            of_folders(homes, challenger, champion, source=Source(leads=fresh, flat=FlatOptions("won")), say=silent)
        flat = Source(leads=fresh, flat=FlatOptions("won"), unseen=True)
        made = of_folders(homes, challenger, champion, source=flat, resamples=50, say=silent)
        assert made.evidence == "served"
        assert made.counted.startswith("900 leads")

    def test_events_for_a_model_of_a_flat_table_are_refused_by_name(self, two: tuple[Path, Path, Path], homes: Home, project: Path) -> None:
        _, champion, challenger = two
        with pytest.raises(BadUsage, match="--leads FILE"):
            of_folders(homes, challenger, champion, source=Source(project=project), say=silent)
        lying_there = replace(Source(project=project), implied=True)
        assert of_folders(homes, challenger, champion, source=lying_there, say=silent).evidence in ("backtests", "apart")


class TestCommand:
    @pytest.fixture
    def home(self, tmp_path: Path, empty_mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
        monkeypatch.setenv("TAMIZ_HOME", str(tmp_path / "var"))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
        monkeypatch.chdir(tmp_path)
        return home_with_store(tmp_path / "var", empty_mlflow_store)

    def test_there_is_nothing_to_compare_yet(self, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
        assert tamiz._run(["compare"]) == 2
        assert "tamiz train" in capsys.readouterr().err

    def test_from_the_offer_to_the_accepted_mapping_and_back(
        self, home: Home, old: Path, new: Path, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        registry = Registry(home)
        assert tamiz._run(["promote", "--model", str(old), "--why", "to begin with"]) == 0
        first = Store.open(home.root).publish(Policy.at(0.3, 0.6).to_json(), author="ana", note="")
        challenger = registry.register_bundle(Path(shutil.copytree(new, home.root / "new")))
        registry.set_alias(CHALLENGER, challenger.version)
        capsys.readouterr()

        code = tamiz._run(["compare", "--project", str(project), "--json", "--out", "moved.csv"])
        found = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert code == (0 if found["verdict"] == "PROMOTE" else 1)
        assert found["evidence"]["kind"] == "retrained"
        assert found["continuity"]["policy_version"] == first.version
        assert len(pd.read_csv("moved.csv")) == len(found["movers"])
        policy = Store.open(home.root).policy()
        assert policy is not None
        assert policy.version == first.version, "an offer is not applied"
        from mlflow.tracking import MlflowClient

        tags = MlflowClient(tracking_uri=registry.uri).get_model_version(MODEL, str(challenger.version)).tags
        assert tags["tamiz.gate"] == found["verdict"]
        assert json.loads(tags["tamiz.log_loss"])["difference"] == found["figures"]["log_loss"]["difference"]
        kept = [path.read_text() for path in home.mlartifacts.rglob("comparison.json")]
        assert kept
        assert [json.loads(text)["movers"] for text in kept] == [len(found["movers"])], "how many move, not who"

        assert tamiz._run(["promote", "--accept-mapping", "--why", "whatever they say"]) == 0
        out = capsys.readouterr().out
        policy = Store.open(home.root).policy()
        assert policy is not None
        assert json.loads(policy.json) == found["continuity"]["mapped"]
        assert policy.note.startswith(f"mapped for model version {challenger.version}")
        assert "keep each volume" in out

        assert tamiz._run(["rollback"]) == 0
        assert "`tamiz policy rollback`" in capsys.readouterr().out
        pointer = read_pointer(home.bundles)
        assert pointer is not None
        assert pointer.version == 1

    def test_a_policy_that_changed_since_is_not_overwritten(
        self, home: Home, old: Path, new: Path, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert tamiz._run(["promote", "--model", str(old), "--why", "to begin with"]) == 0
        assert tamiz._run(["compare", "--model", str(new), "--project", str(project)]) in (0, 1)
        Store.open(home.root).publish(Policy.at(0.3, 0.6).to_json(), author="ana", note="")
        capsys.readouterr()
        assert tamiz._run(["promote", "--model", str(new), "--accept-mapping", "--why", "now"]) == 2
        assert "run `tamiz compare` again" in capsys.readouterr().err
        pointer = read_pointer(home.bundles)
        assert pointer is not None
        assert pointer.version == 1, "neither the policy nor the champion moved"

    def test_the_champion_against_itself(self, home: Home, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert tamiz._run(["promote", "--model", str(old), "--why", "to begin with"]) == 0
        assert tamiz._run(["compare", "--model", "1"]) == 2
        assert "the champion already" in capsys.readouterr().err


def test_an_order_by_that_is_about_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for words, said in ([["--label", "won"], "--leads"], [["--leads", "a.csv", "--project", "b.toml"], "exclude"]):
        assert tamiz._run(["compare", *words]) == 2
        assert said in capsys.readouterr().err
