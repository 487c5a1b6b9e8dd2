"""A customer's own columns and answers as BANT evidence: the same in training, by file and by request, and nothing in silence."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.home import Home
from data.project import BadProject
from features.engine import evaluate
from models.bundle import Bundle
from models.explain import explain_lead
from models.request import Activity, ScoreRequest
from models.request_columns import RequestColumns
from models.scoring import score_requests
from tests.trained import flat_table, train_events, write_events
from training.dataset import Dataset, FlatOptions, from_flat, from_project

AS_OF = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with `gasto` and `plazo` of its own, one of them declared, and answers under names of its own."""
    path = write_events(tmp_path_factory.mktemp("evidence") / "crm", leads=400)
    rng, leads = np.random.default_rng(2), pd.read_csv(path.with_name("leads.csv"), dtype=str)
    leads["gasto"] = rng.choice(["sí", "no", "no lo sé", None], len(leads))  # type: ignore[arg-type]  # None is a gap
    leads["urgencia"] = rng.choice(["alta", "baja"], len(leads))
    leads["budget_note"] = rng.choice(["a", "b"], len(leads))
    leads.to_csv(path.with_name("leads.csv"), index=False)
    activities = pd.read_csv(path.with_name("activities.csv"), dtype=str)
    activities.loc[activities["content"] == "budget", "content"] = "Money, roughly"
    stranger = (
        activities[activities["type"] == "page_view"].head(7).assign(type="answer", content="shoe size", value="42", activity_id=None)
    )
    pd.concat([activities, stranger]).to_csv(path.with_name("activities.csv"), index=False)
    text = path.read_text().replace('"plan code"]', '"plan code", "gasto", "urgencia"]')
    path.write_text(text + '[bant]\nbudget = ["gasto", "Money, roughly", "nowhere"]\n')
    return path


@pytest.fixture(scope="module")
def dataset(project: Path) -> tuple[Dataset, list[str]]:
    said: list[str] = []
    return from_project(project, say=said.append), said


def test_what_is_taken_is_printed_and_what_is_not_is_said(dataset: tuple[Dataset, list[str]]) -> None:
    data, said = dataset
    (section,) = (one for one in said if "[bant]" in one)
    assert 'budget = ["gasto"]\n' in section
    assert 'timeline = ["urgencia"]  # guessed from the name' in section
    notices = "\n".join(data.notices)
    assert "Answers that no dimension of BANT reads, kept and counted: shoe size (7)." in notices
    assert "[bant] budget names nowhere, which is no column of leads and no answer" in notices
    assert "Money" not in notices
    assert "gasto" in data.input_names


def test_a_declared_column_without_a_date_is_laid_to_its_dimension_alone(project: Path, tmp_path: Path) -> None:
    loose = tmp_path / "tamiz.toml"
    loose.write_text(project.read_text().replace('"gasto", "urgencia"', '"urgencia"').replace("csv('", f"csv('{project.parent}/"))
    undated = from_project(loose).undated
    assert undated["budget_strength"] == ("gasto",)
    assert "timeline_strength" not in undated


def test_training_a_file_and_a_request_read_the_same_evidence_to_the_last_bit(
    project: Path, dataset: tuple[Dataset, list[str]], tmp_path: Path
) -> None:
    data, _ = dataset
    bundle = Bundle.load(train_events(project, Home(tmp_path / "var")).folder)
    assert bundle.encoder.feature_set.declared == data.feature_set.declared
    leads = {row["lead_id"]: row for row in rows(project.with_name("leads.csv"))}
    names = [f"{one}_{what}" for one in ("budget", "authority", "need", "timeline") for what in ("strength", "known", "stated")]
    assert data.as_of is not None
    compared = 0
    for row in range(0, len(data), 97):
        lead_id, as_of = data.lead_ids[data.lead[row]], datetime.fromtimestamp(int(data.as_of[row]) / 1e6, UTC)
        request = ScoreRequest(body(leads[lead_id]), activities_of(project, lead_id), as_of=as_of)
        batch = RequestColumns(bundle.scorer)
        batch.add(request)
        table = evaluate(bundle.scorer.plan, *batch.columns())
        for name in set(names) & set(table.names) & set(data.table.names):
            np.testing.assert_array_equal(table.column(name), data.table.column(name)[row : row + 1], err_msg=f"{name} of {lead_id}")
            compared += 1
    assert compared > 50
    files: dict[str, Any] = {"activities": project.with_name("activities.csv"), "as_of": AS_OF}
    for lead_id in list(leads)[:5]:
        by_file = explain_lead(bundle, bundle.policy, project.with_name("leads.csv"), lead_id, **files)
        (by_body,) = score_requests(
            bundle, [ScoreRequest(body(leads[lead_id]), activities_of(project, lead_id), as_of=AS_OF)], bundle.policy
        )
        assert not isinstance(by_body, Exception)
        assert by_body.bant == by_file.bant


def test_an_answer_nobody_knows_is_no_error_but_is_named(event_bundle: Bundle) -> None:
    asked = [Activity("answer", datetime(2025, 2, 1, tzinfo=UTC), content=name, value="42") for name in ("shoe size", "budget", "")]
    one, other = score_requests(
        event_bundle,
        [ScoreRequest({"lead_id": "a"}, asked, as_of=AS_OF), ScoreRequest({"lead_id": "b"}, asked[1:2], as_of=AS_OF)],
        event_bundle.policy,
    )
    assert not isinstance(one, Exception)
    assert not isinstance(other, Exception)
    assert "answers that no dimension of BANT reads: (without a name), shoe size" in one.missing
    assert not any("no dimension of BANT" in note for note in other.missing)
    assert one.bant == other.bant


def test_a_flat_file_takes_its_section_from_a_file(tmp_path: Path) -> None:
    table = flat_table(300)
    table["presupuesto"] = "sí"
    table.to_csv(tmp_path / "leads.csv", index=False)
    (tmp_path / "ours.toml").write_text("[bant]\nbudget = []\nneed = 'member'\n")
    (tmp_path / "wrong.toml").write_text("[bant]\nbudgets = []\n")
    plain = from_flat(tmp_path / "leads.csv", FlatOptions("won", order_by="day"))
    ours = from_flat(tmp_path / "leads.csv", FlatOptions("won", order_by="day", bant=tmp_path / "ours.toml"))
    assert [one.name for one in plain.feature_set.declared.columns] == ["presupuesto"]
    assert [(one.dimension, one.name) for one in ours.feature_set.declared.columns] == [("need", "member")]
    assert {"need_strength", "need_known"} <= set(ours.input_names)
    assert "budget_strength" not in ours.input_names
    with pytest.raises(BadProject, match="did you mean 'budget'"):
        from_flat(tmp_path / "leads.csv", FlatOptions("won", order_by="day", bant=tmp_path / "wrong.toml"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def body(row: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value}


def activities_of(project: Path, lead_id: str) -> list[Activity]:
    found = []
    for row in rows(project.with_name("activities.csv")):
        if row["lead_id"] == lead_id:
            times = {name: datetime.fromisoformat(row[name]) for name in ("occurred_at", "recorded_at")}
            texts = {name: row[name] or None for name in ("activity_id", "url", "content", "value")}
            found.append(Activity(row["type"], **times, **texts))  # type: ignore[arg-type]  # as the columns hold them
    return found
