"""Why sales says no, counted and in words."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from data.contracts import TABLES
from data.crm import Crm, LeadPut, OutcomeRow, StageRow
from data.frames import Tables
from data.project import load_project
from data.reviews import Feedback, give_feedback
from data.sources import load_tables
from data.store import Store
from data.store_tables import write_project
from training.rejections import NOT_GIVEN, Reasons, in_words, reasons_given
from training.translation import translate

DAY = 86_400_000_000
START = 1_780_000_000_000_000


def told(tmp_path: Path, database: str, reasons: Sequence[str | None], accepted: int = 0, stages: Sequence[str] = ()) -> Tables:
    """What reading the store gives, a day between each verdict."""
    with closing(Store.open(tmp_path / "home", database)) as store:
        crm = Crm(store)
        verdicts = [*(("rejected", one) for one in reasons), *(("accepted", None) for _ in range(accepted))]
        names = [f"l{i}" for i in range(max(len(verdicts), len(stages), 1))]
        crm.put_leads([LeadPut(name, {"created_at": "2026-05-01T00:00:00Z", "country": "ES"}, START, START) for name in names])
        for i, (verdict, reason) in enumerate(verdicts):
            give_feedback(store, Feedback("", names[i], None, verdict, reason, "a note", "ines", START + i * DAY))
        rows = [StageRow(names[i], START + i * DAY, "Closed lost", START + i * DAY, reason=one) for i, one in enumerate(stages)]
        crm.add_stage_changes(rows)
        crm.add_outcomes([OutcomeRow(names[0], START + 90 * DAY, START + 90 * DAY)])
        return load_tables(load_project(write_project(store, tmp_path / "out")))


def said(reasons: Reasons) -> str:
    return in_words(reasons).replace("\N{NO-BREAK SPACE}", " ")


def test_who_said_nothing_has_no_reasons(tmp_path: Path) -> None:
    assert reasons_given(told(tmp_path, "", [])) == ()
    assert reasons_given(told(tmp_path / "b", "", [], accepted=3)) == ()


def test_reasons_are_counted_with_shares_and_one_that_is_missing_is_said(tmp_path: Path, database: str) -> None:
    (one,) = reasons_given(told(tmp_path, database, ["no_budget", None, "no_budget", "no_need"], accepted=4))
    assert [(each.reason, each.count, each.share) for each in one.reasons] == [
        ("no_budget", 2, 0.5),
        ("no_need", 1, 0.25),
        (NOT_GIVEN, 1, 0.25),
    ]
    assert said(one).startswith("Sales rejected 4 of the 8 leads that it judged (50 %). Most often: no_budget (50 %), no_need (25 %)")


def test_a_reason_that_grows_is_named_and_a_few_more_are_no_change(tmp_path: Path) -> None:
    (grown,) = reasons_given(told(tmp_path, "", ["no_need"] * 15 + ["no_budget"] * 15))
    assert [(each.reason, each.trend) for each in grown.reasons] == [("no_budget", "more often"), ("no_need", "less often")]
    assert "no_budget is given more often: 100 %, before 0 %." in said(grown)
    (even,) = reasons_given(told(tmp_path / "b", "", ["no_need", "no_budget", "no_budget"] * 4))
    assert {each.trend for each in even.reasons} == {"no sure change"}
    assert "No reason is surely given more or less often" in said(even)


def test_reasons_of_lost_deals_are_counted_apart(tmp_path: Path) -> None:
    (lost,) = reasons_given(told(tmp_path, "", [], stages=["price", "price", "timing"]))
    assert (lost.of, lost.total, lost.judged, lost.reasons[0].reason) == ("stages", 3, None, "price")
    assert said(lost).startswith("3 stages were entered with a reason. Most often: price (67 %), timing (33 %).")


@pytest.mark.parametrize("column", ["note", "author"])
def test_what_people_wrote_freely_does_not_leave_the_store(tmp_path: Path, column: str) -> None:
    tables = told(tmp_path, "", ["no_need"])
    assert column not in tables.feedback.columns
    assert column not in TABLES["feedback"].columns
    assert column not in pd.read_parquet(tmp_path / "out" / "feedback.parquet").columns


def test_it_is_said_in_spanish_too(tmp_path: Path) -> None:
    for reasons in (["no_need"] * 15 + ["no_budget"] * 15, ["no_need", "no_budget"] * 3):
        (one,) = reasons_given(told(tmp_path / str(len(reasons)), "", reasons))
        spanish = translate(f"<p>{in_words(one)}</p>", "es")
        assert "Ventas rechazó" in spanish
        assert not any(word in spanish for word in ("Since", "before", "often", "No reason"))
