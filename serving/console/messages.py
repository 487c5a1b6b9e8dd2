"""`make messages`: finds every text of the console and brings each language's catalogue up to date.

In: the templates, modules and Python files of the console, where a text is written in English as `_("…")` or `ngettext("…", "…", n)`,
and the sentences of the model that pages translate. Out: `locale/<language>.po`, sorted by the English text, one block each and
without line numbers, so that two branches that add texts merge; what is new is there with an empty translation, what is gone is gone.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from features.bant import DISAGREEMENTS, QUESTIONS
from serving.console import sentences
from serving.console.language import LANGUAGES, LOCALES, catalogue

__all__ = ["found", "updated"]

_SERVING = Path(__file__).resolve().parents[1]
_METHODS = [
    ("console/*.py", "python"),
    ("routes/console.py", "python"),
    ("console/templates/**.html", "jinja2"),
    ("console/static/**.js", "javascript"),
]
_OPTIONS = {"console/templates/**.html": {"silent": "false"}, "console/static/**.js": {"parse_template_string": "true"}}
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}


def found() -> set[str | tuple[str, str]]:
    """Every text that the console may say; a pair where a number decides."""
    texts = {message for _, _, message, _, _ in extract_from_dir(_SERVING, _METHODS, _OPTIONS, _KEYWORDS)}
    said = {one if isinstance(one, str) else (one[0], one[1]) for one in texts}
    return said | {*QUESTIONS.values(), *DISAGREEMENTS.values()} | sentences.texts()


def updated(language: str) -> str:
    """The catalogue of a language as its file should be."""
    known = catalogue(language) if (LOCALES / f"{language}.po").exists() else Catalog(locale=language)
    new = Catalog(locale=language)
    for text in found():
        old = known.get(text if isinstance(text, str) else text[0])
        message = new.add(text, old.string if old and old.id == text else "")
        message.flags = {"fuzzy"} if old and old.fuzzy else set()  # no guesses at the kind of place: a test compares them
    file = io.BytesIO()
    write_po(file, new, width=0, no_location=True, omit_header=True, sort_output=True)
    return file.getvalue().decode()


def _main() -> None:
    for language in LANGUAGES:
        if language != "en":
            path = LOCALES / f"{language}.po"
            path.write_text(updated(language), encoding="utf-8")
            empty = sum(not any(one.string or ()) for one in catalogue(language) if one.id)
            print(f"{path}: {empty} to translate")  # noqa: T201 - a tool of developers, not a command of the product


if __name__ == "__main__":
    _main()
