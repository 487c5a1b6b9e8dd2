"""Job titles: seniority and function from free text in English and Spanish; the lexicon is data, the reading is one loop.

In: a title as people write it, in any case, with or without accents. Out: `Title(seniority, function)`, `unknown` where
the lexicon says nothing. Words that take the rank away ("assistant to the", "former", "ex-") are read first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from features.history import Column, History
from features.signal import signal
from features.words import plain

__all__ = ["SENIORITY", "Title", "read_title"]

SENIORITY = ("student", "junior", "staff", "senior", "manager", "director", "vp", "c_level", "owner")
"""From least to most say in a purchase."""

_RANKS: tuple[tuple[str, ...], ...] = (
    ("vp", r"s?vp|evp|vice ?president[ea]?"),
    ("director", r"subdirector[ae]?(?: general)?|deputy director"),
    (
        "owner",
        r"(?<!product )(?<!process )(?<!data )owner|(?:co ?)?founder|(?:co ?)?fundador[ae]?|propietari[oa]|duen[oa]|president[ea]?",
        r"managing partner|soci[oa]|autonom[oa]|emprendedor[ae]?",
        r"(?<!business )(?<!channel )(?<!sales )(?<!hr )partner(?! manager| sales| marketing| success)",
    ),
    (
        "c_level",
        r"c[eftimor]o|ciso|cdo|cpo|chro|chief(?! of staff)|director[ae]? (?:general|gerente|ejecutiv[oa])|gerente general",
        r"consejer[oa] delegad[oa]",
        r"managing director|general manager|administrador[ae]? unic[oa]",
    ),
    ("director", r"director[ae]?s?|dir|dtor|dtora|dtra|directiv[oa]|head(?: of)?|chief of staff"),
    (
        "manager",
        r"managers?|mgr|gerente?|jef[ea]|responsable|resp|encargad[oa]|coordinador[ae]?|coordinator|supervisor[ae]?",
        r"lead(?! gen)|lider|principal|product owner",
    ),
    ("student", r"students?|estudiante|intern|becari[oa]|trainee|practicante|alumn[oa]|en practicas"),
    ("junior", r"junior|jr|associate|auxiliar|assistant|asistente|ayudante|secretari[oa]"),
    ("senior", r"senior|sr|specialist|especialista|expert[oa]?|architect|arquitect[oa]|consultor[ae]?|consultant"),
    (
        "staff",
        r"engineer|ingenier[oa]|analyst|analista|developer|desarrollador[ae]?|programador[ae]?|tecnic[oa]|technician|executive|ejecutiv[oa]|ejec|eng|rep",
        r"agent|agente|administrativ[oa]|administrator|administrador[ae]? de \w+|sysadmin|representative|representante|comercial",
        r"buyer|comprador[ae]?|contable|accountant|abogad[oa]|lawyer|designer|disenador[ae]?|business partner",
    ),
)
"""The first that fits wins; so what would be mistaken for a higher rank ("vice president") stands before it."""
_FUNCTIONS: tuple[tuple[str, ...], ...] = (
    ("sales", r"sales|ventas|comercial|revenue|cro|business development|desarrollo de negocio|(?:account|key account) \w+|cuentas"),
    ("marketing", r"marketing|mktg|mkt|mercadeo|cmo|brand|marca|growth|communications?|comunicacion|digital"),
    (
        "it",
        r"it|ti|tic|cto|cio|ciso|technology|tecnologia|sistemas|systems|software",
        r"developer|desarrollador[ae]?|programador[ae]?|data|datos",
        r"informatic[oa]|informatica|engineering|ingenieria|security|seguridad|engineer|ingenier[oa]",
    ),
    (
        "finance",
        r"finance|financial|financier[oa]|finanzas|cfo|accounting|contabilidad|contable|administracion|controller|controlling|treasury|tesoreria|accountant",
    ),
    (
        "operations",
        r"operations?|operating|operaciones|ops|coo|logistics?|logistica|supply chain|cadena de suministro|production|produccion",
        r"plant|planta|almacen|warehouse|quality|calidad",
    ),
    ("purchasing", r"purchasing|procurement|compras|buyer|comprador[ae]?|sourcing|aprovisionamiento"),
    ("hr", r"hr|rrhh|human resources|recursos humanos|people|talent|talento|chro|personas"),
    ("legal", r"legal|counsel|abogad[oa]|juridic[oa]|compliance"),
    (
        "general",
        r"ceo|(?<!product )owner|(?:co ?)?founder|director[ae]? (?:general|gerente|ejecutiv[oa])|gerente general",
        r"general manager|managing director",
        r"(?<!vice )president[ea]?|duen[oa]|propietari[oa]|(?:co ?)?fundador[ae]?",
    ),
)
_NOT_THE_BOSS = re.compile(
    r"\b(?:assistant|asistente|secretari[oa]|ayudante|auxiliar|pa|ea|adjunt[oa])\b(?: \w+)? (?:to|of|del?|al|a|la)\b"
    r"|\b(?:executive|personal) assistant\b"
)
_FORMER = re.compile(r"\b(?:former|ex|formerly|antigu[oa]|retired|jubilad[oa])\b")
_RANK = tuple((name, re.compile(rf"\b(?:{'|'.join(words)})\b")) for name, *words in _RANKS)
_FUNCTION = tuple((name, re.compile(rf"\b(?:{'|'.join(words)})\b")) for name, *words in _FUNCTIONS)
_BETWEEN_WORDS = re.compile(r"[^\w&+]+")
_LONGEST = 200


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
    """
    text = " ".join(_BETWEEN_WORDS.sub(" ", plain(title, _LONGEST).replace(".", "")).split())
    function = next((name for name, words in _FUNCTION if words.search(text)), "unknown")
    if _FORMER.search(text):
        return Title("unknown", function)
    if _NOT_THE_BOSS.search(text):
        return Title("junior", function)
    return Title(next((name for name, words in _RANK if words.search(text)), "unknown"), function)


def _level(title: str) -> float:
    seniority = read_title(title).seniority
    return np.nan if seniority == "unknown" else float(SENIORITY.index(seniority))


def _decides(title: str) -> float:
    level = _level(title)
    return level if np.isnan(level) else float(level >= SENIORITY.index("director"))


def _technical(title: str) -> float:
    function = read_title(title).function
    return np.nan if function == "unknown" else float(function == "it")


def _commercial(title: str) -> float:
    function = read_title(title).function
    return np.nan if function == "unknown" else float(function in ("sales", "marketing", "general"))


@signal(
    family="authority",
    unit="rank",
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
    return history.text("job_title").map(_level)


@signal(family="authority", unit="yes or no", words=("does not decide", "decides"))
def decision_maker(history: History) -> Column:
    """Holds a title that usually {word} on purchases."""
    return history.text("job_title").map(_decides)


@signal(family="fit", unit="yes or no", words=("Does not work", "Works"))
def commercial_function(history: History) -> Column:
    """{word} in sales, marketing or general management."""
    return history.text("job_title").map(_commercial)


@signal(family="fit", unit="yes or no", words=("Does not work", "Works"))
def technical_function(history: History) -> Column:
    """{word} in technology."""
    return history.text("job_title").map(_technical)
