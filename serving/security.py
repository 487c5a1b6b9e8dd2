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
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from data.errors import BadUsage
from data.quick import Quick
from data.store import ApiKey, now
from serving.limits import Limits
from serving.problems import KeyMissing, KeyWrong, ScopeMissing

if TYPE_CHECKING:
    from serving.settings import Auth

__all__ = ["LOCAL", "SCOPES", "Caller", "Doorkeeper", "UnknownScope", "is_loopback", "names_this_machine", "new_key"]

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


LOCAL = Caller("local", frozenset({"admin"}))
"""Whoever sits at this machine, with TAMIZ_AUTH=dev."""


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
                return LOCAL
            raise KeyMissing(scope=scopes[0])
        kind, _, key = given.partition(" ")
        caller = self.holder(key.strip() if kind.lower() == "bearer" else "")
        if not caller.may(*scopes):
            raise ScopeMissing(scope=scopes[0])
        return caller

    def take_used(self) -> dict[str, int]:
        """Which keys were used since the last call, and when last."""
        used, self._used = self._used, {}
        return used

    def holder(self, key: str) -> Caller:
        """Who holds this key; KeyWrong where it is not in force."""
        prefix, _, secret = key.partition(".")
        digest = hashlib.sha256(secret.encode()).hexdigest()
        row = self._quick.key(prefix) if prefix else None
        valid = hmac.compare_digest(digest, row[0] if row else _NOBODY)
        caller = self._in_force(prefix, row) if valid else None
        if caller is None:
            raise KeyWrong
        return caller

    def still_in_force(self, prefix: str) -> Caller | None:
        """Who holds the key of this prefix, as long as it is in force: for whoever has shown the whole key before."""
        return self._in_force(prefix, self._quick.key(prefix))

    def _in_force(self, prefix: str, row: tuple[str, str, int | None, int | None, int | None] | None) -> Caller | None:
        if row is None:
            return None
        _, scopes, expires, revoked, rate = row
        at = now()
        if revoked is not None or (expires is not None and expires <= at):
            return None
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
