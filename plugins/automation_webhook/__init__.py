"""Messages as signed webhooks (`webhook`), and the template filter `json` for templates that produce JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automation.contracts import Channel
from automation.hookspecs import hookimpl
from automation_webhook.filters import to_json
from automation_webhook.webhook import WebhookChannel


@hookimpl
def register_channels(register: Callable[[str, type[Channel]], None]) -> None:
    register("webhook", WebhookChannel)


@hookimpl
def register_template_filters(register: Callable[[str, Callable[..., Any]], None]) -> None:
    register("json", to_json)
