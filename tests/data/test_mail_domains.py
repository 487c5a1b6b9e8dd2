"""What kind of mailbox an address names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import mail_domains
from data.mail_domains import KINDS, company_part, domain_of, is_role, kind_of


@pytest.mark.parametrize(
    "address", ["", "ana", "@acme.example", "ana@", "ana@localhost", "ana@a b.example", "ana@..", "a@" + "x." * 500, "🙂"]
)
def test_what_is_no_address_has_no_domain(address: str) -> None:
    assert domain_of(address) is None


@given(st.text(max_size=80) | st.tuples(st.text(max_size=20), st.text(max_size=20)).map("@".join))
def test_no_text_is_refused(text: str) -> None:
    domain = domain_of(text)
    is_role(text)
    if domain is not None:
        assert kind_of(domain) in KINDS
        assert domain.endswith(company_part(domain))


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("Ana@ACME.Example", "acme.example"),
        (" ana+crm@acme.example ", "acme.example"),
        ("Ana García <ana@acme.example>", "acme.example"),
        ("ana@münchen.example", "xn--mnchen-3ya.example"),
        ("ana@MÜNCHEN.example", "xn--mnchen-3ya.example"),
        ("ana@xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
    ],
)
def test_addresses_in_any_clothes(address: str, domain: str) -> None:
    assert domain_of(address) == domain


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("gmail.com", "free"),
        ("hotmail.es", "free"),
        ("movistar.es", "free"),
        ("yahoo.co.uk", "free"),
        ("mailinator.com", "disposable"),
        ("anything.mailinator.com", "disposable"),
        ("yopmail.com", "disposable"),
        ("mit.edu", "education"),
        ("ox.ac.uk", "education"),
        ("alumnos.upm.es", "education"),
        ("uni-koeln.de", "education"),
        ("universidadeuropea.es", "education"),
        ("whitehouse.gov", "government"),
        ("hacienda.gob.es", "government"),
        ("service.gov.uk", "government"),
        ("juntadeandalucia.es", "government"),
        ("acme.example", "corporate"),
        ("universal.com", "corporate"),
        ("governance.io", "corporate"),
        ("education.acme.example", "corporate"),
    ],
)
def test_kinds(domain: str, kind: str) -> None:
    assert kind_of(domain) == kind


@pytest.mark.parametrize(
    ("domain", "company"),
    [
        ("acme.example", "acme.example"),
        ("mail.eu.acme.example", "acme.example"),
        ("acme.co.uk", "acme.co.uk"),
        ("shop.acme.com.mx", "acme.com.mx"),
        ("acme.onmicrosoft.com", "acme.onmicrosoft.com"),
        ("www.acme.es", "acme.es"),
    ],
)
def test_the_part_that_a_company_registers(domain: str, company: str) -> None:
    assert company_part(domain) == company


@pytest.mark.parametrize(
    "address",
    [
        "info@acme.es",
        "INFO@acme.es",
        "ventas@acme.es",
        "compras@acme.es",
        "no-reply@acme.es",
        "info+web@acme.es",
        "info.es@acme.es",
        "ventas2@acme.es",
        "atención.cliente@acme.es",
    ],
)
def test_desks(address: str) -> None:
    assert is_role(address)


@pytest.mark.parametrize(
    "address", ["ana@acme.es", "info.rodriguez@acme.es", "mariainfo@acme.es", "ana.ventas@acme.es", "itziar@acme.es", "@acme.es"]
)
def test_people(address: str) -> None:
    assert not is_role(address)


def test_no_address_is_remembered() -> None:
    """What is erased must be gone: caches hold domains only."""
    for address in ("erase.me+secret@acme.example", "erase.me@müller.example"):
        domain_of(address), is_role(address)
    caches = [one for one in vars(mail_domains).values() if hasattr(one, "cache_info")]
    assert {one.__name__ for one in caches} == {"company_part", "kind_of", "_ascii", "_lists"}, "each of these is asked about domains alone"
