"""What a visited page is about: from its URL to one topic, by patterns over the path, in English and Spanish.

In: a URL or a path, of any length. Out: the name of a topic in `TOPICS`; the first pattern that fits wins, and a page
that fits none is `other`. Only the path counts, never the query (search words and campaign tags are not topics).
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["TOPICS", "topic_of"]

_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "pricing",
        r"pric(?:e|es|ing)|precios?|tarifas?|plans?|planes|cost(?:e|o)?s?|pricing-plans|plans-(?:and-)?pricing|(?:planes-y-)?precios(?:-y-planes)?",
    ),
    ("comparison", r"compar\w*|vs|versus|alternativ\w+|competi\w+|compar\w*-[^/]*|[^/]*-vs-[^/]*|[^/]*-alternativ\w+|alternativ\w+-[^/]*"),
    ("demo", r"demos?|demostracion(?:es)?|demo-[^/]*|[^/]*-demo|book-a-call|contact-sales|contacto-ventas"),
    ("trial", r"trial|free-trial|signup|sign-up|registro|prueba(?:-gratis|-gratuita)?|free"),
    ("integrations", r"integrations?|integracion(?:es)?|connectors?|conectores|api|apis|marketplace"),
    ("docs", r"docs?|documentation|documentacion|help|ayuda|support|soporte|guides?|guias?|developers?"),
    ("customers", r"customers?|clientes|case-stud(?:y|ies)|casos?|casos-de-exito|success-stories|testimonials?"),
    ("product", r"products?|productos?|features?|funciones|funcionalidades|solutions?|soluciones|platform|plataforma"),
    ("careers", r"careers?|jobs?|empleo|trabaja(?:-con-nosotros)?|vacantes"),
    ("legal", r"legal|privacy|privacidad|terms|terminos|cookies|gdpr|rgpd"),
    ("login", r"login|log-in|signin|sign-in|acceso|account|cuenta"),
    ("content", r"blog|resources?|recursos|webinars?|ebooks?|whitepapers?|news|noticias|articulos?|articles?"),
)
TOPICS: tuple[str, ...] = (*(name for name, _ in _PATTERNS), "other")

_SEGMENT = tuple((name, re.compile(rf"(?:^|/)(?:{pattern})(?:[/.]|$)", re.IGNORECASE)) for name, pattern in _PATTERNS)
_LONGEST = 512
"""Characters of the path that are looked at: a topic stands near its beginning, and a 10,000-character URL is noise."""


@lru_cache(maxsize=65_536)
def topic_of(url: str) -> str:
    """The topic of a page.

    The most specific place decides: patterns are tried in order over the whole path, so `/docs/integrations/x` is
    about integrations.

    >>> topic_of("https://acme.example/es/precios?utm=a"), topic_of("/docs/integrations/hubspot"), topic_of("/")
    ('pricing', 'integrations', 'other')
    """
    path = url[:_LONGEST].split("?", 1)[0].split("#", 1)[0]
    scheme_end = path.find("://")
    if scheme_end >= 0:
        slash = path.find("/", scheme_end + 3)
        path = path[slash:] if slash >= 0 else "/"
    for name, pattern in _SEGMENT:
        if pattern.search(path):
            return name
    return "other"
