"""Who sits at a browser, and that what a page sends was sent by that page.

In: a request. Out: a `Visitor`, or None where nobody has signed in. There are two ways of telling: `ByKey`, a cookie that somebody got
for an API key, and `ByProxy`, the name that a proxy in front vouches for with a password. Another (OIDC without a proxy) is another
class with `visitor`. A visitor's calls may change something only with the visitor's token, which the pages carry and other sites cannot
read. The key is looked up on every call, so that revoking it ends its sessions at once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from starlette.requests import Request

from serving.problems import TokenMissing
from serving.security import Caller, Doorkeeper

if TYPE_CHECKING:
    from itsdangerous import URLSafeTimedSerializer

__all__ = ["SESSION", "SESSION_SECONDS", "ByKey", "ByProxy", "Identity", "Seal", "Visitor", "admit_visitor", "visitor_of"]

SESSION = "tamiz_session"
SESSION_SECONDS = 12 * 3600
_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Visitor:
    """Somebody at a browser."""

    caller: Caller
    name: str
    """As the page greets them."""
    token: str
    """What whatever they change has to bring along."""
    leaves: bool = True
    """Whether they can sign out here."""


class Identity(Protocol):
    """A way of telling who sits at a browser."""

    def visitor(self, request: Request) -> Visitor | None:
        """Who it is; None where this way cannot tell."""


def visitor_of(request: Request, identities: Sequence[Identity]) -> Visitor | None:
    """Who sits there, by the first way that can tell."""
    return next((found for one in identities if (found := one.visitor(request)) is not None), None)


def admit_visitor(request: Request, visitor: Visitor) -> Caller:
    """The visitor as a caller; what changes something needs the page's token."""
    if request.method not in _SAFE and not hmac.compare_digest(request.headers.get(_HEADER, "").encode(), visitor.token.encode()):
        raise TokenMissing
    return visitor.caller


class Seal:
    """Marks what left this installation, so that it is known again when it comes back."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._draw = secret
        self._drawn: bytes | None = None

    def token(self, *told: str) -> str:
        """A token that only this installation can make of these words."""
        return hmac.new(self._secret, "\0".join(told).encode(), hashlib.sha256).hexdigest()

    def matches(self, token: str, *told: str) -> bool:
        """Whether it is the token of these words, in constant time."""
        return hmac.compare_digest(token.encode(), self.token(*told).encode())

    def close(self, content: Mapping[str, str]) -> str:
        """The content with a time and a signature."""
        sealed: str = self._serializer().dumps(dict(content))
        return sealed

    def open(self, sealed: str, seconds: int) -> dict[str, Any] | None:
        """What was closed at most so long ago; None for anything else."""
        from itsdangerous import BadData

        try:
            content: dict[str, Any] = self._serializer().loads(sealed, max_age=seconds)  # only what `close` made gets so far
        except BadData:
            return None
        return content

    @property
    def _secret(self) -> bytes:
        if self._drawn is None:
            self._drawn = self._draw()
        return self._drawn

    def _serializer(self) -> URLSafeTimedSerializer:
        from itsdangerous import URLSafeTimedSerializer  # where nobody has signed in, nothing of it is loaded

        return URLSafeTimedSerializer(
            self._secret, salt="tamiz.session", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )


class ByKey:
    """By a cookie that was given for an API key; it says which key, not the key itself."""

    def __init__(self, doorkeeper: Doorkeeper, seal: Seal) -> None:
        self._doorkeeper = doorkeeper
        self._seal = seal

    def begin(self, prefix: str, name: str) -> str:
        """The cookie of a new session."""
        return self._seal.close({"key": prefix, "name": name, "id": secrets.token_urlsafe(16)})

    def visitor(self, request: Request) -> Visitor | None:
        given = request.cookies.get(SESSION)
        told = self._seal.open(given, SESSION_SECONDS) if given else None
        if told is None:
            return None
        caller = self._doorkeeper.still_in_force(str(told.get("key")))
        return None if caller is None else Visitor(caller, str(told.get("name")), self._seal.token("session", str(told.get("id"))))


class ByProxy:
    """By HTTP Basic from a proxy that has signed people in: their name, and a password that only the proxy knows.

    A name without the password is nobody's; `rights` says what each may do, and `*` what everybody else may.
    """

    def __init__(self, password: str, rights: Mapping[str, frozenset[str]], seal: Seal) -> None:
        self._password = password.encode()
        self._rights = rights
        self._seal = seal

    def visitor(self, request: Request) -> Visitor | None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not hmac.compare_digest(password.encode(), self._password) or not name:
            return None
        scopes = self._rights.get(name, self._rights.get("*", frozenset()))
        return Visitor(Caller(name, scopes), name, self._seal.token("proxy", name), leaves=False)
