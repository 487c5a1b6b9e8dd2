"""Job titles: seniority and function from free text in five languages; words and rules are data, the reading is one loop.

In: a title as people write it in English, Spanish, Portuguese, French or German: in any case, with or without accents,
abbreviated, with a letter wrong. Out: `Title(seniority, function)`, `unknown` where the lexicon says nothing. Of several
titles the highest counts, and the function of the first. Who only serves a rank ("assistant to the CEO") or held it once ("ex-CTO")
does not have it. Only the first 120 characters are read, so no text takes long.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from features import titles_lexicon as lexicon
from features.history import Column, History
from features.signal import signal

__all__ = ["FUNCTIONS", "SENIORITY", "Title", "read_title"]

SENIORITY = ("student", "junior", "staff", "senior", "manager", "director", "vp", "c_level", "owner")
"""From least to most say in a purchase."""
FUNCTIONS = tuple(name for name in lexicon.FUNCTIONS if not name.startswith("~"))

_STUDENT, _JUNIOR, _STAFF, _SENIOR, _MANAGER, _DIRECTOR, _VP, _C_LEVEL, _OWNER = range(len(SENIORITY))
_NONE = -1
_LONGEST = 120
_LONGEST_WORD = 40
_MISSPELT = 3
"""How many unknown words of one title are compared with the lexicon's: what bounds the time."""


@dataclass(frozen=True)
class Title:
    """What a title says."""

    seniority: str
    function: str


@lru_cache(maxsize=65_536)
def read_title(title: str) -> Title:
    """Seniority and function of a job title.

    >>> read_title("Directora de Operaciones")
    Title(seniority='director', function='operations')
    >>> read_title("Executive Assistant to the CEO").seniority, read_title("Former CTO").seniority
    ('junior', 'unknown')
    >>> read_title("Vertriebsleiter:in (m/w/d)")
    Title(seniority='director', function='sales')
    """
    known = _lexicon()
    words = _words(title, known)
    reader = _Reader()
    starts, n, i = known.starts, len(words), 0
    while i < n:
        for tail, entry in starts.get(words[i], _UNKNOWN_WORD):
            after = i + 1 + len(tail)
            if not tail or words[i + 1 : after] == tail:
                reader.word = words[i]
                entry.take(reader, entry)
                break
        i = after
    return reader.title()


@lru_cache(maxsize=65_536)
def _said(title: str) -> tuple[float, float, float, float]:
    """(seniority, decides, commercial, technical)."""
    level = decides = commercial = technical = math.nan
    read = read_title(title)
    seniority, function = read.seniority, read.function
    if seniority != "unknown":
        level = float(SENIORITY.index(seniority))
        decides = float(level >= SENIORITY.index("director"))
    if function != "unknown":
        commercial = float(function in ("sales", "marketing", "general"))
        technical = float(function in ("it", "engineering"))
    return level, decides, commercial, technical


@signal(
    family="authority",
    unit="rank",
    revision=2,
    words=(
        "a student or intern",
        "junior staff",
        "staff",
        "senior staff",
        "a manager",
        "a director",
        "a vice president",
        "a C-level",
        "an owner",
    ),
)
def seniority(history: History) -> Column:
    """Is {word} by job title."""
    return history.text("job_title").part(_said, 0, 4)


@signal(family="authority", unit="yes or no", revision=2, words=("does not decide", "decides"))
def decision_maker(history: History) -> Column:
    """Holds a title that usually {word} on purchases."""
    return history.text("job_title").part(_said, 1, 4)


@signal(family="fit", unit="yes or no", revision=2, words=("Does not work", "Works"))
def commercial_function(history: History) -> Column:
    """{word} in sales, marketing or general management."""
    return history.text("job_title").part(_said, 2, 4)


@signal(family="fit", unit="yes or no", revision=2, words=("Does not work", "Works"))
def technical_function(history: History) -> Column:
    """{word} in technology."""
    return history.text("job_title").part(_said, 3, 4)


# ---------------------------------------------------------------------------------------------- the words of a title

