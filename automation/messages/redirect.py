"""Test messages: under `redirect_all` nothing reaches a customer, and a test changes nobody's consent.

A run that is planned under `redirect_all` marks its messages. They only ever go to that address, also if it is taken
out of config.yaml again; and what was promised to customers before waits until it is.
"""

from __future__ import annotations

import json
from dataclasses import replace

from automation.errors import AutomationError
from automation.ids import content_hash
from automation.messages.batch_content import BatchContent
from automation.messages.compose import MessageDefaults, compose
from automation.messages.render import Renderer
from automation.types.campaign import Campaign
from automation.types.grant import Grant
from automation.types.message import Rendered

MARK = "test"
"""The key in a message's context that marks it as planned under `redirect_all`."""
CUSTOMER, COPY = "X-Test-Customer", "X-Seed-Of"


class WaitsForRedirect(AutomationError):
    """The message was planned for a customer before `redirect_all` was set: it is sent once that is removed."""


def compose_for_recipient(
    grant: Grant, campaign: Campaign, renderer: Renderer, head: MessageDefaults, content: BatchContent
) -> Rendered:
    """`compose`, or the test message under `redirect_all`. Raises `WaitsForRedirect` or another `AutomationError`."""
    marked = is_test(grant)
    if not marked and head.redirect_to is None:
        return compose(grant, campaign, renderer, head, content)
    if not marked:
        raise WaitsForRedirect("redirect_all is set, and this message was planned for a customer before")
    if head.redirect_to is None:
        raise AutomationError("it was planned under redirect_all, which is no longer set")
    if head.kinds[grant.channel] != "email":
        raise AutomationError("redirect_all is an e-mail address, and this message is for another kind of channel")
    made = compose(grant._replace(id=make_unknown_id(grant.id)), campaign, renderer, head, content)
    return replace(
        made,
        id=grant.id,
        to=head.redirect_to,
        subject=f"[Test for {grant.customer_id}] {made.subject}",
        headers={**made.headers, CUSTOMER: _printable(grant.customer_id)},
    )


def is_test(grant: Grant) -> bool:
    """Whether it was planned under `redirect_all`."""
    return f'"{MARK}":true' in grant.context and bool(json.loads(grant.context).get(MARK))


def make_unknown_id(message: str) -> str:
    """An id that no message has, so that links of a copy change nothing for the customer whose message it copies."""
    return content_hash("trial", message)[:32]


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isascii() and letter.isprintable())
