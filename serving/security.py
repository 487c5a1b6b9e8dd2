"""Who calls, and what they may do.

A key is `prefix.secret`: the prefix finds its row, the SHA-256 of the secret is compared in constant time. In: a
request's headers and the scope that the call needs. Out: a `Caller`, or a 401, 403 or 429. With `TAMIZ_AUTH=dev` a call
without a key is the local user; a key that is presented and wrong is a 401 all the same.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.datastructures import Headers

from data.errors import BadUsage
from data.quick import Quick
from data.store import ApiKey, now
from serving.limits import Limits
from serving.problems import KeyMissing, KeyWrong, ScopeMissing
from serving.settings import Auth

__all__ = ["SCOPES", "Caller", "Doorkeeper", "UnknownScope", "is_loopback", "names_this_machine", "new_key"]

SCOPES = ("score", "ingest", "read", "policy", "admin")
_NOBODY = hashlib.sha256(b"").hexdigest()


class UnknownScope(BadUsage):
    """There is no scope {scope!r}: the scopes are score, ingest, read, policy and admin."""


@dataclass(frozen=True)
class Caller:
    """Who is asking."""

    name: str
    scopes: frozenset[str]

    def may(self, *scopes: str) -> bool:
        """Whether one of these scopes is held; `admin` holds them all."""
        return "admin" in self.scopes or not self.scopes.isdisjoint(scopes)


_LOCAL = Caller("local", frozenset({"admin"}))


class Doorkeeper:
    """Checks keys against the store on every call, so that revoking one works at once."""

    def __init__(self, auth: Auth, quick: Quick) -> None:
        self._open = auth == "dev"
        self._quick = quick
        self._used: dict[str, int] = {}
        self._limits = Limits()

    def admit(self, headers: Headers, *scopes: str) -> Caller:
        """The caller, if it holds one of the scopes."""
        given = headers.get("authorization")
        if given is None:
            if self._open:
                return _LOCAL
            raise KeyMissing(scope=scopes[0])
        caller = self._holder(given)
        if not caller.may(*scopes):
            raise ScopeMissing(scope=scopes[0])
        return caller

    def take_used(self) -> dict[str, int]:
        """Which keys were used since the last call, and when last."""
        used, self._used = self._used, {}
        return used

    def _holder(self, given: str) -> Caller:
        kind, _, key = given.partition(" ")
        prefix, _, secret = key.strip().partition(".")
        digest = hashlib.sha256(secret.encode()).hexdigest()
        row = self._quick.key(prefix) if kind.lower() == "bearer" else None
        sha256, scopes, expires, revoked, rate = row or (_NOBODY, "", None, 0, None)
        at = now()
        valid = hmac.compare_digest(digest, sha256) and row is not None
        if not valid or revoked is not None or (expires is not None and expires <= at):
            raise KeyWrong
        self._used[prefix] = at
        if rate is not None:
            self._limits.take(prefix, rate)
        return Caller(prefix, frozenset(scopes.split()))


def new_key(
    scopes: Sequence[str], *, note: str = "", expires_at: int | None = None, rate: int | None = None, replaces: str | None = None
) -> tuple[str, ApiKey]:
    """A fresh key as its holder sees it once, and as it is stored."""
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownScope(scope=scope)
    prefix, secret = f"tmz_{secrets.token_hex(4)}", secrets.token_urlsafe(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    stored = ApiKey(prefix, digest, frozenset(scopes), note, now(), expires_at, rate=rate, replaces=replaces)
    return f"{prefix}.{secret}", stored


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether listening on this host reaches this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=256)
def names_this_machine(host_header: str) -> bool:
    """Whether a Host header means this machine: a name that an attacker's DNS points here does not."""
    host = host_header.rsplit(":", 1)[0] if not host_header.endswith("]") else host_header
    return is_loopback(host)
