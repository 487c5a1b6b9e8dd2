from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.crm import Crm, LeadPut, OutcomeRow, StageRow
from data.pipeline_rows import DAY, Born, PipelineRows
from data.schema import decisions, feedback, runtimes
from data.store import Store

T = 20_000 * DAY


@pytest.fixture
def store(tmp_path: Path, database: str) -> Iterator[Store]:
    store = Store.open(tmp_path, database)
    yield store
    store.close()


def entry(lead_id: str, decision: str, before: str | None, at: int) -> dict[str, object]:
    return {
        "decision_id": f"{lead_id}-{decision}-{at}", "lead_id": lead_id, "scored_at": at, "as_of": at, "decision": decision,
        "previous_decision": before, "probability": 0.5, "model_version": "1", "policy_version": "1", "feature_set": "f",
        "input_hash": "h", "input": b"", "answer": b"", "runtime": "r",
    }  # fmt: skip


def test_an_empty_store_has_no_rows(store: Store) -> None:
    rows = PipelineRows(store)
    assert rows.happened(T).lead == []
    assert rows.born(0, T) == []


def test_everything_comes_by_lead_and_instant_with_outcomes_last(store: Store) -> None:
    crm = Crm(store)
    crm.add_stage_changes(
        [
            StageRow("b", T, "new", T), StageRow("a", T + 5, "Closed won", T + 5), StageRow("a", T, 'ne"w', T),
            StageRow("a", T + 9, "later", T + 9),
        ]
    )  # fmt: skip
    crm.add_outcomes([OutcomeRow("a", T + 5, T + 5, "won", 12.5), OutcomeRow("c", T + 1, T + 1, "lost")])
    found = PipelineRows(store).happened(T + 6)
    assert list(zip(found.lead, found.at, found.name, found.outcome, found.amount, strict=True)) == [
        (1, T, 'ne"w', 0, None),
        (1, T + 5, "Closed won", 0, None),
        (1, T + 5, "won", 1, 12.5),
        (2, T, "new", 0, None),
        (3, T + 1, "lost", 1, None),
    ]


def test_the_funnel_counts_each_lead_once_by_the_day_it_was_created(store: Store) -> None:
    crm = Crm(store)
    crm.put_leads([LeadPut(one, {}, T, T) for one in ("a", "b", "c")])
    crm.put_leads([LeadPut("old", {"created_at": "2020-01-01T00:00:00Z"}, T, T)])
    with store.writing() as connection:
        connection.execute(runtimes.insert().values(fingerprint="r", versions="{}"))
        connection.execute(
            decisions.insert(),
            [
                entry("a", "mql", None, T),
                entry("a", "nurture", "mql", T + 1),
                entry("a", "mql", "nurture", T + 2),
                entry("b", "sql", None, T),
            ],
        )
        given = {"feedback_id": "1", "lead_id": "a", "verdict": "accepted", "author": "ana", "given_at": T}
        connection.execute(feedback.insert().values(given))
    crm.add_outcomes([OutcomeRow("b", T + 9, T + 9, "won", 1.0), OutcomeRow("c", T + 9, T + 9, "lost")])
    found = PipelineRows(store).born(T, T + DAY)
    assert sorted(found, key=str) == sorted(
        [
            Born(20_000, scored=False, mql=True, accepted=True, sql=False, won=False, leads=1),
            Born(20_000, scored=False, mql=True, accepted=False, sql=True, won=True, leads=1),
            Born(20_000, scored=False, mql=False, accepted=False, sql=False, won=False, leads=1),
        ],
        key=str,
    )
