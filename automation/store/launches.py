"""What was launched, pinned by content hash."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.ids import content_hash
from automation.store import pauses
from automation.store.statements import Connection, execute, insert_statement, read_value

DOUBLE_OPT_IN = "double opt-in"
"""Who launches the campaigns that have no file: those that ask to confirm a consent."""


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
    execute(
        connection,
        "UPDATE launch SET ended_at = ? WHERE campaign = ? AND ended_at IS NULL",
        to_millis(now),
        campaign,
    )
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
    return int(read_value(connection, insert_statement("launch", row) + " RETURNING id", *row.values()))


def current_launches(connection: Connection) -> dict[str, Launched]:
    """Every campaign that is launched now, by name."""
    found = map(_launched, execute(connection, _SELECT + " WHERE ended_at IS NULL"))
    return {launch.campaign: launch for launch in found}


def read_launch(connection: Connection, launch_id: int) -> Launched:
    row = execute(connection, _SELECT + " WHERE id = ?", launch_id).fetchone()
    if row is None:
        raise StoreError(f"launch {launch_id} is not in the store")
    return _launched(row)


def keep_content(connection: Connection, body: bytes) -> str:
    """Keep a file's content; returns its SHA-256."""
    digest = content_hash(body)
    execute(connection, "INSERT INTO content (sha256, body) VALUES (?, ?) ON CONFLICT DO NOTHING", digest, body)
    return digest


def read_content(connection: Connection, sha256: str) -> bytes:
    """A kept file. Raises `StoreError` if it is missing or was changed."""
    body: bytes | None = read_value(connection, "SELECT body FROM content WHERE sha256 = ?", sha256)
    if body is None or content_hash(body) != sha256:
        raise StoreError(f"the pinned file {sha256[:12]} is missing from the store or damaged")
    return body


_COLUMNS = "id, campaign, launched_at, launched_by, approved_by, campaign_sha256, templates, plugins, audience"
_SELECT = f"SELECT {_COLUMNS} FROM launch"


def _launched(row: Sequence[Any]) -> Launched:
    number, campaign, at, by, approved_by, sha256, templates, plugins, audience = row
    return Launched(
        id=number,
        campaign=campaign,
        launched_at=from_millis(at),
        launched_by=by,
        approved_by=approved_by,
        campaign_sha256=sha256,
        templates=json.loads(templates),
        plugins=json.loads(plugins),
        audience=audience,
    )
