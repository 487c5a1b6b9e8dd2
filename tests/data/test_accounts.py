from __future__ import annotations

import pytest

from data.accounts import account_of


@pytest.mark.parametrize(
    ("domain", "email", "account"),
    [
        (None, None, None),
        ("", "not an address", None),
        (None, "ana@gmail.com", None),
        (None, "Ana@ACME.example", "acme.example"),
        ("ACME.example", "ana@gmail.com", "acme.example"),
        ("https://www.acme.example:443/about", None, "acme.example"),
        ("  www.acme.example. ", None, "acme.example"),
        (None, "ana@mail.acme.example", "acme.example"),
        ("shop.acme.co.uk", None, "acme.co.uk"),
        (None, "ana@x.mailinator.com", None),
        ("gmail.com", "ana@acme.example", "acme.example"),
        ("Acme", None, None),
        ("münchen.example", None, "xn--mnchen-3ya.example"),
        ("MÜNCHEN.example", "ana@xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
    ],
)
def test_the_account_is_the_company_not_the_mailbox(domain: str | None, email: str | None, account: str | None) -> None:
    assert account_of(domain, email) == account
