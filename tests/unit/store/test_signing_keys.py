"""The signing keys: outside the database, for their owner only, and replaced without ending what was sent at once."""

from __future__ import annotations

import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.errors import StoreError
from automation.ids import message_id, sign, verify
from automation.store.engine import open_store
from automation.store.signing_keys import FILE, SigningKeys, new_keys, read_keys, write_keys
from automation.store.write_ahead_log import checkpoint

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def verifies(keys: SigningKeys, token: str, at: datetime) -> bool:
    return any(verify(key, "unsubscribe", token) == "m1" for key in keys.verifying(at))


def test_links_of_an_old_key_work_for_a_while_and_ids_stay() -> None:
    first = new_keys(NOW)
    old = sign(first.signing, "unsubscribe", "m1")
    second = first.rotate(old_links=30 * DAY, now=NOW + DAY)
    new = sign(second.signing, "unsubscribe", "m1")
    assert new != old
    assert verifies(second, old, NOW + 30 * DAY)
    assert not verifies(second, old, NOW + 31 * DAY)
    assert verifies(second, new, NOW + 400 * DAY)
    assert not verifies(first, new, NOW)
    made = [message_id(one.ids, "1|c1||send|0", "email", run_id=1, batch_no=0) for one in (first, second)]
    assert made[0] == made[1]


def test_a_second_rotation_makes_no_old_link_live_longer() -> None:
    first = new_keys(NOW)
    second = first.rotate(old_links=10 * DAY, now=NOW)
    third = second.rotate(old_links=100 * DAY, now=NOW + DAY)
    assert third.verifying(NOW + 2 * DAY) == [third.signing, second.signing, first.signing]
    assert third.verifying(NOW + 20 * DAY) == [third.signing, second.signing]
    assert third.verifying(NOW + 101 * DAY) == [third.signing]
    fourth = third.rotate(old_links=timedelta(0), now=NOW + 20 * DAY)  # a key that leaked
    assert [key.secret for key in fourth.links] == [fourth.signing]


def test_a_message_made_again_has_the_key_of_its_time() -> None:
    first = new_keys(NOW)
    second = first.rotate(old_links=10 * DAY, now=NOW + DAY)
    assert second.signing_at(NOW + timedelta(hours=1)) == first.signing
    assert second.signing_at(NOW + DAY) == second.signing
    assert second.signing_at(NOW - DAY) == first.signing


def test_the_file_is_read_as_it_was_written_and_only_by_its_owner(tmp_path: Path) -> None:
    keys = new_keys(NOW).rotate(old_links=DAY, now=NOW)
    write_keys(tmp_path / FILE, keys, replace=False)
    assert read_keys(tmp_path / FILE) == keys
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    write_keys(tmp_path / FILE, new_keys(NOW), replace=False)  # another process was first
    assert read_keys(tmp_path / FILE) == keys
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_copy_of_the_database_has_no_key(tmp_path: Path) -> None:
    store = open_store(tmp_path / "shop" / "store.db")
    secrets = [store.keys.ids, store.keys.signing]
    checkpoint(store)
    store.close()
    database = (tmp_path / "shop" / "store.db").read_bytes()
    assert not [key for key in secrets if key in database or key.hex().encode() in database]
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "shop" / "store.db", tmp_path / "copy")
    with pytest.raises(StoreError, match=r"signing keys are missing: .*put your copy of them back"):
        open_store(tmp_path / "copy" / "store.db")
    assert not (tmp_path / "copy" / FILE).exists()
    shutil.copy(tmp_path / "shop" / FILE, tmp_path / "copy")
    again = open_store(tmp_path / "copy" / "store.db")
    assert [again.keys.ids, again.keys.signing] == secrets
    again.close()


def test_the_keys_of_another_store_are_refused_until_they_are_replaced(tmp_path: Path) -> None:
    for name in ("one", "two"):
        open_store(tmp_path / name / "store.db").close()
    shutil.copy(tmp_path / "one" / FILE, tmp_path / "two" / FILE)
    with pytest.raises(StoreError, match="the signing keys of another store"):
        open_store(tmp_path / "two" / "store.db")
    lazily = open_store(tmp_path / "two" / "store.db", migrate="if new")
    lazily.key_file.replace(NOW)
    lazily.close()
    open_store(tmp_path / "two" / "store.db").close()


def test_an_open_store_follows_a_rotation_by_another_process_and_survives_a_broken_file(tmp_path: Path) -> None:
    ours, theirs = open_store(tmp_path / "store.db"), open_store(tmp_path / "store.db")
    before = ours.keys
    assert ours.keys is before  # read once
    made = theirs.key_file.rotate(old_links=DAY, now=NOW)
    assert ours.keys == made != before
    assert ours.id_secret == before.ids
    (tmp_path / FILE).write_text("{")
    assert ours.keys == made
    (tmp_path / FILE).unlink()
    assert ours.keys == made
    ours.close()
    theirs.close()


@pytest.mark.parametrize("text", ["", "{}", '{"ids": "zz", "links": []}', '{"ids": "00", "links": [1]}', "[]"])
def test_a_damaged_file_is_never_replaced_by_itself(tmp_path: Path, text: str) -> None:
    open_store(tmp_path / "store.db").close()
    (tmp_path / FILE).write_text(text)
    with pytest.raises(StoreError, match="is damaged; put your copy of it back"):
        open_store(tmp_path / "store.db")
    assert (tmp_path / FILE).read_text() == text


def test_the_data_folder_is_closed_to_other_users(tmp_path: Path) -> None:
    open_store(tmp_path / "var" / "store.db").close()
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
