"""Requests to private networks are refused, also after DNS rebinding."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.http import Service, http_server, reply, server_tls

from automation.http.client import Client, NotSent, Request
from automation.http.ssrf import is_public_address
from automation.http.urls import UrlNotAllowed

PRIVATE = [
    "0.0.0.1", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "100::1", "2001::1",
    "2001:db8::1", "2002:7f00:1::1", "3fff::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "5f00::1", "localhost", "", "1.2.3", "0x7f.1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "223.255.255.255",
    "2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public_address(address)


@given(st.ip_addresses())
def test_a_public_address_is_global_in_the_standard_library_too(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """We also refuse 6to4, Teredo and IPv6 outside of 2000::/3; mapped addresses are judged by the embedded one."""
    if is_public_address(str(address)):
        inner = getattr(address, "ipv4_mapped", None)
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        assert (inner or address).is_global or nat64
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_an_embedded_ipv4_address_decides(address: ipaddress.IPv4Address) -> None:
    for outer in (f"::ffff:{address}", str(ipaddress.IPv6Address((0x64FF9B << 96) | int(address)))):
        assert is_public_address(outer) == is_public_address(str(address)), outer


def fetch(url: str, ca_file: Path | None = None) -> bytes:
    async def run() -> bytes:
        client = Client(1, timeout=5, response_timeout=5, public_only=True, ca_file=ca_file)
        answer = await client.send(Request(url, b"x"), lambda: None)
        await client.close()
        return answer.body

    return asyncio.run(run())


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"]
)
def test_loopback_is_refused_in_every_spelling(host: str) -> None:
    service = Service(lambda call: reply(200, b"secret"))
    with http_server(service) as port, pytest.raises(UrlNotAllowed, match="private network"):
        fetch(f"http://{host}:{port}/")
    assert service.connections == 0


Lookup = Callable[..., list[Any]]


def entry(address: str, port: int) -> tuple[Any, ...]:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


def test_a_name_with_public_and_private_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda h, p, *a, **k: [entry("1.1.1.1", p), entry("10.0.0.1", p)])
    with pytest.raises(UrlNotAllowed):
        fetch("http://shop.example/")


def test_the_connection_goes_to_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name is resolved only once."""
    real, asked = socket.getaddrinfo, []
    service = Service(lambda call: reply(200, call.headers["host"].encode()))
    with http_server(service) as port:

        def rebinding(host: str, *rest: Any, **named: Any) -> list[Any]:
            if host != "shop.example":
                return real(host, *rest, **named)
            asked.append(host)
            return [entry("127.0.0.1", port)]

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        monkeypatch.setattr("automation.http.ssrf.is_public_address", lambda address: address == "127.0.0.1")
        assert fetch(f"http://shop.example:{port}/") == f"shop.example:{port}".encode()
    assert asked == ["shop.example"]


def test_an_unknown_host_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotSent, match=r"^no connection$"):
        fetch("http://shop.example/")


def test_the_certificate_is_checked_against_the_name_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automation.http.ssrf.is_public_address", lambda address: True)
    with http_server(Service(lambda call: reply(200, b"hi")), server_tls(tmp_path)) as port:
        assert fetch(f"https://localhost:{port}/", tmp_path / "cert.pem") == b"hi"
        with pytest.raises(NotSent):
            fetch(f"https://127.0.0.1:{port}/", tmp_path / "cert.pem")


def test_the_next_address_is_tried_if_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    with http_server(Service(lambda call: reply(200, b"hi"))) as port:

        def several(host: str, *rest: Any, **named: Any) -> list[Any]:
            if host != "shop.example":
                return real(host, *rest, **named)
            return [entry("127.0.0.2", port), entry("127.0.0.1", port)]

        monkeypatch.setattr(socket, "getaddrinfo", several)
        monkeypatch.setattr("automation.http.ssrf.is_public_address", lambda address: True)
        assert fetch(f"http://shop.example:{port}/") == b"hi"
