"""From a notebook: the tour runs as it is printed, and the functions agree with the commands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BadData, BadUsage
from models.bundle import Bundle
from training.dataset import from_project
from training.notebook import Crm, compare, load_tables, observe, signals, train
from training.train import Trained

PAGE = Path(__file__).resolve().parents[2] / "docs" / "notebook.md"


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def crm(event_project: Path) -> Crm:
    return load_tables(event_project)


class TestTheTour:
    def test_its_code_runs_in_order(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr("training.train.register", lambda *given, **more: (None, None))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        names: dict[str, object] = {"__name__": "tour"}
        for number, code in enumerate(blocks(), start=1):
            exec(compile(code, f"docs/notebook.md, block {number}", "exec"), names)
        assert {"crm", "X", "trained", "scored", "gates", "one"} <= names.keys()


class TestBadUsage:
    def test_a_project_and_frames_at_once(self, event_project: Path) -> None:
        with pytest.raises(BadUsage, match="or frames"):
            load_tables(event_project, leads=pd.DataFrame({"lead_id": ["a"]}))
        with pytest.raises(BadUsage, match="or frames"):
            load_tables()

    def test_a_frame_by_a_name_that_is_no_table(self, crm: Crm) -> None:
        with pytest.raises(BadData, match="activities"):
            load_tables(leads=crm.leads[["lead_id"]], activites=crm.activities[["lead_id"]])

    def test_a_look_at_nobody(self, crm: Crm) -> None:
        with pytest.raises(BadUsage, match="nobody"):
            signals(crm, pd.DataFrame({"lead_id": ["nobody"], "as_of": [crm.until]}))

    def test_a_flat_frame_without_a_label(self, tmp_path: Path) -> None:
        with pytest.raises(BadUsage, match="label"):
            train(pd.DataFrame({"a": [1, 2]}), home=tmp_path)

    def test_a_model_of_events_needs_them(self, event_bundle: Bundle, crm: Crm) -> None:
        with pytest.raises(BadUsage, match="activities"):
            event_bundle.score(crm.leads)


class TestTheSteps:
    def test_looks_and_signals_are_those_of_training(self, crm: Crm, event_project: Path) -> None:
        data, looks = from_project(event_project, seed=7), observe(crm, seed=7)
        assert data.as_of is not None
        assert looks["y"].tolist() == data.y.tolist()
        X = signals(crm, looks)
        assert tuple(X.columns) == data.input_names
        assert np.array_equal(X[list(data.table.names)].to_numpy(np.float64), data.table.numbers, equal_nan=True)

    def test_signals_of_a_look_do_not_depend_on_the_others_or_their_order(self, crm: Crm) -> None:
        looks = observe(crm).sample(40, random_state=3)
        whole = signals(crm, looks)
        one = signals(crm, looks.iloc[[7]])
        pd.testing.assert_frame_equal(one.astype(object), whole.iloc[[7]].astype(object))

    def test_frames_give_what_files_give(self, crm: Crm) -> None:
        project = crm.project
        again = load_tables(
            leads=crm.leads,
            activities=crm.activities.drop(columns="lead_row"),
            outcomes=crm.outcomes.drop(columns="lead_row"),
            static=project.static,
            horizon_days=project.horizon_days,
        )
        pd.testing.assert_frame_equal(again.leads, crm.leads, check_dtype=False)
        assert len(again.activities) == len(crm.activities)
        assert again.until <= crm.until

    def test_scores_are_those_of_the_service(self, event_bundle: Bundle, crm: Crm) -> None:
        from datetime import UTC, datetime

        from models.request import ScoreRequest
        from models.scoring import score_requests

        lead = crm.leads.iloc[[11]]
        scored = event_bundle.score(lead, crm.activities.iloc[:0], as_of="2025-04-30")
        given = {str(name): value for name, value in lead.iloc[0].items() if pd.notna(value)}
        given |= {"created_at": given["created_at"].isoformat(), "employees": float(given["employees"])}
        request = ScoreRequest(given, account_activities=[], as_of=datetime(2025, 4, 30, tzinfo=UTC))
        (answer,) = score_requests(event_bundle, [request], event_bundle.policy)
        assert not isinstance(answer, Exception)
        assert scored["probability"].tolist() == [answer.probability]
        assert answer.by_day is not None
        assert list(answer.by_day) == ["30"]
        assert answer.by_day["30"] == answer.probability

    def test_two_models_on_the_rows_that_the_crm_holds(self, crm: Crm, event_trained: Trained, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("training.train.register", lambda *given, **more: (None, None))
            other = train(crm, home=tmp_path, quick=True, seed=9)
        gates, made = compare(other, event_trained.folder, crm, home=tmp_path)
        assert list(gates.columns) == ["gate", "verdict", "figures"]
        assert gates["verdict"].isin(["pass", "fail", "note"]).all()
        assert made.decision.word == ("HOLD" if (gates["verdict"] == "fail").any() else "PROMOTE")
        assert made.challenger == other.folder.name or made.challenger in str(other.result.metrics["model_version"])
