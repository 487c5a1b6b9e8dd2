from __future__ import annotations

import math

import pytest

from features.answers import field_of
from features.statements import says_when, says_who, says_yes


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
