"""Calls to addresses that somebody else has named, which must not reach what only this machine may reach.

In: an address and a body. Out: the status that was answered, or why there was none. The name is resolved once, every address
that it stands for is checked, and the connection goes to a checked one: a name that means something else a moment later reaches
nothing. Only `https`, no redirects, no proxy, one deadline for all of it, and of the answer only its head is read. Hosts that
`TAMIZ_WEBHOOK_ALLOW` names may be private, and be called without TLS.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httptools

from data.errors import BadUsage

if TYPE_CHECKING:
    import ssl

__all__ = ["AddressRefused", "Reply", "check", "is_public", "post"]

SECONDS = 15.0
HEAD = 32 << 10
"""Of an answer, how many bytes are read at most."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(BadUsage, status=422):
    """{url} may not be called: {why}"""


@dataclass(frozen=True)
class Target:
    """An address, taken apart."""

    url: str
    host: str
    port: int
    tls: bool
    path: str
    allowed: bool
    """Whether its host was allowed by name."""

    @property
    def named(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True)
class Reply:
    """What came of a call: a status, or the error that kept it from being answered."""

    status: int | None
    error: str | None
    seconds: float
    retry_after: int | None = None

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def told(self) -> str:
        return self.error or f"answered {self.status}"


def check(url: str, allow: Collection[str] = ()) -> Target:
    """The address, if it may be called as far as can be seen without resolving it; raises AddressRefused."""

    def refuse(why: str) -> AddressRefused:
        return AddressRefused(url=url[:200], why=why)

    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        raise refuse("write it in ASCII, without spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise refuse(f"{error}.") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("https", "http") or not host:
        raise refuse("it has to look like https://host/path.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise refuse("it may hold neither a name and password nor a fragment.")
    tls = parts.scheme == "https"
    port = port if port is not None else 443 if tls else 80
    allowed = host in allow or f"{host}:{port}" in allow
    if not tls and not allowed:
        raise refuse("it is not https, and TAMIZ_WEBHOOK_ALLOW does not name its host.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(url, host, port, tls, path, allowed)
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return target
    _check_address(target, str(literal))
    return target


def is_public(address: str) -> bool:
    """Whether an address is anybody's, and not one of this machine, this network or nobody at all.

    >>> [is_public(one) for one in ("93.184.215.14", "127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "::1", "fe80::1")]
    [True, False, False, False, False, False, False]
    >>> [is_public(one) for one in ("::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "224.0.0.1", "0.0.0.0")]
    [False, False, False, False, False]
    """
    one = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped or one.sixtofour or (one.teredo[1] if one.teredo else None)
        if one in _NAT64:
            inner = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return one.is_global and not one.is_multicast and not one.is_unspecified and not one.is_reserved


async def post(url: str, body: bytes, headers: Mapping[str, str], allow: Collection[str] = (), seconds: float = SECONDS) -> Reply:
    """What a POST is answered; whatever goes wrong is told in the reply."""
    begun = perf_counter()
    status, error, retry_after = None, None, None
    try:
        target = check(url, allow)
        async with asyncio.timeout(seconds):
            status, retry_after = await _exchange(target, body, headers)
    except TimeoutError:
        error = f"no answer within {seconds:g} s"
    except AddressRefused as refused:
        error = str(refused)
    except (OSError, EOFError, httptools.HttpParserError, asyncio.LimitOverrunError) as failed:
        error = f"{type(failed).__name__}: {failed}"
    return Reply(status, error, perf_counter() - begun, retry_after)


async def _exchange(target: Target, body: bytes, headers: Mapping[str, str]) -> tuple[int, int | None]:
    reader, writer = await _connect(target)
    try:
        lines = {"Host": target.named, "Content-Length": str(len(body)), "Connection": "close", "User-Agent": "Tamiz", **headers}
        head = f"POST {target.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        writer.write(head.encode("ascii") + body)
        await writer.drain()
        answer = _Head()
        parser = httptools.HttpResponseParser(answer)
        read = 0
        while read < HEAD:
            some = await reader.read(4096)
            if not some:
                raise EOFError("the connection was closed before an answer")
            read += len(some)
            parser.feed_data(some)
            if answer.complete and (status := parser.get_status_code()) >= 200:
                return status, answer.retry_after
        raise EOFError(f"an answer whose head is longer than {HEAD:,} bytes")
    finally:
        writer.close()


class _Head:
    """Listens to the parser until the headers are complete."""

    def __init__(self) -> None:
        self.complete = False
        self.retry_after: int | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after" and value.strip().isdigit():
            self.retry_after = int(value.strip()[:6])

    def on_headers_complete(self) -> None:
        self.complete = True


async def _connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to an address that was checked, whatever its name means by now."""
    found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    for address in addresses:
        _check_address(target, address)
    context, name = (_context(), target.host) if target.tls else (None, None)
    for place, address in enumerate(addresses):
        try:
            return await asyncio.open_connection(address, target.port, ssl=context, server_hostname=name, limit=HEAD)
        except OSError:
            if place == len(addresses) - 1:
                raise
    raise OSError(f"{target.host} has no address")


def _check_address(target: Target, address: str) -> None:
    if not target.allowed and not is_public(address):
        why = f"{address} is not a public address, and TAMIZ_WEBHOOK_ALLOW does not name its host."
        raise AddressRefused(url=target.url[:200], why=why)


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context()
