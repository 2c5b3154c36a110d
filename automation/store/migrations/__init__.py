"""The store's schema through time. `upgrade` brings a database to the newest version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

from automation.errors import StoreError


def upgrade(engine: Engine, *, only_new: bool = False) -> None:
    """Run what is missing, in one transaction. Raises `StoreError` for a store that newer code wrote.

    only_new: leave a store that has a schema as it is.
    """
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == head or (only_new and current is not None):
        return
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(f"the store was written by a newer release (schema {current}); upgrade this installation")
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
