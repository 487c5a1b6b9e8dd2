"""What a model is trained on: one description for a flat file and for event tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadData, BadUsage
from data.flat import read_flat
from data.project import load_project
from data.sources import load_tables
from tests.trained import BY_DAY, flat_table, write_events
from training.dataset import FlatOptions, _now_and_then, flat_dataset, from_flat, from_project
from training.leakage_timing import dated_columns


@pytest.fixture(scope="module")
def events(event_project: Path) -> Path:
    return event_project


class TestFlat:
    def test_a_row_is_a_lead_and_an_observation(self, flat_file: Path) -> None:
        data = from_flat(flat_file, BY_DAY)
        assert (len(data), data.mode, data.as_of, data.horizon_days) == (1_500, "flat", None, None)
        assert data.lead_ids[7] == "00007"
        assert set(data.input_names) == {"size", "origin", "visits", "member", "{odd} 100 %s"}
        assert data.label == "won = yes"
        assert data.order is not None
        assert (np.diff(data.order) >= 0).all()

    def test_a_table_without_a_label_cannot_be_trained_on(self, flat_file: Path) -> None:
        with pytest.raises(BadData, match="--label"):
            flat_dataset(read_flat(flat_file), "leads.csv")

    def test_the_digest_tells_data_apart_and_nothing_else(self, flat_file: Path, tmp_path: Path) -> None:
        one = from_flat(flat_file, BY_DAY).digest()
        assert from_flat(flat_file, BY_DAY).digest() == one
        table = flat_table()
        table.loc[3, "visits"] += 1
        table.to_csv(tmp_path / "other.csv", index=False)
        assert from_flat(tmp_path / "other.csv", BY_DAY).digest() != one

    def test_equal_rows_share_a_code(self, tmp_path: Path) -> None:
        table = flat_table(40).drop(columns=["lead_id", "day"])
        pd.concat([table, table.head(5)]).to_csv(tmp_path / "leads.csv", index=False)
        codes = from_flat(tmp_path / "leads.csv", FlatOptions("won")).duplicates()
        assert codes[:5].tolist() == codes[40:].tolist()
        assert len(np.unique(codes)) == 40

    def test_how_the_file_was_read_is_kept_for_the_report_and_for_scoring(self, tmp_path: Path) -> None:
        flat_table(60).to_csv(tmp_path / "leads.csv", index=False, sep=";", decimal=",")
        data = from_flat(tmp_path / "leads.csv", BY_DAY)
        assert data.reading["decimal"] == ","
        assert "semicolon" in data.sources[0].details
        assert "decimal comma" in data.sources[0].details

    def test_blank_labels_are_left_out_and_counted(self, tmp_path: Path) -> None:
        table = flat_table(60)
        table.loc[:4, "won"] = None
        table.to_csv(tmp_path / "leads.csv", index=False)
        data = from_flat(tmp_path / "leads.csv", BY_DAY)
        assert len(data) == 55
        assert sum("5 rows with a blank" in notice for notice in data.notices) == 1


class TestEvents:
    def test_leads_are_observed_at_several_ages_and_labelled_within_the_horizon(self, events: Path) -> None:
        data = from_project(events, seed=7)
        assert data.mode == "events"
        assert data.horizon_days == 30
        assert len(np.unique(data.lead)) < len(data)
        assert data.served_like.any()
        assert not data.served_like.all()
        assert {"seniority", "pricing_visits_30d", "employees", "plan code", "nps_survey:count"} <= set(data.input_names)
        assert data.cohorts

    def test_types_that_nobody_declared_are_said_and_absurd_times_put_aside(self, tmp_path: Path) -> None:
        path = write_events(tmp_path, leads=80)
        with path.with_name("activities.csv").open("a") as file:
            for at, year in enumerate(("0001", "1970", "2999")):
                file.write(f"0001,page_view,{year}-01-01T00:00:00Z,{year}-01-01T00:00:00Z,/,,,absurd{at}\n")
            file.write("0001,fax,2024-02-01T00:00:00Z,2024-02-01T00:00:00Z,,,,fax\n")
            file.write(f"0002,page_view,2024-02-01T00:00:00Z,2024-02-01T00:00:00Z,/{'x' * 10_000}/pricing,,,endless\n")
        data = from_project(path, seed=7)
        assert "Activity types that no signal names, inputs of their own now: nps_survey." in data.notices
        assert "Activity types that no signal names: fax; they count as activity and as nothing else." in data.notices
        assert data.quarantine["reason"].str.startswith("implausible time").sum() == 3

    def test_columns_that_are_declared_static_are_not_undated(self, events: Path, tmp_path: Path) -> None:
        assert from_project(events).undated == {}
        loose = write_events(tmp_path / "loose", leads=120)
        loose.write_text(loose.read_text().replace('"employees", ', ""))
        undated = from_project(loose).undated
        assert {undated[name] for name in ("employees", "company_size", "size_band")} == {("employees",)}
        assert not undated.keys() & {"seniority", "source", "pricing_visits_30d", "lead_age"}

    def test_a_drop_that_is_nowhere_is_a_mistake(self, events: Path) -> None:
        with pytest.raises(BadUsage, match="did you mean employees"):
            from_project(events, drop=("employes",))

    def test_leads_of_one_company_share_an_account(self, events: Path) -> None:
        data = from_project(events)
        leads = pd.read_csv(events.with_name("leads.csv"), dtype=str)
        domain = leads["company_domain"].to_numpy()[data.lead]
        alone = pd.isna(domain)
        shared = pd.Series(data.account[~alone]).groupby(domain[~alone]).nunique()
        assert (shared == 1).all()
        assert not set(data.account[alone].tolist()) & set(data.account[~alone].tolist())

    def test_values_first_written_after_the_conversion_are_counted(self, tmp_path: Path) -> None:
        """Sales fills in the budget when the deal is won: the history of the field shows it."""
        path = write_events(tmp_path / "events", leads=200)
        outcomes = pd.read_csv(path.with_name("outcomes.csv"), dtype=str)
        won = pd.to_datetime(outcomes["converted_at"])
        late = pd.DataFrame({"lead_id": outcomes["lead_id"], "field": "employees", "value": "50", "changed_at": won + pd.Timedelta(days=2)})
        early = late.assign(field="source", value="web", changed_at=won - pd.Timedelta(days=5))
        pd.concat([late, early]).to_csv(path.with_name("lead_changes.csv"), index=False)
        path.write_text(path.read_text().replace("[data]\n", "[data]\nlead_changes = \"SELECT * FROM 'lead_changes.csv'\"\n"))
        tables = load_tables(load_project(path))
        rows = np.arange(len(tables.leads))
        found = {name: one.among(rows) for name, one in dated_columns(tables).items()}
        assert (found["employees"].late, found["source"].late) == (len(outcomes), 0)
        data = from_project(path)
        assert data.reads["employees"] == {"employees"}
        assert data.dated["employees"].among(rows).accuses

    def test_what_a_first_conversion_was_worth(self, tmp_path: Path) -> None:
        path = write_events(tmp_path / "events", leads=150)
        outcomes = pd.read_csv(path.with_name("outcomes.csv"), dtype=str).assign(amount="1200.5")
        outcomes.to_csv(path.with_name("outcomes.csv"), index=False)
        data = from_project(path)
        assert data.amount is not None
        assert set(data.amount[data.y > 0].tolist()) == {1200.5}
        assert np.isnan(data.amount[data.y == 0]).all()


def test_short_work_does_not_chatter() -> None:
    said: list[str] = []
    progress = _now_and_then(1_000, said.append)
    for done in range(0, 1_000, 10):
        progress(done)
    assert said == []
