from __future__ import annotations

import pytest

from features.topics import TOPICS, about, topic_of


@pytest.mark.parametrize(
    ("url", "topic"),
    [
        ("/pricing", "pricing"),
        ("/PRICING/", "pricing"),
        ("/es/precios?utm_source=x", "pricing"),
        ("https://acme.example/planes-y-precios#top", "pricing"),
        ("/tarifas.html", "pricing"),
        ("/compare/rival", "comparison"),
        ("/acme-vs-rival", "comparison"),
        ("/rival-alternative", "comparison"),
        ("/alternativas-a-rival", "comparison"),
        ("/demo", "demo"),
        ("/request-a-demo", "demo"),
        ("/solicitar-demo", "demo"),
        ("/demographics", "other"),
        ("/free-trial", "trial"),
        ("/prueba-gratis", "trial"),
        ("/docs/integrations/hubspot", "integrations"),
        ("/docs/start", "docs"),
        ("/ayuda", "docs"),
        ("/casos-de-exito/acme", "customers"),
        ("/careers", "careers"),
        ("/trabaja-con-nosotros", "careers"),
        ("/legal/privacy", "legal"),
        ("/aviso-legal", "legal"),
        ("/es-es/politica-de-privacidad", "legal"),
        ("/terminos_y_condiciones", "legal"),
        ("/terms-of-service", "legal"),
        ("/es/iniciar-sesion", "login"),
        ("/area-de-clientes", "login"),
        ("/ofertas-de-empleo/madrid", "careers"),
        ("/join-us", "careers"),
        ("/en-gb/plans-and-pricing", "pricing"),
        ("/solicitar-presupuesto", "pricing"),
        ("/comparativa-de-crm", "comparison"),
        ("/company", "other"),
        ("/docs/api", "docs"),
        ("/centro-de-ayuda/primeros-pasos", "docs"),
        ("/demostraci%C3%B3n", "demo"),
        ("/integraciones/odoo", "integrations"),
        ("https://app.acme.example/#/pricing?x=1", "pricing"),
        ("/#pricing", "other"),
        ("//acme.example/pricing", "pricing"),
        ("/newsletter", "newsletter"),
        ("/webinars/forecasting", "webinar"),
        ("/login", "login"),
        ("/blog/how-we-think", "content"),
        ("/blog/what-is-the-price-of-bread", "content"),
        ("/?q=pricing", "other"),
        ("/", "other"),
        ("", "other"),
        ("https://pricing.example", "other"),
        ("/" + "a" * 10_000 + "/pricing", "other"),
        ("/🙂/pricing", "pricing"),
    ],
)
def test_pages_are_about_what_their_path_says(url: str, topic: str) -> None:
    assert topic_of(url) == topic
    assert topic in TOPICS


@pytest.mark.parametrize(
    ("content", "topic"),
    [
        ("newsletter", "newsletter"),
        ("Suscripción al boletín", "newsletter"),
        ("whitepaper-forecasting", "content"),
        ("Ebook: how we think", "content"),
        ("guia_ventas", "content"),
        ("Webinar 12: forecasting", "webinar"),
        ("Demo request", "demo"),
        ("pricing guide", "pricing"),
        ("Spring", "other"),
        ("🙂", "other"),
        ("", "other"),
        ("x" * 10_000 + " newsletter", "other"),
    ],
)
def test_forms_are_about_what_they_are_called(content: str, topic: str) -> None:
    assert about().content(content) == topic


class TestDeclared:
    OWN = about((("stores", ("*/tiendas", "*/stores/*/map")), ("pricing", ("/lo-que-vale",))))

    def test_own_patterns_come_before_the_known_topics(self) -> None:
        assert self.OWN.page("https://acme.example/es/tiendas/precios?x=1") == "stores"
        assert self.OWN.page("/stores/madrid/map") == "stores"
        assert self.OWN.page("/Lo-Que-Vale/") == "pricing"
        assert self.OWN.page("/docs") == "docs"
        assert self.OWN.names[:2] == ("stores", "pricing")
        assert len(set(self.OWN.names)) == len(self.OWN.names)

    def test_a_pattern_is_held_against_the_whole_path(self) -> None:
        assert self.OWN.page("/blog/lo-que-vale") == "content"
        assert self.OWN.page("/lo-que-vale-mucho") == "other"

    def test_without_the_known_topics_the_rest_is_about_nothing(self) -> None:
        assert about((("stores", ("/tiendas",)),), False).page("/pricing") == "other"

    def test_a_hostile_pattern_and_a_long_path_take_no_time(self) -> None:
        hostile = about((("x", ("*a" * 90 + "b",)),))
        assert hostile.page("/" + "a" * 10_000) == "other"
