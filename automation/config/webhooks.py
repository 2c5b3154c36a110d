"""`webhooks:` of config.yaml: which services may report events, and how each authenticates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from automation.types.grammar import FileModel
from automation.types.secret import Secret


class ShopHook(FileModel):
    secret: Secret = Field(description="the signing secret of the webhooks, from the environment")


class TwilioHook(FileModel):
    auth_token: Secret = Field(description="the account's auth token, which signs Twilio's calls")
    channel: str = Field(default="sms", description="the channel that a STOP by SMS unsubscribes from")


class SnsHook(FileModel):
    topics: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="the ARNs of the SNS topics that SES publishes to; others are refused"
    )
    allow_sha1: bool = Field(
        default=False, description="also accept signatures of version 1 (SHA-1), of a topic that can't be changed"
    )


class SendGridHook(FileModel):
    public_key: str = Field(description="the verification key of the signed event webhook")


class MailgunHook(FileModel):
    signing_key: Secret = Field(description="the HTTP webhook signing key")


class PostmarkHook(FileModel):
    username: str = Field(description="the user name of the webhook's HTTP authentication, since Postmark doesn't sign")
    password: Secret = Field(description="its password, from the environment")


class Webhooks(FileModel):
    shopify: ShopHook | None = Field(default=None, description="orders, checkouts, products and customers from Shopify")
    woocommerce: ShopHook | None = Field(default=None, description="orders, products and customers from WooCommerce")
    twilio: TwilioHook | None = Field(default=None, description="delivery reports, and STOP and START by SMS")
    ses: SnsHook | None = Field(default=None, description="Amazon SES through SNS, with original headers included")
    sendgrid: SendGridHook | None = Field(default=None, description="SendGrid's event webhook, signed")
    mailgun: MailgunHook | None = Field(default=None, description="Mailgun's webhooks")
    postmark: PostmarkHook | None = Field(default=None, description="Postmark's webhooks")
