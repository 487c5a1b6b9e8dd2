from __future__ import annotations

import re

import pytest

from features.catalogue import catalogue
from serving.console.language import LANGUAGES, language
from serving.console.sentences import said_in, texts

OTHERS = [code for code in LANGUAGES if code != "en"]


def test_english_is_said_by_the_model_itself() -> None:
    assert said_in(language("en")) == {}


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("name", list(catalogue()))
def test_every_signal_speaks_every_language_with_its_value_or_word_in_place(code: str, name: str) -> None:
    signal, told = catalogue()[name], said_in(language(code))[name]
    assert told["many"] != signal.sentence
    assert re.findall(r"\{(\w+)", signal.sentence) == re.findall(r"\{(\w+)", told["many"])
    assert len(told.get("words", ())) == len(signal.words)
    assert ("as" in told) == ("{value" in signal.sentence)
    if "as" in told:  # the page knows how to write such numbers
        assert re.fullmatch(r"\+?,?\.\d[f%]", told["as"])


@pytest.mark.parametrize("code", OTHERS)
def test_one_is_said_as_people_say_it(code: str) -> None:
    told = said_in(language(code))["pricing_visits_30d"]
    assert "{value}" not in told["one"]
    assert ("Visited pricing pages once in the last 30 days.", "Visited pricing pages {value} times in the last 30 days.") in texts()
