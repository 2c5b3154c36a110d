"""The cards of fitted models, and the version of each that runs use."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import table
from automation.store.tables import ModelVersion

_version = table(ModelVersion)


def add_card(
    connection: Connection, *, name: str, version: str, fitted_at: datetime, admitted: bool, card: str
) -> None:
    """Keep a card; an admitted version becomes the active one, another leaves the active one as it is."""
    if admitted:
        connection.execute(sa.update(_version).where(_version.c.name == name).values(active=False))
    row = {"name": name, "version": version, "fitted_at": to_millis(fitted_at), "card": card}
    connection.execute(sa.insert(_version).values(**row, admitted=admitted, active=admitted))


def active_versions(connection: Connection) -> dict[str, str]:
    """The version that runs use, by model name."""
    rows = connection.execute(sa.select(_version.c.name, _version.c.version).where(_version.c.active))
    return {row.name: row.version for row in rows}


def trained_at(connection: Connection) -> dict[str, datetime]:
    """When the version that runs use was trained, by model name."""
    rows = connection.execute(sa.select(_version.c.name, _version.c.fitted_at).where(_version.c.active))
    return {row.name: from_millis(row.fitted_at) for row in rows}


def list_cards(connection: Connection, name: str | None = None) -> list[str]:
    """Every card as JSON, the newest first."""
    query = sa.select(_version.c.card).order_by(_version.c.fitted_at.desc(), _version.c.version.desc())
    if name is not None:
        query = query.where(_version.c.name == name)
    return list(connection.execute(query).scalars())
