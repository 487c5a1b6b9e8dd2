"""The languages of the console: which one a visitor reads, what its texts say, and how it writes numbers, dates and money.

In: a request, or a language's code. Out: a `Language`, whose texts are looked up by their English. A text without a translation
stays English, and what is not known (None) is a dash. Babel is loaded by the first page that is asked for, not by the service's start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale
    from babel.messages.catalog import Catalog
    from starlette.requests import Request

__all__ = ["COOKIE", "LANGUAGES", "LOCALES", "Language", "asked_for", "catalogue", "language", "language_of"]

LANGUAGES = {"en": "English", "es": "Español"}
"""Those that there are, as each calls itself. English is what the texts are written in; another is a file `locale/<code>.po`."""
LOCALES = Path(__file__).parent / "locale"
COOKIE = "tamiz_language"
_NOTHING = "–"


def language_of(request: Request) -> Language:
    """What `?lang=` asks for, else what was asked for before, else the first language of the browser that we speak, else English."""
    wanted = [asked_for(request), request.cookies.get(COOKIE, ""), *_accepted(request.headers.get("accept-language", ""))]
    return language(next((code for one in wanted if (code := (one or "")[:2].lower()) in LANGUAGES), "en"))


def asked_for(request: Request) -> str | None:
    """The language that the address itself asks for, to be remembered."""
    given = request.query_params.get("lang", "")
    return given if given in LANGUAGES else None


@lru_cache(maxsize=len(LANGUAGES))
def language(code: str) -> Language:
    """One of `LANGUAGES`, read once."""
    from babel import Locale

    return Language(code, Locale.parse(code), _texts(code))


def catalogue(code: str) -> Catalog:
    """The catalogue of a language other than English, as its file stands."""
    from babel.messages.pofile import read_po

    with (LOCALES / f"{code}.po").open("rb") as file:
        return read_po(file, locale=code)


@dataclass(frozen=True)
class Language:
    """What a page says, and how.

    >>> es = language("es")
    >>> es.number(1234.5), es.percent(0.1579, 1), es.day(date(2026, 3, 1))
    ('1.234,5', '15,8\\xa0%', '1 mar 2026')
    """

    code: str
    locale: Locale = field(repr=False)
    texts: Mapping[str, str | tuple[str, ...]] = field(repr=False)
    """What is said for an English text; for one and for many where a number decides."""

    def gettext(self, text: str, **values: object) -> str:
        """The text, with its places filled: `_("Leads {first} to {last}", first=1, last=25)`."""
        said = self.texts.get(text, text)
        return _filled(said if isinstance(said, str) else said[0], values)

    def ngettext(self, one: str, many: str, count: float, **values: object) -> str:
        """The same where a number decides: `ngettext("{n} lead", "{n} leads", 3, n=3)`."""
        said = self.texts.get(one, (one, many))
        return _filled(said if isinstance(said, str) else said[0 if count == 1 else 1], values)

    def number(self, value: float | None, digits: int = 1) -> str:
        """With so many digits after the comma at most."""
        from babel.numbers import format_decimal

        return _NOTHING if value is None else format_decimal(value, format=_pattern("#,##0", digits), locale=self.locale)

    def percent(self, share: float | None, digits: int = 0) -> str:
        """A share as per cent; the blank before the sign as the language has it."""
        from babel.numbers import format_percent

        if share is None:
            return _NOTHING
        sign = self.locale.percent_formats[None].pattern.removeprefix("#,##0")
        return format_percent(share, format=_pattern("#,##0", digits) + sign, locale=self.locale)

    def money(self, amount: float | None, currency: str = "") -> str:
        """A whole amount, with its currency (`EUR`) where one is known."""
        from babel.numbers import format_currency

        if amount is None or not currency:
            return self.number(amount, 0)
        whole = self.locale.currency_formats["standard"].pattern.replace(".00", "")
        return format_currency(amount, currency, format=whole, locale=self.locale, currency_digits=False)

    def day(self, at: date | None) -> str:
        """A day, such as 1 Mar 2026."""
        from babel.dates import format_date

        return _NOTHING if at is None else format_date(at, locale=self.locale)

    def instant(self, at: datetime | None) -> str:
        """A time of day with its day, in UTC, and saying so."""
        from babel.dates import format_datetime

        return _NOTHING if at is None else f"{format_datetime(at.astimezone(UTC), 'medium', locale=self.locale)} UTC"


def _filled(text: str, values: Mapping[str, object]) -> str:
    if any(hasattr(value, "__html__") for value in values.values()):  # what is markup stays markup, the rest is text
        from markupsafe import Markup

        return Markup.escape(text).format_map(values)
    return text.format_map(values) if values else text


def _pattern(whole: str, digits: int) -> str:
    return f"{whole}.{'#' * digits}" if digits else whole


def _texts(code: str) -> Mapping[str, str | tuple[str, ...]]:
    """The translations of a language that somebody has confirmed; none for English."""
    if code == "en":
        return {}
    found = [one for one in catalogue(code) if one.id and one.string and not one.fuzzy]
    return {_first(one.id): one.string if isinstance(one.string, str) else tuple(one.string or ()) for one in found}


def _first(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else text[0]


def _accepted(header: str) -> list[str]:
    """The languages of a browser, dearest first."""
    weighed: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";q=")
        weighed.append((-_float(weight or "1"), tag))
    return [tag for _, tag in sorted(weighed, key=lambda pair: pair[0])]


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
