"""The tables of an installation's store, for any database that SQLAlchemy knows; revisions of them stand in `migrations/`.

Instants are integers, microseconds since 1970 UTC; null means "never" or "none". JSON is text that the database does not
look into. What a CRM sends is kept by its natural key, so that sending it twice changes nothing:

- `leads`: the current state, folded from `lead_changes`; `lead_changes`: every dated value of every field
- `activities`, `stage_changes`, `outcomes`: what happened; rows of one lead lie together
- `standings`: where each lead stands now, for the queue; `stale`: leads that wait to be scored again
- `feedback`, `overrides`, `merges`, `erasures`: what sales said, what people decided instead, which leads became one, which were erased
- `replies`: what calls with an Idempotency-Key were answered; `secrets` of this installation
- `decisions` (the ledger) and the `runtimes` that made them; `policies`, `api_keys`, `audit`
- `jobs` and the `job_chunks` of them that are left; the `workers` that do them; `promotions`
- `reports`: figures that take long to compute, the last of each day
- `announcements` of decisions, `endpoints` and the `outbox` of webhooks to deliver; `hooks` and the `inbox` of webhooks received
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

__all__ = [
    "SCHEMA_VERSION",
    "activities",
    "announcements",
    "api_keys",
    "audit",
    "decisions",
    "endpoints",
    "erasures",
    "feedback",
    "hooks",
    "inbox",
    "job_chunks",
    "jobs",
    "lead_changes",
    "leads",
    "merges",
    "metadata",
    "outbox",
    "outcomes",
    "overrides",
    "policies",
    "promotions",
    "replies",
    "reports",
    "runtimes",
    "secrets",
    "stage_changes",
    "stale",
    "standings",
    "workers",
]

SCHEMA_VERSION = "0003"
"""The newest revision in data/migrations/versions; a test holds the two together."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_Instant = sa.BigInteger
_Sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _only(rows: str) -> dict[str, Any]:
    """For an index of these rows alone, on either database."""
    return {"sqlite_where": sa.text(rows), "info": {"only": rows}}


