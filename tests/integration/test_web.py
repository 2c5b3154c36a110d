"""The web app over a project that has sent its messages: every route, on a real server."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.web import BASE, KEY, Shop, paths, reopened, sent, serving

from automation.ids import sign
from automation.runner.flush import flush
from automation.store import consent
from automation.testing.toy_shop import TOY_AS_OF

AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
PURPOSES = {"o": "open", "c": "click", "u": "unsubscribe", "p": "preferences", "confirm": "confirm"}


@pytest.fixture(scope="module")
def sent_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_KEY", KEY)
        sent(root).store.close()
        yield root


@pytest.fixture
def shop(sent_shop: Path, tmp_path: Path) -> Iterator[Shop]:
    with serving(reopened(sent_shop, tmp_path / "copy")) as shop:
        yield shop


def move(shop: Shop, length: timedelta) -> None:
    shop.workspace.clock.advance(length)  # type: ignore[attr-defined]  # a ManualClock


def words(shop: Shop, customer: str = "c1") -> dict[str, int]:
    found = shop.rows(f"SELECT channel || '.' || topic, granted FROM consent WHERE customer_id = '{customer}'")
    return dict(found)


class Fields(HTMLParser):
    """What a page's form has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str, bool]] = []
        self.links: list[str] = []
        self.forms: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.forms.append(found)
        if tag in ("input", "button") and found.get("name"):
            checked = found.get("type") == "hidden" or "checked" in found
            self.fields.append((str(found["name"]), str(found.get("value")), checked))
        if tag == "a":
            self.links.append(str(found.get("href")))

    def filled(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value, checked in self.fields if checked]


# Opens and clicks


def test_every_link_of_a_message_leads_where_its_template_says(shop: Shop) -> None:
    message = shop.messages[0]
    clicks = [path for path in paths(message.html) if path.startswith("/c/")]
    targets = []
    for path in clicks:
        move(shop, timedelta(minutes=1))
        answer = shop.client.get(path)
        assert answer.status_code == 302
        targets.append(answer.headers["location"])
    assert targets == [
        "https://shop.example/p3?utm_campaign=spring",
        "https://shop.example/p4?utm_campaign=spring",
        "https://toy.example?utm_campaign=spring",
    ]
    assert [(e["type"], e["link"], e["client"]) for e in shop.events()] == [
        ("email_click", 0, "browser"),
        ("email_click", 1, "browser"),
        ("email_click", 2, "browser"),
    ]
    assert [event.get("product_id") for event in shop.events()] == ["p3", "p4", None]
    assert {(e["message_id"], e["customer_id"], e["campaign"], e["channel"]) for e in shop.events()} == {
        (message.id, "c1", "toy", "email")
    }
    assert 'href="mailto:hi@toy.example"' in message.html
    assert 'href="#top"' in message.html


def test_the_text_has_the_same_links_as_the_markup(shop: Shop) -> None:
    message = shop.messages[0]
    in_text = re.findall(rf"{re.escape(BASE)}(/c/[0-9a-f.]+)", message.text)
    assert in_text == [path for path in paths(message.html) if path.startswith("/c/")]


