"""Sizes of companies as people write them, in English and Spanish."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.sizes import MONEY, PEOPLE, read_size


class TestNotKnown:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "SME",
            "pyme",
            "n/a",
            "-",
            "many",
            "Nov-50",
            "Series 5",
            "200%",
            "0",
            "-5",
            "1000-500",
            "100000000",
            "1e99",
            "50 200 900",
            "🙂",
        ],
    )
    def test_people(self, text: str) -> None:
        assert math.isnan(read_size(text, PEOPLE))

    @pytest.mark.parametrize("text", ["€", "M€", "confidencial", "500-1M", "1e30", "1.2.3.4", "0 €", "2023: ?", "9" * 5_000])
    def test_money(self, text: str) -> None:
        assert math.isnan(read_size(text, MONEY))

    @given(st.text(max_size=120) | st.text("0123456789.,-–+<>€$kKmM aáyto()", max_size=30))
    def test_no_text_is_refused_and_none_gives_an_absurd_size(self, text: str) -> None:
        for scale in (PEOPLE, MONEY):
            found = read_size(text, scale)
            assert math.isnan(found) or scale.least <= found <= scale.most


class TestPeople:
    @pytest.mark.parametrize(
        ("text", "people"),
        [
            ("240", 240),
            ("50-200", 100),
            ("50 – 200", 100),
            ("50 to 200", 100),
            ("de 50 a 200 empleados", 100),
            ("entre 50 y 200", 100),
            ("between 50 and 200 people", 100),
            ("10k-40k", 20_000),
            ("1-4k", 2_000),
            ("10k+", 10_000),
            ("10.000+", 10_000),
            ("> 500", 500),
            ("más de 500", 500),
            ("over 500 employees", 500),
            ("20 or more", 20),
            ("< 10", 5),
            ("menos de 10", 5),
            ("up to 10", 5),
            ("0-10", 5),
            ("1.200 empleados", 1_200),
            ("1,200 employees", 1_200),
            ("1 200 salariés", 1_200),
            ("1'200", 1_200),
            ("10 mil", 10_000),
            ("aprox. 300 trabajadores", 300),
            ("ca. 200 Mitarbeiter", 200),
            ("250 employees (2023)", 250),
            ("１２０", 120),
            ("1.5k", 1_500),
        ],
    )
    def test_are_counted(self, text: str, people: float) -> None:
        assert read_size(text, PEOPLE) == people


class TestMoney:
    @pytest.mark.parametrize(
        ("text", "money"),
        [
            ("1.2M€", 1.2e6),
            ("1,2 M€", 1.2e6),
            ("1,2 millones de euros", 1.2e6),
            ("$1.2 million", 1.2e6),
            ("1,200,000", 1.2e6),
            ("1.200.000 €", 1.2e6),
            ("1.200.000,50 €", 1_200_000.5),
            ("$1,200,000.50", 1_200_000.5),
            ("$5 million", 5e6),
            ("5 mio", 5e6),
            ("5MM USD", 5e6),
            ("5 MEUR", 5e6),
            ("300 kEUR", 3e5),
            ("$1.234M", 1.234e6),
            ("1.200 M€", 1.2e9),
            ("1,234 M€", 1.234e6),
            ("2 mil millones", 2e9),
            ("3 billones", 3e12),
            ("USD 3 billion", 3e9),
            ("12 Mrd. EUR", 1.2e10),
            ("R$ 3 mi", 3e6),
            ("5 crore", 5e7),
            ("> 100M", 1e8),
            ("< 1M€", 5e5),
            ("$1M - $4M", 2e6),
            ("1-4M€", 2e6),
            ("24000000", 2.4e7),
            ("2.4e7", 2.4e7),
        ],
    )
    def test_is_read_with_its_unit(self, text: str, money: float) -> None:
        assert read_size(text, MONEY) == pytest.approx(money, rel=1e-12)


class TestUnitsAgree:
    @given(st.integers(1, 10**7))
    def test_separators_say_nothing(self, people: int) -> None:
        plain = f"{people:,}"
        for text in (str(people), plain, plain.replace(",", "."), plain.replace(",", " "), plain.replace(",", "’"), f"{people} empleados"):
            assert read_size(text, PEOPLE) == people, text

    @given(st.integers(1, 10**7))
    def test_a_million_is_a_million_in_any_spelling(self, tenths: int) -> None:
        money = tenths * 100_000
        millions = f"{tenths / 10:.1f}"
        for text in (f"{millions}M", f"${millions} million", f"{millions.replace('.', ',')} millones", f"{millions.replace('.', ',')}M€"):
            assert read_size(text, MONEY) == pytest.approx(money, rel=1e-12), text

    @given(st.integers(1, 1000), st.integers(0, 1000))
    def test_a_range_lies_between_its_ends(self, low: int, more: int) -> None:
        assert low <= read_size(f"{low}-{low + more}", PEOPLE) * (1 + 1e-12) <= (low + more) * (1 + 1e-12) ** 2
