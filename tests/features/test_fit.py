"""Fit: who the company and the person are, out of what forms and CRMs hold."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import phones
from features.catalogue import catalogue
from features.company_names import same_company
from features.countries import REGIONS, country_of, region_of
from features.industries import INDUSTRIES, OTHER, industry_of
from features.once import Once
from features.phones import read_phone
from features.testing import history

ANY_TEXT = st.text(max_size=60)
AS_OF = "2026-03-31"


def said(name: str, **attributes: str | float) -> float:
    return float(catalogue()[name](history("ana", as_of=AS_OF, **attributes))[0])


class TestUnknown:
    @pytest.mark.parametrize("text", ["", " ", "🙂", "\x00", "\u202e", "???", "x" * 10_000, "مهندس", "\udc80"])
    def test_nonsense_is_not_known_and_breaks_nothing(self, text: str) -> None:
        known = history(
            "ana", as_of=AS_OF, **dict.fromkeys(("email", "company", "company_domain", "employees", "annual_revenue", "phone"), text)
        )
        for name in ("corporate_email", "company_matches_domain", "company_size", "size_band", "company_revenue", "revenue_band"):
            assert np.isnan(catalogue()[name](known)[0]), name

    @given(ANY_TEXT, ANY_TEXT)
    def test_no_text_is_refused(self, one: str, other: str) -> None:
        assert math.isnan(industry_of(one)) or industry_of(one) in range(len(INDUSTRIES))
        assert math.isnan(region_of(one)) or region_of(one) in range(len(REGIONS))
        assert read_phone(one, country_of(other)).plausible in (0.0, 1.0, 2.0) or math.isnan(read_phone(one, country_of(other)).plausible)
        assert same_company(one, other) in (0.0, 1.0) or math.isnan(same_company(one, other))


class TestSizes:
    def test_are_the_same_as_text_and_as_number(self) -> None:
        for name in ("company_size", "size_band", "revenue_per_head", "revenue_band", "company_revenue"):
            texts = said(name, employees="1.200 empleados", annual_revenue="1,2 M€")
            assert texts == said(name, employees=1_200, annual_revenue=1.2e6), name

    def test_what_no_company_has_is_a_gap(self) -> None:
        assert math.isnan(said("company_size", employees=5e9))
        assert math.isnan(said("company_size", employees="5000000000"))

    def test_bands_begin_where_they_say(self) -> None:
        assert [said("revenue_band", annual_revenue=text) for text in ("1,9M€", "2M€", "$60 million", "3bn")] == [0, 1, 3, 5]


class TestMail:
    @pytest.mark.parametrize(
        ("email", "corporate", "personal", "disposable", "education", "government"),
        [
            ("ana@acme.example", 1, 1, 0, 0, 0),
            ("compras@acme.example", 1, 0, 0, 0, 0),
            ("Ana.Perez+x@GMAIL.com", 0, 1, 0, 0, 0),
            ("ana@box.mailinator.com", 0, 0, 1, 0, 0),
            ("ana@alumnos.upm.es", 1, 1, 0, 1, 0),
            ("ana@hacienda.gob.es", 1, 1, 0, 0, 1),
        ],
    )
    def test_kinds(self, email: str, corporate: int, personal: int, disposable: int, education: int, government: int) -> None:
        names = ("corporate_email", "personal_mailbox", "disposable_email", "education_email", "government_email")
        assert [said(name, email=email) for name in names] == [corporate, personal, disposable, education, government]


class TestCompanyAndDomain:
    @pytest.mark.parametrize(
        ("company", "domain"),
        [
            ("Acme S.L.", "acme.es"),
            ("ACME LOGÍSTICA, S.L.U.", "acme-logistica.example"),
            ("Müller & Söhne GmbH & Co. KG", "mueller-soehne.de"),
            ("Müller GmbH", "xn--mller-kva.de"),
            ("International Business Machines Corp.", "ibm.com"),
            ("Universidad Politécnica de Madrid", "upm.es"),
            ("Grupo Bimbo S.A.B. de C.V.", "bimbo.mx"),
            ("Telefónica de España SAU", "telefonica.com"),
            ("The Home Depot, Inc.", "homedepot.com"),
            ("Ernst & Young", "mail.ey.com"),
        ],
    )
    def test_go_together(self, company: str, domain: str) -> None:
        assert same_company(company, domain) == 1.0

    @pytest.mark.parametrize(("company", "domain"), [("Acme S.L.", "contoso.es"), ("Sol", "solaria.es"), ("Foo Ltd", "bar.io")])
    def test_do_not(self, company: str, domain: str) -> None:
        assert same_company(company, domain) == 0.0

    def test_a_free_mailbox_is_nobodys_company(self) -> None:
        assert math.isnan(said("company_matches_domain", company="Gmail S.L.", email="ana@gmail.com"))
        assert math.isnan(said("company_matches_domain", company="Gmail S.L.", company_domain="gmail.com"))
        assert said("company_matches_domain", company="Acme", email="ana@acme.example") == 1.0
        assert said("company_matches_domain", company="Acme", company_domain="https://contoso.example/", email="ana@acme.example") == 0.0


class TestIndustries:
    @pytest.mark.parametrize(
        ("text", "group"),
        [
            ("Transportation & Logistics", "transport and logistics"),
            ("Logística", "transport and logistics"),
            ("TECNOLOGÍAS DE LA INFORMACIÓN", "software and it"),
            ("Computer Software", "software and it"),
            ("IT", "software and it"),
            ("Comercio al por mayor", "wholesale"),
            ("Comercio al por menor", "retail"),
            ("E-commerce", "retail"),
            ("Industria farmacéutica", "health"),
            ("Hospital & Health Care", "health"),
            ("Servicios financieros", "banking and finance"),
            ("Seguros", "insurance"),
            ("Hostelería y turismo", "hospitality and travel"),
            ("Administración pública", "public sector"),
            ("Recursos Humanos", "human resources"),
            ("Food & Beverages", "food and drink"),
            ("Oil & Gas", "mining, oil and gas"),
            ("CNAE 4941", "transport and logistics"),
            ("CNAE-2009 62.01", "software and it"),
            ("NAICS: 541511", "software and it"),
            ("SIC 7372", "software and it"),
            ("Sonstiges", "another industry"),
        ],
    )
    def test_are_put_into_groups(self, text: str, group: str) -> None:
        assert INDUSTRIES[int(industry_of(text))] == group

    def test_what_it_hides_in_other_words_is_not_read(self) -> None:
        assert industry_of("Italian kitchens") == OTHER, "`it` is a word of its own"


class TestCountries:
    @pytest.mark.parametrize("text", ["España", "ESPAÑA", "Spain", "ES", "esp", " es ", "Reino de España", "Espagne"])
    def test_one_country_has_one_code(self, text: str) -> None:
        assert country_of(text) == "ES"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("U.S.A.", "US"),
            ("EE. UU.", "US"),
            ("UK", "GB"),
            ("the Netherlands", "NL"),
            ("Deutschland", "DE"),
            ("中国", "CN"),
            ("IN", "IN"),
            ("is", "IS"),
        ],
    )
    def test_names_and_codes(self, text: str, code: str) -> None:
        assert country_of(text) == code

    @pytest.mark.parametrize("language", ["en", "es"])
    def test_every_country_that_has_telephones_is_known_by_name(self, language: str) -> None:
        from phonenumbers import SUPPORTED_REGIONS
        from phonenumbers.geodata.locale import LOCALE_DATA

        unknown = {}
        for code in SUPPORTED_REGIONS & LOCALE_DATA.keys():
            name = LOCALE_DATA[code].get(language, "")
            name = LOCALE_DATA[code][name[1:]] if name.startswith("*") else name
            if name and country_of(name) != code:
                unknown[code] = name
        assert unknown == {}

    def test_regions(self) -> None:
        assert [REGIONS[int(region_of(name))] for name in ("Portugal", "Chile", "Marruecos", "Nowhere")] == [
            "Spain and Portugal",
            "South America",
            "the Middle East and North Africa",
            "no known country",
        ]


class TestPhones:
    @pytest.mark.parametrize(
        ("phone", "country", "plausible", "at_home"),
        [
            ("+34 961 23 45 67", "España", 2, 1),
            ("961 23 45 67", "ES", 2, 1),
            ("0034 961234567", "Spain", 2, 1),
            ("+34 961 23 45 67", "México", 2, 0),
            ("600 123 456 / 600 123 457", "ES", 2, 1),
            ("+1 555 0100", "US", 1, 1),
            ("12", "ES", 0, math.nan),
            ("call me", "ES", 0, math.nan),
            ("961 23 45 67", "Atlantis", math.nan, math.nan),
            ("+34 961 23 45 67", "Atlantis", 2, math.nan),
            ("-", "ES", math.nan, math.nan),
        ],
    )
    def test_are_held_against_the_country(self, phone: str, country: str, plausible: float, at_home: float) -> None:
        found = [said(name, phone=phone, country=country) for name in ("phone_plausible", "phone_of_country")]
        assert found == pytest.approx([plausible, at_home], nan_ok=True)

    def test_a_number_is_known_again_and_not_kept(self) -> None:
        """What is erased must be gone: the cache holds no number."""
        before = phones._read.cache_info().hits
        assert read_phone("+34 961 99 88 77", "ES") == read_phone("+34 961 99 88 77", "ES")
        assert phones._read.cache_info().hits == before + 1
        kept = [one.text for one in gc.get_objects() if isinstance(one, Once)]
        assert set(kept) == {""}


class TestColleagues:
    def test_are_counted_once_they_have_done_something(self) -> None:
        known = catalogue()["colleagues_known"]
        two = [["2026-01-10 page_view /pricing", "2026-02-10 call"], ["2025-03-01 page_view /"], ["2026-04-10 call"], []]
        assert known(history("ana", as_of=AS_OF, colleagues=two)) == [2.0]
        assert known(history("ana", as_of=AS_OF, colleagues=[])) == [0.0]
        assert np.isnan(known(history("ana", as_of=AS_OF))[0]), "where the account is not known, neither are colleagues"
