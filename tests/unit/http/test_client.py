"""The result of a request to a real server, and whether the body was handed over."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.http import Act, Drip, Fault, Service, http_server, refused_port, reply, server_tls

from automation.http.client import MAX_RESPONSE, Client, NoResponse, NotSent, Request, Response
from automation.http.urls import UrlNotAllowed

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def send(port: int, *, scheme: str = "http", **settings: Any) -> tuple[Response | Exception, int]:
    """The response or the error, and how often the body was handed over."""

    async def run() -> tuple[Response | Exception, int]:
        client = Client(**{"connections": 2, "timeout": 1.0, "response_timeout": 1.0} | settings)
        handed_over: list[int] = []
        host = "localhost" if scheme == "https" else "127.0.0.1"
        try:
            request = Request(f"{scheme}://{host}:{port}/v1?x=1", b"hello", {"X-Key": "k"})
            return await client.send(request, lambda: handed_over.append(1)), len(handed_over)
        except (NotSent, NoResponse) as error:
            return error, len(handed_over)
        finally:
            await client.close()

    return asyncio.run(run())


def respond(act: Act) -> tuple[Response | Exception, int]:
    with http_server(Service(lambda call: act)) as port:
        return send(port)


def test_the_request_arrives_and_the_response_is_read() -> None:
    service = Service(lambda call: reply(201, {"id": 7}, {"X-Kind": "a"}))
    with http_server(service) as port:
        response, handed_over = send(port)
    assert isinstance(response, Response)
    assert (response.status, response.json(), response.headers["x-kind"], handed_over) == (201, {"id": 7}, "a", 1)
    (call,) = service.calls
    assert (call.method, call.path, call.body) == ("POST", "/v1?x=1", b"hello")
    assert (call.headers["host"], call.headers["content-length"]) == (f"127.0.0.1:{port}", "5")
    assert call.headers["x-key"] == "k"


def test_the_body_is_handed_over_before_it_is_written() -> None:
    seen: list[str] = []

    def response(_: object) -> bytes:
        seen.append("arrived")
        return reply(200)

    async def run(port: int) -> None:
        client = Client(1, timeout=5, response_timeout=5)
        await client.send(Request(f"http://127.0.0.1:{port}/", b"x"), lambda: seen.append("handed over"))
        await client.close()

    with http_server(Service(response)) as port:
        asyncio.run(run(port))
    assert seen == ["handed over", "arrived"]


def test_connections_are_reused() -> None:
    service = Service(lambda call: reply(200))

    async def run(port: int) -> None:
        client = Client(1, timeout=5, response_timeout=5)
        for _ in range(5):
            await client.send(Request(f"http://127.0.0.1:{port}/", b"x"), lambda: None)
        await client.close()

    with http_server(service) as port:
        asyncio.run(run(port))
    assert service.connections == 1
    assert len(service.calls) == 5


def test_no_connection_means_no_hand_over() -> None:
    error, handed_over = send(refused_port())
    assert isinstance(error, NotSent)
    assert handed_over == 0
    assert str(error).startswith("no connection")


def test_a_failed_tls_handshake_means_no_hand_over(tmp_path: Path) -> None:
    context = server_tls(tmp_path)
    service = Service(lambda call: reply(200))
    with http_server(service, context) as port:
        error, handed_over = send(port, scheme="https")
        assert isinstance(error, NotSent)
        assert "certificate" in str(error).lower()
        assert handed_over == 0
        response, _ = send(port, scheme="https", ca_file=tmp_path / "cert.pem")
        assert isinstance(response, Response)
    for greeting in (Fault.RESET, Fault.CLOSE, Fault.STALL):
        with http_server(Service(lambda call: reply(200), greeting=greeting), context) as port:
            error, handed_over = send(port, scheme="https", timeout=0.3)
            assert (type(error), handed_over) == (NotSent, 0)


@pytest.mark.parametrize("where", ["early", "inside"])
@pytest.mark.parametrize("fault", list(Fault))
def test_a_failure_while_the_request_is_sent_is_no_response(where: str, fault: Fault) -> None:
    """The client can't know how much of the body was read. An early failure may be noticed before the hand-over."""
    service = Service(lambda call: reply(200))
    setattr(service, where, fault)
    with http_server(service) as port:
        error, handed_over = send(port, response_timeout=0.3)
    found = (type(error), handed_over)
    assert found == (NoResponse, 1) or (where == "early" and found == (NotSent, 0))


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (Fault.RESET, "the connection failed"),
        (Fault.CLOSE, "the connection failed"),
        (Fault.STALL, "timed out"),
        (b"HTTP/1.1 20", "timed out"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "the connection failed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the connection failed"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "the connection failed"),
        (Drip(reply(200)), "timed out"),
    ],
)
def test_no_status_after_the_body_is_no_response(act: Act, why: str) -> None:
    error, handed_over = respond(act)
    assert (type(error), handed_over) == (NoResponse, 1)
    assert str(error).startswith(why)


