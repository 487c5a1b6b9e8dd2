"""`tamiz explain`: one lead, readable by a sales rep, with the very figures that `tamiz score` gives it."""

from __future__ import annotations

import csv
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from data.home import Home
from models.bundle import Bundle
from models.decision import Reason
from models.explain import CannotScore, NoSuchLead, as_text, explain_lead
from models.request import Activity, ScoreRequest
from models.score_file import NeedsActivities, score_file
from models.scoring import score_requests
from tests.trained import environment, flat_table, train_flat
from training.dataset import FlatOptions

AS_OF = datetime(2025, 1, 10, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Path]:
    """A flat file whose columns are evidence by their names, in two languages, and what it taught."""
    folder = tmp_path_factory.mktemp("answered")
    table, rng = flat_table(600), np.random.default_rng(1)
    table["presupuesto"] = rng.choice(["aprobado", "no hay", "no lo sé", None], len(table))  # type: ignore[arg-type]  # None is a gap
    table["Decision_maker"] = rng.choice(["yes", "no"], len(table))
    table["budget_owner"] = rng.choice(["ana", "ben"], len(table))
    table.to_csv(folder / "leads.csv", index=False)
    said: list[str] = []
    trained = train_flat(folder / "leads.csv", Home(folder / "var"), FlatOptions("won", order_by="day"), say=said.append)
    (section,) = (one for one in said if "[bant]" in one)
    assert 'budget = ["presupuesto"]  # guessed from the name' in section
    assert 'authority = ["Decision_maker"]' in section
    assert "budget_owner" not in section
    return Bundle.load(trained.folder), folder / "leads.csv"


def test_a_lead_that_is_not_there_is_named(answered: tuple[Bundle, Path]) -> None:
    bundle, leads = answered
    with pytest.raises(NoSuchLead, match=r"holds no lead '5': give an id as it stands in the file"):
        explain_lead(bundle, bundle.policy, leads, "5", as_of=AS_OF)


def test_a_lead_whose_row_is_bad_says_why(answered: tuple[Bundle, Path], tmp_path: Path) -> None:
    bundle, leads = answered
    table = pd.read_csv(leads, dtype=str).head(3)
    table.loc[1, "visits"] = "many"
    table.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(CannotScore, match=r"'00001' cannot be scored: .*many"):
        explain_lead(bundle, bundle.policy, tmp_path / "bad.csv", "00001", as_of=AS_OF)


def test_a_model_that_reads_activities_asks_for_them(event_bundle: Bundle, event_project: Path) -> None:
    with pytest.raises(NeedsActivities):
        explain_lead(event_bundle, event_bundle.policy, event_project.with_name("leads.csv"), "0001", as_of=AS_OF)


def test_the_figures_are_those_of_the_whole_file_and_of_a_request(answered: tuple[Bundle, Path], tmp_path: Path) -> None:
    bundle, leads = answered
    score_file(bundle, bundle.policy, leads, str(tmp_path / "out.parquet"), as_of=AS_OF)
    rows = {row["lead_id"]: row for row in parquet.read_table(tmp_path / "out.parquet").to_pylist()}
    table = flat_rows(leads)
    for lead_id in ("00000", "00007", "00599"):
        found = explain_lead(bundle, bundle.policy, leads, lead_id, as_of=AS_OF)
        row = rows[lead_id]
        assert (found.probability, found.low, found.high) == (row["probability"], row["probability_low"], row["probability_high"])
        assert (found.score, found.grade, found.decision) == (row["score"], row["grade"], row["decision"])
        body = {name: value for name, value in table[lead_id].items() if value}
        (asked,) = score_requests(bundle, [ScoreRequest(body, as_of=AS_OF)], bundle.policy)
        assert not isinstance(asked, Exception)
        assert (asked.probability, asked.bant) == (found.probability, found.bant)


def test_activities_of_a_request_move_nothing_that_was_learnt_without_any(answered: tuple[Bundle, Path]) -> None:
    bundle, leads = answered
    body = {name: value for name, value in flat_rows(leads)["00003"].items() if value}
    said = Activity("answer", datetime(2025, 1, 9, tzinfo=UTC), content="budget", value="approved")
    alone, with_them = score_requests(bundle, [ScoreRequest(body, as_of=AS_OF), ScoreRequest(body, [said], as_of=AS_OF)], bundle.policy)
    assert not isinstance(alone, Exception)
    assert not isinstance(with_them, Exception)
    assert (alone.probability, alone.bant) == (with_them.probability, with_them.bant)


def test_the_page_is_in_plain_words(answered: tuple[Bundle, Path]) -> None:
    bundle, leads = answered
    wanted = next(name for name, row in flat_rows(leads).items() if row["presupuesto"] == "no hay" and row["Decision_maker"] == "yes")
    text = as_text(explain_lead(bundle, bundle.policy, leads, wanted, as_of=AS_OF))
    lines = text.splitlines()
    assert lines[0].startswith(f"Lead {wanted}: ")
    assert "  Budget     unmet (strength 0.00 of 1)" in lines
    assert "             − presupuesto: “no hay” (column, no date, weighs −0.64)" in lines
    assert "             + Decision_maker: yes (column, no date, weighs +0.64)" in lines
    assert "  Timeline   nothing known" in lines
    assert "             ask: When should this be in use, and what happens if it is later?" in lines
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in text


def test_a_column_and_its_dimension_are_one_reason(answered: tuple[Bundle, Path]) -> None:
    bundle, leads = answered
    same = {"presupuesto", "budget_strength", "budget_known"}
    assert same <= {one.name for one in bundle.encoder.inputs}
    for lead_id in ("00000", "00001", "00002", "00003"):
        found: tuple[Reason, ...] = explain_lead(bundle, bundle.policy, leads, lead_id, as_of=AS_OF, reasons=20).reasons
        assert len([one for one in found if one.signal in same]) <= 1


def test_the_command_explains_a_lead_with_its_activities(event_bundle: Bundle, event_project: Path, tmp_path: Path) -> None:
    files = [f"--{name}={event_project.with_name(f'{name}.csv')}" for name in ("leads", "activities")]
    command = [sys.executable, "-m", "tamiz", "explain", *files, "--lead", "0001", "--as-of", "2025-01-10"]
    done = subprocess.run(
        [*command, "--model", str(event_bundle.folder)], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Lead 0001: ")
    assert "What we know (BANT)" in done.stdout
    refused = subprocess.run(
        [*command[:-1], "soon", "--model", str(event_bundle.folder)], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert (refused.returncode, "--as-of soon is no time" in refused.stderr) == (2, True)


def flat_rows(leads: Path) -> dict[str, dict[str, str]]:
    with leads.open(newline="") as file:
        return {row["lead_id"]: row for row in csv.DictReader(file)}
