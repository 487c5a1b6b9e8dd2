"""Which columns and answers are taken for BANT evidence: what is declared goes first, and a guess can be taken back."""

from __future__ import annotations

import tomllib
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.project import Declared
from features.evidence_names import Evidence, dimension_of, evidence_of

KINDS = {"Budgt_alloc": "category", "decisor": "boolean", "fecha_compra": "time", "country": "category", "job_title": "text"}


NOTHING = Declared()


def found(declared: Declared = NOTHING, *, dated: Collection[str] | None = tuple(KINDS), kinds: dict[str, str] = KINDS) -> Evidence:
    return evidence_of(declared, kinds, dated=dated)


def columns(evidence: Evidence) -> dict[str, str]:
    return {one.name: one.dimension for one in evidence.declared.columns}


@pytest.mark.parametrize(
    "name",
    [
        *("budget_owner", "budget_id", "budget_currency", "need_by_region", "plazo_de_pago", "decision_score", "problem_count", "source"),
        *("country", "Purch_dept", "needle", "anecdote", "painting", "", "😀", "_", "ñ" * 10_000),
    ],
)
def test_names_about_something_else_are_no_evidence(name: str) -> None:
    assert dimension_of(name) is None


@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        ("Budgt_alloc", "budget"),
        ("presupuesto_estimado", "budget"),
        ("BudgetRange", "budget"),
        ("What is your budget?", "budget"),
        ("Authority", "authority"),
        ("decision maker", "authority"),
        ("es_decisor", "authority"),
        ("¿Quién decide?", "authority"),
        ("Needs_def", "need"),
        ("necesidad", "need"),
        ("pain_points", "need"),
        ("Scope", "need"),
        ("purchaseDate", "timeline"),
        ("fecha de compra", "timeline"),
        ("decision_date", "timeline"),
        ("meses_hasta_compra", "timeline"),
        ("urgencia", "timeline"),
    ],
)
def test_names_in_two_languages_and_shortened(name: str, dimension: str) -> None:
    assert dimension_of(name) == dimension


@given(st.text(max_size=60))
def test_any_name_gives_a_dimension_or_none(name: str) -> None:
    assert dimension_of(name) in (None, "budget", "authority", "need", "timeline")


def test_a_dimension_that_is_named_has_exactly_the_columns_named() -> None:
    assert columns(found()) == {"Budgt_alloc": "budget", "decisor": "authority", "fecha_compra": "timeline"}
    assert columns(found(Declared(bant={"budget": ("country",)}))) == {
        "country": "budget",
        "decisor": "authority",
        "fecha_compra": "timeline",
    }
    assert "Budgt_alloc" not in columns(found(Declared(bant={"budget": ()})))
    assert columns(found(Declared(bant={"need": ("Budgt_alloc",)})))["Budgt_alloc"] == "need"


def test_a_column_can_be_said_to_be_no_evidence() -> None:
    assert "decisor" not in columns(found(Declared(not_evidence=("Decisor",))))


def test_what_is_read_anyway_is_not_taken_twice() -> None:
    assert "job_title" not in columns(found(Declared(bant={"authority": ("job_title",)})))


def test_a_guess_on_event_tables_needs_a_date_and_a_declaration_does_not() -> None:
    guessed = found(dated=("decisor",))
    assert columns(guessed) == {"decisor": "authority"}
    assert [one.name for one in guessed.undated] == ["Budgt_alloc", "fecha_compra"]
    assert columns(found(Declared(bant={"budget": ("Budgt_alloc",)}), dated=()))["Budgt_alloc"] == "budget"


def test_a_flat_table_has_no_instants_so_no_dates() -> None:
    flat = found(Declared(bant={"timeline": ("fecha_compra",)}), dated=None)
    assert columns(flat) == {"Budgt_alloc": "budget", "decisor": "authority"}
    assert not flat.declared.instants
    nothing = found(dated=None, kinds={"country": "category"})
    assert nothing.declared.to_json() == {}
    assert nothing.section() is None


def test_the_section_can_be_pasted_and_says_the_same() -> None:
    kinds = KINDS | {'odd "budget" ñ': "category"}
    before = found(kinds=kinds, dated=kinds)
    section = before.section()
    assert section is not None
    assert "# guessed from the name" in section
    pasted = {name: tuple(value) for name, value in tomllib.loads(section)["bant"].items()}
    again = found(Declared(bant=pasted), kinds=kinds, dated=kinds)
    assert again.declared.columns == before.declared.columns
    assert again.guessed == ()


def test_an_undated_guess_stands_in_the_section_as_a_comment() -> None:
    section = found(dated=()).section()
    assert section is not None
    assert tomllib.loads(section) == {"bant": {}}
    assert '# budget = ["Budgt_alloc"]  # not taken: nobody knows when it was written' in section


def test_names_that_are_nowhere_are_said_with_the_nearest() -> None:
    declared = Declared(bant={"budget": ("Budget_alloc", "spend"), "need": ("Pain today?",)})
    told = found(declared).strangers(["pain today"])
    assert len(told) == 2
    assert told[0] == "[bant] budget names Budget_alloc, which is no column of leads and no answer in the data: did you mean Budgt_alloc?"
    assert "spend" in told[1]


def test_answers_are_declared_and_refused_by_the_same_names() -> None:
    declared = found(Declared(bant={"budget": ("Gasto anual",)}, not_evidence=("Presupuesto",))).declared
    assert declared.dimension_of_answer == {"gasto_anual": "budget", "presupuesto": ""}