@pytest.mark.parametrize(
    ("act", "status", "body"),
    [
        (reply(200, b"abc", length=10), 200, b"abc"),
        (reply(502, b"x" * (MAX_RESPONSE + 1)), 502, b"x" * MAX_RESPONSE),
        (b"HTTP/1.1 429 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 429, b""),
    ],
)
def test_a_status_with_a_truncated_body_is_a_response(act: bytes, status: int, body: bytes) -> None:
    response, _ = respond(act)
    assert isinstance(response, Response)
    assert (response.status, response.complete, response.body[:MAX_RESPONSE]) == (status, False, body)
    assert response.json() is None


def slow(seconds: float) -> Service:
    def response(_: object) -> bytes:
        time.sleep(seconds)
        return reply(200)

    return Service(response)


def test_the_response_has_its_own_timeout() -> None:
    with http_server(slow(0.5)) as port:
        response, _ = send(port, timeout=0.3, response_timeout=30)
    assert isinstance(response, Response)


def test_waiting_for_a_connection_has_no_timeout() -> None:
    """40 concurrent requests over two connections, 0.1 s each: the last ones start after almost 2 s."""

    async def run(port: int) -> list[Response]:
        client = Client(2, timeout=1, response_timeout=1.5)
        request = Request(f"http://127.0.0.1:{port}/", b"x")
        responses = await asyncio.gather(*(client.send(request, lambda: None) for _ in range(40)))
        await client.close()
        return responses

    service = slow(0.1)
    with http_server(service) as port:
        assert [response.status for response in asyncio.run(run(port))] == [200] * 40
    assert service.connections == 2


def test_a_client_works_in_several_event_loops() -> None:
    service = Service(lambda call: reply(200))
    client = Client(1, timeout=2, response_timeout=2)

    async def run(port: int) -> int:
        request = Request(f"http://127.0.0.1:{port}/", b"x")
        responses = await asyncio.gather(*(client.send(request, lambda: None) for _ in range(3)))
        await client.close()
        return len(responses)

    with http_server(service) as port:
        assert [asyncio.run(run(port)) for _ in range(2)] == [3, 3]
    assert service.connections == 2


def test_a_redirect_is_not_followed() -> None:
    service = Service(lambda call: reply(307, headers={"Location": "/elsewhere"}))
    with http_server(service) as port:
        response, _ = send(port)
    assert isinstance(response, Response)
    assert response.status == 307
    assert [call.path for call in service.calls] == ["/v1?x=1"]


def test_a_response_before_the_body_was_read_counts() -> None:
    with http_server(Service(lambda call: reply(200), early=reply(413, headers={"Connection": "close"}))) as port:
        response, _ = send(port)
    assert isinstance(response, Response)
    assert response.status == 413


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "999999999999999999"}, 86_400),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "Mon, 02 Mar 2026 12:01:00 GMT"}, 60),
        ({"retry-after": "Mon, 02 Mar 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 02 Mar 2026 12:01:00 GMT", "date": "Mon, 02 Mar 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Mon, 02 Mar 2099 12:01:00 GMT"}, 86_400),
        ({"retry-after": "Mon, 99 Mar 2026 12:01:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: int | None) -> None:
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert Response(429, headers, b"").retry_after(NOON) == wanted


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_bad_json_is_none(body: bytes) -> None:
    assert Response(200, {}, body).json() is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_fetch_sends_no_body(method: str) -> None:
    async def run(port: int) -> Response:
        client = Client(1, timeout=5, response_timeout=5)
        try:
            return await client.fetch(f"http://127.0.0.1:{port}/cert.pem", method=method)
        finally:
            await client.close()

    service = Service(lambda call: b"HTTP/1.1 204 Nothing\r\nX-Kind: a\r\n\r\n")
    with http_server(service) as port:
        response = asyncio.run(run(port))
    assert (response.status, response.headers["x-kind"], response.body, response.complete) == (204, "a", b"", True)
    (call,) = service.calls
    assert (call.method, call.path, call.body) == (method, "/cert.pem", b"")
    assert "content-length" not in call.headers
    assert "transfer-encoding" not in call.headers


def test_fetch_errors() -> None:
    async def run(url: str, *, public_only: bool = False) -> None:
        client = Client(1, timeout=1, response_timeout=1, public_only=public_only)
        try:
            await client.fetch(url)
        finally:
            await client.close()

    with pytest.raises(NotSent, match="no connection"):
        asyncio.run(run(f"http://127.0.0.1:{refused_port()}/"))
    with pytest.raises(UrlNotAllowed, match="private network"):
        asyncio.run(run("http://127.0.0.1:1/", public_only=True))
    with pytest.raises(UrlNotAllowed, match="not a URL"):
        asyncio.run(run("ftp://shop.example/"))
