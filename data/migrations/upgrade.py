"""Runs the outstanding Alembic revisions on a store; imported only when there are some.

The revisions stand in `versions/`, run one after another in one transaction, and never call the application's
own table declarations, which will have moved on by the time that they run.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Engine

__all__ = ["configuration", "upgrade"]


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Brings the database to a revision, by default to the newest."""
    config = configuration()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def configuration() -> Config:
    """Alembic's settings, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
