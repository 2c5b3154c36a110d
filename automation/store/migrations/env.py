"""Alembic's entry: the connection comes from `upgrade`, or from a URL on Alembic's own command line."""

from alembic import context
from sqlmodel import SQLModel

from automation.store import tables

assert tables.Message.metadata is SQLModel.metadata
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
context.run_migrations()
