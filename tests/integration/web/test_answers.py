"""What recipients say: unsubscribing, preferences and confirmations."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from support.web import BASE, KEY, SHOP_CONFIG, Fields, Shop, paths, rendered, sent

from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF

# Unsubscribing


def test_opening_the_link_never_unsubscribes(shop: Shop) -> None:
    path = f"/u/{shop.token('unsubscribe')}"
    for method in ("GET", "HEAD", "GET"):
        assert shop.client.request(method, path).status_code == 200
    assert shop.client.request("PUT", path).status_code == 405
    assert shop.client.request("OPTIONS", path).status_code == 405
    assert shop.words() == {"email.promotions": 1}
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
    assert shop.words() == {"email.promotions": 0}
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
    assert event.get("client") == (None if method == "one click" else "browser")


def test_a_scanner_that_posts_the_unsubscribe_is_obeyed_and_recorded(shop: Shop) -> None:
    shop.client.post(f"/u/{shop.token('unsubscribe')}", headers={"User-Agent": "Barracuda Sentinel (EE)"})
    assert shop.words() == {"email.promotions": 0}
    assert [(event["client"], event["why"]) for event in shop.events()] == [("scanner", "scanner")]


def test_the_button_on_the_page_unsubscribes_and_leads_on(shop: Shop) -> None:
    path = f"/u/{shop.token('unsubscribe')}"
    page = Fields(shop.client.get(path).text)
    assert page.forms == [{"method": "post"}]  # to where it was got from
    ((name, value, _),) = page.fields
    done = shop.client.post(path, data={name: value})
    (_, onwards) = Fields(done.text).links
    centre = shop.client.get(httpx.URL(str(done.url)).join(onwards))
    assert "What you get from us" in centre.text
    assert shop.words() == {"email.promotions": 0}


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
    assert shop.words() == {"email.promotions": 0, "email.news_letter": 1, "email.service": 0}
    proof = shop.rows(
        "SELECT DISTINCT source, method, text_version LIKE 'en:%' FROM consent_record WHERE source <> 'test'"
    )
    assert proof == [("preference centre", "preference centre", 1)]
    assert Counter(event["type"] for event in shop.events()) == {"unsubscribe": 2, "consent_given": 1}


def test_resubscribing_lifts_the_unsubscribe(shop: Shop) -> None:
    shop.client.post(f"/u/{shop.token('unsubscribe')}")
    shop.move(timedelta(days=1))
    path = f"/p/{shop.token('preferences')}"
    page = Fields(shop.client.get(path).text)
    assert ("yes", "email.promotions", False) in page.fields
    shop.client.post(path, data={"shown": "email.promotions", "yes": "email.promotions"})
    assert shop.words() == {"email.promotions": 1}
    assert shop.rows("SELECT * FROM suppression") == []


def test_choosing_nothing_ends_marketing_and_keeps_service(shop: Shop) -> None:
    shop.client.post(f"/p/{shop.token('preferences')}", data={"nothing": "yes", "yes": "email.promotions"})
    assert shop.words() == {"email.promotions": 0, "email.news_letter": 0}
    assert ("yes", "email.service", True) in Fields(shop.client.get(f"/p/{shop.token('preferences')}").text).fields


@pytest.mark.parametrize(
    "form",
    ["yes=sms.promotions&shown=sms.promotions", "shown=email.nothing&yes=email.nothing", "x=1", "yes=&shown=", ""],
)
def test_a_topic_that_the_page_did_not_offer_is_refused(shop: Shop, form: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert shop.client.post(f"/p/{shop.token('preferences')}", content=form, headers=kind).status_code == 200
    assert shop.words() == {"email.promotions": 1}
    assert shop.events() == []


@pytest.mark.parametrize("form", [b"yes=%ff", b"\xff", b"&".join([b"a=b"] * 1_001)])
def test_a_malformed_form_is_refused(shop: Shop, form: bytes) -> None:
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
    assert shop.words() == {"email.promotions": 0}
    assert "You will get “Promotions” (e-mail) from us." in shop.client.post(path).text
    assert shop.words() == {"email.promotions": 1}
    now = int(shop.workspace.clock.now().timestamp() * 1000)
    proof = shop.rows(
        "SELECT at, source, method, address, text_version LIKE 'en:%' FROM consent_record ORDER BY id DESC"
    )
    assert proof[0] == (now, "confirm link", "double opt-in", "ana@example.com", 1)


# How long links work


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("purpose", "path", "days", "status"),
    [
        ("unsubscribe", "u", 4_000, 200),
        ("preferences", "p", 364, 200),
        ("preferences", "p", 366, 410),
        ("confirm", "confirm", 29, 200),
        ("confirm", "confirm", 31, 410),
    ],
)
def test_every_link_but_unsubscribe_ends(
    shop: Shop, method: str, purpose: str, path: str, days: int, status: int
) -> None:
    shop.move(timedelta(days=days))
    address = f"/{path}/{shop.token(purpose)}"
    answer = shop.client.request(method, address, data={"nothing": "yes"} if method == "POST" else None)
    assert answer.status_code == status
    if status == 410:
        assert shop.words() == {"email.promotions": 1}
        assert shop.rows("SELECT count(*) FROM consent_record WHERE source <> 'test'") == [(0,)]
        assert "This link has ended" in answer.text
        assert not re.search(
            r"ana|promotions|news_letter|checkbox|e-mail", answer.text.split("</style>")[1], re.IGNORECASE
        )


def test_the_page_of_an_ended_link_leads_to_unsubscribing_and_that_one_not_back(shop: Shop) -> None:
    shop.move(timedelta(days=400))
    ended = shop.client.get(f"/p/{shop.token('preferences')}")
    (onwards,) = (link for link in Fields(ended.text).links if "/u/" in link)
    leaving = httpx.URL(str(ended.url)).join(onwards)
    assert "Shall we stop sending you" in shop.client.get(leaving).text
    done = shop.client.post(leaving)
    assert "You are unsubscribed" in done.text
    assert not [link for link in Fields(done.text).links if "/p/" in link]
    assert shop.words() == {"email.promotions": 0}


def test_the_shop_says_how_long_links_work(shop: Shop) -> None:
    project = shop.workspace.project
    links = project.settings.links.model_copy(update={"preferences_end_after": timedelta(hours=1)})
    consents = project.settings.consent.model_copy(update={"confirm_within": timedelta(hours=2)})
    settings = project.settings.model_copy(update={"links": links, "consent": consents})
    object.__setattr__(shop.workspace, "project", replace(project, settings=settings))  # as a reload gives it
    shop.move(timedelta(minutes=90))
    assert shop.client.get(f"/p/{shop.token('preferences')}").status_code == 410
    assert shop.client.get(f"/confirm/{shop.token('confirm')}").status_code == 200
    shop.move(timedelta(hours=1))
    assert shop.client.get(f"/confirm/{shop.token('confirm')}").status_code == 410


# What is counted


@pytest.mark.parametrize(
    ("track", "pages"), [("true", {"c", "o", "p", "u"}), ("clicks", {"c", "p", "u"}), ("false", {"p", "u"})]
)
def test_the_shop_chooses_what_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, track: str, pages: set[str]
) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    with sent(tmp_path, config=SHOP_CONFIG.replace(f"'{BASE}'", f"'{BASE}', track: {track}")) as workspace:
        html = rendered(workspace)[0].html
    assert {path.split("/")[1] for path in paths(html)} == pages
