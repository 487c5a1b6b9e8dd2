"""Which account a lead belongs to: its company's domain, else that of a corporate mail address.

In: a domain and a mail address as a CRM holds them. Out: the account's domain in lower case, or None when neither names
a company. Plain Python without pandas, because the service asks the same.

>>> account_of("https://www.Acme.example/about", None)
'acme.example'
>>> account_of(None, "ana@acme.example")
'acme.example'
>>> account_of(None, "ana@gmail.com") is None
True
"""

from __future__ import annotations

__all__ = ["FREE_MAIL", "account_of"]

FREE_MAIL = frozenset(
    {
        "163.com", "aol.com", "bol.com.br", "free.fr", "gmail.com", "gmx.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com",
        "hotmail.es", "hotmail.fr", "icloud.com", "laposte.net", "libero.it", "live.com", "mac.com", "mail.com", "mail.ru", "me.com",
        "msn.com", "orange.fr", "outlook.com", "outlook.es", "proton.me", "protonmail.com", "qq.com", "t-online.de", "telefonica.net",
        "terra.com.br", "terra.es", "uol.com.br", "wanadoo.fr", "web.de", "yahoo.co.uk", "yahoo.com", "yahoo.es", "yahoo.fr",
        "yandex.com", "yandex.ru", "ymail.com", "zoho.com",
    }
)  # fmt: skip
"""Mail domains that anybody can have: they name a person's mailbox, never a company."""


def account_of(company_domain: str | None, email: str | None) -> str | None:
    """The account's domain, or None when the lead stands alone."""
    domain = _domain(company_domain)
    if domain is None and email is not None and "@" in email:
        domain = _domain(email.rpartition("@")[2])
        domain = None if domain in FREE_MAIL else domain
    return domain


def _domain(text: str | None) -> str | None:
    if text is None:
        return None
    host = text.strip().lower().partition("://")[2] or text.strip().lower()
    host = host.partition("/")[0].partition(":")[0].strip(".").removeprefix("www.")
    return host or None
