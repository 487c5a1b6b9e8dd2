from __future__ import annotations

import re
from pathlib import Path

import pytest

from data.errors import TamizError
from serving.console import messages
from serving.console.language import LANGUAGES, LOCALES, catalogue

CONSOLE = Path(messages.__file__).parent
OTHERS = [code for code in LANGUAGES if code != "en"]


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_of_the_console_is_translated_and_confirmed(code: str) -> None:
    known = {one.id if isinstance(one.id, str) else tuple(one.id): one for one in catalogue(code) if one.id}
    assert messages.found() - known.keys() == set(), "texts without an entry: run make messages"
    assert known.keys() - messages.found() == set(), "entries that no page says any more: run make messages"
    assert [text for text, one in known.items() if not one.string or not all(one.string)] == []
    assert [text for text, one in known.items() if one.fuzzy] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_same_places_as_its_text(code: str) -> None:
    for one in catalogue(code):
        if one.id:
            texts = [one.id] * 2 if isinstance(one.id, str) else list(one.id)
            told = [one.string] * 2 if isinstance(one.string, str) else list(one.string)
            assert [places(text) for text in texts] == [places(text) for text in told], one.id
            assert [blanks(text) for text in texts] == [blanks(text) for text in told], one.id


def places(text: str) -> set[str]:
    """What stands in braces; of a pair, the singular may leave its number out."""
    return set(re.findall(r"\{\w*\}", text))


def blanks(text: str) -> tuple[bool, bool]:
    return text != text.lstrip(), text != text.rstrip()


@pytest.mark.parametrize("code", OTHERS)
def test_the_catalogue_is_as_make_messages_writes_it_so_that_branches_merge(code: str) -> None:
    written = (LOCALES / f"{code}.po").read_text(encoding="utf-8")
    assert written == messages.updated(code)
    texts = re.findall(r'^msgid "(.*)"$', written, re.MULTILINE)
    assert texts == sorted(set(texts))


@pytest.mark.parametrize("code", OTHERS)
def test_one_and_many_are_chosen_the_same_way_on_the_page_as_in_the_catalogue(code: str) -> None:
    assert catalogue(code).plural_forms == "nplurals=2; plural=(n != 1);", "console.js and Language.ngettext choose by count === 1"


def test_no_text_hides_from_the_extraction() -> None:
    """The extractor of JavaScript skips what it cannot parse."""
    texts = {one for found in messages.found() for one in ([found] if isinstance(found, str) else found)}
    written = set()
    for path in (CONSOLE / "static").glob("*.js"):
        code = re.sub(r"^\s*/\*\*.*?\*/|//.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        written |= {text.replace('\\"', '"') for text in re.findall(r'\b_\("((?:[^"\\]|\\.)*)"', code)}
    assert len(written) > 100
    assert written <= texts


def test_a_page_says_nothing_that_is_put_together_from_pieces() -> None:
    """`_(name)` or _(`…`) could not be found; the questions of the model are the one exception, and they are listed."""
    composed = []
    for path in (CONSOLE / "static").glob("*.js"):
        composed += [found for found in re.findall(r"\b_\((?!\")(\w*)", path.read_text(encoding="utf-8")) if found != "question"]
    for path in (CONSOLE / "templates").glob("*.html"):
        composed += re.findall(r"\b_\((?!['\"])(\w*)", path.read_text(encoding="utf-8"))
    assert composed == []


def test_refusals_that_pages_say_in_their_own_words_are_those_of_the_api() -> None:
    code = (CONSOLE / "static" / "console.js").read_text(encoding="utf-8")
    named = set(re.findall(r'^  "([a-z-]+)": \(', code.split("const refusals = {")[1].split("};")[0], flags=re.MULTILINE))
    import serving.app  # noqa: F401 - every error that the API may answer is declared once this has been read

    kinds, found = [TamizError], set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        found.add(re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower())
    assert named
    assert named <= found
