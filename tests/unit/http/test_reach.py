"""Which addresses may be called."""

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
from pydantic import TypeAdapter, ValidationError
from support.http import Service, http_server, reply, server_tls

from automation.http.client import Client, NotSent, Request
from automation.http.reach import NotAllowed, ServiceUrl, is_public, split_url

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
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_not(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_what_is_public_is_so_by_the_registries_of_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Ours refuses more (6to4, Teredo, IPv6 outside of 2000::/3), and never less; mapped ones are looked into."""
    if is_public(str(address)):
        inner = getattr(address, "ipv4_mapped", None)
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        assert (inner or address).is_global or nat64
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_an_address_within_another_counts_as_itself(address: ipaddress.IPv4Address) -> None:
    for outer in (f"::ffff:{address}", str(ipaddress.IPv6Address((0x64FF9B << 96) | int(address)))):
        assert is_public(outer) == is_public(str(address)), outer


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("ftp://a.example/", "not a URL"),
        ("file:///etc/passwd", "not a URL"),
        ("//a.example", "not a URL"),
        ("https:///x", "not a URL"),
        ("https://user:secret@a.example/", "no user"),
        ("https://a.example@b.example/", "no user"),
        ("https://a.example:0/", "port 0"),
        ("https://a.example:99999/", "[Pp]ort"),
        ("https://a.example/ x", "spaces"),
        ("https://a.example/\r\nHost: b", "spaces"),
        ("https://a.example\\@127.0.0.1/", "spaces"),
        ("https://ä.example/", "ASCII"),
    ],
)
def test_what_is_no_url_to_call(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        split_url(url)


@pytest.mark.parametrize(
    ("url", "what"),
    [("http://a.example/", "must begin with https://"), ("https://a.example/#x", "no #"), ("x", "not a URL")],
)
def test_a_service_is_called_over_https(url: str, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        TypeAdapter(ServiceUrl).validate_python(url)


@pytest.mark.parametrize(
    "url", ["https://a.example/x?y=z", "http://127.0.0.1:8080/", "http://localhost/", "http://[::1]/"]
)
def test_only_this_machine_is_called_without_tls(url: str) -> None:
    assert TypeAdapter(ServiceUrl).validate_python(url) == url


def fetch(url: str, ca_file: Path | None = None) -> bytes:
    async def run() -> bytes:
        client = Client(1, timeout=5, answer_timeout=5, public_only=True, ca_file=ca_file)
        answer = await client.send(Request(url, b"x"), lambda: None)
        await client.close()
        return answer.body

    return asyncio.run(run())


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"]
)
def test_this_machine_is_not_reached_however_it_is_spelt(host: str) -> None:
    service = Service(lambda call: reply(200, b"secret"))
    with http_server(service) as port, pytest.raises(NotAllowed, match="private network"):
        fetch(f"http://{host}:{port}/")
    assert service.connections == 0


Lookup = Callable[..., list[Any]]


def entry(address: str, port: int) -> tuple[Any, ...]:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


def test_a_name_that_mixes_public_and_private_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda h, p, *a, **k: [entry("1.1.1.1", p), entry("10.0.0.1", p)])
    with pytest.raises(NotAllowed):
        fetch("http://shop.example/")


def test_the_address_that_was_checked_is_the_one_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers differently the second time gets no second time."""
    real, asked = socket.getaddrinfo, []
    service = Service(lambda call: reply(200, call.headers["host"].encode()))
    with http_server(service) as port:

        def rebinding(host: str, *rest: Any, **named: Any) -> list[Any]:
            if host != "shop.example":
                return real(host, *rest, **named)
            asked.append(host)
            return [entry("127.0.0.1", port)]

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        monkeypatch.setattr("automation.http.pinned.is_public", lambda address: address == "127.0.0.1")
        assert fetch(f"http://shop.example:{port}/") == f"shop.example:{port}".encode()
    assert asked == ["shop.example"]


def test_an_unknown_name_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotSent, match=r"^no connection$"):
        fetch("http://shop.example/")


def test_a_certificate_is_held_against_the_name_and_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automation.http.pinned.is_public", lambda address: True)
    with http_server(Service(lambda call: reply(200, b"hi")), server_tls(tmp_path)) as port:
        assert fetch(f"https://localhost:{port}/", tmp_path / "cert.pem") == b"hi"
        with pytest.raises(NotSent):
            fetch(f"https://127.0.0.1:{port}/", tmp_path / "cert.pem")


def test_the_next_address_is_tried_where_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    with http_server(Service(lambda call: reply(200, b"hi"))) as port:

        def several(host: str, *rest: Any, **named: Any) -> list[Any]:
            if host != "shop.example":
                return real(host, *rest, **named)
            return [entry("127.0.0.2", port), entry("127.0.0.1", port)]

        monkeypatch.setattr(socket, "getaddrinfo", several)
        monkeypatch.setattr("automation.http.pinned.is_public", lambda address: True)
        assert fetch(f"http://shop.example:{port}/") == b"hi"
