"""Which files were added to a Delta table since a version, from its log."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote


def find_new_files(table: Path, since: int, until: int) -> list[str] | None:
    """The files that the commits after `since` added; None if a commit changed other data, or is no longer in the log.

    Commits that merge small files change no data and are skipped; the original files are still on disk.
    """
    found: list[str] = []
    for version in range(since + 1, until + 1):
        entry = table / "_delta_log" / f"{version:020}.json"
        if not entry.is_file():
            return None
        for line in entry.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            if action.get("remove", {}).get("dataChange"):
                return None
            if action.get("add", {}).get("dataChange"):
                found.append(str(table / unquote(action["add"]["path"])))
    return found if all(Path(path).is_file() for path in found) else None
