from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadData, DependencyFailed
from data.files import MissingColumns
from data.frames import Tables
from data.project import load_project
from data.quarantine import TooManyBadRows
from data.sources import NoReader, QueryFailed, load_tables

LEADS = "lead_id,created_at,country\n007,2026-01-01T00:00:00Z,ES\n8,2026-01-02T00:00:00Z,PT\n"
ACTIVITIES = "lead_id,occurred_at,type\n8,2026-01-05T10:00:00Z,page_view\n007,2026-01-03T10:00:00Z,email_click\n"
OUTCOMES = "lead_id,converted_at\n007,2026-02-01T00:00:00Z\n"
NOW = datetime(2026, 3, 1, tzinfo=UTC)

Load = Callable[..., Tables]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes the tables beside a project and loads it; `sql` overrides queries, `toml` adds sections, `options` go into [data]."""

    def tables(sql: dict[str, str] | None = None, toml: str = "", options: str = "", now: datetime | None = NOW, **files: str) -> Tables:
        files = {"leads": LEADS, "activities": ACTIVITIES, "outcomes": OUTCOMES} | files
        queries = {name: f"SELECT * FROM '{name}.csv'" for name, content in files.items() if content} | (sql or {})
        for name, content in files.items():
            (tmp_path / f"{name}.csv").write_text(content, encoding="utf-8")
        data = "".join(f'{name} = """{query}"""\n' for name, query in queries.items())
        (tmp_path / "tamiz.toml").write_text(f"[data]\n{data}{options}\n{toml}", encoding="utf-8")
        return load_tables(load_project(tmp_path / "tamiz.toml"), now=now)

    return tables


def many(count: int, extra: str = "") -> dict[str, str]:
    """Enough good rows for one bad one to stay below the share."""
    ids = range(1, count + 1)
    return {
        "leads": "lead_id,created_at\n" + "".join(f"L{i},2026-01-01T00:00:00Z\n" for i in ids),
        "activities": "lead_id,occurred_at,type\n" + "".join(f"L{i},2026-01-02T00:00:{i % 60:02d}Z,page_view\n" for i in ids) + extra,
        "outcomes": "lead_id,converted_at\nL1,2026-02-01T00:00:00Z\n",
    }


class TestQueriesThatFail:
    def test_a_missing_file_says_where_it_was_looked_for(self, load: Load) -> None:
        with pytest.raises(QueryFailed, match=r"activities in .*No files found .*relative to"):
            load(sql={"activities": "SELECT * FROM 'activites.csv'"})

    def test_broken_sql_is_the_users_to_mend(self, load: Load) -> None:
        with pytest.raises(QueryFailed, match="syntax error") as said:
            load(sql={"leads": "SELEC * FROM 'leads.csv'"})
        assert said.value.exit_code == 2

    def test_where_the_sql_is_wrong_is_shown_as_duckdb_shows_it(self, load: Load) -> None:
        query = """SELECT lead_id, created_at,
              order
        FROM 'leads.csv'"""
        with pytest.raises(QueryFailed) as said:
            load(sql={"leads": query})
        first, *place = str(said.value).splitlines()
        assert first.startswith("the query for leads in ")
        assert first.endswith('if order is a column here, write it in double quotes: "order"')
        line = next(text for text in place if text.startswith("LINE "))
        assert place[-1].index("^") == line.index("FROM")

    @pytest.mark.parametrize("query", ["SELECT group, lead_id FROM 'leads.csv'", "SELECT lead_id, when FROM 'leads.csv'"])
    def test_a_column_called_like_a_word_of_sql_is_to_be_quoted(self, load: Load, query: str) -> None:
        with pytest.raises(QueryFailed, match=r'if (group|when) is a column here, write it in double quotes: "(group|when)"'):
            load(sql={"leads": query})

    def test_a_column_that_is_not_there_shows_the_nearest_ones(self, load: Load) -> None:
        with pytest.raises(QueryFailed, match=r"Candidate bindings.*created_at") as said:
            load(sql={"leads": "SELECT lead_id, creatd_at FROM 'leads.csv'"})
        assert "double quotes" not in str(said.value)

    def test_a_required_column_that_is_absent_is_named_with_what_the_query_gave(self, load: Load) -> None:
        with pytest.raises(MissingColumns, match=r"'occurred_at'.*'occurred_at' → 'occured_at'\?.*lead_id, occured_at, type"):
            load(activities="lead_id,occured_at,type\n8,2026-01-05T10:00:00Z,page_view\n")

    def test_a_column_given_twice_is_refused(self, load: Load) -> None:
        with pytest.raises(QueryFailed, match="lead_id more than once"):
            load(sql={"leads": "SELECT lead_id, lead_id FROM 'leads.csv'"})

    @pytest.mark.parametrize(
        ("query", "extension"),
        [("SELECT * FROM postgres_scan('host=crm', 'public', 'leads')", "postgres"), ("SELECT * FROM mysql_scan('a', 'b', 'c')", "mysql")],
    )
    def test_a_reader_that_cannot_be_had_is_a_failed_dependency(self, load: Load, query: str, extension: str) -> None:
        with pytest.raises(NoReader, match=rf"needs DuckDB's extension {extension}.*export the data as CSV") as said:
            load(sql={"leads": query}, options="setup = 'SET autoinstall_known_extensions = false'")
        assert isinstance(said.value, DependencyFailed)
        assert said.value.exit_code == 3

    def test_no_leads_at_all(self, load: Load) -> None:
        with pytest.raises(BadData, match="gives no rows"):
            load(sql={"leads": "SELECT * FROM 'leads.csv' WHERE false"})

    def test_nothing_dated_cannot_say_until_when(self, load: Load) -> None:
        with pytest.raises(BadData, match="set until"):
            load(
                leads="lead_id,x\n007,1\n8,2\n",
                activities="",
                outcomes="",
                sql={"outcomes": "SELECT '8' AS lead_id, now() AS converted_at WHERE false"},
            )


class TestRowsPutAside:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("L1,soon,page_view", "no date in occurred_at: 'soon'"),
            ("L1,,page_view", "nothing in occurred_at"),
            ("L1,2026-01-05T00:00:00Z,", "nothing in type"),
            ("nobody,2026-01-05T00:00:00Z,page_view", "unknown lead"),
            (",2026-01-05T00:00:00Z,page_view", "no lead_id"),
            ("L1,1970-01-01T00:00:00Z,page_view", "implausible time in occurred_at: 1970-01-01T00:00:00.000000Z"),
            ("L1,2099-01-01T00:00:00Z,page_view", "implausible time in occurred_at: 2099-01-01T00:00:00.000000Z"),
        ],
    )
    def test_one_bad_activity_among_many_is_kept_aside(self, load: Load, row: str, reason: str) -> None:
        tables = load(**many(200, row + "\n"))
        assert tables.quarantine[["table", "row", "reason"]].to_numpy().tolist() == [["activities", 201, reason]]
        assert len(tables.activities) == 200
        assert tables.until == pd.Timestamp("2026-02-01", tz="UTC")

    def test_above_the_share_it_stops_and_shows_what_and_where(self, load: Load) -> None:
        with pytest.raises(TooManyBadRows, match=r"1 of 3 rows of activities .*1 × unknown lead \(first: row 3, lead nobody\)") as said:
            load(activities=ACTIVITIES + "nobody,2026-01-05T10:00:00Z,page_view\n")
        assert said.value.quarantine["row"].tolist() == [3]

    def test_the_share_is_the_projects_to_set(self, load: Load) -> None:
        tables = load(activities=ACTIVITIES + "nobody,2026-01-05T10:00:00Z,page_view\n", options="max_bad_share = 0.5")
        assert len(tables.quarantine) == 1

    def test_an_outcome_before_creation_is_put_aside(self, load: Load) -> None:
        tables = load(outcomes="lead_id,converted_at\n007,2025-12-31T23:59:59Z\n8,2026-01-02T00:00:00Z\n", options="max_bad_share = 0.5")
        assert tables.quarantine["reason"].tolist() == ["outcome before creation: 2025-12-31T23:59:59.000000Z"]
        assert tables.outcomes["lead_id"].tolist() == ["8"]

    def test_an_outcome_is_won_or_lost(self, load: Load) -> None:
        rows = ["007,2026-02-01T00:00:00Z,Won", "007,2026-02-02T00:00:00Z,maybe", "8,2026-02-01T00:00:00Z,LOST", "8,2026-02-03,"]
        outcomes = "lead_id,converted_at,kind\n" + "\n".join(rows) + "\n"
        tables = load(outcomes=outcomes, options="max_bad_share = 0.5")
        assert tables.outcomes["kind"].tolist() == ["won", "lost", "won"]
        assert tables.quarantine["reason"].tolist() == ["neither won nor lost: 'maybe'"]

    def test_of_two_leads_with_one_id_the_first_counts(self, load: Load) -> None:
        tables = load(leads=LEADS + "007,2026-01-05T00:00:00Z,FR\n,2026-01-05T00:00:00Z,FR\n", options="max_bad_share = 0.5")
        assert tables.leads["country"].tolist() == ["ES", "PT"]
        assert tables.quarantine["reason"].tolist() == ["duplicate lead_id", "no lead_id"]

    def test_what_belongs_to_a_lead_put_aside_goes_with_it_and_counts_as_no_fault(self, load: Load) -> None:
        files = many(200)
        files["leads"] += "L201,yesterday\n"
        files["activities"] += "L201,2026-01-05T00:00:00Z,page_view\n" * 50
        tables = load(**files)
        assert len(tables.leads) == 200
        assert tables.quarantine["reason"].value_counts().to_dict() == {
            "its lead was put aside": 50,
            "no date in created_at: 'yesterday'": 1,
        }

    def test_a_value_that_is_no_number_costs_only_itself(self, load: Load) -> None:
        tables = load(leads="lead_id,created_at,employees\n007,2026-01-01,a few\n8,2026-01-02,12\n")
        assert np.array_equal(tables.leads["employees"], [np.nan, 12], equal_nan=True)
        assert any("leads.employees: 1 values are no number" in said and "'a few'" in said for said in tables.notices)

    def test_sizes_are_read_from_text(self, load: Load) -> None:
        leads = (
            "lead_id,created_at,employees,annual_revenue\n007,2026-01-01,50-200,1.2M€\n8,2026-01-02,1.200,5 mio\n9,2026-01-02,SME,3000000\n"
        )
        tables = load(leads=leads)
        assert np.array_equal(tables.leads["employees"], [100, 1200, np.nan], equal_nan=True)
        assert np.array_equal(tables.leads["annual_revenue"], [1.2e6, 5e6, 3e6])
        assert any("leads.employees: 1 values are no number" in said and "'SME'" in said for said in tables.notices)


class TestTypes:
    def test_ids_stay_byte_for_byte(self, load: Load) -> None:
        tables = load()
        assert tables.leads["lead_id"].tolist() == ["007", "8"]
        assert tables.activities["lead_id"].tolist() == ["007", "8"]

    def test_lost_zeros_are_said(self, load: Load) -> None:
        ids = "".join(f"{i},2026-01-01T00:00:00Z,ES\n" for i in range(1, 40_000))
        sql = {
            name: "SELECT '1' AS lead_id, TIMESTAMPTZ '2026-02-01 00:00:00Z' AS " + column
            for name, column in (("outcomes", "converted_at"),)
        }
        tables = load(leads="lead_id,created_at,country\n" + ids + "0040000,2026-01-01T00:00:00Z,ES\n", activities="", sql=sql)
        assert any("leading zeros in lead_id of leads.csv were lost; keep them with read_csv" in said for said in tables.notices)

    def test_numeric_ids_meet_text_ids(self, load: Load) -> None:
        tables = load(
            leads="lead_id,created_at\n7,2026-01-01T00:00:00Z\n8,2026-01-02T00:00:00Z\n",
            activities="lead_id,occurred_at,type\n8,2026-01-05T10:00:00Z,page_view\n",
            sql={"outcomes": "SELECT '7' AS lead_id, DATE '2026-02-01' AS converted_at"},
        )
        assert tables.leads["lead_id"].tolist() == ["7", "8"]
        assert tables.outcomes["lead_row"].tolist() == [0]

    def test_naive_times_are_read_in_the_projects_zone_and_reported(self, load: Load) -> None:
        tables = load(activities="lead_id,occurred_at,type\n8,2026-01-05 10:00:00,page_view\n", options='timezone = "Europe/Madrid"')
        assert tables.activities["occurred_at"].iloc[0] == pd.Timestamp("2026-01-05T09:00:00Z")
        assert any("activities.occurred_at: 1 times carry no offset and were read as Europe/Madrid" in said for said in tables.notices)

    def test_the_hours_around_a_change_of_clocks_are_counted(self, load: Load) -> None:
        rows = "8,2026-10-25 02:30:00,page_view\n8,2026-03-29 02:30:00,page_view\n8,2026-07-01 12:00:00,page_view\n"
        tables = load(
            activities="lead_id,occurred_at,type\n" + rows, options='timezone = "Europe/Madrid"', now=datetime(2026, 12, 1, tzinfo=UTC)
        )
        assert tables.activities["occurred_at"].dt.strftime("%m-%d %H:%M").tolist() == ["03-29 01:00", "07-01 10:00", "10-25 00:30"]
        assert any("1 times fall into the hour that the clocks repeat" in said for said in tables.notices)
        assert any("1 times do not exist" in said for said in tables.notices)

    def test_dates_in_the_local_fashion_are_said(self, load: Load) -> None:
        tables = load(leads="lead_id,created_at\n007,03/01/2026\n8,04/01/2026\n")
        assert any("DuckDB took the dates in leads.csv to be written %" in said for said in tables.notices)

    def test_other_columns_of_leads_are_attributes_by_their_values(self, load: Load) -> None:
        leads = (
            "lead_id,created_at,job_title,visits,vip,plan,consent,country\n"
            "007,2026-01-01,CEO,3,yes,gold,true,ES\n8,2026-01-02,,n/a,no,NULL,,PT\n"
        )
        tables = load(leads=leads, options='missing = ["n/a"]')
        assert tables.kinds == {
            "created_at": "time",
            "job_title": "text",
            "visits": "number",
            "vip": "boolean",
            "plan": "category",
            "consent": "boolean",
            "country": "category",
        }
        assert tables.leads["plan"].tolist() == ["gold", None]
        assert tables.leads["job_title"].tolist() == ["CEO", None]
        assert np.array_equal(tables.leads["visits"], [3, np.nan], equal_nan=True)
        assert np.array_equal(tables.leads["consent"], [1, np.nan], equal_nan=True)

    def test_a_column_that_no_signal_reads_is_ignored_and_said(self, load: Load) -> None:
        tables = load(activities="lead_id,occurred_at,type,chanel\n8,2026-01-05T10:00:00Z,page_view,web\n")
        assert "chanel" not in tables.activities
        assert any("chanel (did you mean channel?)" in said for said in tables.notices)

    def test_absent_tables_are_empty_with_their_columns(self, load: Load) -> None:
        tables = load()
        assert set(tables.stage_changes.columns) >= {"lead_id", "stage", "entered_at"}
        assert set(tables.lead_changes.columns) >= {"lead_id", "field", "value", "changed_at"}
        assert len(tables.stage_changes) == 0
        assert str(tables.activities["occurred_at"].dtype) == "datetime64[us, UTC]"


class TestActivities:
    def test_a_repeated_activity_counts_once_as_first_recorded(self, load: Load) -> None:
        rows = [
            "8,2026-01-05T10:00:00Z,page_view,a1,2026-01-07T00:00:00Z",
            "8,2026-01-05T10:00:00Z,page_view,a1,2026-01-06T00:00:00Z",
            "007,2026-01-05T10:00:00Z,page_view,a1,2026-01-06T00:00:00Z",
            "8,2026-01-08T10:00:00Z,page_view,,",
            "8,2026-01-08T10:00:00Z,page_view,,",
        ]
        tables = load(activities="lead_id,occurred_at,type,activity_id,recorded_at\n" + "\n".join(rows) + "\n")
        assert tables.activities["lead_id"].tolist() == ["007", "8", "8", "8"]
        assert tables.activities["recorded_at"].dt.day.tolist() == [6, 6, 8, 8]
        assert any("1 rows repeat an activity_id" in said for said in tables.notices)
        assert any("2 rows without recorded_at" in said for said in tables.notices)

    def test_of_doubles_the_one_known_first_counts_even_if_another_was_recorded_before_it_happened(self, load: Load) -> None:
        rows = ["8,2026-01-10T00:00:00Z,call,a1,2026-01-05T00:00:00Z", "8,2026-01-08T00:00:00Z,call,a1,2026-01-08T00:00:00Z"]
        tables = load(activities="lead_id,occurred_at,type,activity_id,recorded_at\n" + "\n".join(rows) + "\n")
        assert tables.activities["occurred_at"].dt.day.tolist() == [8]

    def test_without_an_id_equal_rows_are_two_activities(self, load: Load) -> None:
        """Two visits may share a second; only an id can say that they are one."""
        tables = load(activities="lead_id,occurred_at,type\n" + "8,2026-01-08T10:00:00Z,page_view\n" * 2)
        assert len(tables.activities) == 2

    def test_a_declared_import_is_known_when_it_happened_and_says_so(self, load: Load) -> None:
        activities = "lead_id,occurred_at,type,recorded_at\n8,2026-01-05T10:00:00Z,page_view,2026-02-20T00:00:00Z\n"
        tables = load(activities=activities, toml="[activities]\nimported = true\n")
        assert tables.activities["recorded_at"].tolist() == tables.activities["occurred_at"].tolist()
        assert any("declared as imported" in said for said in tables.notices)

    def test_the_order_of_the_source_never_shows(self, load: Load) -> None:
        rows = [
            f"{lead},2026-01-05T10:00:0{second}Z,{kind},{channel},{kind}-{channel}-{second}"
            for lead in ("007", "8")
            for second in (1, 2)
            for kind in ("page_view", "call")
            for channel in ("web", "", "phone")
        ]
        frames = []
        for seed in range(3):
            shuffled = random.Random(seed).sample(rows, len(rows))
            frames.append(load(activities="lead_id,occurred_at,type,channel,activity_id\n" + "\n".join(shuffled) + "\n").activities)
        for other in frames[1:]:
            pd.testing.assert_frame_equal(frames[0], other)
        assert frames[0]["lead_row"].is_monotonic_increasing


class TestUntil:
    def test_it_is_the_latest_time_in_the_tables(self, load: Load) -> None:
        assert load().until == pd.Timestamp("2026-02-01", tz="UTC")

    def test_in_the_hour_that_the_clocks_repeat_the_first_is_meant(self, load: Load) -> None:
        tables = load(options='until = 2025-10-26T02:30:00\ntimezone = "Europe/Madrid"')
        assert tables.until == pd.Timestamp("2025-10-26T00:30:00Z")

    def test_a_time_after_now_does_not_move_it(self, load: Load) -> None:
        tables = load(**many(200, "L1,2026-05-05T00:00:00Z,page_view\n"))
        assert tables.until == pd.Timestamp("2026-02-01", tz="UTC")
        assert len(tables.quarantine) == 1

    def test_a_simulated_future_is_plausible_when_the_project_says_so(self, load: Load) -> None:
        tables = load(**many(200, "L1,2030-05-05T00:00:00Z,page_view\n"), options="until = 2030-06-01")
        assert tables.until == pd.Timestamp("2030-06-01", tz="UTC")
        assert len(tables.quarantine) == 0


class TestStages:
    STAGES = (
        "lead_id,stage,entered_at,amount\n8,New,2026-01-03,\n8,Closed won,2026-02-03,500\n"
        "8,Closed won,2026-02-05,600\n007,Closed lost,2026-02-02,\n"
    )

    def test_a_closing_stage_is_an_outcome_for_leads_without_one(self, load: Load) -> None:
        tables = load(stage_changes=self.STAGES, outcomes="", toml='[stages]\nwon = ["Closed won"]\nlost = ["Closed lost"]\n')
        assert tables.outcomes[["lead_id", "kind"]].to_numpy().tolist() == [["007", "lost"], ["8", "won"]]
        assert tables.outcomes["converted_at"].dt.day.tolist() == [2, 3]
        assert tables.outcomes["amount"].tolist()[1] == 500
        assert any("1 won, 1 lost" in said for said in tables.notices)

    def test_an_outcome_of_its_own_goes_first(self, load: Load) -> None:
        tables = load(stage_changes=self.STAGES, toml='[stages]\nwon = ["Closed won"]\nlost = ["Closed lost"]\n')
        assert tables.outcomes[["lead_id", "kind"]].to_numpy().tolist() == [["007", "won"], ["8", "won"]]

    def test_a_stage_that_never_occurs_is_said_with_the_nearest(self, load: Load) -> None:
        tables = load(stage_changes=self.STAGES, toml='[stages]\nwon = ["Closed-won"]\n')
        assert any("never enter 'Closed-won'" in said and "'Closed won'" in said for said in tables.notices)
