"""Who was erased: tombstones that prove it and tell nobody who it was.

In: ids of leads. Out: their digests, keyed by a secret of this installation, and when those were erased. A digest cannot be
compared with anybody's id without the secret, which lies in the same database, so that every copy of the service has it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.own_secrets import secret_within
from data.schema import erasures

__all__ = ["TOMBSTONE", "digester", "erased_at"]

TOMBSTONE = "erased:"
"""What the name begins with that an erased lead's decisions bear."""
_NAME = "erasures"


def erased_at(connection: Connection, lead_ids: Collection[str]) -> dict[str, int]:
    """Of these leads those that were erased, and when last."""
    if connection.execute(sa.select(erasures.c.erasure_id).limit(1)).first() is None:  # as nearly always
        return {}
    digest = digester(connection)
    digests = {digest(one): one for one in lead_ids}
    newest = sa.select(erasures.c.lead_digest, sa.func.max(erasures.c.erased_at)).group_by(erasures.c.lead_digest)
    found = connection.execute(newest.where(erasures.c.lead_digest.in_(list(digests))))
    return {digests[name]: at for name, at in found}


def digester(connection: Connection) -> Callable[[str], str]:
    """What makes of a lead's id the name that its tombstone bears. The secret is drawn when the first lead is erased."""
    secret = secret_within(connection, _NAME)
    return lambda lead_id: hmac.new(secret, lead_id.encode(), hashlib.sha256).hexdigest()
