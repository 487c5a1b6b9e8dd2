"""Alembic's entry: runs the revisions on the connection that `upgrade` hands over."""

from __future__ import annotations

from alembic import context

from data.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
with context.begin_transaction():
    context.run_migrations()