def test_an_open_is_counted_once_a_second(shop: Shop) -> None:
    for _ in range(3):
        answer = shop.client.get(f"/o/{shop.token('open')}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert answer.content[:6] == b"GIF89a"
    move(shop, timedelta(seconds=1))
    shop.client.get(f"/o/{shop.token('open')}")
    assert [event["type"] for event in shop.events()] == ["email_open", "email_open"]


def test_machines_are_kept_apart_and_no_rule_counts_them(shop: Shop) -> None:
    path = f"/o/{shop.token('open')}"
    for user_agent in ("Mozilla/5.0", "curl/8", ""):
        move(shop, timedelta(seconds=1))
        shop.client.get(path, headers={"User-Agent": user_agent})
    move(shop, timedelta(seconds=1))
    shop.client.head(path)
    assert [(event["type"], event["why"]) for event in shop.events()] == [
        ("machine_open", "apple_mail_privacy"),
        ("machine_open", "robot"),
        ("machine_open", "nameless"),
        ("machine_open", "head_request"),
    ]


def test_who_follows_every_link_at_once_is_a_machine_from_the_first(shop: Shop) -> None:
    for link in range(3):
        shop.client.get(f"/c/{shop.token('click', link=link)}")
    assert [(event["type"], event.get("why")) for event in shop.events()] == [("machine_click", "many_links")] * 3
    move(shop, timedelta(seconds=6))
    shop.client.get(f"/c/{shop.token('click', link=0)}")
    assert shop.events()[-1]["type"] == "email_click"


def test_clicks_within_seconds_of_sending_are_a_machine_s(shop: Shop) -> None:
    move(shop, -timedelta(seconds=55))
    shop.client.get(f"/c/{shop.token('click')}")
    assert [(event["type"], event["why"]) for event in shop.events()] == [("machine_click", "too_soon")]


def test_links_lead_home_where_the_message_is_gone_or_has_no_such_link(shop: Shop) -> None:
    unknown = sign(shop.workspace.store.secret, "click", f"{'0' * 32}.0")
    for token in (unknown, shop.token("click", link=99)):
        answer = shop.client.get(f"/c/{token}")
        assert (answer.status_code, answer.headers["location"]) == (302, "https://toy.example")
    with shop.workspace.store.transaction() as connection:
        connection.exec_driver_sql("UPDATE message SET state = 'erased', context = '{}', customer_id = ''")
    before = len(shop.events())
    assert shop.client.get(f"/c/{shop.token('click')}").headers["location"] == "https://toy.example"
    assert shop.client.get(f"/o/{shop.token('open')}").status_code == 200
    assert shop.client.get(f"/u/{shop.token('unsubscribe')}").status_code == 404
    assert shop.client.post(f"/u/{shop.token('unsubscribe')}").status_code == 404
    assert len(shop.events()) == before


def test_what_was_seen_reaches_the_warehouse_with_its_attributes(shop: Shop) -> None:
    shop.client.get(f"/c/{shop.token('click', link=1)}")
    shop.client.get(f"/o/{shop.token('open')}", headers={"User-Agent": "curl/8"})
    warehouse = shop.workspace.warehouse()
    assert flush(shop.workspace, warehouse) == 2
    events = warehouse.table("events")
    found = events.filter(events.message_id == shop.messages[0].id).to_polars().sort("type")
    warehouse.close()
    columns = ("customer_id", "type", "campaign", "channel", "link", "client", "why")
    assert found.select(columns).rows() == [
        ("c1", "email_click", "toy", "email", 1.0, "browser", None),
        ("c1", "machine_open", "toy", "email", None, "robot", "robot"),
    ]


# Unsubscribing


def test_looking_never_unsubscribes(shop: Shop) -> None:
    path = f"/u/{shop.token('unsubscribe')}"
    for method in ("GET", "HEAD", "GET"):
        assert shop.client.request(method, path).status_code == 200
    assert shop.client.request("PUT", path).status_code == 405
    assert shop.client.request("OPTIONS", path).status_code == 405
    assert words(shop) == {"email.promotions": 1}
    assert shop.events() == []


BOUNDARY = "----b"
MULTIPART = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--{BOUNDARY}--\r\n'
)