_SHORTENED = re.compile(r"\b[^\W\d_](?:\. ?[^\W\d_])+\b(?!\w)\.?")
_ANY_GENDER = re.compile(r"\(?\b[mwfhdxi](?:\s?[/|]\s?(?:[mwfhdxi]|gn|divers))+\b\)?|\((?:gn|all genders?|alle)\)")
_BOTH_GENDERS = re.compile(
    r"(?<=\w\w\w)(?:[:*_·•/(@]-?|\.)(?:in|innen|a|as|o|e|es|ne|trice|rice|euse|se|ere|ora|eira|iere)(?![\w-])\)?|(?<=\w\w\w)[@](?=\s|$)"
)
_WORD = re.compile(r"[^\W_]+|[&+,/|;()@]|(?<=\s)-(?=\s)")
_DASHES = str.maketrans(
    "–—−‑•·●|", "----;;;;", "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)


def _words(title: str, known: _Lexicon) -> list[str]:
    """The words as the lexicon writes them: no accents, no endings of both genders, nothing shortened, compound or misspelt."""
    text = title[:_LONGEST]
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text)
        text = "".join([letter for letter in letters if not unicodedata.combining(letter)])[:_LONGEST]  # one letter may become eighteen
    text = text.casefold()
    if not text.isalnum() and not text.replace(" ", "").isalnum():
        text = _ANY_GENDER.sub(" ", text)
        text = _SHORTENED.sub(_without_dots, text)
        text = _BOTH_GENDERS.sub("", text).translate(_DASHES)
    words: list[str] = []
    spelling, left = known.spelling, _MISSPELT
    for word in _WORD.findall(text):
        meant = spelling.get(word)
        if meant is None and 4 < len(word) <= _LONGEST_WORD:
            meant = known.umlaut(word) or known.compound(word)
            if meant is None and left and len(word) > 5:
                left -= 1
                meant = known.misspelt(word)
        if meant is None:
            words.append(word)
        else:
            words.extend(meant)
    return words


def _without_dots(found: re.Match[str]) -> str:
    return found[0].replace(".", "").replace(" ", "") + " "


# ---------------------------------------------------------------------------------------------- the reading


class _Reader:
    """What has been understood so far: of the whole title, and of the part of it (between commas, "and", "/") at hand."""

    __slots__ = (
        "assistant",
        "associate",
        "at",
        "best",
        "deputy",
        "ex",
        "fallback",
        "former",
        "function",
        "junior",
        "last",
        "lead",
        "office",
        "once",
        "plain_assistant",
        "retired",
        "senior",
        "served",
        "soft",
        "student",
        "to",
        "total",
        "weak",
        "word",
    )

    def __init__(self) -> None:
        self.total = self.fallback = _NONE
        self.function = self.weak = self.once = ""
        self.last = self.word = ""
        self.office = self.retired = self.served = self.former = self.at = False
        self._begin_part()

    def _begin_part(self) -> None:
        self.best = self.soft = _NONE
        self.junior = self.senior = self.deputy = self.associate = self.assistant = self.plain_assistant = self.student = False
        self.lead = self.to = self.ex = False

    # What each kind of word does.

    def rank(self, entry: _Entry) -> None:
        if self.at:
            return
        if self.former or self.ex:
            self.name(entry)
        elif self.plain_assistant and not self.to and self.last != "of" and self.word in lexicon.ASSISTED:
            self.assistant = self.plain_assistant = self.office = False
            self.deputy = True
            self.best = max(self.best, entry.rank)
            self.name(entry)
        elif entry.rank >= _MANAGER and self._is_served():
            self.served = True
        else:
            self.best = max(self.best, entry.rank)
            self.name(entry)
        self.last = "rank"

    def _is_served(self) -> bool:
        return self.served or self.assistant or ((self.to or self.last == "of") and (self.best >= 0 or self.total >= 0))

    def alone(self, entry: _Entry) -> None:
        if self.at:
            return
        if not (self.former or self.ex or (entry.rank >= _MANAGER and self._is_served())):
            if entry.rank >= _MANAGER:
                self.soft = max(self.soft, entry.rank)
            else:
                self.fallback = max(self.fallback, entry.rank)
        self.name(entry)
        self.last = "rank"

    def name(self, entry: _Entry) -> None:
        """The function that a word names."""
        if self.at:
            return
        self.last = "function"
        if self.former or self.ex:
            self.once = self.once or entry.function
        elif entry.function and not self.function:
            if not entry.weak:
                self.function = entry.function
            elif not self.weak:
                self.weak = entry.function

    def mark(self, entry: _Entry) -> None:
        """Something of the bearer of this part's rank: junior, senior, deputy, lead, student, associate, assistant."""
        if self.at:
            return
        if not (self.former or self.ex):
            setattr(self, entry.mark, True)
            if entry.mark == "assistant":
                self.office = True
                self.plain_assistant = self.word in ("assistant", "assistante")
        self.last = entry.mark

    def past(self, entry: _Entry) -> None:
        setattr(self, entry.mark, True)
        self.last = "past"

    def present(self, entry: _Entry) -> None:
        self._end_part()
        self.former = self.served = False

    def of(self, entry: _Entry) -> None:
        self.last = "of"

    def serve(self, entry: _Entry) -> None:
        self.to = True

    def join(self, entry: _Entry) -> None:
        """An "and": the next rank is another one if this part has its own, and the same one's if not ("Sales & Marketing Director")."""
        if self.best >= 0 or self.soft >= 0 or self.assistant or self.student:
            self._end_part()
        self.ex = False

    def part(self, entry: _Entry) -> None:
        self.join(entry)
        if self.last != "past":
            self.former = False
        self.at = False

    def separate(self, entry: _Entry) -> None:
        self._end_part()
        self.former = self.served = self.at = False

    def employer(self, entry: _Entry) -> None:
        """From here on the words are a company's name."""
        self.at = self.last != ""

    def skip(self, entry: _Entry) -> None:
        if entry.mark != "article":
            self.last = "other"

    def _end_part(self) -> None:
        self.total = max(self.total, self._own())
        self._begin_part()

    def _own(self) -> int:
        """The rank of the part at hand: what it is a rank of, corrected by the marks."""
        best = self.best if self.best >= 0 else self.soft
        for mark, most, becomes in _CORRECTIONS:
            if best <= most and getattr(self, mark):
                best = becomes
                break
        return _DIRECTOR if self.deputy and best >= _C_LEVEL else best

    def title(self) -> Title:
        retired = self.retired or self.last == "past"
        self._end_part()
        rank = self.total if self.total >= 0 else self.fallback
        function = self.function or self.weak or ("" if self.total >= 0 else self.once) or "unknown"
        if self.office and rank == _JUNIOR and function in ("general", "unknown"):
            function = "administration"  # the CEO's assistant does not run the company
        return Title("unknown" if retired or rank < 0 else SENIORITY[rank], function)


