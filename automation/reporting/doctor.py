"""Whether the machine and the project are in order: each check in one line, with what to do about it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from automation.errors import AutomationError, StoreError
from automation.reporting.check import Check
from automation.runner.campaign_status import campaign_statuses
from automation.store import launches, pauses
from automation.store.driver import sqlite
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.models_in_use import describe_old_models
from automation.workspace.opened import Opened, OpenedStore
from automation.workspace.shop_format import shop_format
from automation.workspace.warehouse_damage import warehouse_damage
from automation.workspace.workspace import Workspace

FIXED_SQLITE = (3, 51, 3)
"""Before it, SQLite can lose commits when two connections checkpoint and reset the write-ahead log at once."""
_MIN_DISK = 1_000_000_000
_GROUP, _OTHERS = 0o070, 0o007


@dataclass(frozen=True)
class Diagnosis:
    checks: Sequence[Check]

    @property
    def ok(self) -> bool:
        return all(check.state != "error" for check in self.checks)

    def to_json(self) -> dict[str, object]:
        return {"checks": [vars(check).copy() for check in self.checks], "ok": self.ok}


def diagnose(opened: Opened, *further: Check) -> Diagnosis:
    """All checks in a fixed order; further: checks of things that only the caller can see, such as the daemon."""
    folder = opened.data_dir
    checks = [
        _files(opened),
        *_sqlite(opened),
        *_store(opened),
        _data_folder(folder),
        _signing_keys(opened),
        *_warehouse(opened),
        _disk(folder),
        *_pauses(opened),
        *_gone(opened),
        *_old_models(opened),
        *_bounces(opened),
    ]
    return Diagnosis([*checks, *further])


def _gone(opened: Opened) -> Iterator[Check]:
    """Launched campaigns that nobody can see in the folder any more."""
    if opened.project is None:
        return
    gone = [campaign.name for campaign in campaign_statuses(opened) if campaign.state == "file is gone"]
    if gone:
        detail = (
            f"launched and running on without their files: {', '.join(gone)}; to end one: automation stop {gone[0]}"
        )
        yield Check("campaigns", "warning", detail)


def _old_models(opened: Opened) -> Iterator[Check]:
    """Of what is launched, a check for each model that should be trained again."""
    if not isinstance(opened, Workspace) or not opened.project.settings.models:
        return
    pinned = LaunchedCampaigns(opened.project)
    told: dict[str, str] = {}
    users: dict[str, list[str]] = {}
    with opened.store.reading() as connection:
        for name, launch in sorted(launches.current_launches(connection).items()):
            with suppress(AutomationError):  # one that can't be read is reported elsewhere
                found = describe_old_models(opened, pinned.get(connection, launch.id).campaign)
                told |= found
                for model in found:
                    users.setdefault(model, []).append(name)
    for model, sentence in told.items():
        yield Check("models", "warning", f"{sentence}; {', '.join(users[model])} uses it")


def _bounces(opened: Opened) -> Iterator[Check]:
    """Channels whose bounces come to the mailbox and count for nothing, since they do not name their message."""
    if opened.project is None or opened.project.settings.mailbox is None:
        return
    for name, channel in opened.project.settings.channels.items():
        for provider in filter(None, (channel, channel.otherwise)):
            path = getattr(provider.options, "return_path", "{token}") or ""
            if "{token}" not in path:
                detail = f"bounces of {name} that come by mail do not count: set its return_path to bounces+{{token}}@…"
                yield Check("mailbox", "warning", detail)


def _files(opened: Opened) -> Check:
    if not isinstance(opened, OpenedStore):
        return Check("project", "ok", "config.yaml and the plugins can be used")
    return Check("project", "error", "; ".join(opened.unread) or "its files were not read")


def _sqlite(opened: Opened) -> Iterator[Check]:
    if opened.store.engine.dialect.name != "sqlite":
        return
    if sqlite.sqlite_version_info >= FIXED_SQLITE:
        yield Check("SQLite", "ok", sqlite.sqlite_version)
    else:
        detail = (
            f"{sqlite.sqlite_version} has a bug that can lose commits when the write-ahead log is reset (fixed in "
            "3.51.3). The daemon avoids it, because only it runs checkpoints; use no other tool that writes to store.db"
        )
        yield Check("SQLite", "warning", detail)


def _store(opened: Opened) -> Iterator[Check]:
    with opened.store.reading() as connection:
        if connection.dialect.name != "sqlite":
            return
        found = connection.execute(sa.text("PRAGMA quick_check(1)")).scalar()
    yield Check("store", "ok", "intact") if found == "ok" else Check("store", "error", str(found))


def _data_folder(folder: Path) -> Check:
    if not os.access(folder, os.W_OK):
        return Check("data folder", "error", f"{folder} is not writable")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & _OTHERS:
        what = f"every user of this machine can look into {folder}, which holds addresses; run: chmod go-rwx {folder}"
        return Check("data folder", "error", what)
    if mode & _GROUP:
        what = f"the group {folder.group()} can look into {folder}; unless you want that, run: chmod go-rwx {folder}"
        return Check("data folder", "warning", what)
    return Check("data folder", "ok", f"{folder} is writable, and closed to other users")


def _signing_keys(opened: Opened) -> Check:
    file = opened.store.key_file
    try:
        keys = file.load()
    except StoreError as error:
        return Check("signing keys", "error", str(error))
    if stat.S_IMODE(file.path.stat().st_mode) & (_OTHERS | _GROUP):
        return Check("signing keys", "error", f"other users may read {file.path}; run: chmod 600 {file.path}")
    return Check(
        "signing keys", "ok", f"links are signed with the key of {shop_format(opened).day(keys.links[0].since)}"
    )


def _warehouse(opened: Opened) -> Iterator[Check]:
    found = warehouse_damage(opened)
    for what in found:
        yield Check("warehouse", "error", what)
    if not found:
        yield Check("warehouse", "ok", "its tables are as their logs say")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    return Check("disk", "ok" if free > _MIN_DISK else "error", f"{free / 1e9:,.1f} GB free")


def _pauses(opened: Opened) -> Iterator[Check]:
    with opened.store.reading() as connection:
        paused = pauses.current_pauses(connection)
    for pause in paused:
        yield Check("sending", "warning", str(pause))
    if not paused:
        yield Check("sending", "ok", "nothing is stopped or paused")