@pytest.mark.parametrize(
    ("content", "kind", "method"),
    [
        ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded", "one click"),
        (MULTIPART, f"multipart/form-data; boundary={BOUNDARY}", "one click"),
        ("List-Unsubscribe=By-Button", "application/x-www-form-urlencoded", "unsubscribe page"),
        ("", "", "unsubscribe page"),
        ("\x00\xff", "application/octet-stream", "unsubscribe page"),
    ],
)
def test_a_post_unsubscribes(shop: Shop, content: str, kind: str, method: str) -> None:
    header = shop.messages[0].headers["List-Unsubscribe"].split(">")[0].removeprefix(f"<{BASE}")
    for _ in range(2):  # mail programs repeat
        answer = shop.client.post(header, content=content.encode("latin-1"), headers={"Content-Type": kind})
        assert answer.status_code == 200
        assert not answer.history
        assert "set-cookie" not in answer.headers
        assert "You are unsubscribed" in answer.text
    assert words(shop) == {"email.promotions": 0}
    (record,) = shop.rows(
        "SELECT granted, at, source, method, address, text_version <> '' FROM consent_record "
        "WHERE customer_id = 'c1' AND source <> 'test'"
    )
    now = int(shop.workspace.clock.now().timestamp() * 1000)
    assert record == (0, now, "unsubscribe link", method, "ana@example.com", int(method != "one click"))
    assert shop.rows("SELECT address, channel, topic, reason FROM suppression") == [
        ("ana@example.com", "email", "promotions", "unsubscribed")
    ]
    (event,) = shop.events()
    assert (event["type"], event["topic"], event["message_id"]) == ("unsubscribe", "promotions", shop.messages[0].id)


def test_the_button_on_the_page_unsubscribes_and_leads_on(shop: Shop) -> None:
    path = f"/u/{shop.token('unsubscribe')}"
    page = Fields(shop.client.get(path).text)
    assert page.forms == [{"method": "post"}]  # to where it was got from
    ((name, value, _),) = page.fields
    done = shop.client.post(path, data={name: value})
    (_, onwards) = Fields(done.text).links
    centre = shop.client.get(httpx.URL(str(done.url)).join(onwards))
    assert "What you get from us" in centre.text
    assert words(shop) == {"email.promotions": 0}


def test_unsubscribing_follows_the_address(shop: Shop) -> None:
    shop.client.post(f"/u/{shop.token('unsubscribe')}")
    with shop.workspace.store.reading() as connection:
        assert set(consent.suppressed(connection, ["ana@example.com"], "email", "promotions")) == {"ana@example.com"}
        assert consent.suppressed(connection, ["ana@example.com"], "email", "service") == {}


# Preferences


def test_the_preference_centre_shows_what_holds_and_saves_what_was_ticked(shop: Shop) -> None:
    path = f"/p/{shop.token('preferences')}"
    page = Fields(shop.client.get(path).text)
    assert page.fields == [
        ("yes", "email.promotions", True),
        ("shown", "email.promotions", True),
        ("yes", "email.news_letter", False),
        ("shown", "email.news_letter", True),
        ("yes", "email.service", True),  # a service needs no yes
        ("shown", "email.service", True),
        ("nothing", "yes", False),
    ]
    form = {"shown": ["email.promotions", "email.news_letter", "email.service"], "yes": ["email.news_letter"]}
    saved = shop.client.post(path, data=form)
    assert "Your choice is saved" in saved.text
    assert [checked for name, _, checked in Fields(saved.text).fields if name == "yes"] == [False, True, False]
    assert words(shop) == {"email.promotions": 0, "email.news_letter": 1, "email.service": 0}
    proof = shop.rows(
        "SELECT DISTINCT source, method, text_version LIKE 'en:%' FROM consent_record WHERE source <> 'test'"
    )
    assert proof == [("preference centre", "preference centre", 1)]
    assert Counter(event["type"] for event in shop.events()) == {"unsubscribe": 2, "consent_given": 1}


def test_who_comes_back_is_sent_to_again(shop: Shop) -> None:
    shop.client.post(f"/u/{shop.token('unsubscribe')}")
    move(shop, timedelta(days=1))
    path = f"/p/{shop.token('preferences')}"
    page = Fields(shop.client.get(path).text)
    assert ("yes", "email.promotions", False) in page.fields
    shop.client.post(path, data={"shown": "email.promotions", "yes": "email.promotions"})
    assert words(shop) == {"email.promotions": 1}
    assert shop.rows("SELECT * FROM suppression") == []


