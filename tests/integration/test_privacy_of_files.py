"""What the commands, the daemon and its workers write is for its owner only; a rotated key ends no link at once."""

from __future__ import annotations

import email
import email.policy
import json
import os
import re
import stat
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.daemon import wait_for
from support.project import command, delivered, launched_project
from support.web import KEY, sent, serving

from automation.cli.main import main
from automation.clock import SystemClock
from automation.ids import verify
from automation.inbound.mailbox import read_mailbox
from automation.store.engine import open_store
from automation.store.signing_keys import FILE
from automation.workspace.workspace import open_workspace


def open_files(folder: Path) -> list[str]:
    """The files and folders below that other users may read or write."""
    found = (path for path in folder.rglob("*") if not path.is_symlink())
    return [str(path.relative_to(folder)) for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_a_command_writes_for_its_owner_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = launched_project(tmp_path / "shop", customers=3, launched_at=SystemClock().now() - timedelta(hours=1))
    for path in (root / "var").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    before = os.umask(0)
    try:
        assert main(["--project", str(root), "run", "hello"]) == 0
        assert main(["--project", str(root), "backup", str(tmp_path / "copy.db")]) == 0
        assert main(["init", str(tmp_path / "new")]) == 0
    finally:
        os.umask(before)
    assert (root / "var" / "outbox" / "messages.jsonl").exists()
    assert open_files(root / "var") == []
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    capsys.readouterr()


def checks(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    main(["--project", str(root), "doctor", "--format", "json"])
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_doctor_looks_at_who_may_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = launched_project(tmp_path / "shop", customers=1, launched_at=SystemClock().now())
    found = checks(root, capsys)
    assert (found["data folder"]["state"], found["signing keys"]["state"]) == ("ok", "ok")
    (root / "var").chmod(0o750)
    assert checks(root, capsys)["data folder"]["state"] == "warning"
    (root / "var").chmod(0o701)
    assert checks(root, capsys)["data folder"]["state"] == "error"
    (root / "var").chmod(0o700)
    (root / "var" / FILE).chmod(0o640)
    assert "chmod 600" in checks(root, capsys)["signing keys"]["detail"]
    (root / "var" / FILE).unlink()
    found = checks(root, capsys)
    assert "are missing" in found["signing keys"]["detail"]
    assert found["signing keys"]["state"] == "error"


def test_links_work_after_a_rotation_until_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    workspace = sent(tmp_path / "shop")
    with serving(workspace) as shop:
        old = f"/u/{shop.token('unsubscribe')}"
        assert shop.client.get(old).status_code == 200
        assert main(["--project", str(tmp_path / "shop"), "keys", "rotate", "--old-links", "30d"]) == 0
        assert f"/u/{shop.token('unsubscribe')}" != old
        assert shop.client.get(old).status_code == 200
        assert shop.client.get(f"/u/{shop.token('unsubscribe')}").status_code == 200
        assert shop.client.post(old, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        assert shop.words()["email.promotions"] == 0
        assert main(["--project", str(tmp_path / "shop"), "keys", "rotate", "--old-links", "0d"]) == 0
        shop.move(SystemClock().now() - workspace.clock.now() + timedelta(seconds=1))
        assert shop.client.get(old).status_code == 404
        assert shop.client.get(f"/u/{shop.token('unsubscribe')}").status_code == 200
    capsys.readouterr()


def test_a_message_is_made_again_with_the_links_that_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    workspace = sent(tmp_path / "shop")
    with serving(workspace) as shop:
        workspace.store.key_file.rotate(old_links=timedelta(days=1), now=SystemClock().now())
    with serving(workspace) as later:
        assert [message.html for message in later.messages] == [message.html for message in shop.messages]


def test_mail_about_a_message_counts_after_a_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    workspace = sent(tmp_path / "shop")
    with serving(workspace) as shop:
        token = shop.token("unsubscribe")
    config = tmp_path / "shop" / "config.yaml"
    config.write_text(config.read_text() + "mailbox: {maildir: back}\n")
    (tmp_path / "shop" / "back" / "new").mkdir(parents=True)
    (tmp_path / "shop" / "back" / "new" / "1").write_text(f"Subject: unsubscribe {token}\n\n")
    workspace.store.key_file.rotate(old_links=timedelta(days=400), now=SystemClock().now())
    with open_workspace(tmp_path / "shop") as again:
        assert read_mailbox(again).unsubscribes == 1


@pytest.mark.slow
def test_the_daemon_and_its_workers_write_for_their_owner_and_follow_a_rotation(tmp_path: Path) -> None:
    an_hour_ago = SystemClock().now() - timedelta(hours=1)
    root = launched_project(tmp_path / "shop", customers=2_000, launched_at=an_hour_ago, slow=0.1, workers=2)
    for path in (root / "var").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    daemon = subprocess.Popen(
        command(root, "daemon"), umask=0, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for(lambda: len(delivered(root)) >= 20, daemon)
        store = open_store(root / "var" / "store.db", migrate="if new")
        secret = store.key_file.rotate(old_links=timedelta(0), now=SystemClock().now()).signing
        store.close()
        wait_for(lambda: is_signed(max((root / "var/outbox/new").glob("*"), key=written_at), secret), daemon)
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0
    finally:
        daemon.kill()
        daemon.communicate()
    assert open_files(root / "var") == []
    assert not is_signed(min((root / "var/outbox/new").glob("*"), key=written_at), secret)
    assert "signing keys changed" in (root / "var/logs/daemon.jsonl").read_text()


def written_at(mail: Path) -> int:
    return mail.stat().st_mtime_ns


def is_signed(mail: Path, secret: bytes) -> bool:
    """Whether the key signed the mail's link to unsubscribe by mail."""
    header = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)["List-Unsubscribe"]
    found = re.search(r"unsubscribe%20([0-9a-f.]+)", str(header))
    assert found is not None, header
    return verify(secret, "unsubscribe", found[1]) is not None
