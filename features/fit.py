"""Fit: whether the lead's company and person are of the kind that buys. Not known is never zero.

Sizes may be numbers or texts ("50-200", "1,2 M€"); countries and industries are read out of free text and put into groups,
and the column itself stays an attribute as it is. Nothing here remembers a person's address or number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from data.accounts import account_of
from data.mail_domains import domain_of, is_role, kind_of
from data.sizes import MONEY, PEOPLE, Scale, read_size
from features.company_names import same_company
from features.countries import REGIONS, country_of, region_of
from features.history import Column, History, TextColumn
from features.industries import INDUSTRIES, industry_of
from features.phones import read_phone
from features.signal import signal

__all__ = ["people", "revenue"]


def people(history: History) -> Column:
    """(size, band): how many work at the company, from a number or a text; one that no company has is a gap in the data, not a size."""
    return _size(history, "employees", _people_in, _PEOPLE_BANDS)


def revenue(history: History) -> Column:
    """(size, band): the company's annual revenue, likewise, in whatever currency the project keeps to."""
    return _size(history, "annual_revenue", _money_in, _MONEY_BANDS)


# ---------------------------------------------------------------------------------------------- the mail address


@signal(family="fit", unit="yes or no", revision=2, words=("a free or disposable", "a company"))
def corporate_email(history: History) -> Column:
    """Gave {word} mail address."""
    return history.text("email").part(_mailbox, 0, 5)


@signal(family="fit", unit="yes or no", revision=2, words=("a shared or throw-away mailbox such as info@", "a mailbox of their own"))
def personal_mailbox(history: History) -> Column:
    """Writes from {word}."""
    return history.text("email").part(_mailbox, 1, 5)


@signal(family="fit", unit="yes or no", words=("that lasts", "to be thrown away"))
def disposable_email(history: History) -> Column:
    """Gave a mail address {word}."""
    return history.text("email").part(_mailbox, 2, 5)


@signal(family="fit", unit="yes or no", words=("no university or school", "a university or school"))
def education_email(history: History) -> Column:
    """Writes from {word}."""
    return history.text("email").part(_mailbox, 3, 5)


@signal(family="fit", unit="yes or no", words=("outside the public sector", "from the public sector"))
def government_email(history: History) -> Column:
    """Writes {word}."""
    return history.text("email").part(_mailbox, 4, 5)


@signal(family="fit", unit="yes or no", words=("do not go together", "go together"))
def company_matches_domain(history: History) -> Column:
    """The company's name and its domain {word}.

    The domain is the one given, or else that of a mail address which is neither free nor disposable.
    """
    return history.row(_matches, 0)


# ---------------------------------------------------------------------------------------------- the company


@signal(family="fit", unit="people", revision=2)
def company_size(history: History) -> Column:
    """Works at a company of about {value:,.0f} people."""
    return history.row(people, 0)


@signal(
    family="fit",
    unit="band",
    revision=2,
    words=("up to 9", "10 to 49", "50 to 249", "250 to 999", "1,000 to 4,999", "5,000 or more"),
)
def size_band(history: History) -> Column:
    """Works at a company of {word} people.

    Bands of the European Union's definition of small and medium enterprises, continued upwards.
    """
    return history.row(people, 1)


@signal(family="fit", unit="currency", revision=2)
def company_revenue(history: History) -> Column:
    """Company's annual revenue is about {value:,.0f}."""
    return history.row(revenue, 0)


@signal(
    family="fit",
    unit="band",
    words=("under 2 million", "2 to 10 million", "10 to 50 million", "50 to 250 million", "250 million to a billion", "a billion or more"),
)
def revenue_band(history: History) -> Column:
    """Company's annual revenue is {word}.

    Bands of the European Union's definition of small and medium enterprises, continued upwards.
    """
    return history.row(revenue, 1)


@signal(family="fit", unit="currency", revision=2)
def revenue_per_head(history: History) -> Column:
    """Company's annual revenue per employee is about {value:,.0f}."""
    per_head: Column = history.row(revenue, 0) / history.row(people, 0)
    return per_head


@signal(family="fit", unit="group", words=INDUSTRIES, unordered=True)
def industry_group(history: History) -> Column:
    """Company's industry is {word}."""
    return history.text("industry").map(industry_of)