def test_nothing_at_all_ends_marketing_and_keeps_service(shop: Shop) -> None:
    shop.client.post(f"/p/{shop.token('preferences')}", data={"nothing": "yes", "yes": "email.promotions"})
    assert words(shop) == {"email.promotions": 0, "email.news_letter": 0}
    assert ("yes", "email.service", True) in Fields(shop.client.get(f"/p/{shop.token('preferences')}").text).fields


@pytest.mark.parametrize(
    "form",
    ["yes=sms.promotions&shown=sms.promotions", "shown=email.nothing&yes=email.nothing", "x=1", "yes=&shown=", ""],
)
def test_what_was_not_offered_can_t_be_ticked(shop: Shop, form: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert shop.client.post(f"/p/{shop.token('preferences')}", content=form, headers=kind).status_code == 200
    assert words(shop) == {"email.promotions": 1}
    assert shop.events() == []


@pytest.mark.parametrize("form", [b"yes=%ff", b"\xff", b"&".join([b"a=b"] * 1_001)])
def test_a_form_that_is_none_is_refused(shop: Shop, form: bytes) -> None:
    assert shop.client.post(f"/p/{shop.token('preferences')}", content=form).status_code == 400


# Confirming


def test_confirming_needs_the_button_and_leaves_the_proof(shop: Shop) -> None:
    with shop.workspace.store.transaction() as connection:
        consent.record(
            connection, ["c1"], channel="email", topic="promotions", granted=False, at=TOY_AS_OF, source="no"
        )
    path = f"/confirm/{shop.token('confirm')}"
    assert "Please confirm" in shop.client.get(path).text
    shop.client.head(path)
    assert words(shop) == {"email.promotions": 0}
    assert "It is confirmed" in shop.client.post(path).text
    assert words(shop) == {"email.promotions": 1}
    now = int(shop.workspace.clock.now().timestamp() * 1000)
    proof = shop.rows(
        "SELECT at, source, method, address, text_version LIKE 'en:%' FROM consent_record ORDER BY id DESC"
    )
    assert proof[0] == (now, "confirm link", "double opt-in", "ana@example.com", 1)


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


def test_nobody_decides_what_a_page_shows_but_the_shop(shop: Shop) -> None:
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


# Events


def post(shop: Shop, *events: dict[str, Any], **options: Any) -> httpx.Response:
    return shop.client.post("/events", json={"events": events}, headers=AUTHORIZED, **options)


EVENT = {"event_id": "e1", "customer_id": "c1", "type": "purchase", "occurred_at": "2026-03-01T10:00:00+02:00"}


def test_events_are_durable_and_count_once(shop: Shop) -> None:
    bought = {**EVENT, "product_id": "p1", "amount": 12.5, "quantity": 1, "currency": "EUR",
              "attributes": {"category": "tea", "gift": True, "weight": 0.25}}  # fmt: skip
    assert post(shop, bought, {**EVENT, "event_id": "e2"}).json() == {"accepted": 2, "repeated": 0, "refused": []}
    assert post(shop, bought, {**EVENT, "event_id": "e3"}).json() == {"accepted": 2, "repeated": 1, "refused": []}
    assert [event["event_id"] for event in shop.events()] == ["e1", "e2", "e3"]
    assert shop.events()[0] == {
        "event_id": "e1", "customer_id": "c1", "type": "purchase", "occurred_at": "2026-03-01T08:00:00+00:00",
        "product_id": "p1", "amount": 12.5, "quantity": 1.0, "currency": "EUR",
        "category": "tea", "gift": True, "weight": 0.25,
    }  # fmt: skip
    assert shop.rows("SELECT count(*) FROM inbox") == [(3,)]


def test_each_wrong_event_is_named_and_the_others_are_taken(shop: Shop) -> None:
    wrong: list[Any] = [
        EVENT,
        {**EVENT, "event_id": "e2", "occurred_at": "2026-03-01 10:00"},
        {**EVENT, "event_id": "e3", "amount": "12"},
        {**EVENT, "event_id": "e4", "colour": "red"},
        {**EVENT, "event_id": "", "type": "Purchase!"},
        "purchase",
        {**EVENT, "event_id": "e5", "occurred_at": "2026-03-30T12:00:00Z"},
        {**EVENT, "event_id": "e6", "attributes": {"amount": 1}},
        {**EVENT, "event_id": "e7", "attributes": {"list": [1]}},
        {**EVENT, "event_id": "e8\x00"},
        {**EVENT, "event_id": "e9", "occurred_at": 0},
        {**EVENT, "event_id": "e10", "occurred_at": "0001-01-01T00:00:00Z"},
        {"event_id": "e11"},
        {**EVENT, "event_id": "e12"},
    ]
    answer = post(shop, *wrong)
    assert answer.status_code == 422
    found = answer.json()
    assert (found["accepted"], found["repeated"]) == (2, 0)
    assert [(r["index"], r["field"], r["what"]) for r in found["refused"]] == [
        (1, "occurred_at", "input should have timezone info"),
        (2, "amount", "input should be a valid number"),
        (3, "colour", "extra inputs are not permitted"),
        (4, "event_id", "string should have at least 1 character"),
        (4, "type", "string should match pattern '^[a-z][a-z0-9_]{0,39}$'"),
        (5, "", "input should be a valid dictionary or instance of Event"),
        (6, "occurred_at", "lies in the future"),
        (7, "attributes.amount", "is a field of the event itself"),
        (8, "attributes.list", "input should be a valid boolean"),
        (8, "attributes.list", "input should be a valid number"),
        (8, "attributes.list", "input should be a valid string"),
        (9, "event_id", "string should match pattern '^[^\\x00-\\x1f\\x7f]*$'"),
        (10, "occurred_at", "must be text such as 2026-11-20T09:00:00Z"),
        (11, "occurred_at", "lies before 1970"),
        (12, "customer_id", "field required"),
        (12, "type", "field required"),
        (12, "occurred_at", "field required"),
    ]
    assert [event["event_id"] for event in shop.events()] == ["e1", "e12"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "the body is not JSON"),
        (b"[]", 'the body must be {"events": [...]}'),
        (b'{"events": 1}', 'the body must be {"events": [...]}'),
        (b'{"events": [], "more": 1}', 'the body must be {"events": [...]}'),
        (b'{"events": [NaN]}', "the body is not JSON"),
        (b'{"events": ["\\ud800"]}', "the body is not JSON"),
        (b'{"events": ["\xff"]}', "the body is not JSON"),
        (b'{"events": ' + b"[" * 100_000, "the body is not JSON"),
        (b'{"events": [' + b"1" * 10_000 + b"]}", "the body is not JSON"),
        (json.dumps({"events": [0] * 1_001}).encode(), "at most 1,000 events in one batch"),
    ],
)
def test_what_is_no_batch_is_refused_whole(shop: Shop, body: bytes, what: str) -> None:
    answer = shop.client.post("/events", content=body, headers=AUTHORIZED)
    assert answer.status_code == 400
    assert answer.json().get("error", "").startswith(what)
    assert shop.events() == []


