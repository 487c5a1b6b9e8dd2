"""Which account a lead belongs to: its company's domain, else that of a corporate mail address.

In: a domain and a mail address as a CRM holds them. Out: the account's domain in lower case, or None when neither names
a company: a free or disposable mail domain is nobody's company, not even where a CRM copied it into the company's field.
Plain Python without pandas, because the service asks the same.

>>> account_of("https://www.Acme.example/about", None)
'acme.example'
>>> account_of(None, "ana@mail.acme.example")
'acme.example'
>>> account_of(None, "ana@gmail.com") is None
True
"""

from __future__ import annotations

from data.mail_domains import company_part, domain_of, host_of, kind_of

__all__ = ["account_of"]


def account_of(company_domain: str | None, email: str | None) -> str | None:
    """The account's domain, or None when the lead stands alone."""
    for domain in (None if company_domain is None else host_of(company_domain), None if email is None else domain_of(email)):
        if domain is not None and "." in domain and kind_of(domain) not in ("free", "disposable"):
            return company_part(domain)
    return None
