"""The outline of a project, kept in its data folder, so that `status` need not read the files that it was made from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automation.runner.outline import CampaignOutline, Outline, customers_fingerprint
from automation.store import launches
from automation.types.run import Due, RunKind
from automation.workspace.shop_format import ShopFormat

if TYPE_CHECKING:
    from automation.workspace.opened import OpenedByStatements
    from automation.workspace.workspace import Workspace

FILE = "outline.json"
_VALID = timedelta(days=1)
"""A due time of years ahead may come into sight."""


@dataclass(frozen=True)
class KeptOutline:
    """An outline with the fingerprint of the files that it was made from."""

    outline: Outline
    fingerprint: str
    made_at: datetime

    def is_current(self, opened: OpenedByStatements, fingerprint: str) -> bool:
        """Whether reading the project's files now would give the same outline, but for the due times that passed."""
        now = opened.clock.now()
        if self.fingerprint != fingerprint or not timedelta() <= now - self.made_at < _VALID:
            return False
        if any(one.due and one.due[-1].at <= now for one in self.outline.campaigns):
            return False
        if self.outline.zones is not None and self.outline.zones != customers_fingerprint(opened.data_dir):
            return False
        with opened.store.reading() as connection:
            current = launches.current_launches(connection).values()
        return self.outline.launches == tuple(sorted(launch.id for launch in current))


def keep_outline(workspace: Workspace, outline: Outline, fingerprint: str) -> None:
    """Keep what reading the files gave, where it is whole. fingerprint: of the files, taken before they were read."""
    if not outline.whole:
        return
    kept = KeptOutline(outline, fingerprint, workspace.clock.now())
    part = workspace.data_dir / f"{FILE}.{os.getpid()}.part"
    with suppress(OSError):  # a full disk: the files are read again next time
        part.write_text(json.dumps(_to_json(kept), ensure_ascii=False))
        part.replace(workspace.data_dir / FILE)


def load_outline(data_dir: Path) -> KeptOutline | None:
    """What was kept last; None where nothing was, or nothing that can be read."""
    try:
        return _from_json(json.loads((data_dir / FILE).read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _to_json(kept: KeptOutline) -> dict[str, object]:
    found = kept.outline
    return {
        "fingerprint": kept.fingerprint,
        "launches": found.launches,
        "zones": found.zones,
        "made_at": kept.made_at.isoformat(),
        "shop": vars(found.shop),
        "redirect_all": found.redirect_all,
        "reasons": dict(found.reasons),
        "campaigns": [
            {**vars(one), "due": [[due.kind, due.key, _spell(due.at), _spell(due.local)] for due in one.due]}
            for one in found.campaigns
        ],
    }


def _from_json(found: Mapping[str, Any]) -> KeptOutline:
    outline = Outline(
        campaigns=[_campaign(one) for one in found["campaigns"]],
        shop=ShopFormat(**found["shop"]),
        redirect_all=found["redirect_all"],
        reasons=found["reasons"],
        launches=tuple(found["launches"]),
        zones=found["zones"],
    )
    return KeptOutline(outline, found["fingerprint"], datetime.fromisoformat(found["made_at"]))


def _campaign(found: Mapping[str, Any]) -> CampaignOutline:
    due = tuple(_due(*one) for one in found["due"])
    return CampaignOutline(**{**found, "errors": tuple(found["errors"]), "due": due})


def _due(kind: str, key: str, at: str, local: str | None) -> Due:
    return Due(RunKind(kind), key, datetime.fromisoformat(at), None if local is None else datetime.fromisoformat(local))


def _spell(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
