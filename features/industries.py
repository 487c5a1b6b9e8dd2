"""Industries: free text in English and Spanish, or a code of NACE/CNAE, NAICS or SIC where the text says which, to a short list.

In: what a CRM or a form holds ("Transportation & Logistics", "Fabricación de maquinaria", "CNAE 4941"). Out: the place in
`INDUSTRIES`, `OTHER` (0) for a text that no word of the lexicon is in, NaN for none. The words are data: a stem says its
group wherever a word begins with it (one of under four letters must be the whole word), `|` parts the words of a phrase; the
longest of a text decides, the earlier of two that are equally long, and one with `~` only where no other is there.

>>> INDUSTRIES[int(industry_of("Transportation & Logistics"))], INDUSTRIES[int(industry_of("Fabricación de maquinaria"))]
('transport and logistics', 'manufacturing')
>>> INDUSTRIES[int(industry_of("CNAE 4941"))], industry_of("Sonstiges") == OTHER
('transport and logistics', True)
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from features.words import plain

__all__ = ["INDUSTRIES", "OTHER", "industry_of"]

OTHER = 0.0

_STEMS: dict[str, str] = {
    "agriculture": """
        agri agro farm granja ganader livestock fish pesca forest silvicul viticul horticul dairy farming cattle crop
        cultivo aquacultur acuicultur
    """,
    "mining, oil and gas": "mining miner oil petrol gas extractiv quarr cantera coal carbon",
    "energy and utilities": """
        energ electric utilit power solar eolic wind|power renewab renovabl water|supply suministro|de|agua agua waste
        residuo recicl recycl hidr hydro nuclear|power
    """,
    "manufacturing": """
        manufactur fabricac industrial|goods industrial|equipment ~industr machin maquinar automotiv automoc automovil
        chemic quimic plastic metal acero steel textil paper papel ceramic packaging envase aerospac aeroespac
        electronic furniture mueble shipbuild semiconduct apparel|manufactur industrial defense|space rubber caucho
        glass vidrio printing|industr imprenta
    """,
    "food and drink": "food aliment beverage bebida drink bodega winer brew cervec confection bakery panader carnic meat",
    "construction": """
        construc building|material civil|engineer obra edificac architect arquitect ingenieria|civil infraestruct
        infrastruct
    """,
    "real estate": "real|estate inmobiliar propert|management property propiedad|inmobil facilit coworking",
    "wholesale": "wholesal mayorist distribut distribuc import|and|export import|export comercio|al|por|mayor trading",
    "retail": """
        retail minorist ecommerce e|commerce comercio|electron tienda store supermarket supermercad hipermerc moda
        fashion consumer|goods gran|consumo fmcg cpg comercio|al|por|menor comercio luxury joyer jewel apparel consumo
        consumer
    """,
    "transport and logistics": """
        transport logist freight shipping airline aviat aerolin maritim railway ferrocarr truck paqueter courier
        warehous almacenaj supply|chain mensajer puert|deport aviaci parcel mobility movilidad cadena|de|suministro
    """,
    "hospitality and travel": """
        hospitalit hotel restaur hosteler hostele travel viaje turism tourism leisure ocio catering event evento
        accommodat alojamient food|service
    """,
    "software and it": """
        software saas it|service information|tech tecnolog|de|la|inform informatic technolog tecnolog internet cloud
        cyber ciberseg comput data|analytic artificial|intell inteligencia|artific hosting it|consult servicios|ti it ti
        tic tech|industr tech hardware
    """,
    "telecommunications": "telecom telco comunicaciones|movil wireless",
    "media and entertainment": """
        media medios entertain entreten publish editorial broadcast audiovis film cine music musica game gaming
        videojueg newspaper prensa television radio sport deport
    """,
    "banking and finance": """
        bank banca banco financ capital|market venture private|equity invest inversion fintech asset|management
        gestion|de|activos payment pago credit accounting|firm wealth
    """,
    "insurance": "insur seguro asegurad asegurador insurtech mutua|de|seguro reinsur",
    "professional services": """
        consult asesor professional|serv servicios|profesion legal law|firm lawyer abogac abogad accounting contabil
        auditor advis law|pract security|and|invest engineering|serv ingenier engineer servicios|empresarial
        business|service outsourc facility|serv research|and|dev notar gestoria
    """,
    "marketing and advertising": "marketing advertis publicid public|relation relaciones|public market|research design|serv diseno",
    "human resources": """
        human|resourc recursos|human staffing recruit recluta seleccion|de|personal trabajo|temporal employment|serv hr
        rrhh
    """,
    "health": """
        health salud sanid hospital medic pharma farmac biotech biotec clinic sanita dental veterinar life|scien
        wellness bienestar nursing ciencias|de|la|vida laborator fitness
    """,
    "education": """
        educat educac school escuela colegio universit universid universidad training formacion e|learning edtech academ
        ensenanza
    """,
    "public sector": """
        public|admin public|sector government gobierno administracion|public sector|public ayuntamient municip defens
        militar gobern army ejercit public|safet seguridad|public
    """,
    "non-profit": """
        non|profit nonprofit ngo ong charit fundacion foundation sin|animo|de|lucro asociacion association religio
        social|serv civic sindicat
    """,
}
INDUSTRIES: tuple[str, ...] = ("another industry", *_STEMS)
"""Their names, by place; the first is what no word tells."""

_LONGEST = 200
_WORD = re.compile(r"[a-z0-9]+")
_CODE = re.compile(r"\b(cnae|nace|naics|scian|sic)\b\D{0,12}(?:(?:2009|2025|2012|2017|2022)\W+)?(\d\d(?:\W?\d\d?)?)")

# First two digits, from - to, of each scheme.
_NACE = (
    (1, 3, "agriculture"), (5, 9, "mining, oil and gas"), (10, 12, "food and drink"), (13, 33, "manufacturing"),
    (35, 39, "energy and utilities"), (41, 43, "construction"), (45, 45, "retail"), (46, 46, "wholesale"), (47, 47, "retail"),
    (49, 53, "transport and logistics"), (55, 56, "hospitality and travel"), (58, 60, "media and entertainment"),
    (61, 61, "telecommunications"), (62, 63, "software and it"), (64, 64, "banking and finance"), (65, 65, "insurance"),
    (66, 66, "banking and finance"), (68, 68, "real estate"), (69, 72, "professional services"), (73, 73, "marketing and advertising"),
    (74, 77, "professional services"), (78, 78, "human resources"), (79, 79, "hospitality and travel"),
    (80, 82, "professional services"), (84, 84, "public sector"), (85, 85, "education"), (86, 88, "health"),
    (90, 93, "media and entertainment"), (94, 94, "non-profit"),
)  # fmt: skip
_NAICS = (
    (11, 11, "agriculture"), (21, 21, "mining, oil and gas"), (22, 22, "energy and utilities"), (23, 23, "construction"),
    (31, 33, "manufacturing"), (42, 42, "wholesale"), (44, 45, "retail"), (48, 49, "transport and logistics"),
    (51, 51, "media and entertainment"), (52, 52, "banking and finance"), (53, 53, "real estate"), (54, 56, "professional services"),
    (61, 61, "education"), (62, 62, "health"), (71, 71, "media and entertainment"), (72, 72, "hospitality and travel"),
    (92, 92, "public sector"),
)  # fmt: skip
_SIC = (
    (1, 9, "agriculture"), (10, 14, "mining, oil and gas"), (15, 17, "construction"), (20, 20, "food and drink"),
    (21, 39, "manufacturing"), (40, 47, "transport and logistics"), (48, 48, "telecommunications"), (49, 49, "energy and utilities"),
    (50, 51, "wholesale"), (52, 59, "retail"), (60, 62, "banking and finance"), (63, 64, "insurance"), (65, 65, "real estate"),
    (67, 67, "banking and finance"), (70, 70, "hospitality and travel"), (73, 73, "professional services"),
    (78, 79, "media and entertainment"), (80, 80, "health"), (81, 81, "professional services"), (82, 82, "education"),
    (83, 83, "health"), (86, 86, "non-profit"), (87, 87, "professional services"), (91, 97, "public sector"),
)  # fmt: skip
_FINER = {
    "naics": {
        "311": "food and drink", "312": "food and drink", "5132": "software and it", "517": "telecommunications", "518": "software and it",
        "524": "insurance", "5415": "software and it", "5418": "marketing and advertising", "5613": "human resources",
    },
    "sic": {"731": "marketing and advertising", "736": "human resources", "737": "software and it"},
}  # fmt: skip
"""Where more than two digits tell."""
_SCHEMES = {"cnae": _NACE, "nace": _NACE, "naics": _NAICS, "sic": _SIC}


@lru_cache(maxsize=16_384)
def industry_of(text: str) -> float:
    """The industry's place in `INDUSTRIES`; NaN where the text holds no letter or digit."""
    words = plain(text, _LONGEST)
    if not any(letter.isalnum() for letter in words):
        return math.nan
    code = _CODE.search(words)
    if code is not None:
        return _by_code(code[1].replace("scian", "naics"), re.sub(r"\D", "", code[2]))
    return _by_words(_WORD.findall(words))


