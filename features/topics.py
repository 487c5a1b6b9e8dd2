"""What an activity is about: one topic, from the URL of the page or else from what its form or download is called.

In: a URL, a path or a few words, of any length. Out: the name of a topic; the first pattern that fits wins, and what fits
none is `other`. Of a URL only the path counts, never host or query (search words and campaign tags are not topics); a
locale before it (`/es/precios`) or letters after a dot (`/pricing.html`) make no difference, nor do accents. Patterns that
an installation declares are tried before those that Tamiz knows, which are English and Spanish.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from features.words import plain

__all__ = ["TOPICS", "About", "about", "topic_of"]

_KNOWN: tuple[tuple[str, str], ...] = (
    (
        "pricing",
        (
            r"pric(?:es?|ing)(?:-[^/]*)?|[^/]*-pricing|(?:lista-de-|nuestros-|ver-)?precios?(?:-[^/]*)?|tarifas?|planes|plans?|costs?|cost[eo]s?"
            r"|(?:planes|plans)-(?:y|and|e)-[^/]*|(?:get-a-|request-a-)?quote|cotizacion(?:es)?|(?:(?:pedir|solicitar)-)?presupuestos?|cuanto-cuesta"
        ),
    ),
    (
        "comparison",
        (
            r"compar(?:e|ison|isons|ing|ar|ativ[ao]s?|acion(?:es)?|ador)(?:-[^/]*)?|vs|versus|(?:[^/]*-)?vs-[^/]*|[^/]*-versus-[^/]*"
            r"|competi(?:tors?|dores)|(?:[^/]*-)?alternativ(?:e|es|a|as)(?:-[^/]*)?|switch-from-[^/]*"
        ),
    ),
    (
        "demo",
        (
            r"demos?|demostracion(?:es)?|demo-[^/]*|[^/]*-demo|(?:book|schedule)-a-(?:call|meeting|demo)|(?:contact|talk-to)-sales"
            r"|(?:contacto|contactar|hablar-con|habla-con)-ventas|(?:agendar?|reservar?|solicitar?)-(?:una-)?(?:llamada|reunion|demostracion)"
        ),
    ),
    (
        "trial",
        (
            r"trial|(?:free|start)-trial|start-free[^/]*|try(?:-[^/]*)?|get-started|sign-?up|register|registro|registrarse|free"
            r"|pruebas?(?:-gratis|-gratuitas?)?|probar(?:-gratis)?"
        ),
    ),
    ("integrations", r"integrations?|integracion(?:es)?|connectors?|conectores|app-?(?:store|directory)|marketplace"),
    (
        "docs",
        (
            r"docs?|documentation|documentacion|apis?|api-(?:docs|reference)|reference|help|help-cent(?:er|re)|ayuda|centro-de-ayuda|support|soporte"
            r"|developers?|desarrolladores|knowledge-?base|kb|faqs?|preguntas-frecuentes|tutorial(?:s|es)?|manual(?:es|s)?"
            r"|getting-started|primeros-pasos"
        ),
    ),
    (
        "customers",
        (
            r"customers?|clientes|(?:customer|success)-stor(?:y|ies)|case-stud(?:y|ies)|casos?|casos?-de-(?:exito|uso)|historias-de-exito"
            r"|testimonials?|testimonios|reviews"
        ),
    ),
    (
        "product",
        (
            r"products?|productos?|features?|funciones|funcionalidades|caracteristicas|solutions?|soluciones|platform|plataforma"
            r"|how-it-works|como-funciona|tour"
        ),
    ),
    (
        "careers",
        (
            r"careers?|jobs?|hiring|vacanc(?:y|ies)|(?:join|work-with|work-at)-[^/]*|we-are-hiring|open-positions|internships?|empleos?"
            r"|(?:ofertas?|bolsa)-de-(?:empleo|trabajo)|trabajar?(?:-[^/]*)?|vacantes?|unete(?:-[^/]*)?|practicas|carreras"
        ),
    ),
    (
        "legal",
        (
            r"legals?|(?:avisos?|nota|informacion)-legal(?:es)?|legal-notice|impressum|imprint|mentions-legales|privacy(?:-[^/]*)?|privacidad"
            r"|politicas?-[^/]*|terms(?:-[^/]*)?|tos|terminos(?:-[^/]*)?|condiciones(?:-[^/]*)?|cookies?(?:-[^/]*)?|gdpr|rgpd|dpa"
            r"|proteccion-de-datos|security|seguridad|compliance"
        ),
    ),
    (
        "login",
        (
            r"log-?in|sign-?in|log-?out|acceso|acceso-[^/]*|acceder|entrar|iniciar?-sesion|(?:my-|mi-)?(?:account|cuenta)|auth|sso"
            r"|area-(?:de-)?(?:clientes?|privada)|reset-password|forgot-password|recuperar-contrasena"
        ),
    ),
    ("newsletter", r"newsletters?|boletin(?:es)?|subscribe|subscription|suscri(?:bete|birse|pcion)"),
    ("webinar", r"webinars?|webinarios?|events?|eventos?|workshops?|talleres|on-demand"),
    (
        "content",
        (
            r"blogs?|resources?|recursos|e-?books?|libros?|white-?papers?|guides?|guias?|checklists?|plantillas?|templates?|reports?|informes?"
            r"|calculators?|calculadoras?|news|noticias|articulos?|articles?|podcasts?|videos?|library|biblioteca|insights|learn|academy|academia"
            r"|downloads?|descargas?"
        ),
    ),
)
TOPICS: tuple[str, ...] = (*(name for name, _ in _KNOWN), "other")
"""The topics that Tamiz knows, in the order in which they are tried."""

_SEGMENTS = tuple((name, re.compile(rf"(?:^|/)(?:{pattern})(?:[/.]|$)")) for name, pattern in _KNOWN)
_LONGEST = 512
"""Characters that are looked at: a topic stands near the beginning, and a URL of 10,000 characters is noise."""


class About:
    """The topics of one installation: its own patterns first, then, if it wants them, those that Tamiz knows."""

    def __init__(self, patterns: tuple[tuple[str, tuple[str, ...]], ...] = (), defaults: bool = True) -> None:
        own = tuple((name, re.compile("|".join(map(_whole_path, paths)))) for name, paths in patterns)
        self._tried = (*own, *(_SEGMENTS if defaults else ()))
        self.names: tuple[str, ...] = (*dict.fromkeys(name for name, _ in self._tried), "other")
        """Every topic that an activity may have."""
        # Two memories a value, bounded: texts of visitors, which are cut before they are kept.
        self._by_page = lru_cache(maxsize=65_536)(self._of_page)
        self._by_words = lru_cache(maxsize=16_384)(self._of_words)

    def page(self, url: str) -> str:
        """The topic of a page.

        >>> about().page("https://acme.example/es/precios?utm=a"), about().page("/docs/integrations/hubspot"), about().page("/")
        ('pricing', 'integrations', 'other')
        >>> about((("stores", ("*/tiendas",)),)).page("/es/tiendas/madrid")
        'stores'
        """
        shown = url[:_LONGEST]
        return self._of_page(shown) if "#" in shown else self._by_page(shown.partition("?")[0])

    def content(self, words: str) -> str:
        """The topic of a form, download or mail by what it is called: as a whole, or by the first topic that one of its words names.

        >>> about().content("Whitepaper: forecasting"), about().content("newsletter"), about().content("Spring")
        ('content', 'newsletter', 'other')
        """
        return self._by_words(words[:_LONGEST])

    def forget(self) -> None:
        """Forgets what it has read."""
        self._by_page.cache_clear()
        self._by_words.cache_clear()

    def _of_page(self, page: str) -> str:
        return self._of_path(_path(page))

    def _of_path(self, path: str) -> str:
        plainly = plain(unquote(path), _LONGEST).replace(" ", "-").replace("_", "-")
        return next((name for name, pattern in self._tried if pattern.search(plainly)), "other")

    def _of_words(self, words: str) -> str:
        found = re.findall(r"\w+", plain(words, _LONGEST).replace("_", " "))
        return self._of_path("/" + "/".join(["-".join(found), *found])) if found else "other"


@lru_cache(maxsize=64)
def about(patterns: tuple[tuple[str, tuple[str, ...]], ...] = (), defaults: bool = True) -> About:
    """The one `About` of these declarations, so that what it has read is remembered."""
    return About(patterns, defaults)


def topic_of(url: str) -> str:
    """The topic of a page where nothing is declared."""
    return about().page(url)


def _path(url: str) -> str:
    """What stands after the host, without the query; a fragment only where it is a route of the page (`#/pricing`)."""
    page, _, fragment = url.partition("#")
    page = page.partition("?")[0]
    scheme_end = page.find("://")
    if scheme_end >= 0 or page.startswith("//"):
        slash = page.find("/", scheme_end + 3 if scheme_end >= 0 else 2)
        page = page[slash:] if slash >= 0 else "/"
    if fragment.startswith(("/", "!/")):
        page += "/" + fragment.lstrip("!/").partition("?")[0]
    return page


def _whole_path(pattern: str) -> str:
    """A declared pattern: `*` is any letters, and what follows the pattern after a `/` or a dot may be left out.

    Each star but the last takes as little as it can and never gives it back, which is enough, and keeps a long URL cheap.
    """
    plainly = plain(pattern, _LONGEST).replace(" ", "-").replace("_", "-").rstrip("/") or "/"
    first, *others = map(re.escape, re.sub(r"\*+", "*", plainly).split("*"))
    between = "".join(f"(?>.*?{part})" for part in others[:-1])
    last = f".*{others[-1]}" if others else ""
    return rf"\A{first}{between}{last}(?:[/.].*)?\Z"