_CORRECTIONS = (
    ("student", _DIRECTOR, _STUDENT),
    ("assistant", _OWNER, _JUNIOR),
    ("junior", _MANAGER, _JUNIOR),
    ("lead", _NONE, _MANAGER),
    ("lead", _SENIOR, _SENIOR),
    ("senior", _SENIOR, _SENIOR),
    ("associate", _STAFF, _JUNIOR),
)
"""A mark, the highest rank that it corrects, and what the rank becomes; the first that applies does."""


# ---------------------------------------------------------------------------------------------- the lexicon, ready to be read


class _Entry(NamedTuple):
    """What a word or a phrase says."""

    take: Callable[[_Reader, _Entry], None]
    rank: int = _NONE
    function: str = ""
    weak: bool = False
    mark: str = ""


_UNKNOWN_WORD: tuple[tuple[list[str], _Entry], ...] = (([], _Entry(_Reader.skip)),)
_MARKS: dict[str, Callable[[_Reader, _Entry], None]] = {
    "former": _Reader.past,
    "ex": _Reader.past,
    "retired": _Reader.past,
    "now": _Reader.present,
    "of": _Reader.of,
    "to": _Reader.serve,
    "article": _Reader.skip,
    "at": _Reader.employer,
    "and": _Reader.join,
    "comma": _Reader.part,
    "break": _Reader.separate,
}


@dataclass(frozen=True)
class _Lexicon:
    """The words as the loop wants them."""

    starts: dict[str, tuple[tuple[list[str], _Entry], ...]]
    """By first word: the rest of each phrase and what the phrase says, the longest first, the word by itself last."""
    spelling: dict[str, tuple[str, ...]]
    """Every word that is known, and the words that it stands for."""
    ranks: frozenset[str]
    names: frozenset[str]
    heads: dict[str, str]
    near: dict[tuple[str, int, str], tuple[tuple[str, int], ...]]
    """By first letter, length and each of the last two letters: words long enough to be recognised when misspelt, each with its letters."""

    def umlaut(self, word: str) -> tuple[str, ...] | None:
        """The word of someone whose keyboard has no umlauts: `geschaeftsfuehrer`."""
        if "ae" not in word and "ue" not in word and "oe" not in word:
            return None
        other = word.replace("ae", "a").replace("ue", "u").replace("oe", "o")
        return self.spelling.get(other) or self.compound(other)

    def compound(self, word: str) -> tuple[str, ...] | None:
        """The function and the rank of a compound: `vertriebsleiterin` is `vertriebs` and `leiter`, `exdirectora` `ex` and `directora`."""
        for prefix, stands_for in lexicon.PREFIXES.items():
            if word.startswith(prefix) and word[len(prefix) :] in self.ranks:
                return (stands_for, word[len(prefix) :]) if stands_for else (word[len(prefix) :],)
        for at in range(2, len(word) - 4):
            head = self.heads.get(word[at:])
            if head is not None:
                return (*self._name_in(word[:at]), head)
        return None

    def _name_in(self, text: str) -> tuple[str, ...]:
        """The longest word that names a function at the beginning of a text, or else at its end."""
        for end in range(len(text), 1, -1):
            if text[:end] in self.names and (end > 3 or end == len(text)):
                return (text[:end],)
        for at in range(1, len(text) - 3):
            if text[at:] in self.names:
                return (text[at:],)
        return (self.misspelt(text) or ()) if len(text) > 5 else ()

    def misspelt(self, word: str) -> tuple[str, ...] | None:
        """The nearest word with the same beginning: one letter off, or two where there are nine or more."""
        most = 1 if len(word) < 9 else 2
        letters, found = _letters(word), None
        for length in range(len(word) - most, len(word) + most + 1):
            # the end tells forms apart ("coordination" is no "coordinator"), so that it must be nearly right
            for other, its_letters in self.near.get((word[0], length, word[-1]), ()):
                if (letters ^ its_letters).bit_count() <= 2 * most - abs(length - len(word)):
                    distance = _distance(word, other, most)
                    if distance <= most:
                        most, found = distance - 1, other
        return None if found is None else self.spelling[found]


