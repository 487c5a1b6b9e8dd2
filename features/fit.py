"""Fit: whether the lead's company and person are of the kind that buys. Not known is never zero."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from data.accounts import FREE_MAIL
from features.history import Column, History
from features.signal import signal

__all__ = ["domain_of"]

_DISPOSABLE = frozenset(
    [
        "mailinator.com",
        "guerrillamail.com",
        "10minutemail.com",
        "tempmail.com",
        "temp-mail.org",
        "yopmail.com",
        "trashmail.com",
        "sharklasers.com",
        "getnada.com",
        "dispostable.com",
        "throwawaymail.com",
        "maildrop.cc",
        "fakeinbox.com",
        "mintemail.com",
    ]
)
_ROLES = frozenset(
    [
        "info",
        "sales",
        "ventas",
        "admin",
        "contact",
        "contacto",
        "hello",
        "hola",
        "support",
        "soporte",
        "office",
        "oficina",
        "marketing",
        "billing",
        "facturacion",
        "hr",
        "rrhh",
        "jobs",
        "webmaster",
        "postmaster",
        "noreply",
        "no-reply",
        "compras",
        "purchasing",
    ]
)


def domain_of(email: str) -> str | None:
    """The domain of a mail address in lower case, or None when it is none.

    >>> domain_of("Ana@Acme.Example"), domain_of("ana")
    ('acme.example', None)
    """
    name, at, domain = email.strip().rpartition("@")
    return domain.lower() if name and at and "." in domain else None


@lru_cache(maxsize=65_536)
def _corporate(email: str) -> float:
    domain = domain_of(email)
    if domain is None:
        return np.nan
    return float(domain not in FREE_MAIL and domain not in _DISPOSABLE)


@lru_cache(maxsize=65_536)
def _personal(email: str) -> float:
    """1 for a person's mailbox, 0 for a role account or a disposable one."""
    domain = domain_of(email)
    if domain is None:
        return np.nan
    return float(domain not in _DISPOSABLE and email.split("@", 1)[0].strip().lower() not in _ROLES)


@signal(family="fit", unit="yes or no", words=("a free or disposable", "a company"))
def corporate_email(history: History) -> Column:
    """Gave {word} mail address."""
    return history.text("email").map(_corporate)


@signal(family="fit", unit="yes or no", words=("a shared or throw-away mailbox such as info@", "a mailbox of their own"))
def personal_mailbox(history: History) -> Column:
    """Writes from {word}."""
    return history.text("email").map(_personal)


@signal(family="fit", unit="people", revision=1)
def company_size(history: History) -> Column:
    """Works at a company of about {value:,.0f} people."""
    return history.memo(_people)


_SIZES = np.array([10.0, 50.0, 250.0, 1_000.0, 5_000.0])


@signal(
    family="fit",
    unit="band",
    words=("up to 9", "10 to 49", "50 to 249", "250 to 999", "1,000 to 4,999", "5,000 or more"),
)
def size_band(history: History) -> Column:
    """Works at a company of {word} people.

    Bands of the European Union's definition of small and medium enterprises, continued upwards.
    """
    people = history.memo(_people)
    band: Column = _SIZES.searchsorted(people, side="right") + 0.0 * people  # NaN stays NaN
    return band


@signal(family="fit", unit="currency")
def company_revenue(history: History) -> Column:
    """Company's annual revenue is about {value:,.0f}."""
    return history.memo(_revenue)


@signal(family="fit", unit="currency")
def revenue_per_head(history: History) -> Column:
    """Company's annual revenue per employee is about {value:,.0f}."""
    per_head: Column = history.memo(_revenue) / history.memo(_people)
    return per_head


@signal(family="fit", unit="yes or no", fill=0.0, words=("Left no", "Left a"))
def phone_given(history: History) -> Column:
    """{word} phone number."""
    return (history.text("phone").codes >= 0).astype(np.float64)


@signal(family="fit", unit="fields", fill=0.0)
def profile_completeness(history: History) -> Column:
    """{value:.0f} of 6 company and contact details are known (title, company, industry, country, size, phone)."""
    codes = np.array([history.text(name).codes for name in ("job_title", "company", "industry", "country", "phone")])
    known: Column = np.add.reduce(codes >= 0, axis=0, dtype=np.float64)
    return known + ~np.isnan(history.number("employees"))


def _people(history: History) -> Column:
    return _positive(history.number("employees"))


def _revenue(history: History) -> Column:
    return _positive(history.number("annual_revenue"))


def _positive(column: Column) -> Column:
    """A size that is zero, negative or without end is a gap in the data, not a size."""
    return np.where((column > 0) & (column < np.inf), column, np.nan)
