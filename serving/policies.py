"""The policy in force: the newest published one, or the bundle's default before the first is published.

Asked on every score, so that a policy published by any process, page or command is obeyed by the next score
everywhere: one indexed look at the newest version number, and the parsed policy is kept while that stays the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from data.quick import Quick
from data.store import PolicyRow, Store
from models.qualification import Policy
from serving.model_store import LoadedModel

__all__ = ["InForce", "Policies"]


@dataclass(frozen=True)
class InForce:
    """A policy with the name it goes by in receipts and the tag it goes by in `If-Match`."""

    policy: Policy
    number: int | None
    """None: the bundle's default, nothing has been published."""
    etag: str
    row: PolicyRow | None = None

    @property
    def version(self) -> str:
        return "default" if self.number is None else str(self.number)


class Policies:
    """Answers with the policy in force."""

    def __init__(self, store: Store, quick: Quick) -> None:
        self._store = store
        self._quick = quick
        self._published: InForce | None = None
        self._default: tuple[Policy, InForce] | None = None
        self._earlier: dict[str, Policy | None] = {}

    def named(self, version: str) -> Policy | None:
        """The published policy that receipts name so; None for a model's default, and for one that is not held."""
        if version not in self._earlier:
            row = self._store.policy(int(version)) if version.isdigit() else None
            self._earlier[version] = None if row is None else Policy.read(row.json)
        return self._earlier[version]

    def in_force(self, loaded: LoadedModel | None) -> InForce | None:
        """The published policy, or else the model's default; None without either."""
        newest = self._quick.policy_version()
        if newest is not None:
            held = self._published
            if held is None or held.number != newest:
                row = self._store.policy(newest)
                assert row is not None, "versions are never deleted"
                held = self._published = in_force_of(row)
            return held
        if loaded is None:
            return None
        if self._default is None or self._default[0] is not loaded.default_policy:
            tag = _etag("default", loaded.default_policy.to_json())
            self._default = (loaded.default_policy, InForce(loaded.default_policy, None, tag))
        return self._default[1]


def in_force_of(row: PolicyRow) -> InForce:
    """A stored version as what applies."""
    return InForce(Policy.read(row.json), row.version, _etag(str(row.version), row.json), row)


def _etag(version: str, text: str) -> str:
    digest = hashlib.sha256(json.dumps(json.loads(text), sort_keys=True).encode()).hexdigest()
    return f'"{version}-{digest[:12]}"'
