"""Which version a rollback brought back, so that going back again goes further back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("policies", sa.Column("restores", sa.Integer))