@signal(family="fit", unit="group", words=REGIONS, unordered=True)
def country_group(history: History) -> Column:
    """Is from {word}."""
    return history.text("country").map(region_of)


@signal(family="fit", unit="colleagues")
def colleagues_known(history: History) -> Column:
    """Colleagues at the same company who have dealt with us before: {value:.0f}."""
    return history.colleagues().people()


# ---------------------------------------------------------------------------------------------- the telephone, and the rest


@signal(family="fit", unit="yes or no", fill=0.0, words=("Left no", "Left a"))
def phone_given(history: History) -> Column:
    """{word} phone number."""
    return history.text("phone").map(_something)


@signal(family="fit", unit="rank", words=("that cannot exist", "of a possible length, but in no known range", "that can be in use"))
def phone_plausible(history: History) -> Column:
    """Left a phone number {word}."""
    return history.row(_phones, 0)


@signal(family="fit", unit="yes or no", words=("another country than the lead's", "the lead's country"))
def phone_of_country(history: History) -> Column:
    """Phone number is of {word}."""
    return history.row(_phones, 1)


@signal(family="fit", unit="fields", fill=0.0, revision=2)
def profile_completeness(history: History) -> Column:
    """{value:.0f} of 6 company and contact details are known (title, company, industry, country, size, phone)."""
    codes = np.array([history.text(name).codes for name in ("job_title", "company", "industry", "country", "phone")])
    known: Column = np.add.reduce(codes >= 0, axis=0, dtype=np.float64)
    size = history.row(people, 0)
    known += size == size  # NaN is not equal to itself
    return known


# ---------------------------------------------------------------------------------------------- how they are read

_NO_MAILBOX = (np.nan,) * 5
_KINDS = {"disposable": (1.0, 0.0, 0.0), "education": (0.0, 1.0, 0.0), "government": (0.0, 0.0, 1.0)}
_NO_SUCH_KIND = (0.0, 0.0, 0.0)


class _Bands(NamedTuple):
    """Where bands of size begin; from each edge on a zero and the band, neither known outside the sizes that a company can have."""

    edges: Column
    known: Column

    @classmethod
    def of(cls, scale: Scale, *begins: float) -> _Bands:
        edges = np.array([scale.least, *begins, np.nextafter(scale.most, np.inf)])
        bands = [np.nan, *range(len(begins) + 1), np.nan]
        return cls(edges, np.array([[0.0 * band for band in bands], bands]))


_PEOPLE_BANDS = _Bands.of(PEOPLE, 10.0, 50.0, 250.0, 1_000.0, 5_000.0)
_MONEY_BANDS = _Bands.of(MONEY, 2e6, 1e7, 5e7, 2.5e8, 1e9)


def _size(history: History, name: str, meaning: Callable[[str], float], bands: _Bands) -> Column:
    number, text = history.number(name), history.text(name)
    if text.values:
        number = np.where(np.isnan(number), text.map(meaning), number)
    found = bands.known.take(bands.edges.searchsorted(number, side="right"), axis=1)
    found[0] += number  # NaN stays NaN
    return found


def _something(text: str) -> float:
    return 1.0


def _people_in(text: str) -> float:
    return read_size(text, PEOPLE)


def _money_in(text: str) -> float:
    return read_size(text, MONEY)


def _mailbox(email: str) -> tuple[float, ...]:
    """(corporate, personal, disposable, education, government); personal is 0 for a role account or a disposable one."""
    domain = domain_of(email)
    if domain is None:
        return _NO_MAILBOX
    kind = kind_of(domain)
    personal = kind != "disposable" and not is_role(email)
    return float(kind not in ("free", "disposable")), float(personal), *_KINDS.get(kind, _NO_SUCH_KIND)


def _matches(history: History) -> Column:
    return TextColumn.together([history.text(name) for name in ("company", "company_domain", "email")], _company_matches, 1)


def _company_matches(company: str | None, domain: str | None, email: str | None) -> tuple[float]:
    own = None if company is None else account_of(domain, email)
    return (np.nan if company is None or own is None else same_company(company, own),)


def _phones(history: History) -> Column:
    """(plausible, of the lead's country)."""
    return TextColumn.together([history.text("phone"), history.text("country")], _phone, 2)


def _phone(phone: str | None, country: str | None) -> tuple[float, float]:
    if phone is None:
        return np.nan, np.nan
    return read_phone(phone, None if country is None else country_of(country))
