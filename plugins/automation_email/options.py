"""The options of the `smtp` channel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from automation import contracts
from automation.types.loopback import is_loopback
from automation.types.secret import Secret
from automation_email.address import MimeError, read_address

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*")


class DkimKey(contracts.Options):
    """One signature (RFC 6376); the algorithm follows from the kind of the key, RSA or ed25519."""

    domain: str = Field(description="the domain that signs; for DMARC the one in `senders.from`")
    selector: str = Field(description="the public key is in DNS at `SELECTOR._domainkey.DOMAIN`")
    key_file: Path | None = Field(default=None, description="the private key, PEM")
    key: Secret | None = Field(default=None, description="instead of `key_file`: the PEM text, from the environment")

    @field_validator("domain", "selector")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not _NAME.fullmatch(name.lower()):
            raise ValueError(f"{name!r} is not a DNS name")
        return name.lower()

    @model_validator(mode="after")
    def _one_key(self) -> DkimKey:
        if (self.key is None) == (self.key_file is None):
            raise ValueError("write key_file or key, and not both")
        return self


class SmtpOptions(contracts.Options):
    """How to reach the mail server. The password comes from the environment: `password: ${SMTP_PASSWORD}`."""

    host: str = Field(description="the mail server's name")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(default=None, description="25, 587 or 465 by `tls`")
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    username: str | None = None
    password: Secret | None = None
    connections: Annotated[int, Field(ge=1, le=100)] = 4
    timeout: Annotated[float, Field(gt=0, le=600)] = Field(default=60, description="seconds for each command")
    response_timeout: Annotated[float, Field(gt=0, le=1800)] = Field(
        default=600, description="seconds to wait for the response to a complete message"
    )
    messages_per_connection: Annotated[int, Field(ge=1)] = 1000
    local_hostname: str | None = Field(default=None, description="the host name in EHLO; this machine's by default")
    return_path: str | None = Field(
        default=None,
        description="where bounces go, the sender's address by default; `bounces+{token}@…` identifies the message",
    )
    id_header: str | None = Field(
        default=None,
        pattern=r"^X-[A-Za-z0-9-]{1,60}$",
        description="an additional header with the message's id, for a provider whose reports name it",
    )
    dkim: tuple[DkimKey, ...] = Field(
        default=(), description="the signatures that each message gets: `domain`, `selector`, and `key_file` or `key`"
    )
    ca_file: Path | None = Field(default=None, description="certificates to trust instead of the system's")

    @model_validator(mode="after")
    def _login_is_complete(self) -> SmtpOptions:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.tls == "none" and self.password is not None and not is_loopback(self.host):
            raise ValueError("without TLS anybody on the way can read the password; use tls: starttls or implicit")
        return self

    @field_validator("return_path")
    @classmethod
    def _is_address(cls, text: str | None) -> str | None:
        if text is None:
            return None
        if len(text.replace("{token}", "t" * 49, 1).partition("@")[0]) > 64:
            raise ValueError("the part before the @ has at most 64 characters, of which {token} takes 49")
        try:
            read_address(text.replace("{token}", "t", 1))
        except MimeError as error:
            raise ValueError("not an address; write bounces+{token}@example.org") from error
        return text
