"""The store's secrets: in a file beside the database, so that nobody with a copy of the database can sign a link."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from automation.clock import SystemClock
from automation.errors import StoreError
from automation.store.tables import Fact
from automation.syncing import sync_path

FILE = "signing_keys.json"
OLD_LINKS = timedelta(days=180)
"""How long links that were signed with an old key keep working."""
_FACT = "signing_keys"
_TO_RESTORE = (
    "put your copy of them back, or make new ones, with which all links in messages sent so far end: "
    "automation keys replace"
)
_fact: sa.Table = Fact.__table__  # type: ignore[attr-defined]  # SQLModel adds it to table models


@dataclass(frozen=True)
class SigningKey:
    """A key that signs links. since: from when it was used. until: when its links end; None for the newest key."""

    secret: bytes
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True)
class SigningKeys:
    """ids: draws message ids and coupon codes, and never changes. links: the newest first."""

    ids: bytes
    links: tuple[SigningKey, ...]

    @property
    def signing(self) -> bytes:
        """The key for new links."""
        return self.links[0].secret

    def signing_at(self, instant: datetime) -> bytes:
        """The key that signed the links of a message sent then, as far as it is still kept."""
        return next((key.secret for key in self.links if key.since <= instant), self.links[-1].secret)

    def verifying(self, now: datetime) -> list[bytes]:
        """The keys whose links work now."""
        return [key.secret for key in self.links if key.until is None or now < key.until]

    @property
    def fingerprint(self) -> str:
        """Tells whether the keys belong to a store, without telling them."""
        return hashlib.sha256(b"fingerprint|" + self.ids).hexdigest()[:16]

    def rotate(self, *, old_links: timedelta, now: datetime) -> SigningKeys:
        """With a new key for links; those signed before work for `old_links` more, and not longer than they would."""
        ends = now + old_links
        old = [SigningKey(key.secret, key.since, min(ends, key.until or ends)) for key in self.links]
        kept = [key for key in old if key.until is not None and now < key.until]
        return SigningKeys(self.ids, (SigningKey(secrets.token_bytes(32), now), *kept))


def new_keys(now: datetime) -> SigningKeys:
    return SigningKeys(secrets.token_bytes(32), (SigningKey(secrets.token_bytes(32), now),))


def read_keys(path: Path) -> SigningKeys | None:
    """The keys, or None where there is no such file. Raises `StoreError`."""
    try:
        found = json.loads(path.read_text())
        links = tuple(_key(entry) for entry in found["links"])
        return SigningKeys(_secret(found["ids"]), (links[0], *links[1:]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"the signing keys can't be read: {error.strerror}: {path}") from None
    except (ValueError, KeyError, TypeError, IndexError):
        raise StoreError(f"the signing keys can't be read: {path} is damaged; put your copy of it back") from None


def write_keys(path: Path, keys: SigningKeys, *, replace: bool) -> None:
    """Write the file, readable for its owner only and in one step; without `replace` an existing file stays."""
    entries = [{"key": key.secret.hex(), "since": _spell(key.since), "until": _spell(key.until)} for key in keys.links]
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, json.dumps({"ids": keys.ids.hex(), "links": entries}, indent=1).encode())
        os.fsync(file)
    finally:
        os.close(file)
    try:
        if replace:
            part.replace(path)
        else:
            path.hardlink_to(part)
    except FileExistsError:
        pass
    finally:
        part.unlink(missing_ok=True)
    sync_path(path.parent)


def _key(entry: Mapping[str, Any]) -> SigningKey:
    until = entry["until"]
    return SigningKey(_secret(entry["key"]), _instant(entry["since"]), None if until is None else _instant(until))


def _secret(text: str) -> bytes:
    found = bytes.fromhex(text)
    if len(found) < 16:
        raise ValueError("too short")
    return found


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _spell(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


class KeyFile:
    """The file of one store's keys: made once, checked against the store, and read again whenever it changes."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self._engine = engine
        self._read: tuple[tuple[int, ...], SigningKeys] | None = None

    def keys(self) -> SigningKeys:
        """The keys as they are now; the last ones while the file is missing or damaged. Raises `StoreError`."""
        stamp = self._stamp()
        if self._read is None or (stamp and stamp != self._read[0]):
            try:
                self._read = (stamp or (), self.load())
            except StoreError:
                if self._read is None:
                    raise
        return self._read[1]

    def load(self) -> SigningKeys:
        """Read the file, or make it for a new store. Raises `StoreError` where it is missing or another store's."""
        found, known = read_keys(self.path), self._fingerprint()
        if found is None and known is None:
            write_keys(self.path, new_keys(SystemClock().now()), replace=False)
            found = read_keys(self.path)
        if found is None:
            raise StoreError(f"the signing keys are missing: {self.path}; {_TO_RESTORE}")
        if known is None:
            with self._writing() as connection:
                _keep_fingerprint(connection, found.fingerprint, replace=False)
        elif known != found.fingerprint:
            raise StoreError(f"{self.path} has the signing keys of another store; {_TO_RESTORE}")
        return found

    def rotate(self, *, old_links: timedelta, now: datetime) -> SigningKeys:
        """Sign with a new key from now on. Raises `StoreError`."""
        made = self.load().rotate(old_links=old_links, now=now)
        write_keys(self.path, made, replace=True)
        return made

    def replace(self, now: datetime) -> SigningKeys:
        """Make new keys for a store that lost its own: every link sent before ends."""
        made = new_keys(now)
        with self._writing() as connection:
            _keep_fingerprint(connection, made.fingerprint, replace=True)
        write_keys(self.path, made, replace=True)
        return made

    def _stamp(self) -> tuple[int, ...]:
        """Changes with the file; empty where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def _fingerprint(self) -> str | None:
        with self._engine.connect() as connection, connection.begin():
            return read_fingerprint(connection)

    def _writing(self) -> Any:
        return self._engine.execution_options(immediate=True).begin()


def read_fingerprint(connection: Connection) -> str | None:
    """By what a store knows its keys, and what tells it from every other store; None before it has any."""
    value: str | None = connection.execute(sa.select(_fact.c.value).where(_fact.c.key == _FACT)).scalar()
    return value


def _keep_fingerprint(connection: Connection, fingerprint: str, *, replace: bool) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = dialect.insert(_fact).values(key=_FACT, value=fingerprint)
    stated = {"value": fingerprint}
    connection.execute(
        new.on_conflict_do_update(index_elements=["key"], set_=stated) if replace else new.on_conflict_do_nothing()
    )
