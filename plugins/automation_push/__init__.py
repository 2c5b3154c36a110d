"""Push messages to phones and browsers through Firebase (`fcm`), and to browsers directly (`web_push`)."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import Channel
from automation.hookspecs import hookimpl
from automation_push.fcm import FcmChannel
from automation_push.web_push import WebPushChannel


@hookimpl
def register_channels(register: Callable[[str, type[Channel]], None]) -> None:
    register("fcm", FcmChannel)
    register("web_push", WebPushChannel)