@compiles(sa.schema.CreateIndex, "postgresql")
def _create_index(create: sa.schema.CreateIndex, compiler: Any, **given: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    # Not `postgresql_where`: to read that, SQLAlchemy loads its drivers for PostgreSQL, wherever nobody uses it, too.
    text: str = compiler.visit_create_index(create, **given)
    only = create.element.info.get("only")
    return text if only is None else f"{text} WHERE {only}"


# ------------------------------------------------------------------------------------- what the operator decides

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("restores", sa.Integer),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("prefix", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("expires_at", _Instant),
    sa.Column("revoked_at", _Instant),
    sa.Column("last_used_at", _Instant),
    # Requests a minute; null: as many as come.
    sa.Column("rate", sa.Integer),
    # The key that this one replaced.
    sa.Column("replaces", sa.Text),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("at", _Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index(None, "at"),
    sqlite_autoincrement=True,
)

promotions = sa.Table(
    "promotions",
    metadata,
    sa.Column("promotion_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("version", sa.Text),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("requested_at", _Instant, nullable=False),
    sa.Column("begun_at", _Instant),
    sa.Column("finished_at", _Instant),
    sa.Column("message", sa.Text),
    sa.Index(None, "state", "requested_at"),
)

# ------------------------------------------------------------------------------------- what is known about leads

leads = sa.Table(
    "leads",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("account", sa.Text),
    sa.Column("created_at", _Instant),
    # When the newest of its values was changed, and when the lead was first heard of.
    sa.Column("changed_at", _Instant),
    sa.Column("recorded_at", _Instant, nullable=False),
    sa.Column("attributes", sa.Text, nullable=False),
    sa.Index(None, "account"),
)

lead_changes = sa.Table(
    "lead_changes",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("changed_at", _Instant, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Text),
    sa.Column("recorded_at", _Instant, nullable=False),
    sqlite_with_rowid=False,
)

activities = sa.Table(
    "activities",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("activity_id", sa.Text, primary_key=True),
    sa.Column("occurred_at", _Instant, nullable=False),
    sa.Column("recorded_at", _Instant, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("content", sa.Text),
    sa.Column("campaign", sa.Text),
    sa.Column("duration_seconds", sa.Double),
    sa.Column("value", sa.Text),
    sa.Column("user_agent", sa.Text),
    # 0, 1, or null: not said.
    sa.Column("automated", sa.Integer),
    sqlite_with_rowid=False,  # in the order of the primary key: what belongs to one lead lies together
)

stage_changes = sa.Table(
    "stage_changes",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("entered_at", _Instant, primary_key=True, autoincrement=False),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("recorded_at", _Instant, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("amount", sa.Double),
    sa.Column("reason", sa.Text),
    sqlite_with_rowid=False,
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("converted_at", _Instant, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("recorded_at", _Instant, nullable=False),
    sa.Column("amount", sa.Double),
    sqlite_with_rowid=False,
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("feedback_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("decision_id", sa.Text),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("given_at", _Instant, nullable=False),
    sa.Index(None, "lead_id", "given_at"),
)

overrides = sa.Table(
    "overrides",
    metadata,
    sa.Column("override_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("given_at", _Instant, nullable=False),
    sa.Column("expires_at", _Instant),
    # When it ceased to hold, and by whom: a person, another override, or because it expired.
    sa.Column("lifted_at", _Instant),
    sa.Column("lifted_by", sa.Text),
    sa.Index(None, "lead_id", "given_at"),
    # What still holds, to find what has expired: a handful.
    sa.Index("ix_overrides_holding", "expires_at", **_only("lifted_at IS NULL")),
)

merges = sa.Table(
    "merges",
    metadata,
    sa.Column("merge_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    # The lead that ceased to be: whoever asks for it is told of the other.
    sa.Column("merged", sa.Text, nullable=False, unique=True),
    sa.Column("merged_at", _Instant, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("moved", sa.Text, nullable=False),
    sa.Index(None, "lead_id"),
)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("erasure_id", sa.Text, primary_key=True),
    # A digest, keyed by a secret of this installation: it proves, and tells nobody who it was.
    sa.Column("lead_digest", sa.Text, nullable=False),
    sa.Column("erased_at", _Instant, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("removed", sa.Text, nullable=False),
    sa.Index(None, "lead_digest"),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# ------------------------------------------------------------------------------------- what was decided about them

runtimes = sa.Table(
    "runtimes",
    metadata,
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("versions", sa.Text, nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("decision_id", sa.Text, nullable=False, unique=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("scored_at", _Instant, nullable=False),
    sa.Column("as_of", _Instant, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("previous_decision", sa.Text),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
    sa.Column("feature_set", sa.Text, nullable=False),
    sa.Column("input_hash", sa.Text, nullable=False),
    sa.Column("input", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("runtime", sa.Text, sa.ForeignKey("runtimes.fingerprint", name="fk_decisions_runtime"), nullable=False),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("request_hash", sa.Text),
    # What it was made from: null a request's body, otherwise `store`; and, where chance had a part, with which probability.
    sa.Column("origin", sa.Text),
    sa.Column("propensity", sa.Double),
    # Of one that takes a lead back from sales, the rule that says so: it has to be known when the answer is long pruned.
    sa.Column("taken_back", sa.Text),
    sa.Column("erased_at", _Instant),
    # The decision rides in the index, so that the latest one of a lead is read without touching its wide row.
    sa.Index(None, "lead_id", "sequence", "decision"),
    # Entries into a queue are counted by week: what only stayed where it was is not in this index.
    sa.Index(
        "ix_decisions_entered",
        "decision",
        "scored_at",
        # For the funnel, which counts leads: they are read from the index alone.
        "lead_id",
        **_only("previous_decision IS NULL OR previous_decision <> decision"),
    ),
    # Likewise what moved a lead, of however many decisions on it.
    sa.Index(
        "ix_decisions_moved",
        "lead_id",
        **_only("previous_decision IS NULL OR previous_decision <> decision"),
    ),
    # Only what has a key is in this index: most decisions have none, and a page saved is a page not written.
    sa.Index(
        None,
        "idempotency_key",
        unique=True,
        **_only("idempotency_key IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    sa.Column("request_hash", sa.Text, nullable=False),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("kept_at", _Instant, nullable=False),
    sa.Index(None, "lead_id"),
    sa.Index(None, "kept_at"),
)

standings = sa.Table(
    "standings",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("decision", sa.Text, nullable=False),
    # Since when it stands so, and the ledger's entry that says why.
    sa.Column("since", _Instant, nullable=False),
    sa.Column("decision_id", sa.Text, nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("probability_low", sa.Double, nullable=False),
    sa.Column("probability_high", sa.Double, nullable=False),
    sa.Column("score", sa.Double),
    sa.Column("grade", sa.Text),
    sa.Column("expected_value", sa.Double),
    sa.Column("as_of", _Instant, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
    # The whole of it as JSON, for a page of the queue: reasons, evidence, notes.
    sa.Column("answer", sa.Text, nullable=False),
    # Where it is on its way to a customer and since when, whose it is, and how its hand-over stands: worked out anew from what
    # happened (`models/lifecycle.py`) whenever the lead is looked at, and kept here only to be searched.
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_since", _Instant),
    sa.Column("owner", sa.Text),
    sa.Column("handed_at", _Instant),
    sa.Column("due_at", _Instant),
    sa.Column("touched_at", _Instant),
    # When it is to be looked at again though nothing happens.
    sa.Column("wakes_at", _Instant),
    sa.Index(None, "decision", "probability", "lead_id"),
    sa.Index(None, "probability", "lead_id"),
    sa.Index(None, "as_of"),
    sa.Index(None, "state", "probability", "lead_id"),
    # A sales rep's own queue.
    sa.Index(
        "ix_standings_owned",
        "owner",
        "probability",
        "lead_id",
        **_only("owner IS NOT NULL"),
    ),
    sa.Index(None, "handed_at", **_only("handed_at IS NOT NULL")),
    # Hand-overs of which nobody has taken care: a handful, of which some are late.
    sa.Index("ix_standings_untouched", "due_at", **_only("touched_at IS NULL")),
    sa.Index("ix_standings_resting", "wakes_at", **_only("wakes_at IS NOT NULL")),
)

stale = sa.Table(
    "stale",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("since", _Instant, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Column("claimed_until", _Instant),
    sa.Index(None, "since"),
)

# ------------------------------------------------------------------------------------- work, and who is told of it

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("started_at", _Instant),
    sa.Column("finished_at", _Instant),
    sa.Column("total", sa.BigInteger),
    sa.Column("done", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    # How many leads failed for which reason, as JSON.
    sa.Column("reasons", sa.Text, nullable=False),
    # How far the job has been cut into chunks; `total` is null until it has been wholly, and who cuts it holds the lease.
    sa.Column("checkpoint", sa.Text),
    sa.Column("leased_by", sa.Text),
    sa.Column("lease_until", _Instant),
    sa.Column("cancel_asked", sa.Integer, nullable=False),
    sa.Index(None, "state", "created_at"),
)

job_chunks = sa.Table(
    "job_chunks",
    metadata,
    # What is left to do: a chunk that is done is deleted in the transaction that counts it.
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("leads", sa.Text, nullable=False),
    sa.Column("leased_by", sa.Text),
    sa.Column("lease_until", _Instant),
    sa.Column("attempts", sa.Integer, nullable=False),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker_id", sa.Text, primary_key=True),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("started_at", _Instant, nullable=False),
    sa.Column("seen_at", _Instant, nullable=False),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    # Days since 1970 in UTC: of each day the last report stays.
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("made_at", _Instant, nullable=False),
    # How long it took, which says how often it is made.
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

announcements = sa.Table(
    "announcements",
    metadata,
    # Decisions that endpoints are to hear of: entered with the ledger's row, taken away with the outbox's.
    sa.Column("decision_id", sa.Text, primary_key=True),
)

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("endpoint_id", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("filters", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("disabled_at", _Instant),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("endpoint_id", sa.Text, nullable=False),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("due_at", _Instant, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("leased_until", _Instant),
    sa.Column("delivered_at", _Instant),
    sa.Column("last_error", sa.Text),
    sa.Index(None, "endpoint_id", "state", "due_at"),
    sa.Index(None, "endpoint_id", "lead_id", "sequence"),
    sqlite_autoincrement=True,
)

hooks = sa.Table(
    "hooks",
    metadata,
    sa.Column("hook_id", sa.Text, primary_key=True),
    sa.Column("secret_sha256", sa.Text, nullable=False, unique=True),
    sa.Column("mapping", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("created_at", _Instant, nullable=False),
    sa.Column("revoked_at", _Instant),
)

inbox = sa.Table(
    "inbox",
    metadata,
    # SHA-256 of hook, body and stretch of time: what is sent twice is taken once.
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("hook_id", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("received_at", _Instant, nullable=False),
    # When it is looked at next; null when nobody will by himself: it is taken, or it could not be understood.
    sa.Column("due_at", _Instant),
    sa.Column("taken_at", _Instant),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
    sa.Index(None, "due_at"),
    sa.Index(None, "hook_id", "received_at"),
)
