"""Parses strangers' mail in a process of its own: what hangs it or uses up its memory ends it, and nothing else.

As a program (`python -m automation.inbound.mail_parser`) it is that process: mails come by its standard input, each
after its length in four bytes, and an answer in JSON goes out by a line.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType
from typing import BinaryIO, Self

from automation.clock import monotonic
from automation.inbound.returned_mail import ReturnedMail, check_shape, parse_mail
from automation.types.text import storable

TIME = 2.0
"""Seconds that reading a mail may take; a bounce takes a millisecond."""
_START = 30.0
_MEMORY = 512 * 1024 * 1024
_LONGEST_ANSWER = 64 * 1024


class MailParser:
    """Starts the process with the first mail, and again after one that ended it."""

    def __init__(self, *, time: float = TIME) -> None:
        self._time = time
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def parse(self, data: bytes) -> ReturnedMail | None:
        """What the mail reports; None if it reports nothing. Raises `ValueError`."""
        check_shape(data)
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(len(data).to_bytes(4, "big") + data)
            process.stdin.flush()
            answer = self._answer(process, self._time)
        except OSError:
            answer = b""
        if not answer.endswith(b"\n"):
            self._end()
            raise ValueError(f"it can't be read within {self._time:g} seconds and {_MEMORY // 1024**2} MB of memory")
        return _mail_of(json.loads(answer))

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ.get("PATH", "")}
        command = [sys.executable, "-P", "-m", "automation.inbound.mail_parser"]
        process = subprocess.Popen(  # noqa: S603  # our own module; it ends with its input
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._process = process
        if self._answer(process, _START) != b"ready\n":
            self._end()
            raise OSError("the process that reads mail does not start")
        return process

    @staticmethod
    def _answer(process: subprocess.Popen[bytes], time: float) -> bytes:
        """The next line; what came of it if it is not whole in time."""
        assert process.stdout is not None
        found, until = b"", monotonic() + time
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not found.endswith(b"\n") and len(found) < _LONGEST_ANSWER:
                if not selector.select(max(until - monotonic(), 0)):
                    break
                part = os.read(process.stdout.fileno(), _LONGEST_ANSWER)
                if not part:
                    break
                found += part
        return found

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process:  # closes its pipes and waits for its end
                pass


def _mail_of(answer: Mapping[str, object]) -> ReturnedMail | None:
    if "fault" in answer:
        raise ValueError(str(answer["fault"]))
    mail = answer["mail"]
    if not isinstance(mail, dict):
        return None
    return ReturnedMail(mail["kind"], mail["status"], tuple(mail["tokens"]), tuple(map(storable, mail["recipients"])))


def _answer_of(data: bytes) -> dict[str, object]:
    try:
        mail = parse_mail(data)
    except ValueError as error:
        return {"fault": str(error)}
    return {"mail": None if mail is None else asdict(mail)}


def _serve(mails: BinaryIO, answers: BinaryIO) -> None:
    answers.write(b"ready\n")
    answers.flush()
    while length := mails.read(4):
        answers.write(json.dumps(_answer_of(mails.read(int.from_bytes(length, "big")))).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it ends it
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    _serve(sys.stdin.buffer, sys.stdout.buffer)
