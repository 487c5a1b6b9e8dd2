"""What an installation's service is told from outside: read once, then never changed.

In: the environment and `tamiz.toml`, by `data/home.py`. Out: a frozen `Settings`. Bounds have defaults that fit a CRM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Literal, cast

from data.home import BadSetting, Home, InForce, resolve
from data.monitor_limits import Limits, read_limits
from serving.logs import Form
from serving.security import SCOPES

__all__ = ["Auth", "Logged", "Settings", "Where", "time_of_day"]

Auth = Literal["required", "dev"]
Where = Literal["inside", "beside"]
Logged = Literal["slow", "all"]
SHORTEST_SECRET = 32


@dataclass(frozen=True)
class Settings:
    """Where things are kept, who may call, and how much one call may bring."""

    home: Path
    database: str = ""
    """Address of a PostgreSQL database; empty: the SQLite file under the home."""
    auth: Auth = "required"
    body_bytes: int = 1 << 20
    """The largest body of a call, except a batch."""
    batch_bytes: int = 16 << 20
    batch_items: int = 1_000
    poll_seconds: float = 1.0
    """How often the champion's pointer is looked at."""

    worker: Where = "inside"
    """Whether this process does the work that nobody waits for, too, or leaves it to `tamiz worker`."""
    nightly: str = ""
    """At which time of day of this machine the scores that have grown old are made again; empty: never."""
    log: Form = "auto"
    """How the log is written."""
    log_requests: Logged = "slow"
    """Which requests are in it: those that failed or took longer than a second, or all."""
    webhook_allow: tuple[str, ...] = ()
    """Hosts that a webhook may go to although their addresses are private, and without TLS."""
    secret: str = field(default="", repr=False)
    """What sessions are signed with; empty: the installation draws its own."""
    proxy_password: str = field(default="", repr=False)
    """What a proxy that has signed people in says to be believed; empty: none is."""
    proxy_rights: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What each of them may do; `*`: everybody else."""

    limits: Limits = field(default_factory=Limits)
    """From where on the monitor alarms."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        auth: Auth = "dev" if resolve("auth", environment).value == "dev" else "required"
        worker: Where = "beside" if resolve("worker", environment).value == "beside" else "inside"
        nightly = resolve("nightly", environment)
        if nightly.value and time_of_day(nightly.value) is None:
            raise BadSetting(name="nightly", origin=nightly.origin, value=nightly.value, expected="a time of day such as 03:00")
        allowed = tuple(one.strip().lower() for one in resolve("webhook_allow", environment).value.split(",") if one.strip())
        logged: Logged = "all" if resolve("log_requests", environment).value == "all" else "slow"
        form = cast("Form", resolve("log", environment).value)  # one of its choices
        home = Home.from_environment(environment)
        return cls(
            home.root, home.database, auth, worker=worker, nightly=nightly.value, log=form, log_requests=logged, webhook_allow=allowed,
            secret=_long_enough(resolve("secret", environment)), proxy_password=_long_enough(resolve("proxy_password", environment)),
            proxy_rights=_rights(resolve("proxy_rights", environment)), limits=read_limits(),
        )  # fmt: skip


def _long_enough(setting: InForce) -> str:
    if 0 < len(setting.value) < SHORTEST_SECRET:
        raise BadSetting(name=setting.setting.key, origin=setting.origin, value="…", expected=f"at least {SHORTEST_SECRET} characters")
    return setting.value


def _rights(setting: InForce) -> dict[str, frozenset[str]]:
    """`*=read ana@acme.example=read+policy` → who may do what."""
    found: dict[str, frozenset[str]] = {}
    for one in setting.value.split():
        name, _, scopes = one.rpartition("=")
        found[name] = frozenset(scopes.split("+"))
        if not name or not found[name] <= frozenset(SCOPES):
            expected = f"names with scopes ({', '.join(SCOPES)}), such as *=read ana@acme.example=read+policy"
            raise BadSetting(name=setting.setting.key, origin=setting.origin, value=setting.value, expected=expected)
    return found


def time_of_day(text: str) -> time | None:
    """A time such as 03:00; None for what is none."""
    try:
        return time.fromisoformat(text) if re.fullmatch(r"\d\d:\d\d", text) else None
    except ValueError:
        return None
