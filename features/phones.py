"""Phone numbers: whether one can exist, and whether it is of the lead's country. By the package `phonenumbers`, read at first use.

In: a number as people write it, and the lead's country, whose way of writing numbers is assumed where there is no "+".
Out: `Phone(plausible, at_home)`: 0 no such number, 1 possible by its length, 2 in use by its country's plan; NaN where it
cannot be told (digits without a country). Numbers are known again without being kept
(`features/once.py`): when a person is erased, nothing of theirs is left in memory here.

>>> read_phone("961 23 45 67", "ES"), read_phone("+34 961 23 45 67", "MX"), read_phone("12", "ES")
(Phone(plausible=2.0, at_home=1.0), Phone(plausible=2.0, at_home=0.0), Phone(plausible=0.0, at_home=nan))
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple

from features.once import Once, read_once

__all__ = ["Phone", "read_phone"]

_LONGEST = 60
_FIRST = re.compile(r"\s/\s|[;,|]")
"""What parts two numbers in one field: the first one counts."""


class Phone(NamedTuple):
    """What a number says."""

    plausible: float
    at_home: float
    """1 where its country is the lead's, NaN where either is not known."""


def read_phone(text: str, country: str | None) -> Phone:
    """A number, and the ISO code of the lead's country (None: not known)."""
    return read_once(_read, _FIRST.split(text, 1)[0][:_LONGEST], country)


@lru_cache(maxsize=32_768)
def _read(once: Once, country: str | None) -> Phone:
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
    region = phonenumbers.region_code_for_number(number)  # 001 where the number is no country's
    valid = region is not None and phonenumbers.is_valid_number_for_region(number, region)
    if country is None or region == "001":
        home = math.nan
    elif valid:
        home = float(region == country)
    else:
        home = float(phonenumbers.country_code_for_region(country) == number.country_code)
    return Phone(2.0 if valid else 1.0, home)


_UNKNOWN = Phone(math.nan, math.nan)
_NONE = Phone(0.0, math.nan)


def _digits(text: str) -> int:
    return sum(letter.isdigit() for letter in text)
