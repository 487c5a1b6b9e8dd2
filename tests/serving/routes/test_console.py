from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pytest

from features.bant import DIMENSIONS, DISAGREEMENTS, QUESTIONS
from models.decision import DECISIONS, BantStatus
from serving.console.language import COOKIE
from serving.console.language import language as speech

ROOT = Path(__file__).resolve().parents[3]
CONSOLE = ROOT / "serving" / "console"
POLICY = ROOT / "models" / "qualification.py"


PAGES = ["/", "/thresholds/plain", "/queue", "/leads/L-1", "/pipeline", "/health"]


@pytest.mark.parametrize("address", PAGES)
def test_who_has_not_signed_in_is_shown_to_the_door_and_brought_back_afterwards(guarded: Any, address: str) -> None:
    answer = guarded.get(f"{address}?lang=es", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next={quote(address + '?lang=es', safe='')}"


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
    assert speech(language).gettext("What each threshold would do") in answer.text


def test_the_language_can_be_chosen(client: Any) -> None:
    assert client.get("/?lang=es", headers={"Accept-Language": "en"}).headers["content-language"] == "es"
    client.cookies.clear()
    assert client.get("/?lang=<script>").headers["content-language"] == "en"
    assert COOKIE not in client.cookies


def test_the_language_that_was_chosen_is_remembered(client: Any) -> None:
    client.get("/?lang=es")
    assert client.get("/queue", headers={"Accept-Language": "en"}).headers["content-language"] == "es"
    assert client.get("/queue?lang=en").headers["content-language"] == "en"
    assert client.get("/queue", headers={"Accept-Language": "es"}).headers["content-language"] == "en"
    client.cookies.set(COOKIE, "klingon")
    assert client.get("/queue", headers={"Accept-Language": "es"}).headers["content-language"] == "es"


@pytest.mark.parametrize("address", PAGES)
def test_everything_that_a_page_loads_is_served_from_here(client: Any, address: str) -> None:
    page = client.get(address).text
    loaded = re.findall(r'(?:src|href)="([^"#?]+)"', page)
    assert {"/static/console.css", "/static/mark.svg"} < set(loaded)
    for one in loaded:
        assert one.startswith("/")
        assert client.get(one).status_code == 200, one


def test_every_decision_dimension_and_rule_has_its_name() -> None:
    names = named()
    assert names["decisions"] == set(DECISIONS)
    assert names["dimensions"] == set(DIMENSIONS)
    assert names["statuses"] == set(get_args(BantStatus))
    rules = set(re.findall(r'"((?:sql|mql)_\w+|below_mql|hand_raise|silent|cool_down|explored|no_\w+)"', POLICY.read_text()))
    assert len(rules) >= 10
    assert rules <= names["rules"]


def named() -> dict[str, set[str]]:
    """The codes that `names.js` has a name for."""
    lists = re.findall(r"export const (\w+) = \{\n(.*?)\n\};", (CONSOLE / "static" / "names.js").read_text(), re.DOTALL)
    return {name: {code.strip('"') for code in re.findall(r"^  (\w+|\"[^\"]+\"):", codes, re.MULTILINE)} for name, codes in lists}


def test_what_the_model_asks_next_is_asked_in_the_pages_language() -> None:
    for asked in (*QUESTIONS.values(), *DISAGREEMENTS.values()):
        assert speech("es").gettext(asked) != asked


@pytest.mark.parametrize("address", PAGES)
def test_a_page_runs_no_script_that_stands_in_it(client: Any, address: str) -> None:
    answer = client.get(address)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    inline = re.findall(r"<script(?![^>]*src=)([^>]*)>", answer.text)
    assert [one.strip() for one in inline] == ['type="application/json" id="catalogue"']
    assert not re.search(r"<[^>]+\son\w+=", answer.text)


def test_a_lead_by_any_name_is_a_name_and_no_markup(client: Any) -> None:
    answer = client.get('/leads/"><script>alert(1)<script>')
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text


class TestPlainThresholds:
    """The page of forms."""

    def test_another_sites_form_is_refused(self, client: Any) -> None:
        etag = client.get("/v1/policy").headers["etag"]
        for origin in ("http://elsewhere.example", "null"):
            answer = client.post("/thresholds/plain", data={"etag": etag, "mql": "10", "sql": "60"}, headers={"Origin": origin})
            assert answer.status_code == 403
        assert client.get("/v1/policy").json()["version"] == "default"

    def test_what_somebody_else_published_meanwhile_is_not_overwritten(self, client: Any) -> None:
        etag = client.get("/v1/policy").headers["etag"]
        first = client.post("/thresholds/plain", data={"etag": etag, "mql": "10", "sql": "60", "author": "ana"}, follow_redirects=False)
        assert first.status_code == 303
        second = client.post("/thresholds/plain", data={"etag": etag, "mql": "30", "sql": "60", "author": "bea"})
        assert "Somebody else published meanwhile" in second.text
        assert client.get("/v1/policy").json()["policy"]["mql"]["enter"] == 0.1

    def test_thresholds_that_cannot_be_are_said_and_change_nothing(self, client: Any) -> None:
        etag = client.get("/v1/policy").headers["etag"]
        for mql, sql in (("90", "10"), ("much", "60"), ("-1", "60"), ("10", "101")):
            answer = client.post("/thresholds/plain", data={"etag": etag, "mql": mql, "sql": sql})
            assert "SQL not below MQL" in answer.text
        assert client.get("/v1/policy").json()["version"] == "default"

    def test_without_a_backtest_it_says_how_to_get_one(self, client: Any, home: Path, bundles: Path) -> None:
        (home / "bundles" / "first").unlink()
        shutil.copytree(bundles / "first", home / "bundles" / "first")
        (home / "bundles" / "first" / "backtest.parquet").unlink()
        assert "tamiz train" in client.get("/thresholds/plain").text
