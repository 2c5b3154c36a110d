"""Messages through Apprise: `apprise` to one target, `apprise_phone` to each customer's phone number."""

from __future__ import annotations

from collections.abc import Callable

from automation.contracts import Channel
from automation.hookspecs import hookimpl
from automation_apprise.channel import AppriseChannel, ApprisePhoneChannel


@hookimpl
def register_channels(register: Callable[[str, type[Channel]], None]) -> None:
    register("apprise", AppriseChannel)
    register("apprise_phone", ApprisePhoneChannel)
