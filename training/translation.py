"""The report in another language: a page that was written in English, unit by unit, by a catalogue of sentences.

In: HTML whose texts are English. Out: the same HTML with each text, label and title translated, and its numbers written as that
language writes them. A unit is the text between two block tags; tags that stand inside a sentence (`code`, `wbr`, …) travel with it.
The catalogue (`report_es.toml`) pairs English sentences with others; `{name}` stands for whatever changes, `{#name}` for figures, and
what they hold is translated in turn. What the catalogue does not know stays English: names, values, and the sentences of a reader
who is newer than it. Working on finished sentences keeps every module that has something to say, from the readers of files to the
audit, free of translation.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from data.errors import BadUsage

__all__ = ["LANGUAGES", "UnknownLanguage", "translate", "units"]

LANGUAGES = ("en", "es")
_BLOCK = re.compile(r"(<style>.*?</style>|<(?!/?(?:code|wbr|em|strong)\b)[^>]+>)", re.DOTALL)
_ATTRIBUTE = re.compile(r'\b(aria-label|title)="([^"]+)"')
_ENDS = (re.compile(r"(?<=[.!?])\s+(?=\S)"), re.compile(r"(?<=[;:])\s+(?=\S)"))
"""Where a text falls into sentences, and a sentence into clauses."""
_NUMBER = re.compile(r"(?<![\w.,-])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])\d+\.\d+(?![\w]|\.\d)")
_QUOTED = re.compile(r"(<code>.*?</code>|<[^>]+>)", re.DOTALL)
_PLACE = re.compile(r"\{(#?)(\w+)\}")
_ANYTHING, _FIGURE = r"(?P<{name}>(?:(?!\. ).)+?)", r"(?P<{name}>[^A-Za-z]+?)"
"""What a place may hold: nothing that goes beyond its sentence; `{#name}` no letters."""


class UnknownLanguage(BadUsage, exit_code=2):
    """--lang {language}: the report is written in {known}."""


def translate(html: str, language: str) -> str:
    """The page in a language; English is what it comes in."""
    if language not in LANGUAGES:
        raise UnknownLanguage(language=language, known=" or ".join(LANGUAGES))
    if language == "en":
        return html
    words = _Words.read(language)
    parts = _BLOCK.split(html)
    for place, part in enumerate(parts):
        if part.startswith("<"):
            parts[place] = part if part.startswith("<style") else _ATTRIBUTE.sub(lambda m: f'{m[1]}="{words.of(m[2])}"', part)
        elif not _verbatim(parts, place):
            parts[place] = words.of(part)
    return "".join(parts).replace('<html lang="en">', f'<html lang="{language}">', 1)


def units(html: str) -> list[str]:
    """The texts of a page as they are looked up."""
    parts = _BLOCK.split(html)
    texts = [part for place, part in enumerate(parts) if not part.startswith("<") and not _verbatim(parts, place)]
    texts += [m[2] for part in parts if part.startswith("<") for m in _ATTRIBUTE.finditer(part)]
    return [text for text in dict.fromkeys(_plain(one) for one in texts) if re.search(r"[A-Za-z]", text)]


def _verbatim(parts: Sequence[str], place: int) -> bool:
    """Whether a text is a command, a path or a version, in a cell of its own."""
    return place > 0 and 'class="mono"' in parts[place - 1]


@dataclass
class _Words:
    """A catalogue, ready to be asked."""

    exact: dict[str, str]
    patterns: list[tuple[re.Pattern[str], str]]
    asked: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, language: str) -> _Words:
        exact, patterns = _catalogue(language)
        return cls(exact, patterns)

    def of(self, text: str) -> str:
        """A unit, with the blanks around it as they were."""
        core = _plain(text)
        if not core:
            return text
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        if core not in self.asked:
            found = self._find(core)
            self.asked[core] = _numbers(core) if found is None else found
        return before + self.asked[core] + after

    def _find(self, core: str) -> str | None:
        """The whole, else by a pattern, else sentence by sentence; None where nothing of it is known."""
        if core in self.exact:
            return self.exact[core]
        for pattern, told in self.patterns:
            if match := pattern.fullmatch(core):
                held = {name: self.of(value) for name, value in match.groupdict().items() if value is not None}
                return _filled(told, held)
        for end in _ENDS:
            parts = end.split(core)
            if len(parts) > 1:
                found = [self._find(one) for one in parts]
                if any(found):
                    return " ".join(_numbers(one) if other is None else other for one, other in zip(parts, found, strict=True))
        return None


def _filled(told: str, held: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: held.get(place[2], ""), told)


@lru_cache(maxsize=4)
def _catalogue(language: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    with (Path(__file__).parent / f"report_{language}.toml").open("rb") as file:
        pairs: dict[str, str] = tomllib.load(file)
    exact = {english: told for english, told in pairs.items() if not _PLACE.search(english)}
    places = sorted((english for english in pairs if _PLACE.search(english)), key=lambda one: (-len(_PLACE.sub("", one)), one))
    return exact, [(_pattern(english), pairs[english]) for english in places]


def _pattern(english: str) -> re.Pattern[str]:
    quoted = re.sub(r"([\\.^$*+?()\[\]|])", r"\\\1", english)
    return re.compile(_PLACE.sub(lambda m: (_FIGURE if m[1] else _ANYTHING).replace("{name}", m[2]), quoted), re.DOTALL)


def _plain(text: str) -> str:
    """As the catalogue writes it: one blank for many, plain quotes."""
    return re.sub(
        r"\s+", " ", text.replace("&#39;", "'").replace("&#34;", '"').replace("\N{NO-BREAK SPACE}", " ").replace("&ensp;", " ")
    ).strip()


def _numbers(text: str) -> str:
    """1,234.5 → 1.234,5, but in what is quoted as code."""
    parts = _QUOTED.split(text)
    return "".join(part if part.startswith("<") else _NUMBER.sub(lambda m: m[0].translate(_SWAP), part) for part in parts)


_SWAP = str.maketrans(",.", ".,")
