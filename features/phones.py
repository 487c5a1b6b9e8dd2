"""Phone numbers: whether one can exist, and whether it is of the lead's country. By the package `phonenumbers`, read at first use.

In: a number as people write it, and the lead's country, whose way of writing numbers is assumed where there is no "+".
Out: `Phone(plausible, at_home)`: 0 no such number, 1 possible by its length, 2 in use by its country's plan; NaN where it
cannot be told (digits without a country). What is remembered is a keyed digest of each number, never the number: when a
person is erased, nothing of theirs is left in memory here.

>>> read_phone("961 23 45 67", "ES"), read_phone("+34 961 23 45 67", "MX"), read_phone("12", "ES")
(Phone(plausible=2.0, at_home=1.0), Phone(plausible=2.0, at_home=0.0), Phone(plausible=0.0, at_home=nan))
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from hashlib import blake2b
from secrets import token_bytes
from typing import NamedTuple

__all__ = ["Phone", "read_phone"]

_LONGEST = 60
_FIRST = re.compile(r"\s/\s|[;,|]")
"""What parts two numbers in one field: the first one counts."""


class Phone(NamedTuple):
    """What a number says."""

    plausible: float
    at_home: float
    """1 where its country is the lead's, NaN where either is not known."""


class _Once:
    """A text that a cache can know again without keeping it: equal and hashed by its digest, and emptied after use."""

    __slots__ = ("_digest", "text")

    def __init__(self, text: str) -> None:
        self.text, self._digest = text, blake2b(text.encode("utf-8", "surrogatepass"), key=_key(), digest_size=16).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once) and self._digest == other._digest


def read_phone(text: str, country: str | None) -> Phone:
    """A number, and the ISO code of the lead's country (None: not known)."""
    once = _Once(_FIRST.split(text, 1)[0][:_LONGEST])
    try:
        return _remembered(once, country)
    finally:
        once.text = ""


@lru_cache(maxsize=32_768)
def _remembered(once: _Once, country: str | None) -> Phone:
    import phonenumbers

    text = once.text
    if not any(letter.isalnum() for letter in text):
        return _UNKNOWN
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as wrong:
        abroad = wrong.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        return _UNKNOWN if abroad and "+" not in text and _digits(text) > 6 else _NONE
    if not phonenumbers.is_possible_number(number):
        return _NONE
    valid = phonenumbers.is_valid_number(number)
    region = phonenumbers.region_code_for_number(number)  # 001 where the number is no country's
    if country is None or region == "001":
        home = math.nan
    elif valid:
        home = float(region == country)
    else:
        home = float(phonenumbers.country_code_for_region(country) == number.country_code)
    return Phone(2.0 if valid else 1.0, home)


@lru_cache(maxsize=1)
def _key() -> bytes:
    """This process's own: without it, a digest cannot be compared with anybody's number. No result depends on it."""
    return token_bytes(16)


_UNKNOWN = Phone(math.nan, math.nan)
_NONE = Phone(0.0, math.nan)


def _digits(text: str) -> int:
    return sum(letter.isdigit() for letter in text)
