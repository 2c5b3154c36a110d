"""The store's schema through time. `upgrade` brings a database to the newest version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from automation.errors import StoreError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Engine

NEWEST = "0001"
"""The newest version of the schema: a store that has it is opened without Alembic, which takes 0.15 s to load."""


def upgrade(engine: Engine, *, only_new: bool = False) -> None:
    """Run what is missing, in one transaction. Raises `StoreError` for a store that newer code wrote.

    only_new: leave a store that has a schema as it is.
    """
    current = _version_of(engine)
    if current == NEWEST or (only_new and current is not None):
        return
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(f"the store was written by a newer release (schema {current}); upgrade this installation")
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version_of(engine: Engine) -> str | None:
    """The version of a store's schema; None where it has none yet."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        return version


def alembic_config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