@pytest.mark.parametrize(
    "header",
    ["", KEY, f"Basic {KEY}", f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", "Bearer", "Bearer \xff", f"Bearer {KEY.upper()}"],
)
def test_without_the_key_nothing_is_taken(shop: Shop, header: str) -> None:
    answer = shop.client.post(
        "/events", json={"events": [EVENT]}, headers=[(b"Authorization", header.encode("latin-1"))]
    )
    assert answer.status_code == 401
    assert KEY not in answer.text
    assert shop.events() == []


def test_a_body_that_is_too_long_is_refused(shop: Shop) -> None:
    assert post(shop, {**EVENT, "attributes": {"a": "x" * 2_000_000}}).status_code == 413
    chunks = (b"x" * 100_000 for _ in range(30))
    assert shop.client.post("/events", content=chunks, headers=AUTHORIZED).status_code == 413
    assert shop.client.post(f"/u/{shop.token('unsubscribe')}", content=b"x" * 20_000).status_code == 413
    assert words(shop) == {"email.promotions": 1}


def test_headers_that_are_too_long_are_refused(shop: Shop) -> None:
    assert shop.client.get("/health", headers={"X": "x" * 20_000}).status_code == 431
    assert shop.client.get("/health", headers={"X": "x" * 100_000}).status_code in (
        400,
        431,
    )  # 400: not read to its end
    assert shop.client.get("/health").json() == {"status": "ok"}


def test_attributes_that_don_t_fit_their_column_keep_nothing_out(shop: Shop) -> None:
    post(shop, {**EVENT, "attributes": {"size": 42.0, "colour": "red", "mixed": True}})
    warehouse = shop.workspace.warehouse()
    flush(shop.workspace, warehouse)
    others = [{"size": "XL", "colour": 7.0, "mixed": "x"}, {"size": 1e300, "colour": True, "mixed": False}]
    post(shop, *({**EVENT, "event_id": f"n{n}", "attributes": a} for n, a in enumerate(others)))
    assert flush(shop.workspace, warehouse) == 2
    events = warehouse.table("events")
    found = events.filter(events.event_id.isin(["e1", "n0", "n1"])).to_polars().sort("event_id")
    warehouse.close()
    assert found.select("size", "colour", "mixed").rows() == [
        (42.0, "red", True),
        (None, "7.0", None),
        (1e300, "true", False),
    ]


def test_a_failure_is_told_to_nobody(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from automation.store import feedback

    def broken(*_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(feedback, "answered", broken)
    answer = shop.client.get(f"/u/{shop.token('unsubscribe')}")
    assert (answer.status_code, answer.text) == (500, "Something went wrong. Please try again.\n")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert shop.client.get(f"/o/{shop.token('open')}").status_code == 200  # a picture must not break
    assert shop.client.get(f"/c/{shop.token('click')}").status_code == 302  # nor must a link


def test_a_store_that_is_busy_says_come_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from automation.web import intake

    monkeypatch.setattr(intake, "MOST_WAITING", 0)
    for answer in (shop.client.post(f"/u/{shop.token('unsubscribe')}"), post(shop, EVENT)):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert shop.client.get(f"/o/{shop.token('open')}").status_code == 200
    assert words(shop) == {"email.promotions": 1}


def test_pages_that_were_broken_while_it_runs_stay_as_they_were(shop: Shop) -> None:
    from automation.runner.workspace import open_project

    path = f"/u/{shop.token('unsubscribe')}"
    folder = shop.workspace.project.root / "templates" / "web"
    folder.mkdir()
    for text, expected in (("unsubscribe_button: Genug", "Genug"), ("unsubscribe_buton: x", "Genug")):
        (folder / "en.yaml").write_text(text)
        object.__setattr__(shop.workspace, "project", open_project(shop.workspace.project.root))  # as the daemon does
        assert f">{expected}</button>" in shop.client.get(path).text


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
        assert shop.client.get("/health").json() == {"status": "ok"}
    assert shop.events() == []


def test_a_body_that_does_not_come_is_not_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from automation.web import endpoint

    monkeypatch.setattr(endpoint, "PATIENCE", 0.3)
    head = f"POST /u/{shop.token('unsubscribe')} HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\nList-Unsub".encode()
    assert raw(shop, head) == b"HTTP/1.1 408 Request Timeout"
    assert words(shop) == {"email.promotions": 1}
