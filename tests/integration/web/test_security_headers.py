"""What must not happen: forged tokens, pages that run or leak something, failures that tell of themselves."""

from __future__ import annotations

import contextlib
import re
import socket

import pytest
from support.web import EVENT, Shop

from automation.store.inbox import responses
from automation.web import endpoint, group_commit
from automation.workspace.workspace import open_project

PURPOSES = {"o": "open", "c": "click", "u": "unsubscribe", "p": "preferences", "confirm": "confirm"}


# Tokens, on the wire


def test_no_token_opens_another_route(shop: Shop) -> None:
    for route, purpose in PURPOSES.items():
        for other in PURPOSES.values():
            for method in ("GET", "POST"):
                answer = shop.client.request(method, f"/{route}/{shop.token(other)}")
                right = other == purpose
                assert (answer.status_code in (200, 302)) is (
                    right and (method == "GET" or route in ("u", "p", "confirm"))
                )


@pytest.mark.parametrize("route", PURPOSES)
def test_no_byte_of_a_token_can_be_changed(shop: Shop, route: str) -> None:
    token = shop.token(PURPOSES[route]).encode()
    nowhere = shop.client.get("/nothing/here")
    before = shop.rows("SELECT count(*) FROM consent_record"), shop.events()
    method = "POST" if route in ("u", "p", "confirm") else "GET"
    for place in range(len(token)):
        flipped = bytearray(token)
        flipped[place] ^= 1 << (place % 8)
        written = "".join(f"%{byte:02x}" for byte in flipped)
        answer = shop.client.request(method, f"/{route}/{written}")
        assert (answer.status_code, answer.text) == (404, nowhere.text), place
    assert (shop.rows("SELECT count(*) FROM consent_record"), shop.events()) == before


# Pages


def test_a_page_comes_in_the_recipient_s_language_and_runs_nothing(shop: Shop) -> None:
    with shop.workspace.store.transaction() as connection:
        connection.exec_driver_sql('UPDATE message SET context = \'{"customer": {}, "language": "de-AT"}\'')
    answer = shop.client.get(f"/u/{shop.token('unsubscribe')}")
    assert '<html lang="de">' in answer.text
    assert "Sollen wir Ihnen „Promotions“ (E-Mail) nicht mehr schicken?" in answer.text
    policy = answer.headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]{44}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
        policy,
    )
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script|<img|<link|\son\w+=|javascript:|src=", answer.text, flags=re.I)
    assert "ana@example.com" not in answer.text


def test_request_headers_do_not_change_what_a_page_shows(shop: Shop) -> None:
    hostile = {
        "Host": "evil.example", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "javascript", "Forwarded": "for=evil", "Accept-Language": "<script>", "Cookie": "a=b",
        "User-Agent": "<script>alert(1)</script>",
    }  # fmt: skip
    path = f"/u/{shop.token('unsubscribe')}?x=<script>"
    assert shop.client.get(path, headers=hostile).text == shop.client.get(path).text
    assert "script" not in shop.client.get("/<script>alert(1)</script>").text
    clicked = shop.client.get(f"/c/{shop.token('click')}?url=https://evil.example", headers=hostile)
    assert clicked.headers["location"].startswith("https://shop.example/")


def test_headers_that_are_too_long_are_refused(shop: Shop) -> None:
    assert shop.client.get("/health", headers={"X": "x" * 20_000}).status_code == 431
    assert shop.client.get("/health", headers={"X": "x" * 100_000}).status_code in (
        400,
        431,
    )  # 400: not read to its end
    assert shop.client.get("/health").json()["status"] == "attention"  # no daemon is running


def test_an_unexpected_error_shows_nothing_of_itself(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(responses, "find_recipient", broken)
    answer = shop.client.get(f"/u/{shop.token('unsubscribe')}")
    assert (answer.status_code, answer.text) == (500, "Something went wrong. Please try again.\n")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert shop.client.get(f"/o/{shop.token('open')}").status_code == 200  # a picture must not break
    assert shop.client.get(f"/c/{shop.token('click')}").status_code == 302  # nor must a link


def test_a_busy_store_answers_with_retry_after(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MAX_WAITING", 0)
    for answer in (shop.client.post(f"/u/{shop.token('unsubscribe')}"), shop.post(EVENT)):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert shop.client.get(f"/o/{shop.token('open')}").status_code == 200
    assert shop.words() == {"email.promotions": 1}


def test_a_page_text_broken_while_the_app_runs_keeps_its_last_valid_form(shop: Shop) -> None:
    path = f"/u/{shop.token('unsubscribe')}"
    folder = shop.workspace.project.root / "templates" / "web"
    folder.mkdir()
    for text, expected in (("unsubscribe_button: Genug", "Genug"), ("unsubscribe_buton: x", "Genug")):
        (folder / "en.yaml").write_text(text)
        object.__setattr__(shop.workspace, "project", open_project(shop.workspace.project.root))  # as the daemon does
        assert f">{expected}</button>" in shop.client.get(path).text


def test_no_address_is_completed_by_a_redirect(shop: Shop) -> None:
    """It would lead to whatever host the client names."""
    for path in ("/health/", "/events/", f"/u/{shop.token('unsubscribe')}/", "//health"):
        answer = shop.client.get(path, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers.get("location")) == (404, None)


# What no browser would send


def raw(shop: Shop, request: bytes) -> bytes:
    """The first line of what comes back over a bare socket, empty where the connection was closed."""
    address = shop.client.base_url
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        connection.sendall(request)
        with contextlib.suppress(ConnectionResetError):
            return connection.recv(65_536).split(b"\r\n")[0]
    return b""


HOSTILE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /u/%zz%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /u/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /c/%2e%2e%2f%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET //evil.example/%0d%0aSet-Cookie:a=b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /o/" + b"\xf0\x9f\x92\xa9" * 20 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /p/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nAuthorization: \xff\x00\r\n\r\n",
    b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


def test_hostile_requests_are_refused_and_harm_nobody(shop: Shop) -> None:
    for request in HOSTILE:
        line = raw(shop, request if request.endswith(b"\n") else request + b"\r\n\r\n")
        assert not line.startswith(b"HTTP/1.1 5"), (request[:60], line)
        assert shop.client.get("/health").json()["status"] == "attention"  # no daemon is running
    assert shop.events() == []


def test_a_body_that_does_not_come_is_not_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PATIENCE", 0.3)
    head = f"POST /u/{shop.token('unsubscribe')} HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\nList-Unsub".encode()
    assert raw(shop, head) == b"HTTP/1.1 408 Request Timeout"
    assert shop.words() == {"email.promotions": 1}
