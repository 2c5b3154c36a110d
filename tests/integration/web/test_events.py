"""`POST /events`: durable, once each, and every wrong one by its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from support.web import AUTHORIZED, EVENT, KEY, Shop

from automation.config.settings import Web
from automation.event_types import EVENT_TYPES
from automation.inbound.flush import flush_events
from automation.types.secret import Secret
from automation.web.api import events


def test_events_are_durable_and_count_once(shop: Shop) -> None:
    bought = {**EVENT, "product_id": "p1", "amount": 12.5, "quantity": 1, "currency": "EUR",
              "attributes": {"category": "tea", "gift": True, "weight": 0.25}}  # fmt: skip
    assert shop.post(bought, {**EVENT, "event_id": "e2"}).json() == {"accepted": 2, "repeated": 0, "rejected": []}
    assert shop.post(bought, {**EVENT, "event_id": "e3"}).json() == {"accepted": 2, "repeated": 1, "rejected": []}
    assert [event["event_id"] for event in shop.events()] == ["e1", "e2", "e3"]
    assert shop.events()[0] == {
        "event_id": "e1", "customer_id": "c1", "type": "purchase", "occurred_at": datetime(2026, 3, 1, 8, tzinfo=UTC),
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
    answer = shop.post(*wrong)
    assert answer.status_code == 422
    found = answer.json()
    assert (found["accepted"], found["repeated"]) == (2, 0)
    assert [(r["index"], r["field"], r["what"]) for r in found["rejected"]] == [
        (1, "occurred_at", "input should have timezone info"),
        (2, "amount", "input should be a valid number"),
        (3, "colour", "extra inputs are not permitted"),
        (4, "event_id", "string should have at least 1 character"),
        (4, "type", "string should match pattern '^[a-z][a-z0-9_]{0,39}$'"),
        (5, "", "input should be a valid dictionary or instance of Event"),
        (6, "occurred_at", "is in the future"),
        (7, "attributes.amount", "is a field of the event itself"),
        (8, "attributes.list", "input should be a valid boolean"),
        (8, "attributes.list", "input should be a valid number"),
        (8, "attributes.list", "input should be a valid string"),
        (9, "event_id", "string should match pattern '^[^\\x00-\\x1f\\x7f]*$'"),
        (10, "occurred_at", "must be text such as 2026-11-20T09:00:00Z"),
        (11, "occurred_at", "is before 1970"),
        (12, "customer_id", "field required"),
        (12, "type", "field required"),
        (12, "occurred_at", "field required"),
    ]
    assert [event["event_id"] for event in shop.events()] == ["e1", "e12"]


def test_an_amount_in_a_currency_without_a_rate_is_refused(shop: Shop) -> None:
    """It would be counted as the shop's own currency. A rating's value is no amount."""
    rated = {**EVENT, "event_id": "e2", "type": "rating", "amount": 4, "currency": "GBP"}
    looked = {**EVENT, "event_id": "e3", "type": "view", "currency": "GBP"}

    answer = shop.post({**EVENT, "amount": 12.5, "currency": "GBP"}, rated, looked)

    assert answer.status_code == 422
    (refused,) = answer.json()["rejected"]
    assert (refused["index"], refused["field"]) == (0, "currency")
    assert refused["what"].startswith(
        "is GBP, and the shop's currency is EUR; write in config.yaml what one GBP is worth"
    )
    assert [event["event_id"] for event in shop.events()] == ["e2", "e3"]


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
def test_a_body_that_is_not_a_batch_is_refused_as_a_whole(shop: Shop, body: bytes, what: str) -> None:
    answer = shop.client.post("/events", content=body, headers=AUTHORIZED)
    assert answer.status_code == 400
    assert answer.json().get("error", "").startswith(what)
    assert shop.events() == []


@pytest.mark.parametrize(
    "header",
    ["", KEY, f"Basic {KEY}", f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", "Bearer", "Bearer \xff", f"Bearer {KEY.upper()}"],
)
def test_without_the_api_key_no_event_is_accepted(shop: Shop, header: str) -> None:
    answer = shop.client.post(
        "/events", json={"events": [EVENT]}, headers=[(b"Authorization", header.encode("latin-1"))]
    )
    assert answer.status_code == 401
    assert KEY not in answer.text
    assert shop.events() == []


def test_a_body_that_is_too_long_is_refused(shop: Shop) -> None:
    assert shop.post({**EVENT, "attributes": {"a": "x" * 2_000_000}}).status_code == 413
    chunks = (b"x" * 100_000 for _ in range(30))
    assert shop.client.post("/events", content=chunks, headers=AUTHORIZED).status_code == 413
    assert shop.client.post(f"/u/{shop.token('unsubscribe')}", content=b"x" * 20_000).status_code == 413
    assert shop.words() == {"email.promotions": 1}


def test_an_attribute_of_another_type_does_not_block_its_event(shop: Shop) -> None:
    shop.post({**EVENT, "attributes": {"size": 42.0, "colour": "red", "mixed": True}})
    warehouse = shop.workspace.warehouse()
    flush_events(shop.workspace, warehouse)
    others = [{"size": "XL", "colour": 7.0, "mixed": "x"}, {"size": 1e300, "colour": True, "mixed": False}]
    shop.post(*({**EVENT, "event_id": f"n{n}", "attributes": a} for n, a in enumerate(others)))
    assert flush_events(shop.workspace, warehouse) == 2
    events = warehouse.table("events")
    found = events.filter(events.event_id.isin(["e1", "n0", "n1"])).to_polars().sort("event_id")
    warehouse.close()
    assert found.select("size", "colour", "mixed").rows() == [
        (42.0, "red", True),
        (None, "7.0", None),
        (1e300, "true", False),
    ]


SHOP_KEY, CONSENT_KEY, REPORT_KEY = (f"{name}-key-0123456789" for name in ("shop", "consent", "report"))


@pytest.mark.parametrize(
    ("key", "may"),
    [
        (SHOP_KEY, {"shop"}),
        (CONSENT_KEY, {"shop", "consent"}),
        (REPORT_KEY, {"shop", "response", "delivery"}),
        ("another-key-0123456789", set()),
    ],
)
def test_a_key_speaks_for_others_only_where_config_yaml_says_so(key: str, may: set[str]) -> None:
    web = Web(api_keys=(Secret(SHOP_KEY),), consent_keys=(Secret(CONSENT_KEY),), report_keys=(Secret(REPORT_KEY),))
    assert events._find_groups(web, f"Bearer {key}") == may
    assert events._find_groups(web, f"Basic {key}") == events._find_groups(None, f"Bearer {key}") == frozenset()


def test_what_a_key_may_not_post_is_rejected_alone(shop: Shop) -> None:
    """The shop's key may post consents here, and no reports of providers."""
    refused = [type_.name for type_ in EVENT_TYPES if type_.group in ("response", "delivery")]
    sent = [{**EVENT, "event_id": f"e{number}", "type": name} for number, name in enumerate(refused)]
    answer = shop.post({**EVENT, "event_id": "mine"}, *sent).json()
    assert (answer["accepted"], len(answer["rejected"])) == (1, len(refused))
    assert {(one["field"], one["what"].partition(";")[2]) for one in answer["rejected"]} == {
        ("type", " the keys in web.report_keys of config.yaml may")
    }
    assert [event["event_id"] for event in shop.events()] == ["mine"]