def _by_code(scheme: str, digits: str) -> float:
    for length in range(len(digits), 2, -1):
        finer = _FINER.get(scheme, {}).get(digits[:length])
        if finer is not None:
            return _place(finer)
    division = int(digits[:2])
    return next((_place(group) for least, most, group in _SCHEMES[scheme] if least <= division <= most), OTHER)


def _by_words(words: list[str]) -> float:
    best, found = 0, OTHER
    stems = _stems()
    for at, word in enumerate(words):
        for length in range(len(word), 0, -1):
            for tail, whole, weight, place in stems.get(word[:length], ()):
                if weight > best and (length == len(word) or not whole) and _follow(words[at + 1 : at + 1 + len(tail)], tail):
                    best, found = weight, place
    return found


def _follow(words: list[str], tail: tuple[str, ...]) -> bool:
    return len(words) == len(tail) and all(word.startswith(stem) for word, stem in zip(words, tail, strict=True))


def _place(group: str) -> float:
    return float(INDUSTRIES.index(group))


@lru_cache(maxsize=1)
def _stems() -> dict[str, tuple[tuple[tuple[str, ...], bool, int, float], ...]]:
    """By first stem: what must follow, whether the word must end there (short stems), how much it weighs, and its group."""
    found: dict[str, list[tuple[tuple[str, ...], bool, int, float]]] = {}
    for group, stems in _STEMS.items():
        for stem in stems.split():
            first, *tail = stem.removeprefix("~").split("|")
            weight = 1 if stem.startswith("~") else len(stem) + 4 * len(tail)
            found.setdefault(first, []).append((tuple(tail), len(first) < 4, weight, _place(group)))
    return {first: tuple(options) for first, options in found.items()}
