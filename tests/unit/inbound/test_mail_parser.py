"""Mail is read in a process of its own: one that hangs it or fills its memory is refused, and the next one is read."""

from __future__ import annotations

import os
import signal
import time

import pytest

from automation.inbound.mail_parser import MailParser
from automation.inbound.returned_mail import ReturnedMail

TOKEN = f"{'0' * 32}.{'f' * 32}"
REQUEST = f"Subject: unsubscribe {TOKEN}\n\n".encode()
FOUND = ReturnedMail("unsubscribed", tokens=(TOKEN,))
# A part's own header with two million parameters: the standard library copies the rest of it for each.
HANGS = (
    b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: multipart/mixed"
    + b";" * 1_900_000
    + b"\n\nx\n--b--\n"
)


def test_a_mail_that_hangs_its_reader_is_refused_and_the_next_is_read() -> None:
    with MailParser(time=0.3) as parser:
        assert parser.parse(REQUEST) == FOUND
        started = time.monotonic()
        with pytest.raises(ValueError, match=r"it can't be read within 0\.3 seconds and 512 MB"):
            parser.parse(HANGS)
        assert time.monotonic() - started < 3
        assert parser.parse(REQUEST) == FOUND


def test_a_reader_that_dies_is_replaced() -> None:
    with MailParser() as parser:
        assert parser.parse(b"Subject: Hello\n\n") is None
        assert parser._process is not None
        os.kill(parser._process.pid, signal.SIGKILL)
        with pytest.raises(ValueError, match="it can't be read within"):
            parser.parse(REQUEST)
        assert parser.parse(REQUEST) == FOUND


def test_what_a_mail_is_refused_for_is_told() -> None:
    with MailParser() as parser, pytest.raises(ValueError, match="it can't be read: ValueError"):
        parser.parse(b"Content-Type: multipart/report; boundary=b\n\n" + b"--b\n\nx\n" * 300 + b"--b--\n")


def test_no_process_outlives_the_parser() -> None:
    with MailParser() as parser:
        parser.parse(REQUEST)
        process = parser._process
    assert process is not None
    assert process.returncode == -signal.SIGKILL
