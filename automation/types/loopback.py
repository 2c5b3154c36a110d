"""Whether a host is this machine, so that nothing of what is sent to it passes a network."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether this is the name or an address of the machine itself: localhost, 127.0.0.1, ::1. Nothing is looked up."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
