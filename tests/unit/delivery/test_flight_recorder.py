"""What a dead process wrote down is exactly what is concluded about its messages."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automation.delivery import flight_recorder
from automation.delivery.flight_recorder import Recorder
from automation.types.message import Receipt, Rendered, Verdict

AT = datetime(2026, 11, 22, tzinfo=UTC)


def message(identity: str, attempt: int = 1) -> Rendered:
    return Rendered(identity, attempt, "email", "ana@shop.example", AT, "hello")


@pytest.fixture
def written(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "workers" / "7.log")


def test_answered_ambiguous_and_unsent_messages_are_told_apart(written: Recorder) -> None:
    asked = timedelta(seconds=90)
    refused = Receipt("c", 2, Verdict.RETRY, "450 ä later", "x1", asked, "hard_bounce")
    for one in (message("a"), message("b"), message("c", 2)):
        written.handed_over(one)
    written.received(Receipt("a", 1, Verdict.SENT, "250 ok"))
    written.received(refused)
    found = flight_recorder.read(written.path)
    assert found.conclude("a", 1, "email") == Receipt("a", 1, Verdict.SENT, "250 ok")
    assert found.conclude("b", 1, "email").verdict is Verdict.AMBIGUOUS
    assert found.conclude("c", 2, "email") == refused
    assert found.conclude("d", 1, "email").verdict is Verdict.RETURNED


def test_an_earlier_attempt_says_nothing_about_a_later_one(written: Recorder) -> None:
    written.handed_over(message("a"))
    written.received(Receipt("a", 1, Verdict.RETRY, "450"))
    found = flight_recorder.read(written.path)
    assert found.conclude("a", 2, "email").verdict is Verdict.RETURNED
    written.handed_over(message("a", 2))
    assert flight_recorder.read(written.path).conclude("a", 2, "email").verdict is Verdict.AMBIGUOUS


def test_what_was_returned_and_granted_again_may_have_arrived_once_it_is_handed_over(written: Recorder) -> None:
    written.received(Receipt("a", 1, Verdict.RETURNED, "421"))  # not counted: the next grant has the same attempt
    assert flight_recorder.read(written.path).conclude("a", 1, "email").verdict is Verdict.RETURNED
    written.handed_over(message("a"))
    assert flight_recorder.read(written.path).conclude("a", 1, "email").verdict is Verdict.AMBIGUOUS
    written.received(Receipt("a", 1, Verdict.SENT))
    assert flight_recorder.read(written.path).conclude("a", 1, "email").verdict is Verdict.SENT


def test_a_line_that_was_cut_short_is_no_event(written: Recorder) -> None:
    written.handed_over(message("a"))
    written.received(Receipt("a", 1, Verdict.SENT))
    size = written.path.stat().st_size
    os.truncate(written.path, size - 3)
    assert flight_recorder.read(written.path).conclude("a", 1, "email").verdict is Verdict.AMBIGUOUS


def test_nothing_of_a_channel_that_broke_its_contract_is_certain(written: Recorder) -> None:
    written.breach("email")
    found = flight_recorder.read(written.path)
    assert found.conclude("a", 1, "email").verdict is Verdict.AMBIGUOUS
    assert found.conclude("b", 1, "sms").verdict is Verdict.RETURNED


def test_its_process_holds_the_lock_until_it_closes(written: Recorder) -> None:
    assert not flight_recorder.await_lock(written.path, 0.05)
    with pytest.raises(OSError, match="temporarily unavailable"):
        Recorder(written.path)
    written.close()
    assert flight_recorder.await_lock(written.path, 0.05)


def test_nothing_is_handed_over_where_it_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: None)  # the device is everybody's
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        Recorder(full).handed_over(message("a"))
