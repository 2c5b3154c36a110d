"""The catalogue of event types: every type that the core writes or reads, who writes it, and its attributes.

A shop may send events of any other type; rules, goals and triggers use those by their name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

AttributeType = Literal["text", "number", "boolean"]
Group = Literal["shop", "consent", "response", "delivery"]

VIEW = "view"
SEARCH = "search"
ADD_TO_CART = "add_to_cart"
PURCHASE = "purchase"
RETURN = "return"
RATING = "rating"

CONSENT_GIVEN = "consent_given"
UNSUBSCRIBE = "unsubscribe"

EMAIL_OPEN = "email_open"
EMAIL_CLICK = "email_click"
CLICK = "click"
MACHINE_OPEN = "machine_open"
MACHINE_CLICK = "machine_click"

EMAIL_SENT = "email_sent"
EMAIL_DELIVERED = "email_delivered"
EMAIL_DELAYED = "email_delayed"
EMAIL_BOUNCE = "email_bounce"
EMAIL_COMPLAINT = "email_complaint"
SMS_DELIVERED = "sms_delivered"
SMS_FAILED = "sms_failed"
PUSH_FAILED = "push_failed"


@dataclass(frozen=True)
class Attribute:
    """A fact that events of a type carry. `type` is the type of its column in the warehouse."""

    type: AttributeType
    meaning: str


@dataclass(frozen=True)
class EventType:
    """One type of event.

    columns: which of the optional columns of the events table it fills (product_id, order_id, quantity, amount,
    currency, message_id). attributes: its further facts, each a column of the events table too.
    """

    name: str
    group: Group
    meaning: str
    written_by: str
    read_by: str
    columns: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: MappingProxyType({}))


_MESSAGE: Mapping[str, Attribute] = {
    "campaign": Attribute("text", "the campaign of the message"),
    "channel": Attribute("text", "the channel of the message, as config.yaml names it"),
}
_CLIENT: Mapping[str, Attribute] = {
    "client": Attribute("text", "the kind of program that asked, such as `browser` or `scanner`"),
    "why": Attribute("text", "why it counts as a bot, such as `prefetch`; absent for a person"),
}
_SOURCE: Mapping[str, Attribute] = {
    "source": Attribute("text", "the provider or system that reported it"),
    "status": Attribute("text", "the provider's own code, such as `5.1.1`"),
}
_REPORT: Mapping[str, Attribute] = {
    **_MESSAGE,
    **_SOURCE,
    "kind": Attribute("text", "what happened: `delivered`, `delayed`, `refused`, `dead_address` or `complaint`"),
}
_CONSENT: Mapping[str, Attribute] = {
    **_MESSAGE,
    **_SOURCE,
    "topic": Attribute("text", "the topic of config.yaml; without it the event changes no consent"),
    "method": Attribute("text", "how the person said so, such as `one click` or `double opt-in`"),
    "address": Attribute("text", "the address that the consent is for; needed where the topic has double opt-in"),
    "text_version": Attribute("text", "the version of the wording that the person saw"),
}
_CLICK: Mapping[str, Attribute] = {
    **_MESSAGE,
    **_SOURCE,
    **_CLIENT,
    "link": Attribute("number", "the number of the link in the message, from 0"),
}
_REDUCED: Mapping[str, Attribute] = {
    "discount": Attribute("number", "the share of the price that was taken off, from 0 to 1"),
    "coupon": Attribute("text", "the codes of discounts that the order used"),
}
_SHOP = "the shop: `POST /events`, `automation import events`"
_LINKS = "the tracking links; provider webhooks"
_PROVIDERS = "provider webhooks"

EVENT_TYPES: tuple[EventType, ...] = (
    EventType(
        VIEW, "shop", "a customer looked at a product", _SHOP,
        "recommenders and models, as interest", ("product_id",),
    ),
    EventType(SEARCH, "shop", "a customer searched the shop", _SHOP, "`churn`, as a visit"),
    EventType(
        ADD_TO_CART, "shop", "a customer put a product into the cart", f"{_SHOP}; Shopify's checkout webhook",
        "recommenders and models, as interest", ("product_id", "quantity", "amount", "currency"),
    ),
    EventType(
        PURCHASE, "shop", "one line of an order: a product that was bought",
        f"{_SHOP}; the order webhooks of Shopify and WooCommerce",
        "profiles, recommenders, models, the preflight check, and as the default goal of a campaign",
        ("product_id", "order_id", "quantity", "amount", "currency"), _REDUCED,
    ),
    EventType(
        RETURN, "shop", "one line of an order that came back",
        f"{_SHOP}; the order webhooks of Shopify and WooCommerce",
        "`churn`", ("product_id", "order_id", "quantity", "amount", "currency"), _REDUCED,
    ),
    EventType(
        RATING, "shop", "a customer rated a product; `amount` is the rating", _SHOP, "recommenders",
        ("product_id", "amount"),
    ),
    EventType(
        CONSENT_GIVEN, "consent", "a customer agreed to a topic on a channel",
        f"{_SHOP}; the preference centre and the confirmation page",
        "the consent records (from `POST /events`)", ("message_id",), _CONSENT,
    ),
    EventType(
        UNSUBSCRIBE, "consent", "a customer refused a topic on a channel",
        f"{_SHOP}; the unsubscribe link, the preference centre, the mailbox, provider webhooks, channels",
        "the consent records (from `POST /events`), reports", ("message_id",), {**_CONSENT, **_CLIENT},
    ),
    EventType(
        EMAIL_OPEN, "response", "a person opened an e-mail", _LINKS, "profiles, reports, the rule `message`",
        ("message_id",), {**_MESSAGE, **_SOURCE, **_CLIENT},
    ),
    EventType(
        EMAIL_CLICK, "response", "a person followed a link of a message", _LINKS,
        "profiles, reports, the rule `message`", ("message_id", "product_id"),
        _CLICK,
    ),
    EventType(
        CLICK, "response", "a person followed a link of another message than an e-mail", "imports",
        "profiles, the rule `message`", ("message_id", "product_id"), _MESSAGE,
    ),
    EventType(
        MACHINE_OPEN, "response", "a bot fetched the open pixel: a scanner, a prefetch, a privacy proxy", _LINKS,
        "reports, as a count of their own; no rule and no model", ("message_id",),
        {**_MESSAGE, **_SOURCE, **_CLIENT},
    ),
    EventType(
        MACHINE_CLICK, "response", "a bot followed a link", _LINKS,
        "reports, as a count of their own; no rule and no model", ("message_id", "product_id"),
        _CLICK,
    ),
    EventType(
        EMAIL_SENT, "delivery", "the previous tool sent an e-mail; our own sends are in the ledger", "imports",
        "profiles", ("message_id",), _MESSAGE,
    ),
    EventType(
        EMAIL_DELIVERED, "delivery", "the receiving server took an e-mail", _PROVIDERS, "nothing yet", ("message_id",),
        _REPORT,
    ),
    EventType(
        EMAIL_DELAYED, "delivery", "an e-mail has not arrived yet, or a failure that says nothing final",
        f"the mailbox; {_PROVIDERS}", "nothing yet", ("message_id",), _REPORT,
    ),
    EventType(
        EMAIL_BOUNCE, "delivery", "an e-mail was refused for good",
        f"the mailbox; {_PROVIDERS}; the SMTP answer that calls an address dead", "automatic pauses, reports",
        ("message_id",), _REPORT,
    ),
    EventType(
        EMAIL_COMPLAINT, "delivery", "the recipient called an e-mail spam", f"the mailbox; {_PROVIDERS}",
        "automatic pauses, reports", ("message_id",), _REPORT,
    ),
    EventType(SMS_DELIVERED, "delivery", "an SMS arrived", _PROVIDERS, "nothing yet", ("message_id",), _REPORT),
    EventType(
        SMS_FAILED, "delivery", "an SMS was refused for good", f"{_PROVIDERS}; the answer that calls a number dead",
        "automatic pauses", ("message_id",), _REPORT,
    ),
    EventType(
        PUSH_FAILED, "delivery", "the app or browser is gone", "the push service's answer", "nothing yet",
        ("message_id",), _REPORT,
    ),
)  # fmt: skip
"""In the order in which the reference shows them."""

BY_NAME: Mapping[str, EventType] = MappingProxyType({one.name: one for one in EVENT_TYPES})
