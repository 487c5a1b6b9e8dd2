from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from serving.console.words import LANGUAGES, WORDS

CONSOLE = Path(__file__).resolve().parents[3] / "serving" / "console"


def test_the_page_holds_no_data_and_so_needs_no_key(guarded: Any) -> None:
    answer = guarded.get("/")
    assert answer.status_code == 200
    assert 'data-asks-for-key="yes"' in answer.text


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,en;q=0.5", "es"),
        ("de, es;q=0.7, en;q=0.3", "es"),
        ("fr", "en"),
        ("en;q=x, es", "es"),
        (";;;,,", "en"),
    ],
)
def test_the_page_speaks_the_browsers_language(client: Any, asked: str, language: str) -> None:
    answer = client.get("/", headers={"Accept-Language": asked})
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text
    assert WORDS[language]["lead_in"] in answer.text


def test_the_language_can_be_chosen(client: Any) -> None:
    assert client.get("/?lang=es", headers={"Accept-Language": "en"}).headers["content-language"] == "es"
    assert client.get("/?lang=<script>").headers["content-language"] == "en"


def test_everything_that_the_page_loads_is_served_from_here(client: Any) -> None:
    page = client.get("/").text
    loaded = re.findall(r'(?:src|href)="([^"#?]+)"', page)
    assert len(loaded) >= 5
    for address in loaded:
        assert address.startswith("/")
        assert client.get(address).status_code == 200, address


def test_all_languages_have_the_same_words_with_the_same_gaps() -> None:
    def gaps(text: str) -> list[str]:
        return sorted(re.findall(r"\{\w+\}", text))

    assert set(WORDS) == set(LANGUAGES)
    for words in WORDS.values():
        assert words.keys() == WORDS["en"].keys()
        assert {name: gaps(text) for name, text in words.items()} == {name: gaps(text) for name, text in WORDS["en"].items()}


def test_no_word_is_unused_and_none_is_missing() -> None:
    code = (CONSOLE / "templates" / "thresholds.html").read_text() + (CONSOLE / "static" / "thresholds.js").read_text()
    used = set(re.findall(r"words\.(\w+)", code)) - {"replace"}
    composed = {"mql", "sql", "mql_short", "sql_short", "mql_hint", "sql_hint", "precision", "caught"}
    assert used | composed == set(WORDS["en"])
