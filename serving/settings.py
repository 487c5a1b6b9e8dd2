"""What an installation's service is told from outside: read once, then never changed.

In: the environment and `tamiz.toml`, by `data/home.py`. Out: a frozen `Settings`. Bounds have defaults that fit a CRM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.home import Home, resolve

__all__ = ["Auth", "Settings"]

Auth = Literal["required", "dev"]


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

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        auth: Auth = "dev" if resolve("auth", environment).value == "dev" else "required"
        home = Home.from_environment(environment)
        return cls(home=home.root, database=home.database, auth=auth)
