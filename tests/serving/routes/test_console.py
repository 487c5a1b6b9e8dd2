from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from features.bant import DIMENSIONS, DISAGREEMENTS, QUESTIONS
from models.decision import DECISIONS, BantStatus
from serving.console.words import LANGUAGES, WORDS

ROOT = Path(__file__).resolve().parents[3]
CONSOLE = ROOT / "serving" / "console"
POLICY = ROOT / "models" / "qualification.py"


PAGES = ["/", "/queue", "/leads/L-1"]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_holds_no_data_and_so_needs_no_key(guarded: Any, address: str) -> None:
    answer = guarded.get(address)
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


@pytest.mark.parametrize("address", PAGES)
def test_everything_that_a_page_loads_is_served_from_here(client: Any, address: str) -> None:
    page = client.get(address).text
    loaded = re.findall(r'(?:src|href)="([^"#?]+)"', page)
    assert {"/static/console.css", "/static/mark.svg"} < set(loaded)
    for one in loaded:
        assert one.startswith("/")
        assert client.get(one).status_code == 200, one


def test_all_languages_have_the_same_words_with_the_same_gaps() -> None:
    def gaps(text: str) -> list[str]:
        return sorted(re.findall(r"\{\w+\}", text))

    assert set(WORDS) == set(LANGUAGES)
    for words in WORDS.values():
        assert words.keys() == WORDS["en"].keys()
        assert {name: gaps(text) for name, text in words.items()} == {name: gaps(text) for name, text in WORDS["en"].items()}


def test_no_word_is_unused_and_none_is_missing() -> None:
    code = "".join(path.read_text() for path in [*(CONSOLE / "templates").iterdir(), *(CONSOLE / "static").glob("*.js")])
    used = set(re.findall(r"words\.(\w+)", code)) - {"replace", "questions"}
    composed = {"mql", "sql", "mql_short", "sql_short", "mql_hint", "sql_hint", "precision", "caught"}
    composed |= {name for name in WORDS["en"] if name.partition("_")[0] in PREFIXES and "_" in name}
    assert used <= set(WORDS["en"])
    assert set(WORDS["en"]) <= used | composed


PREFIXES = {
    *("ask", "bant", "column", "decision", "fact", "named", "reason", "rule", "settle", "sort", "source", "status", "type", "verdict"),
}
"""What words begin with that are put together from a name: `words[`rule_${name}`]`."""


def test_every_decision_dimension_and_rule_has_its_word() -> None:
    words = WORDS["en"]
    assert {f"decision_{one}" for one in DECISIONS} <= words.keys()
    assert {f"bant_{one}" for one in DIMENSIONS} | {f"status_{one}" for one in get_args(BantStatus)} <= words.keys()
    rules = set(re.findall(r'"((?:sql|mql)_\w+|below_mql|hand_raise|silent|cool_down|explored|no_\w+)"', POLICY.read_text()))
    assert len(rules) >= 10
    assert {f"rule_{one}" for one in rules - {"sql_enter", "mql_enter"}} <= words.keys()


def test_what_the_model_asks_next_is_asked_in_the_pages_language() -> None:
    for dimension in DIMENSIONS:
        assert WORDS["en"][f"ask_{dimension}"] == QUESTIONS[dimension]
        assert WORDS["en"][f"settle_{dimension}"] == DISAGREEMENTS[dimension]
        assert WORDS["es"][f"ask_{dimension}"] != QUESTIONS[dimension]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_runs_no_script_that_stands_in_it(client: Any, address: str) -> None:
    answer = client.get(address)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    inline = re.findall(r"<script(?![^>]*src=)([^>]*)>", answer.text)
    assert [one.strip() for one in inline] == ['type="application/json" id="words"']
    assert not re.search(r"<[^>]+\son\w+=", answer.text)


def test_a_lead_by_any_name_is_a_name_and_no_markup(client: Any) -> None:
    answer = client.get('/leads/"><script>alert(1)<script>')
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text
