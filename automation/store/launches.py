"""What was launched, pinned by content hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.ids import content_hash
from automation.store import pauses
from automation.store.engine import table
from automation.store.tables import Content, Launch

_launch, _content = table(Launch), table(Content)


@dataclass(frozen=True)
class Launched:
    """A launch: which text, templates (path → SHA-256) and plugin versions it pinned."""

    id: int
    campaign: str
    launched_at: datetime
    launched_by: str
    approved_by: str | None
    campaign_sha256: str
    templates: Mapping[str, str]
    plugins: Mapping[str, str]
    audience: int | None


def launch(
    connection: Connection,
    *,
    campaign: str,
    text: str,
    templates: Mapping[str, bytes],
    plugins: Mapping[str, str],
    by: str,
    approved_by: str | None,
    audience: int | None,
    now: datetime,
    on_ambiguous: str = "hold",
) -> int:
    """Pin a campaign and make it the one that runs; an earlier launch of the same name ends."""
    manifest = {path: keep_content(connection, body) for path, body in templates.items()}
    ended = sa.update(_launch).where(_launch.c.campaign == campaign, _launch.c.ended_at.is_(None))
    connection.execute(ended.values(ended_at=to_millis(now)))
    pauses.resume(connection, [campaign])
    row = {
        "campaign": campaign,
        "launched_at": to_millis(now),
        "launched_by": by,
        "approved_by": approved_by,
        "campaign_sha256": keep_content(connection, text.encode()),
        "templates": json.dumps(manifest, sort_keys=True),
        "plugins": json.dumps(dict(plugins), sort_keys=True),
        "audience": audience,
        "on_ambiguous": on_ambiguous,
    }
    made = connection.execute(sa.insert(_launch).values(row).returning(_launch.c.id)).scalar_one()
    return int(made)


def current_launches(connection: Connection) -> dict[str, Launched]:
    """Every campaign that is launched now, by name."""
    rows = connection.execute(sa.select(_launch).where(_launch.c.ended_at.is_(None)))
    return {row.campaign: _launched(row) for row in rows}


def read_launch(connection: Connection, launch_id: int) -> Launched:
    row = connection.execute(sa.select(_launch).where(_launch.c.id == launch_id)).one_or_none()
    if row is None:
        raise StoreError(f"launch {launch_id} is not in the store")
    return _launched(row)


def keep_content(connection: Connection, body: bytes) -> str:
    """Keep a file's content; returns its SHA-256."""
    digest = content_hash(body)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(_content).values(sha256=digest, body=body).on_conflict_do_nothing())
    return digest


def read_content(connection: Connection, sha256: str) -> bytes:
    """A kept file. Raises `StoreError` if it is missing or was changed."""
    body: bytes | None = connection.execute(sa.select(_content.c.body).where(_content.c.sha256 == sha256)).scalar()
    if body is None or content_hash(body) != sha256:
        raise StoreError(f"the pinned file {sha256[:12]} is missing from the store or damaged")
    return body


def _launched(row: Any) -> Launched:
    return Launched(
        id=row.id,
        campaign=row.campaign,
        launched_at=from_millis(row.launched_at),
        launched_by=row.launched_by,
        approved_by=row.approved_by,
        campaign_sha256=row.campaign_sha256,
        templates=json.loads(row.templates),
        plugins=json.loads(row.plugins),
        audience=row.audience,
    )
