"""What a CRM pushed is what is trained on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from data.crm import ActivityRow, Crm, LeadPut, OutcomeRow
from data.store import Store
from data.store_tables import StoreEmpty, write_project
from features.history import Observations, TextColumn
from models.bundle import Bundle
from models.tables import account_codes, colleagues_of, leads_of, log_of
from serving.decider import request_of
from training.dataset import from_project
from training.raw import EventRows
from training.train import Trained

FIELDS = ("created_at", "company_domain", "job_title", "employees", "source", "plan code")


def words(column: TextColumn) -> list[str | None]:
    return [None if code < 0 else column.values[code] for code in column.codes.tolist()]


def micros(text: str) -> int:
    return int(pd.Timestamp(text).value // 1000)


@pytest.fixture
def pushed(tmp_path: Path, database: str, event_project: Path) -> Store:
    """A store that was told what a project's files tell, each thing when it was known."""
    store = Store.open(tmp_path, database)
    crm = Crm(store)
    tables = {name: pd.read_csv(event_project.parent / f"{name}.csv", dtype=str) for name in ("leads", "activities", "outcomes")}
    puts = []
    for row in tables["leads"].to_dict("records"):
        at = micros(row["created_at"])
        puts.append(LeadPut(row["lead_id"], {name: row[name] for name in FIELDS if row[name] == row[name]}, at - 1, at - 1))
    crm.put_leads(puts)
    rows = tables["activities"].where(tables["activities"].notna(), None).to_dict("records")
    crm.add_activities(
        [
            ActivityRow(
                row["lead_id"], micros(row["occurred_at"]), micros(row["recorded_at"]), row["type"], row["activity_id"], url=row["url"],
                content=row.get("content"), value=row.get("value"),
            )
            for row in rows
        ]
    )  # fmt: skip
    crm.add_outcomes(
        [OutcomeRow(one.lead_id, micros(one.converted_at), micros(one.converted_at)) for one in tables["outcomes"].itertuples()]
    )
    return store


def test_an_empty_store_is_nothing_to_train_on(tmp_path: Path, database: str) -> None:
    with closing(Store.open(tmp_path, database)) as store, pytest.raises(StoreEmpty):
        write_project(store, tmp_path / "store")


def test_it_gives_the_signals_labels_and_instants_of_the_same_tables(pushed: Store, tmp_path: Path, event_project: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[label]\nhorizon_days = 30\n[observations]\nages_days = [1, 3]\n[leads]\nstatic = ["source"]\n')
    path = write_project(pushed, tmp_path / "store", settings)
    pushed.close()
    text = path.read_text().replace("[data]\n", "[data]\nuntil = 2025-04-30T00:00:00Z\n")
    path.write_text(text)
    ours, theirs = from_project(path, seed=7), from_project(event_project, seed=7)
    assert ours.table.names == theirs.table.names
    assert ours.table.numbers.tobytes() == theirs.table.numbers.tobytes(), "to the last bit"
    assert ours.y.tolist() == theirs.y.tolist()
    assert ours.as_of is not None
    assert theirs.as_of is not None
    assert ours.as_of.tolist() == theirs.as_of.tolist()
    assert {name: words(one) for name, one in ours.table.texts.items()} == {name: words(one) for name, one in theirs.table.texts.items()}


def test_a_lead_scored_by_id_has_the_figures_of_training_to_the_last_bit(pushed: Store, tmp_path: Path, event_trained: Trained) -> None:
    from data.project import load_project
    from data.sources import load_tables
    from models.scoring import score_columns, score_requests

    bundle = Bundle.load(event_trained.folder)
    path = write_project(pushed, tmp_path / "store")
    project = load_project(path)
    rows = EventRows(project, load_tables(project), 7, lambda text: None)
    tables = rows._as_known_to(bundle)
    at = micros("2024-09-01T00:00:00Z")
    account, log = account_codes(tables), log_of(tables)
    ids = tables.leads["lead_id"].tolist()
    held = {one.lead_id: one for one in Crm(pushed).held(ids, at) if one is not None}
    places = [place for place, one in enumerate(ids) if one in held]
    scored = score_columns(
        bundle,
        leads_of(tables, account),
        log,
        Observations(pd.array(places, dtype="int64").to_numpy(), pd.array([at] * len(places), dtype="int64").to_numpy()),
        colleagues_of(bundle.scorer.plan, account, log),
    )
    answers = score_requests(bundle, [request_of(held[ids[place]], at) for place in places], bundle.policy, reasons=0)
    assert len(places) > 200
    assert [answer.probability for answer in answers if not isinstance(answer, Exception)] == scored.probability.tolist()
    pushed.close()
