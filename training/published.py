"""The policy that this installation published, if it did: thresholds and capacity that a report and a comparison go by.

In: the home folder. Out: the row as it is stored, or the policy that it holds; None where nothing was published.
"""

from __future__ import annotations

from data.home import Home
from data.store import PolicyRow, Store
from models.qualification import Policy

__all__ = ["published_policy", "published_row"]


def published_policy(home: Home) -> Policy | None:
    """The policy in force here."""
    row = published_row(home)
    return None if row is None else Policy.read(row.json)


def published_row(home: Home) -> PolicyRow | None:
    """The same with its version."""
    if not home.database and not home.db_path.exists():
        return None
    store = Store.open(home.root, home.database)
    try:
        return store.policy()
    finally:
        store.close()
