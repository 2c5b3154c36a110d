"""SMS through Twilio (`twilio`), and through any service with an HTTP API (`http_sms`)."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import Channel
from automation.hookspecs import hookimpl
from automation_sms.http_sms import HttpSmsChannel
from automation_sms.twilio import TwilioChannel


@hookimpl
def register_channels(register: Callable[[str, type[Channel]], None]) -> None:
    register("twilio", TwilioChannel)
    register("http_sms", HttpSmsChannel)
