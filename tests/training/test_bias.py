"""What a probability means: refused where the data cannot say, weighted where chance had a part, and said in the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tamiz
from data.errors import BadUsage
from data.home import Home
from tests.trained import _train, write_events
from training.bias import CLIP, NotIdentifiable, explored, in_words, inverse_propensity, question_of, weighted_figures
from training.dataset import from_project
from training.gates import decide
from training.train import Options, Trained


def decide_by_lot(project: Path, chance: float | None = 0.4, seed: int = 0) -> Path:
    """Sales works each lead on its second day by lot; who is worked converts more often."""
    rng = np.random.default_rng(seed)
    leads = pd.read_csv(project.with_name("leads.csv"), dtype=str)
    created = pd.DatetimeIndex(leads["created_at"])
    worked = rng.random(len(leads)) < (0.4 if chance is None else chance)
    outcomes = pd.read_csv(project.with_name("outcomes.csv"), dtype=str)
    more = worked & (rng.random(len(leads)) < 0.3) & ~leads["lead_id"].isin(outcomes["lead_id"]).to_numpy()
    late = (created[more] + pd.Timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    pd.concat([outcomes, pd.DataFrame({"lead_id": leads["lead_id"][more], "converted_at": late})]).to_csv(
        project.with_name("outcomes.csv"), index=False
    )
    decided = pd.DataFrame(
        {
            "lead_id": leads["lead_id"],
            "as_of": (created + pd.Timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "worked": worked.astype(int),
            "propensity": "" if chance is None else chance,
        }
    )
    decided.to_csv(project.with_name("decisions.csv"), index=False)
    query = "decisions = \"SELECT * FROM read_csv('decisions.csv', all_varchar = true)\"\n"
    project.write_text(project.read_text().replace("[data]\n", f"[data]\n{query}"))
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decide_by_lot(write_events(tmp_path_factory.mktemp("tried"), leads=900))


@pytest.fixture(scope="module")
def worked(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = Home(tmp_path_factory.mktemp("home"))
    return _train(lambda say: from_project(project, seed=7, estimand="worked", say=say), home, Options(quick=True), False, None)


class TestWhatCannotBeKnown:
    def test_without_decisions_nothing_but_the_policy(self, tmp_path: Path) -> None:
        with pytest.raises(NotIdentifiable, match="do not say whom sales decided to work"):
            from_project(write_events(tmp_path), estimand="worked")

    def test_without_chance_in_them_neither(self, tmp_path: Path) -> None:
        with pytest.raises(NotIdentifiable, match="left to chance"):
            from_project(decide_by_lot(write_events(tmp_path), chance=None), estimand="worked")

    def test_where_everybody_was_worked_there_is_nobody_left_alone(self) -> None:
        seen = pd.DataFrame({"propensity": np.full(500, 0.5), "worked": 1.0, "y": np.arange(500) % 5 == 0})
        known = explored(seen)
        assert set(known.why_not) == {"alone"}
        assert "only 0 leads of that side" in known.why_not["alone"]

    def test_another_word_for_it(self) -> None:
        with pytest.raises(BadUsage, match="policy, worked, alone"):
            question_of("treated")

    def test_a_flat_table_on_the_command_line(self, flat_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert tamiz._run(["train", "--leads", str(flat_file), "--label", "won", "--estimand", "worked"]) == 2
        assert "error: --estimand needs event tables" in capsys.readouterr().err

    def test_a_chance_beyond_one_is_put_aside(self, tmp_path: Path) -> None:
        path = decide_by_lot(write_events(tmp_path))
        decided = pd.read_csv(path.with_name("decisions.csv"), dtype=str)
        decided.loc[3, "propensity"] = "1.4"
        decided.to_csv(path.with_name("decisions.csv"), index=False)
        reasons = from_project(path).quarantine["reason"].tolist()
        assert reasons == ["propensity is not between 0 and 1"]


class TestWeights:
    def test_a_lead_counts_for_those_like_it_who_were_decided_otherwise(self) -> None:
        """Half of the hot and a tenth of the cold were worked: weighted, the worked are half hot again."""
        hot = np.repeat([True, False], 5_000)
        chance = np.where(hot, 0.5, 0.1)
        worked = np.random.default_rng(0).random(10_000) < chance
        usable, weight = inverse_propensity(chance, worked.astype(float), "worked")
        assert hot[worked].mean() > 0.8
        assert abs(np.average(hot[usable], weights=weight) - 0.5) < 0.03

    @given(
        chance=st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=1, max_size=60),
        estimand=st.sampled_from(["worked", "alone"]),
        factor=st.floats(0.1, 1.0),
    )
    def test_they_average_one_are_clipped_and_do_not_mind_a_common_factor(self, chance: list[float], estimand: str, factor: float) -> None:
        e = np.array(chance)
        side = np.full(len(e), float(estimand == "worked"))
        usable, weight = inverse_propensity(e, side, estimand)
        assert usable.tolist() == ((e > 0) & (e < 1)).tolist()
        if usable.any():
            assert weight.mean() == pytest.approx(1.0)
            assert (weight > 0).all()
        if estimand == "worked" and usable.any() and e[usable].min() > 1e-6:
            _, again = inverse_propensity(e * factor, side, estimand)
            assert again == pytest.approx(weight, rel=1e-9) or (e[usable] * factor).min() <= 0

    def test_one_unlikely_lead_does_not_decide(self) -> None:
        chance = np.append(np.full(999, 0.5), 1e-6)
        _, weight = inverse_propensity(chance, np.ones(1_000), "worked")
        assert weight[-1] == weight.max() <= CLIP
        assert weight[:-1].sum() > 0.97 * weight.sum()

    def test_figures_are_those_of_everybody(self) -> None:
        """On worked leads that sales picked for their heat, the weighted rate is that of all leads, had all been worked."""
        rng = np.random.default_rng(5)
        hot = rng.random(30_000) < 0.5
        truth = np.where(hot, 0.4, 0.1)
        chance = np.where(hot, 0.6, 0.15)
        y, took = (rng.random(30_000) < truth).astype(float), rng.random(30_000) < chance
        usable, weight = inverse_propensity(chance, took.astype(float), "worked")
        lead = np.arange(30_000)[usable]
        found = weighted_figures(y[usable], truth[usable], truth[usable], lead, weight, seed=1, resamples=50)
        assert abs(found["observed"] - truth.mean()) < 0.02
        assert y[usable].mean() > truth.mean() + 0.04
        assert found["observed_ci"][0] <= found["observed"] <= found["observed_ci"][1]
        assert found["effective_rows"] < found["rows"]


class TestTraining:
    def test_learns_from_the_side_that_was_asked_for(self, project: Path, worked: Trained) -> None:
        sides = {name: from_project(project, seed=7, estimand=name) for name in ("worked", "alone")}
        assert sides["worked"].y.mean() > sides["alone"].y.mean() + 0.1
        assert sides["worked"].weight is not None
        assert len(sides["worked"]) + len(sides["alone"]) == worked.result.metrics["estimand"]["decisions"]
        assert worked.result.metrics["rows"] == len(sides["worked"])

    def test_names_its_estimand_everywhere(self, worked: Trained) -> None:
        section = worked.result.metrics["estimand"]
        assert section["name"] == "worked"
        assert section["on_test"]["rows"] == worked.result.metrics["measured"]["rows"]
        assert "if sales takes it up now" in worked.report.read_text()
        from models.bundle import Bundle

        assert Bundle.load(worked.folder).manifest["estimand"] == "worked"

    def test_the_usual_one_says_what_is_not_identifiable_and_why(self, tmp_path: Path) -> None:
        path = write_events(tmp_path / "crm")
        metrics = _train(lambda say: from_project(path, seed=7, say=say), Home(tmp_path / "var"), Options(quick=True), False, None).result
        said = " ".join(in_words(metrics.metrics["estimand"]))
        assert "as sales goes on deciding" in said
        assert "Not identifiable" in said
        assert "do not say whom sales decided to work" in said

    def test_what_may_be_asked_for_is_offered(self, project: Path) -> None:
        said = " ".join(in_words(from_project(project).explored.to_json("policy")))
        assert "--estimand worked or --estimand alone" in said
        assert "Not identifiable" not in said

    def test_models_that_mean_different_things_are_not_compared(self, worked: Trained) -> None:
        one = {**worked.result.metrics, "no_signal": False, "chosen": worked.result.metrics["best"]}
        gates = {gate.name: gate for gate in decide(one, {**one, "estimand": {"name": "policy"}}).gates}
        assert gates["same question"].verdict == "fail"
        assert "estimand worked, champion policy" in gates["same question"].figures
