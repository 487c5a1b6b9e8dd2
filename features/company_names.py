"""Whether a company's name and a domain are the same company's: "Acme Logística, S.L." and `acme-logistica.es`.

In: a name as a CRM or a form holds it, and a domain. Out: 1 or 0; NaN where the name has nothing to compare. Legal forms of
many countries, accents, case and what joins words make no difference; initials and the name's beginning are taken, too.
A company may be a person's own: names are known again without being kept (`features/once.py`).

>>> same_company("Acme Logística, S.L.", "acme-logistica.es"), same_company("Banco Bilbao Vizcaya Argentaria", "bbva.com")
(1.0, 1.0)
>>> same_company("Acme GmbH", "contoso.example"), same_company("S.L.", "acme.es")
(0.0, nan)
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from data.mail_domains import company_part
from data.word_lists import words
from features.once import Once, read_once
from features.words import plain

__all__ = ["same_company"]

_LEGAL_FORMS = words(
    """
    sl slu sll slne slp sa sau sas sad scoop sc scp cb aie ltd limited plc llp llc lp inc incorporated corp corporation co
    gmbh mbh ag kg kgaa ohg ug ek ev se gbr eg sarl sasu eurl snc sci spa srl srls sapa bv nv cv vof bvba sprl as asa ab oy oyj aps
    ivs hf ehf sp zoo spzoo kft zrt doo dd ad ood eood sro ltda lda eireli mei me epp sapi rl saa eirl sac spr cia cv pty pte pvt
    kk
    """
)
_SMALL = words(
    """
    de del la el los las y e and et und the of of for du des d l i do da dos das van von der holding holdings group grupo groupe gruppe
    international internacional company compania
    """
)
_DOTTED = re.compile(r"\b\w(?:\.\s?\w)+\b\.?")
_SLASHED = re.compile(r"\b([a-z])/([a-z])\b")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "ß": "ss"})
_WORD = re.compile(r"[^\W_]+")
_LONGEST = 120


def same_company(company: str, domain: str) -> float:
    """Whether the name is the domain's owner's, as far as letters tell."""
    return read_once(_same, company[:_LONGEST], domain)


@lru_cache(maxsize=32_768)
def _same(once: Once, domain: str) -> float:
    company = once.text
    label = "".join(_WORD.findall(_readable(company_part(domain).partition(".")[0])))
    name = _words(company)
    if not label or not name or (label.isascii() and not any(word.isascii() for word in name)):
        return math.nan  # an address in Latin letters says nothing about a name in others
    spellings = [name] if company.isascii() else [name, _words(company.lower().translate(_UMLAUTS))]
    return float(any(_fits(spelling, label) for spelling in spellings))


def _fits(name: list[str], label: str) -> bool:
    large = [word for word in name if word not in _SMALL]
    return any(_agree(spelt, label) for spelt in {"".join(name), "".join(large)}) or any(_short_for(some, label) for some in (name, large))


def _agree(name: str, label: str) -> bool:
    """One begins with the other, if what they share is long enough to mean something."""
    short, long = sorted((name, label), key=len)
    return bool(short) and (short == long or (len(short) >= 4 and long.startswith(short)))


def _short_for(name: list[str], label: str) -> bool:
    """The first word or the longest stands for the name, or its initials do: `telefonica`, `mango` for "Punto Fa Mango", `ibm`."""
    if any(len(word) >= 5 and word in label and word not in _SMALL for word in name):
        return True
    initials = "".join(word[0] for word in name)
    return (len(name) >= 2 and label == initials) or (len(initials) >= 3 and label.startswith(initials))


def _words(company: str) -> list[str]:
    """The name's words without accents and legal forms; none where a legal form is all there is."""
    text = _SLASHED.sub(r"\1\2", _DOTTED.sub(_joined, plain(company)))
    return [word for word in _WORD.findall(text) if word not in _LEGAL_FORMS]


def _joined(found: re.Match[str]) -> str:
    return re.sub(r"[.\s]", "", found[0]) + " "


def _readable(label: str) -> str:
    """A label of an international domain in its own letters."""
    try:
        return plain(label.encode("ascii").decode("idna") if label.startswith("xn--") else label)
    except UnicodeError:
        return label
