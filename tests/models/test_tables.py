"""From validated tables to the engine's columns: missing stays missing, dated values stay dated, accounts are whose they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.frames import FlatChunk, Tables
from features.catalogue import catalogue
from features.history import NEVER
from models.tables import account_codes, attributes_of, joined_leads, leads_of, log_of, signals_that_apply, text_column

T = pd.Timestamp("2026-01-05", tz="UTC")
EMPTY = pd.DataFrame({"lead_id": [], "lead_row": np.zeros(0, np.int32)})


def tables(leads: pd.DataFrame, kinds: dict[str, str], changes: pd.DataFrame = EMPTY, activities: pd.DataFrame = EMPTY) -> Tables:
    nothing = pd.DataFrame({"table": [], "row": [], "lead_id": [], "reason": []})
    return Tables(leads, changes, activities, EMPTY, EMPTY, T, kinds, nothing)


def test_missing_text_and_time_stay_missing() -> None:
    frame = pd.DataFrame({"lead_id": ["007", "b"], "origin": [None, "web"], "created_at": pd.Series([pd.NaT, T])})
    leads = leads_of(tables(frame, {"origin": "category", "created_at": "time"}))
    assert leads.ids == ["007", "b"]
    assert leads.texts["origin"].texts() == [None, "web"]
    assert leads.times["created_at"][0] == NEVER
    assert leads.times["created_at"][1] == T.value // 1_000


def test_a_categorical_column_is_its_texts() -> None:
    column = text_column(pd.Series(pd.Categorical.from_codes([1, -1, 0], categories=["a", "b"])))
    assert column.texts() == ["b", None, "a"]


def test_leads_of_one_domain_are_one_account_and_the_others_stand_alone() -> None:
    frame = pd.DataFrame(
        {
            "lead_id": ["a", "b", "c", "d", "acme.example"],
            "company_domain": ["acme.example", None, None, "https://www.acme.example/es", None],
            "email": [None, "eva@acme.example", "eva@gmail.com", None, None],
        },
        dtype=object,
    )
    codes = account_codes(tables(frame, {"company_domain": "text", "email": "text"})).tolist()
    assert codes[0] == codes[1] == codes[3] >= 0
    assert codes[2] == codes[4] == -1


def test_without_activities_the_log_is_empty_but_whole() -> None:
    log = log_of(tables(pd.DataFrame({"lead_id": ["a", "b", "c"]}), {}))
    assert (len(log), len(log.starts)) == (0, 4)


def test_changes_are_typed_as_their_column_is() -> None:
    changes = pd.DataFrame(
        {
            "lead_id": ["a"] * 4,
            "lead_row": np.zeros(4, np.int32),
            "field": pd.Categorical(["size", "vip", "origin", "unknown"]),
            "value": pd.Categorical(["12", "yes", "web", "x"]),
            "changed_at": pd.Series([T] * 4),
        }
    )
    frame = pd.DataFrame({"lead_id": ["a"], "size": [1.0], "vip": [0.0], "origin": ["fair"]})
    found = leads_of(tables(frame, {"size": "number", "vip": "boolean", "origin": "category"}, changes)).changes
    assert set(found) == {"size", "vip", "origin"}
    assert found["size"].numbers is not None
    assert found["size"].numbers.tolist() == [12.0]
    assert found["vip"].numbers is not None
    assert found["vip"].numbers.tolist() == [1.0]
    assert found["origin"].texts is not None
    assert found["origin"].texts.texts() == ["web"]


def test_dated_values_are_read_as_their_column_would_be() -> None:
    told = {"size": ["1e3", "inf", "many", "12,5"], "vip": ["Sí", "TRUE", "0", "perhaps"], "origin": ["Web", "7", None, "x"]}
    rows = [(field, value, T + pd.Timedelta(days=i)) for field, values in told.items() for i, value in enumerate(values)]
    changes = pd.DataFrame(rows, columns=["field", "value", "changed_at"]).assign(lead_id="a", lead_row=np.int32(0))
    frame = pd.DataFrame({"lead_id": ["a"], "size": [1.0], "vip": [0.0], "origin": ["fair"]})
    found = leads_of(tables(frame, {"size": "number", "vip": "boolean", "origin": "category"}, changes)).changes
    assert found["size"].numbers is not None
    assert found["vip"].numbers is not None
    assert found["origin"].texts is not None
    assert np.array_equal(found["size"].numbers, [1000, np.nan, np.nan, 12.5], equal_nan=True)
    assert np.array_equal(found["vip"].numbers, [1, 1, 0, np.nan], equal_nan=True)
    assert found["origin"].texts.texts() == ["Web", "7", None, "x"]


def test_nobodys_name_or_address_becomes_an_input() -> None:
    kinds = dict.fromkeys(("email", "phone", "company", "job_title", "consent", "origin"), "category") | {"size": "number", "when": "time"}
    assert {one.name for one in attributes_of(kinds)} == {"origin", "size"}


@pytest.mark.parametrize("activities", [True, False])
def test_only_signals_that_can_speak_apply(activities: bool) -> None:
    names = {one.name for one in signals_that_apply(catalogue(), {"job_title"}, activities=activities)}
    assert "seniority" in names
    assert "corporate_email" not in names
    assert ("page_views_7d" in names) is activities
    assert ("authority_strength" in names) is activities


def test_a_column_takes_the_name_of_a_signal() -> None:
    names = {one.name for one in signals_that_apply(catalogue(), {"job_title", "seniority"}, activities=False)}
    assert "seniority" not in names
    assert "decision_maker" in names


def test_chunks_join_over_one_vocabulary() -> None:
    def chunk(ids: list[str], codes: list[int], values: list[str]) -> FlatChunk:
        size = np.arange(len(ids), dtype=np.float64)
        return FlatChunk(1, np.array(ids, dtype=object), {"size": size}, {"origin": (np.array(codes, np.int32), values)}, {})

    leads = joined_leads([chunk(["a", "b"], [0, -1], ["web"]), chunk(["c", "d"], [1, 0], ["fair", "web"])], np.array([3, 0, 1]))
    assert leads.ids == ["d", "a", "b"]
    assert leads.texts["origin"].texts() == ["fair", "web", None]
    assert leads.numbers["size"].tolist() == [1.0, 0.0, 1.0]
