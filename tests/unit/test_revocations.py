"""The revocation log: what one process appends, another one reads before it hands a message over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from automation.revocations import RevocationLog, RevocationReader, address_key, customer_key, everything_key

ANA, BEN = customer_key("ana"), customer_key("ben")


@pytest.fixture
def log(tmp_path: Path) -> RevocationLog:
    return RevocationLog(tmp_path / "revocations.log")


@pytest.fixture
def reader(log: RevocationLog) -> Iterator[RevocationReader]:
    opened = log.reader()
    yield opened
    opened.close()


def test_what_is_appended_after_the_grant_takes_it_back(log: RevocationLog, reader: RevocationReader) -> None:
    since = log.end()
    assert not reader.has_news(since)
    log.append([ANA])
    assert reader.has_news(since)
    assert reader.revokes([ANA], since)
    assert not reader.revokes([BEN, address_key("ana")], since)


def test_a_later_grant_was_decided_with_it(log: RevocationLog, reader: RevocationReader) -> None:
    log.append([ANA])
    since = log.end()
    assert not reader.revokes([ANA], since)
    log.append([BEN])
    assert not reader.revokes([ANA], since)
    log.append([ANA])
    assert reader.revokes([ANA], since)


def test_one_line_may_be_about_everybody(log: RevocationLog, reader: RevocationReader) -> None:
    since = log.end()
    log.append([everything_key()])
    assert reader.revokes([BEN], since)
    assert not reader.revokes([BEN], log.end())


def test_very_many_keys_are_one_line(log: RevocationLog, reader: RevocationReader) -> None:
    since = log.end()
    log.append([customer_key(str(n)) for n in range(5_000)])
    assert log.end() < 100
    assert reader.revokes([ANA], since)


def test_no_address_is_in_the_file(log: RevocationLog) -> None:
    log.append([address_key("ana@shop.example"), ANA])
    assert log.path is not None
    assert b"ana" not in log.path.read_bytes()
    assert log.path.stat().st_mode & 0o077 == 0


def test_a_line_that_was_cut_short_is_about_everybody(log: RevocationLog, reader: RevocationReader) -> None:
    """The disk was full in the middle of it; the next line begins within it."""
    since = log.end()
    assert log.path is not None
    with log.path.open("ab") as file:
        file.write(b"0123")
    assert not reader.revokes([ANA], since)
    log.append([BEN])
    assert reader.revokes([ANA], since)


def test_under_the_next_committer_everything_goes_back(log: RevocationLog, reader: RevocationReader) -> None:
    log.append([BEN])
    since = log.end()
    assert not reader.revokes([ANA], since)
    log.clear()
    assert reader.revokes([ANA], since)
    with_the_new_one = log.reader()
    assert not with_the_new_one.revokes([ANA], log.end())
    with_the_new_one.close()


def test_old_lines_are_remembered_together(
    log: RevocationLog, reader: RevocationReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reader no longer knows one by one was about somebody: a grant from before it goes back."""
    monkeypatch.setattr("automation.revocations._KEPT", 10)
    since = log.end()
    ends = []
    for number in range(20):
        log.append([customer_key(str(number))])
        ends.append(log.end())
        reader.has_news(since)
    assert reader.revokes([ANA], since)
    assert not reader.revokes([ANA], ends[-2])
    assert reader.revokes([customer_key("19")], ends[-2])


def test_without_a_file_nothing_is_taken_back() -> None:
    log = RevocationLog(None)
    log.append([ANA])
    assert (log.end(), log.reader().has_news(0)) == (0, False)


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    log = RevocationLog(tmp_path / "no folder" / "revocations.log")
    with pytest.raises(OSError, match="No such file"):
        log.append([ANA])
    assert list(tmp_path.iterdir()) == []
