from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.trained import write_events
from training.dataset import Dataset, from_project


def read(folder: Path, *, static: str = "", changes: str = "") -> Dataset:
    """The events of a small CRM whose columns are undated but for those named."""
    path = write_events(folder, leads=150)
    text = path.read_text()
    begin, end = text.index("static = ["), text.index("]\n", text.index("static = ["))
    text = f"{text[:begin]}static = [{static}{text[end:]}"
    if changes:
        path.with_name("lead_changes.csv").write_text(changes)
        text = text.replace("[data]\n", "[data]\nlead_changes = \"SELECT * FROM 'lead_changes.csv'\"\n")
    path.write_text(text)
    return from_project(path)


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read(tmp_path_factory.mktemp("loose"))


def test_a_title_of_today_accuses_what_is_read_from_titles_and_answers_together(loose: Dataset) -> None:
    """Whoever bought may have become a director since: strengths that lean on the title would know it."""
    assert loose.undated["seniority"] == ("job_title",)
    assert "job_title" in loose.undated["authority_strength"]


def test_what_the_undated_columns_make_no_difference_to_is_not_accused(loose: Dataset) -> None:
    assert not loose.undated.keys() & {"pricing_visits_30d", "activities_7d", "need_known", "timeline_known", "lead_age"}


def test_who_is_whose_colleague_is_todays_knowledge_too(loose: Dataset) -> None:
    """A domain that is filled in when a deal is won gives colleagues to customers only."""
    assert loose.undated["colleague_activities_30d"] == ("company_domain",)


def test_declared_columns_clear_what_is_made_of_them(tmp_path: Path) -> None:
    declared = read(tmp_path, static='"job_title", "company_domain"').undated
    assert set(declared) >= {"employees", "company_size", "source"}
    assert not declared.keys() & {"seniority", "authority_strength", "colleague_activities_30d"}


def test_a_history_clears_them_and_says_of_whom_nothing_is_dated(tmp_path: Path) -> None:
    titles = pd.read_csv(write_events(tmp_path / "first", leads=150).with_name("leads.csv"), dtype=str)["job_title"]
    data = read(tmp_path / "then", changes="lead_id,field,value,changed_at\n0003,job_title,CTO,2024-01-01\n")
    assert not data.undated.keys() & {"seniority", "job_title"}
    assert data.reading["dated"] == ["job_title"]
    undated = int(titles.notna().sum()) - int(pd.notna(titles[3]))
    assert any(said.startswith(f"job_title: {undated} leads have a value, but none in lead_changes") for said in data.notices)