def _letters(word: str) -> int:
    """The letters of a word whatever their order: four places a letter, of which as many are taken as there are of it."""
    letters = 0
    for letter in word:
        place = 1 << 4 * (ord(letter) & 31)
        while letters & place:
            place <<= 1
        letters |= place
    return letters


def _distance(one: str, other: str, most: int) -> int:
    """Letters to add, to drop, to change or to swap with the next; something above `most` where it takes more than that."""
    start, end = 0, 0
    shorter = min(len(one), len(other))
    while start < shorter and one[start] == other[start]:
        start += 1
    while end < shorter - start and one[-1 - end] == other[-1 - end]:
        end += 1
    one, other = one[start : len(one) - end], other[start : len(other) - end]
    longer = max(len(one), len(other))
    if not one or not other or longer == 1:
        return longer
    if longer == 2 and one == other[::-1]:
        return 1
    if most < 2 or longer == 2:
        return 2
    ways = [(one[1:], other[1:]), (one[1:], other), (one, other[1:])]
    if one[1:2] == other[0] and one[0] == other[1:2]:
        ways.append((one[2:], other[2:]))
    return 1 + min(_distance(*way, most - 1) for way in ways)


@lru_cache(maxsize=1)
def _lexicon() -> _Lexicon:
    entries: dict[str, _Entry] = {}
    for take, table in ((_Reader.rank, lexicon.RANKS), (_Reader.alone, lexicon.ONLY_ALONE)):
        for rank, function, words in table:
            named, weak = function.removeprefix("~").replace("unknown", ""), function.startswith("~")
            for form in _forms(words):
                entries.setdefault(form, _Entry(take, SENIORITY.index(rank), named, weak))
    for mark, words in lexicon.MARKS.items():
        own = _Entry(_MARKS.get(mark, _Reader.mark), mark=mark)
        entries |= dict.fromkeys(_forms(words), own)
    for function, words in lexicon.FUNCTIONS.items():
        named, weak = function.removeprefix("~"), function.startswith("~")
        for form in _forms(words):
            known = entries.setdefault(form, _Entry(_Reader.name, function=named, weak=weak))
            if not known.function and known.take in (_Reader.rank, _Reader.alone):
                entries[form] = known._replace(function=named, weak=weak)
    for form in _forms(lexicon.NEUTRAL):
        entries.setdefault(form, _Entry(_Reader.skip))
    return _arranged(entries)


def _arranged(entries: dict[str, _Entry]) -> _Lexicon:
    starts: dict[str, list[tuple[list[str], _Entry]]] = {}
    spelling: dict[str, tuple[str, ...]] = {}
    for form, entry in entries.items():
        first, *tail = form.split(" ")
        starts.setdefault(first, []).append((tail, entry))
        spelling |= {word: (word,) for word in (first, *tail)}
    near: dict[tuple[str, int, str], list[tuple[str, int]]] = {}
    for word in spelling:
        if len(word) > 5:
            for letter in set(word[-2:]):
                near.setdefault((word[0], len(word), letter), []).append((word, _letters(word)))
    for options in starts.values():
        options.sort(key=lambda option: -len(option[0]))
        if options[-1][0]:
            options.extend(_UNKNOWN_WORD)
    return _Lexicon(
        {first: tuple(options) for first, options in starts.items()},
        spelling | {short: tuple(words.split(" ")) for short, words in lexicon.ABBREVIATIONS.items()},
        frozenset(form for form, entry in entries.items() if entry.take is _Reader.rank),
        frozenset(form for form, entry in entries.items() if entry.take in (_Reader.name, _Reader.alone) and entry.function),
        {form: head for words, head in lexicon.COMPOUND_HEADS.items() for form in _forms(words)},
        {key: tuple(words) for key, words in near.items()},
    )


_CHOICE = re.compile(r"\{([^}]*)\}")


def _forms(words: str) -> Iterator[str]:
    """Every form of every word in a cell of the lexicon: `{,co}founder{,s}|owner` are five."""
    for word in words.split("|"):
        parts = _CHOICE.split(word)
        choices = [part.split(",") if i % 2 else [part] for i, part in enumerate(parts)]
        for chosen in product(*choices):
            yield " ".join("".join(chosen).split())
