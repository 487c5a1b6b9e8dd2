from __future__ import annotations

import pytest

from features.topics import TOPICS, topic_of


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
