from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from serving.console.language import Language, language

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def english() -> Language:
    return language("en")


@pytest.fixture
def spanish() -> Language:
    return language("es")


def test_what_is_not_known_is_a_dash_and_not_a_zero(english: Language) -> None:
    nothing = [english.number(None), english.percent(None), english.money(None), english.day(None), english.instant(None)]
    assert nothing == ["–"] * 5


def test_a_text_that_nobody_has_translated_stays_english(spanish: Language) -> None:
    assert spanish.gettext("Nobody has translated this: {name}", name="x") == "Nobody has translated this: x"
    assert spanish.ngettext("{n} sheep", "{n} sheeps", 2, n=2) == "2 sheeps"


def test_a_text_has_its_places_filled_and_what_fills_them_is_not_read_as_places(spanish: Language) -> None:
    assert spanish.gettext("Accept {name}", name="{0} {name}") == "Aceptar {0} {name}"
    assert spanish.gettext("Queue") == "Cola"


def test_numbers_are_written_as_the_language_writes_them(english: Language, spanish: Language) -> None:
    assert [one.number(1234.5) for one in (english, spanish)] == ["1,234.5", "1.234,5"]
    assert [one.number(1234567, 0) for one in (english, spanish)] == ["1,234,567", "1.234.567"]
    assert [one.percent(0.1579, 1) for one in (english, spanish)] == ["15.8%", "15,8\N{NO-BREAK SPACE}%"]
    assert [one.percent(0.2) for one in (english, spanish)] == ["20%", "20\N{NO-BREAK SPACE}%"]


def test_money_is_written_with_its_currency_and_without_one_as_a_number(english: Language, spanish: Language) -> None:
    assert [one.money(12345.6, "EUR") for one in (english, spanish)] == ["€12,346", "12.346\N{NO-BREAK SPACE}€"]
    assert [one.money(12345.6) for one in (english, spanish)] == ["12,346", "12.346"]


def test_days_and_instants_are_written_as_the_language_writes_them_and_in_utc(english: Language, spanish: Language) -> None:
    assert [one.day(date(2026, 3, 1)) for one in (english, spanish)] == ["Mar 1, 2026", "1 mar 2026"]
    at = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
    assert [one.instant(at).replace("\N{NARROW NO-BREAK SPACE}", " ") for one in (english, spanish)] == [
        "Mar 1, 2026, 2:05:00 PM UTC",
        "1 mar 2026, 14:05:00 UTC",
    ]


def test_the_service_starts_without_babel_and_without_templates() -> None:
    code = "import serving.app, sys; print({'babel', 'jinja2'} & {name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
