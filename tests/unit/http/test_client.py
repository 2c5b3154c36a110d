"""What an exchange with a real server comes to, and what was handed over by then."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.http import Act, Drip, Fault, Service, http_server, refused_port, reply, server_tls

from automation.http.client import MAX_ANSWER, Answer, Client, NotSent, Request, Unanswered
from automation.http.reach import NotAllowed

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def send(port: int, *, scheme: str = "http", **settings: Any) -> tuple[Answer | Exception, int]:
    """The answer, or what was raised; and how often the body was handed over."""

    async def run() -> tuple[Answer | Exception, int]:
        client = Client(**{"connections": 2, "timeout": 1.0, "answer_timeout": 1.0} | settings)
        handed_over: list[int] = []
        host = "localhost" if scheme == "https" else "127.0.0.1"
        try:
            request = Request(f"{scheme}://{host}:{port}/v1?x=1", b"hello", {"X-Key": "k"})
            return await client.send(request, lambda: handed_over.append(1)), len(handed_over)
        except (NotSent, Unanswered) as error:
            return error, len(handed_over)
        finally:
            await client.close()

    return asyncio.run(run())


def answered(act: Act) -> tuple[Answer | Exception, int]:
    with http_server(Service(lambda call: act)) as port:
        return send(port)


def test_what_arrives() -> None:
    service = Service(lambda call: reply(201, {"id": 7}, {"X-Kind": "a"}))
    with http_server(service) as port:
        answer, handed_over = send(port)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.json(), answer.headers["x-kind"], handed_over) == (201, {"id": 7}, "a", 1)
    (call,) = service.calls
    assert (call.method, call.path, call.body) == ("POST", "/v1?x=1", b"hello")
    assert (call.headers["host"], call.headers["content-length"]) == (f"127.0.0.1:{port}", "5")
    assert call.headers["x-key"] == "k"


def test_the_body_is_handed_over_before_it_is_written() -> None:
    seen: list[str] = []

    def answer(_: object) -> bytes:
        seen.append("arrived")
        return reply(200)

    async def run(port: int) -> None:
        client = Client(1, timeout=5, answer_timeout=5)
        await client.send(Request(f"http://127.0.0.1:{port}/", b"x"), lambda: seen.append("handed over"))
        await client.close()

    with http_server(Service(answer)) as port:
        asyncio.run(run(port))
    assert seen == ["handed over", "arrived"]


def test_connections_are_kept_and_replaced() -> None:
    service = Service(lambda call: reply(200))

    async def run(port: int) -> None:
        client = Client(1, timeout=5, answer_timeout=5)
        for _ in range(5):
            await client.send(Request(f"http://127.0.0.1:{port}/", b"x"), lambda: None)
        await client.close()

    with http_server(service) as port:
        asyncio.run(run(port))
    assert service.connections == 1
    assert len(service.calls) == 5


def test_nothing_is_handed_over_without_a_connection() -> None:
    error, handed_over = send(refused_port())
    assert isinstance(error, NotSent)
    assert handed_over == 0
    assert str(error).startswith("no connection")


def test_nothing_is_handed_over_without_tls(tmp_path: Path) -> None:
    context = server_tls(tmp_path)
    service = Service(lambda call: reply(200))
    with http_server(service, context) as port:
        error, handed_over = send(port, scheme="https")
        assert isinstance(error, NotSent)
        assert "certificate" in str(error).lower()
        assert handed_over == 0
        answer, _ = send(port, scheme="https", ca_file=tmp_path / "cert.pem")
        assert isinstance(answer, Answer)
    for greeting in (Fault.RESET, Fault.CLOSE, Fault.STALL):
        with http_server(Service(lambda call: reply(200), greeting=greeting), context) as port:
            error, handed_over = send(port, scheme="https", timeout=0.3)
            assert (type(error), handed_over) == (NotSent, 0)


@pytest.mark.parametrize("where", ["early", "inside"])
@pytest.mark.parametrize("fault", list(Fault))
def test_a_break_within_the_request_leaves_it_open(where: str, fault: Fault) -> None:
    """The client can't know how much of the body was read; before it began, it may still have noticed."""
    service = Service(lambda call: reply(200))
    setattr(service, where, fault)
    with http_server(service) as port:
        error, handed_over = send(port, answer_timeout=0.3)
    found = (type(error), handed_over)
    assert found == (Unanswered, 1) or (where == "early" and found == (NotSent, 0))


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (Fault.RESET, "the connection broke"),
        (Fault.CLOSE, "the connection broke"),
        (Fault.STALL, "timed out"),
        (b"HTTP/1.1 20", "timed out"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "the connection broke"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the connection broke"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "the connection broke"),
        (Drip(reply(200)), "timed out"),
    ],
)
def test_no_status_after_the_body_is_unanswered(act: Act, why: str) -> None:
    error, handed_over = answered(act)
    assert (type(error), handed_over) == (Unanswered, 1)
    assert str(error).startswith(why)


