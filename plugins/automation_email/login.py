"""Connecting, TLS and login, by aiosmtplib; a failure here is not about any message."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from automation_email.pool import Unreachable
from automation_email.reply import redact_addresses

if TYPE_CHECKING:
    import aiosmtplib

    from automation_email.options import SmtpOptions

_PORTS = {"none": 25, "starttls": 587, "implicit": 465}
_EXTENSIONS = ("pipelining", "smtputf8", "8bitmime")


@dataclass(frozen=True)
class LoggedIn:
    """A logged-in transport, and the server's extensions that matter here."""

    transport: asyncio.Transport
    extensions: frozenset[str]


async def log_in(options: SmtpOptions) -> LoggedIn:
    """Connect and log in. Raises `Unreachable` for any failure, after `options.timeout` seconds at the latest."""
    import aiosmtplib

    try:
        client = aiosmtplib.SMTP(**_settings(options))
    except (OSError, ValueError) as error:
        raise Unreachable(_fit(f"{type(error).__name__}: {error}")) from error
    try:
        async with asyncio.timeout(options.timeout):
            await client.connect()
            await _greet(client)
    except aiosmtplib.SMTPResponseException as error:
        client.close()
        raise Unreachable(_fit(f"{error.code} {error.message}")) from error
    except TimeoutError as error:
        client.close()
        raise Unreachable("timed out before the message was handed over") from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        client.close()
        raise Unreachable(_fit(f"{type(error).__name__}: {error}")) from error
    except BaseException:
        client.close()
        raise
    if not isinstance(client.transport, asyncio.Transport):
        raise Unreachable("the connection was lost")
    return LoggedIn(client.transport, frozenset(name for name in _EXTENSIONS if client.supports_extension(name)))


def _settings(options: SmtpOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "hostname": options.host,
        "port": options.port or _PORTS[options.tls],
        "timeout": options.timeout,
        "use_tls": options.tls == "implicit",
        "start_tls": options.tls == "starttls",
        "local_hostname": options.local_hostname,
    }
    if options.tls != "none":
        settings["tls_context"] = ssl.create_default_context(cafile=options.ca_file)
    if options.username is not None and options.password is not None:
        settings |= {"username": options.username, "password": options.password.get_secret_value()}
    return settings


async def _greet(client: aiosmtplib.SMTP) -> None:
    """Send EHLO, or HELO to a server that does not support EHLO."""
    import aiosmtplib

    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            await client.helo()


def _fit(text: str) -> str:
    return redact_addresses(text)[:140]
