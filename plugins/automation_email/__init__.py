"""E-mail over SMTP (`smtp`), and messages written to files (`file`, `file_sms`, `file_push`)."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import Channel
from automation.hookspecs import hookimpl
from automation_email.file import FileChannel, FilePushChannel, FileSmsChannel
from automation_email.smtp import SmtpChannel


@hookimpl
def register_channels(register: Callable[[str, type[Channel]], None]) -> None:
    register("smtp", SmtpChannel)
    register("file", FileChannel)
    register("file_sms", FileSmsChannel)
    register("file_push", FilePushChannel)
