"""`webhooks:` of config.yaml: which services may report events, and how each authenticates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from automation.types.grammar import Grammar
from automation.types.secret import Secret


class ShopHook(Grammar):
    secret: Secret = Field(description="the signing secret of the webhooks, from the environment")


class TwilioHook(Grammar):
    auth_token: Secret = Field(description="the account's auth token, which signs Twilio's calls")
    channel: str = Field(default="sms", description="the channel that a STOP by SMS unsubscribes from")


class SnsHook(Grammar):
    topics: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="the ARNs of the SNS topics that SES publishes to; others are refused"
    )


class SendGridHook(Grammar):
    public_key: str = Field(description="the verification key of the signed event webhook")


class MailgunHook(Grammar):
    signing_key: Secret = Field(description="the HTTP webhook signing key")


class PostmarkHook(Grammar):
    username: str = Field(description="the user name of the webhook's HTTP authentication, since Postmark doesn't sign")
    password: Secret = Field(description="its password, from the environment")


class Webhooks(Grammar):
    shopify: ShopHook | None = Field(default=None, description="orders, checkouts, products and customers from Shopify")
    woocommerce: ShopHook | None = Field(default=None, description="orders, products and customers from WooCommerce")
    twilio: TwilioHook | None = Field(default=None, description="delivery reports, and STOP and START by SMS")
    ses: SnsHook | None = Field(default=None, description="Amazon SES through SNS, with original headers included")
    sendgrid: SendGridHook | None = Field(default=None, description="SendGrid's event webhook, signed")
    mailgun: MailgunHook | None = Field(default=None, description="Mailgun's webhooks")
    postmark: PostmarkHook | None = Field(default=None, description="Postmark's webhooks")