@pytest.mark.parametrize(
    ("act", "status", "body"),
    [
        (reply(200, b"abc", length=10), 200, b"abc"),
        (reply(502, b"x" * (MAX_ANSWER + 1)), 502, b"x" * MAX_ANSWER),
        (b"HTTP/1.1 429 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 429, b""),
    ],
)
def test_the_status_is_an_answer_though_the_rest_is_cut_off(act: bytes, status: int, body: bytes) -> None:
    answer, _ = answered(act)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.whole, answer.body[:MAX_ANSWER]) == (status, False, body)
    assert answer.json() is None


def slow(seconds: float) -> Service:
    def answer(_: object) -> bytes:
        time.sleep(seconds)
        return reply(200)

    return Service(answer)


def test_an_answer_may_take_longer_than_connecting() -> None:
    with http_server(slow(0.5)) as port:
        answer, _ = send(port, timeout=0.3, answer_timeout=30)
    assert isinstance(answer, Answer)


def test_waiting_for_a_turn_uses_up_no_time() -> None:
    """Forty at once over two connections, each a tenth of a second: the last begin after almost two seconds."""

    async def run(port: int) -> list[Answer]:
        client = Client(2, timeout=1, answer_timeout=1.5)
        request = Request(f"http://127.0.0.1:{port}/", b"x")
        answers = await asyncio.gather(*(client.send(request, lambda: None) for _ in range(40)))
        await client.close()
        return answers

    service = slow(0.1)
    with http_server(service) as port:
        assert [answer.status for answer in asyncio.run(run(port))] == [200] * 40
    assert service.connections == 2


def test_a_client_goes_from_one_event_loop_to_the_next() -> None:
    service = Service(lambda call: reply(200))
    client = Client(1, timeout=2, answer_timeout=2)

    async def run(port: int) -> int:
        request = Request(f"http://127.0.0.1:{port}/", b"x")
        answers = await asyncio.gather(*(client.send(request, lambda: None) for _ in range(3)))
        await client.close()
        return len(answers)

    with http_server(service) as port:
        assert [asyncio.run(run(port)) for _ in range(2)] == [3, 3]
    assert service.connections == 2


def test_a_redirect_is_not_followed() -> None:
    service = Service(lambda call: reply(307, headers={"Location": "/elsewhere"}))
    with http_server(service) as port:
        answer, _ = send(port)
    assert isinstance(answer, Answer)
    assert answer.status == 307
    assert [call.path for call in service.calls] == ["/v1?x=1"]


def test_an_answer_before_the_body_was_read_counts() -> None:
    with http_server(Service(lambda call: reply(200), early=reply(413, headers={"Connection": "close"}))) as port:
        answer, _ = send(port)
    assert isinstance(answer, Answer)
    assert answer.status == 413


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
    assert Answer(429, headers, b"").retry_after(NOON) == wanted


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_bad_json_is_none(body: bytes) -> None:
    assert Answer(200, {}, body).json() is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_lies_at_an_address_is_asked_for_without_a_body(method: str) -> None:
    async def run(port: int) -> Answer:
        client = Client(1, timeout=5, answer_timeout=5)
        try:
            return await client.fetch(f"http://127.0.0.1:{port}/cert.pem", method=method)
        finally:
            await client.close()

    service = Service(lambda call: b"HTTP/1.1 204 Nothing\r\nX-Kind: a\r\n\r\n")
    with http_server(service) as port:
        answer = asyncio.run(run(port))
    assert (answer.status, answer.headers["x-kind"], answer.body, answer.whole) == (204, "a", b"", True)
    (call,) = service.calls
    assert (call.method, call.path, call.body) == (method, "/cert.pem", b"")
    assert "content-length" not in call.headers
    assert "transfer-encoding" not in call.headers


def test_what_can_t_be_fetched() -> None:
    async def run(url: str, *, public_only: bool = False) -> None:
        client = Client(1, timeout=1, answer_timeout=1, public_only=public_only)
        try:
            await client.fetch(url)
        finally:
            await client.close()

    with pytest.raises(NotSent, match="no connection"):
        asyncio.run(run(f"http://127.0.0.1:{refused_port()}/"))
    with pytest.raises(NotAllowed, match="private network"):
        asyncio.run(run("http://127.0.0.1:1/", public_only=True))
    with pytest.raises(NotAllowed, match="not a URL"):
        asyncio.run(run("ftp://shop.example/"))
