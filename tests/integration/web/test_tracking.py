"""Opens and clicks: where links lead, what is counted, and who is a machine."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import timedelta

from support.tokens import token_of
from support.web import BASE, Shop, paths

from automation.inbound.flush import flush_events


def test_every_link_of_a_message_leads_where_its_template_says(shop: Shop) -> None:
    message = shop.messages[0]
    clicks = [path for path in paths(message.html) if path.startswith("/c/")]
    targets = []
    for path in clicks:
        shop.move(timedelta(minutes=1))
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
    shop.move(timedelta(seconds=1))
    shop.client.get(f"/o/{shop.token('open')}")
    assert [event["type"] for event in shop.events()] == ["email_open", "email_open"]


def test_bot_opens_and_clicks_are_separate_events_that_no_rule_counts(shop: Shop) -> None:
    path = f"/o/{shop.token('open')}"
    for user_agent in ("Mozilla/5.0", "curl/8", ""):
        shop.move(timedelta(seconds=1))
        shop.client.get(path, headers={"User-Agent": user_agent})
    shop.move(timedelta(seconds=1))
    shop.client.head(path)
    assert [(event["type"], event["why"]) for event in shop.events()] == [
        ("machine_open", "apple_mail_privacy"),
        ("machine_open", "robot"),
        ("machine_open", "nameless"),
        ("machine_open", "head_request"),
    ]


def test_following_every_link_at_once_is_a_bot_from_the_first_click(shop: Shop) -> None:
    for link in range(3):
        shop.client.get(f"/c/{shop.token('click', link=link)}")
    assert [(event["type"], event.get("why")) for event in shop.events()] == [("machine_click", "many_links")] * 3
    shop.move(timedelta(seconds=6))
    shop.client.get(f"/c/{shop.token('click', link=0)}")
    assert shop.events()[-1]["type"] == "email_click"


def test_clicks_within_seconds_of_sending_are_a_bot_s(shop: Shop) -> None:
    shop.move(-timedelta(seconds=55))
    shop.client.get(f"/c/{shop.token('click')}")
    assert [(event["type"], event["why"]) for event in shop.events()] == [("machine_click", "too_soon")]


def test_links_of_unknown_messages_lead_to_the_shop(shop: Shop) -> None:
    unknown = token_of(shop.workspace.store.secret, "click", "0" * 32, link=0)
    for token in (unknown, shop.token("click", link=99)):
        answer = shop.client.get(f"/c/{token}")
        assert (answer.status_code, answer.headers["location"]) == (302, "https://toy.example")
    with shop.workspace.store.transaction() as connection:
        connection.exec_driver_sql("UPDATE message SET context = '{}', customer_id = ''")
        connection.exec_driver_sql("UPDATE message_status SET state = 'erased'")
    before = len(shop.events())
    assert shop.client.get(f"/c/{shop.token('click')}").headers["location"] == "https://toy.example"
    assert shop.client.get(f"/o/{shop.token('open')}").status_code == 200
    assert shop.client.get(f"/u/{shop.token('unsubscribe')}").status_code == 404
    assert shop.client.post(f"/u/{shop.token('unsubscribe')}").status_code == 404
    assert len(shop.events()) == before


def test_tracked_events_reach_the_warehouse_with_their_attributes(shop: Shop) -> None:
    shop.client.get(f"/c/{shop.token('click', link=1)}")
    shop.client.get(f"/o/{shop.token('open')}", headers={"User-Agent": "curl/8"})
    warehouse = shop.workspace.warehouse()
    assert flush_events(shop.workspace, warehouse) == 2
    events = warehouse.table("events")
    found = events.filter(events.message_id == shop.messages[0].id).to_polars().sort("type")
    warehouse.close()
    columns = ("customer_id", "type", "campaign", "channel", "link", "client", "why")
    assert found.select(columns).rows() == [
        ("c1", "email_click", "toy", "email", 1.0, "browser", None),
        ("c1", "machine_open", "toy", "email", None, "robot", "robot"),
    ]


def test_sent_messages_have_the_links_that_are_served(shop: Shop) -> None:
    outbox = shop.workspace.project.root / "var" / "outbox" / "new"
    for message in shop.messages:
        (file,) = outbox.glob(f"{message.id}.*")
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        for kind, expected in (("html", message.html), ("plain", message.text)):
            part = mail.get_body((kind,))
            assert part is not None
            assert part.get_content().split() == expected.split()
        assert all(shop.client.get(path).status_code in (200, 302) for path in paths(message.html))
