"""Walking forward: no month's model knows what came later, every lead counts once, and the others get the same volume."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tamiz
from data.project import load_project
from data.sources import load_tables
from features.history import DAY, NEVER
from tests.trained import flat_table, write_events
from training.backtest import Backtest, NoMonth, NoOrder, Worked, _Walk, backtest, when_worked
from training.dataset import Dataset, FlatOptions, from_flat, from_project
from training.served import matures

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CRM in which sales take up every third lead, three days after it came."""
    path = write_events(tmp_path_factory.mktemp("events"), leads=900)
    leads = pd.read_csv(path.with_name("leads.csv"), dtype=str)
    created = pd.DatetimeIndex(leads["created_at"])
    new = pd.DataFrame({"lead_id": leads["lead_id"], "stage": "new", "entered_at": created, "owner": None})
    taken = new.iloc[::3].assign(stage="contacted", entered_at=created[::3] + pd.Timedelta(days=3), owner="eva")
    stages = pd.concat([new, taken])
    stages["entered_at"] = stages["entered_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    stages.to_csv(path.with_name("stages.csv"), index=False)
    path.write_text(
        path.read_text().replace("[data]\n", "[data]\nstage_changes = \"SELECT * FROM read_csv('stages.csv', all_varchar = true)\"\n")
    )
    return path


@pytest.fixture(scope="module")
def data(project: Path) -> Dataset:
    return from_project(project, seed=7)


@pytest.fixture(scope="module")
def worked(project: Path) -> Worked:
    chosen = load_project(project)
    found = when_worked(chosen, load_tables(chosen, now=pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime()))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def walked(data: Dataset, worked: Worked) -> Backtest:
    return backtest(data, worked, months=3, resamples=50)


class TestWhatCannotBeWalkedThrough:
    def test_a_table_without_an_order(self, tmp_path: Path) -> None:
        flat_table(600).to_csv(tmp_path / "leads.csv", index=False)
        with pytest.raises(NoOrder, match="--order-by"):
            backtest(from_flat(tmp_path / "leads.csv", FlatOptions("won")))

    def test_history_that_is_younger_than_the_horizon(self, data: Dataset) -> None:
        with pytest.raises(NoMonth, match="no label was known yet"):
            backtest(replace(data, horizon_days=900.0), months=2)

    def test_not_even_half_a_month_is_mature(self, data: Dataset) -> None:
        assert data.as_of is not None
        with pytest.raises(NoMonth, match="not half a month"):
            backtest(data, mature_until=int(data.as_of.min()) + DAY)

    def test_one_class_among_the_known_labels(self, data: Dataset) -> None:
        with pytest.raises(NoMonth, match="one class"):
            backtest(replace(data, y=np.zeros(len(data))), months=1)

    def test_a_month_with_too_little_known_is_told_and_the_others_go_on(self, data: Dataset) -> None:
        assert data.as_of is not None
        month = data.as_of.astype("datetime64[us]").astype("datetime64[M]")
        done = backtest(data.take(np.flatnonzero(month < np.unique(month)[6])), months=12, resamples=20)
        kinds = [one.kind for one in done.months]
        assert kinds[0] is None
        assert done.months[0].why
        assert kinds[-1] is not None
        assert any(note.startswith(done.months[0].name) for note in done.notes)

    def test_nobody_converts_in_the_last_month(self, data: Dataset) -> None:
        assert data.as_of is not None
        month = data.as_of.astype("datetime64[us]").astype("datetime64[M]")
        done = backtest(replace(data, y=np.where(month == month.max(), 0.0, data.y)), months=1, resamples=20)
        assert done.months[0].counts["model"].converted == 0
        assert done.months[0].counts["model"].leads > 0


def test_no_months_model_knows_what_came_later(data: Dataset) -> None:
    """Whatever becomes of looks whose horizon had not passed on the first day, that day's model routes the same leads."""
    assert data.as_of is not None
    known_at = matures(data)
    assert known_at is not None
    done = backtest(data, months=1, resamples=10)
    start = int(np.datetime64(done.months[0].name, "M").astype("datetime64[us]").astype(np.int64))
    later = known_at > start
    assert later.sum() > 100
    other = backtest(replace(data, y=np.where(later, 1 - data.y, data.y)), months=1, resamples=10)
    for one, two in zip(done.months, other.months, strict=True):
        assert (one.kind, one.threshold, one.counts["model"].leads) == (two.kind, two.threshold, two.counts["model"].leads)
        assert one.counts["model"].converted == one.counts["model"].leads - two.counts["model"].converted


class TestRules:
    def test_as_many_leads_by_every_rule(self, walked: Backtest) -> None:
        for month in walked.months:
            volume = month.counts["model"].leads
            assert volume <= month.seen
            for name in ("scorecard", "points", "random"):
                assert month.counts[name].leads == pytest.approx(volume)
            assert month.counts["sales"].leads <= volume
            assert all(0 <= one.converted <= one.leads for one in month.counts.values())

    def test_a_lead_counts_once(self, data: Dataset, worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
        walks: list[_Walk] = []
        kept = _Walk.totals

        def seen(self: _Walk, resamples: int) -> object:
            walks.append(self)
            return kept(self, resamples)

        monkeypatch.setattr(_Walk, "totals", seen)
        backtest(data, worked, months=3, resamples=5)
        for name, routed in walks[0].routed.items():
            assert np.bincount(data.lead, routed).max() <= 1 + 1e-9, name

    def test_months_add_up_to_the_whole(self, walked: Backtest) -> None:
        for rule in walked.rules:
            assert rule.leads == pytest.approx(sum(month.counts[rule.name].leads for month in walked.months))
            assert rule.converted == pytest.approx(sum(month.counts[rule.name].converted for month in walked.months))

    def test_a_model_that_sees_something_beats_chance(self, walked: Backtest) -> None:
        chance = next(rule for rule in walked.rules if rule.name == "random")
        assert chance.difference_ci[0] is not None
        assert chance.difference_ci[0] > 0

    def test_a_higher_share_never_routes_fewer(self, data: Dataset) -> None:
        few, many = (backtest(data, months=1, share=share, resamples=5).months[0] for share in (0.1, 0.4))
        assert few.counts["model"].leads <= many.counts["model"].leads


class TestWhenSalesWorked:
    def test_the_first_stage_with_an_owner(self, worked: Worked, data: Dataset) -> None:
        assert "owner" in worked.said
        assert (worked.at != NEVER).sum() == 300
        assert data.created is not None
        first = np.unique(data.lead, return_index=True)[1]
        wait = (worked.at[data.lead[first]] - data.created[first])[worked.at[data.lead[first]] != NEVER]
        assert np.all(np.abs(wait - 3 * DAY) < 2_000_000)

    def test_without_owners_the_first_stage_that_is_not_entered_by_itself(self, project: Path) -> None:
        chosen = load_project(project)
        tables = load_tables(chosen, now=pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime())
        bare = replace(tables, stage_changes=tables.stage_changes.drop(columns=["owner"]))
        found = when_worked(chosen, bare)
        assert found is not None
        assert "contacted" in found.said
        assert (found.at != NEVER).sum() == 300

    def test_stages_that_show_nothing(self, project: Path) -> None:
        chosen = load_project(project)
        tables = load_tables(chosen, now=pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime())
        assert when_worked(chosen, replace(tables, stage_changes=tables.stage_changes.iloc[:0])) is None
        opening = tables.stage_changes[tables.stage_changes["stage"] == "new"].drop(columns=["owner"])
        assert when_worked(chosen, replace(tables, stage_changes=opening)) is None


class TestCommand:
    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
        monkeypatch.chdir(tmp_path)

        def call(*words: str) -> tuple[int, str, str]:
            code = tamiz._run(["backtest", *words])
            out, err = capsys.readouterr()
            return code, out, err

        return call

    def test_what_is_missing_is_named(self, run: Run, tmp_path: Path) -> None:
        flat_table(300).to_csv(tmp_path / "leads.csv", index=False)
        for words, said in (
            ([], "no project file"),
            (["--leads", "leads.csv"], "--label"),
            (["--leads", "leads.csv", "--label", "won"], "--order-by"),
            (["--leads", "leads.csv", "--project", "x.toml"], "exclude"),
            (["--leads", "leads.csv", "--label", "won", "--order-by", "day", "--out", "x.xlsx"], ".csv"),
        ):
            code, out, err = run(*words)
            assert (code, out) == (2, "")
            assert said in err.splitlines()[-1]

    def test_events_as_a_table_and_as_a_file(self, run: Run, project: Path) -> None:
        code, out, err = run("--project", str(project), "--quick", "--months", "2", "--horizon", "25", "--out", "months.csv")
        assert code == 0
        assert "1 of 2" in err
        assert "order of sales" in out
        rows = list(csv.DictReader(Path("months.csv").read_text(encoding="utf-8").splitlines()))
        assert len(rows) == 2 * 5
        assert {row["rule"] for row in rows} == {"model", "scorecard", "points", "sales", "random"}

    def test_a_flat_table_in_parts_of_its_order(self, run: Run, tmp_path: Path) -> None:
        flat_table(1_500).to_csv(tmp_path / "leads.csv", index=False)
        code, out, _ = run("--leads", "leads.csv", "--label", "won", "--order-by", "day", "--quick", "--json")
        found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert code == 0
        assert [one["month"] for one in found["months"]] == ["part 1", "part 2", "part 3"]
        assert found["rules"]["random"]["difference_ci"][0] > 0
        assert "sales" not in found["rules"]
        assert any("flatters" in note for note in found["notes"])
