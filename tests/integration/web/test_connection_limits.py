"""Connections that say nothing, or too little, keep nobody else out."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from support.web import reopened

from automation.web import connection_limits
from automation.web.connection_limits import ConnectionLimits
from automation.web.server import WebServer

SHORT = {"head": 0.6, "body": 0.6, "answer": 60.0}


@pytest.fixture(scope="module")
def root(sent_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits") / "copy"
    reopened(sent_shop, folder).store.close()
    return folder


@contextmanager
def served(root: Path, **limits: object) -> Iterator[httpx.URL]:
    """The app with these limits in place of its own, and its address."""
    workspace = reopened(root, root.with_name(f"{root.name}-{time.monotonic_ns()}"))
    server = WebServer(lambda: workspace, "127.0.0.1", 0)
    for name, value in limits.items():
        setattr(server.limits, name, value)
    server.start()
    try:
        yield httpx.URL(server.address)
    finally:
        server.stop()
        server.join(timeout=10)
        workspace.store.close()


def connect(address: httpx.URL) -> socket.socket:
    return socket.create_connection((address.host, address.port or 80), timeout=10)


def is_answered(address: httpx.URL) -> bool:
    """Within two seconds, by a fresh connection."""
    return httpx.get(f"{address}/openapi.json", timeout=2).status_code == 200


def wait_until_closed(connection: socket.socket, limit: float = 5) -> float:
    """The seconds until the server closes it."""
    started = time.monotonic()
    connection.settimeout(limit)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65_536):
            pass
    return time.monotonic() - started


def test_505_idle_connections_do_not_close_the_app(root: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 1_400:
        pytest.skip("this process may not open that many files")
    with served(root) as address, ExitStack() as stack:
        idle = [stack.enter_context(connect(address)) for _ in range(505)]
        assert is_answered(address)
        assert wait_until_closed(idle[0]) < 2  # it gave way
        idle[-1].sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle[-1].recv(15) == b"HTTP/1.1 200 OK"


def test_who_had_an_answer_lately_does_not_give_way(root: Path) -> None:
    request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    with served(root, most=3) as address, ExitStack() as stack:
        first, second, third = (stack.enter_context(connect(address)) for _ in range(3))
        first.sendall(request)
        assert first.recv(15) == b"HTTP/1.1 200 OK"
        assert is_answered(address)  # a fourth
        assert wait_until_closed(second) < 2
        third.sendall(request)
        assert third.recv(15) == b"HTTP/1.1 200 OK"
        first.sendall(request)
        assert first.recv(15)


def test_headers_have_an_absolute_deadline(root: Path) -> None:
    with served(root, times=SHORT) as address, connect(address) as silent, connect(address) as slow:
        started = time.monotonic()
        with contextlib.suppress(OSError):  # the server closed it
            slow.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nX: ")
            while time.monotonic() - started < 5:
                slow.sendall(b"x")
                time.sleep(0.05)
        assert 0.5 < time.monotonic() - started < 3
        assert wait_until_closed(silent) < 2


def test_a_body_has_an_absolute_deadline_whatever_the_page_does_with_it(root: Path) -> None:
    with served(root, times=SHORT) as address, connect(address) as slow:
        started = time.monotonic()
        slow.sendall(b"POST /nothing/here HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 5:
                slow.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - started < 3


def test_the_next_request_on_a_connection_has_a_deadline_of_its_own(root: Path) -> None:
    request = b"HEAD /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with served(root, times=SHORT) as address, connect(address) as client:
        for _ in range(4):
            client.sendall(request)
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 OK")
            time.sleep(0.25)  # together more than the deadline of one
        client.sendall(request[:20])
        assert wait_until_closed(client) < 3


def test_a_peer_has_a_limit_and_a_proxy_has_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "is_loopback", lambda host: False)
    with served(root, per_peer=3) as address, ExitStack() as stack:
        own = [stack.enter_context(connect(address)) for _ in range(4)]
        assert wait_until_closed(own[0]) < 2
        assert is_answered(address)
    with served(root, per_peer=3, proxies=("127.0.0.1",)) as address, ExitStack() as stack:
        own = [stack.enter_context(connect(address)) for _ in range(6)]
        assert is_answered(address)
        own[0].sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        assert own[0].recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("unix", "unix"),
    ],
)
def test_a_peer_of_ipv6_is_its_network(host: str, peer: str) -> None:
    assert connection_limits._peer_of(host) == peer
    assert ConnectionLimits().per_peer < ConnectionLimits().most
