"""How large a company is, out of text: people and money with units, separators and ranges in English, Spanish and neighbours.

In: a text as a CRM or a form holds it ("50-200", "1.2M€", "10k+", "1.200 empleados", "> 500"). Out: a number, NaN where it is
not known. A range gives its geometric middle; an open one its bound, or half of it where the bound is the upper one. Every
word must be understood, so that what merely holds a digit ("Series 5", "Nov-50") says nothing, and what no company can be
(no people, ten million, money beyond any economy's) is not known. Money is not converted: a project keeps to one currency.

>>> read_size("1.200 empleados", PEOPLE), read_size("50-200", PEOPLE), read_size("$1.2M", MONEY), read_size("SME", PEOPLE)
(1200.0, 100.0, 1200000.0, nan)
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from data.word_lists import words

__all__ = ["MONEY", "PEOPLE", "SIZES", "Scale", "read_size"]


@dataclass(frozen=True)
class Scale:
    """What is counted, and the sizes that a company can have."""

    least: float
    most: float
    words: frozenset[str]


PEOPLE = Scale(
    1.0,
    1e7,
    words(
        """
        employee employees people person persons staff worker workers fte ftes headcount team members size
        empleado empleados empleada empleadas persona personas trabajador trabajadores plantilla colaboradores
        empregados funcionarios trabalhadores pessoas employes salaries personnes collaborateurs effectif
        mitarbeiter mitarbeiterinnen mitarbeitende beschaftigte angestellte ma
        """
    ),
)
MONEY = Scale(
    1.0,
    1e15,
    words(
        """
        revenue revenues turnover sales facturacion ingresos ventas facturamento faturamento receita umsatz chiffre affaires
        eur euro euros usd us dollar dollars dolar dolares gbp pound pounds libras chf franken francs mxn peso pesos brl
        real reais cop clp ars pen soles jpy yen cny inr rupees sek nok dkk pln cad aud r
        """
    ),
)
SIZES: Mapping[str, Scale] = MappingProxyType({"employees": PEOPLE, "annual_revenue": MONEY})
"""Columns of `leads` that hold a size: their texts are read by `read_size` wherever they are read as numbers."""

_LONGEST = 100
_SIGNS_OF_MONEY = frozenset("€$£¥₹")
_UNITS: Mapping[str, float] = MappingProxyType(
    {
        word: size
        for size, listed in (
            (1e3, "k mil miles tsd tausend thousand thousands mille"),
            (1e5, "lakh lakhs"),
            (1e6, "m mm mn mio mill mln million millions millon millones milhao milhoes millionen mi"),
            (1e7, "crore crores cr"),
            (1e9, "b bn bil billion billions mrd milliarde milliarden milliard milliards md mds bilhao bilhoes"),
            (1e12, "tn trillion trillions billon billones"),
        )
        for word in words(listed)
    }
)
_CONTINENTAL = words(
    """
    mil miles tsd tausend mio mill millon millones milhao milhoes millionen mrd milliarde milliarden milliard milliards md mds
    bilhao bilhoes billon billones
    """
)
"""Units of languages in which a point parts thousands and a comma decimals."""
_ABOVE = words("over more above least mas superior minimo min desde from plus mais acima uber mehr mindestens ab > ≥ + up")
_BELOW = words("under less below fewer menos hasta inferior maximo max most unter weniger moins ate < ≤")
_BETWEEN = words("- to a y e and et und bis hasta ate ~ .. …")
_NEUTRAL = words(
    """
    approx aprox approximately aproximadamente about around circa ca c roughly some unos unas cerca sobre alrededor casi nearly
    etwa rund environ cerca total in en em of de d del von the el la los per year a annual annually yearly ano al anual anuales
    pa p jahr im an par at than que als o or y and entre between zwischen zu = ~ ≈ . company
    """
)
_PART = re.compile(r"[0-9]{1,3}(?:[ '’][0-9]{3})+(?![0-9])(?:[.,][0-9]+)?|[0-9]+(?:[.,][0-9]+)*|[a-z]+|\.\.+|\S")
_PARENTHESES = re.compile(r"(?<=\S)\s*\([^)]*\)")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)")
_DASHES = str.maketrans({"–": "-", "—": "-", "−": "-", "‑": "-", "~": "-"})


@lru_cache(maxsize=16_384)
def read_size(text: str, scale: Scale) -> float:
    """The size that a text tells of, NaN for none.

    >>> read_size("1,2 M€", MONEY) == read_size("1,200,000", MONEY) == read_size("1.200.000 euros", MONEY)
    True
    >>> read_size("10k+", PEOPLE), read_size("> 500", PEOPLE), read_size("mil millones", MONEY), read_size("0", PEOPLE)
    (10000.0, 500.0, nan, nan)
    """
    found = _size(text, scale) if len(text) <= _LONGEST else math.nan
    return found if scale.least <= found <= scale.most else math.nan


class _Amount(NamedTuple):
    digits: str
    unit: float
    continental: bool

    def value(self, unit: float | None = None) -> float:
        factor = self.unit if unit is None else unit
        # Rounded so that 1.2 million is 1,200,000 however it is written.
        return round(_number(self.digits, factor > 1.0, self.continental) * factor, 6)


def _size(text: str, scale: Scale) -> float:
    letters = unicodedata.normalize("NFKD", text.strip().casefold())
    plain = "".join([letter for letter in letters if not unicodedata.combining(letter)])
    if _PLAIN.fullmatch(plain):
        return float(plain)
    parts = _parts_of(_PARENTHESES.sub("", plain).translate(_DASHES))
    amounts: list[_Amount] = []
    bound, between, signed = "", False, False
    for at, part in enumerate(parts):
        before, after = parts[at - 1] if at else "", parts[at + 1] if at + 1 < len(parts) else ""
        if part[0].isdigit():
            if len(amounts) == 2 or (amounts and not between):
                return math.nan
            amounts.append(_Amount(part, 1.0, False))
        elif part in _UNITS:
            if not amounts or between is (len(amounts) == 1) or not _takes_unit(before, part):
                return math.nan
            last = amounts[-1]
            amounts[-1] = last._replace(unit=last.unit * _UNITS[part], continental=last.continental or part in _CONTINENTAL)
        elif part in _SIGNS_OF_MONEY or part in scale.words:
            if part in _SIGNS_OF_MONEY and scale is not MONEY:
                return math.nan
            signed = signed or (part in _SIGNS_OF_MONEY and not amounts)
            if amounts and part in _SIGNS_OF_MONEY and not signed:
                amounts[-1] = amounts[-1]._replace(continental=True)
        elif part in _BETWEEN and amounts and not between and _leads_to_number(parts, at):
            between = True
        elif part in _ABOVE or part in _BELOW:
            bound = bound or ("below" if part in _BELOW or (part == "up" and after == "to") else "above")
        elif part == "to" and before == "up":
            continue
        elif part not in _NEUTRAL:
            return math.nan
    return _meant(amounts, bound if len(amounts) == 1 else "")


def _parts_of(text: str) -> list[str]:
    """Numbers, words and signs; a unit and its currency written in one ("meur", "kusd") are two."""
    found: list[str] = []
    for part in _PART.findall(text):
        unit, currency = part[:-3], part[-3:]
        if unit in _UNITS and currency in MONEY.words:
            found += [unit, currency]
        else:
            found.append(part)
    return found


def _takes_unit(before: str, unit: str) -> bool:
    """A unit follows its number; "mil millones", a thousand millions, is the one unit that follows another."""
    return before[:1].isdigit() or before in ("de", "of") or (_UNITS.get(before) == 1e3 and _UNITS[unit] == 1e6)


def _leads_to_number(parts: list[str], at: int) -> bool:
    """Whether a number comes next, be it after a sign of money or a filler."""
    return any(one[0].isdigit() for one in parts[at + 1 : at + 4])


def _meant(amounts: list[_Amount], bound: str) -> float:
    if not amounts:
        return math.nan
    if len(amounts) == 1:
        return amounts[0].value() * (0.5 if bound == "below" else 1.0)
    low, high = amounts
    continental = low.continental or high.continental
    low, high = low._replace(continental=continental), high._replace(continental=continental)
    least, most = low.value(high.unit if low.unit == 1.0 else None), high.value()
    if not least <= most:
        return math.nan
    return math.sqrt(least * most) if least else most / 2.0


def _number(digits: str, multiplied: bool, continental: bool) -> float:
    """Digits with separators, as English or continental languages write them.

    One separator before three digits parts thousands; before a unit it is what the language of the text says.
    """
    groups = re.split(r"[^0-9]", digits)
    signs = re.sub(r"[0-9]", "", digits)
    whole, tail = groups[0], groups[-1]
    if not signs:
        return float(digits)
    grouped = all(len(part) == 3 for part in groups[1:]) and 1 <= len(whole) <= 3 and whole.lstrip("0") == whole
    if len(signs) == 1:
        if not grouped:
            return float(f"{whole}.{tail}") if signs in ".," else math.nan
        decimal = multiplied and ((signs == ",") is continental) and signs in ".,"
        return float(f"{whole}.{tail}") if decimal else float(whole + tail)
    if len(set(signs)) == 1:
        return float("".join(groups)) if grouped else math.nan
    if signs[-1] in signs[:-1] or len(set(signs)) != 2 or not all(len(part) == 3 for part in groups[1:-1]) or len(whole) > 3:
        return math.nan
    return float("".join(groups[:-1]) + "." + tail)
