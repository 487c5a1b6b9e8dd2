from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.answers import field_of
from features.statements import coming_end, names_date, says_when, says_who, says_yes


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("yes", 1.0),
        ("Sí, aprobado", 1.0),
        ("20.000 €", 1.0),
        ("$50k", 1.0),
        ("approved, no problem", 1.0),
        ("sin problema", 1.0),
        ("planned for next year", 0.5),
        ("pendiente de aprobación", 0.5),
        ("no", -1.0),
        ("No budget", -1.0),
        ("we don't have one", -1.0),
        ("We don’t have one", -1.0),
        ("no tenemos", -1.0),
        ("ninguno", -1.0),
        ("0 €", -1.0),
        ("0,00", -1.0),
        ("50.000 €", 1.0),
        ("10k", 1.0),
        ("High", 1.0),
        ("Mid", 0.5),
        ("Medio", 0.5),
        ("Low", -1.0),
        ("Poor", -1.0),
        ("Info gathering", 0.5),
        ("Few questions", 0.5),
        ("social media campaigns", 1.0),
        ("n/a", -1.0),
        ("False", -1.0),
        ("don't know", None),
        ("no lo sé", None),
        ("not sure", None),
        ("todavía no lo sabemos", None),
        ("sin definir", None),
        ("TBD", None),
        ("?", None),
        ("-", None),
        ("", None),
    ],
)
def test_whether_there_is_one(said: str, meaning: float | None) -> None:
    found = says_yes(said)
    assert found == meaning or (meaning is None and math.isnan(found))


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("now", 1.0),
        ("lo antes posible, ya", 1.0),
        ("cuanto antes", 1.0),
        ("within 3 months", 1.0),
        ("este trimestre", 1.0),
        ("próximo mes", 1.0),
        ("45 days", 1.0),
        ("no later than next month", 1.0),
        ("in 12 months", 0.4),
        ("365 days", 0.4),
        ("40 weeks", 0.4),
        ("2028", 0.4),
        ("3", None),
        ("baja", -1.0),
        ("not now", -1.0),
        ("ya no", -1.0),
        ("no es urgente", -1.0),
        ("not this quarter", -1.0),
        ("quizás este mes", None),
    ],
)
def test_whether_it_is_soon(said: str, meaning: float | None) -> None:
    found = says_when(said)
    assert found == meaning or (meaning is None and math.isnan(found))


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("I decide", 1.0),
        ("yo", 1.0),
        ("I recommend, the board signs", 0.5),
        ("influencer", 0.5),
        ("my boss", -1.0),
        ("decide mi jefa", -1.0),
        ("someone else", -1.0),
        ("no", -1.0),
    ],
)
def test_whether_the_lead_decides(said: str, meaning: float) -> None:
    assert says_who(said) == meaning


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Budget", "budget"),
        ("presupuesto", "budget"),
        ("¿Quién decide?", "authority"),
        ("decision-maker", "authority"),
        ("Use case", "need"),
        ("Caso de uso", "need"),
        ("¿Cuándo?", "timeline"),
        ("Fecha de compra", "timeline"),
        ("Favourite colour", "favourite_colour"),
        ("", ""),
    ],
)
def test_fields_have_many_names(name: str, field: str) -> None:
    assert field_of(name) == field


def days(day: date) -> float:
    return float((day - date(1970, 1, 1)).days)


@pytest.mark.parametrize(
    ("said", "last"),
    [
        ("2026-12-01", date(2026, 12, 1)),
        ("1/12/2026", date(2026, 12, 1)),
        ("2026-02-31", date(2026, 2, 28)),
        ("by 2026-12", date(2026, 12, 31)),
        ("12/2026", date(2026, 12, 31)),
        ("Q3 2026", date(2026, 9, 30)),
        ("2026 Q1", date(2026, 3, 31)),
        ("T4 de 2026", date(2026, 12, 31)),
        ("October 2026", date(2026, 10, 31)),
        ("en octubre de 2026", date(2026, 10, 31)),
        ("2028", date(2028, 12, 31)),
        ("May 2026", date(2026, 5, 31)),
        ("we may buy", None),
        ("two weeks ago", None),
        ("20000 EUR", None),
        ("soon", None),
        ("tbd, maybe 2027", None),
        ("", None),
    ],
)
def test_dates_in_words_end_when_their_period_does(said: str, last: date | None) -> None:
    found = names_date(said)
    assert (math.isnan(found) and last is None) or (last is not None and found == days(last))


@pytest.mark.parametrize(
    ("said", "on", "last"),
    [
        ("Q3", date(2026, 1, 5), date(2026, 9, 30)),
        ("Q3", date(2026, 9, 30), date(2026, 9, 30)),
        ("Q3", date(2026, 10, 1), date(2027, 9, 30)),
        ("in december", date(2026, 12, 31), date(2026, 12, 31)),
        ("by may", date(2026, 6, 1), date(2027, 5, 31)),
        ("febrero", date(2027, 12, 31), date(2028, 2, 29)),
    ],
)
def test_months_without_a_year_are_the_next_ones(said: str, on: date, last: date) -> None:
    assert coming_end(np.array([names_date(said)]), np.array([days(on)])) == [days(last)]


@given(st.text(max_size=40))
def test_any_text_is_read_without_a_mishap(said: str) -> None:
    assert all(math.isnan(one) or -1.0 <= one <= 1.0 for one in (says_yes(said), says_who(said), says_when(said)))
    assert math.isnan(names_date(said)) or names_date(said) >= -12.0
