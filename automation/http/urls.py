"""Checks the form of the URLs that are requested: services that the admin configures, and URLs from customers' data."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator


class UrlNotAllowed(Exception):
    """The URL is not valid, or its host is in a private network. The text is short and contains no address."""


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine, by name or IP address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_url(url: str) -> SplitResult:
    """The parts of an http or https URL with a host and no login. Raises ValueError without the URL in its text."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("a URL has only ASCII characters and no spaces")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a URL that begins with https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL must not contain a user or a password; use the options for them")
    if parts.port == 0:  # reading `port` raises ValueError for an invalid one
        raise ValueError("port 0 is not valid")
    return parts


def _check_service_url(url: str) -> str:
    parts = split_url(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError(
            f"must begin with https://; http:// is allowed only for this machine, not for {parts.hostname}"
        )
    if parts.fragment:
        raise ValueError("a URL to request must not contain a #")
    return url


ServiceUrl = Annotated[str, AfterValidator(_check_service_url)]
"""A URL in an admin's options: https, or http to this machine."""
