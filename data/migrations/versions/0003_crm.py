"""What a CRM sends, where leads stand, jobs, webhooks both ways, and the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activities",
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("activity_id", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("content", sa.Text),
        sa.Column("campaign", sa.Text),
        sa.Column("duration_seconds", sa.Double),
        sa.Column("value", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.Column("automated", sa.Integer),
        sa.PrimaryKeyConstraint("lead_id", "activity_id", name="pk_activities"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "announcements",
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_announcements"),
    )
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "endpoints",
        sa.Column("endpoint_id", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("filters", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("endpoint_id", name="pk_endpoints"),
    )
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.Text, nullable=False),
        sa.Column("lead_digest", sa.Text, nullable=False),
        sa.Column("erased_at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("removed", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_lead_digest", "erasures", ["lead_digest"])
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("decision_id", sa.Text),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("given_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("feedback_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_lead_id_given_at", "feedback", ["lead_id", "given_at"])
    op.create_table(
        "hooks",
        sa.Column("hook_id", sa.Text, nullable=False),
        sa.Column("secret_sha256", sa.Text, nullable=False),
        sa.Column("mapping", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("hook_id", name="pk_hooks"),
        sa.UniqueConstraint("secret_sha256", name="uq_hooks_secret_sha256"),
    )
    op.create_table(
        "inbox",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("hook_id", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("taken_at", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("digest", name="pk_inbox"),
    )
    op.create_index("ix_inbox_due_at", "inbox", ["due_at"])
    op.create_index("ix_inbox_hook_id_received_at", "inbox", ["hook_id", "received_at"])
    op.create_table(
        "job_chunks",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("leads", sa.Text, nullable=False),
        sa.Column("leased_by", sa.Text),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_chunks"),
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("total", sa.BigInteger),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("checkpoint", sa.Text),
        sa.Column("leased_by", sa.Text),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("cancel_asked", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_state_created_at", "jobs", ["state", "created_at"])
    op.create_table(
        "lead_changes",
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", "field", "changed_at", name="pk_lead_changes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "leads",
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("account", sa.Text),
        sa.Column("created_at", sa.BigInteger),
        sa.Column("changed_at", sa.BigInteger),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name="pk_leads"),
    )
    op.create_index("ix_leads_account", "leads", ["account"])
    op.create_table(
        "merges",
        sa.Column("merge_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("merged", sa.Text, nullable=False),
        sa.Column("merged_at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("moved", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("merge_id", name="pk_merges"),
        sa.UniqueConstraint("merged", name="uq_merges_merged"),
    )
    op.create_index("ix_merges_lead_id", "merges", ["lead_id"])
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("endpoint_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("leased_until", sa.BigInteger),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.PrimaryKeyConstraint("sequence", name="pk_outbox"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_endpoint_id_state_due_at", "outbox", ["endpoint_id", "state", "due_at"])
    op.create_index("ix_outbox_endpoint_id_lead_id_sequence", "outbox", ["endpoint_id", "lead_id", "sequence"])
    op.create_table(
        "outcomes",
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("converted_at", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.Double),
        sa.PrimaryKeyConstraint("lead_id", "converted_at", "kind", name="pk_outcomes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "overrides",
        sa.Column("override_id", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("given_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("lifted_at", sa.BigInteger),
        sa.Column("lifted_by", sa.Text),
        sa.PrimaryKeyConstraint("override_id", name="pk_overrides"),
    )
    op.create_index("ix_overrides_lead_id_given_at", "overrides", ["lead_id", "given_at"])
    holding = sa.text("lifted_at IS NULL")
    op.create_index("ix_overrides_holding", "overrides", ["expires_at"], sqlite_where=holding, postgresql_where=holding)
    op.create_table(
        "promotions",
        sa.Column("promotion_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("requested_at", sa.BigInteger, nullable=False),
        sa.Column("begun_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("message", sa.Text),
        sa.PrimaryKeyConstraint("promotion_id", name="pk_promotions"),
    )
    op.create_index("ix_promotions_state_requested_at", "promotions", ["state", "requested_at"])
    op.create_table(
        "replies",
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("request_hash", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("idempotency_key", name="pk_replies"),
    )
    op.create_index("ix_replies_lead_id", "replies", ["lead_id"])
    op.create_index("ix_replies_kept_at", "replies", ["kept_at"])
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )
    op.create_table(
        "reports",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("day", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", "day", name="pk_reports"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stage_changes",
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("entered_at", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("amount", sa.Double),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("lead_id", "entered_at", "stage", name="pk_stage_changes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stale",
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("claimed_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("lead_id", name="pk_stale"),
    )
    op.create_index("ix_stale_since", "stale", ["since"])
    op.create_table(
        "standings",
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("probability_low", sa.Double, nullable=False),
        sa.Column("probability_high", sa.Double, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("grade", sa.Text),
        sa.Column("expected_value", sa.Double),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("policy_version", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("state_since", sa.BigInteger),
        sa.Column("owner", sa.Text),
        sa.Column("handed_at", sa.BigInteger),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("touched_at", sa.BigInteger),
        sa.Column("wakes_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("lead_id", name="pk_standings"),
    )
    for name, column, where in (
        ("ix_standings_handed_at", "handed_at", sa.text("handed_at IS NOT NULL")),
        ("ix_standings_untouched", "due_at", sa.text("touched_at IS NULL")),
        ("ix_standings_resting", "wakes_at", sa.text("wakes_at IS NOT NULL")),
    ):
        op.create_index(name, "standings", [column], sqlite_where=where, postgresql_where=where)
    owned = sa.text("owner IS NOT NULL")
    op.create_index("ix_standings_owned", "standings", ["owner", "probability", "lead_id"], sqlite_where=owned, postgresql_where=owned)
    op.create_index("ix_standings_state_probability_lead_id", "standings", ["state", "probability", "lead_id"])
    op.create_index("ix_standings_as_of", "standings", ["as_of"])
    op.create_index("ix_standings_decision_probability_lead_id", "standings", ["decision", "probability", "lead_id"])
    op.create_index("ix_standings_probability_lead_id", "standings", ["probability", "lead_id"])
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name="pk_workers"),
    )
    op.add_column("api_keys", sa.Column("rate", sa.Integer))
    op.add_column("api_keys", sa.Column("replaces", sa.Text))
    op.add_column("decisions", sa.Column("origin", sa.Text))
    op.add_column("decisions", sa.Column("propensity", sa.Double))
    op.add_column("decisions", sa.Column("taken_back", sa.Text))
    op.add_column("decisions", sa.Column("erased_at", sa.BigInteger))
    entered = sa.text("previous_decision IS NULL OR previous_decision <> decision")
    op.create_index(
        "ix_decisions_entered", "decisions", ["decision", "scored_at", "lead_id"], sqlite_where=entered, postgresql_where=entered
    )
    op.create_index("ix_decisions_moved", "decisions", ["lead_id"], sqlite_where=entered, postgresql_where=entered)
