"""A real Postfix (the Debian package) on a free port of this machine, with its own configuration, queue and mailboxes.

Nothing leaves it: what is not for its own domains has no transport.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
mail_owner = postfix
maillog_file_prefixes = {folder}
maillog_file = {folder}/postfix.log
myhostname = mail.shop.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
default_transport = error:5.4.1 nothing leaves this machine
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{{mailboxes}}}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
recipient_delimiter = +
smtpd_reject_unlisted_recipient = {early}
smtpd_recipient_restrictions = reject_unauth_destination
smtpd_delay_reject = yes
queue_run_delay = 1s
minimal_backoff_time = 1s
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


class ControlError(AssertionError):
    """`postfix start` or `postfix stop` failed; its text is what Postfix said."""


@dataclass(frozen=True)
class Postfix:
    """A running one. `folder/mail/USER/new` is each user's Maildir."""

    port: int
    folder: Path

    def maildir(self, address: str) -> Path:
        """The Maildir of `user@domain`."""
        user, _, domain = address.partition("@")
        return self.folder / "mail" / domain / user

    def wait_for_mail(self, address: str, count: int = 1, seconds: float = 20) -> list[Path]:
        """The files there, once there are `count`. Raises AssertionError with Postfix's log."""
        for _ in range(int(seconds / 0.05)):
            found = sorted((self.maildir(address) / "new").glob("*"))
            if len(found) >= count:
                return found
            time.sleep(0.05)
        raise AssertionError(f"no mail for {address}\n{(self.folder / 'postfix.log').read_text()[-4_000:]}")


def why_not() -> str:
    """Why Postfix can't be started here; "" where it can."""
    if shutil.which("postfix", path=PATH) is None:
        return "the Debian package postfix is not installed"
    return "" if os.geteuid() == 0 else "Postfix starts as root only"


@contextmanager
def postfix(mailboxes: Sequence[str], *, reject_early: bool = False) -> Iterator[Postfix]:
    """A Postfix that has these mailboxes.

    An address of their domains that is none of them is accepted and comes back as a bounce, as mail that is relayed
    does; with `reject_early` it is refused at RCPT.
    """
    running = _started(mailboxes, reject_early=reject_early)
    try:
        yield running
    finally:
        _control(running.folder, "stop")
        shutil.rmtree(running.folder, ignore_errors=True)


def _started(mailboxes: Sequence[str], *, reject_early: bool, tries: int = 3) -> Postfix:
    """Start one in a new folder. Once in hundreds of starts Postfix's own check can't open the queue that it has just
    made, so a start that fails is tried again with another folder."""
    folder = Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)
    try:
        return _start(folder, mailboxes, reject_early=reject_early)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if tries == 1 or not isinstance(error, ControlError):
            raise
    return _started(mailboxes, reject_early=reject_early, tries=tries - 1)


def _start(folder: Path, mailboxes: Sequence[str], *, reject_early: bool) -> Postfix:
    user = pwd.getpwnam("postfix")
    for name in ("etc", "spool", "data", "mail"):
        (folder / name).mkdir()
    for name in ("data", "mail"):
        os.chown(folder / name, user.pw_uid, user.pw_gid)
    running = Postfix(_free_port(), folder)
    maps = ", ".join(f"{{{one} = {running.maildir(one).relative_to(folder / 'mail')}/}}" for one in mailboxes)
    domains = sorted({one.partition("@")[2] for one in mailboxes})
    early = "yes" if reject_early else "no"
    settings = {"domains": " ".join(domains), "mailboxes": maps, "uid": user.pw_uid, "gid": user.pw_gid, "early": early}
    (folder / "etc/main.cf").write_text(MAIN.format(folder=folder, **settings))
    (folder / "etc/master.cf").write_text(MASTER.format(port=running.port))
    _control(folder, "start")
    _wait_until_it_answers(running.port)
    return running


def _control(folder: Path, action: str) -> None:
    done = subprocess.run(
        ["postfix", "-c", str(folder / "etc"), action], check=False, capture_output=True, text=True,
        env={**os.environ, "PATH": PATH},
    )  # fmt: skip
    if done.returncode != 0:
        raise ControlError(f"postfix {action}: {done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_until_it_answers(port: int) -> None:
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
                if one.recv(3) == b"220":
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("Postfix does not answer")
